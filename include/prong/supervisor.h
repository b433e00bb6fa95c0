/* Supervisor: keeps a list of children running. It starts them in order,
 * restarts those that end when they should not, gives up when that happens too
 * often, and ends them in the reverse order.
 *
 * A child is a function in a process of its own, or another program. The
 * calling thread of prong_supervisor_run supervises; there is no thread and no
 * signal handler of the library's:
 *
 *     prong_child_options children[] = {
 *         {.name = "store", .process = {.target = store}},
 *         {.name = "web", .program = (const char *const[]){"web", NULL}},
 *     };
 *     prong_supervisor supervisor;
 *     status = prong_supervisor_create(&supervisor, children, 2, NULL);
 *     if (status >= 0) status = prong_supervisor_run(supervisor,
 * PRONG_FOREVER);
 *
 * To supervise beside other work, call run from a thread, or in a process of
 * its own: any member of the family may, and the handle may be in a target's
 * argument. A child may itself run a supervisor.
 *
 * The children's parent is the process that runs the supervisor. When that
 * process dies, however it dies, the kernel kills the children, too: functions,
 * programs, and what nested supervisors have started. A program has a process
 * of the library's between itself and the supervisor for this, which is single
 * and idle. What cannot be reached so are processes that a child has started
 * itself and left behind (but see end_descendants), and programs that gain
 * rights by exec (set-user-ID). When the process that runs a supervisor exits,
 * its children get SIGTERM, and SIGKILL two seconds later, as all daemonic
 * processes do; stop the supervisor first for their own grace.
 *
 * All calls are thread-safe, and may be made by every member of the family. No
 * call here is for signal handlers.
 *
 * Longer than 150 lines: what a child is, and what is told of it, are structs
 * whose members each need a line or two. */
#ifndef PRONG_SUPERVISOR_H
#define PRONG_SUPERVISOR_H

#include <prong/completed.h>
#include <prong/process.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

typedef struct prong_supervisor {
    uint64_t offset, generation;
} prong_supervisor;

/* Whether a child that has ended is started again. */
typedef enum prong_restart {
    PRONG_RESTART_PERMANENT = 0, /* always */
    PRONG_RESTART_TRANSIENT,     /* unless it has ended with code 0 */
    PRONG_RESTART_TEMPORARY,     /* never */
} prong_restart;

/* Which other children a restart concerns. These are ended first, in the
 * reverse order, and then all are started, in order. A child that has ended for
 * good is not started again. */
typedef enum prong_strategy {
    PRONG_ONE_FOR_ONE = 0, /* none */
    PRONG_ONE_FOR_ALL,     /* all */
    PRONG_REST_FOR_ONE,    /* those that come after it */
} prong_strategy;

/* One child. All that it points to is copied. */
typedef struct prong_child_options {
    const char *name; /* up to 47 bytes, each another; NULL: "Child-N" */
    prong_restart restart;
    /* From SIGTERM to SIGKILL when it is to be ended. 0: 5 s; PRONG_FOREVER: it
     * is never killed. */
    prong_time grace;
    /* A function: all members but name and daemon, which must not be set. In
     * the target, SIGTERM is as this process has it. An end of a pipe in its
     * argument goes to the first start; a queue is there for all.
     * start_timeout is for each method, and for a program, too: a child that
     * has not begun by then is killed, and could not be started. */
    prong_process_options process;
    /* Or a program: its name, sought in PATH unless it has a slash, and its
     * arguments, up to a NULL. Of `process`, only `method` is used: how the
     * process between is started. Its stdin is /dev/null, stdout and stderr
     * are the supervisor's. */
    const char *const *program;
    const char *const *environment; /* "NAME=value", …, NULL; NULL: ours */
    const char *directory;          /* to run in; NULL: the supervisor's */
    /* Processes that the program has left behind, as a daemon does that forks
     * away, are killed when it has ended, and when the supervisor dies. */
    bool end_descendants;
    void *reserved[8]; /* zero */
} prong_child_options;

typedef struct prong_supervisor_options {
    const char *name; /* for messages and reports; up to 23 bytes */
    prong_strategy strategy;
    /* So many restarts within `period` are made; at the next one the supervisor
     * gives up. Children that are restarted with another count as one. */
    int intensity;     /* 0: 3; below 0: none is made; up to 1000 */
    prong_time period; /* 0: 5 s */
    /* The delay before a child's first restart, and twice as long before each
     * further one, up to backoff_most, until it has run for `settled`. */
    prong_time backoff;      /* 0: 100 ms; below 0: none */
    prong_time backoff_most; /* 0: 10 s */
    prong_time settled;      /* 0: 10 s */
    /* run takes SIGTERM and SIGINT as requests to stop. It blocks both in the
     * calling thread meanwhile: other threads should have them blocked. */
    bool stop_on_signals;
    /* run tells systemd, or another service manager that has set NOTIFY_SOCKET,
     * that it is READY (all children were started), STOPPING, its STATUS; and,
     * if WATCHDOG_USEC is set, that it is alive. */
    bool notify;
    /* run goes on while no child is left to run, for those that are added. Then
     * it may have none to begin with. */
    bool stays;
    void *reserved[8]; /* zero */
} prong_supervisor_options;

/* Creates a supervisor; nothing runs yet. It lives until
 * prong_supervisor_destroy, or until the family ends. options may be NULL.
 * Up to 10,000 children.
 * Errors: PRONG_INVALID (the message names the child), as prong_process_create.
 */
PRONG_CHECKED prong_status prong_supervisor_create(
    prong_supervisor *supervisor, const prong_child_options *children,
    size_t count, const prong_supervisor_options *options);

/* Supervises, up to the timeout. The first call starts the children, in order,
 * each when the one before it has begun: a function when its process has come
 * to it, a program when it was executed. run waits for nothing else meanwhile;
 * by forkserver, it waits for the answer of the fork server, too. After
 * PRONG_TIMEOUT or PRONG_INTERRUPTED they run on, but nobody restarts them
 * until the same process calls it again. PRONG_OK: it was stopped, or all
 * children have ended for good. After that, and after PRONG_GAVE_UP or the
 * death of the process that ran it, it may be run again, by any member.
 * A child that cannot be started counts as one that has ended, with code
 * PRONG_NO_RETURNCODE; a program that cannot, with 126 or 127.
 * Errors: PRONG_GAVE_UP (the message names the child, and how it ended; no
 * child runs any more), PRONG_TIMEOUT, PRONG_ALREADY_STARTED (another process
 * or thread runs it), PRONG_INVALID or as the system reports (`notify`, and no
 * such socket), PRONG_NO_MEMORY, PRONG_NO_DESCRIPTORS, PRONG_STALE. */
PRONG_CHECKED prong_status prong_supervisor_run(prong_supervisor supervisor,
                                                prong_time timeout);

/* Asks it to end all children, the last one first, each with its grace; and
 * waits until they have ended, and it does not run any more. With PRONG_NOWAIT
 * it only asks. If the caller's process runs the supervisor, and no thread is
 * in prong_supervisor_run, this call does the work. PRONG_OK also when it does
 * not run, or the process that ran it dies. Errors: PRONG_TIMEOUT (the request
 * stands), PRONG_STALE; as prong_supervisor_run, where it does the work. */
PRONG_API prong_status prong_supervisor_stop(prong_supervisor supervisor,
                                             prong_time timeout);

/* --- its children, while it runs or not ---
 *
 * These may be called by any member and thread, while another one is in run,
 * too; if the caller's process runs the supervisor, and no thread is in
 * prong_supervisor_run, the call does the work. With PRONG_NOWAIT they only
 * ask. The last request counts, and ends the waits of calls that have asked
 * for another before; but a child that is to be removed will be. Errors of all:
 * PRONG_TIMEOUT (the request stands), PRONG_NOT_FOUND (no child has that name),
 * PRONG_STALE; as prong_supervisor_run, where the call does the work. */

/* Adds a child, after all others. If the supervisor runs, the child is started,
 * and the call waits until it has begun. Errors: PRONG_EXISTS (there is a child
 * of that name), PRONG_START_FAILED (it is there, but does not run, nor will it
 * be restarted; the message has the reason), and as prong_supervisor_create. */
PRONG_CHECKED prong_status prong_supervisor_add_child(
    prong_supervisor supervisor, const prong_child_options *child,
    prong_time timeout);

/* Starts a child that is down, or is waiting for its restart; waits until it
 * has begun. PRONG_OK also when it runs already. Errors: PRONG_NOT_STARTED (the
 * supervisor does not run, or stops; or the child was asked to end meanwhile),
 * PRONG_START_FAILED. */
PRONG_CHECKED prong_status prong_supervisor_start_child(
    prong_supervisor supervisor, const char *name, prong_time timeout);

/* Ends a child, with its grace, and waits until it has ended. It is not
 * restarted, neither by itself nor with others, until it is started by
 * prong_supervisor_start_child, or a new run begins. */
PRONG_API prong_status prong_supervisor_stop_child(prong_supervisor supervisor,
                                                   const char *name,
                                                   prong_time timeout);

/* Ends it if it runs, and removes it from the list. */
PRONG_API prong_status prong_supervisor_remove_child(
    prong_supervisor supervisor, const char *name, prong_time timeout);

typedef enum prong_child_phase {
    PRONG_CHILD_DOWN = 0, /* not started, or ended for good */
    PRONG_CHILD_WAITING,  /* it is to be started, when its time has come */
    PRONG_CHILD_STARTING, /* it has a process, and has not begun */
    PRONG_CHILD_RUNNING,
    PRONG_CHILD_ENDING, /* it was sent SIGTERM */
} prong_child_phase;

typedef struct prong_child_state {
    char name[48];
    prong_child_phase phase;
    /* Its number, or that of the program, in the PID namespace of the process
     * that runs the supervisor; 0 while it does not run. */
    int pid;
    /* How it ended last: as prong_process_exitcode; PRONG_NO_RETURNCODE while
     * it has not. */
    int exitcode;
    unsigned restarts; /* since the supervisor began to run */
    /* Why it could not be started, if that was its last end; else empty. */
    char failure[160];
    prong_time in_phase; /* for how long it has been in its phase */
    void *reserved[3];   /* zero */
} prong_child_state;

/* What its children do, in order; from any member. *count is how many there
 * are, even if that is more than capacity. Errors: PRONG_INVALID, PRONG_STALE.
 */
PRONG_API prong_status prong_supervisor_children(prong_supervisor supervisor,
                                                 prong_child_state *children,
                                                 size_t capacity,
                                                 size_t *count);

/* Destroys it. Errors: PRONG_STILL_RUNNING, PRONG_STALE. */
PRONG_API prong_status prong_supervisor_destroy(prong_supervisor supervisor);

PRONG_END_DECLS

#endif
