/* A signal handler calls the library while its own thread is in the middle of one of the library's calls: what would
 * wait for the thread itself is refused, and nothing is lost or left over. Here the thread holds the guard itself. */
#include "../support/test.h"
#include "family/arena.h"
#include "family/guard.h"

#include <signal.h>

static void enter(struct guard *guard) {
    check(guard_enter(guard, PRONG_FOREVER));
}

static void refused(prong_status status, const char *inside) {
    char message[100];
    is(status, PRONG_DEADLOCK);
    snprintf(message, sizeof message, "interrupted inside of %s by the signal handler", inside);
    says(message);
}

TEST(memory_is_neither_given_nor_taken_inside_of_the_allocator) {
    void *memory, *other;
    prong_queue queue;
    ok(prong_memory_alloc(100, &memory));
    struct guard *guard = &arena()->heap.guard;
    enter(guard);
    refused(prong_memory_alloc(100, &other), "the allocator");
    refused(prong_memory_free(memory), "the allocator");
    refused(prong_queue_create(&queue, NULL), "the allocator");
    refused(prong_family_check(NULL), "the allocator");
    ok(prong_family_trim()); /* nothing is given back now */
    guard_leave(guard);
    ok(prong_memory_free(memory));
    ok(prong_queue_create(&queue, NULL));
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

TEST(objects_are_not_made_inside_of_their_table_and_are_destroyed_later) {
    prong_event event, other;
    prong_lock lock;
    ok(prong_event_create(&event, NULL));
    ok(prong_lock_create(&lock, NULL));
    enter(&arena()->objects_guard);
    refused(prong_event_create(&other, NULL), "the object table");
    ok(prong_event_destroy(event)); /* it is gone at once; its memory waits */
    is(prong_event_set(event), PRONG_STALE);
    guard_leave(&arena()->objects_guard);
    ok(prong_lock_destroy(lock));
    for (int i = 0; i < 200; i++) {
        ok(prong_event_create(&event, NULL));
        ok(prong_event_destroy(event));
    }
    test_arena_is_clean(1); /* the one whose memory waits for the end of this process */
}

static int nothing(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 0;
}

TEST(processes_are_not_started_inside_of_the_family_table) {
    prong_process process;
    ok(prong_process_create(&process, &(prong_process_options){.target = nothing, .method = PRONG_START_FORK}));
    enter(&arena()->members_guard);
    check(prong_process_start(process) == PRONG_DEADLOCK);
    says("the family table");
    guard_leave(&arena()->members_guard);
    ok(prong_process_destroy(process));
    process = test_start(PRONG_START_FORK, nothing, NULL, 0, false);
    equal(test_end(process), 0);
    test_arena_is_clean(0);
}

static int die_with_the_lock(void *argument, size_t size) {
    (void)size;
    ok(prong_lock_acquire(*(prong_lock *)argument, PRONG_SECONDS(10)));
    raise(SIGKILL);
    return 0;
}

TEST(the_dead_are_buried_later_when_a_burial_was_interrupted) {
    prong_lock lock;
    ok(prong_lock_create(&lock, NULL));
    prong_process child = start_with(PRONG_START_FORK, die_with_the_lock, lock);
    prong_waitable item = {.kind = PRONG_WAIT_DESCRIPTOR};
    ok(prong_process_sentinel(child, &item.descriptor));
    ok(prong_wait(&item, 1, NULL, PRONG_SECONDS(10)));
    enter(&arena()->recovery_guard);
    ok(prong_family_check(NULL)); /* looks for the dead, and leaves them as they are */
    equal(arena()->deaths, 0);
    guard_leave(&arena()->recovery_guard);
    is(prong_lock_acquire(lock, PRONG_SECONDS(10)), PRONG_OWNER_DIED);
    ok(prong_lock_release(lock));
    equal(test_end(child), -SIGKILL);
    equal(arena()->deaths, 1);
    ok(prong_lock_destroy(lock));
    test_arena_is_clean(0);
}
