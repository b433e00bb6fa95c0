/* Failing with a status and a message for the calling thread. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <prong/status.h>
#include <stddef.h>

/* Passes a failure on. */
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        prong_status status_ = (call);                                                                                 \
        if (__builtin_expect(status_ < 0, 0)) return status_;                                                          \
    } while (0)

/* Records the message and returns the status, so that a failure is one line: return fail(...). PRONG_TIMEOUT,
 * PRONG_EMPTY and PRONG_FULL become PRONG_INTERRUPTED if a signal has ended the wait. */
__attribute__((format(printf, 2, 3))) prong_status fail(prong_status status, const char *format, ...);

/* The same with a fixed text and no formatting, for outcomes that are part of ordinary work. */
prong_status fail_text(prong_status status, const char *text);

/* The same for a failed system call: picks the status from errno and appends its text. */
__attribute__((format(printf, 1, 2))) prong_status fail_errno(const char *format, ...);

/* PRONG_INVALID when a pointer is NULL although its size (or count) is not 0. what: "queue put: data". */
static inline prong_status check_bytes(const void *bytes, size_t size, const char *what) {
    if (__builtin_expect(bytes || !size, 1)) return PRONG_OK;
    return fail(PRONG_INVALID, "%s is NULL, and there are to be %zu", what, size);
}

/* PRONG_INVALID when the reserved tail of the caller's struct is not zero: the struct was not cleared, or the caller
 * was written for a later version of prong. given may be NULL. what: "queue create: options". */
static inline prong_status check_reserved(void *const *reserved, size_t count, const char *what) {
    for (size_t i = 0; i < count; i++)
        if (__builtin_expect(reserved[i] != NULL, 0))
            return fail(PRONG_INVALID, "%s: reserved[%zu] is not zero; clear the struct before you fill it", what, i);
    return PRONG_OK;
}
#define CHECK_RESERVED(given, what)                                                                                    \
    do {                                                                                                               \
        __typeof__(given) given_ = (given);                                                                            \
        if (given_) TRY(check_reserved(given_->reserved, sizeof given_->reserved / sizeof *given_->reserved, what));   \
    } while (0)

/* Ignores a status, where a failure makes no difference. */
static inline void ignore_status(prong_status status) {
    (void)status;
}

/* Keeps the thread's message until the end of the block, whatever the clean-up in it reports. */
enum { MESSAGE_SIZE = 640 };
struct kept_message {
    const char *current;
    char text[MESSAGE_SIZE];
};
void message_keep(struct kept_message *kept);
void message_put_back(struct kept_message *kept);
#define KEEP_MESSAGE                                                                                                   \
    __attribute__((cleanup(message_put_back))) struct kept_message kept_message_;                                      \
    message_keep(&kept_message_)

/* Puts a prefix before the message of the last failure: "start of 'x': …". Returns the status unchanged. */
__attribute__((format(printf, 2, 3))) prong_status fail_again(prong_status status, const char *format, ...);

#endif
