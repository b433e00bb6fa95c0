/* In the fork server: forking children on request, and noting their ends. */
#define _GNU_SOURCE
#include "process/forkserver.h"

#include "base/error.h"
#include "os/os.h"
#include "process/exit.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct forked {
    struct process *process;
    struct forked *next;
    pid_t pid;
    uint32_t token;
    bool daemon;
};
static struct forked *forked;

/* The server's own life pipe: a daemon is killed when its writing end is closed, even one that has changed its user since. */
static int server_life[2] = {-1, -1};

/* The socket on which requests come, and the descriptor of the signals that the server waits for. */
static int server_control = -1, server_signals = -1;

/* One child is forked ahead, and waits for its task: a start then costs the time to wake it, and the next is forked
 * while it runs. */
struct task {
    struct process *process;
    any_function *function;
    uint32_t token;
    bool hands;
};
static struct {
    pid_t pid; /* 0: none */
    int pidfd, socket;
    unsigned long long loads; /* shared objects loaded until then */
} spare;

static int count_loads(struct dl_phdr_info *object, size_t unused, void *loads) {
    (void)unused;
    *(unsigned long long *)loads = object->dlpi_adds;
    return 1;
}

static unsigned long long loads_so_far(void) {
    unsigned long long loads = 0;
    dl_iterate_phdr(count_loads, &loads);
    return loads;
}

static _Noreturn void spare_run(int socket, const struct forker *forker) {
    struct task task;
    int handed;
    any_function *unused;
    if (!os_die_with_parent(forker->pid)) _exit(0);
    os_give_signals_back();
    ssize_t got = os_receive_with_fd(socket, &task, sizeof task, &handed);
    close(socket);
    if (got != sizeof task) _exit(0);
    if ((task.hands && handed < 0) || !member_become(task.token, forker)) _exit(255);
    if (handed >= 0 && runtime.take_handed) runtime.take_handed(handed);
    if (!process_is_bound(task.process))
        os_live_on();
    else if (!os_die_with_writer(server_life[0])) {
        process_fail(task.process, fail_errno("it cannot be bound to the life of its parent"));
        _exit(255);
    }
    close(server_life[0]);
    if (child_settle(task.process, &unused)) _exit(255);
    child_exit(child_run(task.process, task.function));
}

static prong_status spare_fork(void) {
    int pair[2];
    if (os_socket_pair(pair) != 0) return fail_errno("no sockets for a child");
    const struct forker forker = member_forks();
    pid_t pid = fork_with_runtime();
    if (pid == 0) {
        close(pair[1]);
        close(server_control);
        close(server_signals);
        close(server_life[1]);
        spare_run(pair[0], &forker);
    }
    close(pair[0]);
    prong_status status = pid < 0 ? fail_errno("fork in the fork server") : PRONG_OK;
    int pidfd = status ? -1 : os_pidfd_open(pid);
    if (status >= 0 && pidfd < 0) status = fail_errno("the fork server has no descriptor for child %d", (int)pid);
    if (status < 0) { /* a child that reads end-of-file ends */
        close(pair[1]);
        return status;
    }
    spare.pid = pid;
    spare.pidfd = pidfd;
    spare.socket = pair[1];
    spare.loads = loads_so_far();
    return PRONG_OK;
}

static void spare_drop(void) {
    if (!spare.pid) return;
    close(spare.socket);
    close(spare.pidfd);
    spare.pid = 0;
}

/* The child that waits gets the task; false when it had died before. Once the task is sent it counts as begun, however
 * soon the child ends: looking after the send could have the task run twice. */
static bool spare_hand_over(const struct task *task, int handed) {
    return !os_pidfd_ended(spare.pidfd) && os_send_with_fd(spare.socket, task, sizeof *task, handed) == 0;
}

/* Then the child need not ask whether the process that wanted it lives. Often too late, which does no harm. */
static void forked_note_pid(uint32_t token, pid_t pid) {
    if (atomic_load(&member_row(token)->namespace) == self->namespace) member_set_pid(token, pid);
}

static prong_status serve_start(const struct forkserver_request *request, int handed, struct forkserver_reply *reply,
                                int *pidfd) {
    struct task task = {.process = arena_at(request->process), .token = request->token, .hands = request->hands};
    prong_status status = function_resolve(&task.process->function, &task.function);
    if (status < 0) return status;
    if (task.hands && handed < 0) return fail(PRONG_NO_DESCRIPTORS, "the fork server has no descriptor left");
    struct forked *entry = malloc(sizeof *entry);
    if (!entry) return fail(PRONG_NO_MEMORY, "the fork server has no memory left");
    if (spare.loads != loads_so_far()) spare_drop(); /* the function may be in what has been loaded since */
    if (!spare.pid || !spare_hand_over(&task, handed)) {
        spare_drop();
        status = spare_fork();
        if (status >= 0 && !spare_hand_over(&task, handed))
            status = fail(PRONG_START_FAILED, "the child was killed as it began");
        if (status < 0) {
            free(entry);
            return status;
        }
    }
    forked_note_pid(task.token, spare.pid);
    *entry = (struct forked){task.process, forked, spare.pid, task.token, process_is_bound(task.process)};
    forked = entry;
    reply->pid = spare.pid;
    *pidfd = spare.pidfd;
    close(spare.socket);
    spare.pid = 0;
    return PRONG_OK;
}

static prong_status serve_preload(const struct forkserver_request *request) {
    any_function *function;
    for (const char *name = arena_at(request->text); *name; name += strlen(name) + 1)
        if (!dlopen(name, RTLD_NOW | RTLD_GLOBAL)) return fail(PRONG_NO_FUNCTION, "%s", dlerror());
    if (!request->has_function) return PRONG_OK;
    prong_status status = function_resolve(&request->function, &function);
    if (status >= 0) function();
    return status;
}

/* It has not been reaped, so the number is that child's. */
static void forked_kill(const struct forked *entry) {
    int pidfd = os_pidfd_open(entry->pid);
    if (pidfd < 0) return;
    os_pidfd_signal(pidfd, SIGKILL);
    close(pidfd);
}

static void serve_kill(const struct forkserver_request *request) {
    for (const struct forked *entry = forked; entry; entry = entry->next)
        if (entry->token == request->token) forked_kill(entry);
}

/* The parent is gone. Its daemons are killed from here first: the system's own signal does not reach one that has become a user
 * of another number, when the server is root in a user namespace only. */
static _Noreturn void serve_end_with_daemons(void) {
    for (const struct forked *entry = forked; entry; entry = entry->next)
        if (entry->daemon) forked_kill(entry);
    _exit(0);
}

static prong_status serve_request(const struct forkserver_request *request, int handed, struct forkserver_reply *reply,
                                  int *pidfd) {
    switch (request->kind) {
    case REQUEST_START: return serve_start(request, handed, reply, pidfd);
    case REQUEST_PRELOAD:
        spare_drop(); /* it has nothing of what is loaded now */
        return serve_preload(request);
    case REQUEST_KILL: serve_kill(request);
    }
    return PRONG_OK;
}

static void serve_next(void) {
    struct forkserver_request request;
    struct forkserver_reply reply = {.namespace = self->namespace};
    int handed, pidfd = -1;
    ssize_t got = os_receive_with_fd(server_control, &request, sizeof request, &handed);
    if (got != sizeof request) serve_end_with_daemons();
    reply.status = serve_request(&request, handed, &reply, &pidfd);
    if (reply.status) snprintf(reply.text, sizeof reply.text, "%s", prong_error_message());
    os_send_with_fd(server_control, &reply, sizeof reply, pidfd);
    if (pidfd >= 0) close(pidfd);
    if (handed >= 0) close(handed);
}

static void forked_note_end(pid_t pid, int code) {
    if (pid == spare.pid) spare_drop();
    for (struct forked **at = &forked; *at; at = &(*at)->next)
        if ((*at)->pid == pid) {
            struct forked *entry = *at;
            process_ended(entry->process, entry->token, code);
            *at = entry->next;
            free(entry);
            return;
        }
}

/* Each end is noted before it is taken: until the server has noted how a child ended, the system tells it to all. */
static void forked_note_ends(void) {
    for (siginfo_t info;;) {
        info.si_pid = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
        forked_note_end(info.si_pid, info.si_code == CLD_EXITED ? info.si_status : -info.si_status);
        waitpid(info.si_pid, NULL, WNOHANG);
    }
}

_Noreturn void server_run(int control) {
    server_control = control;
    server_signals = os_take_signals(); /* Ctrl-C is for the program; its end is ours */
    if (server_signals < 0 || os_pipe(server_life) != 0) _exit(255);
    struct pollfd polls[] = {{.fd = control, .events = POLLIN}, {.fd = server_signals, .events = POLLIN}};
    for (;;) {
        int ready = poll(polls, 2, spare.pid ? -1 : 0);
        if (ready < 0 && errno != EINTR) _exit(255);
        if (ready == 0 && spare_fork() < 0) poll(polls, 2, -1); /* none to be had: with the next request */
        if (ready <= 0) continue;
        if (polls[1].revents) {
            os_drain_signals(server_signals);
            forked_note_ends();
        }
        if (polls[0].revents) serve_next();
    }
}
