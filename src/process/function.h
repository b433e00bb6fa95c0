/* Function identity: which function is meant, so that another image finds it wherever it is there. A program's or a
 * library's is (object file's build-id, offset from its load base); prong's own go by number, as images may hold different
 * builds of it; any may go by name. */
#ifndef PROCESS_FUNCTION_H
#define PROCESS_FUNCTION_H

#include <prong/status.h>
#include <stddef.h>
#include <stdint.h>

enum { BUILD_ID_SIZE = 32, OBJECT_PATH_SIZE = 216 };

enum function_place {
    FUNCTION_FORKED, /* not identified: a forked child has it at the same address */
    FUNCTION_IN_PROGRAM,
    FUNCTION_IN_LIBRARY,
    FUNCTION_OF_PRONG,
    FUNCTION_BY_NAME,
};

/* All bytes that are not used are zero, so that equal functions are equal as bytes. */
struct function {
    uint64_t place;
    uint64_t offset; /* OF_PRONG: its number */
    uint64_t build_id_size;
    uint8_t build_id[BUILD_ID_SIZE];
    char path[OBJECT_PATH_SIZE]; /* IN_LIBRARY: of the library; BY_NAME: the name */
};

typedef void any_function(void);

/* Those of prong's own functions that other images are told to call; by number. Defined in src/upward.c. */
enum { OWN_FUNCTIONS = 4 };
extern any_function *const own_functions[OWN_FUNCTIONS];

prong_status function_identify(any_function *pointer, struct function *function);
/* Errors: PRONG_INVALID (empty, or too long). */
prong_status function_by_name(const char *name, struct function *function);
/* Looks among the objects loaded here; a shared library that is not is loaded. A name is LIBRARY:SYMBOL, as dlopen and dlsym
 * take them, the program itself without a library. */
prong_status function_resolve(const struct function *function, any_function **pointer);
/* This process's image is another program than that of the one that started it. */
void function_in_other_program(void);

#endif
