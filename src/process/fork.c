/* Starting by fork. */
#define _GNU_SOURCE
#include "base/error.h"
#include "os/os.h"
#include "process/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void run_child(const struct start *start) {
    any_function *function;
    int inherited = life_pipe_inherited();
    if (!member_become(start->token)) _exit(255);
    bool with_parent = !start->process->daemon || os_die_with_writer(inherited);
    if (inherited >= 0) close(inherited);
    if (!with_parent) _exit(255);
    /* Another thread may have printed between the flush and the fork. */
    __fpurge(stdout);
    __fpurge(stderr);
    os_detach_stdin();
    child_settle(start->process, &function);
    child_exit(child_run(start->process, start->process->pointer));
}

/* A descriptor is needed after the fork, when it is too late to fail: make sure of it before. */
static int spare_descriptor(void) {
    return dup(arena_descriptor());
}

prong_status start_by_fork(struct start *start) {
    int unused;
    prong_status status = start->process->daemon ? life_pipe(&unused) : PRONG_OK;
    if (status) return status;
    int spare = spare_descriptor();
    if (spare < 0) return fail_errno("no descriptor for the child");
    fflush(NULL); /* what is buffered now is the parent's to write, and would be written twice */
    start->pid = fork_with_runtime();
    if (start->pid == 0) {
        close(spare);
        run_child(start);
    }
    close(spare);
    if (start->pid < 0) return fail_errno("fork");
    start->pidfd = os_pidfd_open(start->pid);
    if (start->pidfd >= 0) return PRONG_OK;
    status = fail_errno("no descriptor for child %d", (int)start->pid);
    kill(start->pid, SIGKILL);
    while (waitpid(start->pid, NULL, 0) < 0 && errno == EINTR) {}
    return status;
}
