/* What a thread keeps that is too large for thread-local storage.
 *
 * The library's thread-local storage is reached by the quickest way (initial-exec), for which it has to lie in the block that the
 * system lays out once for all libraries; what is left there for a library loaded later, as Python loads one, is little. So larger
 * things lie in a page of the thread's own, made when it first asks, and given back when it ends. */
#ifndef BASE_LOCAL_H
#define BASE_LOCAL_H

#include <features.h> /* __GLIBC__ */
#include <stddef.h>

/* For small variables that calls use all the time. musl can load no library that has one of these. */
#ifdef __GLIBC__
#define QUICK_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define QUICK_LOCAL _Thread_local
#endif

/* One of these, static, for each thing that stands in that page; its address tells it from the others. */
struct local_slot {
    char unused;
};

/* The calling thread's memory of that slot, of always the same size, zero at first. NULL when there is no memory. */
void *local_memory(const struct local_slot *slot, size_t size);

#endif
