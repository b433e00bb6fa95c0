/* Shared memory in blocks: anonymous ones by handle, for the family; and named ones, for programs that are not related.
 *
 * An anonymous block has no name in the file system, cannot leak, and is the thing to use within a family. A named one is a
 * POSIX shared memory object, the same that Python's multiprocessing.shared_memory makes: it stays until somebody unlinks
 * it, which neither closing it nor exiting does.
 *
 * From a signal handler the calls on anonymous blocks come back (see prong.h); those on named ones are not for it. */
#ifndef PRONG_SHARED_MEMORY_H
#define PRONG_SHARED_MEMORY_H

#include <prong/status.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

/* --- anonymous, by handle --- */

typedef struct prong_block {
    uint64_t offset, generation;
} prong_block;

/* A block of `size` zero bytes (1 and more), which lives until prong_block_destroy, or until the family ends.
 * Errors: PRONG_INVALID (no bytes), PRONG_NO_MEMORY. Thread-safe, fork-safe, as all calls here. */
PRONG_CHECKED prong_status prong_block_create(prong_block *block, size_t size);
/* Where it lies in this process (aligned to 64), and its size; either may be NULL. Errors: PRONG_STALE. */
PRONG_CHECKED prong_status prong_block_data(prong_block block, void **data, size_t *size);
/* Frees it: pointers into it are invalid from then on, in all processes. Errors: PRONG_STALE. */
PRONG_API prong_status prong_block_destroy(prong_block block);

/* --- named --- */

enum { PRONG_SHARED_MEMORY_NAME = 252 };

/* One process's view. Filled by create and attach; a forked child has the view too. */
typedef struct prong_shared_memory {
    void *data;
    size_t size;                         /* bytes; of one that is attached: whole pages where the system rounds up */
    char name[PRONG_SHARED_MEMORY_NAME]; /* without a slash, as Python's */
} prong_shared_memory;

/* Makes an object of that name and size, zero, readable and writable by this user alone, and maps it. name NULL: a random
 * one. The memory is the system's promise: touching it does not fail later. Errors: PRONG_EXISTS, PRONG_INVALID (no bytes; a
 * name that is empty, too long, or holds a slash), PRONG_NO_MEMORY, PRONG_NO_DESCRIPTORS, PRONG_PERMISSION, PRONG_SYSTEM. */
PRONG_CHECKED prong_status prong_shared_memory_create(prong_shared_memory *memory, const char *name, size_t size);
/* Maps one that exists. Errors: PRONG_NOT_FOUND, and as above; PRONG_INVALID also when it has no bytes (yet). */
PRONG_CHECKED prong_status prong_shared_memory_attach(prong_shared_memory *memory, const char *name);
/* Ends this process's view; the object stays. Closing twice is allowed. */
PRONG_API prong_status prong_shared_memory_close(prong_shared_memory *memory);
/* Removes the name: those who have it mapped keep it, the memory is freed after the last. Errors: PRONG_NOT_FOUND. */
PRONG_API prong_status prong_shared_memory_unlink(const char *name);

PRONG_END_DECLS

#endif
