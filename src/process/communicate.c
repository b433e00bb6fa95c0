/* Writing to a program and reading from it at once. */
#define _GNU_SOURCE
#include "base/error.h"
#include "os/os.h"
#include "process/popen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A first read of 64 KiB is all that a pipe holds; where that is filled, more will come. */
enum { FIRST_ROOM = 64 << 10, MOST_AT_ONCE = 1 << 20, LARGE_PIPE = 1 << 20 };

/* --- reading --- */

static prong_status buffer_make_room(struct buffer *buffer, size_t wanted) {
    if (buffer->capacity - buffer->size > wanted) return PRONG_OK; /* one byte more, for the zero */
    size_t capacity = buffer->capacity ? buffer->capacity * 2 : FIRST_ROOM + 1;
    while (capacity - buffer->size <= wanted) capacity *= 2;
    char *data = realloc(buffer->data, capacity);
    if (!data) return fail(PRONG_NO_MEMORY, "no memory for %zu bytes of output", capacity);
    buffer->data = data;
    buffer->capacity = capacity;
    return PRONG_OK;
}

/* Reads what is there; PRONG_EMPTY when there is nothing now, PRONG_EOF at the end. */
static prong_status communicate_read_some(prong_popen *popen, int stream) {
    struct buffer *buffer = &popen->read[stream];
    size_t room = buffer->size < FIRST_ROOM ? FIRST_ROOM : MOST_AT_ONCE;
    prong_status status = buffer_make_room(buffer, room);
    if (status < 0) return status;
    ssize_t n = read(popen->pipes[stream], buffer->data + buffer->size, room);
    if (n > 0) {
        if (buffer->size == 0 && n == FIRST_ROOM) fcntl(popen->pipes[stream], F_SETPIPE_SZ, LARGE_PIPE);
        buffer->size += (size_t)n;
        return PRONG_OK;
    }
    if (n == 0) return PRONG_EOF;
    if (errno == EINTR) return PRONG_OK;
    return errno == EAGAIN ? PRONG_EMPTY : fail_errno("read from '%s'", popen->name);
}

/* The program has ended: what it wrote is all there. */
static prong_status communicate_read_rest(prong_popen *popen) {
    for (int stream = 1; stream < 3; stream++) {
        prong_status status = PRONG_OK;
        while (popen->pipes[stream] >= 0 && status >= 0) status = communicate_read_some(popen, stream);
        if (status < 0 && status != PRONG_EMPTY && status != PRONG_EOF) return status;
        popen_close_pipe(popen, stream);
    }
    popen_close_pipe(popen, 0);
    return PRONG_OK;
}

/* --- writing: a program that does not read raises SIGPIPE, which is kept from the host --- */

struct pipe_signal {
    sigset_t before;
    bool was_pending;
};

static void communicate_hold_signal(struct pipe_signal *held) {
    sigset_t pipe_alone, pending;
    sigemptyset(&pipe_alone);
    sigaddset(&pipe_alone, SIGPIPE);
    sigpending(&pending);
    held->was_pending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_alone, &held->before);
}

static void communicate_drop_signal(struct pipe_signal *held) {
    sigset_t pipe_alone;
    const struct timespec now = {0, 0};
    sigemptyset(&pipe_alone);
    sigaddset(&pipe_alone, SIGPIPE);
    while (!held->was_pending && sigtimedwait(&pipe_alone, NULL, &now) < 0 && errno == EINTR) {}
    pthread_sigmask(SIG_SETMASK, &held->before, NULL);
}

static prong_status communicate_write_some(prong_popen *popen, const char *input, size_t size) {
    ssize_t n = size > popen->written ? write(popen->pipes[0], input + popen->written, size - popen->written) : 0;
    if (n > 0) popen->written += (size_t)n;
    bool refused = n < 0 && errno == EPIPE;
    if (refused || popen->written >= size) popen_close_pipe(popen, 0);
    if (n >= 0 || refused || errno == EAGAIN || errno == EINTR) return PRONG_OK;
    return fail_errno("write to '%s'", popen->name);
}

/* --- both --- */

static void communicate_prepare(prong_popen *popen, size_t input_size) {
    for (int i = 0; i < 3; i++)
        if (popen->pipes[i] >= 0) fcntl(popen->pipes[i], F_SETFL, fcntl(popen->pipes[i], F_GETFL) | O_NONBLOCK);
    if (popen->pipes[0] >= 0 && input_size > FIRST_ROOM) fcntl(popen->pipes[0], F_SETPIPE_SZ, LARGE_PIPE);
}

static prong_status communicate_serve(prong_popen *popen, const struct pollfd *fds, const char *input, size_t size) {
    prong_status status = PRONG_OK;
    if (fds[0].revents) status = communicate_write_some(popen, input, size);
    for (int stream = 1; stream < 3 && status >= 0; stream++) {
        if (!fds[stream].revents) continue;
        status = communicate_read_some(popen, stream);
        if (status == PRONG_EOF) popen_close_pipe(popen, stream);
        if (status == PRONG_EOF || status == PRONG_EMPTY) status = PRONG_OK;
    }
    return status;
}

static prong_status communicate_exchange(prong_popen *popen, const char *input, size_t size, deadline_t deadline) {
    bool look_at_end = !popen->wait_for_eof;
    for (;;) {
        struct pollfd fds[] = {{.fd = popen->pipes[0], .events = POLLOUT},
                               {.fd = popen->pipes[1], .events = POLLIN},
                               {.fd = popen->pipes[2], .events = POLLIN},
                               {.fd = look_at_end ? popen->pidfd : -1, .events = POLLIN}};
        if (fds[0].fd < 0 && fds[1].fd < 0 && fds[2].fd < 0) return PRONG_OK;
        int ready = os_poll(fds, 4, deadline);
        if (ready < 0 && errno != EINTR) return fail_errno("poll on the pipes of '%s'", popen->name);
        if (ready > 0 && fds[3].revents) return communicate_read_rest(popen);
        prong_status status = ready > 0 ? communicate_serve(popen, fds, input, size) : PRONG_OK;
        if (status < 0) return status;
        if (deadline_passed(deadline))
            return fail(PRONG_TIMEOUT, "'%s' (pid %d) still runs", popen->name, (int)popen->pid);
    }
}

/* There is room for the zero behind it. */
static prong_output communicate_output(prong_popen *popen, int stream) {
    struct buffer *buffer = &popen->read[stream];
    if (!popen->was_pipe[stream]) return (prong_output){NULL, 0};
    buffer->data[buffer->size] = 0;
    prong_output output = {buffer->data, buffer->size};
    *buffer = (struct buffer){NULL, 0, 0};
    return output;
}

/* What the exchange has left is the program's end. */
static prong_status communicate_end(prong_popen *popen, prong_completed *completed, deadline_t deadline) {
    int64_t left = deadline == PRONG_FOREVER ? PRONG_FOREVER : deadline == PRONG_NOWAIT ? 0 : deadline - clock_now();
    int returncode;
    prong_status status = prong_popen_wait(popen, &returncode, left);
    for (int stream = 1; stream < 3 && status >= 0; stream++)
        if (popen->was_pipe[stream]) status = buffer_make_room(&popen->read[stream], 0);
    if (status < 0 || !completed) return status;
    completed->returncode = returncode;
    completed->out = communicate_output(popen, 1);
    completed->err = communicate_output(popen, 2);
    return PRONG_OK;
}

prong_status prong_popen_communicate(prong_popen *popen, const void *input, size_t input_size,
                                     prong_completed *completed, prong_time timeout) {
    deadline_t deadline = deadline_after(timeout);
    struct pipe_signal held;
    if (completed) *completed = (prong_completed){.returncode = PRONG_NO_RETURNCODE};
    TRY(popen_check(popen));
    TRY(check_bytes(input, input_size, "communicate: input"));
    if (input_size && !popen->was_pipe[0])
        return fail(PRONG_INVALID, "communicate with '%s': input, and its stdin is no pipe", popen->name);
    INTERRUPTIBLE;
    communicate_prepare(popen, input_size);
    communicate_hold_signal(&held);
    prong_status status = communicate_exchange(popen, input, input_size, deadline);
    communicate_drop_signal(&held);
    return status < 0 ? status : communicate_end(popen, completed, deadline);
}
