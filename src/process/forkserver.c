/* The fork server: a clean single-threaded image that forks children on request and reaps them.
 *
 * One per process that starts children this way, over a socket pair: when that process ends, however it ends, the
 * server reads end-of-file and exits, and the kernel kills the daemonic children that it forked. */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/fork.h"
#include "family/heap.h"
#include "os/os.h"
#include "process/process.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum request_kind { REQUEST_START, REQUEST_PRELOAD, REQUEST_KILL };

struct forkserver_request {
    enum request_kind kind;
    uint32_t token;
    uint64_t process; /* START; KILL has its token alone */
    uint64_t text;    /* PRELOAD: a block of library names, each ended by a zero, and an empty one */
    struct function function;
    bool has_function;
    bool hands; /* START: a descriptor of the runtime's comes with it */
};

struct forkserver_reply {
    prong_status status;
    pid_t pid;          /* as the server knows it … */
    uint64_t namespace; /* … in this namespace of pids */
    char text[400];
};

/* ------------------------------------------------ in the parent ------------------------------------------------ */

/* Each child that it forked has it, for as long as the child is known here: only its own server tells how a child ended,
 * and another may run by then. */
struct server {
    _Atomic unsigned users; /* being the one that is asked is one */
    int socket;             /* -1 when it is not asked any more */
    int pidfd;
    uint32_t token;
};
static struct server *server; /* the one that is asked, under the mutex; NULL: none runs */
static struct {
    char *names;
    size_t size;
    void (*function)(void);
    bool set;
} preload;

static void server_close_socket(struct server *of) {
    if (of->socket >= 0) close(of->socket);
    of->socket = -1;
}

void server_release(struct server *of) {
    if (!of || atomic_fetch_sub(&of->users, 1) > 1) return;
    server_close_socket(of);
    if (of->pidfd >= 0) close(of->pidfd);
    free(of);
}

bool server_has_ended(const struct server *of) {
    return os_pidfd_ended(of->pidfd);
}

/* It is not asked any more. */
static void server_drop(void) {
    if (!server) return;
    server_close_socket(server);
    server_release(server);
    server = NULL;
}

FORK_MUTEX(server, mutex, server_drop)

/* The server is a child of ours; it is reaped where its end is noticed. */
static void reap_server(void) {
    int code;
    bool stolen;
    os_pidfd_signal(server->pidfd, SIGKILL);
    for (int i = 0; i < 100 && !os_pidfd_ended(server->pidfd); i++) {
        struct pollfd end = {.fd = server->pidfd, .events = POLLIN};
        poll(&end, 1, 10);
    }
    if (os_reap(server->pidfd, &code, &stolen)) member_bury(server->token);
    server_drop();
}

/* Until there is an answer, or the server is gone: somebody else may have its end of the sockets still. */
static prong_status await_answer(deadline_t deadline) {
    struct pollfd polls[] = {{.fd = server->socket, .events = POLLIN}, {.fd = server->pidfd, .events = POLLIN}};
    int ready;
    do ready = poll(polls, 2, deadline_poll_ms(deadline));
    while ((ready < 0 && errno == EINTR) || (ready == 0 && !deadline_passed(deadline)));
    if (ready <= 0) return fail(PRONG_TIMEOUT, "the fork server does not answer");
    return polls[0].revents ? PRONG_OK : fail(PRONG_START_FAILED, "the fork server died");
}

/* reserved: a descriptor that is closed where the answer brings one. */
static prong_status exchange(const struct forkserver_request *request, struct forkserver_reply *reply, int reserved,
                             int *pidfd, prong_time timeout) {
    prong_status status = PRONG_OK;
    *pidfd = -1;
    if (os_send_with_fd(server->socket, request, sizeof *request, request->hands ? runtime.handed : -1) != 0)
        status = fail(PRONG_START_FAILED, "the fork server is gone: %s", strerror(errno));
    if (status >= 0) status = await_answer(deadline_after(timeout));
    if (reserved >= 0) close(reserved);
    if (status < 0) return status;
    ssize_t got = os_receive_with_fd(server->socket, reply, sizeof *reply, pidfd);
    if (got != sizeof *reply) {
        if (*pidfd >= 0) close(*pidfd);
        *pidfd = -1;
        return fail(PRONG_START_FAILED, "the fork server died");
    }
    return reply->status ? fail(reply->status, "%s", reply->text) : PRONG_OK;
}

static prong_status send_preload(void) {
    struct forkserver_request request = {.kind = REQUEST_PRELOAD};
    struct forkserver_reply reply;
    int none = -1;
    prong_status status = PRONG_OK;
    if (preload.function) {
        status = function_identify((any_function *)preload.function, &request.function);
        request.has_function = true;
    }
    if (status >= 0) status = heap_alloc(preload.size, 0, NULL, &request.text);
    if (status < 0) return status;
    memcpy(arena_at(request.text), preload.names, preload.size);
    status = exchange(&request, &reply, -1, &none, PRONG_SECONDS(60));
    heap_free(request.text, NULL);
    return status < 0 ? fail_again(status, "fork server preload") : PRONG_OK;
}

static prong_status begin_server(struct server *made) {
    int pair[2];
    pid_t pid;
    prong_status status = member_reserve(FORK_SERVER_NAME, 0, &made->token);
    if (status < 0) return status;
    if (os_socket_pair(pair) != 0) {
        status = fail_errno("no sockets for the fork server");
        member_bury(made->token);
        return status;
    }
    made->socket = pair[0];
    struct image image = {.kind = "server", .token = made->token, .descriptor = pair[1]};
    status = image_start(&image, &pid, &made->pidfd);
    close(pair[1]);
    if (status < 0)
        member_bury(made->token);
    else
        member_set_pid(made->token, pid);
    return status;
}

static prong_status start_server(void) {
    if (!main_was_called() && !runtime.program) /* say so before anything is made */
        return fail(PRONG_NO_MAIN, "main() must begin with prong_main(&argc, &argv) for a fork server to be started");
    struct server *made = calloc(1, sizeof *made);
    if (!made) return fail(PRONG_NO_MEMORY, "no memory for a fork server");
    *made = (struct server){.users = 1, .socket = -1, .pidfd = -1};
    prong_status status = begin_server(made);
    if (status < 0) {
        server_release(made);
        return status;
    }
    server = made;
    if (preload.set) status = send_preload();
    if (status < 0) reap_server();
    return status;
}

static prong_status ask_server(struct start *start, const struct forkserver_request *request,
                               struct forkserver_reply *reply) {
    prong_time timeout = start->process->start_timeout ? (prong_time)start->process->start_timeout : PRONG_SECONDS(60);
    int reserved = os_spare_descriptor(); /* for the child's, which comes when it is too late to fail */
    if (reserved < 0) return fail_errno("no descriptor for the child");
    pthread_mutex_lock(&mutex);
    if (server && server_has_ended(server)) reap_server();
    prong_status status = server ? PRONG_OK : start_server();
    if (status < 0)
        close(reserved);
    else {
        start->server = server;
        atomic_fetch_add(&server->users, 1);
        status = exchange(request, reply, reserved, &start->pidfd, timeout);
        if (status == PRONG_TIMEOUT || status == PRONG_START_FAILED) reap_server(); /* it may answer late: begin anew */
    }
    pthread_mutex_unlock(&mutex);
    return status;
}

/* --- a start that did not go as it should: it is given up, or else the child has begun --- */

static const prong_time ENDS_WITHIN = PRONG_SECONDS(5);

/* It will not begin. What is known of it is told to end, so that it is no process any more when the start returns. */
static void end_given_up(struct start *start) {
    if (start->pidfd < 0) return;
    deadline_t deadline = deadline_after(ENDS_WITHIN);
    os_pidfd_signal(start->pidfd, SIGKILL);
    while (!os_pidfd_ended(start->pidfd) && !deadline_passed(deadline)) {
        struct pollfd end = {.fd = start->pidfd, .events = POLLIN};
        poll(&end, 1, deadline_poll_ms(deadline));
    }
    close(start->pidfd);
    start->pidfd = -1;
}

/* The server is its parent, and alone can signal it where there is no descriptor to be had. */
static void ask_to_kill(const struct start *start) {
    struct forkserver_request request = {.kind = REQUEST_KILL, .token = start->token};
    struct forkserver_reply reply;
    int none;
    pthread_mutex_lock(&mutex);
    if (server == start->server && exchange(&request, &reply, -1, &none, ENDS_WITHIN) == PRONG_TIMEOUT) reap_server();
    pthread_mutex_unlock(&mutex);
}

/* It runs, or ran, its target: so the start has succeeded, though the answer was lost with the server. */
static prong_status adopt(struct start *start, prong_status status) {
    if (start->pidfd >= 0) return PRONG_OK;
    start->pid = member_pid(start->token);
    start->pidfd = member_pidfd(start->token);
    if (start->pidfd >= 0) return PRONG_OK;
    if (errno == ESRCH) return start_found_gone(start);
    ask_to_kill(start);
    return status;
}

prong_status start_by_server(struct start *start) {
    struct forkserver_request request = {.kind = REQUEST_START,
                                         .token = start->token,
                                         .process = arena_offset(start->process),
                                         .hands = runtime.handed > 0 && fcntl(runtime.handed, F_GETFD) >= 0};
    struct forkserver_reply reply;
    start->pidfd = -1;
    prong_status status = ask_server(start, &request, &reply);
    if (status >= 0 && start->pidfd < 0)
        status = fail(PRONG_NO_DESCRIPTORS, "no descriptor left to receive the child's");
    if (status >= 0) {
        start->pid = reply.namespace == self->namespace ? reply.pid : os_pidfd_pid(start->pidfd);
        status = start_wait_until_settled(start);
    }
    if (status >= 0) return PRONG_OK;
    if (!process_give_up(start->process, start->token)) return adopt(start, status);
    end_given_up(start);
    return status;
}

/* It reads end-of-file, and exits. */
void prong_stop_forkserver(void) {
    pthread_mutex_lock(&mutex);
    if (server) {
        shutdown(server->socket, SHUT_RDWR);
        os_pidfd_wait(server->pidfd, deadline_after(PRONG_SECONDS(5)));
        reap_server();
    }
    pthread_mutex_unlock(&mutex);
}

prong_status prong_set_forkserver_preload(const char *const *libraries, size_t count, void (*function)(void)) {
    size_t size = 1;
    TRY(check_bytes(libraries, count, "fork server: libraries"));
    for (size_t i = 0; i < count; i++) {
        if (!libraries[i]) return fail(PRONG_INVALID, "fork server: library %zu is NULL", i);
        size += strlen(libraries[i]) + 1;
    }
    char *names = calloc(1, size), *at = names;
    if (!names) return fail(PRONG_NO_MEMORY, "no memory for %zu library names", count);
    for (size_t i = 0; i < count; i++) at = stpcpy(at, libraries[i]) + 1;
    pthread_mutex_lock(&mutex);
    bool running = server != NULL;
    if (!running) {
        free(preload.names);
        preload.names = names;
        preload.size = size;
        preload.function = function;
        preload.set = true;
    }
    pthread_mutex_unlock(&mutex);
    if (!running) return PRONG_OK;
    free(names);
    return fail(PRONG_ALREADY_STARTED, "the fork server runs already; preload comes before the first start");
}

/* ------------------------------------------------ in the server ------------------------------------------------ */

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

static _Noreturn void run_spare(int socket, pid_t server_pid) {
    struct task task;
    int handed;
    any_function *unused;
    if (!os_die_with_parent(server_pid)) _exit(0);
    os_give_signals_back();
    ssize_t got = os_receive_with_fd(socket, &task, sizeof task, &handed);
    close(socket);
    if (got != sizeof task) _exit(0);
    if ((task.hands && handed < 0) || !member_become(task.token)) _exit(255);
    if (handed >= 0 && runtime.take_handed) runtime.take_handed(handed);
    if (!task.process->daemon)
        os_live_on();
    else if (!os_die_with_writer(server_life[0]))
        _exit(255);
    close(server_life[0]);
    if (child_settle(task.process, &unused)) _exit(255);
    child_exit(child_run(task.process, task.function));
}

static prong_status fork_spare(void) {
    int pair[2];
    if (os_socket_pair(pair) != 0) return fail_errno("no sockets for a child");
    pid_t server_pid = getpid(), pid = fork_with_runtime();
    if (pid == 0) {
        close(pair[1]);
        close(server_control);
        close(server_signals);
        close(server_life[1]);
        run_spare(pair[0], server_pid);
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

static void drop_spare(void) {
    if (!spare.pid) return;
    close(spare.socket);
    close(spare.pidfd);
    spare.pid = 0;
}

/* The child that waits gets the task; false when it had died before. Once the task is sent it counts as begun, however
 * soon the child ends: looking after the send could have the task run twice. */
static bool hand_over(const struct task *task, int handed) {
    return !os_pidfd_ended(spare.pidfd) && os_send_with_fd(spare.socket, task, sizeof *task, handed) == 0;
}

static prong_status start_one(const struct forkserver_request *request, int handed, struct forkserver_reply *reply,
                              int *pidfd) {
    struct task task = {.process = arena_at(request->process), .token = request->token, .hands = request->hands};
    prong_status status = function_resolve(&task.process->function, &task.function);
    if (status < 0) return status;
    if (task.hands && handed < 0) return fail(PRONG_NO_DESCRIPTORS, "the fork server has no descriptor left");
    struct forked *entry = malloc(sizeof *entry);
    if (!entry) return fail(PRONG_NO_MEMORY, "the fork server has no memory left");
    if (spare.loads != loads_so_far()) drop_spare(); /* the function may be in what has been loaded since */
    if (!spare.pid || !hand_over(&task, handed)) {
        drop_spare();
        status = fork_spare();
        if (status >= 0 && !hand_over(&task, handed))
            status = fail(PRONG_START_FAILED, "the child was killed as it began");
        if (status < 0) {
            free(entry);
            return status;
        }
    }
    *entry = (struct forked){task.process, forked, spare.pid, task.token, task.process->daemon};
    forked = entry;
    reply->pid = spare.pid;
    *pidfd = spare.pidfd;
    close(spare.socket);
    spare.pid = 0;
    return PRONG_OK;
}

static prong_status load(const struct forkserver_request *request) {
    any_function *function;
    for (const char *name = arena_at(request->text); *name; name += strlen(name) + 1)
        if (!dlopen(name, RTLD_NOW | RTLD_GLOBAL)) return fail(PRONG_NO_FUNCTION, "%s", dlerror());
    if (!request->has_function) return PRONG_OK;
    prong_status status = function_resolve(&request->function, &function);
    if (status >= 0) function();
    return status;
}

/* It has not been reaped, so the number is that child's. */
static void kill_forked(const struct forked *entry) {
    int pidfd = os_pidfd_open(entry->pid);
    if (pidfd < 0) return;
    os_pidfd_signal(pidfd, SIGKILL);
    close(pidfd);
}

static void kill_one(const struct forkserver_request *request) {
    for (const struct forked *entry = forked; entry; entry = entry->next)
        if (entry->token == request->token) kill_forked(entry);
}

/* The parent is gone. Its daemons are killed from here first: the system's own signal does not reach one that has become a user
 * of another number, when the server is root in a user namespace only. */
static _Noreturn void end_with_daemons(void) {
    for (const struct forked *entry = forked; entry; entry = entry->next)
        if (entry->daemon) kill_forked(entry);
    _exit(0);
}

static prong_status answer(const struct forkserver_request *request, int handed, struct forkserver_reply *reply,
                           int *pidfd) {
    switch (request->kind) {
    case REQUEST_START: return start_one(request, handed, reply, pidfd);
    case REQUEST_PRELOAD:
        drop_spare(); /* it has nothing of what is loaded now */
        return load(request);
    case REQUEST_KILL: kill_one(request);
    }
    return PRONG_OK;
}

static void serve(void) {
    struct forkserver_request request;
    struct forkserver_reply reply = {.namespace = self->namespace};
    int handed, pidfd = -1;
    ssize_t got = os_receive_with_fd(server_control, &request, sizeof request, &handed);
    if (got != sizeof request) end_with_daemons();
    reply.status = answer(&request, handed, &reply, &pidfd);
    if (reply.status) snprintf(reply.text, sizeof reply.text, "%s", prong_error_message());
    os_send_with_fd(server_control, &reply, sizeof reply, pidfd);
    if (pidfd >= 0) close(pidfd);
    if (handed >= 0) close(handed);
}

static void note_end(pid_t pid, int code) {
    if (pid == spare.pid) drop_spare();
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
static void note_ends(void) {
    for (siginfo_t info;;) {
        info.si_pid = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
        note_end(info.si_pid, info.si_code == CLD_EXITED ? info.si_status : -info.si_status);
        waitpid(info.si_pid, NULL, WNOHANG);
    }
}

_Noreturn void server_run(int control) {
    sigset_t child;
    struct signalfd_siginfo drop;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    os_take_signals(); /* Ctrl-C is for the program; its end is ours */
    server_control = control;
    server_signals = os_off_stdio(signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC));
    if (server_signals < 0 || os_pipe(server_life) != 0) _exit(255);
    struct pollfd polls[] = {{.fd = control, .events = POLLIN}, {.fd = server_signals, .events = POLLIN}};
    for (;;) {
        int ready = poll(polls, 2, spare.pid ? -1 : 0);
        if (ready < 0 && errno != EINTR) _exit(255);
        if (ready == 0 && fork_spare()) poll(polls, 2, -1); /* none to be had: with the next request */
        if (ready <= 0) continue;
        if (polls[1].revents) {
            while (read(server_signals, &drop, sizeof drop) > 0) {}
            note_ends();
        }
        if (polls[0].revents) serve();
    }
}
