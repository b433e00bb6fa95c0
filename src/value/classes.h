/* Which classes a pickle may name, and which of them are values of their own here. */
#ifndef VALUE_CLASSES_H
#define VALUE_CLASSES_H

#include <prong/pickle.h>

/* Below protocol 3 pickles name Python 2's modules: *module and *name become Python 3's. */
void class_modernize(const char **module, const char **name);
/* The other way. Fails for a class whose own name is one of Python 2's: it would be read as another. */
prong_status class_antiquate(const char **module, const char **name);

/* On the usual list. */
bool class_is_usual(const char *module, const char *name);
/* On the list of the program, or NULL. */
const struct prong_class *class_registered(const prong_unpickle_options *options, const char *module, const char *name);

/* What module.name(*arguments) is if it is a value here: a set, bytes, a range, … *native tells whether it is meant to be one.
 * Fails when the arguments make none. */
prong_status class_call(prong_document *document, prong_value class, prong_value arguments, bool *native,
                        prong_value *value);

/* For what comes from within the family, or is only handed on: all classes, as data. */
extern const prong_unpickle_options ANY_CLASS;

#endif
