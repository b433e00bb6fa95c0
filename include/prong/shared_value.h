/* Shared value: typed memory that all members of the family see, with a lock or
 * without. One element is what multiprocessing calls a Value, more an Array.
 *
 *     prong_shared_value hits;
 *     prong_shared_value_create(&hits, PRONG_TYPE_OF(long), 1, NULL, NULL);
 *     prong_shared_value_add(hits, 0, 1, NULL);   in any process: atomic
 *
 * Elements are named by their index; the one of a Value is 0. get and set copy
 * under the lock, if there is one. If a process dies while it holds that lock,
 * the content may be half changed. The next call that takes the lock, be it get
 * or set, then returns PRONG_OWNER_DIED, and has done its work. The atomic
 * calls take no lock: use either them or the lock for a value, not both.
 *
 * A signal handler may make the atomic calls. For those that take the lock see
 * lock.h. All calls are safe in threads and in forked children.
 * docs/shared-memory.md says when to use what. */
#ifndef PRONG_SHARED_VALUE_H
#define PRONG_SHARED_VALUE_H

#include <prong/lock.h>
#include <prong/type.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

typedef struct prong_shared_value {
    uint64_t offset, generation;
} prong_shared_value;

typedef struct prong_shared_value_options {
    bool unlocked;     /* no lock; all zero: a recursive lock of its own */
    prong_lock lock;   /* or this lock, which remains the caller's */
    size_t size;       /* of PRONG_TYPE_STRUCT: bytes of an element */
    const char *name;  /* for messages and reports; up to 23 bytes */
    void *reserved[4]; /* zero */
} prong_shared_value_options;

/* Creates a value of `count` elements, 1 and more, copied from `initial`; NULL:
 * zeros. It lives until prong_shared_value_destroy, or until the family ends.
 * options may be NULL.
 * Errors: PRONG_INVALID (no such type, no elements, a struct without a size, a
 * lock and `unlocked`, name too long), PRONG_NO_MEMORY, PRONG_STALE (the given
 * lock). */
PRONG_CHECKED prong_status prong_shared_value_create(
    prong_shared_value *value, prong_type type, size_t count,
    const void *initial, const prong_shared_value_options *options);

/* The address of the elements in this process, aligned to 64, and their number;
 * either pointer may be NULL. The memory belongs to the value: it is valid
 * until the value is destroyed. Errors: PRONG_STALE. */
PRONG_CHECKED prong_status prong_shared_value_data(prong_shared_value value,
                                                   void **data, size_t *count);

/* Copy `count` elements, beginning with number `first`, out of the value or
 * into it. The timeout is for the lock. One element of 1, 2, 4 or 8 bytes is
 * copied in one step, and so is never seen half changed.
 * Success: PRONG_OK, PRONG_OWNER_DIED (copied, too).
 * Errors: PRONG_INVALID (beyond the end), PRONG_TIMEOUT, PRONG_STALE. */
PRONG_CHECKED prong_status prong_shared_value_get(prong_shared_value value,
                                                  size_t first, size_t count,
                                                  void *content,
                                                  prong_time timeout);
PRONG_API prong_status prong_shared_value_set(prong_shared_value value,
                                              size_t first, size_t count,
                                              const void *content,
                                              prong_time timeout);

/* The handle of its lock, to acquire and release, so that several changes are
 * one. A lock of its own lives as long as the value.
 * Errors: PRONG_INVALID (it has none), PRONG_STALE. */
PRONG_CHECKED prong_status prong_shared_value_get_lock(prong_shared_value value,
                                                       prong_lock *lock);

/* --- atomic changes of an element, without the lock --- */

/* Adds to an integer, which wraps around. *before (may be NULL) gets its
 * previous value.
 * Errors: PRONG_INVALID (no integer, beyond the end), PRONG_STALE. */
PRONG_API prong_status prong_shared_value_add(prong_shared_value value,
                                              size_t index, int64_t amount,
                                              int64_t *before);

/* The same for float and double. */
PRONG_API prong_status prong_shared_value_add_double(prong_shared_value value,
                                                     size_t index,
                                                     double amount,
                                                     double *before);

/* Replaces an element of 1, 2, 4 or 8 bytes. *before (may be NULL) gets its
 * previous value. Errors: PRONG_INVALID (another size, beyond the end),
 * PRONG_STALE. */
PRONG_API prong_status prong_shared_value_exchange(prong_shared_value value,
                                                   size_t index,
                                                   const void *content,
                                                   void *before);

/* Replaces an element by *wanted if it equals *expected, byte for byte; else
 * stores the element in *expected. *done (may be NULL): whether it was
 * replaced. Errors: as prong_shared_value_exchange. */
PRONG_API prong_status prong_shared_value_compare_exchange(
    prong_shared_value value, size_t index, void *expected, const void *wanted,
    bool *done);

/* Destroys it, and its own lock if it has one. Errors: PRONG_STALE. */
PRONG_API prong_status prong_shared_value_destroy(prong_shared_value value);

PRONG_END_DECLS

#endif
