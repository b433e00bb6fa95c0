/* An arena that somebody wrote over: the check names what is wrong, and finds nothing once it is as before. */
#define _GNU_SOURCE
#include "../support/test.h"
#include "family/arena.h"
#include "family/heap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Blocks in use and free ones in turn, of several sizes. */
enum { BLOCKS = 12 };
static void *memory[BLOCKS];

static void make_blocks(void) {
    for (int i = 0; i < BLOCKS; i++) ok(prong_memory_alloc((size_t)64 << i % 4, &memory[i]));
    for (int i = 1; i < BLOCKS; i += 2) ok(prong_memory_free(memory[i]));
    ok(prong_family_check(NULL));
}

static struct block *header(int i) {
    return (struct block *)memory[i] - 1;
}

static uint64_t place(const void *pointer) {
    return (uint64_t)((const char *)pointer - arena_base);
}

/* That word has another value for a while. */
static void is_found(uint64_t *word, uint64_t value, const char *message) {
    uint64_t before = *word;
    check(before != value);
    *word = value;
    is(prong_family_check(NULL), PRONG_SYSTEM);
    says(message);
    *word = before;
    ok(prong_family_check(NULL));
}

TEST(a_block_that_was_written_over_is_named) {
    char name[40];
    make_blocks();
    struct block *used = header(4), *free_one = header(5);
    snprintf(name, sizeof name, "block %llu", (unsigned long long)place(used));
    is_found(&used->magic, 0, name);
    is_found(&used->magic, 1, "was overwritten");
    is_found(&used->size, 64, "does not fit its neighbours");
    is_found(&used->size, used->size + (1ull << 40), "does not fit its neighbours");
    is_found(&used->prev_size, used->prev_size + 64, "does not fit its neighbours");
    is_found(&used->size, used->size | 1, "does not fit its neighbours"); /* two free ones side by side */
    is_found(&free_one->size, free_one->size & ~1ull, "was overwritten");
    is_found(&arena()->heap.last_size, 0, "the last block and the top disagree");
}

TEST(a_last_block_that_is_free_is_found) {
    make_blocks();
    void *last[2];
    for (int i = 0; i < 2; i++) ok(prong_memory_alloc(1 << 20, &last[i]));
    struct block *end = (struct block *)last[1] - 1;
    equal(place(end) + end->size, arena()->heap.top);
    is_found(&end->size, end->size | 1, "the last block and the top disagree");
}

TEST(bins_that_were_written_over_are_named) {
    make_blocks();
    struct heap *heap = &arena()->heap;
    struct block *first = NULL;
    for (unsigned level = 0; level < BIN_LEVELS; level++)
        for (unsigned step = 0; step < BIN_STEPS; step++) {
            uint64_t *head = &heap->bins[level][step], at = *head;
            if (!at) continue;
            first = arena_at(at);
            is_found(&heap->step_map[level], heap->step_map[level] & ~(1ull << step), "its map bit disagree");
            is_found(head, 0, "its map bit disagree");
            is_found(head, place(header(0)), "is broken"); /* in use */
            is_found(head, heap->first - 64, "is broken");
            is_found(head, heap->top, "is broken");
            is_found(&first->prev_free, place(header(0)), "is broken");
            is_found(&first->next_free, at, "is broken"); /* a circle */
        }
    check(first != NULL);
}

TEST(a_free_block_in_the_wrong_bin_or_in_none_is_found) {
    make_blocks();
    struct heap *heap = &arena()->heap;
    uint64_t *bin_of_small = NULL, *bin_of_large = NULL;
    for (unsigned level = 0; level < BIN_LEVELS; level++)
        for (unsigned step = 0; step < BIN_STEPS; step++) {
            if (heap->bins[level][step] && !bin_of_small) bin_of_small = &heap->bins[level][step];
            if (heap->bins[level][step]) bin_of_large = &heap->bins[level][step];
        }
    check(bin_of_small && bin_of_large && bin_of_small != bin_of_large);
    uint64_t heads[2] = {*bin_of_small, *bin_of_large};
    *bin_of_small = heads[1], *bin_of_large = heads[0];
    is(prong_family_check(NULL), PRONG_SYSTEM);
    says("is in the wrong bin");
    *bin_of_small = heads[0], *bin_of_large = heads[1];
    ok(prong_family_check(NULL));
    struct block *one = arena_at(heads[0]);
    if (one->next_free) is_found(&one->next_free, 0, "free blocks");
}

/* --- what is no arena of this family --- */

/* A copy of this family's first pages with one word changed; sealed as an arena is. */
static int arena_but_for(uint64_t offset, uint64_t value) {
    int fd = memfd_create("like", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    check(fd >= 0 && ftruncate(fd, (off_t)arena()->size) == 0);
    check(pwrite(fd, arena_base, sizeof(struct arena), 0) == (ssize_t)sizeof(struct arena));
    if (offset) check(pwrite(fd, &value, sizeof value, (off_t)(offset - 1)) == sizeof value);
    check(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) == 0);
    return fd;
}

static void is_no_arena(uint64_t offset, uint64_t value) {
    int fd = arena_but_for(offset + 1, value);
    const char *base = arena_base;
    is(arena_attach(fd), PRONG_INVALID);
    says("not an arena of this version of prong");
    check(arena_base == base);
    close(fd);
}

TEST(an_arena_of_another_version_or_layout_is_not_attached_to) {
    ok(prong_family_create(NULL));
    is_no_arena(offsetof(struct arena, magic), 1);
    is_no_arena(offsetof(struct arena, version), arena()->version + 1);
    is_no_arena(offsetof(struct arena, layout), arena()->layout + 1);
    is_no_arena(offsetof(struct arena, size), arena()->size + 4096);
    is_no_arena(offsetof(struct arena, heap) + offsetof(struct heap, end), 64);
    is_no_arena(offsetof(struct arena, heap) + offsetof(struct heap, end), arena()->size + 4096);
    int small = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    is(arena_attach(small), PRONG_INVALID);
    says("is not an arena");
    close(small);
}

TEST(only_the_arena_that_is_meant_is_taken_for_it) {
    ok(prong_family_create(NULL));
    const uint64_t *secret = arena()->secret, other[2] = {secret[0], secret[1] + 1};
    int own = arena_descriptor(), null = open("/dev/null", O_RDWR | O_CLOEXEC),
        small = memfd_create("small", MFD_CLOEXEC);
    int copy = arena_but_for(0, 0), without = arena_but_for(offsetof(struct arena, magic) + 1, 1);
    char path[] = "/tmp/prong-test-XXXXXX";
    int file = mkstemp(path);
    check(file >= 0 && unlink(path) == 0 && ftruncate(file, (off_t)arena()->size) == 0);
    check(pwrite(file, arena_base, sizeof(struct arena), 0) == (ssize_t)sizeof(struct arena));
    check(arena_is_meant(own, secret) && arena_is_meant(copy, secret));
    check(!arena_is_meant(own, other) && !arena_is_meant(copy, other));
    check(!arena_is_meant(-1, secret) && !arena_is_meant(999, secret) && !arena_is_meant(null, secret));
    check(!arena_is_meant(small, secret) && !arena_is_meant(without, secret));
    check(!arena_is_meant(file, secret)); /* others may change it */
}
