/* What a member has touched: its death recovers that, all of that, and little else. */
#include "../support/sync.h"
#include "../support/test.h"

#include "family/heap.h"
#include "family/object.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOCKS_MANY = 60000 }; /* in more slabs than the row and one block have places for */

static prong_lock locks[LOCKS_MANY];

static void make_locks(int count) {
    for (int i = 0; i < count; i++) ok(prong_lock_create(&locks[i], NULL));
}

static void destroy_locks(int count) {
    for (int i = 0; i < count; i++) ok(prong_lock_destroy(locks[i]));
}

/* The number of locks that a dead member held. Leaves them free. */
static int count_abandoned(int count) {
    int abandoned = 0;
    family_bury_dead();
    for (int i = 0; i < count; i++) {
        prong_status status = prong_lock_acquire(locks[i], PRONG_NOWAIT);
        check(status == PRONG_OK || status == PRONG_OWNER_DIED);
        abandoned += status == PRONG_OWNER_DIED;
        ok(prong_lock_release(locks[i]));
    }
    return abandoned;
}

/* Takes each lock whose number is a multiple of `step`, in a process that the host forks, and is killed. */
static void die_holding(int count, int step, void (*before)(void)) {
    pid_t child = fork();
    check(child >= 0);
    if (child == 0) {
        ok(prong_family_create(NULL));
        if (before) before();
        for (int i = 0; i < count; i += step) ok(prong_lock_acquire(locks[i], PRONG_NOWAIT));
        kill(getpid(), SIGKILL);
    }
    check(waitpid(child, NULL, 0) == child);
}

static void count_slab(uint64_t slab, void *count) {
    (void)slab;
    ++*(int *)count;
}

static int slabs_touched(struct member *row) {
    int count = 0;
    touched_each(&row->touched, count_slab, &count);
    return count;
}

static int uses_one_lock(void *argument, size_t size) {
    (void)size;
    prong_lock lock;
    memcpy(&lock, argument, sizeof lock);
    if (prong_lock_acquire(lock, PRONG_NOWAIT) != PRONG_OK || prong_lock_release(lock) != PRONG_OK) return 255;
    return slabs_touched(self_row());
}

METHOD_TEST(a_member_of_a_large_family_has_touched_what_it_used) {
    make_locks(LOCKS_MANY);
    check(slabs_touched(self_row()) > LOCKS_MANY / 256);
    prong_process process = start_with(method, uses_one_lock, locks[LOCKS_MANY / 2]);
    int code = test_end(process);
    check(code > 0 && code <= 6);
    destroy_locks(LOCKS_MANY);
}

TEST(all_that_a_member_held_is_recovered_however_much) {
    make_locks(LOCKS_MANY);
    die_holding(LOCKS_MANY, 1, NULL);
    equal(count_abandoned(LOCKS_MANY), LOCKS_MANY);
    destroy_locks(LOCKS_MANY);
    test_arena_is_clean(0);
}

TEST(a_row_that_is_used_again_begins_with_nothing) {
    make_locks(LOCKS_MANY);
    for (int i = 0; i < 3; i++) {
        die_holding(LOCKS_MANY, 100 + i, NULL);
        equal(count_abandoned(LOCKS_MANY), (LOCKS_MANY + 99 + i) / (100 + i));
        for (uint32_t row = 0; row < MEMBER_LIMIT; row++) {
            struct member *member = &member_rows()[row];
            if (atomic_load(&member->state) != MEMBER_FREE) continue;
            equal(slabs_touched(member), 0);
            check(!atomic_load(&member->touched.all) && !atomic_load(&member->touched.more));
        }
    }
    destroy_locks(LOCKS_MANY);
}

static void take_all_memory(void) {
    uint64_t block;
    for (uint64_t size = 1 << 20; size >= 64; size /= 2)
        while (heap_alloc(size, self_token(), NULL, &block) >= 0) {}
    atomic_store(&self_row()->held, 1); /* so that they are freed */
}

TEST(without_memory_for_the_list_all_objects_are_looked_through) {
    ok(prong_family_create(&(prong_family_options){.arena_size = 64 << 20}));
    make_locks(LOCKS_MANY);
    die_holding(LOCKS_MANY, 1, take_all_memory);
    equal(count_abandoned(LOCKS_MANY), LOCKS_MANY);
    destroy_locks(LOCKS_MANY);
    test_arena_is_clean(0);
}

static int dies_at_once(void *argument, size_t size) {
    (void)argument;
    (void)size;
    _exit(3);
}

METHOD_TEST(the_end_of_a_child_that_used_no_pipe_that_it_was_given_is_the_end_of_the_pipe) {
    prong_connection ours, its;
    char byte;
    ok(prong_pipe_create(&ours, &its, NULL));
    prong_process process = start_with(method, dies_at_once, its);
    equal(test_end(process), 3);
    is(prong_connection_recv_bytes_into(ours, &byte, 1, NULL, PRONG_SECONDS(10)), PRONG_EOF);
    ok(prong_connection_close(ours));
    test_arena_is_clean(0);
}
