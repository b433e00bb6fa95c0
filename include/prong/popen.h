/* Popen: runs another program beside this process, talks to it, waits for it
 * and ends it.
 *
 * A program is started without a copy of this process (as by vfork), so a start
 * costs the same however much memory this process uses. If it cannot start, as
 * when there is no such program or directory, the call that starts it returns
 * the error. The library installs no signal handler for this, and leaves
 * SIGCHLD and SIGPIPE of this process as they are.
 *
 * The program begins with the calling thread's signal mask, unless the options
 * have another; with ignored signals ignored and all others at their default,
 * but SIGPIPE and SIGXFSZ always at their default; with descriptors 0 to 2 and
 * those in pass_fds. It is no member of the family.
 *
 * Only the process that opened a popen may use it; others, forked children too,
 * get PRONG_NOT_CHILD. All calls are thread-safe, but for prong_popen_close and
 * prong_popen_detach; communicate is for one thread at a time. No call here is
 * for signal handlers: they use malloc, and locks of this process. */
#ifndef PRONG_POPEN_H
#define PRONG_POPEN_H

#include <prong/completed.h>
#include <prong/status.h>
#include <prong/stream.h>
#include <prong/time.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

PRONG_BEGIN_DECLS

typedef struct prong_popen_options {
    prong_stream in, out, err;      /* stdin, stdout, stderr */
    const char *const *environment; /* "NAME=value", …, NULL; NULL: ours */
    const char *directory;          /* to run in; NULL: this process's */
    const char *executable; /* the program, if argv[0] is something else */
    bool shell; /* argv[0] is a command for /bin/sh, the rest its $0, $1, … */
    const int *pass_fds; /* descriptors that it has under the same numbers */
    size_t pass_fd_count;
    bool keep_fds; /* it has every descriptor that is not close-on-exec */
    bool start_new_session;
    bool set_process_group;
    int process_group; /* 0: a new one of its own */
    bool set_umask;
    mode_t umask;
    bool set_user;
    uid_t user;
    bool set_group;
    gid_t group;
    const gid_t *extra_groups; /* all its supplementary groups; NULL: ours */
    size_t extra_group_count;
    bool keep_signals; /* SIGPIPE and SIGXFSZ stay ignored where they are */
    /* It begins with these signals blocked, and no others. */
    bool set_signal_mask;
    const int *blocked_signals;
    size_t blocked_signal_count;
    /* communicate goes on until every process that has the pipes has closed
     * them, and not only until the program has ended. */
    bool wait_for_eof;
    void *reserved[8]; /* zero */
} prong_popen_options;

typedef struct prong_popen prong_popen;

/* Starts argv[0], sought in PATH unless it has a slash, with the arguments
 * argv, up to a NULL. options may be NULL. Pair with prong_popen_close or
 * prong_popen_detach. Errors, which name the program, directory or file:
 * PRONG_NOT_FOUND, PRONG_PERMISSION, PRONG_INVALID, PRONG_NO_MEMORY,
 * PRONG_NO_DESCRIPTORS, PRONG_NO_PROCESSES, PRONG_SYSTEM. */
PRONG_CHECKED prong_status prong_popen_open(prong_popen **popen,
                                            const char *const argv[],
                                            const prong_popen_options *options);

/* Its pid; 0 for NULL. */
PRONG_API int prong_popen_pid(const prong_popen *popen);

/* This process's end of a pipe (0: its stdin, 1: its stdout, 2: its stderr); -1
 * if there is none, or it was closed. It belongs to the popen. */
PRONG_API int prong_popen_pipe(const prong_popen *popen, int stream);

/* Closes that end; after stdin's the program reads end-of-file. Errors:
 * PRONG_INVALID (no such stream), PRONG_NOT_CHILD. */
PRONG_API prong_status prong_popen_close_pipe(prong_popen *popen, int stream);

/* --- its end --- */

/* Waits for its end. *returncode (may be NULL) is its exit code, or minus the
 * signal that killed it. With PRONG_NOWAIT it asks whether the program has
 * ended. A program that fills a pipe which nobody reads does not end: see
 * prong_popen_communicate. Errors: PRONG_TIMEOUT, PRONG_NOT_CHILD; PRONG_SYSTEM
 * when this program has reaped it, so that it is unknown how it ended. */
PRONG_CHECKED prong_status prong_popen_wait(prong_popen *popen, int *returncode,
                                            prong_time timeout);

/* A descriptor that is readable once the program has ended, for poll, epoll or
 * prong_wait; prong_popen_wait then tells how it ended. It belongs to the
 * popen. Errors: PRONG_NOT_CHILD. */
PRONG_CHECKED prong_status prong_popen_sentinel(const prong_popen *popen,
                                                int *descriptor);

/* Sends a signal, such as SIGTERM or SIGKILL; no error once the program has
 * ended. Errors: PRONG_INVALID (no such signal), PRONG_PERMISSION,
 * PRONG_NOT_CHILD. */
PRONG_API prong_status prong_popen_signal(prong_popen *popen, int signal);

/* How to end it: wait so long, then SIGTERM and wait, then SIGKILL and wait. A
 * time of 0 leaves its step out. */
typedef struct prong_stop_plan {
    prong_time wait, terminate, kill;
    bool group;        /* signal its process group, which must be its own */
    void *reserved[2]; /* zero */
} prong_stop_plan;

/* Carries out the plan, up to the step in which the program ends. returncode
 * may be NULL. plan NULL: terminate 5 s, kill 5 s. Errors: PRONG_TIMEOUT (it
 * has outlived the plan), PRONG_INVALID (no group of its own), as
 * prong_popen_wait. */
PRONG_API prong_status prong_popen_stop(prong_popen *popen, int *returncode,
                                        const prong_stop_plan *plan);

/* --- its input and output at once --- */

/* Writes input to its stdin and closes that, while it reads its stdout and
 * stderr, as each is ready; then waits for its end. Streams that are no pipes
 * are left out. completed may be NULL. Input that the program does not read is
 * dropped. The call returns when the program has ended and its output is read,
 * even if other processes still have its pipes (as a daemon that it started
 * may), unless wait_for_eof is set.
 * PRONG_TIMEOUT: nothing is lost, and no output is returned yet; call again,
 * with the same input, to go on. Other errors: PRONG_NO_MEMORY, PRONG_INVALID
 * (input, and stdin is no pipe), as prong_popen_wait. */
PRONG_CHECKED prong_status prong_popen_communicate(prong_popen *popen,
                                                   const void *input,
                                                   size_t input_size,
                                                   prong_completed *completed,
                                                   prong_time timeout);

/* Closes its pipes and frees it. NULL is allowed. Errors: PRONG_STILL_RUNNING:
 * end it first, or detach it. */
PRONG_API prong_status prong_popen_close(prong_popen *popen);

/* Closes its pipes and frees it, and lets the program run on. Once that has
 * ended it is reaped, at the next start of another program. Errors:
 * PRONG_NO_MEMORY, PRONG_NOT_CHILD. */
PRONG_API prong_status prong_popen_detach(prong_popen *popen);

PRONG_END_DECLS

#endif
