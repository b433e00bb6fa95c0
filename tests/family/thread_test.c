/* Threads' rows, from inside: what a thread is inside of is not reused, and nothing else is kept. */
#include "../support/sync.h"
#include "../support/test.h"

#include "sync/sync.h"
#include "family/object.h"
#include "family/retire.h"
#include "os/os.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static prong_event make_event(void) {
    prong_event event;
    ok(prong_event_create(&event, NULL));
    return event;
}

/* Whether an event is made in that place while `tries` are made and destroyed. */
static bool is_reused(uint64_t offset, int tries) {
    bool reused = false;
    for (int i = 0; i < tries; i++) {
        prong_event event = make_event();
        reused = reused || event.offset == offset;
        ok(prong_event_destroy(event));
    }
    return reused;
}

enum { MANY = 1000 };

TEST(memory_that_a_thread_is_inside_of_is_not_reused) {
    prong_event event = make_event();
    void *object;
    struct visit inside = {0};
    ok(object_enter(&inside, KIND_EVENT, event.offset, event.generation, &object));
    ok(prong_event_destroy(event));
    is(prong_event_set(event), PRONG_STALE);
    check(!is_reused(event.offset, MANY));
    prong_family_state state;
    ok(prong_family_check(&state));
    equal(state.objects, 1); /* it is parked, and nothing else is */
    visit_end(&inside);
    check(is_reused(event.offset, MANY));
    test_arena_is_clean(0);
}

TEST(what_nobody_is_inside_of_is_freed_in_batches) {
    prong_family_state before, after;
    ok(prong_family_check(&before));
    for (int i = 0; i < 100 * MANY; i++) ok(prong_event_destroy(make_event()));
    check(arena()->retired.count < 200);
    ok(prong_family_check(&after));
    equal(after.objects, before.objects);
    check(after.used_bytes <= before.used_bytes + (64 << 10));
}

static struct {
    prong_event event;
    _Atomic int entered;
} * shared;

static void share_event(void) {
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(shared != MAP_FAILED);
    shared->event = make_event();
}

static int be_inside(void *argument, size_t size) {
    struct visit inside = {0};
    void *object;
    (void)argument;
    (void)size;
    if (object_enter(&inside, KIND_EVENT, shared->event.offset, shared->event.generation, &object)) return 1;
    atomic_store(&shared->entered, 1);
    for (;;) pause();
}

static prong_process start_inside(void) {
    int none = 0;
    share_event();
    prong_process process = start_with(PRONG_START_FORK, be_inside, none);
    while (!atomic_load(&shared->entered)) test_sleep_ms(1);
    return process;
}

TEST(a_dead_process_is_inside_of_nothing) {
    prong_process process = start_inside();
    ok(prong_event_destroy(shared->event));
    check(!is_reused(shared->event.offset, MANY));
    ok(prong_process_signal(process, SIGKILL));
    equal(test_end(process), -SIGKILL);
    check(is_reused(shared->event.offset, MANY));
    test_arena_is_clean(0);
}

TEST(a_stopped_process_delays_the_reuse_of_what_it_is_inside_of_alone) {
    prong_process process = start_inside();
    int pid = test_pid(process);
    kill(pid, SIGSTOP);
    ok(prong_event_destroy(shared->event));
    prong_event other = make_event();
    ok(prong_event_destroy(other));
    check(is_reused(other.offset, MANY));
    check(!is_reused(shared->event.offset, MANY));
    kill(pid, SIGKILL);
    equal(test_end(process), -SIGKILL);
    test_arena_is_clean(0);
}

TEST(a_thread_may_be_inside_of_a_thousand_and_a_further_one_is_an_error) {
    enum { MOST = INSIDE_QUICK + INSIDE_MORE };
    static struct visit visits[MOST + 1];
    prong_event events[MOST];
    void *object;
    for (int i = 0; i < MOST; i++) {
        events[i] = make_event();
        ok(object_enter(&visits[i], KIND_EVENT, events[i].offset, events[i].generation, &object));
    }
    is(object_enter(&visits[MOST], KIND_EVENT, events[0].offset, events[0].generation, &object), PRONG_NO_MEMORY);
    says("inside of 1037 calls");
    for (int i = 0; i < MOST; i++) is(prong_event_destroy(events[i]), PRONG_NO_MEMORY);
    visit_end(&visits[MOST - 1]);
    for (int i = 0; i < MOST; i++) ok(prong_event_destroy(events[i]));
    prong_family_state state;
    ok(prong_family_check(&state));
    equal(state.objects, MOST - 1);
    visit_end(&visits[0]); /* the outermost: takes off all that were left without a word */
    test_arena_is_clean(0);
}

TEST(a_forked_child_leaves_its_parents_row_alone) {
    prong_event event = make_event();
    void *object;
    struct visit inside = {0};
    ok(object_enter(&inside, KIND_EVENT, event.offset, event.generation, &object));
    pid_t child = fork();
    if (child == 0) {
        if (prong_event_set(event) < 0) _exit(1); /* a member with a row of its own from here on */
        visit_end(&inside);
        _exit(0);
    }
    int status;
    check(waitpid(child, &status, 0) == child && status == 0);
    ok(prong_event_destroy(event));
    check(!is_reused(event.offset, MANY));
    visit_end(&inside);
    test_arena_is_clean(0);
}

/* --- those that leave without returning --- */

#ifdef __GLIBC__ /* musl ends a cancelled thread without unwinding its stack; its row is given back with it */
static bool raise_cancel(void *context) {
    (void)context;
    pthread_cancel(pthread_self());
    pthread_testcancel();
    return true;
}

static uint32_t depth_after;
static void note_depth(void *unused) {
    (void)unused;
    depth_after = thread_known.row->depth;
}

static void *wait_and_be_cancelled(void *condition) {
    pthread_cleanup_push(note_depth, NULL);
    ok(prong_lock_acquire(condition_lock(*(prong_condition *)condition), PRONG_FOREVER));
    prong_condition_wait_for(*(prong_condition *)condition, raise_cancel, NULL, PRONG_FOREVER);
    pthread_cleanup_pop(0);
    return NULL;
}

TEST(a_cancelled_thread_is_inside_of_nothing) {
    pthread_t thread;
    prong_condition condition;
    ok(prong_condition_create(&condition, NULL));
    depth_after = 99;
    pthread_create(&thread, NULL, wait_and_be_cancelled, &condition);
    pthread_join(thread, NULL);
    equal(depth_after, 0);
    ok(prong_condition_destroy(condition));
    test_arena_is_clean(0);
}
#endif

static jmp_buf away;
static bool jump_away(void *context) {
    (void)context;
    longjmp(away, 1);
}

static void *jump_out_of_a_call(void *condition) {
    ok(prong_lock_acquire(condition_lock(*(prong_condition *)condition), PRONG_FOREVER));
    if (setjmp(away) == 0) prong_condition_wait_for(*(prong_condition *)condition, jump_away, NULL, PRONG_FOREVER);
    ok(prong_lock_release(condition_lock(*(prong_condition *)condition)));
    return NULL;
}

TEST(what_a_jump_left_is_given_back_with_the_thread) {
    pthread_t thread;
    prong_condition condition;
    ok(prong_condition_create(&condition, NULL));
    pthread_create(&thread, NULL, jump_out_of_a_call, &condition);
    pthread_join(thread, NULL);
    ok(prong_condition_destroy(condition));
    test_arena_is_clean(0);
}

static void *use_an_event(void *event) {
    ok(prong_event_set(*(prong_event *)event));
    return NULL;
}

TEST(a_threads_row_is_used_again) {
    prong_event event = make_event();
    for (int i = 0; i < MANY; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, use_an_event, &event);
        pthread_join(thread, NULL);
    }
    equal(threads_count(), 1);
    ok(prong_event_destroy(event));
}

/* --- a signal handler in the middle of it --- */

static prong_event interrupted;
static void set_in_handler(int number) {
    (void)number;
    ok(prong_event_set(interrupted));
}

TEST(a_signal_handler_takes_nothing_off_from_what_it_interrupts) {
    struct sigaction action = {.sa_handler = set_in_handler};
    interrupted = make_event();
    prong_event event = make_event();
    sigaction(SIGALRM, &action, NULL);
    ualarm(100, 100);
    for (int i = 0; i < 300 * MANY; i++) {
        struct visit inside = {0};
        void *object;
        ok(object_enter(&inside, KIND_EVENT, event.offset, event.generation, &object));
        equal(thread_known.row->inside[inside.depth], event.offset);
        equal(thread_known.row->depth, inside.depth + 1);
        visit_end(&inside);
        equal(thread_known.row->depth, 0);
    }
    ualarm(0, 0);
    ok(prong_event_destroy(event));
    ok(prong_event_destroy(interrupted));
}

/* --- a guard's journal, and tokens --- */

TEST(a_step_that_is_too_long_writes_nothing_beyond_the_journal) {
    uint64_t *words;
    struct guard *guard;
    ok(prong_memory_alloc(sizeof *guard + 4096, (void **)&guard));
    memset(guard, 0, sizeof *guard + 4096);
    words = (uint64_t *)(void *)((char *)guard + sizeof *guard); /* just behind the journal */
    check(guard_enter(guard, PRONG_FOREVER));
    for (int i = 0; i < JOURNAL_CAPACITY; i++) guard_set(guard, &words[100 + i], 1);
    ok(prong_family_check(NULL));
    guard_set(guard, &words[100 + JOURNAL_CAPACITY], 1);
    for (int i = 0; i < 100; i++) equal(words[i], 0);
    equal(guard->journal.count, JOURNAL_CAPACITY);
    guard_leave(guard);
    is(prong_family_check(NULL), PRONG_SYSTEM);
    says("without being noted");
    arena()->journal_overflows = 0;
    ok(prong_memory_free(guard));
}

enum { LAST_GENERATION = (1 << 18) - 1, ROW_BITS = 12 };

TEST(a_token_never_comes_twice) {
    uint32_t first, next;
    ok(prong_family_create(NULL));
    ok(member_reserve("first", 0, &first));
    member_bury(first);
    struct member *row = member_row(first);
    uint64_t index = first & (MEMBER_LIMIT - 1);
    row->token = (uint64_t)(LAST_GENERATION - 1) << ROW_BITS | index;
    ok(member_reserve("last of its row", 0, &next));
    equal(next, (uint64_t)LAST_GENERATION << ROW_BITS | index);
    member_bury(next);
    ok(member_reserve("in another row", 0, &next));
    check((next & (MEMBER_LIMIT - 1)) != index);
    check(!member_alive(first));
    member_bury(next);
    for (uint64_t i = 0; i < MEMBER_LIMIT; i++)
        if (member_rows()[i].state == MEMBER_FREE) member_rows()[i].token = (uint64_t)LAST_GENERATION << ROW_BITS | i;
    is(member_reserve("one too many", 0, &next), PRONG_NO_PROCESSES);
}
