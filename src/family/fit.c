/* The arena's size: as asked for, as the environment sets it, and as the address space of a member allows. */
#define _GNU_SOURCE
#include "base/error.h"
#include "family/family.h"
#include "family/heap.h"
#include "family/member.h"
#include "os/os.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t USUAL_SIZE = 64ull << 30;

/* Reads a number that may be followed by K, M, G or T. 0: it is not a size. */
static uint64_t parse_size(const char *text) {
    static const char units[] = "KMGT";
    char *end;
    if (!isdigit((unsigned char)*text)) return 0;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (errno) return 0;
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (*(unit ? end + 1 : end) || number > UINT64_MAX >> shift) return 0;
    return number << shift;
}

static prong_status size_of_text(const char *text, uint64_t *size) {
    uint64_t wanted = parse_size(text);
    if (wanted < PRONG_ARENA_LEAST || wanted > (uint64_t)INT64_MAX)
        return fail(PRONG_INVALID,
                    "PRONG_ARENA_SIZE '%.40s' is not a size: a number of bytes, or one with K, M, G or T behind it, "
                    "from 64M on",
                    text);
    *size = wanted & ~4095ull;
    return PRONG_OK;
}

/* From a copy: other threads may change the environment at the same time, and getenv would read memory that they free.
 * getenv is used only for an environment that cannot be copied, with which no program could be started. */
prong_status arena_usual_size(uint64_t *size) {
    struct os_environment copy = {0};
    prong_status status = PRONG_OK;
    *size = USUAL_SIZE;
    if (os_is_secure_execution()) return PRONG_OK;
    bool copied = os_environment_copy(&copy, NULL) == 0;
    if (!copied && errno == ENOMEM) return fail_errno("the environment cannot be read");
    const char *text = copied ? os_environment_value(copy.entries, "PRONG_ARENA_SIZE") : getenv("PRONG_ARENA_SIZE");
    if (text && *text) status = size_of_text(text, size);
    os_environment_free(&copy);
    return status;
}

/* Half of the limit less the process's other mappings. */
uint64_t arena_share_of(uint64_t address_space) {
    if (address_space == UINT64_MAX) return UINT64_MAX;
    uint64_t used = os_address_space_used();
    uint64_t others = used > arena_mapped ? used - arena_mapped : 0;
    return address_space > others ? (address_space - others) / 2 : 0;
}

prong_status prong_family_fit(uint64_t address_space) {
    if (!arena_base) return PRONG_OK; /* it will be made to fit */
    if (address_space == 0) address_space = os_address_space_limit();
    uint64_t share = arena_share_of(address_space);
    if (share >= arena_mapped) return PRONG_OK;
    prong_status status = family_enter();
    if (status >= 0) status = heap_sink_end(share);
    if (status < 0 || os_address_space_used() <= address_space) return status;
    return fail(PRONG_NO_MEMORY, "%llu MiB of address space are too little: of the arena %llu MiB are in use",
                (unsigned long long)(address_space >> 20), (unsigned long long)(arena_mapped >> 20));
}
