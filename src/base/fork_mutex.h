/* A mutex that a fork takes first, so that the child finds what it guards whole, and unlocked. */
#ifndef BASE_FORK_MUTEX_H
#define BASE_FORK_MUTEX_H

#include <pthread.h>

/* Defines mutex, and mutex_prepare(), to be called before the mutex is first taken. forget() runs in the child, which has
 * none of the parent's threads, with the mutex held: it drops what is the parent's alone. */
#define FORK_MUTEX(mutex, forget)                                                                                      \
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;                                                          \
    static void mutex##_before_fork(void) {                                                                            \
        pthread_mutex_lock(&mutex);                                                                                    \
    }                                                                                                                  \
    static void mutex##_in_parent(void) {                                                                              \
        pthread_mutex_unlock(&mutex);                                                                                  \
    }                                                                                                                  \
    static void mutex##_in_child(void) {                                                                               \
        forget();                                                                                                      \
        pthread_mutex_unlock(&mutex);                                                                                  \
    }                                                                                                                  \
    static void mutex##_register(void) {                                                                               \
        pthread_atfork(mutex##_before_fork, mutex##_in_parent, mutex##_in_child);                                      \
    }                                                                                                                  \
    static void mutex##_prepare(void) {                                                                                \
        static pthread_once_t once = PTHREAD_ONCE_INIT;                                                                \
        pthread_once(&once, mutex##_register);                                                                         \
    }

#endif
