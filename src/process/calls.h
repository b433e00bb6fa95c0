/* Calls by value, as bytes that any member of the family can make: which function, and (arguments, keywords) as pickle. A
 * function that goes by name is the language runtime's to call, where there is one. */
#ifndef PROCESS_CALLS_H
#define PROCESS_CALLS_H

#include "process/function.h"
#include <prong/pickle.h>

/* In front of the pickle. */
struct call_header {
    struct function function;
};

/* Either a function or a name. */
prong_status call_identify(any_function *function, const char *name, struct function *identity);
/* The bytes lie in scratch. Errors: as prong_pickle_dumps; PRONG_INVALID. */
prong_status call_write(prong_document *scratch, const struct function *function, prong_value arguments,
                        prong_value keywords, void **bytes, size_t *size);
/* The same for a function or a name; arguments may be null for none. */
prong_status call_make(prong_document *scratch, any_function *function, const char *name, prong_value arguments,
                       prong_value keywords, void **bytes, size_t *size);
prong_status call_read(prong_document *document, const void *bytes, size_t size, any_function **function,
                       prong_value *arguments, prong_value *keywords);
/* The name, and the pickle behind it, when the runtime is to be called; else NULL. */
const char *call_of_runtime(const void *bytes, size_t size, const void **pickle, size_t *pickle_size);
/* A prong_target whose argument is a call, of a prong_value_target. */
int call_target(void *argument, size_t size);

#endif
