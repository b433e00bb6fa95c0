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

/* Under the lock: whether a message of that size, in a record of that length at that place, can be put without further
 * ado. */
static inline bool put_is_simple(struct channel *c, uint64_t generation, uint64_t place, size_t size, uint64_t length) {
    return side_is_of(&c->put.generation, generation) &&
           atomic_load_explicit(&c->fixed.state, memory_order_relaxed) == CHANNEL_OPEN && !c->fixed.message_limit &&
           (!c->fixed.byte_limit ||
            put_bytes_used(c, c->put.taken_seen) + (int64_t)size <= (int64_t)c->fixed.byte_limit) &&
           place + length + LINK_RECORD <= c->put.size;
}

/* Under the lock: puts a small message, if that is simple. A word begins a run, or is put into the one at tail. */
static inline __attribute__((always_inline)) bool put_simply(struct channel *c, uint64_t generation, const void *data,
                                                             size_t size) {
    uint64_t tail = atomic_load_explicit(&c->put.tail, memory_order_relaxed);
    uint64_t at = position_index(tail) ? run_leave(tail) : tail, place = position_place(at);
    uint64_t header = record_header(RECORD_INLINE, size), length = record_length(header);
    bool in_run = size == 8 && !c->fixed.byte_limit && run_bytes(place);
    if (in_run) length = run_end(place) - place;
    if (__builtin_expect(!put_is_simple(c, generation, place, size, length), 0)) return false;
    _Atomic uint64_t *record = record_at(atomic_load_explicit(&c->put.segment, memory_order_relaxed), at);
    os_prefetch_to_write((char *)record + PREFETCH_AHEAD);
    if (in_run && at != tail) {
        run_put(c, tail, data);
    } else if (in_run) {
        run_begin(c, tail, data);
    } else {
        run_finish(c);
        put_record(c, record, at, header, data);
        side_count_bytes(&c->put.bytes, size);
    }
    return true;
}

/* Under the lock: takes a message, if that is simple. exactly: it has capacity bytes; else it may have fewer. */
static inline __attribute__((always_inline)) bool take_simply(struct channel *c, uint64_t generation, void *buffer,
                                                              size_t capacity, bool exactly, size_t *size) {
    struct next_message next;
    if (!side_is_of(&c->take.generation, generation) || !head_next(c, &next) || next.type != RECORD_INLINE ||
        (exactly ? next.size != capacity : next.size > capacity))
        return false;
    __builtin_prefetch((char *)next.payload + PREFETCH_AHEAD, 0);
    record_copy(buffer, next.payload, exactly ? capacity : next.size);
    head_advance(c, &next);
    if (size) *size = next.size;
    return true;
}

/* The rest of a put, or take, after bias_step_in, whether that has succeeded or not. */
static inline __attribute__((always_inline)) bool put_inside(struct channel *c, uint64_t generation, const void *data,
                                                             size_t size) {
    bool done = bias_is_own(&c->put.lock) && put_simply(c, generation, data, size);
    bias_leave(&c->put.lock);
    if (__builtin_expect(done && put_is_awaited(c), 0)) channel_after_put(c);
    return done;
}

static inline __attribute__((always_inline)) bool take_inside(struct channel *c, uint64_t generation, void *buffer,
                                                              size_t capacity, bool exactly, size_t *size) {
    bool done = bias_is_own(&c->take.lock) && take_simply(c, generation, buffer, capacity, exactly, size);
    bias_leave(&c->take.lock);
    if (__builtin_expect(done && take_is_awaited(c), 0)) channel_after_take(c);
    return done;
}

static inline __attribute__((always_inline)) bool put_quickly(struct channel *c, uint64_t generation, const void *data,
                                                              size_t size) {
    return bias_enter(&c->put.lock) && put_inside(c, generation, data, size);
}

static inline __attribute__((always_inline)) bool take_quickly(struct channel *c, uint64_t generation, void *buffer,
                                                               size_t capacity, bool exactly, size_t *size) {
    return bias_enter(&c->take.lock) && take_inside(c, generation, buffer, capacity, exactly, size);
}

/* --- a word in the middle of a run: the quickest way, which calls nothing, so that its caller need save no registers --- */

enum quickly {
    QUICK_NOT,    /* nothing has happened */
    QUICK_INSIDE, /* the same, but the thread has stepped into the lock: put_inside, take_inside */
    QUICK_DONE,
    QUICK_AWAITED, /* done, but others may wait for it: quick_after_put, quick_after_take */
};

void quick_after_put(struct channel *c);
void quick_after_take(struct channel *c);

static inline __attribute__((always_inline)) enum quickly channel_put_word(struct channel *c, uint64_t generation,
                                                                           const void *word) {
    if (__builtin_expect(!bias_at_door(&c->put.lock), 0)) return QUICK_NOT;
    if (__builtin_expect(!bias_step_in(&c->put.lock), 0)) return QUICK_INSIDE;
    uint64_t tail = atomic_load_explicit(&c->put.tail, memory_order_relaxed);
    /* where a run is at tail, the queue is open, and has no limits */
    if (__builtin_expect(!position_index(tail) || !side_is_of(&c->put.generation, generation), 0)) return QUICK_INSIDE;
    run_put(c, tail, word);
    bool kept = bias_step_out(&c->put.lock);
    return __builtin_expect(!kept || put_is_awaited(c), 0) ? QUICK_AWAITED : QUICK_DONE;
}

static inline __attribute__((always_inline)) enum quickly channel_take_word(struct channel *c, uint64_t generation,
                                                                            void *word) {
    if (__builtin_expect(!bias_at_door(&c->take.lock), 0)) return QUICK_NOT;
    if (__builtin_expect(!bias_step_in(&c->take.lock), 0)) return QUICK_INSIDE;
    uint64_t head = atomic_load_explicit(&c->take.head, memory_order_relaxed);
    if (!side_is_of(&c->take.generation, generation) || (!run_has_seen(c, head) && !run_look(c, head)))
        return QUICK_INSIDE;
    char *message = run_message_at(atomic_load_explicit(&c->take.segment, memory_order_relaxed), head);
    if (run_is_last(head)) __builtin_prefetch(message + PREFETCH_AHEAD, 0);
    memcpy(word, message, 8);
    IN_ORDER();
    atomic_store_explicit(&c->take.head, run_advance(head), memory_order_release);
    bool kept = bias_step_out(&c->take.lock); /* nobody waits for room, as there is no limit */
    return __builtin_expect(!kept || put_is_awaited(c), 0) ? QUICK_AWAITED : QUICK_DONE;
}

/* --- any message --- */

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
