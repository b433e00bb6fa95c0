/* Preloaded: threads are held back where they take or give a mutex, sleep or wake by a futex, or yield: now and then for up to 20 ms, and
 * rarely for 300 ms. A process that gets SIGURG is held back wherever it is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int (*real_lock)(pthread_mutex_t *);
static int (*real_unlock)(pthread_mutex_t *);
static int (*real_yield)(void);
static long (*real_syscall)(long, ...);

static uint32_t held_back_random(void) {
    static _Thread_local uint32_t state;
    struct timespec now;
    if (!state) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        state = (uint32_t)now.tv_nsec ^ (uint32_t)(uintptr_t)&state;
        state |= 1;
    }
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static void hold_back(uint32_t once_in) {
    int error = errno;
    uint32_t random = held_back_random();
    if (random % once_in) return;
    struct timespec time = {0, random / once_in % 200 ? (long)(held_back_random() % 20000000) : 300000000};
    nanosleep(&time, NULL);
    errno = error;
}

static void held_back_here(int signal) {
    (void)signal;
    hold_back(1);
}

static void *find(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void held_back_begin(void) {
    real_unlock = (int (*)(pthread_mutex_t *))find("pthread_mutex_unlock");
    real_yield = (int (*)(void))find("sched_yield");
    real_syscall = (long (*)(long, ...))find("syscall");
    real_lock = (int (*)(pthread_mutex_t *))find("pthread_mutex_lock");
    sigaction(SIGURG, &(struct sigaction){.sa_handler = held_back_here, .sa_flags = SA_RESTART}, NULL);
}

int pthread_mutex_lock(pthread_mutex_t *mutex) {
    if (!real_lock) held_back_begin();
    hold_back(10);
    int result = real_lock(mutex);
    hold_back(10);
    return result;
}

int pthread_mutex_unlock(pthread_mutex_t *mutex) {
    if (!real_unlock) held_back_begin();
    int result = real_unlock(mutex);
    hold_back(10);
    return result;
}

int sched_yield(void) {
    if (!real_yield) held_back_begin();
    hold_back(100);
    return real_yield();
}

/* As many arguments as a system call may have. */
long syscall(long number, ...) {
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(arguments, long);
    va_end(arguments);
    if (!real_syscall) held_back_begin();
    if (number == SYS_futex) hold_back(100);
    long result = real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (number == SYS_futex) hold_back(100);
    return result;
}
