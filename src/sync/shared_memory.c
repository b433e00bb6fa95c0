/* Shared memory by name. */
#include <prong/shared_memory.h>

#include "base/error.h"
#include "family/room.h"
#include "os/os.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* For smaller ones, checking the control groups is not worth the time. */
enum { ROOM_ASKED = 1 << 20 };

static prong_status check_name(const char *call, const char *name) {
    if (!name || !*name) return fail(PRONG_INVALID, "shared memory %s: no name", call);
    if (strlen(name) >= PRONG_SHARED_MEMORY_NAME || strchr(name, '/'))
        return fail(PRONG_INVALID, "shared memory %s: the name '%.60s' is too long, or holds a slash", call, name);
    return PRONG_OK;
}

static prong_status describe_failure(const char *call, const char *name) {
    if (errno == EFBIG)
        return fail(PRONG_NO_MEMORY,
                    "shared memory %s of '%s': the limit on the size of files (RLIMIT_FSIZE, ulimit -f) is %llu bytes",
                    call, name, (unsigned long long)os_file_size_limit());
    return fail_errno("shared memory %s of '%s'", call, name);
}

prong_status prong_shared_memory_create(prong_shared_memory *memory, const char *name, size_t size) {
    prong_status status = name ? check_name("create", name) : PRONG_OK;
    if (status < 0) return status;
    uint64_t left;
    if (size == 0) return fail(PRONG_INVALID, "shared memory create: no bytes");
    if (size >= ROOM_ASKED) status = room_for(size, &left);
    if (status < 0) return fail_again(status, "shared memory create of %zu bytes", size);
    prong_shared_memory made = {.size = size};
    for (int attempt = 0; attempt < 10; attempt++) {
        if (name)
            snprintf(made.name, sizeof made.name, "%s", name);
        else
            snprintf(made.name, sizeof made.name, "prong_%016" PRIx64, os_random());
        made.data = os_named_memory_create(made.name, size);
        if (made.data || name || errno != EEXIST) break;
    }
    if (!made.data) return describe_failure("create", made.name);
    *memory = made;
    return PRONG_OK;
}

prong_status prong_shared_memory_open(prong_shared_memory *memory, const char *name) {
    TRY(check_name("open", name));
    uint64_t size = 0;
    prong_shared_memory opened = {.data = os_named_memory_attach(name, &size)};
    if (!opened.data) return describe_failure("open", name);
    opened.size = size;
    snprintf(opened.name, sizeof opened.name, "%s", name);
    *memory = opened;
    return PRONG_OK;
}

prong_status prong_shared_memory_close(prong_shared_memory *memory) {
    if (memory->data) os_memory_unmap(memory->data, memory->size);
    memory->data = NULL;
    return PRONG_OK;
}

prong_status prong_shared_memory_unlink(const char *name) {
    TRY(check_name("unlink", name));
    return os_named_memory_unlink(name) == 0 ? PRONG_OK : describe_failure("unlink", name);
}
