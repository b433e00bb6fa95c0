/* The CPUs that workers are bound to. */
#include "pool/cpus.h"

#include "base/error.h"
#include "os/os.h"
#include "process/strings.h"

#include <stdlib.h>
#include <string.h>

/* The number at *text, which moves on; false where there is none, or no such CPU. */
static bool cpus_read_number(const char **text, unsigned *number) {
    size_t digits = strspn(*text, "0123456789");
    if (!digits || digits > 6) return false;
    *number = (unsigned)strtoul(*text, NULL, 10);
    *text += digits;
    return *number < OS_CPUS_MOST;
}

static bool cpus_read(const char *list, struct os_cpus *cpus) {
    unsigned first, last;
    *cpus = (struct os_cpus){{0}};
    for (const char *at = list;; at++) {
        if (!cpus_read_number(&at, &first)) return false;
        last = first;
        if (*at == '-' && (at++, !cpus_read_number(&at, &last))) return false;
        if (last < first) return false;
        for (unsigned cpu = first; cpu <= last; cpu++) os_cpus_add(cpus, cpu);
        if (!*at) return true;
        if (*at != ',') return false;
    }
}

static prong_status cpus_check_usable(const char *list, const struct os_cpus *usable) {
    struct os_cpus cpus;
    if (!cpus_read(list, &cpus)) return fail(PRONG_INVALID, "pool: cpus: '%.60s' is no list like \"0-3,8\"", list);
    for (unsigned cpu = 0; cpu < OS_CPUS_MOST; cpu++)
        if (os_cpus_have(&cpus, cpu) && !os_cpus_have(usable, cpu))
            return fail(PRONG_INVALID, "pool: cpus: '%.60s' has CPU %u, which this process may not use", list, cpu);
    return PRONG_OK;
}

prong_status cpus_check(const char *const *lists) {
    struct os_cpus usable;
    if (!lists[0]) return fail_text(PRONG_INVALID, "pool: cpus: there is no list");
    if (os_cpus_get(&usable) != 0) return fail_errno("pool: the CPUs that this process may use");
    for (; *lists; lists++) TRY(cpus_check_usable(*lists, &usable));
    return PRONG_OK;
}

prong_status cpus_bind(uint64_t block, uint64_t place) {
    struct os_cpus cpus;
    uint64_t count = 0;
    char **lists = strings_list(block);
    if (!lists) return fail_text(PRONG_NO_MEMORY, "no memory for a worker's CPUs");
    while (lists[count]) count++;
    bool good = cpus_read(lists[place % count], &cpus);
    free(lists);
    return good && os_cpus_set(&cpus) == 0 ? PRONG_OK : fail_errno("a worker cannot be bound to its CPUs");
}
