/* Making and mapping the arena. */
#include "family/arena.h"

#include "base/error.h"
#include "family/heap.h"
#include "family/member.h"
#include "family/waiter.h"
#include "os/os.h"

#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARENA_MAGIC 0x70726f6e67617231ull /* "prongar1" */
enum { ARENA_VERSION = 5 };

char *arena_base;
uint64_t arena_places;

/* An object takes a slab's worth of room at the least, hence not the last page. */
static void use(char *base, uint64_t size) {
    arena_base = base;
    arena_places = base ? (size - 4096) / 64 : 0;
}
static int descriptor = -1;

int arena_descriptor(void) {
    return descriptor;
}

bool arena_contains(const void *pointer, uint64_t size) {
    uintptr_t from = (uintptr_t)arena_base, at = (uintptr_t)pointer;
    return arena_base && at >= from && at - from <= arena()->size && size <= arena()->size - (at - from);
}

static void *create_and_map(uint64_t size, int *fd) {
    *fd = os_memory_create("prong", size);
    if (*fd < 0) return MAP_FAILED;
    void *base = os_memory_map(*fd, size);
    if (base == MAP_FAILED) close(*fd);
    return base;
}

static uint64_t layout(void) {
    uint64_t all = sizeof(struct arena) * 31 + sizeof(struct member);
    for (int kind = 1; kind < KIND_COUNT; kind++) all = all * 31 + object_types[kind]->size;
    return all;
}

static prong_status lay_out(uint64_t size) {
    uint64_t rows = (sizeof(struct arena) + 63) & ~63ull;
    uint64_t heap =
        (rows + MEMBER_LIMIT * sizeof(struct member) + WAITER_LIMIT * sizeof(struct waiter) + 4095) & ~4095ull;
    if (os_memory_commit(descriptor, 0, heap) != 0) return fail_errno("no memory for the arena's first pages");
    struct arena *a = arena();
    a->size = size;
    if (getrandom(&a->nonce, sizeof a->nonce, 0) != sizeof a->nonce) return fail_errno("no random number");
    a->nonce |= 1;
    atomic_store(&a->next_generation, a->nonce);
    heap_lay_out(heap);
    a->version = ARENA_VERSION;
    a->layout = layout();
    a->magic = ARENA_MAGIC;
    return PRONG_OK;
}

prong_status arena_create(uint64_t wanted, uint64_t least) {
    void *base = MAP_FAILED;
    uint64_t size = wanted;
    for (; size >= least; size /= 2)
        if ((base = create_and_map(size, &descriptor)) != MAP_FAILED) break;
    if (base == MAP_FAILED)
        return fail_errno("no arena: even %llu MiB of shared memory cannot be had", (unsigned long long)(least >> 20));
    use(base, size);
    prong_status status = lay_out(size);
    if (status) {
        munmap(base, size);
        close(descriptor);
        use(NULL, 0);
        descriptor = -1;
    }
    return status;
}

prong_status arena_attach(int fd) {
    struct stat about;
    if (fstat(fd, &about) != 0) return fail_errno("the arena's descriptor %d is not open", fd);
    void *base = os_memory_map(fd, (uint64_t)about.st_size);
    if (base == MAP_FAILED) return fail_errno("the arena of %lld bytes cannot be mapped", (long long)about.st_size);
    const struct arena *a = base;
    if ((uint64_t)about.st_size < sizeof *a || a->magic != ARENA_MAGIC || a->version != ARENA_VERSION ||
        a->layout != layout()) {
        munmap(base, (size_t)about.st_size);
        return fail(PRONG_INVALID, "descriptor %d is not an arena of this version of prong", fd);
    }
    use(base, (uint64_t)about.st_size);
    descriptor = fd;
    return PRONG_OK;
}
