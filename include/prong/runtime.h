/* For language runtimes on top of the library: what an interpreter must do
 * around a fork, how its own image is started, messages on its own descriptors,
 * and pipe ends in its own messages. A C program needs nothing of this. */
#ifndef PRONG_RUNTIME_H
#define PRONG_RUNTIME_H

#include <prong/connection.h>
#include <prong/interrupt.h>
#include <prong/pool.h>
#include <prong/process.h>

PRONG_BEGIN_DECLS

/* Any member may be NULL. Nothing is copied: what is pointed to must stay. */
typedef struct prong_runtime {
    /* Around each fork that the library makes, in the thread that forks (a
     * pool's replacement workers are forked by the pool's own thread), with no
     * lock of the library held. */
    void (*before_fork)(void);
    void (*after_fork_in_parent)(void);
    void (*after_fork_in_child)(void);
    /* In a child, when its target has returned with this code, and before it
     * ends its children: returns the code to end with. */
    int (*after_target)(int code);
    /* In a pool's own thread, when it has run all callbacks that were due (see
     * prong_task_options). */
    void (*after_callbacks)(void);
    /* Called in a waiting thread whenever it wakes, and some ten times a
     * second, by the waits for locks, semaphores, conditions, events, barriers,
     * queues, connections, jobs and pools. True: the wait ends as if its time
     * were up, and so do all that follow in this thread, until it calls
     * prong_clear_interrupt. */
    bool (*interrupted)(void);
    /* Calls a function of the runtime's by name, with a pickle of (arguments,
     * keywords); keywords may be None. In a task: result gets the pickle of
     * what it returns, or an error's text if it returns other than 0. As a
     * process's target, or a pool's initializer: result is NULL, the exit code
     * is returned. NULL: names are those of C functions. */
    int (*call)(const char *name, const void *pickle, size_t size,
                prong_result *result);
    /* What spawn, and the fork server, start instead of this program's image: a
     * program and its arguments, up to a NULL. It must call prong_main(NULL,
     * NULL) once it is ready for its target. With them, a start by spawn
     * returns as soon as the image has begun; one that does not find its target
     * ends with code 255. */
    const char *program;
    char *const *child_arguments, *const *server_arguments;
    /* Further descriptors that spawned images keep, under the same numbers; to
     * be set in them as well, before prong_main. At most 8. The fork server
     * keeps none of them. */
    int kept[8];
    size_t kept_count;
    /* An image's own descriptors that are open when it calls prong_main stay
     * open: it has run something of the program before. Otherwise they are
     * closed, unless the image was handed them. */
    bool keeps_open;
    /* A descriptor that each child of the fork server gets with its start; 0:
     * none. In the child, under the number that it has there, take_handed is
     * called with it before the target, if the server has set that. */
    int handed;
    void (*take_handed)(int descriptor);
    /* In a pool's worker that has no task, before it waits: whether the runtime
     * keeps something for the next one. It is called again, with give_back,
     * when no task has come for 50 ms: it should keep nothing then. */
    bool (*idle)(bool give_back);
    void *reserved[7]; /* zero */
} prong_runtime;

/* Takes effect for starts from then on; once, before the first of them. Not
 * thread-safe. */
PRONG_API void prong_set_runtime(const prong_runtime *runtime);

/* To be called by the initializer of a pool's worker, when it has done its own
 * work: runs the worker's tasks, and returns when the worker is to end; the
 * initializer should return then. For runtimes that need code of their own
 * around all that a process does. Errors: PRONG_INVALID (it is called
 * elsewhere, or again). */
PRONG_API prong_status prong_pool_serve(void);

/* --- messages on a descriptor --- */

/* In the framing of links (see <prong/link.h>), on a descriptor of the
 * runtime's own: a socket or pipe, blocking or not. Nothing is kept here, and
 * nothing is read beyond a message: so the descriptor shows whether there is
 * more, and may be given away between two messages. One thread may send while
 * another receives. With PRONG_SYSTEM and PRONG_BROKEN_PIPE, errno has the
 * reason. Not for signal handlers. */

/* Sends a message that consists of these parts. Errors: PRONG_TIMEOUT (nothing
 * of it was sent), PRONG_BROKEN (the time was up in the middle of it: the other
 * side cannot make out what comes after), PRONG_BROKEN_PIPE, PRONG_SYSTEM. */
PRONG_CHECKED prong_status prong_stream_send(int descriptor,
                                             const prong_bytes *parts,
                                             size_t count, prong_time timeout);

/* Receives a message into a buffer; *size is its length. PRONG_TOO_LONG: the
 * buffer is too small, *size is the length it needs; prong_stream_recv_rest
 * must take the message next, all at once. Other errors: PRONG_EOF (all is
 * read, and the other side is gone), PRONG_TIMEOUT (nothing was read),
 * PRONG_BROKEN (the time was up in the middle of it), PRONG_INVALID (a bad
 * length, or a message cut short), PRONG_SYSTEM. */
PRONG_CHECKED prong_status prong_stream_recv(int descriptor, void *buffer,
                                             size_t capacity, size_t *size,
                                             prong_time timeout);

/* Receives the bytes of a message that was PRONG_TOO_LONG. Errors: as
 * prong_stream_recv, without PRONG_EOF and PRONG_TIMEOUT. */
PRONG_CHECKED prong_status prong_stream_recv_rest(int descriptor, void *buffer,
                                                  size_t size,
                                                  prong_time timeout);

/* --- the ends of pipes (see <prong/connection.h>) --- */

/* Makes this process a holder of the end, as if it had used it. Errors:
 * PRONG_CLOSED (closed by this process, or by all holders), PRONG_STALE.
 * Thread-safe. */
PRONG_API prong_status prong_connection_hold(prong_connection connection);

/* prong_connection_post: the end is being sent in a message. It stays open,
 * even if all its holders close it, until a process accepts it, which then
 * holds it. prong_connection_accept must be called once for each post; an end
 * that is never accepted stays open. Errors: as prong_connection_hold.
 * Thread-safe. */
PRONG_API prong_status prong_connection_post(prong_connection connection);
PRONG_CHECKED prong_status prong_connection_accept(prong_connection connection);

PRONG_END_DECLS

#endif
