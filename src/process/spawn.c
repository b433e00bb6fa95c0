/* Starting by spawn, and prong_main, where the new image takes up its work.
 *
 * The image learns what it is from one environment variable, PRONG_CHILD=kind:arena:token:process:descriptor:secret, which
 * prong_main removes. The descriptor is the life pipe of a daemonic child, or the control socket of a fork server. The
 * secret is the arena's: an entry that some process on the way has left behind, with the number of a descriptor that is another's
 * by now, is not believed. The caller of a program chooses all of this; so a program that has more rights than its caller believes
 * none of it. */
#define _GNU_SOURCE
#include "base/error.h"
#include "family/family.h"
#include "os/os.h"
#include "process/paths.h"
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
static const prong_time DEFAULT_START_TIMEOUT = PRONG_SECONDS(60), LOOK_AGAIN_AFTER = PRONG_MS(10);

enum { ENTRY_SIZE = 160 };
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

/* An image that would not believe what it is told would run main from its beginning. */
static prong_status check_image(const char *path, int *arena_fd) {
    if (os_would_be_secure_execution(strcmp(path, OS_OWN_IMAGE) == 0))
        return fail(PRONG_PERMISSION,
                    "a set-user-ID program, or one whose real and effective user or group differ, has its "
                    "environment ignored: start by fork, or change the user for good before");
    prong_status status = arena_hand_over(arena_fd);
    if (status >= 0 && !arena_is_meant(*arena_fd, arena()->secret))
        status = fail(PRONG_PERMISSION, "the arena is another user's: no image can be handed it");
    return status;
}

static prong_status image_failure(const char *path) {
    if (strcmp(path, OS_OWN_IMAGE) == 0 && errno == ENOENT && access(path, F_OK) != 0)
        return fail(PRONG_NOT_FOUND,
                    "the program's image is started by way of %s, which is not there: is /proc mounted?", path);
    return fail_errno("%s cannot be started", strcmp(path, OS_OWN_IMAGE) == 0 ? "the program's image" : path);
}

/* Signals that are ignored stay so, as exec has it; none is blocked, whichever thread starts it. */
static prong_status image_launch(struct os_program start, const char *path, char *const *own_environment,
                                 const char *entry, pid_t *pid, int *pidfd) {
    struct os_environment environment;
    enum os_program_step step;
    struct paths paths;
    sigset_t none;
    sigemptyset(&none);
    int copied = own_environment ? os_environment_make(&environment, own_environment, entry)
                                 : os_environment_copy(&environment, entry);
    if (copied != 0) return fail_errno("the environment cannot be copied");
    prong_status status = paths_find(&paths, path, environment.entries);
    start.paths = paths.list;
    start.environment = environment.entries;
    start.signal_mask = &none;
    start.stdio[0] = os_off_stdio(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (status >= 0 && start.stdio[0] < 0) status = fail_errno("/dev/null cannot be opened for a child's input");
    if (status >= 0 && os_program_start(&start, pid, pidfd, &step) != 0) status = image_failure(path);
    if (start.stdio[0] >= 0) close(start.stdio[0]);
    paths_free(&paths);
    os_environment_free(&environment);
    return status;
}

prong_status image_start(const struct image *image, pid_t *pid, int *pidfd) {
    const char *path;
    char entry[sizeof VARIABLE + ENTRY_SIZE];
    struct os_program start = {.stdio = {-1, -1, -1}, .mask = -1, .user = -1, .group = -1};
    int arena_fd;
    prong_status status = choose_program(image, &path, &start.arguments);
    prong_family_fit(0); /* the image inherits the limit on address space, and has to map the arena */
    if (status >= 0) status = check_image(path, &arena_fd);
    if (status < 0) return status;
    snprintf(entry, sizeof entry, VARIABLE "=%s:%d:%" PRIu32 ":%" PRIu64 ":%d:%016" PRIx64 ":%016" PRIx64, image->kind,
             arena_fd, image->token, image->process, image->descriptor, arena()->secret[0], arena()->secret[1]);
    int kept[2 + RUNTIME_KEPT] = {arena_fd, image->descriptor};
    start.kept = kept;
    start.kept_count = image->descriptor >= 0 ? 2 : 1;
    if (strcmp(image->kind, "server") != 0) start.kept_count = runtime_keep(kept, start.kept_count);
    return image_launch(start, path, image->environment, entry, pid, pidfd);
}

static bool settled(void *context) {
    struct process *process = context;
    return process_state(process) != PROCESS_STARTING;
}

prong_status start_wait_until_settled(const struct start *start) {
    struct process *process = start->process;
    deadline_t deadline =
        deadline_after(process->start_timeout ? (prong_time)process->start_timeout : DEFAULT_START_TIMEOUT);
    while (!settled(process)) {
        waitq_sleep(&process->changed, settled, process, deadline_within(deadline, LOOK_AGAIN_AFTER));
        bool ended = os_pidfd_ended(start->pidfd); /* first: it may settle and end between the two */
        if (settled(process)) break;
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
    bool no_wait = process->no_wait || (runtime.program && !process->program);
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

/* --- in the child --- */

static void report_failure(struct process *process, prong_status status) {
    process->failure = status;
    snprintf(process->failure_text, sizeof process->failure_text, "%s", prong_error_message());
    process_move(process, self_token(), PROCESS_STARTING, PROCESS_FAILED);
    waitq_notify(&process->changed, 1);
}

static _Noreturn void run_process(uint64_t offset, int life) {
    struct process *process = arena_at(offset);
    any_function *function;
    bool with_parent = !process->daemon || os_die_with_writer(life);
    if (life >= 0) close(life);
    if (!with_parent) _exit(255);
    prong_status status = child_settle(process, &function);
    if (status < 0) {
        report_failure(process, status);
        _exit(255);
    }
    int code = child_run(process, function);
    exit(code);
}

/* What the variable says, as image_start has written it. */
struct child_entry {
    char kind[16];
    int arena, descriptor;
    uint32_t token;
    uint64_t process, secret[2];
};

static bool entry_read(const char *value, struct child_entry *e) {
    int end = -1;
    if (strlen(value) >= ENTRY_SIZE) return false;
    int fields = sscanf(value, "%15[a-z]:%d:%" SCNu32 ":%" SCNu64 ":%d:%16" SCNx64 ":%16" SCNx64 "%n", e->kind,
                        &e->arena, &e->token, &e->process, &e->descriptor, &e->secret[0], &e->secret[1], &end);
    return fields == 7 && end >= 0 && !value[end];
}

/* Takes the entry out of the environment; false when there is none to be believed. */
static bool entry_take(struct child_entry *entry) {
    const char *value = getenv(VARIABLE);
    bool meant =
        value && !os_is_secure_execution() && entry_read(value, entry) && arena_is_meant(entry->arena, entry->secret);
    if (value) unsetenv(VARIABLE);
    return meant;
}

/* A second net below the first: if this is a child that has lost its entry on the way, by a constructor that cleared the
 * environment or in whatever way, then main must not run over again, and start children that lose theirs. */
static void end_if_child_without_entry(void) {
    if (os_is_own_image() && arena_is_inherited()) _exit(255);
}

static void keep_entrys_descriptors(const struct child_entry *entry) {
    int kept[2 + RUNTIME_KEPT] = {entry->arena, entry->descriptor};
    size_t count = runtime_keep(kept, 2);
    if (!runtime.keeps_open) os_close_all_but(kept, count);
    fcntl(entry->arena, F_SETFD, FD_CLOEXEC);
    if (entry->descriptor >= 0) fcntl(entry->descriptor, F_SETFD, FD_CLOEXEC);
}

void prong_main(int *argc, char ***argv) {
    struct child_entry entry;
    called = true;
    arguments = argc && argv && *argc > 0 ? *argv : NULL;
    if (!entry_take(&entry)) {
        end_if_child_without_entry();
        return;
    }
    keep_entrys_descriptors(&entry);
    if (strcmp(entry.kind, "other") == 0) function_in_other_program();
    if (family_attach(entry.arena) || !member_become(entry.token)) _exit(255);
    exit_prepare();
    if (strcmp(entry.kind, "server") == 0) server_run(entry.descriptor);
    run_process(entry.process, entry.descriptor);
}
