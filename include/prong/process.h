/* Process: run a function in a process of its own, by fork, spawn or forkserver.
 *
 * The three start methods mean what they mean in Python:
 *   fork        the child is a copy of this process, as fork(2) makes it;
 *   spawn       the child is this program's image started afresh; it has just what it is handed;
 *   forkserver  the child is forked from a small clean single-threaded server, itself started as by spawn, once.
 * spawn and forkserver need prong_main() in main(), and cost the same however much memory this process uses. Any
 * function of the program or of a shared library can be a target, `static` ones too, with no registration.
 *
 * A new image begins with this process's environment, as it is at the start, unless it is given another. While other threads change it (setenv and the
 * like), each variable that none of them touches is there, with its value; of others the child has the old value, the new
 * one, or none, and, with C libraries that free old values (musl does), possibly a mangled one. If the environment
 * changes so fast that it cannot be read, the start fails with PRONG_SYSTEM. It begins with no signal blocked; signals that
 * this process ignores are ignored, all others at their default, as after exec(2). A fork server's children have the
 * signals as they were when the server was started.
 *
 * In the child, standard input is /dev/null. A child that returns from its target first ends its own children as below,
 * then flushes standard output streams. By fork and forkserver it then ends by _exit: no exit handlers are run (atexit,
 * destructors), neither its own nor those of the process that it was forked from. By spawn it ends by exit, with the
 * handlers that its image has registered.
 * A child that calls exit by itself runs, as exit(3) does, all handlers that it has, the last one first: in a forked child
 * also those that its parent had registered at the fork; and it flushes all streams. What ends its children is one of the
 * handlers. A forked child that is not to run its parent's returns from its target, or calls _exit, which ends no children.
 * Of what is buffered at a start by fork, stdout and stderr are flushed before (unless another thread is busy with them;
 * the child drops its copy). Other streams are not, as a thread may wait for input in one: what is in their buffers is
 * the parent's to write, and a forked child flushes or closes those that it opens by itself.
 *
 * SIGCHLD may be ignored, and the host program may reap children itself: starts succeed all the same. A child that is
 * reaped so ends with the code that its target returned; with 255 where it called exit or died by a signal.
 *
 * When a process that started others exits, by exit() or by returning from main: it gives up its connection ends,
 * ends its daemonic children (SIGTERM, and SIGKILL two seconds later) and waits for the others. It does not wait for a
 * child that cannot end before this process does, or before itself: one whose main thread joins, without a time limit,
 * this process, or another that in its turn waits so for this process, or for one that is in such a circle. (A process
 * that exits waits so for each child that it joins.) Such a child lives on. What is waited for in other ways, a lock or a
 * message, is not looked at. When a process dies without exiting, by a signal or _exit, the kernel kills its daemonic
 * children at once; others live on. This holds for a daemon that has changed its user since, if it was root before (in a
 * user namespace: by forkserver alone).
 *
 * Children may live in another namespace of pids (unshare, setns with CLONE_NEWPID): each process is told the number by
 * which it knows another (prong_process_pid, prong_family_members), or, where it knows none, that which the other has
 * itself. A signal to a process that has no number here, and is no child of the caller, is PRONG_PERMISSION.
 *
 * A target, and the function of prong_set_forkserver_preload, may make any call. The latter runs in the fork server, whose
 * threads its children would not have: it should start none. No call here is for signal handlers: they use malloc, and
 * locks of this process (kill(2) with prong_process_pid's number is what a handler has).
 *
 * Handles are values; every member of the family may ask about a process and signal it. All calls are thread-safe. When a
 * process is closed while a call by its handle runs, the call returns what was right for that process, or PRONG_STALE; it
 * never touches another process. Signals go by descriptor (pidfd), never by number. */
#ifndef PRONG_PROCESS_H
#define PRONG_PROCESS_H

#include <prong/status.h>
#include <prong/time.h>
#include <prong/value.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

typedef struct prong_process {
    uint64_t offset, generation;
} prong_process;

typedef enum prong_start_method {
    PRONG_START_DEFAULT =
        0, /* what prong_set_start_method has set: fork, unless told otherwise */
    PRONG_START_FORK,
    PRONG_START_SPAWN,
    PRONG_START_FORKSERVER,
} prong_start_method;

typedef enum prong_daemon {
    PRONG_DAEMON_INHERIT =
        0, /* as the process that creates it; the first process is none */
    PRONG_DAEMON_YES, /* ends with the process that started it */
    PRONG_DAEMON_NO,
} prong_daemon;

/* What a child runs. argument: the child's own view of the bytes handed to it, which may hold handles; aligned to
 * 64, writable, valid to the child's end. The result is the exit code (its low 8 bits, as exit(3)). */
typedef int prong_target(void *argument, size_t size);

/* The same, called with values: arguments (a tuple) and keywords (a dict, or None), which lie in document, as what it makes
 * itself may. */
typedef int prong_value_target(prong_document *document, prong_value arguments,
                               prong_value keywords);

/* All zero but for what is used. What it points to is copied when the process is created. */
typedef struct prong_process_options {
    /* What it runs, one of these three. The name is for the child to find a prong_value_target by, as prong_work has it; a
     * child that does not find it, or cannot read its values, ends with code 125. */
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
    prong_time
        start_timeout; /* for a spawned image to reach its target; 0: 60 s */
    /* Another program whose image spawn starts in the place of this one's, and its arguments, up to a NULL; looked for along
     * PATH. It must come to prong_main. Of this program's functions it has none: a target is prong's, a shared library's, or
     * one by name. */
    char *const *program;
    /* spawn: "NAME=value", …, NULL, with which the new image begins; NULL: this process's environment. */
    const char *const *environment;
    bool
        no_wait; /* spawn: the start returns as soon as the image is begun; one that fails then ends with code 255 */
    void *reserved[8]; /* zero */
} prong_process_options;

/* The first line of main: in a spawned child or a fork server it runs what it was started for, and does not return;
 * else it returns at once. Descriptors that the child was not handed are closed here.
 *
 * What it was started for stands in the environment, in PRONG_CHILD, which is removed here. An entry that knows the
 * secret of the arena whose descriptor it names is believed, any other does nothing. A program with more rights than
 * its caller (set-user-ID, set-group-ID, file capabilities) believes none; so it cannot start its own image either. */
PRONG_API void prong_main(int *argc, char ***argv);

/* Sets and tells what PRONG_START_DEFAULT means in this process and those it starts. */
PRONG_API prong_status prong_set_start_method(prong_start_method method);
PRONG_API prong_start_method prong_get_start_method(void);
/* "fork", "spawn", "forkserver", or "default". Never NULL. */
PRONG_API const char *prong_start_method_name(prong_start_method method);

/* For the fork server of this process, not started yet: shared libraries to load (as dlopen takes them), then a
 * function to call (may be NULL), so that children find it done. A library that cannot be loaded makes the first
 * start fail. Errors: PRONG_ALREADY_STARTED, PRONG_NO_MEMORY. */
PRONG_API prong_status prong_set_forkserver_preload(
    const char *const *libraries, size_t count, void (*function)(void));

/* Makes a process, not yet running. Errors: PRONG_INVALID (none of target, value_target and target_name, or more than one; a
 * size without bytes, an argument for another than target, values for target, values that are no tuple, keywords that are no
 * dict, a name too long, no such method, an environment for another method than spawn, an entry of it without a name),
 * PRONG_NO_FUNCTION, PRONG_NO_MEMORY; as prong_pickle_dumps. Pair with prong_process_destroy. */
PRONG_CHECKED prong_status prong_process_create(
    prong_process *process, const prong_process_options *options);

/* Starts it: once, by the process that created it. When this returns the child exists, and under spawn and forkserver
 * has found its function. Errors: PRONG_ALREADY_STARTED, PRONG_NOT_CHILD (created by another process),
 * PRONG_NO_MAIN, PRONG_NO_FUNCTION, PRONG_NOT_FOUND (no such program), PRONG_NO_PROCESSES, PRONG_NO_DESCRIPTORS,
 * PRONG_NO_MEMORY, PRONG_START_FAILED, PRONG_TIMEOUT, PRONG_STALE, PRONG_PERMISSION (spawn and forkserver: a set-user-ID
 * program, or real and effective user or group differ; the arena's descriptor was closed, or is of a user that this
 * process neither is nor was as root), PRONG_SYSTEM (this kernel, or a sandbox, lacks pidfd_open or pidfd_send_signal: the
 * message says which); after all but the first two it may be tried again. */
PRONG_CHECKED prong_status prong_process_start(prong_process process);

/* Waits until it has ended; any number of times, by any member. Errors: PRONG_TIMEOUT, PRONG_NOT_STARTED,
 * PRONG_INVALID (a process cannot join itself), PRONG_STALE. */
PRONG_API prong_status prong_process_join(prong_process process,
                                          prong_time timeout);

/* How it ended: what the target returned or exit got, & 0xff; or minus the signal that killed it. 255 when nobody
 * could tell (a fork server died, or the host program reaped the child by itself before it could say).
 * Errors: PRONG_STILL_RUNNING, PRONG_NOT_STARTED, PRONG_STALE. */
PRONG_CHECKED prong_status prong_process_exitcode(prong_process process,
                                                  int *exitcode);

/* False before the start, after the end, and for a stale handle. */
PRONG_API bool prong_process_is_alive(prong_process process);

/* SIGTERM, SIGKILL, SIGINT, or any. No error when it has ended already.
 * Errors: PRONG_NOT_STARTED, PRONG_STALE, PRONG_INVALID (no such signal), PRONG_PERMISSION (another user's process, or in
 * another namespace of pids); of one that another process started also PRONG_NO_DESCRIPTORS. */
PRONG_API prong_status prong_process_terminate(prong_process process);
PRONG_API prong_status prong_process_kill(prong_process process);
PRONG_API prong_status prong_process_interrupt(prong_process process);
PRONG_API prong_status prong_process_signal(prong_process process, int signal);

/* Frees what the process object uses; the handle is stale in all members from then on. By the process that created
 * it. Errors: PRONG_STILL_RUNNING, PRONG_NOT_CHILD, PRONG_STALE. */
PRONG_API prong_status prong_process_destroy(prong_process process);

/* Errors: PRONG_NOT_STARTED, PRONG_STALE. */
PRONG_API prong_status prong_process_pid(prong_process process, int *pid);
/* Copies the name, always terminated. Errors: PRONG_STALE. */
PRONG_API prong_status prong_process_name(prong_process process, char *name,
                                          size_t size);
/* Changes the name; by the process that created it. Errors:
 * PRONG_ALREADY_STARTED, PRONG_INVALID (too long), PRONG_NOT_CHILD, PRONG_STALE. */
PRONG_API prong_status prong_process_set_name(prong_process process,
                                              const char *name);
PRONG_API bool prong_process_is_daemon(prong_process process);

/* A descriptor that becomes readable when the process ends, for poll or prong_wait; in the process that started it.
 * It belongs to the library, until prong_process_destroy. Errors: PRONG_NOT_STARTED, PRONG_NOT_CHILD, PRONG_STALE. */
PRONG_CHECKED prong_status prong_process_sentinel(prong_process process,
                                                  int *descriptor);

/* The process that this is. The first of a family is "MainProcess". */
PRONG_API prong_status prong_current_process(prong_process *process);
/* The one that started this. Errors: PRONG_NOT_CHILD when none did. */
PRONG_API prong_status prong_parent_process(prong_process *process);
/* The children that this process started and that still run; *count is how many, even if larger than capacity. */
PRONG_API prong_status prong_active_children(prong_process *children,
                                             size_t capacity, size_t *count);

PRONG_END_DECLS

#endif
