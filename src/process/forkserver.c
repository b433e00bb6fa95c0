/* Asking a fork server: starting it, starting processes by it, and noticing its end. */
#include "process/forkserver.h"

#include <prong/family.h>

#include "base/error.h"
#include "base/fork.h"
#include "family/heap.h"
#include "os/os.h"
#include "process/exit.h"
#include "process/image.h"
#include "process/start.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
static const prong_time PRELOAD_WITHIN = PRONG_SECONDS(60), ENDS_WITHIN = PRONG_SECONDS(5);

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
static void server_reap(void) {
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
static prong_status server_await_answer(deadline_t deadline) {
    struct pollfd polls[] = {{.fd = server->socket, .events = POLLIN}, {.fd = server->pidfd, .events = POLLIN}};
    int ready;
    do ready = poll(polls, 2, deadline_poll_ms(deadline));
    while ((ready < 0 && errno == EINTR) || (ready == 0 && !deadline_passed(deadline)));
    if (ready <= 0) return fail(PRONG_TIMEOUT, "the fork server does not answer");
    return polls[0].revents ? PRONG_OK : fail(PRONG_START_FAILED, "the fork server died");
}

/* reserved: a descriptor that is closed where the answer brings one. */
static prong_status server_exchange(const struct forkserver_request *request, struct forkserver_reply *reply,
                                    int reserved, int *pidfd, prong_time timeout) {
    prong_status status = PRONG_OK;
    *pidfd = -1;
    if (os_send_with_fd(server->socket, request, sizeof *request, request->hands ? runtime.handed : -1) != 0)
        status = fail(PRONG_START_FAILED, "the fork server is gone: %s", strerror(errno));
    if (status >= 0) status = server_await_answer(deadline_after(timeout));
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

static prong_status server_send_preload(void) {
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
    status = server_exchange(&request, &reply, -1, &none, PRELOAD_WITHIN);
    heap_free(request.text, NULL);
    return status < 0 ? fail_again(status, "fork server preload") : PRONG_OK;
}

static prong_status server_begin(struct server *made) {
    int pair[2];
    pid_t pid;
    prong_status status = member_reserve(FORK_SERVER_NAME, 0, &made->token);
    if (status < 0) return status;
    if (os_socket_pair(pair) != 0) {
        status = fail_errno("no sockets for the fork server");
        member_give_up(made->token);
        return status;
    }
    made->socket = pair[0];
    struct image image = {.kind = "server", .token = made->token, .descriptor = pair[1]};
    status = image_start(&image, &pid, &made->pidfd);
    close(pair[1]);
    if (status < 0)
        member_give_up(made->token);
    else
        member_set_pid(made->token, pid);
    return status;
}

static prong_status server_start(void) {
    if (!main_was_called() && !runtime.program) /* say so before anything is made */
        return fail(PRONG_NO_MAIN, "main() must begin with prong_main(&argc, &argv) for a fork server to be started");
    prong_family_fit(0); /* as its image does: in an address space that was limited since, there is no memory before */
    struct server *made = calloc(1, sizeof *made);
    if (!made) return fail(PRONG_NO_MEMORY, "no memory for a fork server");
    *made = (struct server){.users = 1, .socket = -1, .pidfd = -1};
    prong_status status = server_begin(made);
    if (status < 0) {
        server_release(made);
        return status;
    }
    server = made;
    if (preload.set) status = server_send_preload();
    if (status < 0) server_reap();
    return status;
}

/* One runs; under the mutex. */
static prong_status server_ensure(void) {
    if (server && server_has_ended(server)) server_reap();
    return server ? PRONG_OK : server_start();
}

prong_status prong_start_forkserver(void) {
    INTERRUPTS_HELD;
    TRY(family_enter());
    TRY(start_check_system());
    TRY(exit_prepare());
    pthread_mutex_lock(&mutex);
    prong_status status = server_ensure();
    pthread_mutex_unlock(&mutex);
    return status;
}

static prong_status server_ask(struct start *start, const struct forkserver_request *request,
                               struct forkserver_reply *reply) {
    prong_time timeout = start_time_limit(start->process);
    int reserved = os_spare_descriptor(); /* for the child's, which comes when it is too late to fail */
    if (reserved < 0) return fail_errno("no descriptor for the child");
    pthread_mutex_lock(&mutex);
    prong_status status = server_ensure();
    if (status < 0)
        close(reserved);
    else {
        start->server = server;
        atomic_fetch_add(&server->users, 1);
        status = server_exchange(request, reply, reserved, &start->pidfd, timeout);
        if (status == PRONG_TIMEOUT || status == PRONG_START_FAILED) server_reap(); /* it may answer late: begin anew */
    }
    pthread_mutex_unlock(&mutex);
    return status;
}

/* --- a start that did not go as it should: it is given up, or else the child has begun --- */

/* It will not begin. What is known of it is told to end, so that it is no process any more when the start returns. */
static void server_end_given_up(struct start *start) {
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
static void server_ask_to_kill(const struct start *start) {
    struct forkserver_request request = {.kind = REQUEST_KILL, .token = start->token};
    struct forkserver_reply reply;
    int none;
    pthread_mutex_lock(&mutex);
    if (server == start->server && server_exchange(&request, &reply, -1, &none, ENDS_WITHIN) == PRONG_TIMEOUT)
        server_reap();
    pthread_mutex_unlock(&mutex);
}

/* It runs, or ran, its target: so the start has succeeded, though the answer was lost with the server. */
static prong_status server_adopt(struct start *start, prong_status status) {
    if (start->pidfd >= 0) return PRONG_OK;
    start->pid = member_pid(start->token);
    start->pidfd = member_pidfd(start->token);
    if (start->pidfd >= 0) return PRONG_OK;
    if (errno == ESRCH) return start_found_gone(start);
    server_ask_to_kill(start);
    return status;
}

prong_status start_by_server(struct start *start) {
    struct forkserver_request request = {.kind = REQUEST_START,
                                         .token = start->token,
                                         .process = arena_offset(start->process),
                                         .hands = runtime.handed > 0 && fcntl(runtime.handed, F_GETFD) >= 0};
    struct forkserver_reply reply;
    start->pidfd = -1;
    prong_status status = server_ask(start, &request, &reply);
    if (status >= 0 && start->pidfd < 0)
        status = fail(PRONG_NO_DESCRIPTORS, "no descriptor left to receive the child's");
    if (status >= 0) {
        start->pid = reply.namespace == self->namespace ? reply.pid : os_pidfd_pid(start->pidfd);
        if (!process_notifies(start->process)) status = start_wait_until_settled(start);
    }
    if (status >= 0) return PRONG_OK;
    if (!process_give_up(start->process, start->token)) return server_adopt(start, status);
    server_end_given_up(start);
    return status;
}

/* It reads end-of-file, and exits. */
void prong_stop_forkserver(void) {
    pthread_mutex_lock(&mutex);
    if (server) {
        shutdown(server->socket, SHUT_RDWR);
        os_pidfd_wait(server->pidfd, deadline_after(ENDS_WITHIN));
        server_reap();
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
