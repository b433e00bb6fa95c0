/* Status codes, and the message that goes with the last failure. */
#ifndef PRONG_STATUS_H
#define PRONG_STATUS_H

#include <prong/export.h>

PRONG_BEGIN_DECLS

/* Every call that can fail returns a status. Below 0 it has failed. 0 is
 * success. Above 0 is success with something to know: a lock is held now, but
 * was taken over from a dead process; results are there, but the disk that was
 * to keep them is full. So `if (status < 0)` is the right check
 * for every call.
 *
 * Each row: name, number, text. A number never changes; new ones are added at
 * the end. */
// clang-format off
#define PRONG_STATUSES(X)                                                      \
    X(PRONG_OK, 0, "done")                                                     \
    X(PRONG_OWNER_DIED, 1, "done; taken over from a process that died")        \
    X(PRONG_JOURNAL_STOPPED, 2, "done; not all is in the journal")             \
    X(PRONG_INVALID, -1, "an argument or option makes no sense")               \
    X(PRONG_STALE, -2, "the handle is of no live object of this family")       \
    X(PRONG_TIMEOUT, -3, "the time given has passed")                          \
    X(PRONG_FULL, -4, "the queue or pool stayed full for the time given")      \
    X(PRONG_EMPTY, -5, "the queue stayed empty for the time given")            \
    X(PRONG_SHUTDOWN, -6, "the queue was shut down, and all is taken")         \
    X(PRONG_CLOSED, -7, "this end of the connection is closed")                \
    X(PRONG_EOF, -8, "nobody holds the other end, and all is read")            \
    X(PRONG_BROKEN_PIPE, -9, "a send to an end that nobody holds any more")    \
    X(PRONG_TOO_LONG, -10, "the message does not fit; it stays where it is")   \
    X(PRONG_NO_MEMORY, -11, "the arena, or the system, has no memory left")    \
    X(PRONG_NO_DESCRIPTORS, -12, "no file descriptors are left (ulimit -n)")   \
    X(PRONG_NO_PROCESSES, -13, "no further process can start (ulimit -u)")     \
    X(PRONG_NO_MAIN, -14, "main() does not call prong_main()")                 \
    X(PRONG_NO_FUNCTION, -15, "a function is not in the child's image")        \
    X(PRONG_NOT_STARTED, -16, "the process has not been started")              \
    X(PRONG_ALREADY_STARTED, -17, "the process was started before")            \
    X(PRONG_NOT_CHILD, -18, "only its parent may do this")                     \
    X(PRONG_STILL_RUNNING, -19, "the process, or the pool, still runs")        \
    X(PRONG_START_FAILED, -20, "the child ended before it reached its target") \
    X(PRONG_WORKER_DIED, -21, "the worker died while it ran the task")         \
    X(PRONG_TASK_FAILED, -22, "the task returned a code other than 0")         \
    X(PRONG_TASK_TIMEOUT, -23, "the task ran longer than its limit")           \
    X(PRONG_CANCELLED, -24, "the task was cancelled")                          \
    X(PRONG_POOL_BROKEN, -25, "the pool has no workers, and can start none")   \
    X(PRONG_NOT_RUNNING, -26, "the pool was closed or terminated")             \
    X(PRONG_NOT_OWNER, -27, "a release of what the caller does not hold")      \
    X(PRONG_BROKEN, -28, "the barrier, or the connection, is broken for good") \
    X(PRONG_NOT_FOUND, -29, "no such program, directory, file or name")        \
    X(PRONG_EXISTS, -30, "the name is taken")                                  \
    X(PRONG_COMMAND_FAILED, -31, "the program did not end with code 0")        \
    X(PRONG_REMOTE_ERROR, -32, "the call failed on the manager's server")      \
    X(PRONG_DEADLOCK, -33, "the call waits for what only the caller can do")   \
    X(PRONG_INTERRUPTED, -34, "a signal's handler has ended the wait")         \
    X(PRONG_PERMISSION, -35, "the system refuses for lack of permission")      \
    X(PRONG_SYSTEM, -36, "the system failed; the message has its reason")      \
    X(PRONG_TASK_MEMORY, -37, "the task used more memory than its limit")      \
    X(PRONG_GAVE_UP, -38, "the supervisor's children have ended too often")
// clang-format on

typedef enum prong_status {
#define PRONG_STATUS_CODE(name, number, text) name = number,
    PRONG_STATUSES(PRONG_STATUS_CODE)
#undef PRONG_STATUS_CODE
} prong_status;

/* The name of a status as it stands in the source ("PRONG_FULL"). Never NULL.
 * Thread- and signal-safe. */
PRONG_API const char *prong_status_name(prong_status status);

/* Its text in the table above. Never NULL. Thread- and signal-safe. */
PRONG_API const char *prong_status_text(prong_status status);

/* What the calling thread's last failing call was doing, to what, and why it
 * failed; or what a status above 0 is about. Valid until this thread's next
 * call into the library, including a call in a signal handler. Never NULL;
 * empty before the first failure. */
PRONG_API const char *prong_error_message(void);

PRONG_END_DECLS

#endif
