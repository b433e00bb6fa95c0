/* Beginning: what a child says of it, where its start does not wait for it. */
#include "base/error.h"
#include "process/object.h"

#include <limits.h>
#include <stdio.h>

void process_notify_begun(struct process *process) {
    waitq_notify(&process->changed, INT_MAX);
    if (process_notifies(process)) ignore_status(prong_event_set(process->begun)); /* destroyed: nobody waits */
}

void process_fail(struct process *process, prong_status status) {
    uint32_t token = self_token();
    if (process_move(process, token, PROCESS_STARTING, PROCESS_STARTING)) { /* else the failure is another start's */
        process->failure = status;
        snprintf(process->failure_text, sizeof process->failure_text, "%s", prong_error_message());
        process_move(process, token, PROCESS_STARTING, PROCESS_FAILED);
    }
    process_notify_begun(process);
}

/* A start without a wait (see no_wait) counts as begun already. */
bool process_settle(struct process *process) {
    uint32_t token = self_token();
    if (process->ways & PROCESS_TELLS_BEGUN) return process_move(process, token, PROCESS_STARTING, PROCESS_STARTING);
    return process_move(process, token, PROCESS_STARTING, PROCESS_RUNNING) ||
           process_move(process, token, PROCESS_RUNNING, PROCESS_RUNNING);
}

bool process_tell_begun(uint64_t number) {
    struct process *process = process_of_self();
    if (!process) return false;
    atomic_store(&process->told, number);
    if (!process_move(process, self_token(), PROCESS_STARTING, PROCESS_RUNNING)) return false;
    process_notify_begun(process);
    return true;
}

void process_tell_failure(prong_status status) {
    struct process *process = process_of_self();
    if (process) process_fail(process, status);
}

bool process_has_begun(prong_process handle, uint64_t *number) {
    struct process *process;
    if (process_find(handle, &process) < 0 || process_state(process) != PROCESS_RUNNING) return false;
    *number = atomic_load(&process->told);
    if (!*number) *number = atomic_load(&process->pid);
    return true;
}

void process_start_failure(prong_process handle, char *text, size_t size) {
    struct process *process;
    bool told = process_find(handle, &process) >= 0 && process_state(process) == PROCESS_FAILED;
    if (told)
        snprintf(text, size, "%s", process->failure_text);
    else
        snprintf(text, size, "it ended before it came to its target");
}
