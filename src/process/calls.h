/* Calls by value, as bytes that any member of the family can make: the function's identity, and (arguments, keywords) as
 * pickle. */
#ifndef PROCESS_CALLS_H
#define PROCESS_CALLS_H

#include "process/function.h"
#include <prong/pickle.h>

/* In front of the pickle. */
struct call_header {
    struct function function;
};

/* The bytes lie in scratch. Errors: as function_identify, prong_pickle_dumps; PRONG_INVALID. */
prong_status call_write(prong_document *scratch, any_function *function, prong_value arguments, prong_value keywords,
                        void **bytes, size_t *size);
prong_status call_read(prong_document *document, const void *bytes, size_t size, any_function **function,
                       prong_value *arguments, prong_value *keywords);

#endif
