/* The end of a process, as others see it: waiting for it, and how it ended. */
#include "base/error.h"
#include "base/periods.h"
#include "family/waiter.h"
#include "os/os.h"
#include "process/children.h"
#include "process/forkserver.h"
#include "process/object.h"

#include <limits.h>
#include <poll.h>

/* --- ending --- */

void process_ended(struct process *process, uint32_t token, int exit_code) {
    uint64_t running = (uint64_t)token << 32;
    INSIDE struct visit inside = {0}; /* if this process dies before it has woken the others, its burial does */
    object_enter_known(&inside, arena_offset(process));
    if (atomic_load(&process->end) != running) return;
    member_bury(token); /* before anybody learns of the end: what it held is free by then, but for what is stopped */
    if (atomic_compare_exchange_strong(&process->end, &running, running | PROCESS_ENDED | (uint16_t)exit_code))
        waitq_notify(&process->changed, INT_MAX);
}

bool process_has_exited(void *process) {
    return atomic_load(&((struct process *)process)->end) & PROCESS_ENDED;
}

int process_said_code(struct process *process) {
    uint64_t said = atomic_load(&process->said_code);
    return said ? (int)(said & 0xff) : 255;
}

/* As that of the very process that it was started as: the object may be another's meanwhile. */
static bool child_has_exited(const struct child *child) {
    return atomic_load(&child->process->end) != (uint64_t)child->token << 32;
}

static bool join_member(struct process *p, prong_process handle, deadline_t deadline) {
    while (!process_has_exited(p) && object_is_live(KIND_PROCESS, handle.offset, handle.generation)) {
        bool more = waitq_sleep(&p->changed, process_has_exited, p, deadline);
        uint32_t token = (uint32_t)atomic_load(&p->token);
        if (process_has_exited(p)) break;
        if (!member_alive(token)) return true;
        if (!more) return false;
    }
    return true;
}

/* Waits on the descriptor, so the process's end wakes us whoever waits beside. */
static bool join_own(struct child *child, deadline_t deadline) {
    while (!child_has_exited(child)) {
        if (child->pidfd < 0) return join_member(child->process, child->handle, deadline); /* see os_poll */
        if (child_reap(child)) return true;
        if (deadline_passed(deadline)) return false;
        struct pollfd end = {.fd = child->pidfd, .events = POLLIN};
        os_poll(&end, 1, deadline); /* a runtime's hook may fork, and the copy has no descriptor of the child */
    }
    return true;
}

/* --- of a fork server's child --- */

static const prong_time SERVER_NOTES_WITHIN = PRONG_SECONDS(5);

/* It has ended. If its target returned it has said with what; else the system still knows how it died, until the server,
 * which notes that first, has reaped it; and if the server is gone, nobody does. */
static bool forked_end_found(const struct child *child) {
    struct process *p = child->process;
    int code = 255;
    if (child_has_exited(child)) return true;
    if (atomic_load(&p->said_code) || server_has_ended(child->server))
        code = process_said_code(p);
    else if (!os_unreaped_code(child->pidfd, &code))
        return child_has_exited(child);
    process_ended(p, child->token, code);
    return true;
}

/* Where the system does not tell, the server does in a moment; unless it is stopped, or does not know the child. */
static bool forked_end_awaited(const struct child *child, deadline_t deadline) {
    deadline_t patience = deadline_after(SERVER_NOTES_WITHIN);
    while (child->pidfd >= 0 && !forked_end_found(child)) {
        if (deadline_passed(deadline)) return false;
        if (deadline_passed(patience)) {
            process_ended(child->process, child->token, 255);
            return true;
        }
        waitq_sleep(&child->process->changed, process_has_exited, child->process,
                    deadline_within(deadline, DEAD_CHILD));
    }
    return child->pidfd >= 0 || join_member(child->process, child->handle, deadline); /* see join_own */
}

static bool join_forked(const struct child *child, deadline_t deadline) {
    while (!child_has_exited(child)) {
        if (child->pidfd < 0) return join_member(child->process, child->handle, deadline);
        if (os_pidfd_ended(child->pidfd)) return forked_end_awaited(child, deadline);
        if (deadline_passed(deadline)) return false;
        struct pollfd end = {.fd = child->pidfd, .events = POLLIN};
        os_poll(&end, 1, deadline);
    }
    return true;
}

/* An object that goes while a thread waits has ended: only so it is closed. */
static bool join_any(struct process *p, prong_process handle, deadline_t deadline) {
    struct child *child = child_hold(handle);
    bool ended = !child          ? join_member(p, handle, deadline)
                 : child->server ? join_forked(child, deadline)
                                 : join_own(child, deadline);
    child_release(child);
    return ended;
}

prong_status prong_process_join(prong_process handle, prong_time timeout) {
    struct process *p;
    prong_status status = process_find_started(handle, &p);
    if (status < 0) return status;
    if (atomic_load(&p->token) == self_token())
        return process_verify(handle, fail(PRONG_INVALID, "process '%s' cannot join itself", p->name));
    deadline_t deadline = deadline_after(timeout);
    struct waiter *waiter = deadline == PRONG_NOWAIT ? NULL : waiter_begin(p);
    if (waiter && deadline == PRONG_FOREVER) atomic_store(&waiter->limit, WAITER_UNLIMITED);
    INTERRUPTIBLE;
    bool ended = join_any(p, handle, deadline);
    waiter_end(waiter);
    return ended ? PRONG_OK : process_verify(handle, fail(PRONG_TIMEOUT, "process '%s' still runs", p->name));
}

/* Whoever has seen that the sentinel is readable finds the end noted. */
void process_notice_end(struct process *p, prong_process handle) {
    struct child *child = process_has_exited(p) ? NULL : child_hold(handle);
    if (!child) return;
    if (!child->server)
        child_reap(child);
    else if (os_pidfd_ended(child->pidfd))
        forked_end_awaited(child, PRONG_FOREVER);
    child_release(child);
}

prong_status prong_process_exitcode(prong_process handle, int *exitcode) {
    struct process *p;
    prong_status status = process_find_started(handle, &p);
    if (status < 0) return status;
    process_notice_end(p, handle);
    uint64_t end = atomic_load(&p->end);
    if (!(end & PROCESS_ENDED))
        return process_verify(handle, fail(PRONG_STILL_RUNNING, "process '%s' still runs", p->name));
    status = process_verify(handle, PRONG_OK);
    if (status >= 0) *exitcode = (int16_t)(end & 0xffff);
    return status;
}

bool process_runs(struct process *p) {
    return !process_has_exited(p) && member_alive((uint32_t)atomic_load(&p->token));
}

bool process_is_alive(prong_process handle) {
    struct process *p;
    if (process_find_started(handle, &p)) return false;
    process_notice_end(p, handle);
    bool alive = process_runs(p);
    return alive && !process_verify(handle, PRONG_OK);
}
