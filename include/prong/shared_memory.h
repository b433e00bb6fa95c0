/* Shared memory by name, for programs that are not related: the same POSIX
 * objects that Python's multiprocessing.shared_memory makes. Within a family
 * use shared values, which have no name and cannot leak; see
 * docs/shared-memory.md.
 *
 * An object remains until it is unlinked. Neither close nor the exit of a
 * process removes it.
 *
 * All calls are safe in threads and in forked children. None is for signal
 * handlers. */
#ifndef PRONG_SHARED_MEMORY_H
#define PRONG_SHARED_MEMORY_H

#include <prong/status.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

enum { PRONG_SHARED_MEMORY_NAME = 252 }; /* bytes, with the final zero */

/* The mapping of an object in this process. Filled by create and open, ended
 * by close. A forked child has the same mapping. */
typedef struct prong_shared_memory {
    void *data;
    size_t size; /* bytes; after open: whole pages, if the system rounds up */
    char name[PRONG_SHARED_MEMORY_NAME]; /* without a slash, as Python's */
    void *reserved[2];                   /* zero */
} prong_shared_memory;

/* Creates an object of that name and size and maps it. It is zero, and only
 * this user may read and write it. name NULL: a random one. The memory is
 * reserved: writing to it does not fail later.
 * Errors: PRONG_EXISTS, PRONG_INVALID (no bytes; a name that is empty, too long
 * or has a slash), PRONG_NO_MEMORY, PRONG_NO_DESCRIPTORS, PRONG_PERMISSION,
 * PRONG_SYSTEM. */
PRONG_CHECKED prong_status prong_shared_memory_create(
    prong_shared_memory *memory, const char *name, size_t size);

/* Maps an existing object. Errors: PRONG_NOT_FOUND, PRONG_INVALID (as above; it
 * has no bytes yet), and the others of create. */
PRONG_CHECKED prong_status prong_shared_memory_open(prong_shared_memory *memory,
                                                    const char *name);

/* Ends this process's mapping. The object remains. Closing twice is allowed. */
PRONG_API prong_status prong_shared_memory_close(prong_shared_memory *memory);

/* Removes the name. Existing mappings remain; the memory is freed with the last
 * of them. Errors: PRONG_NOT_FOUND, PRONG_INVALID (the name),
 * PRONG_PERMISSION. */
PRONG_API prong_status prong_shared_memory_unlink(const char *name);

PRONG_END_DECLS

#endif
