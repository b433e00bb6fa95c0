/* Anonymous shared memory by handle, and named shared memory. */
#include <prong/shared_memory.h>

#include "base/error.h"
#include "family/heap.h"
#include "family/room.h"
#include "os/os.h"
#include "sync/types.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- anonymous --- */

struct block_object {
    struct object object;
    uint64_t size, block;
};

prong_status prong_block_create(prong_block *handle, size_t size) {
    struct block_object *b;
    if (size == 0) return fail(PRONG_INVALID, "block create: no bytes");
    prong_status status = sync_create(KIND_BLOCK, handle, NULL, (void **)&b);
    if (status < 0) return status;
    status = heap_alloc(size, 0, &b->block, NULL);
    if (status < 0) {
        object_destroy(b, object_generation(b));
        return status;
    }
    b->size = size;
    memset(arena_at(b->block), 0, size);
    sync_publish(b, handle);
    return PRONG_OK;
}

prong_status prong_block_data(prong_block handle, void **data, size_t *size) {
    struct block_object *b;
    INSIDE struct visit inside = {0};
    TRY(object_enter(&inside, KIND_BLOCK, handle.offset, handle.generation, (void **)&b));
    if (data) *data = arena_at(b->block);
    if (size) *size = b->size;
    return PRONG_OK;
}

prong_status prong_block_destroy(prong_block handle) {
    return object_destroy_handle(KIND_BLOCK, handle.offset, handle.generation);
}

/* Nobody waits for a block. */
static void block_end(void *object) {
    (void)object;
}

static uint64_t block_weigh(void *object) {
    return ((struct block_object *)object)->size;
}

static bool dispose(void *object) {
    struct block_object *b = object;
    if (b->block) heap_free(b->block, &b->block);
    return true;
}

static void recover(void *object, uint32_t dead) {
    (void)object;
    (void)dead;
}

const struct object_type block_type = {
    .name = "block",
    .size = sizeof(struct block_object),
    .recover = recover,
    .end = block_end,
    .dispose = dispose,
    .weigh = block_weigh,
};

/* --- named --- */

/* Smaller ones are not worth the time that it takes to ask for room. */
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

prong_status prong_shared_memory_attach(prong_shared_memory *memory, const char *name) {
    prong_status status = check_name("attach", name);
    if (status < 0) return status;
    uint64_t size = 0;
    prong_shared_memory attached = {.data = os_named_memory_attach(name, &size)};
    if (!attached.data) return describe_failure("attach", name);
    attached.size = size;
    snprintf(attached.name, sizeof attached.name, "%s", name);
    *memory = attached;
    return PRONG_OK;
}

prong_status prong_shared_memory_close(prong_shared_memory *memory) {
    if (memory->data) os_memory_unmap(memory->data, memory->size);
    memory->data = NULL;
    return PRONG_OK;
}

prong_status prong_shared_memory_unlink(const char *name) {
    prong_status status = check_name("unlink", name);
    if (status < 0) return status;
    return os_named_memory_unlink(name) == 0 ? PRONG_OK : describe_failure("unlink", name);
}
