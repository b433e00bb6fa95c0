/* prong_main, where a new image takes up its work. */
#include "base/error.h"
#include "family/family.h"
#include "os/os.h"
#include "process/exit.h"
#include "process/forkserver.h"
#include "process/image.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool called;
static char **arguments;

bool main_was_called(void) {
    return called;
}

char **main_arguments(void) {
    return arguments;
}

static _Noreturn void main_run_process(uint64_t offset, int life) {
    struct process *process = arena_at(offset);
    any_function *function;
    bool with_parent = !process_is_bound(process) || os_die_with_writer(life);
    if (life >= 0) close(life);
    if (!with_parent) {
        process_fail(process, fail_errno("it cannot be bound to the life of its parent"));
        _exit(255);
    }
    prong_status status = child_settle(process, &function);
    if (status < 0) {
        process_fail(process, status);
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
    if (strlen(value) >= IMAGE_ENTRY_SIZE) return false;
    int fields = sscanf(value, "%15[a-z]:%d:%" SCNu32 ":%" SCNu64 ":%d:%16" SCNx64 ":%16" SCNx64 "%n", e->kind,
                        &e->arena, &e->token, &e->process, &e->descriptor, &e->secret[0], &e->secret[1], &end);
    return fields == 7 && end >= 0 && !value[end];
}

/* Takes the entry out of the environment; false when there is none to be believed. */
static bool entry_take(struct child_entry *entry) {
    const char *value = getenv(IMAGE_VARIABLE);
    bool meant =
        value && !os_is_secure_execution() && entry_read(value, entry) && arena_is_meant(entry->arena, entry->secret);
    if (value) unsetenv(IMAGE_VARIABLE);
    return meant;
}

/* A second net below the first: if this is a child that has lost its entry on the way, by a constructor that cleared the
 * environment or in whatever way, then main must not run over again, and start children that lose theirs. */
static void main_end_if_without_entry(void) {
    if (os_is_own_image() && arena_is_inherited()) _exit(255);
}

static void entry_keep_descriptors(const struct child_entry *entry) {
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
        main_end_if_without_entry();
        return;
    }
    entry_keep_descriptors(&entry);
    if (strcmp(entry.kind, "other") == 0) function_in_other_program();
    if (family_attach(entry.arena) || !member_become(entry.token, NULL)) _exit(255);
    exit_prepare();
    if (strcmp(entry.kind, "server") == 0) server_run(entry.descriptor);
    main_run_process(entry.process, entry.descriptor);
}
