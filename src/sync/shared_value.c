/* Shared values: elements of a type, with a lock beside them. A Value has one element, an Array more. */
#include <prong/shared_value.h>

#include "base/error.h"
#include "family/heap.h"
#include "sync/sync.h"

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

/* --- creating and destroying --- */

static prong_status shared_choose_lock(struct shared *s, const prong_shared_value_options *o) {
    if (o->lock.generation && o->unlocked) return fail(PRONG_INVALID, "value create: a lock is given, and none wanted");
    return o->unlocked ? PRONG_OK : sync_lock_choose(o->lock, o->name, &s->lock, &s->lock_is_own);
}

static prong_status shared_place(struct shared *s) {
    uint64_t bytes;
    if (__builtin_mul_overflow(s->size, s->count, &bytes))
        return fail(PRONG_NO_MEMORY, "value create: %llu elements of %llu bytes", (unsigned long long)s->count,
                    (unsigned long long)s->size);
    s->data = arena_offset(s->small);
    if (bytes <= INLINE_BYTES) return PRONG_OK;
    prong_status status = heap_alloc(bytes, 0, &s->block, NULL);
    s->data = s->block;
    return status;
}

static prong_status shared_fill(struct shared *s, const void *initial, const prong_shared_value_options *options) {
    TRY(shared_place(s));
    if (initial)
        memcpy(arena_at(s->data), initial, s->size * s->count);
    else
        memset(arena_at(s->data), 0, s->size * s->count);
    return shared_choose_lock(s, options);
}

static bool shared_is_integer(const struct shared *s) {
    return s->class == CLASS_SIGNED || s->class == CLASS_UNSIGNED;
}

prong_status prong_shared_value_create(prong_shared_value *handle, prong_type type, size_t count, const void *initial,
                                       const prong_shared_value_options *options) {
    struct shared *s;
    const prong_shared_value_options o = options ? *options : (prong_shared_value_options){0};
    CHECK_RESERVED(options, "value create: options");
    if (!is_type(type)) return fail(PRONG_INVALID, "value create: there is no type %d", (int)type);
    size_t size = type == PRONG_TYPE_STRUCT ? o.size : prong_type_size(type);
    if (size == 0) return fail(PRONG_INVALID, "value create: a struct needs its size in the options");
    if (count == 0) return fail(PRONG_INVALID, "value create: no elements");
    TRY(sync_create(KIND_SHARED, handle, o.name, (void **)&s));
    s->size = size;
    s->count = count;
    s->class = types[type].class;
    prong_status status = shared_fill(s, initial, &o);
    if (status < 0) {
        object_destroy(s, object_generation(s));
        return status;
    }
    if (count == 1 && size == 8 && shared_is_integer(s)) s->quick = object_generation(s);
    sync_publish(s, handle);
    return PRONG_OK;
}

prong_status prong_shared_value_destroy(prong_shared_value handle) {
    return object_destroy_handle(KIND_SHARED, handle.offset, handle.generation);
}

static inline prong_status shared_enter(struct visit *inside, prong_shared_value handle, struct shared **s) {
    return object_enter(inside, KIND_SHARED, handle.offset, handle.generation, (void **)s);
}

static prong_status shared_check_range(const struct shared *s, size_t first, size_t count) {
    if (__builtin_expect(first <= s->count && count <= s->count - first, 1)) return PRONG_OK;
    return fail(PRONG_INVALID, "elements %zu to %zu of an array of %llu", first, first + count,
                (unsigned long long)s->count);
}

/* The first element needs no bounds check and no multiplication. */
static inline prong_status shared_enter_element(struct visit *inside, prong_shared_value handle, size_t index,
                                                struct shared **s, void **element) {
    TRY(shared_enter(inside, handle, s));
    *element = arena_at((*s)->data);
    if (__builtin_expect(index == 0, 1)) return PRONG_OK;
    TRY(shared_check_range(*s, index, 1));
    *element = (char *)*element + index * (*s)->size;
    return PRONG_OK;
}

prong_status prong_shared_value_data(prong_shared_value handle, void **data, size_t *count) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    TRY(shared_enter(&inside, handle, &s));
    if (data) *data = arena_at(s->data);
    if (count) *count = s->count;
    return PRONG_OK;
}

/* --- its lock --- */

/* PRONG_INVALID where there is none. */
prong_status prong_shared_value_get_lock(prong_shared_value handle, prong_lock *lock) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    TRY(shared_enter(&inside, handle, &s));
    if (!s->lock.generation) return fail_text(PRONG_INVALID, "get_lock of a value that has no lock");
    *lock = s->lock;
    return PRONG_OK;
}

/* --- copying, under the lock --- */

/* An element that the processor can move in one step is moved in one step, so that a value to which others add
 * atomically may be read and written. The caller's memory need not be aligned. */
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

static void shared_copy(struct shared *s, size_t first, size_t count, void *out, const void *in) {
    void *elements = (char *)arena_at(s->data) + first * s->size;
    if (count == 1)
        out ? element_out(out, elements, s->size) : element_in(elements, in, s->size);
    else if (out)
        memcpy(out, elements, count * s->size);
    else if (in)
        memcpy(elements, in, count * s->size);
}

/* Copies out of the value, or into it: one of the two pointers is NULL. */
static prong_status shared_transfer(prong_shared_value handle, size_t first, size_t count, void *out, const void *in,
                                    prong_time timeout) {
    struct shared *s;
    INSIDE struct visit inside = {0};
    TRY(shared_enter(&inside, handle, &s));
    TRY(check_bytes(out ? out : in, count, "value: content"));
    TRY(shared_check_range(s, first, count));
    if (!s->lock.generation) {
        shared_copy(s, first, count, out, in);
        return PRONG_OK;
    }
    prong_status status = sync_lock_acquire(s->lock, timeout);
    if (status < 0) return status;
    shared_copy(s, first, count, out, in);
    sync_lock_release(s->lock);
    return status;
}

prong_status prong_shared_value_get(prong_shared_value handle, size_t first, size_t count, void *content,
                                    prong_time timeout) {
    return shared_transfer(handle, first, count, content, NULL, timeout);
}

prong_status prong_shared_value_set(prong_shared_value handle, size_t first, size_t count, const void *content,
                                    prong_time timeout) {
    return shared_transfer(handle, first, count, NULL, content, timeout);
}

/* --- atomic changes, without the lock --- */

#define ORDERED __ATOMIC_SEQ_CST

#define ADD(signed_type, unsigned_type)                                                                                \
    ((int64_t)(s->class == CLASS_SIGNED                                                                                \
                   ? (int64_t)(signed_type)__atomic_fetch_add((unsigned_type *)at, (unsigned_type)amount, ORDERED)     \
                   : (int64_t)(uint64_t)__atomic_fetch_add((unsigned_type *)at, (unsigned_type)amount, ORDERED)))

static int64_t add_integer(struct shared *s, void *at, int64_t amount) {
    switch (s->size) {
    case 8: return (int64_t)__atomic_fetch_add((uint64_t *)at, (uint64_t)amount, ORDERED);
    case 4: return ADD(int32_t, uint32_t);
    case 2: return ADD(int16_t, uint16_t);
    default: return ADD(int8_t, uint8_t);
    }
}

__attribute__((noinline)) static prong_status add_slowly(prong_shared_value handle, size_t index, int64_t amount,
                                                         int64_t *before) {
    struct shared *s;
    void *at;
    INSIDE struct visit inside = {0};
    TRY(shared_enter_element(&inside, handle, index, &s, &at));
    if (__builtin_expect(!shared_is_integer(s), 0))
        return fail_text(PRONG_INVALID, "add to a value that is no integer");
    int64_t was = add_integer(s, at, amount);
    if (before) *before = was;
    return PRONG_OK;
}

/* The most frequent case, a single integer of 8 bytes: one check of the handle, and the address of the value without a
 * load that the atomic operation would wait for. */
static inline bool add_quickly(prong_shared_value value, int64_t amount, int64_t *before) {
    struct shared *s = (struct shared *)(void *)(arena_base + value.offset);
    INSIDE struct visit inside = {0};
    if (!object_is_place(value.offset) || value.generation == 0) return false;
    if (!visit_begin_quickly(&inside, value.offset)) return false;
    if (__atomic_load_n(&s->quick, __ATOMIC_RELAXED) != value.generation) return false;
    uint64_t *at = (uint64_t *)(void *)s->small;
    if (__builtin_expect(!before, 1))
        __atomic_fetch_add(at, (uint64_t)amount, ORDERED);
    else
        *before = (int64_t)__atomic_fetch_add(at, (uint64_t)amount, ORDERED);
    return true;
}

/* The slow path is out of line, so that the fast path need not save registers. */
prong_status prong_shared_value_add(prong_shared_value value, size_t index, int64_t amount, int64_t *before) {
    if (__builtin_expect(index == 0 && add_quickly(value, amount, before), 1)) return PRONG_OK;
    return add_slowly(value, index, amount, before);
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

prong_status prong_shared_value_add_double(prong_shared_value handle, size_t index, double amount, double *before) {
    struct shared *s;
    void *at;
    INSIDE struct visit inside = {0};
    TRY(shared_enter_element(&inside, handle, index, &s, &at));
    if (s->class != CLASS_FLOATING) return fail_text(PRONG_INVALID, "add_double to a value that is no float or double");
    double was = s->size == sizeof(float) ? add_float(at, amount) : add_double(at, amount);
    if (before) *before = was;
    return PRONG_OK;
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

static inline prong_status shared_enter_atomic(struct visit *inside, prong_shared_value handle, size_t index,
                                               struct shared **s, void **element) {
    TRY(shared_enter_element(inside, handle, index, s, element));
    uint64_t size = (*s)->size;
    if (size == 1 || size == 2 || size == 4 || size == 8) return PRONG_OK;
    return fail(PRONG_INVALID, "no atomic change of a value of %llu bytes", (unsigned long long)size);
}

prong_status prong_shared_value_exchange(prong_shared_value handle, size_t index, const void *content, void *before) {
    struct shared *s;
    void *at;
    char was[8] = {0};
    INSIDE struct visit inside = {0};
    TRY(shared_enter_atomic(&inside, handle, index, &s, &at));
    while (!compare_exchange(at, was, content, s->size)) {}
    if (before) memcpy(before, was, s->size);
    return PRONG_OK;
}

prong_status prong_shared_value_compare_exchange(prong_shared_value handle, size_t index, void *expected,
                                                 const void *wanted, bool *done) {
    struct shared *s;
    void *at;
    INSIDE struct visit inside = {0};
    TRY(shared_enter_atomic(&inside, handle, index, &s, &at));
    bool did = compare_exchange(at, expected, wanted, s->size);
    if (done) *done = did;
    return PRONG_OK;
}

/* --- as an object --- */

static void shared_end(void *object) {
    struct shared *s = object;
    __atomic_store_n(&s->quick, 0, __ATOMIC_RELAXED);
    if (s->lock_is_own) prong_lock_destroy(s->lock);
}

static uint64_t shared_weigh(void *object) {
    struct shared *s = object;
    return s->block ? s->size * s->count : 0;
}

static bool shared_dispose(void *object) {
    struct shared *s = object;
    if (s->block) heap_free(s->block, &s->block);
    return true;
}

static void shared_recover(void *object, uint32_t dead) {
    (void)object;
    (void)dead;
}

const struct object_type shared_type = {
    .name = "value",
    .size = sizeof(struct shared),
    .recover = shared_recover,
    .end = shared_end,
    .dispose = shared_dispose,
    .weigh = shared_weigh,
};
