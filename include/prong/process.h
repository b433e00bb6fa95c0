/* Process: run a function in a process of its own, by fork, spawn or
 * forkserver. <prong/start.h> says what a child begins with, how it ends, and
 * what happens to children when their parent exits.
 *
 * A target may make any call. No call here is for signal handlers: they use
 * malloc, and locks of this process. A handler may use kill(2) with the pid of
 * a prong_process_state.
 *
 * Every member of the family may ask about a process and signal it. All calls
 * are thread-safe. If the process object is destroyed while a call runs, the
 * call returns what was right for that process, or PRONG_STALE. Signals are
 * sent by descriptor (pidfd), never by number, so they cannot reach another
 * process. */
#ifndef PRONG_PROCESS_H
#define PRONG_PROCESS_H

#include <prong/start.h>
#include <prong/target.h>
#include <prong/time.h>
#include <prong/value.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

typedef struct prong_process {
    uint64_t offset, generation;
} prong_process;

typedef enum prong_daemon {
    PRONG_DAEMON_INHERIT = 0, /* as the process that creates it; main: no */
    PRONG_DAEMON_YES,         /* ends with the process that started it */
    PRONG_DAEMON_NO,
} prong_daemon;

/* Members that are not used are zero. All that it points to is copied. */
typedef struct prong_process_options {
    /* What it runs, one of these three. The name is that of a
     * prong_value_target; the child looks it up as a worker does (see
     * prong_work). A child that does not find it, or cannot read its values,
     * ends with code 125. */
    prong_target *target;
    prong_value_target *value_target;
    const char *target_name;
    const void *argument; /* of a target */
    size_t argument_size; /* bytes */
    prong_value values;   /* of the others: a tuple, or null for none … */
    prong_value keywords; /* … and a dict, or null */
    const char *name;     /* up to 47 bytes; NULL: "Process-N" */
    prong_daemon daemon;
    prong_start_method method;
    prong_time start_timeout; /* to reach the target, by spawn; 0: 60 s */
    /* spawn: another program in place of this one, and its arguments, up to a
     * NULL; sought in PATH. It must call prong_main. It has none of this
     * program's functions: a target is prong's, a library's, or by name. */
    char *const *program;
    /* spawn: "NAME=value", …, NULL, the new image's environment; NULL: this
     * process's. */
    const char *const *environment;
    /* spawn: the start returns as soon as the image has begun; one that then
     * fails ends with code 255. */
    bool no_wait;
    void *reserved[8]; /* zero */
} prong_process_options;

/* Creates a process, which does not run yet. Pair with prong_process_destroy.
 * Errors: PRONG_INVALID (no target, or more than one; a size without bytes; an
 * argument or values for a target of another kind; values that are no tuple or
 * keywords that are no dict; a name too long; no such method; a program or an
 * environment for another method than spawn; an entry without a name),
 * PRONG_NO_FUNCTION, PRONG_NO_MEMORY; as prong_pickle_dumps. */
PRONG_CHECKED prong_status prong_process_create(
    prong_process *process, const prong_process_options *options);

/* Starts it: once only, and by the process that created it. When this returns
 * the child exists; by spawn and forkserver it has found its function.
 * Errors: PRONG_ALREADY_STARTED, PRONG_NOT_CHILD (another process created it);
 * after any other the start may be tried again: PRONG_NO_MAIN,
 * PRONG_NO_FUNCTION, PRONG_NOT_FOUND (no such program), PRONG_NO_PROCESSES,
 * PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY, PRONG_START_FAILED, PRONG_TIMEOUT,
 * PRONG_STALE, PRONG_PERMISSION (spawn, forkserver: a set-user-ID program, or
 * real and effective user or group differ; the arena's descriptor was closed,
 * or is of a user that this process neither is nor was as root), PRONG_SYSTEM
 * (this kernel, or a sandbox, lacks pidfd_open or pidfd_send_signal). */
PRONG_CHECKED prong_status prong_process_start(prong_process process);

/* Waits until it has ended; any number of times, by any member. Errors:
 * PRONG_TIMEOUT, PRONG_NOT_STARTED, PRONG_INVALID (it is this process),
 * PRONG_STALE. */
PRONG_API prong_status prong_process_join(prong_process process,
                                          prong_time timeout);

/* How it ended: the low 8 bits of what the target returned or exit was given;
 * or minus the signal that killed it. 255 when that is unknown: the fork server
 * died, or the program reaped the child before it could report its code.
 * Errors: PRONG_STILL_RUNNING, PRONG_NOT_STARTED, PRONG_STALE. */
PRONG_CHECKED prong_status prong_process_exitcode(prong_process process,
                                                  int *exitcode);

/* Sends a signal: SIGTERM to terminate it, SIGKILL to kill it, SIGINT as Ctrl-C
 * does. No error when it has ended already.
 * Errors: PRONG_NOT_STARTED, PRONG_STALE, PRONG_INVALID (no such signal),
 * PRONG_PERMISSION (another user's process; or one that has no number in this
 * PID namespace and is no child of the caller), PRONG_NO_DESCRIPTORS (for a
 * process that another one started). */
PRONG_API prong_status prong_process_signal(prong_process process, int signal);

/* Frees the process object. By the process that created it. Errors:
 * PRONG_STILL_RUNNING, PRONG_NOT_CHILD, PRONG_STALE. */
PRONG_API prong_status prong_process_destroy(prong_process process);

typedef struct prong_process_state {
    char name[48];
    /* Its number in the caller's PID namespace or, if it has none there, in its
     * own; 0 before the start; after the end what it was. */
    int pid;
    bool alive;        /* it was started, and has not ended */
    bool daemon;       /* it ends with the process that started it */
    void *reserved[4]; /* zero */
} prong_process_state;

/* Tells about a process, started or not; reaps none. Errors: PRONG_STALE. */
PRONG_API prong_status prong_process_get_state(prong_process process,
                                               prong_process_state *state);

/* A descriptor that becomes readable when the process ends, for poll or
 * prong_wait; only in the process that started it. It belongs to the library,
 * and is valid until prong_process_destroy. Errors: PRONG_NOT_STARTED,
 * PRONG_NOT_CHILD, PRONG_STALE. */
PRONG_CHECKED prong_status prong_process_sentinel(prong_process process,
                                                  int *descriptor);

/* The calling process. The first one of a family is named "MainProcess".
 * Errors: PRONG_NO_MEMORY; as prong_family_create. */
PRONG_API prong_status prong_current_process(prong_process *process);

/* The process that started this one. Errors: PRONG_NOT_CHILD (none did),
 * PRONG_STALE (its object is gone). */
PRONG_API prong_status prong_parent_process(prong_process *process);

/* The children that this process started and that still run. *count is how many
 * there are, even if that is more than capacity. Errors: PRONG_INVALID,
 * PRONG_NO_MEMORY. */
PRONG_API prong_status prong_active_children(prong_process *children,
                                             size_t capacity, size_t *count);

PRONG_END_DECLS

#endif
