/* Starting by fork. */
#define _GNU_SOURCE
#include "process/start.h"

#include "base/error.h"
#include "os/os.h"
#include "process/children.h"
#include "process/exit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void fork_run_child(const struct start *start, const struct forker *forker) {
    any_function *function;
    int inherited = life_pipe_inherited();
    if (!member_become(start->token, forker)) _exit(255);
    bool with_parent = !process_is_bound(start->process) || os_die_with_writer(inherited);
    if (inherited >= 0) close(inherited);
    if (!with_parent) {
        process_fail(start->process, fail_errno("it cannot be bound to the life of its parent"));
        _exit(255);
    }
    /* Another thread may have printed between the flush and the fork. */
    exit_drop_streams();
    os_detach_stdin();
    if (child_settle(start->process, &function)) _exit(255);
    child_exit(child_run(start->process, function));
}

/* Another thread may be in the middle of writing to it, for as long as its reader likes: the child drops what it copies. */
static void flush_unless_busy(FILE *stream) {
    if (ftrylockfile(stream) != 0) return;
    fflush(stream);
    funlockfile(stream);
}

/* Of the child's number: it is no longer ours to signal where the host program or the system (with SIGCHLD ignored) has
 * reaped the child. */
static prong_status fork_open_child(struct start *start) {
    start->pidfd = os_pidfd_open(start->pid);
    if (start->pidfd >= 0 && os_pidfd_is_child(start->pidfd)) return PRONG_OK;
    if (start->pidfd < 0 && errno != ESRCH) return fail_errno("no descriptor for child %d", (int)start->pid);
    if (start->pidfd >= 0) close(start->pidfd);
    return start_found_gone(start);
}

static const prong_time DESCRIPTOR_WITHIN = PRONG_SECONDS(1);

/* Another thread has taken the descriptor that was spared. A child that has not begun is told to end; one that has is this
 * process's, and descriptors come and go. */
static prong_status fork_open_child_late(struct start *start, prong_status status) {
    deadline_t deadline = deadline_after(DESCRIPTOR_WITHIN);
    while (status == PRONG_NO_DESCRIPTORS && !deadline_passed(deadline)) {
        if (process_give_up(start->process, start->token)) break;
        usleep(1000);
        status = fork_open_child(start);
    }
    while (status < 0 && waitpid(start->pid, NULL, WNOHANG) == 0 && !deadline_passed(deadline)) usleep(1000);
    return status;
}

prong_status start_by_fork(struct start *start) {
    int unused;
    prong_status status = start->process->daemon ? life_pipe(&unused) : PRONG_OK;
    if (status < 0) return status;
    int spare = os_spare_descriptor(); /* one is needed after the fork, when it is too late to fail */
    if (spare < 0) return fail_errno("no descriptor for the child");
    /* What is buffered now is the parent's to write. Not all streams: another thread may wait for input, holding one. */
    flush_unless_busy(stdout);
    flush_unless_busy(stderr);
    const struct forker forker = member_forks();
    start->pid = fork_with_runtime();
    if (start->pid == 0) {
        close(spare);
        fork_run_child(start, &forker);
    }
    close(spare);
    if (start->pid < 0) return fail_errno("fork");
    status = fork_open_child(start);
    return status < 0 ? fork_open_child_late(start, status) : PRONG_OK;
}
