/* The fork server: a clean single-threaded image that forks children on request and reaps them.
 *
 * One per process that starts children this way, over a socket pair: when that process ends, however it ends, the
 * server reads end-of-file and exits, and the kernel kills the daemonic children that it forked. */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/fork_mutex.h"
#include "family/heap.h"
#include "os/os.h"
#include "process/process.h"

#include <dlfcn.h>
#include <errno.h>
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

enum request_kind { REQUEST_START, REQUEST_PRELOAD };

struct request {
    enum request_kind kind;
    uint32_t token;
    uint64_t process; /* START */
    uint64_t text;    /* PRELOAD: a block of library names, each ended by a zero, and an empty one */
    struct function function;
    bool has_function;
};

struct reply {
    prong_status status;
    pid_t pid;
    char text[400];
};

/* ------------------------------------------------ in the parent ------------------------------------------------ */

static struct {
    int socket, pidfd;
    bool running;
} server = {-1, -1, false};
static struct {
    char *names;
    size_t size;
    void (*function)(void);
    bool set;
} preload;

static void close_server(void) {
    if (!server.running) return;
    close(server.socket);
    close(server.pidfd);
    server.socket = server.pidfd = -1;
    server.running = false;
}

static void forget_in_child(void) {
    close_server();
}

FORK_MUTEX(mutex, forget_in_child)

/* The server is a child of ours; it is reaped where its end is noticed. */
static void reap_server(void) {
    int code;
    bool stolen;
    os_pidfd_signal(server.pidfd, SIGKILL);
    for (int i = 0; i < 100 && !os_pidfd_ended(server.pidfd); i++) {
        struct pollfd end = {.fd = server.pidfd, .events = POLLIN};
        poll(&end, 1, 10);
    }
    os_reap(server.pidfd, &code, &stolen);
    close_server();
}

static prong_status exchange(const struct request *request, struct reply *reply, int *pidfd, prong_time timeout) {
    deadline_t deadline = deadline_after(timeout);
    if (os_send_with_fd(server.socket, request, sizeof *request, -1) != 0) return fail_errno("the fork server is gone");
    struct pollfd answer = {.fd = server.socket, .events = POLLIN};
    int ready;
    do ready = poll(&answer, 1, deadline_poll_ms(deadline));
    while ((ready < 0 && errno == EINTR) || (ready == 0 && !deadline_passed(deadline)));
    if (ready <= 0) return fail(PRONG_TIMEOUT, "the fork server does not answer");
    ssize_t got = os_receive_with_fd(server.socket, reply, sizeof *reply, pidfd);
    if (got != sizeof *reply) {
        if (*pidfd >= 0) close(*pidfd);
        return fail(PRONG_START_FAILED, "the fork server died");
    }
    return reply->status ? fail(reply->status, "%s", reply->text) : PRONG_OK;
}

static prong_status send_preload(void) {
    struct request request = {.kind = REQUEST_PRELOAD};
    struct reply reply;
    int none = -1;
    prong_status status = PRONG_OK;
    if (preload.function) {
        status = function_identify((any_function *)preload.function, &request.function);
        request.has_function = true;
    }
    if (!status) status = heap_alloc(preload.size, 0, NULL, &request.text);
    if (status) return status;
    memcpy(arena_at(request.text), preload.names, preload.size);
    status = exchange(&request, &reply, &none, PRONG_SECONDS(60));
    heap_free(request.text, NULL);
    return status ? fail_again(status, "fork server preload") : PRONG_OK;
}

static prong_status start_server(void) {
    int pair[2];
    uint32_t token;
    pid_t pid;
    if (!main_was_called() && !runtime.program) /* say so before anything is made */
        return fail(PRONG_NO_MAIN, "main() must begin with prong_main(&argc, &argv) for a fork server to be started");
    prong_status status = member_reserve(FORK_SERVER_NAME, 0, &token);
    if (status) return status;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        status = fail_errno("no sockets for the fork server");
        member_bury(token);
        return status;
    }
    struct image image = {.kind = "server", .token = token, .descriptor = pair[1]};
    status = image_start(&image, &pid, &server.pidfd);
    close(pair[1]);
    if (status) {
        close(pair[0]);
        member_bury(token);
        return status;
    }
    member_set_pid(token, pid);
    server.socket = pair[0];
    server.running = true;
    if (preload.set) status = send_preload();
    if (status) reap_server();
    return status;
}

/* The server notes the end of a child that we gave up, before another is started for the same object. */
static void wait_for_note(struct process *process) {
    deadline_t deadline = deadline_after(PRONG_SECONDS(5));
    while (!process_has_exited(process) && waitq_sleep(&process->changed, process_has_exited, process, deadline)) {}
}

/* While another thread has something started it is not gone, as far as is known: nobody waits here for the server to
 * answer that one, which may take long, and the caller may hold an interpreter's lock. */
bool server_is_gone(void) {
    if (pthread_mutex_trylock(&mutex) != 0) return false;
    bool gone = !server.running || os_pidfd_ended(server.pidfd);
    pthread_mutex_unlock(&mutex);
    return gone;
}

static prong_status ask_server(struct start *start, const struct request *request, struct reply *reply) {
    prong_time timeout = start->process->start_timeout ? (prong_time)start->process->start_timeout : PRONG_SECONDS(60);
    mutex_prepare();
    pthread_mutex_lock(&mutex);
    if (server.running && os_pidfd_ended(server.pidfd)) reap_server();
    prong_status status = server.running ? PRONG_OK : start_server();
    if (!status) status = exchange(request, reply, &start->pidfd, timeout);
    if (status == PRONG_TIMEOUT || status == PRONG_START_FAILED) reap_server(); /* it may answer late: begin anew */
    pthread_mutex_unlock(&mutex);
    return status;
}

prong_status start_by_server(struct start *start) {
    struct request request = {.kind = REQUEST_START, .token = start->token, .process = arena_offset(start->process)};
    struct reply reply;
    start->pidfd = -1;
    prong_status status = ask_server(start, &request, &reply);
    if (status) return status;
    if (start->pidfd < 0) {
        kill(reply.pid, SIGKILL);
        wait_for_note(start->process);
        return fail(PRONG_NO_DESCRIPTORS, "no descriptor left to receive the child's");
    }
    start->pid = reply.pid;
    /* Until then it dies with the server, so that a start that failed has begun nothing. */
    status = start_wait_until_settled(start);
    if (status) {
        os_pidfd_signal(start->pidfd, SIGKILL);
        close(start->pidfd);
        wait_for_note(start->process);
    }
    return status;
}

/* It reads end-of-file, and exits. */
void prong_stop_forkserver(void) {
    mutex_prepare();
    pthread_mutex_lock(&mutex);
    if (server.running) {
        shutdown(server.socket, SHUT_RDWR);
        os_pidfd_wait(server.pidfd, deadline_after(PRONG_SECONDS(5)));
        reap_server();
    }
    pthread_mutex_unlock(&mutex);
}

prong_status prong_set_forkserver_preload(const char *const *libraries, size_t count, void (*function)(void)) {
    size_t size = 1;
    for (size_t i = 0; i < count; i++) size += strlen(libraries[i]) + 1;
    char *names = calloc(1, size), *at = names;
    if (!names) return fail(PRONG_NO_MEMORY, "no memory for %zu library names", count);
    for (size_t i = 0; i < count; i++) at = stpcpy(at, libraries[i]) + 1;
    pthread_mutex_lock(&mutex);
    bool running = server.running;
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
    uint64_t generation;
};
static struct forked *forked;

/* One child is forked ahead, and waits for its task: a start then costs the time to wake it, and the next is forked
 * while it runs. */
struct task {
    struct process *process;
    any_function *function;
    uint32_t token;
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
    ssize_t got;
    any_function *unused;
    if (!os_die_with_parent(server_pid)) _exit(0);
    os_reset_signals();
    do got = read(socket, &task, sizeof task);
    while (got < 0 && errno == EINTR);
    close(socket);
    if (got != sizeof task) _exit(0);
    if (!member_become(task.token)) _exit(255);
    if (!task.process->daemon) os_live_on();
    child_settle(task.process, &unused);
    child_exit(child_run(task.process, task.function));
}

static prong_status fork_spare(int control, int signals) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return fail_errno("no sockets for a child");
    pid_t server_pid = getpid(), pid = fork_with_runtime();
    if (pid == 0) {
        close(pair[1]);
        close(control);
        close(signals);
        run_spare(pair[0], server_pid);
    }
    close(pair[0]);
    prong_status status = pid < 0 ? fail_errno("fork in the fork server") : PRONG_OK;
    int pidfd = status ? -1 : os_pidfd_open(pid);
    if (!status && pidfd < 0) status = fail_errno("the fork server has no descriptor for child %d", (int)pid);
    if (status) { /* a child that reads end-of-file ends */
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
static bool hand_over(const struct task *task) {
    return !os_pidfd_ended(spare.pidfd) && send(spare.socket, task, sizeof *task, MSG_NOSIGNAL) == sizeof *task;
}

static prong_status start_one(const struct request *request, int control, int signals, struct reply *reply,
                              int *pidfd) {
    struct task task = {.process = arena_at(request->process), .token = request->token};
    prong_status status = function_resolve(&task.process->function, &task.function);
    if (status) return status;
    struct forked *entry = malloc(sizeof *entry);
    if (!entry) return fail(PRONG_NO_MEMORY, "the fork server has no memory left");
    if (spare.loads != loads_so_far()) drop_spare(); /* the function may be in what has been loaded since */
    if (!spare.pid || !hand_over(&task)) {
        drop_spare();
        status = fork_spare(control, signals);
        if (!status && !hand_over(&task)) status = fail(PRONG_START_FAILED, "the child was killed as it began");
        if (status) {
            free(entry);
            return status;
        }
    }
    *entry = (struct forked){task.process, forked, spare.pid, task.token, object_generation(task.process)};
    forked = entry;
    reply->pid = spare.pid;
    *pidfd = spare.pidfd;
    close(spare.socket);
    spare.pid = 0;
    return PRONG_OK;
}

static prong_status load(const struct request *request) {
    any_function *function;
    for (const char *name = arena_at(request->text); *name; name += strlen(name) + 1)
        if (!dlopen(name, RTLD_NOW | RTLD_GLOBAL)) return fail(PRONG_NO_FUNCTION, "%s", dlerror());
    if (!request->has_function) return PRONG_OK;
    prong_status status = function_resolve(&request->function, &function);
    if (!status) function();
    return status;
}

static void serve(int control, int signals) {
    struct request request;
    struct reply reply = {0};
    int none, pidfd = -1;
    ssize_t got = os_receive_with_fd(control, &request, sizeof request, &none);
    if (got != sizeof request) _exit(0); /* the parent is gone */
    reply.status =
        request.kind == REQUEST_START ? start_one(&request, control, signals, &reply, &pidfd) : load(&request);
    if (reply.status) snprintf(reply.text, sizeof reply.text, "%s", prong_error_message());
    os_send_with_fd(control, &reply, sizeof reply, pidfd);
    if (pidfd >= 0) close(pidfd);
}

static void note_end(pid_t pid, int status) {
    if (pid == spare.pid) drop_spare();
    for (struct forked **at = &forked; *at; at = &(*at)->next)
        if ((*at)->pid == pid) {
            struct forked *entry = *at;
            /* One whose target returned has said its code, and the parent, who sees the end by itself, may have made the
             * object another's by now: so first the code, then whose it is. */
            if (!atomic_load(&entry->process->said_code) && object_generation(entry->process) == entry->generation)
                process_ended(entry->process, entry->token,
                              WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
            *at = entry->next;
            free(entry);
            return;
        }
}

_Noreturn void server_run(int control) {
    sigset_t child;
    struct signalfd_siginfo drop;
    int status;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is for the program; its end is ours */
    int signals = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals < 0) _exit(255);
    struct pollfd polls[] = {{.fd = control, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        int ready = poll(polls, 2, spare.pid ? -1 : 0);
        if (ready < 0 && errno != EINTR) _exit(255);
        if (ready == 0 && fork_spare(control, signals)) poll(polls, 2, -1); /* none to be had: with the next request */
        if (ready <= 0) continue;
        if (polls[1].revents) {
            while (read(signals, &drop, sizeof drop) > 0) {}
            for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) note_end(pid, status);
        }
        if (polls[0].revents) serve(control, signals);
    }
}
