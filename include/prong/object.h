/* Objects of Python's classes, as data: the class's name, and what the object
 * was made from. No class is loaded, and nothing is called. See
 * <prong/value.h>. */
#ifndef PRONG_OBJECT_H
#define PRONG_OBJECT_H

#include <prong/value.h>

PRONG_BEGIN_DECLS

typedef struct prong_object {
    const char *module, *name; /* of the class, or the function that makes it */
    /* Made by name.__new__(name, *arguments), else by name(*arguments). */
    bool by_new;
    prong_value arguments; /* a tuple */
    prong_value keywords;  /* a dict; None: none */
    prong_value items;     /* a list of what was appended; None: none */
    prong_value pairs;     /* a dict of what was set by key; None: none */
    bool has_state;
    prong_value state; /* what __setstate__ gets, or a dict of the attributes */
    void *reserved[2]; /* zero */
} prong_object;

/* Makes the value. Errors: PRONG_NO_MEMORY, PRONG_INVALID (no class name;
 * arguments are not a tuple, keywords no dict, …). */
PRONG_CHECKED prong_status prong_make_object(prong_document *document,
                                             const prong_object *object,
                                             prong_value *value);
/* What the object was made from; the texts belong to the document. Errors:
 * PRONG_INVALID (no object). */
PRONG_API prong_status prong_get_object(prong_value value,
                                        prong_object *object);
/* Whether the value is an object of that class. module may be NULL: any. */
PRONG_API bool prong_value_is(prong_value value, const char *module,
                              const char *name);

PRONG_END_DECLS

#endif
