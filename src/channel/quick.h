/* The quick way of a small message: of a put, or a take, by a thread that keeps the lock of its side (bias.h), when there
 * is nothing to wait for, to link or to wake. False: it was not this simple, and nothing has happened.
 *
 * The caller need not be inside of the object (family/thread.h). Memory of a channel remains a channel's, and its
 * destruction takes both locks: a thread that is inside of one, and finds its generation there, is before that. */
#ifndef CHANNEL_QUICK_H
#define CHANNEL_QUICK_H

#include "channel/sides.h"

/* How far ahead of a record its memory is asked for, in bytes: the other processor has it. */
enum { PREFETCH_AHEAD = 256 };

/* Wakes those that wait for a message, and those that wait for room. */
void channel_after_put(struct channel *c);
void channel_after_take(struct channel *c);

static inline bool put_is_awaited(struct channel *c) {
    return atomic_load_explicit(&c->readable.flags, memory_order_relaxed) ||
           atomic_load_explicit(&c->fixed.bell, memory_order_relaxed);
}

static inline bool take_is_awaited(struct channel *c) {
    return atomic_load_explicit(&c->writable.flags, memory_order_relaxed) ||
           atomic_load_explicit(&c->readable.flags, memory_order_relaxed) ||
           atomic_load_explicit(&c->fixed.bell, memory_order_relaxed);
}

/* Under the lock: whether a message of that size, in a record of that length, can be put without further ado. */
static inline bool put_is_simple(struct channel *c, uint64_t generation, uint64_t tail, size_t size, uint64_t length) {
    return side_is_of(&c->put.generation, generation) &&
           atomic_load_explicit(&c->fixed.state, memory_order_relaxed) == CHANNEL_OPEN && !c->fixed.message_limit &&
           (!c->fixed.byte_limit ||
            put_bytes_used(c, c->put.taken_seen) + (int64_t)size <= (int64_t)c->fixed.byte_limit) &&
           position_place(tail) + length + LINK_RECORD <= c->put.size;
}

static inline __attribute__((always_inline)) bool put_quickly(struct channel *c, uint64_t generation, const void *data,
                                                              size_t size) {
    struct thread_row *row = bias_enter(&c->put.lock);
    if (!row) return false;
    uint64_t tail = atomic_load_explicit(&c->put.tail, memory_order_relaxed);
    uint64_t header = record_header(RECORD_INLINE, size);
    bool simple = put_is_simple(c, generation, tail, size, record_length(header));
    if (__builtin_expect(simple, 1)) {
        _Atomic uint64_t *record = record_at(atomic_load_explicit(&c->put.segment, memory_order_relaxed), tail);
        __builtin_prefetch((char *)record + PREFETCH_AHEAD, 1);
        put_record(c, record, tail, header, data);
        side_count_bytes(&c->put.bytes, size);
    }
    bias_leave(&c->put.lock, row);
    if (__builtin_expect(!simple, 0)) return false;
    taken_alone = 0;
    if (__builtin_expect(put_is_awaited(c), 0)) channel_after_put(c);
    return true;
}

/* exactly: the message has capacity bytes; else it may have fewer. */
static inline __attribute__((always_inline)) bool take_quickly(struct channel *c, uint64_t generation, void *buffer,
                                                               size_t capacity, bool exactly, size_t *size) {
    struct thread_row *row = bias_enter(&c->take.lock);
    if (!row) return false;
    _Atomic uint64_t *record = record_at(atomic_load_explicit(&c->take.segment, memory_order_relaxed),
                                         atomic_load_explicit(&c->take.head, memory_order_relaxed));
    uint64_t header = atomic_load_explicit(record, memory_order_acquire);
    bool fits = exactly ? header == record_header(RECORD_INLINE, capacity)
                        : record_type(header) == RECORD_INLINE && record_size(header) <= capacity;
    bool simple = fits && side_is_of(&c->take.generation, generation);
    if (exactly) header = record_header(RECORD_INLINE, capacity); /* a constant */
    if (__builtin_expect(simple, 1)) {
        __builtin_prefetch((char *)record + PREFETCH_AHEAD, 0);
        record_copy(buffer, record_payload(record), record_size(header));
        head_advance(c, header, record_size(header));
    }
    bias_leave(&c->take.lock, row);
    if (__builtin_expect(!simple, 0)) return false;
    if (size) *size = record_size(header);
    if (__builtin_expect(take_is_awaited(c), 0)) channel_after_take(c);
    return true;
}

/* The same for messages of any size. */
bool channel_put_any_quickly(struct channel *c, uint64_t generation, const void *data, size_t size);
bool channel_take_any_quickly(struct channel *c, uint64_t generation, void *buffer, size_t capacity, size_t *size);

/* A word is the size of most small messages: without a call, and with all lengths known, it takes half as long. */
static inline bool channel_put_quickly(struct channel *c, uint64_t generation, const void *data, size_t size) {
    return size == 8 ? put_quickly(c, generation, data, 8) : channel_put_any_quickly(c, generation, data, size);
}

static inline bool channel_take_quickly(struct channel *c, uint64_t generation, void *buffer, size_t capacity,
                                        size_t *size) {
    return (capacity >= 8 && take_quickly(c, generation, buffer, 8, true, size)) ||
           channel_take_any_quickly(c, generation, buffer, capacity, size);
}

#endif
