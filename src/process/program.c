/* Another program, whose image is started in the place of this one's: its arguments, kept in the arena. */
#include "base/error.h"
#include "family/heap.h"
#include "process/process.h"

#include <stdlib.h>
#include <string.h>

/* The block: how many there are, then each with its zero. */
prong_status program_keep(char *const *arguments, uint64_t *block) {
    uint64_t count = 0, size = sizeof count;
    if (!arguments[0] || !arguments[0][0]) return fail_text(PRONG_INVALID, "process: a program without a name");
    for (; arguments[count]; count++) size += strlen(arguments[count]) + 1;
    prong_status status = heap_alloc(size, 0, block, NULL);
    if (status) return status;
    char *at = arena_at(*block);
    memcpy(at, &count, sizeof count);
    at += sizeof count;
    for (uint64_t i = 0; i < count; i++) at = stpcpy(at, arguments[i]) + 1;
    return PRONG_OK;
}

char **program_arguments(uint64_t block) {
    uint64_t count = 0;
    if (!block) return NULL;
    memcpy(&count, arena_at(block), sizeof count);
    char **arguments = calloc(count + 1, sizeof *arguments), *at = (char *)arena_at(block) + sizeof count;
    for (uint64_t i = 0; arguments && i < count; i++) {
        arguments[i] = at;
        at += strlen(at) + 1;
    }
    return arguments;
}

const char *program_name(uint64_t block) {
    return (const char *)arena_at(block) + sizeof(uint64_t);
}
