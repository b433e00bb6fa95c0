/* Futexes, shared between processes. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From <linux/futex.h>, which is not among the headers of every C library. Not private: between processes. */
enum { FUTEX_WAKE = 1, FUTEX_WAIT_BITSET = 9, FUTEX_WAKE_BITSET = 10, FUTEX_SIZE_32 = 2 };
enum { FUTEX_WAITV = 449 }; /* the same number on every machine; not in the headers of every system */
#define FUTEX_BITSET_MATCH_ANY 0xffffffffu

/* FUTEX_WAIT_BITSET takes an absolute time on CLOCK_MONOTONIC. */
static void futex_wait_until(_Atomic uint32_t *word, uint32_t expected, uint32_t mask, const struct timespec *at) {
    int before = errno;
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, at, NULL, mask);
    errno = before;
}

void os_futex_wait(_Atomic uint32_t *word, uint32_t expected, deadline_t deadline) {
    struct timespec at = timespec_of(deadline);
    futex_wait_until(word, expected, FUTEX_BITSET_MATCH_ANY, &at);
}

void os_futex_sleep_masked(_Atomic uint32_t *word, uint32_t expected, uint32_t mask, deadline_t deadline) {
    futex_wait_until(word, expected, mask, interrupt_limit(timespec_of(deadline)));
    if (deadline != PRONG_NOWAIT) interrupt_look(); /* else it was no wait */
}

void os_futex_sleep(_Atomic uint32_t *word, uint32_t expected, deadline_t deadline) {
    os_futex_sleep_masked(word, expected, FUTEX_BITSET_MATCH_ANY, deadline);
}

int os_futex_wake_masked(_Atomic uint32_t *word, int count, uint32_t mask) {
    long woken = syscall(SYS_futex, word, FUTEX_WAKE_BITSET, count, NULL, NULL, mask);
    return woken > 0 ? (int)woken : 0;
}

int os_futex_wake(_Atomic uint32_t *word, int count) {
    long woken = syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
    return woken > 0 ? (int)woken : 0;
}

/* --- several words --- */

struct os_futex_item os_futex_item(_Atomic uint32_t *word, uint32_t expected) {
    return (struct os_futex_item){.expected = expected, .word = (uintptr_t)word, .flags = FUTEX_SIZE_32};
}

bool os_futex_sleep_any(struct os_futex_item *items, size_t count, deadline_t deadline, int *woken) {
    int before = errno;
    long result = syscall(FUTEX_WAITV, items, count, 0, interrupt_limit(timespec_of(deadline)), CLOCK_MONOTONIC);
    bool there = result >= 0 || errno == EAGAIN || errno == ETIMEDOUT || errno == EINTR;
    *woken = (int)result;
    errno = before;
    if (there) interrupt_look();
    return there;
}
