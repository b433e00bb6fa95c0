/* Process: its object, starting it, waiting for it, asking about it. */
#define _GNU_SOURCE
#include "process/process.h"

#include "base/error.h"
#include "channel/types.h"
#include "family/heap.h"
#include "family/waiter.h"
#include "os/os.h"
#include "process/calls.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic prong_start_method default_method = PRONG_START_FORK;
static _Atomic unsigned created;

/* --- start methods --- */

prong_status prong_set_start_method(prong_start_method method) {
    if (method < PRONG_START_FORK || method > PRONG_START_FORKSERVER)
        return fail(PRONG_INVALID, "start method %d is none of prong_start_method", (int)method);
    atomic_store(&default_method, method);
    return PRONG_OK;
}

prong_start_method prong_get_start_method(void) {
    return atomic_load(&default_method);
}

const char *prong_start_method_name(prong_start_method method) {
    static const char *const names[] = {"default", "fork", "spawn", "forkserver"};
    return (unsigned)method < 4 ? names[method] : "no such method";
}

/* --- making --- */

prong_status process_find(prong_process handle, struct process **process) {
    return object_find(KIND_PROCESS, handle.offset, handle.generation, (void **)process);
}

static prong_process handle_of(struct process *process) {
    return (prong_process){arena_offset(process), atomic_load(&process->object.generation)};
}

static prong_start_method choose_method(const prong_process_options *o) {
    return o->program ? PRONG_START_SPAWN : o->method ? o->method : prong_get_start_method();
}

static bool value_is_set(prong_value value) {
    return prong_value_kind(value) != PRONG_KIND_NULL;
}

static prong_status check_target(const prong_process_options *o) {
    int targets = (o->target != NULL) + (o->value_target != NULL) + (o->target_name != NULL);
    if (targets == 0) return fail_text(PRONG_INVALID, "process: neither target, value_target nor target_name is set");
    if (targets > 1)
        return fail_text(PRONG_INVALID, "process: more than one of target, value_target and target_name is set");
    if (o->argument_size && !o->argument) return fail(PRONG_INVALID, "process: argument_size without an argument");
    if (o->argument && !o->target)
        return fail_text(PRONG_INVALID, "process: an argument of bytes for a target that is called with values");
    if (o->target && (value_is_set(o->values) || value_is_set(o->keywords)))
        return fail_text(PRONG_INVALID, "process: values for a target that is called with bytes; see value_target");
    return PRONG_OK;
}

static prong_status check_options(const prong_process_options *o) {
    if (!o) return fail_text(PRONG_INVALID, "process: no options, and so no target");
    CHECK_RESERVED(o, "process: options");
    TRY(check_target(o));
    if (o->name && strlen(o->name) >= MEMBER_NAME_SIZE)
        return fail(PRONG_INVALID, "process: the name '%.60s' has more than %d bytes", o->name, MEMBER_NAME_SIZE - 1);
    if ((unsigned)o->method > PRONG_START_FORKSERVER)
        return fail(PRONG_INVALID, "process: start method %d is none of prong_start_method", (int)o->method);
    if ((unsigned)o->daemon > PRONG_DAEMON_NO)
        return fail(PRONG_INVALID, "process: daemon %d is none of prong_daemon", (int)o->daemon);
    if (o->program && o->method && o->method != PRONG_START_SPAWN)
        return fail(PRONG_INVALID, "process: a program of its own is started by spawn, not by %s",
                    prong_start_method_name(o->method));
    if (o->environment && !o->program && choose_method(o) != PRONG_START_SPAWN)
        return fail(PRONG_INVALID, "process: an environment of its own is for spawn, not for %s",
                    prong_start_method_name(choose_method(o)));
    return PRONG_OK;
}

static bool self_is_daemon(void) {
    struct process *process = process_of_self();
    return process && process->daemon;
}

/* What its child calls: a call with values is a target with bytes, too. */
struct process_call {
    prong_target *target;
    const void *argument;
    size_t size;
};

/* Fills in the object. Under fork the pointer is enough; identity is for images that load elsewhere. */
static prong_status process_fill(struct process *p, const prong_process_options *o, const struct process_call *call) {
    any_function *target = (any_function *)(void *)call->target;
    p->creator = self_token();
    p->start_timeout = o->start_timeout > 0 ? (uint64_t)o->start_timeout : 0;
    p->method = choose_method(o);
    p->no_wait = o->no_wait;
    p->daemon = o->daemon ? o->daemon == PRONG_DAEMON_YES : self_is_daemon();
    if (o->name)
        snprintf(p->name, sizeof p->name, "%s", o->name);
    else
        snprintf(p->name, sizeof p->name, "Process-%u", atomic_fetch_add(&created, 1) + 1);
    if (p->method == PRONG_START_FORK)
        p->pointer = target;
    else
        TRY(function_identify(target, &p->function));
    if (o->program) TRY(program_keep(o->program, &p->program));
    if (o->environment) TRY(environment_keep(o->environment, &p->environment));
    p->argument_size = call->size;
    if (!call->size) return PRONG_OK;
    TRY(heap_alloc(call->size, 0, &p->argument, NULL));
    memcpy(arena_at(p->argument), call->argument, call->size);
    return PRONG_OK;
}

static prong_status process_make(prong_process *handle, const prong_process_options *o,
                                 const struct process_call *call) {
    struct process *process;
    TRY(family_enter());
    TRY(object_create(KIND_PROCESS, (void **)&process));
    prong_status status = process_fill(process, o, call);
    if (status < 0) {
        object_destroy(process, object_generation(process));
        return status;
    }
    *handle = handle_of(process);
    object_publish(process);
    return PRONG_OK;
}

static prong_status process_make_with_values(prong_process *handle, const prong_process_options *o) {
    struct process_call call = {.target = call_target};
    prong_document *scratch;
    void *bytes;
    TRY(prong_document_open(&scratch, NULL));
    prong_status status =
        call_make(scratch, (any_function *)o->value_target, o->target_name, o->values, o->keywords, &bytes, &call.size);
    if (status >= 0) call.argument = bytes;
    if (status >= 0) status = process_make(handle, o, &call);
    prong_document_close(scratch);
    return status;
}

prong_status prong_process_create(prong_process *handle, const prong_process_options *options) {
    if (!handle) return fail(PRONG_INVALID, "process: no place for the handle");
    TRY(check_options(options));
    if (!options->target) return process_make_with_values(handle, options);
    struct process_call call = {options->target, options->argument, options->argument_size};
    return process_make(handle, options, &call);
}

/* --- starting --- */

static prong_status start_by_method(struct start *start) {
    switch (start->process->method) {
    case PRONG_START_SPAWN: return start_by_spawn(start);
    case PRONG_START_FORKSERVER: return start_by_server(start);
    default: return start_by_fork(start);
    }
}

/* The row, the state and the end go by the token, which each try has anew. */
static prong_status start_once(struct start *start) {
    struct process *p = start->process;
    *start = (struct start){.process = p, .pidfd = -1};
    prong_status status = member_reserve(p->name, arena_offset(p), &start->token);
    if (status < 0) return status;
    atomic_store(&p->token, start->token);
    atomic_store(&p->end, (uint64_t)start->token << 32);
    atomic_store(&p->said_code, 0);
    atomic_store(&p->state, (uint64_t)start->token << 8 | PROCESS_STARTING);
    if (p->argument) connections_hand_over(arena_at(p->argument), p->argument_size, start->token);
    status = start_by_method(start);
    if (status >= 0 && p->argument) connections_pass_on(arena_at(p->argument), p->argument_size);
    if (status >= 0) return PRONG_OK;
    atomic_store(&p->state, PROCESS_STARTING);
    member_give_up(start->token);
    server_release(start->server);
    return status;
}

static prong_status start(struct process *p, prong_process handle, struct child *child) {
    struct start start = {.process = p};
    prong_process own; /* so that the child can ask for its parent */
    prong_status status = start_check_system();
    if (status >= 0) status = prong_current_process(&own);
    if (status >= 0) status = start_once(&start);
    /* The fork server may have been killed at that very moment, and the next one can do it. Nothing has begun. */
    if (status == PRONG_START_FAILED && p->method == PRONG_START_FORKSERVER) status = start_once(&start);
    if (status < 0) return status;
    if (start.pid) { /* else this process has no number for it, and that of its own is noted */
        member_set_pid(start.token, start.pid);
        atomic_store(&p->pid, (uint64_t)start.pid);
    }
    if (start.gone) process_ended(p, start.token, process_said_code(p));
    *child = (struct child){
        .handle = handle, .process = p, .server = start.server, .pidfd = start.pidfd, .token = start.token};
    child_add(child);
    process_move(p, start.token, PROCESS_STARTING, PROCESS_RUNNING);
    return PRONG_OK;
}

prong_status start_found_gone(struct start *start) {
    start->pidfd = os_ended_descriptor();
    start->gone = true;
    return start->pidfd >= 0 ? PRONG_OK : fail_errno("no descriptor for child %d, which has ended", (int)start->pid);
}

/* What was read of an object is of the handle's process only if that still has it. */
static prong_status process_verify(prong_process handle, prong_status status) {
    struct process *p;
    atomic_thread_fence(memory_order_acquire);
    prong_status stale =
        object_is_live(KIND_PROCESS, handle.offset, handle.generation) ? PRONG_OK : process_find(handle, &p);
    return stale ? stale : status;
}

/* For those calls that only the process that created it may make, whose threads keep the object by child_… */
static prong_status find_own(prong_process handle, struct process **process, const char *call) {
    prong_status status = process_find(handle, process);
    if (status < 0) return status;
    if ((*process)->creator == self_token()) return process_verify(handle, PRONG_OK);
    status = fail(PRONG_NOT_CHILD, "%s of '%s': it was created by another process", call, (*process)->name);
    return process_verify(handle, status);
}

prong_status prong_process_start(prong_process handle) {
    INTERRUPTS_HELD;
    struct process *p;
    prong_status status = find_own(handle, &p, "start");
    if (status >= 0) status = exit_prepare();
    if (status >= 0) status = child_begin(handle);
    if (status < 0) return status;
    struct child *child = child_reserve();
    status = child ? start(p, handle, child) : fail(PRONG_NO_MEMORY, "no memory for its entry");
    if (status >= 0) return PRONG_OK;
    free(child);
    atomic_store(&p->end, 0);
    atomic_store(&p->said_code, 0);
    atomic_store(&p->pid, 0);
    status = fail_again(status, "start of '%s' by %s", p->name, prong_start_method_name((prong_start_method)p->method));
    atomic_store(&p->state, PROCESS_NEW); /* the last: from here on another thread may start or close it */
    return status;
}

/* --- ending --- */

void process_ended(struct process *process, uint32_t token, int exit_code) {
    uint64_t running = (uint64_t)token << 32;
    if (atomic_load(&process->end) != running) return;
    member_bury(token); /* before anybody learns of the end: what it held is free by then */
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

static bool wait_for_member(struct process *p, prong_process handle, deadline_t deadline) {
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
static bool wait_for_own(const struct child *child, deadline_t deadline) {
    while (!child_has_exited(child)) {
        if (child->pidfd < 0) return wait_for_member(child->process, child->handle, deadline); /* see os_poll */
        if (child_reap(child)) return true;
        if (deadline_passed(deadline)) return false;
        struct pollfd end = {.fd = child->pidfd, .events = POLLIN};
        os_poll(&end, 1, deadline); /* a runtime's hook may fork, and the copy has no descriptor of the child */
    }
    return true;
}

/* --- of a fork server's child --- */

static const prong_time SERVER_NOTES_WITHIN = PRONG_SECONDS(5), LOOK_AGAIN_AFTER = PRONG_MS(10);

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
                    deadline_within(deadline, LOOK_AGAIN_AFTER));
    }
    return child->pidfd >= 0 || wait_for_member(child->process, child->handle, deadline); /* see wait_for_own */
}

static bool wait_for_forked(const struct child *child, deadline_t deadline) {
    while (!child_has_exited(child)) {
        if (child->pidfd < 0) return wait_for_member(child->process, child->handle, deadline);
        if (os_pidfd_ended(child->pidfd)) return forked_end_awaited(child, deadline);
        if (deadline_passed(deadline)) return false;
        struct pollfd end = {.fd = child->pidfd, .events = POLLIN};
        os_poll(&end, 1, deadline);
    }
    return true;
}

static prong_status find_started(prong_process handle, struct process **process) {
    prong_status status = process_find(handle, process);
    if (status < 0) return status;
    enum process_state state = process_state(*process);
    if (state == PROCESS_NEW || !atomic_load(&(*process)->pid))
        status = fail(PRONG_NOT_STARTED, "process '%s' has not been started", (*process)->name);
    return process_verify(handle, status);
}

/* An object that goes while a thread waits has ended: only so it is closed. */
static bool wait_for_end(struct process *p, prong_process handle, deadline_t deadline) {
    struct child *child = child_hold(handle);
    bool ended = !child          ? wait_for_member(p, handle, deadline)
                 : child->server ? wait_for_forked(child, deadline)
                                 : wait_for_own(child, deadline);
    child_release(child);
    return ended;
}

prong_status prong_process_join(prong_process handle, prong_time timeout) {
    struct process *p;
    prong_status status = find_started(handle, &p);
    if (status < 0) return status;
    if (atomic_load(&p->token) == self_token())
        return process_verify(handle, fail(PRONG_INVALID, "process '%s' cannot join itself", p->name));
    deadline_t deadline = deadline_after(timeout);
    struct waiter *waiter = deadline == PRONG_NOWAIT ? NULL : waiter_begin(p);
    if (waiter && deadline == PRONG_FOREVER) atomic_store(&waiter->limit, WAITER_UNLIMITED);
    INTERRUPTIBLE;
    bool ended = wait_for_end(p, handle, deadline);
    waiter_end(waiter);
    return ended ? PRONG_OK : process_verify(handle, fail(PRONG_TIMEOUT, "process '%s' still runs", p->name));
}

/* Whoever has seen that the sentinel is readable finds the end noted. */
static void notice_end(struct process *p, prong_process handle) {
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
    prong_status status = find_started(handle, &p);
    if (status < 0) return status;
    notice_end(p, handle);
    uint64_t end = atomic_load(&p->end);
    if (!(end & PROCESS_ENDED))
        return process_verify(handle, fail(PRONG_STILL_RUNNING, "process '%s' still runs", p->name));
    status = process_verify(handle, PRONG_OK);
    if (status >= 0) *exitcode = (int16_t)(end & 0xffff);
    return status;
}

bool prong_process_is_alive(prong_process handle) {
    struct process *p;
    if (find_started(handle, &p)) return false;
    notice_end(p, handle);
    bool alive = !process_has_exited(p) && member_alive((uint32_t)atomic_load(&p->token));
    return alive && !process_verify(handle, PRONG_OK);
}

/* --- signals: by descriptor alone, as a number may be another process's by now --- */

static prong_status signal_by(int pidfd, int number, prong_process handle, const struct process *p) {
    if (os_pidfd_signal(pidfd, number) == 0 || errno == ESRCH) return PRONG_OK;
    return process_verify(handle, fail_errno("signal %d to process '%s'", number, p->name));
}

static prong_status signal_member(struct process *p, prong_process handle, int number) {
    uint32_t token = (uint32_t)atomic_load(&p->token);
    prong_status status = process_verify(handle, PRONG_OK); /* so the token is that of the handle's process */
    if (status < 0) return status;
    int pidfd = member_pidfd(token);
    if (pidfd < 0 && errno == EREMOTE)
        status =
            fail(PRONG_PERMISSION, "signal %d to process '%s': it lives in another namespace of pids", number, p->name);
    else if (pidfd < 0 && errno != ESRCH)
        status = fail_errno("no descriptor for process '%s'", p->name);
    if (pidfd < 0) return process_verify(handle, status);
    status = signal_by(pidfd, number, handle, p);
    close(pidfd);
    return status;
}

prong_status prong_process_signal(prong_process handle, int number) {
    struct process *p;
    prong_status status = find_started(handle, &p);
    if (status < 0) return status;
    struct child *child = process_has_exited(p) ? NULL : child_hold(handle);
    if (child)
        status = signal_by(child->pidfd, number, handle, p);
    else if (process_has_exited(p))
        status = process_verify(handle, PRONG_OK);
    else
        status = signal_member(p, handle, number);
    child_release(child);
    return status;
}

prong_status prong_process_terminate(prong_process handle) {
    return prong_process_signal(handle, SIGTERM);
}

prong_status prong_process_kill(prong_process handle) {
    return prong_process_signal(handle, SIGKILL);
}

prong_status prong_process_interrupt(prong_process handle) {
    return prong_process_signal(handle, SIGINT);
}

prong_status prong_process_destroy(prong_process handle) {
    struct process *p;
    prong_status status = find_own(handle, &p, "close");
    if (status < 0) return status;
    if (process_state(p) != PROCESS_NEW) notice_end(p, handle);
    status = child_forget(handle);
    if (status >= 0) object_destroy(p, handle.generation);
    return status;
}

/* --- asking --- */

prong_status prong_process_pid(prong_process handle, int *pid) {
    struct process *p;
    prong_status status = find_started(handle, &p);
    if (status < 0) return status;
    int found = (int)atomic_load(&p->pid);
    status = process_verify(handle, PRONG_OK);
    if (status >= 0) *pid = found;
    return status;
}

prong_status prong_process_name(prong_process handle, char *name, size_t size) {
    struct process *p;
    TRY(check_bytes(name, size, "process name: name"));
    prong_status status = process_find(handle, &p);
    if (status >= 0) snprintf(name, size, "%.*s", MEMBER_NAME_SIZE - 1, p->name);
    return process_verify(handle, status);
}

prong_status prong_process_set_name(prong_process handle, const char *name) {
    struct process *p;
    prong_status status = find_own(handle, &p, "name");
    if (status < 0) return status;
    if (process_state(p) == PROCESS_NEW && (!name || strlen(name) >= MEMBER_NAME_SIZE))
        return fail(PRONG_INVALID, "process: a name has up to %d bytes", MEMBER_NAME_SIZE - 1);
    return child_rename(handle, name);
}

bool prong_process_is_daemon(prong_process handle) {
    struct process *p;
    return !process_find(handle, &p) && p->daemon && !process_verify(handle, PRONG_OK);
}

prong_status prong_process_sentinel(prong_process handle, int *descriptor) {
    struct process *p;
    prong_status status = find_started(handle, &p);
    if (status < 0) return status;
    struct child *child = child_hold(handle);
    if (!child)
        return process_verify(handle, fail(PRONG_NOT_CHILD, "process '%s' is not a child of this one", p->name));
    *descriptor = child->pidfd;
    child_release(child);
    return PRONG_OK;
}

/* The first process of a family, or one that the host forked, gets its object when somebody asks. */
static prong_status make_own(struct process **process) {
    prong_status status = object_create(KIND_PROCESS, (void **)process);
    if (status < 0) return status;
    struct process *p = *process;
    snprintf(p->name, sizeof p->name, "MainProcess");
    atomic_store(&p->token, self_token());
    atomic_store(&p->end, (uint64_t)self_token() << 32);
    atomic_store(&p->pid, (uint64_t)getpid());
    atomic_store(&p->state, (uint64_t)self_token() << 8 | PROCESS_RUNNING);
    object_publish(p);
    uint64_t none = 0;
    if (!atomic_compare_exchange_strong(&self_row()->process, &none, arena_offset(p))) {
        object_destroy(p, object_generation(p));
        *process = arena_at(none);
    }
    return PRONG_OK;
}

prong_status prong_current_process(prong_process *handle) {
    prong_status status = family_enter();
    if (status < 0) return status;
    uint64_t offset = atomic_load(&self_row()->process);
    struct process *process = offset ? arena_at(offset) : NULL;
    if (!process) status = make_own(&process);
    if (status >= 0) *handle = handle_of(process);
    return status;
}

prong_status prong_parent_process(prong_process *handle) {
    prong_status status = family_enter();
    if (status < 0) return status;
    struct process *process = process_of_self();
    if (!process) return fail(PRONG_NOT_CHILD, "this process was not started by prong");
    uint64_t creator = process->creator, offset = atomic_load(&member_row((uint32_t)creator)->process);
    struct process *parent = offset ? arena_at(offset) : NULL;
    prong_process found = parent ? handle_of(parent) : (prong_process){0};
    /* The row may be another member's by now, and the object another process's. */
    if (!parent || atomic_load(&parent->token) != creator || process_verify(found, PRONG_OK))
        return fail(PRONG_STALE, "the parent is gone");
    *handle = found;
    return PRONG_OK;
}

prong_status prong_active_children(prong_process *handles, size_t capacity, size_t *count) {
    TRY(check_bytes(handles, capacity, "active children: children"));
    TRY(family_enter());
    size_t most = children_list(NULL, 0), alive = 0;
    prong_process *all = calloc(most + 1, sizeof *all);
    if (!all) return fail(PRONG_NO_MEMORY, "no memory for a list of %zu children", most);
    size_t listed = children_list(all, most);
    for (size_t i = 0; i < (listed < most ? listed : most); i++) {
        if (!prong_process_is_alive(all[i])) continue;
        if (alive < capacity) handles[alive] = all[i];
        alive++;
    }
    free(all);
    *count = alive;
    return PRONG_OK;
}

/* --- as an object --- */

static bool lives(uint64_t token, uint32_t dead) {
    return token && (uint32_t)token != dead && member_alive((uint32_t)token);
}

/* Neither the process nor the one that would close it: the object goes. */
static bool nobody_left(struct process *p, uint32_t dead) {
    uint64_t token = atomic_load(&p->token);
    if (p->creator != dead && token != dead) return false;
    return !lives(p->creator, dead) && !lives(token, dead);
}

static void recover(void *object, uint32_t dead) {
    struct process *p = object;
    uint64_t generation = object_generation(p); /* first: what is read below may be of the next to live here */
    if (atomic_load(&p->token) == dead) waitq_notify(&p->changed, INT_MAX);
    if (atomic_load(&p->object.state) == OBJECT_LIVE && nobody_left(p, dead)) object_destroy(p, generation);
}

static bool dispose(void *object) {
    struct process *p = object;
    if (p->argument) heap_free(p->argument, &p->argument);
    if (p->program) heap_free(p->program, &p->program);
    if (p->environment) heap_free(p->environment, &p->environment);
    return true;
}

/* Who joins it waits for itself to end. */
static void holders(void *object, holder_visit *visit, void *context) {
    struct process *p = object;
    if (!process_has_exited(p)) visit(context, (uint32_t)atomic_load(&p->token), 0);
}

const struct object_type process_type = {
    .name = "process", .size = sizeof(struct process), .recover = recover, .dispose = dispose, .holders = holders};
