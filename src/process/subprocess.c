/* A program run to its end in one call. */
#include <prong/subprocess.h>

#include "base/error.h"
#include "process/popen.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const prong_time KILLED_WITHIN = PRONG_SECONDS(10);

static prong_status subprocess_claim(prong_stream *stream, const char *name, const char *what) {
    if (stream->kind != PRONG_STREAM_INHERIT && stream->kind != PRONG_STREAM_PIPE)
        return fail(PRONG_INVALID, "%s, and %s goes elsewhere", what, name);
    *stream = PRONG_PIPE;
    return PRONG_OK;
}

static prong_status subprocess_choose_streams(prong_subprocess_options *o) {
    prong_status status = check_bytes(o->input, o->input_size, "subprocess run: input");
    bool merged = o->popen.err.kind == PRONG_STREAM_STDOUT;
    if (o->input && status >= 0) status = subprocess_claim(&o->popen.in, "stdin", "input is given");
    if (o->capture && status >= 0) status = subprocess_claim(&o->popen.out, "stdout", "output is to be captured");
    if (o->capture && status >= 0 && !merged)
        status = subprocess_claim(&o->popen.err, "stderr", "output is to be captured");
    return status;
}

/* The time is over: it is killed, and what it wrote until then is the result. */
static void subprocess_cut_short(prong_popen *popen, const prong_subprocess_options *o, prong_completed *completed) {
    INTERRUPTS_HELD;
    KEEP_MESSAGE;
    popen->wait_for_eof = false;
    popen_signal(popen, SIGKILL, true);
    if (prong_popen_communicate(popen, o->input, o->input_size, completed, KILLED_WITHIN) < 0)
        ignore_status(prong_popen_wait(popen, NULL, KILLED_WITHIN)); /* there may be no memory for what it wrote */
    popen_returncode(popen, &completed->returncode);
}

static prong_status subprocess_finish(prong_popen *popen, const prong_subprocess_options *o, prong_completed *completed,
                                      prong_time timeout) {
    prong_status status = prong_popen_communicate(popen, o->input, o->input_size, completed, timeout);
    if (status >= 0) return status;
    subprocess_cut_short(popen, o, completed);
    if (status != PRONG_TIMEOUT) {
        prong_completed_clear(completed);
        return fail_again(status, "'%s' was killed", popen->name);
    }
    return fail(PRONG_TIMEOUT, "'%s' ran for longer than %.3g s, and was killed", popen->name, (double)timeout / 1e9);
}

/* One that was killed and has not ended yet is in the hands of the kernel, and left behind. */
static void subprocess_close(prong_popen *popen) {
    KEEP_MESSAGE;
    if (prong_popen_close(popen) < 0) prong_popen_detach(popen);
}

static prong_status subprocess_check_code(const char *name, int code) {
    if (code == 0) return PRONG_OK;
    if (code < 0) return fail(PRONG_COMMAND_FAILED, "'%s' was killed by signal %d", name, -code);
    return fail(PRONG_COMMAND_FAILED, "'%s' ended with %d", name, code);
}

static prong_status subprocess_run(const char *const argv[], prong_completed *completed,
                                   const prong_subprocess_options *options, prong_time timeout) {
    prong_subprocess_options o = options ? *options : (prong_subprocess_options){0};
    prong_popen *popen;
    CHECK_RESERVED(options, "subprocess run: options");
    prong_status status = subprocess_choose_streams(&o);
    if (status >= 0) status = prong_popen_open(&popen, argv, &o.popen);
    if (status < 0) return status;
    status = subprocess_finish(popen, &o, completed, timeout);
    subprocess_close(popen);
    if (status >= 0 && o.check) status = subprocess_check_code(argv[0], completed->returncode);
    return status;
}

prong_status prong_subprocess_run(const char *const argv[], prong_completed *completed,
                                  const prong_subprocess_options *options, prong_time timeout) {
    prong_completed nowhere = {0}, *to = completed ? completed : &nowhere;
    *to = (prong_completed){.returncode = PRONG_NO_RETURNCODE};
    prong_status status = subprocess_run(argv, to, options, timeout);
    if (!completed) prong_completed_clear(to);
    return status;
}

void prong_completed_clear(prong_completed *completed) {
    free(completed->out.data);
    free(completed->err.data);
    completed->out = completed->err = (prong_output){NULL, 0};
}
