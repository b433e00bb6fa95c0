/* Value and Array: typed memory with a lock beside it. */
#include <prong/shared_value.h>

#include "base/error.h"
#include "family/heap.h"
#include "sync/types.h"

#include <string.h>
#include <wchar.h>

enum { INLINE_BYTES = 64 };
enum type_class { CLASS_NONE, CLASS_SIGNED, CLASS_UNSIGNED, CLASS_FLOATING };

struct shared {
    struct object object;
    uint64_t data;  /* arena offset of the elements: of `small`, or of a block */
    uint64_t size;  /* of an element */
    uint64_t class; /* enum type_class */
    uint64_t count;
    uint64_t is_array;
    uint64_t lock_is_own;
    uint64_t block;  /* 0: the elements are in `small` */
    uint64_t quick;  /* while it lives, of an integer of 8 bytes: the generation; else 0 */
    prong_lock lock; /* generation 0: none */
    _Alignas(64) char small[INLINE_BYTES];
};

static const struct {
    uint8_t size, class;
} types[] = {
    [PRONG_TYPE_BOOL] = {sizeof(bool), CLASS_NONE},
    [PRONG_TYPE_CHAR] = {1, (char)-1 < 0 ? CLASS_SIGNED : CLASS_UNSIGNED},
    [PRONG_TYPE_SCHAR] = {1, CLASS_SIGNED},
    [PRONG_TYPE_UCHAR] = {1, CLASS_UNSIGNED},
    [PRONG_TYPE_SHORT] = {sizeof(short), CLASS_SIGNED},
    [PRONG_TYPE_USHORT] = {sizeof(short), CLASS_UNSIGNED},
    [PRONG_TYPE_INT] = {sizeof(int), CLASS_SIGNED},
    [PRONG_TYPE_UINT] = {sizeof(int), CLASS_UNSIGNED},
    [PRONG_TYPE_LONG] = {sizeof(long), CLASS_SIGNED},
    [PRONG_TYPE_ULONG] = {sizeof(long), CLASS_UNSIGNED},
    [PRONG_TYPE_LLONG] = {sizeof(long long), CLASS_SIGNED},
    [PRONG_TYPE_ULLONG] = {sizeof(long long), CLASS_UNSIGNED},
    [PRONG_TYPE_FLOAT] = {sizeof(float), CLASS_FLOATING},
    [PRONG_TYPE_DOUBLE] = {sizeof(double), CLASS_FLOATING},
    [PRONG_TYPE_LDOUBLE] = {sizeof(long double), CLASS_NONE},
    [PRONG_TYPE_INT8] = {1, CLASS_SIGNED},
    [PRONG_TYPE_UINT8] = {1, CLASS_UNSIGNED},
    [PRONG_TYPE_INT16] = {2, CLASS_SIGNED},
    [PRONG_TYPE_UINT16] = {2, CLASS_UNSIGNED},
    [PRONG_TYPE_INT32] = {4, CLASS_SIGNED},
    [PRONG_TYPE_UINT32] = {4, CLASS_UNSIGNED},
    [PRONG_TYPE_INT64] = {8, CLASS_SIGNED},
    [PRONG_TYPE_UINT64] = {8, CLASS_UNSIGNED},
    [PRONG_TYPE_WCHAR] = {sizeof(wchar_t), WCHAR_MIN < 0 ? CLASS_SIGNED : CLASS_UNSIGNED},
    [PRONG_TYPE_SIZE] = {sizeof(size_t), CLASS_UNSIGNED},
};

static bool is_type(prong_type type) {
    return (unsigned)type < sizeof types / sizeof *types;
}

size_t prong_type_size(prong_type type) {
    return is_type(type) ? types[type].size : 0;
}

/* --- create, destroy --- */

static prong_status choose_lock(struct shared *s, const prong_shared_value_options *o) {
    if (o->lock.generation && o->unlocked) return fail(PRONG_INVALID, "value create: a lock is given, and none wanted");
    return o->unlocked ? PRONG_OK : sync_lock_choose(o->lock, o->name, &s->lock, &s->lock_is_own);
}

static prong_status place_elements(struct shared *s) {
    uint64_t bytes;
    if (__builtin_mul_overflow(s->size, s->count, &bytes))
        return fail(PRONG_NO_MEMORY, "array create: %llu elements of %llu bytes", (unsigned long long)s->count,
                    (unsigned long long)s->size);
    s->data = arena_offset(s->small);
    if (bytes <= INLINE_BYTES) return PRONG_OK;
    prong_status status = heap_alloc(bytes, 0, &s->block, NULL);
    s->data = s->block;
    return status;
}

static prong_status fill(struct shared *s, const void *initial, const prong_shared_value_options *options) {
    prong_status status = place_elements(s);
    if (status < 0) return status;
    if (initial)
        memcpy(arena_at(s->data), initial, s->size * s->count);
    else
        memset(arena_at(s->data), 0, s->size * s->count);
    return choose_lock(s, options);
}

static prong_status create(void *handle, prong_type type, size_t count, bool is_array, const void *initial,
                           const prong_shared_value_options *options) {
    struct shared *s;
    const prong_shared_value_options o = options ? *options : (prong_shared_value_options){0};
    size_t size = type == PRONG_TYPE_STRUCT ? o.size : prong_type_size(type);
    const char *what = is_array ? "array" : "value";
    if (!is_type(type)) return fail(PRONG_INVALID, "%s create: there is no type %d", what, (int)type);
    if (size == 0) return fail(PRONG_INVALID, "%s create: a struct needs its size in the options", what);
    if (count == 0) return fail(PRONG_INVALID, "%s create: no elements", what);
    prong_status status = sync_create(KIND_SHARED, handle, o.name, (void **)&s);
    if (status < 0) return status;
    s->size = size;
    s->count = count;
    s->class = types[type].class;
    s->is_array = is_array;
    status = fill(s, initial, &o);
    if (status < 0) {
        object_destroy(s, object_generation(s));
        return status;
    }
    if (!is_array && size == 8 && (s->class == CLASS_SIGNED || s->class == CLASS_UNSIGNED))
        s->quick = object_generation(s);
    sync_publish(s, handle);
    return PRONG_OK;
}

static inline prong_status shared_enter(struct visit *inside, uint64_t offset, uint64_t generation, struct shared **s) {
    return object_enter(inside, KIND_SHARED, offset, generation, (void **)s);
}

static prong_status destroy(uint64_t offset, uint64_t generation) {
    return object_destroy_handle(KIND_SHARED, offset, generation);
}

static void shared_end(void *object) {
    struct shared *s = object;
    __atomic_store_n(&s->quick, 0, __ATOMIC_RELAXED);
    if (s->lock_is_own) prong_lock_destroy(s->lock);
}

static uint64_t shared_weigh(void *object) {
    struct shared *s = object;
    return s->block ? s->size * s->count : 0;
}

static bool dispose(void *object) {
    struct shared *s = object;
    if (s->block) heap_free(s->block, &s->block);
    return true;
}

static void recover(void *object, uint32_t dead) {
    (void)object;
    (void)dead;
}

const struct object_type shared_type = {
    .name = "value",
    .size = sizeof(struct shared),
    .recover = recover,
    .end = shared_end,
    .dispose = dispose,
    .weigh = shared_weigh,
};

/* --- under the lock --- */

static prong_status acquire(struct shared *s, prong_time timeout) {
    return s->lock.generation ? sync_lock_acquire(s->lock, timeout) : PRONG_OK;
}

static prong_status release(struct shared *s) {
    return s->lock.generation ? sync_lock_release(s->lock) : PRONG_OK;
}

static prong_status check_range(const struct shared *s, size_t first, size_t count) {
    if (first <= s->count && count <= s->count - first) return PRONG_OK;
    return fail(PRONG_INVALID, "elements %zu to %zu of an array of %llu", first, first + count,
                (unsigned long long)s->count);
}

/* One element that a processor moves at once is moved at once, so that a value that others add to atomically may be read
 * and written. The other side is the caller's, and need not be aligned. */
static void element_out(void *out, const void *element, size_t size) {
    uint64_t eight;
    uint32_t four;
    uint16_t two;
    switch (size) {
    case 8: eight = __atomic_load_n((const uint64_t *)element, __ATOMIC_RELAXED), memcpy(out, &eight, 8); break;
    case 4: four = __atomic_load_n((const uint32_t *)element, __ATOMIC_RELAXED), memcpy(out, &four, 4); break;
    case 2: two = __atomic_load_n((const uint16_t *)element, __ATOMIC_RELAXED), memcpy(out, &two, 2); break;
    case 1: *(uint8_t *)out = __atomic_load_n((const uint8_t *)element, __ATOMIC_RELAXED); break;
    default: memcpy(out, element, size);
    }
}

static void element_in(void *element, const void *in, size_t size) {
    uint64_t eight;
    uint32_t four;
    uint16_t two;
    switch (size) {
    case 8: memcpy(&eight, in, 8), __atomic_store_n((uint64_t *)element, eight, __ATOMIC_RELAXED); break;
    case 4: memcpy(&four, in, 4), __atomic_store_n((uint32_t *)element, four, __ATOMIC_RELAXED); break;
    case 2: memcpy(&two, in, 2), __atomic_store_n((uint16_t *)element, two, __ATOMIC_RELAXED); break;
    case 1: __atomic_store_n((uint8_t *)element, *(const uint8_t *)in, __ATOMIC_RELAXED); break;
    default: memcpy(element, in, size);
    }
}

static prong_status copy(struct shared *s, size_t first, size_t count, void *out, const void *in, prong_time timeout) {
    TRY(check_bytes(out ? out : in, count, "value: content"));
    prong_status status = check_range(s, first, count);
    if (status >= 0) status = acquire(s, timeout);
    if (status < 0) return status;
    char *elements = (char *)arena_at(s->data) + first * s->size;
    if (count == 1)
        out ? element_out(out, elements, s->size) : element_in(elements, in, s->size);
    else if (out)
        memcpy(out, elements, count * s->size);
    else
        memcpy(elements, in, count * s->size);
    release(s);
    return status;
}

static prong_status acquire_own(uint64_t offset, uint64_t generation, prong_time timeout) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    prong_status status = shared_enter(&inside, offset, generation, &s);
    if (status < 0) return status;
    return s->lock.generation ? acquire(s, timeout) : fail(PRONG_INVALID, "acquire of a value that has no lock");
}

static prong_status release_own(uint64_t offset, uint64_t generation) {
    struct shared *s;
    struct lock *lock;
    INSIDE struct visit inside = {0};
    prong_status status = shared_enter(&inside, offset, generation, &s);
    if (status < 0) return status;
    if (!s->lock.generation) return fail(PRONG_INVALID, "release of a value that has no lock");
    INSIDE struct visit inside_lock = {0};
    status = sync_lock_enter(&inside_lock, s->lock, &lock);
    if (status >= 0 && mutex_holder(&lock->mutex) == 0)
        return fail_text(PRONG_NOT_OWNER, "release of a value's lock that is free");
    return status < 0 ? status : sync_lock_release(s->lock);
}

static prong_status get_lock(uint64_t offset, uint64_t generation, prong_lock *lock) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    prong_status status = shared_enter(&inside, offset, generation, &s);
    if (status < 0) return status;
    if (!s->lock.generation) return fail(PRONG_INVALID, "get_lock of a value that has none");
    *lock = s->lock;
    return PRONG_OK;
}

/* --- atomic --- */

#define ORDERED __ATOMIC_SEQ_CST

#define ADD(signed_type, unsigned_type)                                                                                \
    ((int64_t)(s->class == CLASS_SIGNED                                                                                \
                   ? (int64_t)(signed_type)__atomic_fetch_add((unsigned_type *)at, (unsigned_type)amount, ORDERED)     \
                   : (int64_t)(uint64_t)__atomic_fetch_add((unsigned_type *)at, (unsigned_type)amount, ORDERED)))

static inline prong_status add(struct shared *s, uint64_t index, int64_t amount, int64_t *before) {
    int64_t was;
    if (__builtin_expect(s->class != CLASS_SIGNED && s->class != CLASS_UNSIGNED, 0))
        return fail_text(PRONG_INVALID, "add to a value that is no integer");
    void *at = (char *)arena_at(s->data) + index * s->size;
    switch (s->size) {
    case 8: was = (int64_t)__atomic_fetch_add((uint64_t *)at, (uint64_t)amount, ORDERED); break;
    case 4: was = ADD(int32_t, uint32_t); break;
    case 2: was = ADD(int16_t, uint16_t); break;
    default: was = ADD(int8_t, uint8_t); break;
    }
    if (before) *before = was;
    return PRONG_OK;
}

static double add_float(float *at, double amount) {
    float was = 0, next;
    __atomic_load(at, &was, __ATOMIC_RELAXED);
    do next = (float)(was + amount);
    while (!__atomic_compare_exchange(at, &was, &next, true, ORDERED, __ATOMIC_RELAXED));
    return was;
}

static double add_double(double *at, double amount) {
    double was = 0, next;
    __atomic_load(at, &was, __ATOMIC_RELAXED);
    do next = was + amount;
    while (!__atomic_compare_exchange(at, &was, &next, true, ORDERED, __ATOMIC_RELAXED));
    return was;
}

static bool compare_exchange(void *at, void *expected, const void *wanted, size_t size) {
#define EXCHANGE_IF(type)                                                                                              \
    do {                                                                                                               \
        type old, next;                                                                                                \
        memcpy(&old, expected, sizeof old);                                                                            \
        memcpy(&next, wanted, sizeof next);                                                                            \
        bool done = __atomic_compare_exchange_n((type *)at, &old, next, false, ORDERED, ORDERED);                      \
        memcpy(expected, &old, sizeof old);                                                                            \
        return done;                                                                                                   \
    } while (0)
    switch (size) {
    case 8: EXCHANGE_IF(uint64_t);
    case 4: EXCHANGE_IF(uint32_t);
    case 2: EXCHANGE_IF(uint16_t);
    default: EXCHANGE_IF(uint8_t);
    }
}

static prong_status enter_atomic(struct visit *inside, prong_shared_value value, struct shared **s) {
    prong_status status = shared_enter(inside, value.offset, value.generation, s);
    if (status < 0) return status;
    uint64_t size = (*s)->size;
    if (size == 1 || size == 2 || size == 4 || size == 8) return PRONG_OK;
    return fail(PRONG_INVALID, "no atomic change of a value of %llu bytes", (unsigned long long)size);
}

/* --- Value --- */

prong_status prong_shared_value_create(prong_shared_value *value, prong_type type, const void *initial,
                                       const prong_shared_value_options *options) {
    return create(value, type, 1, false, initial, options);
}

prong_status prong_shared_value_data(prong_shared_value value, void **data) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    prong_status status = shared_enter(&inside, value.offset, value.generation, &s);
    if (status >= 0) *data = arena_at(s->data);
    return status;
}

prong_status prong_shared_value_get(prong_shared_value value, void *content, prong_time timeout) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    prong_status status = shared_enter(&inside, value.offset, value.generation, &s);
    return status < 0 ? status : copy(s, 0, 1, content, NULL, timeout);
}

prong_status prong_shared_value_set(prong_shared_value value, const void *content, prong_time timeout) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    prong_status status = shared_enter(&inside, value.offset, value.generation, &s);
    return status < 0 ? status : copy(s, 0, 1, NULL, content, timeout);
}

prong_status prong_shared_value_acquire(prong_shared_value value, prong_time timeout) {
    return acquire_own(value.offset, value.generation, timeout);
}

prong_status prong_shared_value_release(prong_shared_value value) {
    return release_own(value.offset, value.generation);
}

prong_status prong_shared_value_get_lock(prong_shared_value value, prong_lock *lock) {
    return get_lock(value.offset, value.generation, lock);
}

/* The most frequent case, an integer of 8 bytes: one look at the handle, and the place of the value without a load that
 * the atomic operation would wait for. */
static inline bool add_quickly(prong_shared_value value, int64_t amount, int64_t *before) {
    struct shared *s = (struct shared *)(void *)(arena_base + value.offset);
    INSIDE struct visit inside = {0};
    if (!object_is_place(value.offset) || value.generation == 0) return false;
    if (self_token() == 0 || visit_begin(&inside, value.offset)) return false;
    if (__atomic_load_n(&s->quick, __ATOMIC_RELAXED) != value.generation) return false;
    uint64_t *at = (uint64_t *)(void *)s->small;
    if (__builtin_expect(!before, 1))
        __atomic_fetch_add(at, (uint64_t)amount, ORDERED);
    else
        *before = (int64_t)__atomic_fetch_add(at, (uint64_t)amount, ORDERED);
    return true;
}

/* Out of line, so that the way above it needs no registers saved. */
__attribute__((noinline)) static prong_status add_slowly(prong_shared_value value, int64_t amount, int64_t *before) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    prong_status status = shared_enter(&inside, value.offset, value.generation, &s);
    return status < 0 ? status : add(s, 0, amount, before);
}

prong_status prong_shared_value_add(prong_shared_value value, int64_t amount, int64_t *before) {
    return __builtin_expect(add_quickly(value, amount, before), 1) ? PRONG_OK : add_slowly(value, amount, before);
}

prong_status prong_shared_value_add_double(prong_shared_value value, double amount, double *before) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    prong_status status = shared_enter(&inside, value.offset, value.generation, &s);
    if (status < 0) return status;
    if (s->class != CLASS_FLOATING) return fail_text(PRONG_INVALID, "add_double to a value that is no float or double");
    double was =
        s->size == sizeof(float) ? add_float(arena_at(s->data), amount) : add_double(arena_at(s->data), amount);
    if (before) *before = was;
    return PRONG_OK;
}

prong_status prong_shared_value_exchange(prong_shared_value value, const void *content, void *before) {
    struct shared *s;
    char was[8] = {0};
    INSIDE struct visit inside = {0};
    prong_status status = enter_atomic(&inside, value, &s);
    if (status < 0) return status;
    while (!compare_exchange(arena_at(s->data), was, content, s->size)) {}
    if (before) memcpy(before, was, s->size);
    return PRONG_OK;
}

prong_status prong_shared_value_compare_exchange(prong_shared_value value, void *expected, const void *wanted,
                                                 bool *done) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    prong_status status = enter_atomic(&inside, value, &s);
    if (status < 0) return status;
    bool did = compare_exchange(arena_at(s->data), expected, wanted, s->size);
    if (done) *done = did;
    return PRONG_OK;
}

prong_status prong_shared_value_destroy(prong_shared_value value) {
    return destroy(value.offset, value.generation);
}

/* --- Array --- */

prong_status prong_shared_array_create(prong_shared_array *array, prong_type type, size_t count, const void *initial,
                                       const prong_shared_value_options *options) {
    return create(array, type, count, true, initial, options);
}

prong_status prong_shared_array_data(prong_shared_array array, void **data, size_t *count) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    prong_status status = shared_enter(&inside, array.offset, array.generation, &s);
    if (status < 0) return status;
    if (data) *data = arena_at(s->data);
    if (count) *count = s->count;
    return PRONG_OK;
}

prong_status prong_shared_array_get(prong_shared_array array, size_t first, size_t count, void *content,
                                    prong_time timeout) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    prong_status status = shared_enter(&inside, array.offset, array.generation, &s);
    return status < 0 ? status : copy(s, first, count, content, NULL, timeout);
}

prong_status prong_shared_array_set(prong_shared_array array, size_t first, size_t count, const void *content,
                                    prong_time timeout) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    prong_status status = shared_enter(&inside, array.offset, array.generation, &s);
    return status < 0 ? status : copy(s, first, count, NULL, content, timeout);
}

prong_status prong_shared_array_acquire(prong_shared_array array, prong_time timeout) {
    return acquire_own(array.offset, array.generation, timeout);
}

prong_status prong_shared_array_release(prong_shared_array array) {
    return release_own(array.offset, array.generation);
}

prong_status prong_shared_array_get_lock(prong_shared_array array, prong_lock *lock) {
    return get_lock(array.offset, array.generation, lock);
}

prong_status prong_shared_array_add(prong_shared_array array, size_t index, int64_t amount, int64_t *before) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    prong_status status = shared_enter(&inside, array.offset, array.generation, &s);
    if (status >= 0) status = check_range(s, index, 1);
    return status < 0 ? status : add(s, index, amount, before);
}

prong_status prong_shared_array_destroy(prong_shared_array array) {
    return destroy(array.offset, array.generation);
}
