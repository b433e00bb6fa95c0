/* The two sides of a channel: their locks, the generation that they belong to, and the one store by which a put or a
 * take happens. Private to the channel. */
#ifndef CHANNEL_SIDES_H
#define CHANNEL_SIDES_H

#include "base/error.h"
#include "base/local.h"
#include "channel/segment.h"
#include "family/heap.h"
#include "family/member.h"

/* Under the lock: repairs what its last owner left half done when it died. */
void side_repair_put(struct channel *channel);
void side_repair_take(struct channel *channel);

/* --- locks --- */

static inline __attribute__((always_inline)) prong_status side_lock_put(struct channel *c, deadline_t deadline) {
    enum lock_result result = biased_lock_acquire(&c->put.lock, deadline);
    if (__builtin_expect(result == LOCK_TAKEN, 1)) return PRONG_OK;
    if (result == LOCK_TIMED_OUT) return lock_refused(PRONG_FULL, "a put");
    side_repair_put(c);
    return PRONG_OK;
}

static inline __attribute__((always_inline)) prong_status side_lock_take(struct channel *c, deadline_t deadline) {
    enum lock_result result = biased_lock_acquire(&c->take.lock, deadline);
    if (__builtin_expect(result == LOCK_TAKEN, 1)) return PRONG_OK;
    if (result == LOCK_TIMED_OUT) return lock_refused(PRONG_EMPTY, "a get");
    side_repair_take(c);
    return PRONG_OK;
}

/* A thread that is about to sleep makes sure that what puts, or takes, will see that. If a stopped process is inside, the
 * thread finds out after its nap. */
static inline void side_settle_put(struct channel *c) {
    if (biased_lock_is_kept(&c->put.lock) && !side_lock_put(c, PRONG_NOWAIT)) biased_lock_release(&c->put.lock);
}

static inline void side_settle_take(struct channel *c) {
    if (biased_lock_is_kept(&c->take.lock) && !side_lock_take(c, PRONG_NOWAIT)) biased_lock_release(&c->take.lock);
}

/* Takes both locks, also over from a dead owner; PRONG_TIMEOUT when a stopped process holds one for a second. */
prong_status sides_lock(struct channel *channel);
void sides_unlock(struct channel *channel);

/* Either side's: under its lock. */
static inline bool side_is_of(const _Atomic uint64_t *side, uint64_t generation) {
    return __builtin_expect(atomic_load_explicit(side, memory_order_relaxed) == generation, 1);
}

static inline prong_status side_destroyed(void) {
    return fail_text(PRONG_STALE, "the queue was destroyed meanwhile");
}

/* --- positions --- */

static inline void side_count_bytes(_Atomic uint64_t *bytes, size_t size) {
    atomic_store_explicit(bytes, atomic_load_explicit(bytes, memory_order_relaxed) + size, memory_order_relaxed);
}

/* How much of the limit is in use, given the number of bytes taken. */
static inline int64_t put_bytes_used(struct channel *c, uint64_t taken) {
    return (int64_t)(atomic_load_explicit(&c->put.bytes, memory_order_relaxed) - taken);
}

/* A record has been put. */
static inline void tail_advance(struct channel *c, uint64_t tail, uint64_t header) {
    uint64_t next = position_of(position_count(tail) + 1, position_place(tail) + record_length(header));
    atomic_store_explicit(&c->put.tail, next, memory_order_relaxed);
}

/* Under the lock, with a place for it: writes the record at tail; its header, stored last, is the moment of the put. */
static inline void put_record(struct channel *c, _Atomic uint64_t *record, uint64_t tail, uint64_t header,
                              const void *payload) {
    record_copy(record_payload(record), payload, record_size(header));
    atomic_store_explicit(record + record_length(header) / 8, 0, memory_order_relaxed);
    atomic_store_explicit(record, header, memory_order_release); /* pairs with the acquire in taking */
    IN_ORDER();
    tail_advance(c, tail, header);
}

/* The message at head has been taken. */
static inline void head_advance(struct channel *c, uint64_t header, uint64_t bytes) {
    uint64_t head = atomic_load_explicit(&c->take.head, memory_order_relaxed);
    IN_ORDER();
    uint64_t next = position_of(position_count(head) + 1, position_place(head) + record_length(header));
    atomic_store_explicit(&c->take.head, next, memory_order_release);
    IN_ORDER();
    side_count_bytes(&c->take.bytes, bytes);
}

/* Moves the takers on to the segment in `next`. All steps can be repeated by a process that finds it set. */
static inline void head_finish_step(struct channel *c) {
    uint64_t count = position_count(atomic_load_explicit(&c->take.head, memory_order_relaxed));
    atomic_store_explicit(&c->take.head, position_of(count, SEGMENT_START), memory_order_relaxed);
    IN_ORDER();
    atomic_store_explicit(&c->take.segment, c->take.next, memory_order_release);
    IN_ORDER();
    c->take.next = 0;
    IN_ORDER();
}

/* Under the lock: the header of the next message, 0 when there is none. */
static inline uint64_t head_next(struct channel *c, _Atomic uint64_t **record) {
    for (;;) {
        *record = record_at(atomic_load_explicit(&c->take.segment, memory_order_relaxed),
                            atomic_load_explicit(&c->take.head, memory_order_relaxed));
        uint64_t header = atomic_load_explicit(*record, memory_order_acquire);
        if (__builtin_expect(record_type(header) != RECORD_LINK, 1)) return header;
        c->take.next = *(uint64_t *)record_payload(*record);
        IN_ORDER();
        head_finish_step(c);
    }
}

/* Lends the message to the caller: the store of `owner` gives it the block, the store of `head` the message. */
static inline void head_take_block(struct channel *c, uint64_t header, const struct block_record *from) {
    uint64_t block = from->block, size = from->size;
    atomic_fetch_add(&self_row()->held, 1);
    c->take.block = block;
    IN_ORDER();
    __atomic_store_n(&heap_header(block)->owner, self_token(), __ATOMIC_RELAXED);
    head_advance(c, header, size);
    c->take.block = 0;
}

/* How many messages this thread has taken, one at a time, since it last put one: see channel_spin. */
extern HIDDEN QUICK_LOCAL unsigned taken_alone;

#endif
