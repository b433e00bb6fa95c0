/* The CPUs that workers are bound to: lists in the kernel's form, "0-3,8", one a worker in turn. */
#ifndef POOL_CPUS_H
#define POOL_CPUS_H

#include <prong/status.h>
#include <stdint.h>

/* lists: up to a NULL. Errors: PRONG_INVALID (not a list; none; a CPU that this process may not use). */
prong_status cpus_check(const char *const *lists);
/* Binds this process, which has one thread, to the list of the worker at that place. */
prong_status cpus_bind(uint64_t lists, uint64_t place);

#endif
