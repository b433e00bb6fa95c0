/* Starting a process, by whichever method. */
#include "process/start.h"

#include "base/error.h"
#include "channel/connection.h"
#include "os/os.h"
#include "process/children.h"
#include "process/exit.h"
#include "process/forkserver.h"

#include <stdlib.h>

static _Atomic prong_start_method default_method = PRONG_START_FORK;

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

/* --- starting --- */

static prong_status start_by_its_method(struct start *start) {
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
    object_touch_for(start->token, p);
    if (p->concerned) object_touch_for(start->token, arena_at(p->concerned));
    atomic_store(&p->token, start->token);
    atomic_store(&p->end, (uint64_t)start->token << 32);
    atomic_store(&p->said_code, 0);
    atomic_store(&p->state, (uint64_t)start->token << 8 | PROCESS_STARTING);
    if (p->argument) connections_hand_over(arena_at(p->argument), p->argument_size, start->token);
    status = start_by_its_method(start);
    if (status >= 0 && p->argument) connections_pass_on(arena_at(p->argument), p->argument_size);
    if (status >= 0) return PRONG_OK;
    atomic_store(&p->state, PROCESS_STARTING);
    member_give_up(start->token);
    server_release(start->server);
    return status;
}

static prong_status start_and_note(struct process *p, prong_process handle, struct child *child) {
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
    if (!process_notifies(p)) process_move(p, start.token, PROCESS_STARTING, PROCESS_RUNNING);
    return PRONG_OK;
}

prong_status start_found_gone(struct start *start) {
    start->pidfd = os_ended_descriptor();
    start->gone = true;
    return start->pidfd >= 0 ? PRONG_OK : fail_errno("no descriptor for child %d, which has ended", (int)start->pid);
}

prong_status prong_process_start(prong_process handle) {
    INTERRUPTS_HELD;
    struct process *p;
    prong_status status = process_find_own(handle, &p, "start");
    if (status >= 0) status = exit_prepare();
    if (status >= 0) status = child_begin(handle);
    if (status < 0) return status;
    children_note_ends();
    struct child *child = child_reserve();
    status = child ? start_and_note(p, handle, child) : fail(PRONG_NO_MEMORY, "no memory for its entry");
    if (status >= 0) return PRONG_OK;
    free(child);
    atomic_store(&p->end, 0);
    atomic_store(&p->said_code, 0);
    atomic_store(&p->pid, 0);
    status = fail_again(status, "start of '%s' by %s", p->name, prong_start_method_name((prong_start_method)p->method));
    atomic_store(&p->state, PROCESS_NEW); /* the last: from here on another thread may start or close it */
    return status;
}
