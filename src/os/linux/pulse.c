/* Pulses. The kernel looks through a list of robust mutexes at the end of a thread. It notes that end in the word of each that the
 * thread holds, and wakes one waiter. So a thread has a pulse as long as it holds such a mutex.
 *
 * The list belongs to the C library, and so does the place of the word in the mutex. Right after the mutex was locked, it
 * is the first of the list, and the list tells how far the word is from there. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(pthread_mutex_t) <= OS_PULSE_SIZE, "a mutex fits into a pulse");

/* From <linux/futex.h>. */
#define FUTEX_WAITERS 0x80000000u
struct robust_head {
    uintptr_t first; /* the lowest bit is a flag */
    long word_offset;
    uintptr_t pending;
};

/* This thread, or the one that forked it, has begun a pulse. */
static QUICK_LOCAL bool pulse_begun;

/* As the kernel has it; NULL: it has none of this thread, or does not tell. */
static const struct robust_head *robust_list(void) {
    struct robust_head *head = NULL;
    size_t size = 0;
    int before = errno;
    if (syscall(SYS_get_robust_list, 0, &head, &size) != 0 || size != sizeof *head) head = NULL;
    errno = before;
    return head;
}

/* In a forked child, the list is still that of the parent, unless the C library has emptied it. */
static bool list_is_usable(void) {
    if (!pulse_begun) return true;
    const struct robust_head *head = robust_list();
    return head && (head->first & ~(uintptr_t)1) == (uintptr_t)head;
}

static bool robust_mutex_lock(pthread_mutex_t *mutex) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    bool done = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0 &&
                pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0 &&
                pthread_mutex_init(mutex, &attributes) == 0 && pthread_mutex_trylock(mutex) == 0;
    pthread_mutexattr_destroy(&attributes);
    return done;
}

/* The word of the mutex that was just locked, if it is in the kernel's list. */
static _Atomic uint32_t *robust_word(void) {
    const struct robust_head *head = robust_list();
    if (!head) return NULL;
    return (_Atomic uint32_t *)((head->first & ~(uintptr_t)1) + (uintptr_t)head->word_offset);
}

int os_pulse_begin(struct os_pulse *pulse) {
    if (!list_is_usable()) return -1;
    memset(pulse, 0, sizeof *pulse);
    pthread_mutex_t *mutex = (pthread_mutex_t *)(void *)pulse;
    if (!robust_mutex_lock(mutex)) return -1;
    _Atomic uint32_t *word = robust_word();
    uintptr_t offset = (uintptr_t)word - (uintptr_t)pulse; /* huge if it is below */
    if (!word || offset > sizeof *pulse - sizeof *word) {
        pthread_mutex_unlock(mutex);
        return -1;
    }
    pulse_begun = true;
    atomic_fetch_or(word, FUTEX_WAITERS); /* else the kernel wakes nobody */
    return (int)offset;
}
