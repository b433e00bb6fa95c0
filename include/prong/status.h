/* Status codes, and the message that goes with the last failure. */
#ifndef PRONG_STATUS_H
#define PRONG_STATUS_H

#include <prong/export.h>

/* Every call that can fail returns one of these. PRONG_OK is zero; all others are failures, except
 * PRONG_OWNER_DIED, which reports that the call succeeded by taking over from a dead process. */
typedef enum prong_status {
    PRONG_OK = 0,
    PRONG_INVALID,         /* an argument or option makes no sense; the message names it */
    PRONG_STALE,           /* a handle whose object was destroyed, or that is of another family */
    PRONG_TIMEOUT,         /* the time given has passed */
    PRONG_FULL,            /* a queue stayed full for the time given */
    PRONG_EMPTY,           /* a queue stayed empty for the time given */
    PRONG_CLOSED,          /* the object was closed: nothing more goes in, and all that was in has been taken */
    PRONG_EOF,             /* every holder of the other end is gone, and all that it sent has been read */
    PRONG_BROKEN_PIPE,     /* a send to an end that nobody holds any more */
    PRONG_TOO_LONG,        /* the message does not fit in what was offered; it stays where it is */
    PRONG_NO_MEMORY,       /* the arena, or the system, has no memory left */
    PRONG_NO_DESCRIPTORS,  /* the process or the system has no file descriptors left (ulimit -n) */
    PRONG_NO_PROCESSES,    /* no further process can be started (ulimit -u, or the family's table is full) */
    PRONG_NO_MAIN,         /* spawn or forkserver was asked for, but main() does not call prong_main() */
    PRONG_NO_FUNCTION,     /* a function cannot be found in the child's image */
    PRONG_NOT_STARTED,     /* the process has not been started yet */
    PRONG_ALREADY_STARTED, /* the process was started before */
    PRONG_NOT_CHILD,       /* only the process that started it may do this */
    PRONG_STILL_RUNNING,   /* the process, or pool, is still running */
    PRONG_START_FAILED,    /* the child died or gave up before it reached its target */
    PRONG_OWNER_DIED,      /* success: taken over from a process that died holding it */
    PRONG_WORKER_DIED,     /* the pool worker died while it ran this task */
    PRONG_TASK_FAILED,     /* the task's function returned a code other than 0 */
    PRONG_TASK_TIMEOUT,    /* the task ran longer than its limit and was killed */
    PRONG_CANCELLED,       /* the task was cancelled */
    PRONG_POOL_BROKEN,     /* the pool cannot run tasks: its initializer fails, or workers cannot be started */
    PRONG_NOT_RUNNING,     /* the pool was closed or terminated */
    PRONG_NOT_OWNER,       /* a release of what the caller does not hold */
    PRONG_BROKEN,          /* the barrier is broken: a party died, timed out, or aborted it */
    PRONG_NOT_FOUND,       /* no such program, directory, file or name */
    PRONG_EXISTS,          /* the name is taken */
    PRONG_COMMAND_FAILED,  /* the program ended with a code other than 0, or by a signal */
    PRONG_REMOTE_ERROR,    /* what was called on a manager's server has failed there; the message says how */
    PRONG_DEADLOCK,        /* the call would wait for itself: for what only the calling thread or process can do */
    PRONG_INTERRUPTED,     /* a signal's handler has ended the wait: see interrupt.h */
    PRONG_PERMISSION,      /* the system refuses for lack of permission */
    PRONG_SYSTEM           /* any other failure of the system; the message has its reason */
} prong_status;

/* The name of a status as it stands in the source ("PRONG_FULL"). Never NULL. Thread-safe. */
PRONG_API const char *prong_status_name(prong_status status);

/* A short text for a status ("the queue is full"). Never NULL. Thread-safe. */
PRONG_API const char *prong_status_text(prong_status status);

/* What the calling thread's last failing call was doing, to what, and why it failed. Valid until this
 * thread's next call into the library, that of a signal handler included; never NULL; empty before the first failure. */
PRONG_API const char *prong_error_message(void);

#endif
