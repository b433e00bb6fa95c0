/* Waits of all kinds that a signal's handler ends: a signal that comes before, during, or just as the wait begins. */
#include "../support/sync.h"
#include "interrupt_test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static int hold(void *argument, size_t size) {
    (void)argument, (void)size;
    ok(prong_lock_acquire(all.rlock, PRONG_FOREVER));
    prong_lock lock;
    ok(prong_shared_value_get_lock(all.value, &lock));
    ok(prong_lock_acquire(lock, PRONG_FOREVER));
    ok(prong_event_set(all.held));
    return sleep_forever();
}

static int sleep_long(void *argument, size_t size, prong_result *result) {
    (void)argument, (void)size, (void)result;
    return sleep_forever();
}

static int sleep_over_element(const void *in, void *out) {
    (void)in, (void)out;
    return sleep_forever();
}

static bool one_argument(prong_bytes *argument, void *left) {
    *argument = (prong_bytes){"x", 1};
    return (*(int *)left)-- > 0;
}

static void make_locks(void) {
    ok(prong_lock_create(&all.lock, NULL));
    ok(prong_lock_acquire(all.lock, PRONG_NOWAIT));
    ok(prong_lock_create(&all.rlock, &(prong_lock_options){.recursive = true}));
    ok(prong_semaphore_create(&all.semaphore, 0, NULL));
    ok(prong_event_create(&all.event, NULL));
    ok(prong_event_create(&all.held, NULL));
    ok(prong_condition_create(&all.condition, NULL));
    ok(prong_lock_acquire(condition_lock(all.condition), PRONG_NOWAIT));
    ok(prong_barrier_create(&all.barrier, 2, NULL));
    ok(prong_shared_value_create(&all.value, PRONG_TYPE_INT, 1, NULL, NULL));
}

static void make_processes(prong_start_method method) {
    static int tasks;
    tasks = 1;
    ok(prong_process_create(&all.process, &(prong_process_options){
                                              .target = hold, .method = PRONG_START_FORK, .daemon = PRONG_DAEMON_YES}));
    ok(prong_process_start(all.process));
    ok(prong_event_wait(all.held, PRONG_SECONDS(10)));
    ok(prong_pool_create(&all.pool, &(prong_pool_options){.processes = 2, .method = method}));
    ok(prong_pool_submit(all.pool, &(prong_work){.task = sleep_long, .count = 1}, &all.job, NULL));
    ok(prong_pool_iterate(all.pool,
                          &(prong_work){.task = sleep_long, .generator = one_argument, .generator_context = &tasks},
                          &all.iterator, NULL));
    const prong_child_options child = {.program = ARGV("sleep", "1000")};
    ok(prong_supervisor_create(&all.supervisor, &child, 1, NULL));
    ok(prong_popen_open(&all.popen, ARGV("sleep", "1000"), &(prong_popen_options){.out = PRONG_PIPE}));
}

static void *accept_other(void *unused) {
    (void)unused;
    ok(prong_listener_accept(all.listener, &all.other, PRONG_SECONDS(10)));
    return NULL;
}

static void make_links(void) {
    pthread_t thread;
    snprintf(all.path, sizeof all.path, "@prong-interrupt-%d", (int)getpid());
    ok(prong_listener_open(&all.listener, all.path, NULL));
    check(pthread_create(&thread, NULL, accept_other, NULL) == 0);
    ok(prong_link_connect(&all.link, all.path, NULL, PRONG_SECONDS(10)));
    pthread_join(thread, NULL);
}

static void make_manager(prong_start_method method) {
    ok(prong_manager_start(&all.manager, &(prong_manager_options){.method = method}));
    ok(prong_proxy_create(&all.proxy, all.manager, "Queue", PRONG_SECONDS(60), "()"));
}

static void make_all(prong_start_method method) {
    make_channels();
    make_locks();
    make_processes(method);
    make_links();
    make_manager(method);
}

static void end_all(void) {
    prong_iterator_close(all.iterator);
    ok(prong_job_destroy(all.job));
    ok(prong_pool_destroy(all.pool));
    ok(prong_process_signal(all.process, SIGKILL));
    ok(prong_process_join(all.process, PRONG_SECONDS(10)));
    ok(prong_supervisor_stop(all.supervisor, PRONG_SECONDS(10)));
    ok(prong_popen_signal(all.popen, SIGKILL));
    ok(prong_popen_wait(all.popen, NULL, PRONG_SECONDS(10)));
    ok(prong_popen_close(all.popen));
    ok(prong_manager_shutdown(all.manager, PRONG_SECONDS(10)));
}

/* --- the waits --- */

static char buffer[64];
static size_t size_of_it;

static prong_status queue_get(prong_time timeout) {
    return prong_queue_get(all.empty, buffer, sizeof buffer, &size_of_it, timeout);
}
static prong_status queue_receive(prong_time timeout) {
    prong_message message;
    return prong_queue_receive(all.empty, &message, timeout);
}
static prong_status queue_put(prong_time timeout) {
    return prong_queue_put(all.full, "y", 1, timeout);
}
static prong_status queue_commit(prong_time timeout) {
    prong_message message;
    ok(prong_message_reserve(&message, 100));
    prong_status status = prong_queue_commit(all.full, &message, timeout);
    ok(prong_message_release(&message));
    return status;
}
static prong_status queue_put_value(prong_time timeout) {
    return prong_queue_put_value(all.full, prong_make_null(), timeout);
}
static prong_status queue_join(prong_time timeout) {
    return prong_queue_join(all.joinable, timeout);
}
static prong_status connection_recv(prong_time timeout) {
    return prong_connection_recv_bytes_into(all.here, buffer, sizeof buffer, &size_of_it, timeout);
}
static prong_status connection_poll(prong_time timeout) {
    return prong_connection_poll(all.here, timeout);
}
static prong_status connection_send(prong_time timeout) {
    return prong_connection_send_bytes(all.full_here, "y", 1, timeout);
}
static prong_status connection_commit(prong_time timeout) {
    prong_message message;
    ok(prong_message_reserve(&message, 100));
    prong_status status = prong_connection_commit(all.full_here, &message, timeout);
    ok(prong_message_release(&message));
    return status;
}
static prong_status wait_in_memory(prong_time timeout) {
    prong_waitable items[] = {{.kind = PRONG_WAIT_QUEUE, .queue = all.empty},
                              {.kind = PRONG_WAIT_CONNECTION, .connection = all.here}};
    return prong_wait(items, 2, NULL, timeout);
}
static prong_status wait_with_descriptor(prong_time timeout) {
    prong_waitable items[] = {{.kind = PRONG_WAIT_QUEUE, .queue = all.empty},
                              {.kind = PRONG_WAIT_LINK, .link = all.link}};
    return prong_wait(items, 2, NULL, timeout);
}
static prong_status lock_acquire(prong_time timeout) {
    return prong_lock_acquire(all.lock, timeout);
}
static prong_status rlock_acquire(prong_time timeout) {
    return prong_lock_acquire(all.rlock, timeout);
}
static prong_status semaphore_acquire(prong_time timeout) {
    return prong_semaphore_acquire(all.semaphore, timeout);
}
static prong_status event_wait(prong_time timeout) {
    return prong_event_wait(all.event, timeout);
}
static prong_status condition_wait(prong_time timeout) {
    prong_status status = prong_condition_wait(all.condition, timeout);
    ok(prong_condition_notify(all.condition, 1)); /* the lock is held */
    return status;
}
static bool never(void *unused) {
    (void)unused;
    return false;
}
static prong_status condition_wait_for(prong_time timeout) {
    return prong_condition_wait_for(all.condition, never, NULL, timeout);
}
static prong_status barrier_wait(prong_time timeout) {
    ok(prong_barrier_reset(all.barrier));
    prong_status status = prong_barrier_wait(all.barrier, NULL, NULL, timeout);
    check(barrier_now(all.barrier).broken);
    return status;
}
static prong_status value_acquire(prong_time timeout) {
    prong_lock lock;
    ok(prong_shared_value_get_lock(all.value, &lock));
    return prong_lock_acquire(lock, timeout);
}
static prong_status value_get(prong_time timeout) {
    int number;
    return prong_shared_value_get(all.value, 0, 1, &number, timeout);
}
static prong_status process_join(prong_time timeout) {
    return prong_process_join(all.process, timeout);
}
static prong_status popen_wait(prong_time timeout) {
    return prong_popen_wait(all.popen, NULL, timeout);
}
static prong_status popen_communicate(prong_time timeout) {
    return prong_popen_communicate(all.popen, NULL, 0, NULL, timeout);
}
static prong_status job_wait(prong_time timeout) {
    return prong_job_wait(all.job, timeout);
}
static prong_status job_value(prong_time timeout) {
    prong_value value;
    return prong_job_value(all.job, NULL, &value, timeout);
}
static prong_status job_outcome(prong_time timeout) {
    prong_outcome outcome;
    return prong_job_outcome(all.job, 0, &outcome, timeout);
}
static prong_status iterator_next(prong_time timeout) {
    prong_outcome outcome;
    return prong_iterator_next(all.iterator, &outcome, timeout);
}
static prong_status pool_apply(prong_time timeout) {
    return prong_pool_run(all.pool, &(prong_work){.task = sleep_long, .count = 1}, NULL, timeout);
}
static prong_status pool_map(prong_time timeout) {
    int number = 1;
    return prong_pool_run(all.pool, PRONG_MAP_N(sleep_over_element, &number, &number, 1), NULL, timeout);
}
static prong_status supervisor_run(prong_time timeout) {
    return prong_supervisor_run(all.supervisor, timeout);
}
static prong_status link_recv(prong_time timeout) {
    return prong_link_recv_bytes_into(all.link, buffer, sizeof buffer, &size_of_it, timeout);
}
static prong_status link_poll(prong_time timeout) {
    return prong_link_poll(all.link, timeout);
}
static prong_status listener_accept(prong_time timeout) {
    prong_link *link;
    return prong_listener_accept(all.listener, &link, timeout);
}
static prong_status client_connect(prong_time timeout) {
    prong_link *link;
    return prong_link_connect(&link, "@prong-interrupt-nobody", NULL, timeout);
}
static prong_status proxy_get(prong_time timeout) {
    prong_document *document;
    prong_value value;
    ok(prong_document_open(&document, NULL));
    prong_status status = prong_proxy_get(all.proxy, document, &value, timeout);
    prong_document_close(document);
    return status;
}

static const struct row {
    const char *name;
    prong_status (*wait)(prong_time timeout);
    prong_status ordinary; /* when time is up */
    bool slow;
} rows[] = {
    {"queue_get", queue_get, PRONG_EMPTY, false},
    {"queue_receive", queue_receive, PRONG_EMPTY, false},
    {"queue_put", queue_put, PRONG_FULL, false},
    {"queue_commit", queue_commit, PRONG_FULL, false},
    {"queue_put_value", queue_put_value, PRONG_FULL, false},
    {"queue_join", queue_join, PRONG_TIMEOUT, false},
    {"connection_recv", connection_recv, PRONG_TIMEOUT, false},
    {"connection_poll", connection_poll, PRONG_TIMEOUT, false},
    {"connection_send", connection_send, PRONG_TIMEOUT, false},
    {"connection_commit", connection_commit, PRONG_TIMEOUT, false},
    {"wait_in_memory", wait_in_memory, PRONG_TIMEOUT, false},
    {"wait_with_descriptor", wait_with_descriptor, PRONG_TIMEOUT, false},
    {"lock_acquire", lock_acquire, PRONG_TIMEOUT, false},
    {"rlock_acquire", rlock_acquire, PRONG_TIMEOUT, false},
    {"semaphore_acquire", semaphore_acquire, PRONG_TIMEOUT, false},
    {"event_wait", event_wait, PRONG_TIMEOUT, false},
    {"condition_wait", condition_wait, PRONG_TIMEOUT, false},
    {"condition_wait_for", condition_wait_for, PRONG_TIMEOUT, false},
    {"barrier_wait", barrier_wait, PRONG_TIMEOUT, false},
    {"value_acquire", value_acquire, PRONG_TIMEOUT, false},
    {"value_get", value_get, PRONG_TIMEOUT, false},
    {"process_join", process_join, PRONG_TIMEOUT, false},
    {"popen_wait", popen_wait, PRONG_TIMEOUT, false},
    {"popen_communicate", popen_communicate, PRONG_TIMEOUT, false},
    {"job_wait", job_wait, PRONG_TIMEOUT, false},
    {"job_value", job_value, PRONG_TIMEOUT, false},
    {"job_outcome", job_outcome, PRONG_TIMEOUT, false},
    {"iterator_next", iterator_next, PRONG_TIMEOUT, false},
    {"pool_apply", pool_apply, PRONG_TIMEOUT, true},
    {"pool_map", pool_map, PRONG_TIMEOUT, true},
    {"supervisor_run", supervisor_run, PRONG_TIMEOUT, false},
    {"link_recv", link_recv, PRONG_TIMEOUT, false},
    {"link_poll", link_poll, PRONG_TIMEOUT, false},
    {"listener_accept", listener_accept, PRONG_TIMEOUT, false},
    {"client_connect", client_connect, PRONG_NOT_FOUND, false},
    {"proxy_get", proxy_get, PRONG_EMPTY, true},
};
enum { ROWS = sizeof rows / sizeof *rows };

static void gives(const struct row *row, prong_time timeout, prong_status wanted) {
    prong_status status = row->wait(timeout);
    if (status != wanted)
        test_failed(__FILE__, __LINE__, "%s is %s, not %s: %s", row->name, prong_status_name(status),
                    prong_status_name(wanted), prong_error_message());
}

/* --- the tests --- */

static void before(const struct row *row) {
    raise(SIGUSR1);
    if (row->wait != proxy_get) gives(row, PRONG_NOWAIT, row->ordinary); /* that waits for the server's answer */
    gives(row, PRONG_FOREVER, PRONG_INTERRUPTED);
    says("a signal's handler has ended the wait");
    gives(row, PRONG_MS(2), row->ordinary);
}

static void during(const struct row *row) {
    for (int i = 0; i < (row->slow ? 1 : 3); i++) {
        strike_in(20000);
        gives(row, PRONG_FOREVER, PRONG_INTERRUPTED);
    }
    strike_in(20000);
    gives(row, PRONG_SECONDS(1000), PRONG_INTERRUPTED);
    gives(row, PRONG_MS(2), row->ordinary);
}

static void taken_back(const struct row *row) {
    prong_interrupt();
    prong_clear_interrupt();
    gives(row, PRONG_MS(2), row->ordinary);
}

static int every_wait(void *argument, size_t size) {
    prong_start_method method = *(prong_start_method *)argument;
    (void)size;
    make_all(method);
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        handle(flags);
        for (int i = 0; i < ROWS; i++) {
            before(&rows[i]);
            during(&rows[i]);
            taken_back(&rows[i]);
        }
    }
    end_all();
    return 0;
}

LONG_METHOD_TEST(every_wait_ends_by_a_signal_before_or_during_it_once, 200) {
    prong_process child = start_with(method, every_wait, method);
    ok(prong_process_join(child, PRONG_SECONDS(180)));
    equal(test_end(child), 0);
}

/* A signal at any moment of the wait's beginning: one that got lost would leave the wait without an end. */
static void sweep(const struct row *row, int times) {
    for (int i = 1; i <= times; i++) {
        strike_in(1 + i % 300);
        gives(row, PRONG_FOREVER, PRONG_INTERRUPTED);
    }
}

static _Atomic bool stop;

static void *burn(void *unused) {
    while (!atomic_load(&stop)) {}
    return unused;
}

static void block(int how) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(how, &set, NULL);
}

LONG_TEST(no_signal_is_lost_as_a_wait_begins_on_a_busy_machine, 200) {
    pthread_t busy[2];
    make_all(PRONG_START_FORK);
    handle(SA_RESTART);
    block(SIG_BLOCK);
    for (int i = 0; i < 2; i++) check(pthread_create(&busy[i], NULL, burn, NULL) == 0);
    block(SIG_UNBLOCK);
    for (int i = 0; i < ROWS; i++) sweep(&rows[i], rows[i].slow ? 5 : 100);
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) pthread_join(busy[i], NULL);
    end_all();
}
