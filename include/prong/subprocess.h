/* Other programs as subprocesses: run one and have its output, or start one and talk to it.
 *
 *     prong_completed done;
 *     const char *const argv[] = {"sort", "-n", NULL};
 *     prong_subprocess_run(argv, &(prong_run_options){.input = text, .input_size = size, .capture = true}, &done);
 *
 * A program is started without copying this process (as by vfork), so a start costs the same however much memory it uses.
 * A program or directory that is not there, and all else that keeps it from starting, is the error of the call that starts it.
 * No signal handler is installed, SIGCHLD and SIGPIPE of the host program are left as they are.
 *
 * The program gets: the calling thread's signal mask, unless set_signal_mask gives another; handlers at their default, ignored signals ignored, but SIGPIPE and SIGXFSZ
 * at their default; descriptors 0 to 2, and no others but those in pass_fds. It is no member of the family.
 *
 * No call here is for signal handlers: they use malloc, and locks of this process. */
#ifndef PRONG_SUBPROCESS_H
#define PRONG_SUBPROCESS_H

#include <prong/status.h>
#include <prong/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

PRONG_BEGIN_DECLS

enum prong_stream_kind {
    PRONG_STREAM_INHERIT = 0, /* this process's own */
    PRONG_STREAM_PIPE,        /* a pipe to or from this process */
    PRONG_STREAM_NULL,        /* /dev/null */
    PRONG_STREAM_DESCRIPTOR,  /* `descriptor`, which stays the caller's */
    PRONG_STREAM_FILE, /* `path`: read, or made and written (emptied before, unless `append`) */
    PRONG_STREAM_STDOUT, /* of stderr only: where stdout goes */
};

/* Where a program's stdin, stdout or stderr comes from or goes to. All zero is
 * this process's own. */
typedef struct prong_stream {
    enum prong_stream_kind kind;
    int descriptor;
    const char *path;
    bool append;
} prong_stream;

#ifndef __cplusplus
#define PRONG_STREAM(of, fd, name)                                             \
    ((prong_stream){.kind = (of), .descriptor = (fd), .path = (name)})
#else
#define PRONG_STREAM(of, fd, name) prong_stream_of(of, fd, name)
static inline prong_stream prong_stream_of(enum prong_stream_kind kind,
                                           int descriptor, const char *path) {
    prong_stream stream = prong_stream();
    stream.kind = kind;
    stream.descriptor = descriptor;
    stream.path = path;
    return stream;
}
#endif

/* Streams for a program: a pipe to or from this process; /dev/null; of stderr,
 * where stdout goes; a file by name; a descriptor. */
#define PRONG_PIPE PRONG_STREAM(PRONG_STREAM_PIPE, 0, NULL)
#define PRONG_NULL PRONG_STREAM(PRONG_STREAM_NULL, 0, NULL)
#define PRONG_TO_STDOUT PRONG_STREAM(PRONG_STREAM_STDOUT, 0, NULL)
#define PRONG_FILE(name) PRONG_STREAM(PRONG_STREAM_FILE, 0, name)
#define PRONG_DESCRIPTOR(number)                                               \
    PRONG_STREAM(PRONG_STREAM_DESCRIPTOR, number, NULL)

typedef struct prong_popen_options {
    prong_stream in, out, err; /* stdin, stdout, stderr */
    const char *const
        *environment;      /* "NAME=value", …, NULL; NULL: this process's */
    const char *directory; /* to run in; NULL: this process's */
    const char
        *executable; /* the program, where argv[0] is to be something else */
    bool shell; /* argv[0] is a command for /bin/sh, the rest its $0, $1, … */
    const int *pass_fds; /* descriptors that it has under the same numbers */
    size_t pass_fd_count;
    bool
        keep_fds; /* it has every descriptor that is not close-on-exec (close_fds=False in Python) */
    bool start_new_session;
    bool set_process_group;
    int process_group; /* 0: a new one of its own */
    bool set_umask;
    mode_t umask;
    bool set_user;
    uid_t user;
    bool set_group;
    gid_t group;
    const gid_t
        *extra_groups; /* all its supplementary groups; NULL: this process's */
    size_t extra_group_count;
    bool keep_signals; /* SIGPIPE and SIGXFSZ stay ignored where they are */
    bool
        set_signal_mask; /* it begins with these signals blocked, and no others; else as the calling thread has it */
    const int *blocked_signals;
    size_t blocked_signal_count;
    bool
        wait_for_eof; /* communicate goes on until all who have the pipes closed them, not only the program itself */
} prong_popen_options;

/* A program that was started. By the process that started it: others, forked children too, get PRONG_NOT_CHILD. Safe from any
 * number of threads, but for prong_popen_close; communicate is for one at a time. */
typedef struct prong_popen prong_popen;

/* Starts argv[0] (sought in PATH unless it has a slash) with the arguments argv, up to a NULL. options may be NULL. Pair with
 * prong_popen_close, or prong_popen_detach. Errors, in each case naming the program, directory or file: PRONG_NOT_FOUND,
 * PRONG_PERMISSION, PRONG_INVALID, PRONG_NO_MEMORY, PRONG_NO_DESCRIPTORS, PRONG_NO_PROCESSES, PRONG_SYSTEM. */
PRONG_CHECKED prong_status
prong_popen_start(prong_popen **popen, const char *const argv[],
                  const prong_popen_options *options);

/* Its pid; while it has not been waited for, no other process has that. */
PRONG_API int prong_popen_pid(const prong_popen *popen);
/* This process's end of a pipe (0: its stdin, 1: its stdout, 2: its stderr); -1 where there is none, or it was closed. Belongs
 * to the popen. */
PRONG_API int prong_popen_fileno(const prong_popen *popen, int stream);
/* Closes it: of stdin, the program reads end-of-file then. */
PRONG_API prong_status prong_popen_close_stream(prong_popen *popen, int stream);

/* What a return code is where there is none: the program was not started, has not ended, or nobody knows how it did. No
 * program ends with it. Every call here that gives a return code gives this when it has no other to give. */
#define PRONG_NO_RETURNCODE (-0x7fffffff - 1)

/* How it ended: its exit code, or minus the signal that killed it; *returncode may be NULL. Errors: PRONG_STILL_RUNNING,
 * PRONG_NOT_CHILD; PRONG_SYSTEM when the host program has reaped it, so that nobody knows. */
PRONG_API prong_status prong_popen_poll(prong_popen *popen, int *returncode);
/* Waits for its end. Errors: PRONG_TIMEOUT, and as prong_popen_poll. A program whose pipes are full waits in turn:
 * see communicate. */
PRONG_CHECKED prong_status prong_popen_wait(prong_popen *popen, int *returncode,
                                            prong_time timeout);

/* Signals to the program; no error once it has ended. Errors: PRONG_INVALID (no such signal), PRONG_PERMISSION. */
PRONG_API prong_status prong_popen_send_signal(prong_popen *popen, int signal);
PRONG_API prong_status prong_popen_terminate(prong_popen *popen);
PRONG_API prong_status prong_popen_kill(prong_popen *popen);

/* How to end it: wait for so long, then SIGTERM and wait, then SIGKILL and wait. A time of 0 leaves out its step. */
typedef struct prong_stop_plan {
    prong_time wait, terminate, kill;
    bool
        group; /* signal its whole process group: it must have one of its own (a new session or group) */
} prong_stop_plan;

/* Carries out the plan, up to the step at which it ends. plan NULL: terminate 5 s, kill 5 s.
 * Errors: PRONG_TIMEOUT (it has outlived the plan), PRONG_INVALID (no group of its own). */
PRONG_API prong_status prong_popen_stop(prong_popen *popen,
                                        const prong_stop_plan *plan,
                                        int *returncode);

/* What a program wrote. data is followed by a zero, which size does not count; NULL when the stream was no pipe. */
typedef struct prong_output {
    char *data;
    size_t size;
} prong_output;

/* Frees it, and clears it. Also of one that is empty. */
PRONG_API void prong_output_clear(prong_output *output);

/* Writes input to its stdin and closes that, reads its stdout and stderr, all at once and without end whichever is full; then
 * waits for its end. Streams that are no pipes are left out; output and errors may be NULL. Input that it does not want to
 * read is dropped. It is over when the program has ended and what it wrote is read, even if others still have its pipes (as
 * a daemon it started may), unless wait_for_eof is set.
 * PRONG_TIMEOUT: nothing is lost, and nothing returned yet; call again, with the same input, to go on.
 * Errors: PRONG_TIMEOUT, PRONG_NO_MEMORY, PRONG_INVALID (input, and stdin is no pipe), PRONG_NOT_CHILD. */
PRONG_CHECKED prong_status prong_popen_communicate(
    prong_popen *popen, const void *input, size_t input_size,
    prong_output *output, prong_output *errors, prong_time timeout);

/* Closes its pipes and frees it. Errors: PRONG_STILL_RUNNING: end it first, or detach it. NULL is allowed. */
PRONG_API prong_status prong_popen_close(prong_popen *popen);
/* The same for a program that is to run on; it is reaped when it has ended, at the next start of another. */
PRONG_API prong_status prong_popen_detach(prong_popen *popen);

/* --- in one call --- */

typedef struct prong_run_options {
    prong_popen_options popen;
    const void *input; /* for its stdin, which becomes a pipe */
    size_t input_size; /* bytes */
    bool capture;      /* stdout and stderr become pipes */
    prong_time
        timeout; /* 0: none. When it passes the program is killed (with its group, if it has its own) */
    bool check;  /* another return code than 0 is PRONG_COMMAND_FAILED */
} prong_run_options;

typedef struct prong_completed {
    int returncode; /* PRONG_NO_RETURNCODE: it was not started */
    prong_output out, err;
} prong_completed;

/* Runs a program to its end. *completed is filled also with PRONG_TIMEOUT (as far as it came) and PRONG_COMMAND_FAILED; clear it
 * after any of the three. Errors: these, and as prong_popen_start; PRONG_INVALID for input with a stdin, or capture with an
 * out or err, that is set to something else. */
PRONG_CHECKED prong_status
prong_subprocess_run(const char *const argv[], const prong_run_options *options,
                     prong_completed *completed);
PRONG_API void prong_completed_clear(prong_completed *completed);

/* The return code alone; PRONG_NO_RETURNCODE when the program was not started. returncode may be NULL. */
PRONG_CHECKED prong_status
prong_subprocess_call(const char *const argv[],
                      const prong_run_options *options, int *returncode);
/* PRONG_COMMAND_FAILED, with a message that says how it ended, unless it returned 0. */
PRONG_CHECKED prong_status prong_subprocess_check_call(
    const char *const argv[], const prong_run_options *options);
/* The same, and what it wrote to stdout. */
PRONG_CHECKED prong_status prong_subprocess_check_output(
    const char *const argv[], const prong_run_options *options,
    prong_output *output);

PRONG_END_DECLS

#endif
