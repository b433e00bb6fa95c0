/* The process between a supervisor and a program. The program knows nothing of prong; the guard, which has one thread and
 * does nothing else, is its parent. The kernel kills the program when the guard ends, and the guard when the supervisor
 * ends. One that has descendants of the program to end is not killed: it watches the supervisor, and kills them all. */
#include "pool/supervisor.h"

#include "base/error.h"
#include "os/os.h"
#include "process/popen.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const prong_time DESCENDANTS_WITHIN = PRONG_SECONDS(1);
enum { CANNOT_START = 126, NOT_FOUND = 127 }; /* exit codes, as shells have them */

/* --- its argument --- */

/* Followed by the strings: arguments, environment, directory. */
struct guard_start {
    prong_time grace;
    uint64_t arguments, variables; /* how many */
    uint64_t end_descendants, has_environment, has_directory;
};

static size_t guard_measure(const char *const *strings, uint64_t *count) {
    size_t size = 0;
    for (*count = 0; strings && strings[*count]; ++*count) size += strlen(strings[*count]) + 1;
    return size;
}

static char *guard_append(char *at, const char *const *strings) {
    for (; strings && *strings; strings++) at = stpcpy(at, *strings) + 1;
    return at;
}

prong_status guard_argument(const prong_child_options *o, prong_time grace, void **argument, size_t *size) {
    struct guard_start start = {.grace = grace,
                                .end_descendants = o->end_descendants,
                                .has_environment = o->environment != NULL,
                                .has_directory = o->directory != NULL};
    *size = sizeof start + guard_measure(o->program, &start.arguments) +
            guard_measure(o->environment, &start.variables) + (o->directory ? strlen(o->directory) + 1 : 0);
    if (!(*argument = malloc(*size))) return fail_text(PRONG_NO_MEMORY, "supervisor create: no memory for a program");
    memcpy(*argument, &start, sizeof start);
    char *at = guard_append((char *)*argument + sizeof start, o->program);
    at = guard_append(at, o->environment);
    if (o->directory) strcpy(at, o->directory);
    return PRONG_OK;
}

/* Fills the list and a NULL behind it. */
static char *guard_list(char *at, uint64_t count, const char **list) {
    for (uint64_t i = 0; i < count; i++, at += strlen(at) + 1) list[i] = at;
    list[count] = NULL;
    return at;
}

/* --- the program --- */

struct guarding {
    const struct guard_start *start;
    prong_popen *popen;
    int supervisor, program, signals; /* readable when there is something to do */
    deadline_t kill_at;
    bool ends;
};

static prong_status guard_open(struct guarding *g) {
    const struct guard_start *start = g->start;
    const char **lists = calloc(start->arguments + start->variables + 2, sizeof *lists);
    if (!lists) return fail_text(PRONG_NO_MEMORY, "no memory for its arguments");
    const char **environment = lists + start->arguments + 1;
    char *at = guard_list((char *)(uintptr_t)(start + 1), start->arguments, lists);
    at = guard_list(at, start->variables, environment);
    const prong_popen_options options = {.environment = start->has_environment ? environment : NULL,
                                         .directory = start->has_directory ? at : NULL,
                                         .set_signal_mask = true};
    prong_status status = popen_open(&g->popen, lists, &options, true);
    free(lists);
    return status;
}

static prong_status guard_begin(struct guarding *g) {
    static const int wanted[] = {SIGTERM, SIGINT}; /* Ctrl-C reaches the program by itself */
    sigset_t unused;
    g->signals = os_signals_open(wanted, 2, &unused);
    if (g->signals < 0) return fail_errno("no descriptor for signals");
    if (g->start->end_descendants && !os_adopt_orphans()) return fail_errno("descendants cannot be adopted");
    TRY(guard_open(g));
    return prong_popen_sentinel(g->popen, &g->program);
}

/* --- until it ends --- */

static void guard_kill(struct guarding *g) {
    prong_popen_signal(g->popen, SIGKILL);
    g->kill_at = PRONG_FOREVER;
}

static void guard_take_signal(struct guarding *g) {
    if (os_signals_take(g->signals) != SIGTERM || g->ends) return;
    g->ends = true;
    g->kill_at = deadline_after(g->start->grace);
    prong_popen_signal(g->popen, SIGTERM);
}

static int guard_watch(struct guarding *g) {
    int code;
    while (prong_popen_wait(g->popen, &code, PRONG_NOWAIT) == PRONG_TIMEOUT) {
        struct pollfd polls[] = {{.fd = g->program, .events = POLLIN},
                                 {.fd = g->signals, .events = POLLIN},
                                 {.fd = g->supervisor, .events = POLLIN}};
        os_poll(polls, 3, g->kill_at);
        if (polls[2].revents) {
            g->supervisor = -1;
            guard_kill(g);
        }
        if (polls[1].revents) guard_take_signal(g);
        if (deadline_passed(g->kill_at)) guard_kill(g);
    }
    return code == PRONG_NO_RETURNCODE ? 255 : code;
}

/* The guard ends as the program has, so that the supervisor sees how. */
static int guard_finish(const struct guarding *g, int code) {
    if (g->start->end_descendants) os_end_children(deadline_after(DESCENDANTS_WITHIN));
    if (code >= 0) return code;
    os_die_by(-code);
    return 128 - code;
}

static int guard_fail(prong_status status) {
    process_tell_failure(status);
    return status == PRONG_NOT_FOUND ? NOT_FOUND : CANNOT_START;
}

/* A start that was given up meanwhile may be made again: then the program of this one must not run. */
static int guard_run(struct guarding *g) {
    prong_status status = guard_begin(g);
    if (status < 0) return guard_fail(status);
    if (!process_tell_begun((uint64_t)prong_popen_pid(g->popen))) guard_kill(g);
    return guard_finish(g, guard_watch(g));
}

/* -1: it has just died. The process that runs the supervisor by now may be another. */
static int guard_open_supervisor(void) {
    prong_process parent;
    return prong_parent_process(&parent) < 0 ? -1 : member_pidfd(process_token(parent));
}

int guard_main(void *argument, size_t size) {
    struct guarding g = {.start = argument, .kill_at = PRONG_FOREVER};
    (void)size;
    g.supervisor = guard_open_supervisor();
    if (g.supervisor < 0) return guard_fail(fail_errno("the process that supervises cannot be watched"));
    return guard_run(&g);
}
