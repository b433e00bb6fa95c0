/* What every test file uses: tests as sentences, three start methods, and nothing left behind.
 *
 *     TEST(get_returns_empty_after_timeout) { … }
 *     METHOD_TEST(a_child_can_put) { … method … }     runs once with each start method
 *
 * Each test runs in a process of its own with a limit of time, and fails when it leaves a process behind. The library
 * that does this is Check; where there is none (a libc without it), a small runner with the same rules. */
#ifndef TESTS_SUPPORT_TEST_H
#define TESTS_SUPPORT_TEST_H

/* A test drops statuses where others end what it uses. */
#pragma GCC diagnostic ignored "-Wunused-result"

#include <prong/prong.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
    const char *name;
    void (*run)(int method);
    bool each_method;
    int limit; /* seconds */
    struct test *next;
};
void test_register(struct test *test);
void test_failed(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4), noreturn));

/* This test cannot run here. */
void test_skip(const char *reason) __attribute__((noreturn));

/* Root becomes another user, for good. Where it can, it keeps the right to read and search everything, through exec, too:
 * the program may lie below a folder that only root can read. */
void test_become_another_user(void);

/* Skips the test where the present user cannot start this program by its path. */
void test_needs_own_program(void);

/* Mounts of its own, which are seen nowhere else. Skips the test where there can be none: not root, or in a chroot. */
void test_own_mounts(void);

#define TEST_(title, each, seconds)                                                                                    \
    static void title(int method);                                                                                     \
    __attribute__((constructor)) static void register_##title(void) {                                                  \
        static struct test test = {#title, title, each, seconds, NULL};                                                \
        test_register(&test);                                                                                          \
    }                                                                                                                  \
    static void title(__attribute__((unused)) int method)

#define TEST(title) TEST_(title, false, 20)
#define METHOD_TEST(title) TEST_(title, true, 20)
#define LONG_TEST(title, seconds) TEST_(title, false, seconds)
#define LONG_METHOD_TEST(title, seconds) TEST_(title, true, seconds)

#define check(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) test_failed(__FILE__, __LINE__, "%s", #condition);                                           \
    } while (0)

/* The call returns this status. */
#define is(call, wanted)                                                                                               \
    do {                                                                                                               \
        prong_status status_ = (call);                                                                                 \
        if (status_ != (wanted))                                                                                       \
            test_failed(__FILE__, __LINE__, "%s is %s, not %s: %s", #call, prong_status_name(status_), #wanted,        \
                        prong_error_message());                                                                        \
    } while (0)
#define ok(call) is(call, PRONG_OK)

#define equal(a, b)                                                                                                    \
    do {                                                                                                               \
        long long a_ = (long long)(a), b_ = (long long)(b);                                                            \
        if (a_ != b_) test_failed(__FILE__, __LINE__, "%s is %lld, not %lld (%s)", #a, a_, b_, #b);                    \
    } while (0)

/* The last failure's message says this. */
#define says(text)                                                                                                     \
    do {                                                                                                               \
        if (!strstr(prong_error_message(), text))                                                                      \
            test_failed(__FILE__, __LINE__, "the message \"%s\" does not say \"%s\"", prong_error_message(), text);    \
    } while (0)

/* A process with a copy of *argument, started. */
#define start_with(method_, target_, argument_)                                                                        \
    test_start((prong_start_method)(method_), target_, &(argument_), sizeof(argument_), false)
#define start_daemon(method_, target_, argument_)                                                                      \
    test_start((prong_start_method)(method_), target_, &(argument_), sizeof(argument_), true)
prong_process test_start(prong_start_method method, prong_target *target, const void *argument, size_t size,
                         bool daemon);
/* Joins it within ten seconds, returns its exit code, closes it. */
int test_end(prong_process process);
/* Whether the process ends in that time; reaps orphans, which are this process's to reap. */
bool test_gone_within(int pid, int milliseconds);
/* What the library tells of them; the call must succeed. */
int test_pid(prong_process process);
bool test_is_alive(prong_process process);
size_t test_queue_size(prong_queue queue);
bool test_job_has_ended(prong_job job);
int64_t test_now(void);
void test_sleep_ms(int milliseconds);
/* The arena is whole, holds no message in anybody's hand, and just `objects` objects beside this process's own. */
void test_arena_is_clean(unsigned objects);
/* Open descriptors of this process. */
int test_open_descriptors(void);

#endif
