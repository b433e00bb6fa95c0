/* Arena memory for the program's own use. */
#include "base/error.h"
#include "family/family.h"
#include "family/heap.h"
#include "family/member.h"
#include "os/os.h"

prong_status prong_memory_alloc(size_t size, void **memory) {
    uint64_t block;
    prong_status status = family_enter();
    if (status >= 0) status = heap_alloc(size, 0, NULL, &block);
    if (status >= 0) *memory = arena_at(block);
    return status;
}

prong_status prong_memory_free(void *memory) {
    if (!memory) return PRONG_OK;
    TRY(family_enter());
    if (!arena_contains(memory, 1)) return fail(PRONG_STALE, "address %p is not in the arena", memory);
    return heap_free(arena_offset(memory), NULL);
}

uint64_t prong_memory_offset(const void *memory) {
    return arena_contains(memory, 0) ? arena_offset(memory) : 0;
}

void *prong_memory_at(uint64_t offset) {
    if (family_enter() || offset == 0 || offset >= arena_mapped) return NULL;
    return arena_at(offset);
}

unsigned prong_cpu_count(void) {
    return os_usable_cpus();
}
