/* No wake-up dies with a member. A member is killed at each instruction of what wakes a sleeper, or just after it was
 * woken in another's place; the sleeper, whose naps are endless here, goes on after the burial alone, or with the next
 * change that another member makes.
 *
 * Linked with --wrap for syscall. */
#define _GNU_SOURCE
#include "step.h"

#include "../support/sync.h"

#include <stdarg.h>
#include <sys/syscall.h>

enum { FUTEX_WAIT_BITSET = 9 };

static bool sleeps_endlessly, stops_when_woken;

/* Its time limit is zero: it is no sleep. */
static bool polls_at_once(const long a[6]) {
    const struct timespec *limit = (const struct timespec *)(uintptr_t)a[2];
    return limit && limit->tv_sec == 0 && limit->tv_nsec == 0;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...) {
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(arguments, long);
    va_end(arguments);
    bool waits = number == SYS_futex && a[1] == FUTEX_WAIT_BITSET;
    if (waits && sleeps_endlessly) a[3] = 0;
    if (number == SYS_ppoll && sleeps_endlessly && !polls_at_once(a)) a[2] = 0;
    long result = __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (waits && stops_when_woken && result == 0) raise(SIGSTOP);
    return result;
}

/* --- sleepers --- */

static char process_state_of(pid_t pid) {
    char path[40], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    check(file != NULL && fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
    fclose(file);
    return state;
}

/* The member's count of sleeps: from then on, if it is not running, it sleeps. */
static bool has_slept(pid_t pid) {
    prong_member members[8];
    size_t count;
    ok(prong_family_members(members, 8, &count));
    for (size_t i = 0; i < count; i++)
        if (members[i].pid == (int)pid) return members[i].sleeps > 0;
    return false;
}

static void wait_until_asleep(pid_t pid, bool counted) {
    for (int i = 0; i < 20000; i++) {
        if ((!counted || has_slept(pid)) && process_state_of(pid) == 'S') return;
        usleep(100);
    }
    test_failed(__FILE__, __LINE__, "it does not sleep");
}

static pid_t start_sleeper(struct stage *stage, bool (*waits)(struct stage *)) {
    pid_t pid = fork();
    if (pid == 0) {
        sleeps_endlessly = true;
        join_family(stage);
        _exit(waits(stage) ? 0 : 1);
    }
    return pid;
}

static bool ends_within(pid_t pid, int ms) {
    int status = 0;
    for (int i = 0; i < ms * 5; i++) {
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid) {
            if (status != 0) test_failed(__FILE__, __LINE__, "the sleeper ended with %x", (unsigned)status);
            return true;
        }
        usleep(200);
    }
    return false;
}

/* --- what it sleeps in, and what wakes it --- */

struct awakening {
    void (*make)(struct stage *stage);
    bool (*waits)(struct stage *stage); /* the sleeper */
    void (*warm)(struct stage *stage);  /* the one that wakes it, before it is stepped */
    void (*wakes)(struct stage *stage);
    bool (*due)(struct stage *stage);   /* the sleeper has to go on by itself */
    void (*again)(struct stage *stage); /* if not, after this */
    void (*unmake)(struct stage *stage);
    bool counted; /* the sleep counts among the member's */
};
static const struct awakening *awakening;

static void prepare_awakening(struct stage *stage) {
    awakening->make(stage);
    stage->helper = start_sleeper(stage, awakening->waits);
    wait_until_asleep(stage->helper, awakening->counted);
}

static void goes_on_after(struct stage *stage, pid_t sleeper) {
    if (!ends_within(sleeper, awakening->due(stage) ? 10000 : 3)) {
        if (awakening->due(stage)) test_failed(__FILE__, __LINE__, "the sleeper sleeps on");
        awakening->again(stage);
        if (!ends_within(sleeper, 10000)) test_failed(__FILE__, __LINE__, "the sleeper sleeps through a wake-up");
    }
}

static void verify_awakening(struct stage *stage) {
    goes_on_after(stage, stage->helper);
    stage->helper = 0;
    awakening->unmake(stage);
}

static void wakes_dying(const struct awakening *what) {
    awakening = what;
    kill_everywhere(&(struct operation){prepare_awakening, what->warm, what->wakes, verify_awakening, 3, NULL});
}

/* --- queue --- */

static void make_nothing(struct stage *stage) {
    (void)stage;
}

static bool gets(struct stage *stage) {
    long number;
    return prong_queue_get(stage->queue, &number, sizeof number, NULL, PRONG_FOREVER) >= 0;
}

static void puts_one(struct stage *stage) {
    prong_queue_put(stage->queue, &stage->before, sizeof stage->before, PRONG_NOWAIT);
}

static bool has_message(struct stage *stage) {
    size_t size;
    ok(prong_queue_size(stage->queue, &size, NULL));
    return size > 0;
}

static void empties_queue(struct stage *stage) {
    long number;
    while (prong_queue_get(stage->queue, &number, sizeof number, NULL, PRONG_NOWAIT) >= 0) {}
}

static const struct awakening get_and_put = {make_nothing, gets,     join_family,   puts_one,
                                             has_message,  puts_one, empties_queue, true};

LONG_TEST(a_put_that_dies_wakes_the_getter, 240) {
    wakes_dying(&get_and_put);
}

/* As gets, beside a descriptor: the thread sleeps in poll. */
static bool gets_after_poll(struct stage *stage) {
    int ends[2];
    if (pipe(ends) != 0) return false;
    prong_waitable items[] = {{.kind = PRONG_WAIT_QUEUE, .queue = stage->queue},
                              {.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = ends[0]}};
    return prong_wait(items, 2, NULL, PRONG_FOREVER) >= 0 && gets(stage);
}

LONG_TEST(a_put_that_dies_wakes_the_one_that_polls, 240) {
    wakes_dying(&(struct awakening){make_nothing, gets_after_poll, join_family, puts_one, has_message, puts_one,
                                    empties_queue, false});
}

static void make_full(struct stage *stage) {
    ok(prong_queue_create(&stage->doomed, &(prong_queue_options){.maxsize = 1}));
    ok(prong_queue_put(stage->doomed, "x", 1, PRONG_NOWAIT));
}

static bool puts_into_full(struct stage *stage) {
    return prong_queue_put(stage->doomed, "y", 1, PRONG_FOREVER) >= 0;
}

static void gets_from_full(struct stage *stage) {
    char byte;
    prong_queue_get(stage->doomed, &byte, 1, NULL, PRONG_NOWAIT);
}

static bool has_room(struct stage *stage) {
    size_t size;
    ok(prong_queue_size(stage->doomed, &size, NULL));
    return size == 0;
}

static void unmake_full(struct stage *stage) {
    ok(prong_queue_destroy(stage->doomed));
}

LONG_TEST(a_get_that_dies_wakes_the_putter, 240) {
    wakes_dying(&(struct awakening){make_full, puts_into_full, join_family, gets_from_full, has_room, gets_from_full,
                                    unmake_full, true});
}

static void make_joinable(struct stage *stage) {
    ok(prong_queue_create(&stage->doomed, &(prong_queue_options){.joinable = true}));
    ok(prong_queue_put(stage->doomed, "x", 1, PRONG_NOWAIT));
}

static bool joins(struct stage *stage) {
    prong_status status = prong_queue_join(stage->doomed, PRONG_FOREVER);
    return status == PRONG_OK || status == PRONG_OWNER_DIED;
}

static void takes_task(struct stage *stage) {
    gets_from_full(stage);
}

static void finishes_task(struct stage *stage) {
    prong_queue_task_done(stage->doomed);
}

static bool always(struct stage *stage) {
    (void)stage;
    return true;
}

LONG_TEST(a_task_done_that_dies_wakes_the_joiner, 240) {
    wakes_dying(
        &(struct awakening){make_joinable, joins, takes_task, finishes_task, always, make_nothing, unmake_full, true});
}

/* --- connection --- */

static void make_connection(struct stage *stage) {
    ok(prong_pipe_create(&stage->ours, &stage->theirs, NULL));
    ok(prong_connection_hold(stage->theirs)); /* the end of the stepped one is not the end of the pipe */
}

static bool receives(struct stage *stage) {
    char byte;
    return prong_connection_recv_bytes_into(stage->ours, &byte, 1, NULL, PRONG_FOREVER) >= 0;
}

static void sends(struct stage *stage) {
    prong_connection_send_bytes(stage->theirs, "x", 1, PRONG_NOWAIT);
}

static bool has_sent(struct stage *stage) {
    return prong_connection_poll(stage->ours, PRONG_NOWAIT) >= 0;
}

static void unmake_connection(struct stage *stage) {
    ok(prong_connection_close(stage->ours));
    ok(prong_connection_close(stage->theirs));
}

LONG_TEST(a_send_that_dies_wakes_the_receiver, 240) {
    wakes_dying(
        &(struct awakening){make_connection, receives, join_family, sends, has_sent, sends, unmake_connection, true});
}

/* --- lock, semaphore, event --- */

static void make_lock(struct stage *stage) {
    ok(prong_lock_create(&stage->lock, NULL));
}

static bool locks(struct stage *stage) {
    prong_status status = prong_lock_acquire(stage->lock, PRONG_FOREVER);
    return (status >= 0 || status == PRONG_OWNER_DIED) && prong_lock_release(stage->lock) >= 0;
}

static void unmake_lock(struct stage *stage) {
    ok(prong_lock_destroy(stage->lock));
}

/* Held by the one that is stepped; so the sleeper comes after it. */
static void takes_lock(struct stage *stage) {
    join_family(stage);
    ok(prong_lock_acquire(stage->lock, PRONG_NOWAIT));
    stage->helper = start_sleeper(stage, locks);
    wait_until_asleep(stage->helper, false);
    ok(prong_queue_put(stage->queue, &stage->helper, sizeof stage->helper, PRONG_NOWAIT));
}

static void releases_lock(struct stage *stage) {
    prong_lock_release(stage->lock);
}

/* The sleeper is the child of the dead: it is not waited for, but holds no member's row when it has ended. */
static void verify_lock(struct stage *stage) {
    pid_t sleeper;
    ok(prong_queue_get(stage->queue, &sleeper, sizeof sleeper, NULL, PRONG_NOWAIT));
    for (int i = 0; i < 100000 && kill(sleeper, 0) == 0 && process_state_of(sleeper) != 'Z'; i++) usleep(100);
    check(kill(sleeper, 0) != 0 || process_state_of(sleeper) == 'Z');
    unmake_lock(stage);
}

static void prepare_lock(struct stage *stage) {
    make_lock(stage);
    stage->helper = 1; /* a second member */
}

LONG_TEST(a_release_of_a_lock_that_dies_wakes_the_next, 240) {
    kill_everywhere(&(struct operation){prepare_lock, takes_lock, releases_lock, verify_lock, 3, NULL});
}

static void make_semaphore(struct stage *stage) {
    ok(prong_semaphore_create(&stage->semaphore, 0, NULL));
}

static bool acquires(struct stage *stage) {
    return prong_semaphore_acquire(stage->semaphore, PRONG_FOREVER) >= 0;
}

static void releases(struct stage *stage) {
    prong_semaphore_release(stage->semaphore);
}

static bool has_unit(struct stage *stage) {
    return prong_semaphore_value(stage->semaphore) > 0;
}

static void unmake_semaphore(struct stage *stage) {
    ok(prong_semaphore_destroy(stage->semaphore));
}

static const struct awakening acquire_and_release = {make_semaphore, acquires, join_family,      releases,
                                                     has_unit,       releases, unmake_semaphore, true};

LONG_TEST(a_release_of_a_semaphore_that_dies_wakes_the_next, 240) {
    wakes_dying(&acquire_and_release);
}

static void make_event(struct stage *stage) {
    ok(prong_event_create(&stage->event, NULL));
}

static bool awaits(struct stage *stage) {
    return prong_event_wait(stage->event, PRONG_FOREVER) >= 0;
}

static void sets(struct stage *stage) {
    prong_event_set(stage->event);
}

static bool is_set(struct stage *stage) {
    return prong_event_is_set(stage->event);
}

static void unmake_event(struct stage *stage) {
    ok(prong_event_destroy(stage->event));
}

LONG_TEST(a_set_that_dies_wakes_the_waiter, 240) {
    wakes_dying(&(struct awakening){make_event, awaits, join_family, sets, is_set, sets, unmake_event, true});
}

/* --- condition, barrier --- */

static void make_condition(struct stage *stage) {
    ok(prong_condition_create(&stage->condition, NULL));
    stage->lock = condition_lock(stage->condition);
}

static bool awaits_notification(struct stage *stage) {
    prong_status status = prong_lock_acquire(stage->lock, PRONG_FOREVER);
    if (status >= 0) status = prong_condition_wait(stage->condition, PRONG_FOREVER);
    return status >= 0 || status == PRONG_OWNER_DIED;
}

static void takes_condition(struct stage *stage) {
    join_family(stage);
    ok(prong_lock_acquire(stage->lock, PRONG_SECONDS(5)));
}

static void notifies(struct stage *stage) {
    prong_condition_notify(stage->condition, 1);
}

/* Whether it was notified is not seen from outside: so the sleeper gets a little time, and another notification. */
static bool never(struct stage *stage) {
    (void)stage;
    return false;
}

static void notifies_again(struct stage *stage) {
    prong_status status = prong_lock_acquire(stage->lock, PRONG_SECONDS(5));
    check(status >= 0 || status == PRONG_OWNER_DIED);
    notifies(stage);
    prong_lock_release(stage->lock);
}

static void unmake_condition(struct stage *stage) {
    ok(prong_condition_destroy(stage->condition));
}

LONG_TEST(a_notify_that_dies_wakes_the_waiter, 240) {
    wakes_dying(&(struct awakening){make_condition, awaits_notification, takes_condition, notifies, never,
                                    notifies_again, unmake_condition, false});
}

static void make_barrier(struct stage *stage) {
    ok(prong_barrier_create(&stage->barrier, 2, NULL));
}

static bool awaits_party(struct stage *stage) {
    prong_status status = prong_barrier_wait(stage->barrier, NULL, NULL, PRONG_FOREVER);
    return status >= 0 || status == PRONG_BROKEN;
}

static void arrives(struct stage *stage) {
    (void)!prong_barrier_wait(stage->barrier, NULL, NULL, PRONG_NOWAIT);
}

static void unmake_barrier(struct stage *stage) {
    ok(prong_barrier_destroy(stage->barrier));
}

LONG_TEST(the_last_party_that_dies_wakes_the_others, 240) {
    wakes_dying(
        &(struct awakening){make_barrier, awaits_party, join_family, arrives, never, arrives, unmake_barrier, true});
}

/* --- two changes in a row --- */

/* The second comes before the first sleeper is awake, and finds nobody announced. So the first wakes the other one. */
static void two_wake_two(const struct awakening *what) {
    struct stage stage = {0};
    ok(prong_queue_create(&stage.queue, NULL));
    for (int turn = 0; turn < 20; turn++) {
        what->make(&stage);
        pid_t one = start_sleeper(&stage, what->waits), other = start_sleeper(&stage, what->waits);
        wait_until_asleep(one, true);
        wait_until_asleep(other, true);
        what->wakes(&stage);
        what->wakes(&stage);
        bool both = ends_within(one, 10000) && ends_within(other, 10000);
        if (!both) kill(one, SIGKILL), kill(other, SIGKILL);
        check(both);
        what->unmake(&stage);
    }
    ok(prong_queue_destroy(stage.queue));
}

LONG_TEST(two_releases_in_a_row_wake_two, 240) {
    two_wake_two(&acquire_and_release);
}

LONG_TEST(two_puts_in_a_row_wake_two, 240) {
    two_wake_two(&get_and_put);
}

static void make_full_of_two(struct stage *stage) {
    ok(prong_queue_create(&stage->doomed, &(prong_queue_options){.maxsize = 2}));
    for (int i = 0; i < 2; i++) ok(prong_queue_put(stage->doomed, "x", 1, PRONG_NOWAIT));
}

LONG_TEST(two_gets_in_a_row_wake_two, 240) {
    two_wake_two(&(struct awakening){
        .make = make_full_of_two, .waits = puts_into_full, .wakes = gets_from_full, .unmake = unmake_full});
}
