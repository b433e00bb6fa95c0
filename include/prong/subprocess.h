/* Subprocess: another program, run to its end in one call.
 *
 *     prong_completed done;
 *     const char *const argv[] = {"sort", "-n", NULL};
 *     prong_subprocess_options options = {
 *         .input = text, .input_size = size, .capture = true};
 *     prong_subprocess_run(argv, &done, &options, PRONG_SECONDS(10));
 *     ... done.returncode, done.out.data, done.out.size ...
 *     prong_completed_clear(&done);
 *
 * See <prong/popen.h> for what a program begins with, and for programs that run
 * beside this process. Thread-safe; not for signal handlers. */
#ifndef PRONG_SUBPROCESS_H
#define PRONG_SUBPROCESS_H

#include <prong/popen.h>

PRONG_BEGIN_DECLS

typedef struct prong_subprocess_options {
    prong_popen_options popen;
    const void *input; /* for its stdin, which becomes a pipe */
    size_t input_size; /* bytes */
    bool capture;      /* stdout and stderr become pipes */
    bool check;        /* a code other than 0 is PRONG_COMMAND_FAILED */
    void *reserved[4]; /* zero */
} prong_subprocess_options;

/* Runs a program to its end. When time is up it is killed, with its process
 * group if that is its own. completed and options may be NULL. *completed is
 * also filled after PRONG_TIMEOUT (with what the program wrote so far) and
 * PRONG_COMMAND_FAILED (whose message says how it ended). To have its stdout
 * alone, set .popen.out = PRONG_PIPE.
 * Errors: these two; as prong_popen_open and prong_popen_wait; PRONG_INVALID
 * for input, or capture, with a stream that is set to something else. */
PRONG_CHECKED prong_status prong_subprocess_run(
    const char *const argv[], prong_completed *completed,
    const prong_subprocess_options *options, prong_time timeout);

PRONG_END_DECLS

#endif
