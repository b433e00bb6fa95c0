/* Starting a program, waiting for it, signalling it, ending it. */
#define _GNU_SOURCE
#include "process/popen.h"

#include "base/error.h"
#include "base/fork.h"
#include "os/os.h"
#include "process/paths.h"
#include "process/start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- its streams --- */

static const char *const stream_names[] = {"stdin", "stdout", "stderr"};

/* What the start needs and then closes again: the program's ends. */
struct ends {
    int theirs[3];
    bool close[3];
};

static prong_status popen_open_file(const prong_stream *stream, int number, int *fd) {
    int flags = number == 0 ? O_RDONLY : O_WRONLY | O_CREAT | (stream->append ? O_APPEND : O_TRUNC);
    const char *path = stream->kind == PRONG_STREAM_NULL ? "/dev/null" : stream->path;
    if (!path) return fail(PRONG_INVALID, "%s: a file without a path", stream_names[number]);
    *fd = os_off_stdio(open(path, flags | O_CLOEXEC, 0666));
    return *fd >= 0 ? PRONG_OK : fail_errno("%s: file '%s'", stream_names[number], path);
}

static prong_status popen_open_stream(prong_popen *popen, struct ends *ends, const prong_stream *stream, int number) {
    int pair[2];
    switch (stream->kind) {
    case PRONG_STREAM_INHERIT: return PRONG_OK;
    case PRONG_STREAM_DESCRIPTOR:
        if (stream->descriptor < 0 || fcntl(stream->descriptor, F_GETFD) < 0)
            return fail(PRONG_INVALID, "%s: descriptor %d is not open", stream_names[number], stream->descriptor);
        ends->theirs[number] = stream->descriptor;
        return PRONG_OK;
    case PRONG_STREAM_STDOUT:
        if (number != 2) return fail(PRONG_INVALID, "%s cannot go where stdout goes", stream_names[number]);
        ends->theirs[2] = ends->theirs[1] >= 0 ? ends->theirs[1] : 1;
        return PRONG_OK;
    case PRONG_STREAM_NULL:
    case PRONG_STREAM_FILE: ends->close[number] = true; return popen_open_file(stream, number, &ends->theirs[number]);
    case PRONG_STREAM_PIPE:
        if (os_pipe(pair) != 0) return fail_errno("%s: no pipe", stream_names[number]);
        popen->was_pipe[number] = true;
        popen->pipes[number] = pair[number == 0];
        ends->theirs[number] = pair[number != 0];
        ends->close[number] = true;
        return PRONG_OK;
    }
    return fail(PRONG_INVALID, "%s: there is no kind %d of stream", stream_names[number], (int)stream->kind);
}

static void popen_close_ends(struct ends *ends) {
    for (int i = 0; i < 3; i++)
        if (ends->close[i] && ends->theirs[i] >= 0) close(ends->theirs[i]);
}

/* --- starting --- */

static prong_status popen_describe_failure(enum os_program_step step, const prong_popen_options *o,
                                           const char *program) {
    switch (step) {
    case OS_STEP_DIRECTORY: return fail_errno("start of '%s': directory '%s'", program, o->directory);
    case OS_STEP_DESCRIPTORS: return fail_errno("start of '%s': its descriptors", program);
    case OS_STEP_IDENTITY: return fail_errno("start of '%s': its session, group or user", program);
    case OS_STEP_EXEC: return fail_errno("start of '%s'", program);
    default: return fail_errno("start of '%s': no new process", program);
    }
}

/* The mask that is asked for; *mask is NULL when none is. */
static prong_status popen_choose_mask(const prong_popen_options *o, const char *program, sigset_t *set,
                                      const sigset_t **mask) {
    *mask = o->set_signal_mask ? set : NULL;
    sigemptyset(set);
    for (size_t i = 0; i < o->blocked_signal_count; i++) {
        if (!o->set_signal_mask)
            return fail(PRONG_INVALID, "start of '%s': blocked_signals without set_signal_mask", program);
        if (sigaddset(set, o->blocked_signals[i]) != 0)
            return fail(PRONG_INVALID, "start of '%s': there is no signal %d to block", program, o->blocked_signals[i]);
    }
    return PRONG_OK;
}

static prong_status popen_launch(prong_popen *popen, const char *program, char *const *argv,
                                 const prong_popen_options *o, const struct ends *ends) {
    struct os_environment own = {0};
    struct paths paths = {0};
    sigset_t set;
    const sigset_t *mask;
    prong_status status = popen_choose_mask(o, program, &set, &mask);
    if (status < 0) return status;
    if (!o->environment && os_environment_copy(&own, NULL) != 0)
        return fail_errno("start of '%s': its environment", program);
    char *const *environment = o->environment ? (char *const *)(uintptr_t)o->environment : own.entries;
    status = paths_find(&paths, program, environment);
    struct os_program start = {
        .paths = paths.list,
        .arguments = argv,
        .environment = environment,
        .directory = o->directory,
        .stdio = {ends->theirs[0], ends->theirs[1], ends->theirs[2]},
        .kept = o->pass_fds,
        .kept_count = o->pass_fd_count,
        .keep_all = o->keep_fds,
        .new_session = o->start_new_session,
        .set_group_of_processes = o->set_process_group,
        .group_of_processes = o->process_group,
        .bound = popen->bound,
        .restore_signals = !o->keep_signals,
        .signal_mask = mask,
        .mask = o->set_umask ? (int)(o->umask & 07777) : -1,
        .user = o->set_user ? (int64_t)o->user : -1,
        .group = o->set_group ? (int64_t)o->group : -1,
        .groups = o->extra_groups,
        .group_count = o->extra_group_count,
    };
    enum os_program_step step;
    if (status >= 0 && os_program_start(&start, &popen->pid, &popen->pidfd, &step) != 0)
        status = popen_describe_failure(step, o, program);
    paths_free(&paths);
    os_environment_free(&own);
    return status;
}

/* /bin/sh -c command, and the arguments that follow. */
static char **popen_shell_arguments(const char *const argv[]) {
    size_t count = 0;
    while (argv[count]) count++;
    const char **with = malloc((count + 3) * sizeof *with);
    if (!with) return NULL;
    with[0] = "/bin/sh";
    with[1] = "-c";
    memcpy(with + 2, argv, (count + 1) * sizeof *with);
    return (char **)(uintptr_t)with;
}

static prong_status popen_begin(prong_popen *popen, const char *const argv[], const prong_popen_options *o) {
    struct ends ends = {.theirs = {-1, -1, -1}};
    const prong_stream *streams[] = {&o->in, &o->out, &o->err};
    prong_status status = PRONG_OK;
    for (int i = 0; i < 3 && status >= 0; i++) status = popen_open_stream(popen, &ends, streams[i], i);
    char **arguments = o->shell ? popen_shell_arguments(argv) : (char **)(uintptr_t)argv;
    if (status >= 0 && !arguments) status = fail(PRONG_NO_MEMORY, "no memory for the arguments");
    if (status >= 0)
        status = popen_launch(popen,
                              o->executable ? o->executable
                              : o->shell    ? "/bin/sh"
                                            : argv[0],
                              arguments, o, &ends);
    if (o->shell) free(arguments);
    popen_close_ends(&ends);
    return status;
}

/* --- those that nobody waits for --- */

static struct detached {
    int pidfd;
    struct detached *next;
} * detached;

/* They are the parent's children, and its to reap. */
static void detached_forget(void) {
    for (struct detached *one; (one = detached);) {
        detached = one->next;
        close(one->pidfd);
        free(one);
    }
}

FORK_MUTEX(detached, detached_lock, detached_forget)

static void detached_reap(void) {
    int code;
    bool stolen;
    if (!__atomic_load_n(&detached, __ATOMIC_RELAXED)) return;
    if (pthread_mutex_trylock(&detached_lock) != 0) return; /* another thread is at it */
    for (struct detached **at = &detached; *at;) {
        struct detached *one = *at;
        errno = 0;
        if (os_reap(one->pidfd, &code, &stolen) || errno == EBADF) {
            *at = one->next;
            close(one->pidfd);
            free(one);
        } else {
            at = &one->next;
        }
    }
    pthread_mutex_unlock(&detached_lock);
}

/* --- open and close --- */

static void popen_free(prong_popen *popen) {
    for (int i = 0; i < 3; i++) {
        popen_close_pipe(popen, i);
        free(popen->read[i].data);
    }
    if (popen->pidfd >= 0) close(popen->pidfd);
    pthread_mutex_destroy(&popen->lock);
    free(popen);
}

prong_status popen_open(prong_popen **result, const char *const argv[], const prong_popen_options *options,
                        bool bound) {
    const prong_popen_options o = options ? *options : (prong_popen_options){0};
    if (!result || !argv || !argv[0] || !*argv[0]) return fail(PRONG_INVALID, "popen: no program");
    CHECK_RESERVED(&o, "popen: options");
    CHECK_RESERVED(&o.in, "popen: stdin");
    CHECK_RESERVED(&o.out, "popen: stdout");
    CHECK_RESERVED(&o.err, "popen: stderr");
    prong_status status = start_check_system();
    if (status < 0) return fail_again(status, "start of '%s'", argv[0]);
    detached_reap();
    prong_popen *popen = calloc(1, sizeof *popen);
    if (!popen) return fail(PRONG_NO_MEMORY, "start of '%s': no memory", argv[0]);
    pthread_mutex_init(&popen->lock, NULL);
    for (int i = 0; i < 3; i++) popen->pipes[i] = -1;
    popen->pidfd = -1;
    popen->bound = bound;
    popen->returncode = PRONG_NO_RETURNCODE;
    popen->owner = getpid();
    popen->wait_for_eof = o.wait_for_eof;
    popen->own_group = o.start_new_session || (o.set_process_group && o.process_group == 0);
    strncpy(popen->name, argv[0], sizeof popen->name - 1);
    status = popen_begin(popen, argv, &o);
    if (status < 0) {
        popen_free(popen);
        return status;
    }
    *result = popen;
    return PRONG_OK;
}

prong_status prong_popen_open(prong_popen **result, const char *const argv[], const prong_popen_options *options) {
    return popen_open(result, argv, options, false);
}

prong_status popen_check(const prong_popen *popen) {
    if (!popen) return fail(PRONG_INVALID, "no program was started here");
    if (popen->owner == getpid()) return PRONG_OK;
    return fail(PRONG_NOT_CHILD, "'%s' was started by process %d", popen->name, (int)popen->owner);
}

prong_status prong_popen_close(prong_popen *popen) {
    if (!popen) return PRONG_OK;
    if (popen->owner == getpid() && !popen_has_ended(popen))
        return fail(PRONG_STILL_RUNNING, "'%s' (pid %d) still runs", popen->name, (int)popen->pid);
    popen_free(popen);
    return PRONG_OK;
}

prong_status prong_popen_detach(prong_popen *popen) {
    prong_status status = popen_check(popen);
    if (status < 0) return status;
    if (!popen_has_ended(popen)) {
        struct detached *one = malloc(sizeof *one);
        if (!one) return fail(PRONG_NO_MEMORY, "detach of '%s': no memory", popen->name);
        one->pidfd = popen->pidfd;
        popen->pidfd = -1;
        pthread_mutex_lock(&detached_lock);
        one->next = detached;
        detached = one;
        pthread_mutex_unlock(&detached_lock);
    }
    popen_free(popen);
    return PRONG_OK;
}

int prong_popen_pid(const prong_popen *popen) {
    return popen ? (int)popen->pid : 0;
}

prong_status prong_popen_sentinel(const prong_popen *popen, int *descriptor) {
    TRY(popen_check(popen));
    *descriptor = popen->pidfd;
    return PRONG_OK;
}

int prong_popen_pipe(const prong_popen *popen, int stream) {
    return popen && stream >= 0 && stream < 3 ? popen->pipes[stream] : -1;
}

void popen_close_pipe(prong_popen *popen, int stream) {
    if (popen->pipes[stream] >= 0) close(popen->pipes[stream]);
    popen->pipes[stream] = -1;
}

prong_status prong_popen_close_pipe(prong_popen *popen, int stream) {
    prong_status status = popen_check(popen);
    if (status < 0) return status;
    if (stream < 0 || stream > 2) return fail(PRONG_INVALID, "there is no stream %d", stream);
    popen_close_pipe(popen, stream);
    return PRONG_OK;
}

/* --- its end --- */

bool popen_has_ended(prong_popen *popen) {
    pthread_mutex_lock(&popen->lock);
    if (!popen->ended) popen->ended = os_reap(popen->pidfd, &popen->returncode, &popen->stolen);
    bool ended = popen->ended;
    pthread_mutex_unlock(&popen->lock);
    return ended;
}

prong_status popen_returncode(prong_popen *popen, int *returncode) {
    if (popen->stolen)
        return fail(PRONG_SYSTEM, "'%s' (pid %d) was reaped by the host program: how it ended is unknown", popen->name,
                    (int)popen->pid);
    if (returncode) *returncode = popen->returncode;
    return PRONG_OK;
}

static void popen_set_no_returncode(int *returncode) {
    if (returncode) *returncode = PRONG_NO_RETURNCODE;
}

static prong_status popen_wait_until(prong_popen *popen, int *returncode, deadline_t deadline) {
    INTERRUPTIBLE;
    bool ended;
    struct pollfd end = {.fd = popen->pidfd, .events = POLLIN};
    do os_poll(&end, 1, deadline);
    while (!(ended = popen_has_ended(popen)) && !deadline_passed(deadline));
    if (ended) return popen_returncode(popen, returncode);
    return fail(PRONG_TIMEOUT, "'%s' (pid %d) still runs", popen->name, (int)popen->pid);
}

prong_status prong_popen_wait(prong_popen *popen, int *returncode, prong_time timeout) {
    popen_set_no_returncode(returncode);
    TRY(popen_check(popen));
    if (popen_has_ended(popen)) return popen_returncode(popen, returncode);
    return popen_wait_until(popen, returncode, deadline_after(timeout));
}

/* --- signals --- */

prong_status popen_signal(prong_popen *popen, int signal, bool group) {
    /* A group may have members left when the program itself has ended. Its number is not used anew while it has. */
    int result = group && popen->own_group ? kill(-popen->pid, signal) : os_pidfd_signal(popen->pidfd, signal);
    if (result == 0 || errno == ESRCH) return PRONG_OK;
    return fail_errno("signal %d to '%s'", signal, popen->name);
}

prong_status prong_popen_signal(prong_popen *popen, int signal) {
    prong_status status = popen_check(popen);
    if (status < 0 || popen_has_ended(popen)) return status;
    return popen_signal(popen, signal, false);
}

prong_status prong_popen_stop(prong_popen *popen, int *returncode, const prong_stop_plan *plan) {
    static const prong_stop_plan usual = {.terminate = PRONG_SECONDS(5), .kill = PRONG_SECONDS(5)};
    popen_set_no_returncode(returncode);
    prong_status status = popen_check(popen);
    if (status < 0) return status;
    if (!plan) plan = &usual;
    CHECK_RESERVED(plan, "popen stop: plan");
    if (plan->group && !popen->own_group)
        return fail(PRONG_INVALID, "stop of '%s': it has no process group of its own", popen->name);
    const struct {
        prong_time time;
        int signal;
    } steps[] = {{plan->wait, 0}, {plan->terminate, SIGTERM}, {plan->kill, SIGKILL}};
    status = popen_has_ended(popen) ? popen_returncode(popen, returncode) : PRONG_TIMEOUT;
    for (int i = 0; i < 3 && status == PRONG_TIMEOUT; i++) {
        if (steps[i].time <= 0) continue;
        if (steps[i].signal && (status = popen_signal(popen, steps[i].signal, plan->group))) break;
        status = popen_wait_until(popen, returncode, deadline_after(steps[i].time));
    }
    if (status == PRONG_TIMEOUT)
        return fail(PRONG_TIMEOUT, "'%s' (pid %d) has outlived its stop", popen->name, (int)popen->pid);
    return status;
}
