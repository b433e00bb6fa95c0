/* Hashes of keys. They are keyed with a number of this process's own, so that no sender can make keys that collide. */
#include "base/error.h"
#include "os/os.h"
#include "value/equal.h"
#include "value/number.h"
#include <math.h>
#include <stdatomic.h>
#include <string.h>

static uint64_t hash_rotate(uint64_t x, int bits) {
    return x << bits | x >> (64 - bits);
}

/* Drawn once; two threads that draw at the same time agree by the exchange. */
static uint64_t hash_key(void) {
    static _Atomic uint64_t key;
    uint64_t k = atomic_load_explicit(&key, memory_order_relaxed);
    if (k) return k;
    k = os_random() | 1;
    uint64_t none = 0;
    return atomic_compare_exchange_strong(&key, &none, k) ? k : none;
}

/* SipHash-1-3 (Aumasson, Bernstein), with its second key word derived from the first. */
static uint64_t hash_bytes(const void *data, size_t size, uint64_t key) {
    value_work_add(value_work_of_hashing(size));
    uint64_t k1 = hash_rotate(key, 32) * 0x9e3779b97f4a7c15u;
    uint64_t a = key ^ 0x736f6d6570736575u, b = k1 ^ 0x646f72616e646f6du, c = key ^ 0x6c7967656e657261u,
             d = k1 ^ 0x7465646279746573u;
#define ROUND                                                                                                          \
    a += b, b = hash_rotate(b, 13) ^ a, a = hash_rotate(a, 32), c += d, d = hash_rotate(d, 16) ^ c, a += d,            \
            d = hash_rotate(d, 21) ^ a, c += b, b = hash_rotate(b, 17) ^ c, c = hash_rotate(c, 32)
    const unsigned char *at = data;
    for (size_t left = size; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        d ^= word;
        ROUND;
        a ^= word;
    }
    uint64_t last = (uint64_t)size << 56;
    for (size_t i = 0; i < size % 8; i++) last |= (uint64_t)at[i] << (8 * i);
    d ^= last;
    ROUND;
    a ^= last;
    c ^= 0xff;
    ROUND;
    ROUND;
    ROUND;
#undef ROUND
    return a ^ b ^ c ^ d;
}

static uint64_t hash_word(uint64_t word, uint64_t key) {
    word = (word ^ key) * 0x9e3779b97f4a7c15u;
    word ^= word >> 32;
    word *= 0xd6e8feb86659fd93u;
    return word ^ word >> 32;
}

/* Numbers that are equal hash alike: by their integer if they are one. */
static uint64_t hash_number(prong_value number, uint64_t key) {
    unsigned char bytes[INTEGRAL_MAX];
    size_t size;
    if (value_kind(number) == PRONG_KIND_FLOAT) {
        double real = number.real;
        if (real >= -9223372036854775808.0 && real < 9223372036854775808.0 && real == floor(real))
            return hash_word((uint64_t)(int64_t)real, key);
        if (isnan(real)) return hash_word(0, ~key); /* whatever its bits: see value_same */
        if (!isfinite(real) || real != floor(real)) return hash_word((uint64_t)number.integer, ~key);
        size = integral_bytes(real, bytes);
        return hash_bytes(bytes, size, key);
    }
    if (value_is_big(number)) return hash_bytes(number.pointer, value_size(number), key);
    return hash_word((uint64_t)number.integer, key);
}

static prong_status hash_refused(const char *name) {
    return fail(PRONG_INVALID, "unhashable type: '%s'", name);
}

static prong_status hash_value(prong_value key, uint64_t secret, unsigned depth, uint64_t *hash);

static prong_status hash_items(prong_value tuple, uint64_t secret, unsigned depth, uint64_t *hash) {
    size_t count;
    const prong_value *items = value_items(tuple, &count);
    uint64_t all = hash_word(count, secret), one;
    for (size_t i = 0; i < count; i++) {
        prong_status status = hash_value(items[i], secret, depth, &one);
        if (status < 0) return status;
        all = hash_word(all ^ one, secret);
    }
    *hash = all;
    return PRONG_OK;
}

/* The same in any order. */
static prong_status hash_members(prong_value frozenset, uint64_t secret, unsigned depth, uint64_t *hash) {
    const struct table *table = value_table(frozenset);
    uint64_t all = hash_word(table->count, secret), one;
    size_t at = 0;
    for (struct entry *entry = table_next(table, &at); entry; entry = table_next(table, &at)) {
        prong_status status = hash_value(entry->key, secret, depth, &one);
        if (status < 0) return status;
        all += hash_word(one, secret);
    }
    *hash = all;
    return PRONG_OK;
}

/* Computed once for each tuple and frozenset, and kept there. */
static prong_status hash_once(prong_value value, uint64_t secret, unsigned depth, uint64_t *hash) {
    bool tuple = value_kind(value) == PRONG_KIND_TUPLE;
    uint32_t none = 0, *kept = !value.pointer ? &none
                               : tuple        ? &((struct tuple_node *)(uintptr_t)value.pointer)->hash
                                              : &((struct table_node *)(uintptr_t)value.pointer)->hash;
    if (!*kept) {
        prong_status status = (tuple ? hash_items : hash_members)(value, secret, depth, hash);
        if (status < 0) return status;
        *kept = (uint32_t)(*hash >> 16) | 1;
    }
    *hash = *kept;
    return PRONG_OK;
}

/* By class and arguments: what else an object has may still change. */
static prong_status hash_object(const struct object_node *object, uint64_t secret, unsigned depth, uint64_t *hash) {
    static const char *const mutable[] = {"OrderedDict", "deque",           "defaultdict", "Counter",
                                          "array",       "SimpleNamespace", "slice"};
    const char *name = object->class->name.pointer;
    for (size_t i = 0; i < sizeof(mutable) / sizeof(*mutable); i++)
        if (!strcmp(name, mutable[i])) return hash_refused(name);
    uint64_t arguments;
    prong_status status = hash_value(object->arguments, secret, depth, &arguments);
    if (status >= 0) *hash = arguments ^ hash_bytes(name, value_size(object->class->name), secret);
    return status;
}

static prong_status hash_value(prong_value key, uint64_t secret, unsigned depth, uint64_t *hash) {
    if (depth > DEPTH_MAX) return fail(PRONG_TOO_LONG, "a key is nested deeper than %d", DEPTH_MAX);
    if (!value_work_add(1)) return fail_text(PRONG_TOO_LONG, "keys take too long to hash");
    switch (value_kind(key)) {
    case PRONG_KIND_BOOL:
    case PRONG_KIND_INT:
    case PRONG_KIND_FLOAT: *hash = hash_number(key, secret); return PRONG_OK;
    case PRONG_KIND_STR:
    case PRONG_KIND_BYTES: *hash = hash_bytes(key.pointer, value_size(key), secret); return PRONG_OK;
    case PRONG_KIND_COMPLEX: {
        const struct complex_node *complex = key.pointer;
        *hash = hash_number(prong_make_float(complex->real), secret);
        if (complex->imaginary != 0) *hash ^= hash_number(prong_make_float(complex->imaginary), ~secret);
        return PRONG_OK;
    }
    case PRONG_KIND_TUPLE:
    case PRONG_KIND_FROZENSET: return hash_once(key, secret, depth + 1, hash);
    case PRONG_KIND_OBJECT: return hash_object(value_object(key), secret, depth + 1, hash);
    case PRONG_KIND_CLASS:
        *hash = hash_bytes(value_class(key)->name.pointer, value_size(value_class(key)->name), secret);
        return PRONG_OK;
    case PRONG_KIND_RANGE:
        *hash = hash_number(((const struct range_node *)key.pointer)->start, secret);
        return PRONG_OK;
    case PRONG_KIND_HANDLE:
        *hash = hash_word(((const struct handle_node *)key.pointer)->offset, secret);
        return PRONG_OK;
    case PRONG_KIND_NULL:
    case PRONG_KIND_ELLIPSIS:
    case PRONG_KIND_NOT_IMPLEMENTED: *hash = hash_word(key.head, ~secret); return PRONG_OK;
    default: return hash_refused(prong_kind_name(value_kind(key)));
    }
}

prong_status value_hash(prong_value key, uint32_t *hash) {
    uint64_t whole;
    prong_status status = hash_value(key, hash_key(), 0, &whole);
    if (status >= 0) *hash = (uint32_t)(whole ^ whole >> 32);
    return status;
}
