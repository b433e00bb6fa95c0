/* The end of a process: what a child runs between its first and last instruction of ours, and what a parent does
 * before it exits. */
#define _GNU_SOURCE
#include "base/error.h"
#include "channel/types.h"
#include "process/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const prong_time DAEMONS_END_WITHIN = PRONG_SECONDS(2);

void (*exit_hook)(void);
static struct process *current;
static _Atomic int registered;

/* --- at exit --- */

enum { BATCH = 64 };

static void end_daemons(const prong_process *children, size_t count) {
    deadline_t deadline = deadline_after(DAEMONS_END_WITHIN);
    for (size_t i = 0; i < count; i++)
        if (prong_process_is_daemon(children[i])) prong_process_terminate(children[i]);
    for (size_t i = 0; i < count; i++) {
        if (!prong_process_is_daemon(children[i])) continue;
        int64_t left = deadline - clock_now();
        if (prong_process_join(children[i], left > 0 ? left : PRONG_NOWAIT) != PRONG_TIMEOUT) continue;
        prong_process_kill(children[i]);
        prong_process_join(children[i], DAEMONS_END_WITHIN);
    }
}

void exit_children(void) {
    prong_process children[BATCH];
    size_t count;
    if (self_token() == 0) return;
    fflush(stdout); /* what we said comes before what our ending makes others say */
    member_leaving();
    if (exit_hook) exit_hook();
    connections_drop_all();
    while ((count = children_list(children, BATCH)) > 0) {
        if (count > BATCH) count = BATCH;
        end_daemons(children, count);
        for (size_t i = 0; i < count; i++) prong_process_join(children[i], PRONG_FOREVER);
    }
}

prong_status exit_prepare(void) {
    if (atomic_exchange(&registered, 1)) return PRONG_OK;
    if (atexit(exit_children) == 0) return PRONG_OK;
    atomic_store(&registered, 0);
    return fail(PRONG_NO_MEMORY, "no room for an exit handler");
}

/* --- in the child --- */

prong_status child_settle(struct process *process, any_function **function) {
    current = process;
    atomic_store(&process->pid, (uint64_t)getpid());
    if (process->pointer) /* forked: same addresses */
        *function = process->pointer;
    else if (process->method == PRONG_START_SPAWN) { /* a fork server has done it before */
        prong_status status = function_resolve(&process->function, function);
        if (status) return status;
    }
    atomic_store(&process->state, PROCESS_RUNNING);
    waitq_notify(&process->changed, 1);
    return PRONG_OK;
}

int child_run(struct process *process, any_function *function) {
    void *argument = process->argument ? arena_at(process->argument) : NULL;
    prong_process self_handle = {arena_offset(process), atomic_load(&process->object.generation)};
    int code = process->is_run ? ((prong_run *)(void *)function)(self_handle, argument)
                               : ((prong_target *)(void *)function)(argument, process->argument_size);
    if (runtime.after_target) code = runtime.after_target(code);
    atomic_store(&process->said_code, 256u | (code & 0xff));
    return code & 0xff;
}

_Noreturn void child_exit(int code) {
    exit_children();
    fflush(NULL);
    _exit(code);
}

struct process *process_of_self(void) {
    return current && (pid_t)atomic_load(&current->pid) == getpid() ? current : NULL;
}
