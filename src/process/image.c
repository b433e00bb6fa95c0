/* Starting a new image: this program's, another's, or what a language runtime has in its place. */
#define _GNU_SOURCE
#include "process/image.h"

#include "base/error.h"
#include "family/arena.h"
#include "family/family.h"
#include "os/os.h"
#include "process/paths.h"
#include "process/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What is started, and with which arguments. */
static prong_status image_choose_program(const struct image *image, const char **path, char *const **with) {
    static char *nameless[] = {(char *)(uintptr_t) "prong", NULL};
    *path = image->program ? image->program[0] : runtime.program ? runtime.program : OS_OWN_IMAGE;
    if (image->program)
        *with = image->program;
    else if (runtime.program)
        *with = strcmp(image->kind, "server") == 0 ? runtime.server_arguments : runtime.child_arguments;
    else if (main_was_called())
        *with = main_arguments() ? main_arguments() : nameless;
    else
        return fail(PRONG_NO_MAIN, "main() must begin with prong_main(&argc, &argv), or the new image would run it all "
                                   "over again");
    return PRONG_OK;
}

/* An image that would not believe what it is told would run main from its beginning. */
static prong_status image_check(const char *path, int *arena_fd) {
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
    char entry[sizeof IMAGE_VARIABLE + IMAGE_ENTRY_SIZE];
    struct os_program start = {.stdio = {-1, -1, -1}, .mask = -1, .user = -1, .group = -1};
    int arena_fd;
    prong_status status = image_choose_program(image, &path, &start.arguments);
    prong_family_fit(0); /* the image inherits the limit on address space, and has to map the arena */
    if (status >= 0) status = image_check(path, &arena_fd);
    if (status < 0) return status;
    snprintf(entry, sizeof entry, IMAGE_VARIABLE "=%s:%d:%" PRIu32 ":%" PRIu64 ":%d:%016" PRIx64 ":%016" PRIx64,
             image->kind, arena_fd, image->token, image->process, image->descriptor, arena()->secret[0],
             arena()->secret[1]);
    int kept[2 + RUNTIME_KEPT] = {arena_fd, image->descriptor};
    start.kept = kept;
    start.kept_count = image->descriptor >= 0 ? 2 : 1;
    if (strcmp(image->kind, "server") != 0) start.kept_count = runtime_keep(kept, start.kept_count);
    return image_launch(start, path, image->environment, entry, pid, pidfd);
}
