/* Process objects that are closed, and their memory used for the next process, while threads that have the old handle are held
 * back in the middle of a call: they get the right value or PRONG_STALE, and signal nobody else.
 *
 * Linked with --wrap for some functions that the calls go through: a thread is held back as it comes to them. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "family/member.h"

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_member_pidfd(uint32_t token);
int __wrap_member_pidfd(uint32_t token);
bool __real_member_alive(uint32_t token);
bool __wrap_member_alive(uint32_t token);

enum { LATE_BY_MS = 300 };
enum point { NOWHERE, AT_A_MUTEX, BEFORE_A_DESCRIPTOR, BEFORE_A_LOOK, ANYWHERE };
static _Thread_local enum point late_at;
static _Thread_local unsigned seed;

static void hold_back(enum point point) {
    if (late_at == point) {
        late_at = NOWHERE;
        test_sleep_ms(LATE_BY_MS);
    } else if (late_at == ANYWHERE) {
        int how = rand_r(&seed) % 100;
        int most = how < 60 ? 0 : how < 85 ? 5 : how < 97 ? 30 : LATE_BY_MS;
        if (most) test_sleep_ms(rand_r(&seed) % most);
    }
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex) {
    hold_back(AT_A_MUTEX);
    return __real_pthread_mutex_lock(mutex);
}

int __wrap_member_pidfd(uint32_t token) {
    hold_back(BEFORE_A_DESCRIPTOR);
    return __real_member_pidfd(token);
}

bool __wrap_member_alive(uint32_t token) {
    hold_back(BEFORE_A_LOOK);
    return __real_member_alive(token);
}

static int sleep_and_return(void *argument, size_t size) {
    int *number = argument;
    (void)size;
    test_sleep_ms(number[0]);
    return number[1];
}

static prong_process start_for(int method, int milliseconds, int code) {
    int numbers[] = {milliseconds, code};
    return start_with(method, sleep_and_return, numbers);
}

/* --- one thread, held back once --- */

struct call {
    prong_process handle;
    enum point late_at;
    prong_status status;
};

static void *kill_late(void *context) {
    struct call *call = context;
    late_at = call->late_at;
    call->status = prong_process_signal(call->handle, SIGKILL);
    return NULL;
}

METHOD_TEST(a_kill_by_the_handle_of_one_child_does_not_reach_the_next) {
    struct call call = {.handle = start_for(method, 100, 1), .late_at = AT_A_MUTEX};
    pthread_t thread;
    check(pthread_create(&thread, NULL, kill_late, &call) == 0);
    equal(test_end(call.handle), 1);
    prong_process next = start_for(method, 600, 7);
    check(next.offset == call.handle.offset && next.generation != call.handle.generation);
    equal(test_end(next), 7);
    pthread_join(thread, NULL);
    equal(call.status, PRONG_STALE);
}

struct other {
    prong_queue handles, go_on;
    int method;
};

/* Two processes, the second in the memory of the first. */
static int start_two(void *argument, size_t size) {
    struct other *other = argument;
    char byte;
    (void)size;
    prong_process one = start_for(other->method, 100, 1);
    ok(prong_queue_put(other->handles, &one, sizeof one, PRONG_FOREVER));
    ok(prong_queue_get(other->go_on, &byte, 1, NULL, PRONG_SECONDS(10)));
    equal(test_end(one), 1);
    prong_process next = start_for(other->method, 600, 7);
    check(next.offset == one.offset);
    return test_end(next);
}

METHOD_TEST(a_kill_of_another_processs_child_does_not_reach_the_next) {
    const enum point points[] = {AT_A_MUTEX, BEFORE_A_DESCRIPTOR};
    for (int i = 0; i < 2; i++) {
        struct other other = {.method = method};
        struct call call = {.late_at = points[i]};
        pthread_t thread;
        ok(prong_queue_create(&other.handles, NULL));
        ok(prong_queue_create(&other.go_on, NULL));
        prong_process parent = start_with(PRONG_START_FORK, start_two, other);
        ok(prong_queue_get(other.handles, &call.handle, sizeof call.handle, NULL, PRONG_SECONDS(10)));
        check(pthread_create(&thread, NULL, kill_late, &call) == 0);
        test_sleep_ms(20);
        ok(prong_queue_put(other.go_on, "x", 1, PRONG_FOREVER));
        equal(test_end(parent), 7);
        pthread_join(thread, NULL);
        check(call.status == PRONG_STALE || call.status == PRONG_OK); /* it had ended */
        ok(prong_queue_destroy(other.handles));
        ok(prong_queue_destroy(other.go_on));
    }
}

/* --- many, held back all the time --- */

enum { PLACES = 6, CALLERS = 4, STRESS_SECONDS = 4 };

/* The process of each number is known by its name, code and rights; those of odd numbers may be signalled. */
struct places {
    _Atomic bool over;
    _Atomic int calls, stale;
    struct place {
        _Atomic unsigned version; /* odd: being changed */
        prong_process handle;
        _Atomic int number, pid; /* pid: 0 as long as it is not known */
    } at[PLACES];
};

static int code_of(int number) {
    return number % 100;
}

static bool is_end_of(int number, int code) {
    return code == code_of(number) || (number % 2 && code == -SIGTERM);
}

static void place_set(struct place *place, prong_process handle, int number) {
    atomic_fetch_add(&place->version, 1);
    place->handle = handle;
    place->number = number;
    place->pid = 0;
    atomic_fetch_add(&place->version, 1);
}

static bool place_get(struct place *place, prong_process *handle, int *number, int *pid) {
    unsigned version = atomic_load(&place->version);
    *handle = place->handle;
    *number = place->number;
    *pid = place->pid;
    atomic_thread_fence(memory_order_seq_cst);
    return version % 2 == 0 && atomic_load(&place->version) == version && *number;
}

/* Every call, and what it may say of the process of that number. The statuses that it may return come back too. */
static prong_status call_one(int which, prong_process handle, int number, int pid, bool *good) {
    char own[48];
    prong_process_state state;
    int value = -1;
    size_t count;
    prong_status status = PRONG_OK;
    snprintf(own, sizeof own, "p-%d", number);
    switch (which) {
    case 0:
        status = number % 2 ? prong_process_signal(handle, SIGTERM) : PRONG_OK;
        *good = status == PRONG_OK || status == PRONG_NOT_STARTED;
        break;
    case 1:
        status = prong_process_exitcode(handle, &value);
        *good = status < 0 ? status == PRONG_STILL_RUNNING || status == PRONG_NOT_STARTED : is_end_of(number, value);
        break;
    case 2:
        status = prong_process_join(handle, PRONG_MS(10));
        *good = status == PRONG_OK || status == PRONG_TIMEOUT || status == PRONG_NOT_STARTED;
        break;
    case 3:
        status = prong_process_get_state(handle, &state);
        *good = status >= 0 && (!pid || !state.pid || pid == state.pid) && strcmp(state.name, own) == 0 &&
                state.daemon == (number % 3 == 0);
        break;
    case 4:
        status = prong_process_sentinel(handle, &value);
        *good = status < 0 ? status == PRONG_NOT_STARTED || status == PRONG_NOT_CHILD : value >= 3;
        break;
    case 5:
        status = prong_process_destroy(handle);
        *good = status == PRONG_OK || status == PRONG_STILL_RUNNING || status == PRONG_NOT_CHILD;
        break;
    case 6:
        status = prong_process_start(handle);
        *good = status == PRONG_OK || status == PRONG_ALREADY_STARTED || status == PRONG_NOT_CHILD;
        break;
    case 7:
        status = prong_active_children(&handle, 1, &count);
        *good = status >= 0;
        break;
    }
    return status;
}

static void *call_all(void *context) {
    static const char *const calls[] = {"signal",   "exitcode", "join",  "get_state",
                                        "sentinel", "destroy",  "start", "active_children"};
    struct places *places = context;
    seed = (unsigned)(uintptr_t)&places ^ (unsigned)getpid();
    while (!places->over) {
        prong_process handle;
        int number, pid, which = rand_r(&seed) % 8;
        bool good = false;
        if (!place_get(&places->at[rand_r(&seed) % PLACES], &handle, &number, &pid)) continue;
        late_at = ANYWHERE;
        prong_status status = call_one(which, handle, number, pid, &good);
        late_at = NOWHERE;
        if (!good && status != PRONG_STALE)
            test_failed(__FILE__, __LINE__, "%s of process %d: %s, %s", calls[which], number, prong_status_name(status),
                        prong_error_message());
        atomic_fetch_add(&places->calls, 1);
        atomic_fetch_add(&places->stale, status == PRONG_STALE);
    }
    return NULL;
}

static void begin_callers(struct places *places, pthread_t *threads) {
    for (int i = 0; i < CALLERS; i++) check(pthread_create(&threads[i], NULL, call_all, places) == 0);
}

static void end_callers(pthread_t *threads) {
    for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
}

static int call_from_outside(void *argument, size_t size) {
    pthread_t threads[CALLERS];
    (void)size;
    begin_callers(*(struct places **)argument, threads);
    end_callers(threads);
    return 0;
}

/* A caller may have started or closed it already. */
static void start_in(struct place *place, int number, int method) {
    int numbers[] = {number % 5, code_of(number)};
    char name[48];
    prong_process handle;
    snprintf(name, sizeof name, "p-%d", number);
    ok(prong_process_create(&handle, &(prong_process_options){.target = sleep_and_return,
                                                              .argument = numbers,
                                                              .argument_size = sizeof numbers,
                                                              .name = name,
                                                              .daemon = number % 3 ? PRONG_DAEMON_NO : PRONG_DAEMON_YES,
                                                              .method = (prong_start_method)method}));
    place_set(place, handle, number);
    prong_status status = prong_process_start(handle);
    if (status != PRONG_STALE && status != PRONG_ALREADY_STARTED) ok(status);
    prong_process_state state;
    if (status >= 0 && prong_process_get_state(handle, &state) >= 0) place->pid = state.pid;
}

static void end_in(struct place *place) {
    int code;
    prong_status status;
    while ((status = prong_process_join(place->handle, PRONG_SECONDS(10))) == PRONG_NOT_STARTED) test_sleep_ms(1);
    if (status >= 0) status = prong_process_exitcode(place->handle, &code);
    if (status != PRONG_STALE) ok(status);
    if (status >= 0 && !is_end_of(place->number, code))
        test_failed(__FILE__, __LINE__, "process %d, which nobody has signalled, ended with %d", place->number, code);
    if (status >= 0) status = prong_process_destroy(place->handle);
    if (status != PRONG_STALE) ok(status);
}

LONG_METHOD_TEST(calls_by_handles_of_processes_that_are_gone_say_so_and_touch_no_other, 120) {
    struct places *places = mmap(NULL, sizeof *places, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_t threads[CALLERS];
    int number = 0;
    prong_process outside = start_with(PRONG_START_FORK, call_from_outside, places);
    begin_callers(places, threads);
    int64_t end = test_now() + STRESS_SECONDS * 1000000000ll;
    while (test_now() < end) {
        struct place *place = &places->at[number++ % PLACES];
        if (place->number) end_in(place);
        start_in(place, number, method);
    }
    places->over = true;
    end_callers(threads);
    equal(test_end(outside), 0);
    for (int i = 0; i < PLACES; i++)
        if (places->at[i].number) end_in(&places->at[i]);
    printf("(%d processes, %d calls, %d by stale handles) ", number, places->calls, places->stale);
    check(number > PLACES && places->calls > 0);
    munmap(places, sizeof *places);
    test_arena_is_clean(0);
}
