/* Value and Array: typed memory that all members of the family share, with a lock or without.
 *
 *     prong_shared_value hits;
 *     prong_shared_value_create(&hits, PRONG_TYPE_OF(long), NULL, NULL);
 *     prong_shared_value_add(hits, 1, NULL);             in any process: atomic, takes no lock
 *
 * get and set copy under the lock, if there is one. A process that dies while it holds that lock may leave a struct or an array
 * half changed: the next to take the lock, by get or set as well, gets PRONG_OWNER_DIED, and has done what it was to do.
 * The atomic calls take no lock; use either them or the lock for one value, not both.
 *
 * From a signal handler the atomic calls may be made; those that take the lock as prong_lock_acquire (see lock.h).
 *
 * All calls are safe from any number of threads and in forked children. Handles are plain values. */
#ifndef PRONG_SHARED_VALUE_H
#define PRONG_SHARED_VALUE_H

#include <prong/lock.h>
#include <stddef.h>

typedef enum prong_type {
    PRONG_TYPE_STRUCT = 0, /* bytes of a size given in the options */
    PRONG_TYPE_BOOL,
    PRONG_TYPE_CHAR,
    PRONG_TYPE_SCHAR,
    PRONG_TYPE_UCHAR,
    PRONG_TYPE_SHORT,
    PRONG_TYPE_USHORT,
    PRONG_TYPE_INT,
    PRONG_TYPE_UINT,
    PRONG_TYPE_LONG,
    PRONG_TYPE_ULONG,
    PRONG_TYPE_LLONG,
    PRONG_TYPE_ULLONG,
    PRONG_TYPE_FLOAT,
    PRONG_TYPE_DOUBLE,
    PRONG_TYPE_LDOUBLE,
    /* the same by width */
    PRONG_TYPE_INT8,
    PRONG_TYPE_UINT8,
    PRONG_TYPE_INT16,
    PRONG_TYPE_UINT16,
    PRONG_TYPE_INT32,
    PRONG_TYPE_UINT32,
    PRONG_TYPE_INT64,
    PRONG_TYPE_UINT64,
    PRONG_TYPE_WCHAR,
    PRONG_TYPE_SIZE
} prong_type;

/* The prong_type of a C type; wchar_t, size_t and the sized integers are among these. */
#define PRONG_TYPE_OF(type)                                                    \
    _Generic((type){0}, _Bool                                                  \
             : PRONG_TYPE_BOOL, char                                           \
             : PRONG_TYPE_CHAR, signed char                                    \
             : PRONG_TYPE_SCHAR, unsigned char                                 \
             : PRONG_TYPE_UCHAR, short                                         \
             : PRONG_TYPE_SHORT, unsigned short                                \
             : PRONG_TYPE_USHORT, int                                          \
             : PRONG_TYPE_INT, unsigned                                        \
             : PRONG_TYPE_UINT, long                                           \
             : PRONG_TYPE_LONG, unsigned long                                  \
             : PRONG_TYPE_ULONG, long long                                     \
             : PRONG_TYPE_LLONG, unsigned long long                            \
             : PRONG_TYPE_ULLONG, float                                        \
             : PRONG_TYPE_FLOAT, double                                        \
             : PRONG_TYPE_DOUBLE, long double                                  \
             : PRONG_TYPE_LDOUBLE)

/* Bytes of one element; 0 for PRONG_TYPE_STRUCT and for what is no type. */
PRONG_API size_t prong_type_size(prong_type type);

typedef struct prong_shared_value {
    uint64_t offset, generation;
} prong_shared_value;

typedef struct prong_shared_array {
    uint64_t offset, generation;
} prong_shared_array;

typedef struct prong_shared_value_options {
    bool unlocked;    /* no lock; all zero: a recursive lock of its own */
    prong_lock lock;  /* or this lock, which stays the caller's */
    size_t size;      /* of PRONG_TYPE_STRUCT: bytes an element */
    const char *name; /* for messages and reports; up to 23 bytes */
} prong_shared_value_options;

/* Makes a value; initial: its first content, copied; NULL: zero. options may be NULL.
 * Errors: PRONG_INVALID (no such type, a struct without a size, a lock and unlocked, name too long), PRONG_NO_MEMORY, PRONG_STALE (a lock
 * that is none). */
PRONG_CHECKED prong_status prong_shared_value_create(
    prong_shared_value *value, prong_type type, const void *initial,
    const prong_shared_value_options *options);
/* Where it lies, in this process: valid until it is destroyed. Aligned to 64. Errors: PRONG_STALE. */
PRONG_CHECKED prong_status prong_shared_value_data(prong_shared_value value,
                                                   void **data);
/* Copy it out, or in. Success: PRONG_OK, PRONG_OWNER_DIED. Errors: PRONG_TIMEOUT, PRONG_STALE. */
PRONG_CHECKED prong_status prong_shared_value_get(prong_shared_value value,
                                                  void *content,
                                                  prong_time timeout);
PRONG_API prong_status prong_shared_value_set(prong_shared_value value,
                                              const void *content,
                                              prong_time timeout);

/* Its lock, for several changes as one. Errors: as prong_lock_acquire and release; PRONG_INVALID when it has none. */
PRONG_CHECKED prong_status prong_shared_value_acquire(prong_shared_value value,
                                                      prong_time timeout);
PRONG_API prong_status prong_shared_value_release(prong_shared_value value);
/* The handle of its lock. Errors: PRONG_INVALID (none), PRONG_STALE. */
PRONG_API prong_status prong_shared_value_get_lock(prong_shared_value value,
                                                   prong_lock *lock);

/* --- atomic, without the lock: the fast form of "take the lock, change it, give it back". --- */

/* Integers: adds; *before (may be NULL) is what it was. Wraps around. Errors: PRONG_INVALID (another type), PRONG_STALE. */
PRONG_API prong_status prong_shared_value_add(prong_shared_value value,
                                              int64_t amount, int64_t *before);
/* float and double. */
PRONG_API prong_status prong_shared_value_add_double(prong_shared_value value,
                                                     double amount,
                                                     double *before);
/* Any type of 1, 2, 4 or 8 bytes. before may be NULL. Errors: PRONG_INVALID (another size), PRONG_STALE. */
PRONG_API prong_status prong_shared_value_exchange(prong_shared_value value,
                                                   const void *content,
                                                   void *before);
/* Sets it to wanted if it is, byte for byte, *expected; else *expected becomes what it is. *done: whether it did. */
PRONG_API prong_status prong_shared_value_compare_exchange(
    prong_shared_value value, void *expected, const void *wanted, bool *done);

/* Ends it, and its own lock. Errors: PRONG_STALE. */
PRONG_API prong_status prong_shared_value_destroy(prong_shared_value value);

/* --- Array: `count` elements of a type --- */

/* initial: `count` elements to copy; NULL: zero. Errors: as prong_shared_value_create; PRONG_INVALID for a count of 0. */
PRONG_CHECKED prong_status prong_shared_array_create(
    prong_shared_array *array, prong_type type, size_t count,
    const void *initial, const prong_shared_value_options *options);
/* Where its elements lie, and how many there are; either may be NULL. Errors: PRONG_STALE. */
PRONG_CHECKED prong_status prong_shared_array_data(prong_shared_array array,
                                                   void **data, size_t *count);
/* Copies `count` elements from `first` on. Errors: PRONG_INVALID (beyond its end), PRONG_TIMEOUT, PRONG_STALE. */
PRONG_CHECKED prong_status prong_shared_array_get(prong_shared_array array,
                                                  size_t first, size_t count,
                                                  void *content,
                                                  prong_time timeout);
PRONG_API prong_status prong_shared_array_set(prong_shared_array array,
                                              size_t first, size_t count,
                                              const void *content,
                                              prong_time timeout);
PRONG_CHECKED prong_status prong_shared_array_acquire(prong_shared_array array,
                                                      prong_time timeout);
PRONG_API prong_status prong_shared_array_release(prong_shared_array array);
PRONG_API prong_status prong_shared_array_get_lock(prong_shared_array array,
                                                   prong_lock *lock);
/* As prong_shared_value_add, to one element. */
PRONG_API prong_status prong_shared_array_add(prong_shared_array array,
                                              size_t index, int64_t amount,
                                              int64_t *before);
PRONG_API prong_status prong_shared_array_destroy(prong_shared_array array);

#endif
