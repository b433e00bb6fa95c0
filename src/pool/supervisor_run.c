/* The call that supervises: it becomes the driver, and then works and waits in turn. */
#include "pool/supervisor.h"

#include "base/error.h"
#include "os/os.h"
#include "sync/sync.h"

#include <limits.h>
#include <prong/wait.h>
#include <signal.h>
#include <stdlib.h>

/* What the driver has for as long as it drives. */
struct drive {
    struct supervisor *supervisor;
    struct notifier notifier;
    prong_waitable *items;
    size_t capacity, count; /* of items */
    int signals;            /* -1: they are not taken */
    sigset_t mask;          /* the thread's own, meanwhile */
};

/* --- which thread drives --- */

bool supervisor_is_free(struct supervisor *s) {
    return atomic_load(&s->runner) == self_token() && atomic_load(&s->driver) == 0;
}

static prong_status supervisor_refuse(struct supervisor *s, uint32_t token) {
    char what[80], who[80];
    return fail(PRONG_ALREADY_STARTED, "%s is run by %s", object_describe(s, what, sizeof what),
                member_describe(token, who, sizeof who));
}

/* A new round; the process that ran it before is dead, or has ended it. Under the list's lock, since children are removed
 * while it is idle. False: it is being destroyed. */
static bool supervisor_begin_round(struct supervisor *s) {
    uint64_t state = atomic_load(&s->state);
    if ((state & 0xff) != SUPERVISOR_IDLE) return false;
    uint64_t next = ((state >> 8) + 1) << 8 | SUPERVISOR_RUNS;
    atomic_store(&s->runner, self_token()); /* first: if this process dies after the next line, it is found */
    if (!atomic_compare_exchange_strong(&s->state, &state, next)) return false;
    s->restarts = s->ready = s->gave_up = 0;
    ignore_status(prong_event_clear(s->wake));
    supervisor_want_all(s);
    return true;
}

static prong_status supervisor_try_round(struct supervisor *s) {
    char what[80];
    TRY(supervisor_lock(s));
    bool begun = supervisor_begin_round(s);
    supervisor_unlock(s);
    return begun ? PRONG_OK : fail(PRONG_STALE, "%s is being destroyed", object_describe(s, what, sizeof what));
}

/* begins: a round, if the supervisor is idle. */
static prong_status supervisor_take(struct supervisor *s, bool begins) {
    char what[80];
    uint64_t none = 0, own = (uint64_t)self_token() << 32 | os_thread_id();
    uint32_t runner = (uint32_t)atomic_load(&s->runner);
    if (runner && runner != self_token()) member_look(runner);
    if (!atomic_compare_exchange_strong(&s->driver, &none, own)) return supervisor_refuse(s, (uint32_t)(none >> 32));
    runner = (uint32_t)atomic_load(&s->runner);
    if (runner == self_token() && supervisor_phase(s) != SUPERVISOR_IDLE) return PRONG_OK;
    prong_status status = runner && runner != self_token() ? supervisor_refuse(s, runner)
                          : begins                         ? supervisor_try_round(s)
                                   : fail(PRONG_STALE, "%s is idle", object_describe(s, what, sizeof what));
    if (status < 0) atomic_store(&s->driver, 0);
    return status;
}

static void supervisor_leave(struct supervisor *s) {
    atomic_store(&s->driver, 0);
    waitq_notify(&s->changed, INT_MAX);
}

/* --- driving --- */

/* Memory for what is waited for: each child, and two more. */
static prong_status drive_reserve(struct drive *d) {
    size_t needed = 2;
    EACH_CHILD(d->supervisor, child) needed++;
    d->count = 0;
    if (needed <= d->capacity) return PRONG_OK;
    prong_waitable *items = realloc(d->items, needed * sizeof *items);
    if (!items) return fail_text(PRONG_NO_MEMORY, "supervisor run: no memory to wait for its children");
    d->items = items;
    d->capacity = needed;
    return PRONG_OK;
}

static prong_status drive_begin(struct drive *d) {
    static const int stops[] = {SIGTERM, SIGINT};
    struct supervisor *s = d->supervisor;
    d->notifier = (struct notifier){.socket = -1, .watchdog = PRONG_FOREVER};
    d->signals = -1;
    if (s->notify) TRY(notify_begin(&d->notifier));
    if (s->stop_on_signals && (d->signals = os_signals_open(stops, 2, &d->mask)) < 0)
        return fail_errno("supervisor run: no descriptor for signals");
    return PRONG_OK;
}

/* A signal that has just come is not lost, if the supervisor runs on. */
static void drive_end(struct drive *d) {
    KEEP_MESSAGE;
    if (d->signals >= 0 && os_signals_take(d->signals))
        atomic_store(&d->supervisor->asked, supervisor_round(d->supervisor));
    if (d->signals >= 0) os_signals_close(d->signals, &d->mask);
    notify_end(&d->notifier);
    free(d->items);
}

/* What a waiting thread, or a signal, has asked for. */
static void drive_hear(struct drive *d) {
    struct supervisor *s = d->supervisor;
    bool stop = d->signals >= 0 && os_signals_take(d->signals) != 0;
    if (prong_event_is_set(s->wake)) prong_event_clear(s->wake);
    stop |= atomic_load(&s->asked) == supervisor_round(s); /* after the clear: see prong_supervisor_stop */
    if (stop && supervisor_phase(s) == SUPERVISOR_RUNS) supervisor_begin_stop(s, &d->notifier);
    supervisor_hear(s);
}

/* A child that was added just now is waited for from the next time on. */
static void drive_watch(struct drive *d, prong_waitable item) {
    if (d->count < d->capacity) d->items[d->count++] = item;
}

/* Until a child ends, a request comes, or it is time. */
static prong_status drive_wait(struct drive *d, deadline_t next) {
    struct supervisor *s = d->supervisor;
    TRY(drive_reserve(d));
    drive_watch(d, (prong_waitable){.kind = PRONG_WAIT_EVENT, .event = s->wake});
    if (d->signals >= 0) drive_watch(d, (prong_waitable){.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = d->signals});
    EACH_CHILD(s, child)
    if (!child_is_down(child)) drive_watch(d, (prong_waitable){.kind = PRONG_WAIT_PROCESS, .process = child->process});
    prong_status status = prong_wait(d->items, d->count, NULL, deadline_left(next));
    return status == PRONG_TIMEOUT ? PRONG_OK : status;
}

static prong_status drive_finish(struct supervisor *s) {
    char what[80];
    bool gave_up = s->gave_up;
    prong_status status = PRONG_OK;
    if (gave_up) status = fail(PRONG_GAVE_UP, "%s has given up: %s", object_describe(s, what, sizeof what), s->reason);
    supervisor_set_phase(s, SUPERVISOR_IDLE);
    atomic_store(&s->runner, 0);
    return status;
}

static prong_status drive_on(struct drive *d, bool (*done)(void *), void *context, deadline_t deadline) {
    deadline_t next;
    for (;;) {
        drive_hear(d);
        if (supervisor_step(d->supervisor, &d->notifier, &next)) return drive_finish(d->supervisor);
        deadline_t watchdog = notify_watchdog(&d->notifier);
        if (done && done(context)) return PRONG_OK;
        if (deadline_passed(deadline)) break;
        if (watchdog < next) next = watchdog;
        TRY(drive_wait(d, next < deadline ? next : deadline));
    }
    return fail_text(PRONG_TIMEOUT, "the supervisor runs, and the time given has passed");
}

prong_status supervisor_drive(struct supervisor *s, bool begins, bool (*done)(void *), void *context,
                              deadline_t deadline) {
    struct drive drive = {.supervisor = s};
    prong_status status = drive_begin(&drive); /* first: if this fails, nothing has begun */
    if (status >= 0) status = supervisor_take(s, begins);
    if (status >= 0) {
        status = drive_on(&drive, done, context, deadline);
        supervisor_leave(s);
    }
    drive_end(&drive);
    return status;
}

prong_status prong_supervisor_run(prong_supervisor handle, prong_time timeout) {
    struct supervisor *s;
    INSIDE struct visit inside = {0};
    TRY(supervisor_enter(&inside, handle, &s));
    return supervisor_drive(s, true, NULL, NULL, deadline_after(timeout));
}
