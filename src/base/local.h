/* Data of a thread that is too large for thread-local storage.
 *
 * The library's thread-local variables use the fastest access model (initial-exec). They must fit into the block that
 * the loader lays out at the start, in which little is left for a library that is loaded later, as Python loads one. So
 * larger data is in a page of the thread's own, which is allocated at its first use and freed when the thread ends. */
#ifndef BASE_LOCAL_H
#define BASE_LOCAL_H

#include <features.h> /* __GLIBC__ */
#include <stddef.h>

/* For small variables that calls use all the time. musl cannot load a library at run time that has one of these. */
#ifdef __GLIBC__
#define QUICK_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define QUICK_LOCAL _Thread_local
#endif

/* One static struct for each item in that page; its address identifies the item. */
struct local_slot {
    char unused;
};

/* The calling thread's memory for that slot, zero at first. The size must be the same in each call. NULL when there is
 * no memory. */
void *local_memory(const struct local_slot *slot, size_t size);

#endif
