/* Process: its object, starting it, waiting for it, asking about it. */
#define _GNU_SOURCE
#include "process/process.h"

#include "base/error.h"
#include "channel/types.h"
#include "family/heap.h"
#include "family/waiter.h"
#include "os/os.h"

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

static prong_status check_options(const prong_process_options *o) {
    if (!o || (!o->target && !o->run)) return fail(PRONG_INVALID, "process: neither target nor run is set");
    if (o->target && o->run) return fail(PRONG_INVALID, "process: both target and run are set");
    if (o->argument_size && !o->argument) return fail(PRONG_INVALID, "process: argument_size without an argument");
    if (o->context_size && !o->context) return fail(PRONG_INVALID, "process: context_size without a context");
    if (o->name && strlen(o->name) >= MEMBER_NAME_SIZE)
        return fail(PRONG_INVALID, "process: the name '%.60s' has more than %d bytes", o->name, MEMBER_NAME_SIZE - 1);
    if ((unsigned)o->method > PRONG_START_FORKSERVER)
        return fail(PRONG_INVALID, "process: start method %d is none of prong_start_method", (int)o->method);
    if ((unsigned)o->daemon > PRONG_DAEMON_NO)
        return fail(PRONG_INVALID, "process: daemon %d is none of prong_daemon", (int)o->daemon);
    if (o->program && o->method && o->method != PRONG_START_SPAWN)
        return fail(PRONG_INVALID, "process: a program of its own is started by spawn, not by %s",
                    prong_start_method_name(o->method));
    if (o->target_name)
        return fail(PRONG_INVALID, "process: a target by name ('%s') is called with values", o->target_name);
    return PRONG_OK;
}

static bool self_is_daemon(void) {
    struct process *process = process_of_self();
    return process && process->daemon;
}

/* Fills in the object. Under fork the pointer is enough; identity is for images that load elsewhere. */
static prong_status fill(struct process *p, const prong_process_options *o) {
    const void *bytes = o->run ? o->context : o->argument;
    p->argument_size = o->run ? o->context_size : o->argument_size;
    p->is_run = o->run != NULL;
    p->creator = self_token();
    p->start_timeout = o->start_timeout > 0 ? (uint64_t)o->start_timeout : 0;
    p->method = o->program ? PRONG_START_SPAWN : o->method ? o->method : prong_get_start_method();
    p->no_wait = o->no_wait;
    p->daemon = o->daemon ? o->daemon == PRONG_DAEMON_YES : self_is_daemon();
    any_function *pointer = o->run ? (any_function *)(void *)o->run : (any_function *)(void *)o->target;
    if (o->name)
        snprintf(p->name, sizeof p->name, "%s", o->name);
    else
        snprintf(p->name, sizeof p->name, "Process-%u", atomic_fetch_add(&created, 1) + 1);
    prong_status status = PRONG_OK;
    if (p->method == PRONG_START_FORK)
        p->pointer = pointer;
    else
        status = function_identify(pointer, &p->function);
    if (!status && o->program) status = program_keep(o->program, &p->program);
    if (status || !p->argument_size) return status;
    status = heap_alloc(p->argument_size, 0, &p->argument, NULL);
    if (!status) memcpy(arena_at(p->argument), bytes, p->argument_size);
    return status;
}

prong_status prong_process_create(prong_process *handle, const prong_process_options *options) {
    struct process *process;
    if (!handle) return fail(PRONG_INVALID, "process: no place for the handle");
    prong_status status = check_options(options);
    if (!status) status = family_enter();
    if (!status) status = object_create(KIND_PROCESS, (void **)&process);
    if (status) return status;
    status = fill(process, options);
    if (status) {
        object_destroy(process, object_generation(process));
        return status;
    }
    *handle = handle_of(process);
    object_publish(process);
    return PRONG_OK;
}

/* --- starting --- */

static prong_status start_by_method(struct start *start) {
    switch (start->process->method) {
    case PRONG_START_SPAWN: return start_by_spawn(start);
    case PRONG_START_FORKSERVER: return start_by_server(start);
    default: return start_by_fork(start);
    }
}

static prong_status start(struct process *p, struct child *child) {
    struct start start = {.process = p, .pidfd = -1};
    prong_process own; /* so that the child can ask for its parent */
    prong_status status = prong_current_process(&own);
    if (!status) status = member_reserve(p->name, arena_offset(p), &start.token);
    if (status) return status;
    atomic_store(&p->token, start.token);
    if (p->argument) connections_hand_over(arena_at(p->argument), p->argument_size, start.token);
    status = start_by_method(&start);
    if (status) {
        member_bury(start.token);
        return status;
    }
    member_set_pid(start.token, start.pid);
    atomic_store(&p->pid, (uint64_t)start.pid);
    *child = (struct child){p, handle_of(p), NULL, start.pidfd, start.token, p->method == PRONG_START_FORKSERVER};
    child_add(child);
    uint64_t starting = PROCESS_STARTING;
    atomic_compare_exchange_strong(&p->state, &starting, PROCESS_RUNNING);
    return PRONG_OK;
}

prong_status prong_process_start(prong_process handle) {
    struct process *p;
    uint64_t fresh = PROCESS_NEW;
    prong_status status = process_find(handle, &p);
    if (!status) status = children_prepare();
    if (status) return status;
    if (p->creator != self_token())
        return fail(PRONG_NOT_CHILD, "start of '%s': it was created by another process", p->name);
    if (!atomic_compare_exchange_strong(&p->state, &fresh, PROCESS_STARTING))
        return fail(PRONG_ALREADY_STARTED, "start of '%s': it was started before", p->name);
    struct child *child = child_reserve();
    status = child ? start(p, child) : fail(PRONG_NO_MEMORY, "no memory for its entry");
    if (!status) return PRONG_OK;
    free(child);
    atomic_store(&p->exited, 0);
    atomic_store(&p->said_code, 0);
    atomic_store(&p->pid, 0);
    atomic_store(&p->state, PROCESS_NEW);
    return fail_again(status, "start of '%s' by %s", p->name, prong_start_method_name((prong_start_method)p->method));
}

/* --- ending --- */

void process_ended(struct process *process, uint32_t token, int exit_code) {
    uint64_t generation = atomic_load(&process->object.generation);
    if (atomic_load(&process->exited)) return;
    atomic_store(&process->exit_code, exit_code);
    member_bury(token); /* before anybody learns of the end: what it held is free by then */
    if (atomic_load(&process->object.generation) != generation) return; /* its creator is gone as well */
    atomic_store(&process->exited, 1);
    waitq_notify(&process->changed, INT_MAX);
}

bool process_has_exited(void *process) {
    return atomic_load(&((struct process *)process)->exited);
}

/* Waits on the descriptor, so the process's end wakes us whoever waits beside. */
static bool wait_for_own(struct process *p, const struct child *child, deadline_t deadline) {
    struct pollfd end = {.fd = child->pidfd, .events = POLLIN};
    while (!process_has_exited(p)) {
        if (child_reap(child)) return true;
        if (deadline_passed(deadline)) return false;
        poll(&end, 1, deadline_poll_ms(deadline));
        interrupt_look();
    }
    return true;
}

/* A fork server's child has ended. If its target returned, it has said with what; else the server, which reaps it,
 * notes how it died; and if that is gone, nobody knows. */
static bool ended_unseen(struct process *p, const struct child *child) {
    if (!os_pidfd_ended(child->pidfd) || process_has_exited(p)) return false;
    uint64_t said = atomic_load(&p->said_code);
    if (!said && !server_is_gone()) return false;
    process_ended(p, child->token, said ? (int)(said & 0xff) : 255);
    return true;
}

static bool wait_for_forked(struct process *p, const struct child *child, deadline_t deadline) {
    struct pollfd end = {.fd = child->pidfd, .events = POLLIN};
    while (!process_has_exited(p) && !ended_unseen(p, child)) {
        if (os_pidfd_ended(child->pidfd)) { /* to be noted by the server in a moment */
            if (!waitq_sleep(&p->changed, process_has_exited, p, deadline)) return process_has_exited(p);
            continue;
        }
        if (deadline_passed(deadline)) return false;
        poll(&end, 1, deadline_poll_ms(deadline));
        interrupt_look();
    }
    return true;
}

static bool wait_for_any(struct process *p, uint64_t generation, deadline_t deadline) {
    while (!process_has_exited(p) && atomic_load(&p->object.generation) == generation) {
        bool more = waitq_sleep(&p->changed, process_has_exited, p, deadline);
        if (process_has_exited(p)) break;
        if (!member_alive((uint32_t)atomic_load(&p->token))) return true;
        if (!more) return false;
    }
    return true;
}

static prong_status find_started(prong_process handle, struct process **process) {
    prong_status status = process_find(handle, process);
    if (status) return status;
    uint64_t state = atomic_load(&(*process)->state);
    if (state == PROCESS_NEW || !atomic_load(&(*process)->pid))
        return fail(PRONG_NOT_STARTED, "process '%s' has not been started", (*process)->name);
    return PRONG_OK;
}

prong_status prong_process_join(prong_process handle, prong_time timeout) {
    struct process *p;
    struct child child;
    prong_status status = find_started(handle, &p);
    if (status) return status;
    if (atomic_load(&p->token) == self_token()) return fail(PRONG_INVALID, "process '%s' cannot join itself", p->name);
    deadline_t deadline = deadline_after(timeout);
    struct waiter *waiter = deadline == PRONG_NOWAIT ? NULL : waiter_begin(p);
    bool own = child_find(p, &child);
    bool ended = !own              ? wait_for_any(p, handle.generation, deadline)
                 : child.by_server ? wait_for_forked(p, &child, deadline)
                                   : wait_for_own(p, &child, deadline);
    waiter_end(waiter);
    return ended ? PRONG_OK : fail(PRONG_TIMEOUT, "process '%s' still runs", p->name);
}

static void notice_end(struct process *p) {
    struct child child;
    if (process_has_exited(p) || !child_find(p, &child)) return;
    if (child.by_server)
        ended_unseen(p, &child);
    else
        child_reap(&child);
}

prong_status prong_process_exitcode(prong_process handle, int *exitcode) {
    struct process *p;
    prong_status status = find_started(handle, &p);
    if (status) return status;
    notice_end(p);
    if (!process_has_exited(p)) return fail(PRONG_STILL_RUNNING, "process '%s' still runs", p->name);
    *exitcode = (int)atomic_load(&p->exit_code);
    return PRONG_OK;
}

bool prong_process_is_alive(prong_process handle) {
    struct process *p;
    if (find_started(handle, &p)) return false;
    notice_end(p);
    return !process_has_exited(p) && member_alive((uint32_t)atomic_load(&p->token));
}

/* --- signals --- */

static prong_status signal_by_pid(struct process *p, int number) {
    if (!member_alive((uint32_t)atomic_load(&p->token))) return PRONG_OK;
    if (kill((pid_t)atomic_load(&p->pid), number) == 0 || errno == ESRCH) return PRONG_OK;
    return fail_errno("signal %d to process '%s'", number, p->name);
}

prong_status prong_process_signal(prong_process handle, int number) {
    struct process *p;
    struct child child;
    prong_status status = find_started(handle, &p);
    if (status || process_has_exited(p)) return status;
    if (!child_find(p, &child)) return signal_by_pid(p, number);
    if (os_pidfd_signal(child.pidfd, number) == 0 || errno == ESRCH) return PRONG_OK;
    return fail_errno("signal %d to process '%s'", number, p->name);
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

prong_status prong_process_close(prong_process handle) {
    struct process *p;
    prong_status status = process_find(handle, &p);
    if (status) return status;
    if (p->creator != self_token())
        return fail(PRONG_NOT_CHILD, "close of '%s': it was created by another process", p->name);
    if (atomic_load(&p->state) != PROCESS_NEW) {
        notice_end(p);
        if (!process_has_exited(p)) return fail(PRONG_STILL_RUNNING, "close of '%s': it still runs", p->name);
    }
    child_remove(p);
    object_destroy(p, handle.generation);
    return PRONG_OK;
}

/* --- asking --- */

prong_status prong_process_pid(prong_process handle, int *pid) {
    struct process *p;
    prong_status status = find_started(handle, &p);
    if (!status) *pid = (int)atomic_load(&p->pid);
    return status;
}

prong_status prong_process_name(prong_process handle, char *name, size_t size) {
    struct process *p;
    prong_status status = process_find(handle, &p);
    if (!status) snprintf(name, size, "%s", p->name);
    return status;
}

prong_status prong_process_set_name(prong_process handle, const char *name) {
    struct process *p;
    prong_status status = process_find(handle, &p);
    if (status) return status;
    if (atomic_load(&p->state) != PROCESS_NEW)
        return fail(PRONG_ALREADY_STARTED, "the name of '%s' is fixed by its start", p->name);
    if (!name || strlen(name) >= MEMBER_NAME_SIZE)
        return fail(PRONG_INVALID, "process: a name has up to %d bytes", MEMBER_NAME_SIZE - 1);
    snprintf(p->name, sizeof p->name, "%s", name);
    return PRONG_OK;
}

bool prong_process_is_daemon(prong_process handle) {
    struct process *p;
    return !process_find(handle, &p) && p->daemon;
}

prong_status prong_process_sentinel(prong_process handle, int *descriptor) {
    struct process *p;
    struct child child;
    prong_status status = find_started(handle, &p);
    if (status) return status;
    if (!child_find(p, &child)) return fail(PRONG_NOT_CHILD, "process '%s' is not a child of this one", p->name);
    *descriptor = child.pidfd;
    return PRONG_OK;
}

/* The first process of a family, or one that the host forked, gets its object when somebody asks. */
static prong_status make_own(struct process **process) {
    prong_status status = object_create(KIND_PROCESS, (void **)process);
    if (status) return status;
    struct process *p = *process;
    snprintf(p->name, sizeof p->name, "MainProcess");
    atomic_store(&p->token, self_token());
    atomic_store(&p->pid, (uint64_t)getpid());
    atomic_store(&p->state, PROCESS_RUNNING);
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
    if (status) return status;
    uint64_t offset = atomic_load(&self_row()->process);
    struct process *process = offset ? arena_at(offset) : NULL;
    if (!process) status = make_own(&process);
    if (!status) *handle = handle_of(process);
    return status;
}

prong_status prong_parent_process(prong_process *handle) {
    prong_status status = family_enter();
    if (status) return status;
    struct process *process = process_of_self();
    if (!process) return fail(PRONG_NOT_CHILD, "this process was not started by prong");
    struct member *row = member_row((uint32_t)process->creator);
    uint64_t offset = atomic_load(&row->process);
    if ((uint32_t)atomic_load(&row->token) != (uint32_t)process->creator || !offset)
        return fail(PRONG_STALE, "the parent is gone");
    *handle = handle_of(arena_at(offset));
    return PRONG_OK;
}

prong_status prong_active_children(prong_process *handles, size_t capacity, size_t *count) {
    prong_status status = family_enter();
    if (status) return status;
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
    waitq_forget(&p->changed, dead);
    if (atomic_load(&p->token) == dead) waitq_notify(&p->changed, INT_MAX);
    if (atomic_load(&p->object.state) == OBJECT_LIVE && nobody_left(p, dead)) object_destroy(p, generation);
}

static bool dispose(void *object) {
    struct process *p = object;
    if (p->argument) heap_free(p->argument, &p->argument);
    if (p->program) heap_free(p->program, &p->program);
    return true;
}

/* Who joins it waits for itself to end. */
static void holders(void *object, holder_visit *visit, void *context) {
    struct process *p = object;
    if (!atomic_load(&p->exited)) visit(context, (uint32_t)atomic_load(&p->token), 0);
}

const struct object_type process_type = {
    .name = "process", .size = sizeof(struct process), .recover = recover, .dispose = dispose, .holders = holders};
