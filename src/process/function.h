/* Function identity: a function as (object file's build-id, offset from its load base), so that another image of the
 * same program finds it wherever it is loaded there. */
#ifndef PROCESS_FUNCTION_H
#define PROCESS_FUNCTION_H

#include <prong/status.h>
#include <stddef.h>
#include <stdint.h>

enum { BUILD_ID_SIZE = 32, OBJECT_PATH_SIZE = 216 };

struct function {
    uint8_t build_id[BUILD_ID_SIZE];
    uint64_t build_id_size;
    uint64_t in_program; /* it is in the program itself: a child's image is the same file, with a build-id or without */
    uint64_t offset;
    char path[OBJECT_PATH_SIZE]; /* "" for the program itself */
};

typedef void any_function(void);

prong_status function_identify(any_function *pointer, struct function *function);
/* Looks among the objects loaded here; a shared library that is not is loaded from where it was. */
prong_status function_resolve(const struct function *function, any_function **pointer);

#endif
