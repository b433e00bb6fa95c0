/* Starting by spawn, and prong_main, where the new image takes up its work.
 *
 * The image learns what it is from one environment variable, PRONG_CHILD=kind:arena:token:process:descriptor, which
 * prong_main removes. The descriptor is the life pipe of a daemonic child, or the control socket of a fork server. */
#define _GNU_SOURCE
#include "base/error.h"
#include "os/os.h"
#include "process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define VARIABLE "PRONG_CHILD"
static const prong_time DEFAULT_START_TIMEOUT = PRONG_SECONDS(60);

static bool called;
static char **arguments;

bool main_was_called(void) {
    return called;
}

/* --- in the parent --- */

/* What is started, and with which arguments. */
static prong_status choose_program(const struct image *image, const char **path, char *const **with) {
    static char *nameless[] = {(char *)(uintptr_t) "prong", NULL};
    *path = image->program ? image->program[0] : runtime.program ? runtime.program : OS_OWN_IMAGE;
    if (image->program)
        *with = image->program;
    else if (runtime.program)
        *with = strcmp(image->kind, "server") == 0 ? runtime.server_arguments : runtime.child_arguments;
    else if (called)
        *with = arguments ? arguments : nameless;
    else
        return fail(PRONG_NO_MAIN, "main() must begin with prong_main(&argc, &argv), or the new image would run it all "
                                   "over again");
    return PRONG_OK;
}

prong_status image_start(const struct image *image, pid_t *pid, int *pidfd) {
    const char *path;
    char *const *with = NULL;
    char entry[128];
    prong_status status = choose_program(image, &path, &with);
    if (status) return status;
    snprintf(entry, sizeof entry, VARIABLE "=%s:%d:%" PRIu32 ":%" PRIu64 ":%d", image->kind, arena_descriptor(),
             image->token, image->process, image->descriptor);
    int kept[2 + RUNTIME_KEPT] = {arena_descriptor(), image->descriptor};
    size_t kept_count = runtime_keep(kept, image->descriptor >= 0 ? 2 : 1);
    if (os_spawn_image(path, with, entry, kept, kept_count, pid) != 0)
        return fail_errno("%s cannot be started", strcmp(path, OS_OWN_IMAGE) == 0 ? "the program's image" : path);
    *pidfd = os_pidfd_open(*pid);
    if (*pidfd >= 0) return PRONG_OK;
    status = fail_errno("no descriptor for child %d", (int)*pid);
    kill(*pid, SIGKILL);
    while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR) {}
    return status;
}

static bool settled(void *context) {
    struct process *process = context;
    return atomic_load(&process->state) != PROCESS_STARTING;
}

prong_status start_wait_until_settled(const struct start *start) {
    struct process *process = start->process;
    deadline_t deadline =
        deadline_after(process->start_timeout ? (prong_time)process->start_timeout : DEFAULT_START_TIMEOUT);
    while (!settled(process)) {
        bool more = waitq_sleep(&process->changed, settled, process, deadline);
        if (settled(process)) break;
        if (os_pidfd_ended(start->pidfd))
            return process->program ? fail(PRONG_START_FAILED, "%s ended before it came to its target by prong_main",
                                           program_name(process->program))
                                    : fail_text(PRONG_START_FAILED, "the child died before it reached its target");
        if (!more) return fail(PRONG_TIMEOUT, "the child did not reach prong_main in the time given");
    }
    if (atomic_load(&process->state) == PROCESS_RUNNING) return PRONG_OK;
    return fail((prong_status)process->failure, "%s", process->failure_text);
}

static prong_status start_image(struct start *start) {
    struct process *process = start->process;
    char **program = program_arguments(process->program);
    if (process->program && !program) return fail_text(PRONG_NO_MEMORY, "no memory for the program's arguments");
    struct image image = {program ? "other" : "process", program, start->token, arena_offset(process), -1};
    prong_status status = process->daemon ? life_pipe(&image.descriptor) : PRONG_OK;
    if (!status) status = image_start(&image, &start->pid, &start->pidfd);
    free(program);
    return status;
}

prong_status start_by_spawn(struct start *start) {
    struct process *process = start->process;
    prong_status status = start_image(start);
    if (status) return status;
    member_set_pid(start->token, start->pid);
    bool no_wait = process->no_wait || (runtime.program && !process->program);
    status = no_wait ? PRONG_OK : start_wait_until_settled(start);
    if (status) {
        os_pidfd_signal(start->pidfd, SIGKILL);
        while (waitpid(start->pid, NULL, 0) < 0 && errno == EINTR) {}
        close(start->pidfd);
    }
    return status;
}

/* --- in the child --- */

static void report_failure(struct process *process, prong_status status) {
    process->failure = status;
    snprintf(process->failure_text, sizeof process->failure_text, "%s", prong_error_message());
    atomic_store(&process->state, PROCESS_FAILED);
    waitq_notify(&process->changed, 1);
}

static _Noreturn void run_process(uint64_t offset, int life) {
    struct process *process = arena_at(offset);
    any_function *function;
    bool with_parent = !process->daemon || os_die_with_writer(life);
    if (life >= 0) close(life);
    if (!with_parent) _exit(255);
    prong_status status = child_settle(process, &function);
    if (status) {
        report_failure(process, status);
        _exit(255);
    }
    int code = child_run(process, function);
    exit(code);
}

void prong_main(int *argc, char ***argv) {
    const char *value = getenv(VARIABLE);
    char kind[16];
    int arena_fd, descriptor;
    uint32_t token;
    uint64_t process;
    called = true;
    arguments = argc && argv && *argc > 0 ? *argv : NULL;
    if (!value) return;
    bool understood =
        sscanf(value, "%15[a-z]:%d:%" SCNu32 ":%" SCNu64 ":%d", kind, &arena_fd, &token, &process, &descriptor) == 5;
    unsetenv(VARIABLE);
    if (!understood) return;
    int kept[2 + RUNTIME_KEPT] = {arena_fd, descriptor};
    os_close_all_but(kept, runtime_keep(kept, 2));
    fcntl(arena_fd, F_SETFD, FD_CLOEXEC);
    if (descriptor >= 0) fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    if (strcmp(kind, "other") == 0) function_in_other_program();
    if (family_attach(arena_fd) || !member_become(token)) _exit(255);
    children_prepare();
    if (strcmp(kind, "server") == 0) server_run(descriptor);
    run_process(process, descriptor);
}
