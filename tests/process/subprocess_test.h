/* What tests of other programs call: as Python's subprocess module names it. */
#ifndef TESTS_PROCESS_SUBPROCESS_TEST_H
#define TESTS_PROCESS_SUBPROCESS_TEST_H

#include "../support/test.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SH(command) ARGV("/bin/sh", "-c", command)

/* What Python's subprocess module calls call, check_call and check_output. */
static inline prong_status call_within(const char *const *argv, const prong_subprocess_options *options, int *code,
                                       prong_time timeout) {
    prong_completed completed;
    prong_status status = prong_subprocess_run(argv, &completed, options, timeout);
    *code = completed.returncode;
    prong_completed_clear(&completed);
    return status;
}

static inline prong_status call(const char *const *argv, const prong_subprocess_options *options, int *code) {
    return call_within(argv, options, code, PRONG_FOREVER);
}

static inline prong_status check_call(const char *const *argv, const prong_subprocess_options *options) {
    prong_subprocess_options o = options ? *options : (prong_subprocess_options){0};
    o.check = true;
    return prong_subprocess_run(argv, NULL, &o, PRONG_FOREVER);
}

static inline prong_status check_output(const char *const *argv, const prong_subprocess_options *options,
                                        prong_completed *completed) {
    prong_subprocess_options o = options ? *options : (prong_subprocess_options){0};
    o.check = true;
    o.popen.out = PRONG_PIPE;
    return prong_subprocess_run(argv, completed, &o, PRONG_FOREVER);
}

static inline void prints(const char *const *argv, const prong_subprocess_options *options, const char *wanted) {
    prong_completed completed;
    ok(check_output(argv, options, &completed));
    equal(completed.returncode, 0);
    if (strcmp(completed.out.data, wanted) != 0)
        test_failed(__FILE__, __LINE__, "\"%s\" was printed, not \"%s\"", completed.out.data, wanted);
    equal(completed.out.size, strlen(wanted));
    prong_completed_clear(&completed);
    check(completed.out.data == NULL);
}

#endif
