/* Starting by spawn: a new image, and the wait until it has come to its target. */
#include "process/start.h"

#include "base/error.h"
#include "base/periods.h"
#include "os/os.h"
#include "process/children.h"
#include "process/image.h"
#include "process/strings.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static bool start_is_settled(void *context) {
    struct process *process = context;
    return process_state(process) != PROCESS_STARTING;
}

prong_status start_wait_until_settled(const struct start *start) {
    struct process *process = start->process;
    deadline_t deadline = deadline_after(start_time_limit(process));
    while (!start_is_settled(process)) {
        waitq_sleep(&process->changed, start_is_settled, process, deadline_within(deadline, DEAD_CHILD));
        bool ended = os_pidfd_ended(start->pidfd); /* first: it may settle and end between the two */
        if (start_is_settled(process)) break;
        if (ended)
            return process->program ? fail(PRONG_START_FAILED, "%s ended before it came to its target by prong_main",
                                           program_name(process->program))
                                    : fail_text(PRONG_START_FAILED, "the child died before it reached its target");
        if (deadline_passed(deadline))
            return fail(PRONG_TIMEOUT, "the child did not reach prong_main in the time given");
    }
    if (process_state(process) == PROCESS_RUNNING) return PRONG_OK;
    return fail((prong_status)process->failure, "%s", process->failure_text);
}

static prong_status start_image(struct start *start) {
    struct process *process = start->process;
    char **program = strings_list(process->program), **environment = strings_list(process->environment);
    struct image image = {program ? "other" : "process", program, environment, start->token, arena_offset(process), -1};
    bool whole = !process->program == !program && !process->environment == !environment;
    prong_status status = whole ? PRONG_OK : fail_text(PRONG_NO_MEMORY, "no memory for the image's arguments");
    if (status >= 0 && process->daemon) status = life_pipe(&image.descriptor);
    if (status >= 0) status = image_start(&image, &start->pid, &start->pidfd);
    free(program);
    free(environment);
    return status;
}

prong_status start_by_spawn(struct start *start) {
    struct process *process = start->process;
    prong_status status = start_image(start);
    if (status < 0) return status;
    start->gone = !os_pidfd_is_child(start->pidfd);
    member_set_pid(start->token, start->pid);
    bool no_wait = process->no_wait || process_notifies(process) || (runtime.program && !process->program);
    status = no_wait ? PRONG_OK : start_wait_until_settled(start);
    if (status < 0 && !process_give_up(process, start->token) && process_state(process) == PROCESS_RUNNING)
        status = PRONG_OK; /* it began at the last moment */
    if (status < 0) {
        os_pidfd_signal(start->pidfd, SIGKILL);
        while (waitpid(start->pid, NULL, 0) < 0 && errno == EINTR) {}
        close(start->pidfd);
    }
    return status;
}
