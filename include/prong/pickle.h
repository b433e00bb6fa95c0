/* Pickle: values as bytes that Python reads and writes.
 *
 * Reads what CPython's picklers emit, protocols 0 to 5. Nothing that a pickle
 * names is ever called or imported: a class or function is kept by name, an
 * object as what it would be made from (prong_object), and only if the
 * allow-list has it. The list holds Python's own data types and exceptions, and
 * what multiprocessing sends; a program adds its own.
 *
 * Bytes may come from anybody. Whatever they are, reading ends with a value or
 * an error, in memory and time bounded by the limits below and by their length.
 * Not for signal handlers: documents use malloc. */
#ifndef PRONG_PICKLE_H
#define PRONG_PICKLE_H

#include <prong/value.h>

PRONG_BEGIN_DECLS

/* What is written unless told otherwise; CPython 3.8 and later read it. */
#define PRONG_PICKLE_PROTOCOL 5

/* Memory that is sent beside a pickle, not in it (protocol 5's out-of-band
 * buffers). */
typedef struct prong_pickle_buffer {
    void *data;
    size_t size;
    bool read_only;
} prong_pickle_buffer;

/* --- writing --- */

typedef struct prong_pickle_options {
    /* 1 to 5; 0: PRONG_PICKLE_PROTOCOL; PRONG_PICKLE_TEXT: protocol 0. */
    int protocol;
    /* Where buffers (PRONG_KIND_BUFFER) go instead of into the pickle: an array
     * of as many as buffer_capacity; needs protocol 5. *buffer_count is how
     * many there are; more than fit go into the pickle. NULL: all do. */
    prong_pickle_buffer *buffers;
    size_t buffer_capacity, *buffer_count;
    void *reserved[4]; /* zero */
} prong_pickle_options;

/* As options' protocol: protocol 0, which is text. */
#define PRONG_PICKLE_TEXT (-1)

/* A value as bytes, which lie in a document. */
typedef struct prong_pickle {
    const void *data;
    size_t size;
} prong_pickle;

/* Writes value; the bytes lie in document. What is shared, or refers to itself,
 * does so for the reader. options may be NULL. Errors: PRONG_NO_MEMORY,
 * PRONG_TOO_LONG (nested deeper than PRONG_VALUE_DEPTH), PRONG_INVALID (no such
 * protocol, or a class that cannot be named in it: below 3 those of Python 2's
 * modules, __builtin__ and others, are read as Python 3's). */
PRONG_CHECKED prong_status
prong_pickle_dumps(prong_document *document, prong_value value,
                   prong_pickle *pickle, const prong_pickle_options *options);

/* --- reading --- */

/* Makes the value for an object of a class that the program registers, from
 * object->arguments. If the pickle has a state for the object, it is called
 * again with that, object->has_state set, and *value as the first call made it:
 * a container or an object, to change in place. Any result other than PRONG_OK
 * fails the reading. It is called for registered classes only. */
typedef prong_status prong_class_build(prong_document *document,
                                       const prong_object *object,
                                       prong_value *value, void *context);

/* A class, or with a name of "*" all classes of a module, that may be read. */
typedef struct prong_class {
    const char *module, *name;
    prong_class_build *build; /* NULL: it is kept as an object */
    void *context;
    void *reserved[2]; /* zero */
} prong_class;

typedef struct prong_unpickle_options {
    const prong_class *classes; /* allowed beside the usual ones */
    size_t class_count;
    bool any_class; /* all may be read (as data; still nothing is called) */
    /* Bytes of 64 and more refer to the pickle's memory, which must then live
     * on. */
    bool borrow_bytes;
    const prong_pickle_buffer *buffers; /* those that went beside the pickle */
    size_t buffer_count;
    /* Of nesting; 0: PRONG_VALUE_DEPTH, which is also the most. */
    size_t max_depth;
    size_t max_values; /* on the reader's stack at one time; 0: 4,194,304 */
    /* The work that keys (compared, hashed) and calls may cost in all, in steps
     * of some 20 ns, so that no small pickle takes hours; 0: 64 for each
     * byte. */
    size_t max_steps;
    void *reserved[4]; /* zero */
} prong_unpickle_options;

/* Reads one pickle that fills `size` bytes; or one with its buffers beside it
 * in the same bytes, as Python processes of a family send large arrays (values
 * of PRONG_KIND_BUFFER among what the array is rebuilt from). The value lies in
 * document. options may be NULL. Errors: PRONG_INVALID (malformed; the message
 * has the position and what is wrong), PRONG_PERMISSION (a class that is not
 * allowed; the message names it), PRONG_TOO_LONG (beyond a limit),
 * PRONG_NO_MEMORY. */
PRONG_CHECKED prong_status
prong_pickle_loads(prong_document *document, const void *data, size_t size,
                   prong_value *value, const prong_unpickle_options *options);

PRONG_END_DECLS

#endif
