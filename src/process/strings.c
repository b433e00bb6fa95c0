/* Lists of strings, kept in the arena: the arguments of another program that is started, an environment of its own. */
#include "process/strings.h"

#include "base/error.h"
#include "family/heap.h"

#include <stdlib.h>
#include <string.h>

/* The block: how many there are, then each with its zero. */
prong_status strings_keep(const char *const *strings, uint64_t *block) {
    uint64_t count = 0, size = sizeof count;
    for (; strings[count]; count++) size += strlen(strings[count]) + 1;
    prong_status status = heap_alloc(size, 0, block, NULL);
    if (status < 0) return status;
    char *at = arena_at(*block);
    memcpy(at, &count, sizeof count);
    at += sizeof count;
    for (uint64_t i = 0; i < count; i++) at = stpcpy(at, strings[i]) + 1;
    return PRONG_OK;
}

prong_status program_keep(char *const *arguments, uint64_t *block) {
    if (!arguments[0] || !arguments[0][0]) return fail_text(PRONG_INVALID, "process: a program without a name");
    return strings_keep((const char *const *)(uintptr_t)arguments, block);
}

prong_status environment_keep(const char *const *entries, uint64_t *block) {
    for (const char *const *entry = entries; *entry; entry++)
        if (**entry == '=' || !strchr(*entry, '='))
            return fail(PRONG_INVALID, "process: '%.60s' in its environment is not of the form NAME=value", *entry);
    return strings_keep(entries, block);
}

char **strings_list(uint64_t block) {
    uint64_t count = 0;
    if (!block) return NULL;
    memcpy(&count, arena_at(block), sizeof count);
    char **list = calloc(count + 1, sizeof *list), *at = (char *)arena_at(block) + sizeof count;
    for (uint64_t i = 0; list && i < count; i++) {
        list[i] = at;
        at += strlen(at) + 1;
    }
    return list;
}

const char *program_name(uint64_t block) {
    return (const char *)arena_at(block) + sizeof(uint64_t);
}
