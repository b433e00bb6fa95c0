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
    atomic_store_explicit(&c->put.tail, position_advance(tail, header), memory_order_relaxed);
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

/* --- runs: see channel.h --- */

/* Under the lock: puts this word into the run at tail, or begins one there. There is room: a full run is left at once. */
static inline void run_put(struct channel *c, uint64_t tail, const void *word) {
    uint64_t segment = atomic_load_explicit(&c->put.segment, memory_order_relaxed);
    memcpy(run_message_at(segment, tail), word, 8);
    atomic_store_explicit(record_at(segment, tail), record_header(RECORD_RUN, position_index(tail) + 1),
                          memory_order_release); /* as in put_record */
    IN_ORDER();
    atomic_store_explicit(&c->put.tail, run_advance(tail), memory_order_relaxed);
}

/* Under the lock, with room up to the end of a full run, and for a LINK there. */
static inline void run_begin(struct channel *c, uint64_t tail, const void *word) {
    uint64_t segment = atomic_load_explicit(&c->put.segment, memory_order_relaxed);
    _Atomic uint64_t *behind = arena_at(segment + run_end(position_place(tail)));
    atomic_store_explicit(behind, 0, memory_order_relaxed);
    run_put(c, tail, word);
}

/* Under the lock: ends the run at tail, if there is one, so that a record can come behind it. */
static inline void run_finish(struct channel *c) {
    uint64_t tail = atomic_load_explicit(&c->put.tail, memory_order_relaxed), behind = run_leave(tail);
    if (!position_index(tail)) return;
    uint64_t segment = atomic_load_explicit(&c->put.segment, memory_order_relaxed);
    atomic_store_explicit(record_at(segment, behind), 0, memory_order_relaxed);
    atomic_store_explicit(record_at(segment, tail), record_header(RECORD_RUN_ENDED, position_index(tail)),
                          memory_order_release); /* pairs with the acquire in head_next */
    IN_ORDER();
    atomic_store_explicit(&c->put.tail, behind, memory_order_relaxed);
}

/* --- taking --- */

/* The next message, as it lies in the segment: in the record (INLINE), or in a block. */
struct next_message {
    enum record_type type;
    uint64_t size;
    void *payload;         /* of the record */
    uint64_t after, bytes; /* when it has been taken: head; what take.bytes grows by */
};

/* The message at head has been taken. */
static inline void head_advance(struct channel *c, const struct next_message *m) {
    IN_ORDER();
    atomic_store_explicit(&c->take.head, m->after, memory_order_release);
    IN_ORDER();
    side_count_bytes(&c->take.bytes, m->bytes);
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

static inline struct next_message message_in_run(uint64_t segment, uint64_t head) {
    return (struct next_message){RECORD_INLINE, 8, run_message_at(segment, head), run_advance(head), 0};
}

static inline struct next_message message_alone(_Atomic uint64_t *record, uint64_t head, uint64_t header) {
    void *payload = record_payload(record);
    bool is_block = record_type(header) == RECORD_BLOCK;
    uint64_t size = is_block ? ((struct block_record *)payload)->size : record_size(header);
    return (struct next_message){record_type(header), size, payload, position_advance(head, header), size};
}

/* The run at head has this number of messages, more than were taken from it. */
static inline void run_see(struct channel *c, uint64_t head, uint64_t number) {
    c->take.seen = (position_count(head) + number - position_index(head)) * POSITION_COUNT_1;
}

/* Whether there is another message in the run at head. */
static inline bool run_look(struct channel *c, uint64_t head) {
    uint64_t segment = atomic_load_explicit(&c->take.segment, memory_order_relaxed);
    uint64_t header = atomic_load_explicit(record_at(segment, head), memory_order_acquire);
    if (!(header & RECORD_RUN) || record_size(header) <= position_index(head)) return false;
    run_see(c, head, record_size(header));
    return true;
}

/* Whether the next message is known to be in the run at head. */
static inline bool run_has_seen(struct channel *c, uint64_t head) {
    return (int64_t)(c->take.seen - head) > 0;
}

/* Under the lock: false when there is no message. */
static inline bool head_next(struct channel *c, struct next_message *m) {
    for (;;) {
        uint64_t head = atomic_load_explicit(&c->take.head, memory_order_relaxed);
        uint64_t segment = atomic_load_explicit(&c->take.segment, memory_order_relaxed);
        _Atomic uint64_t *record = record_at(segment, head);
        uint64_t header = atomic_load_explicit(record, memory_order_acquire);
        switch (record_type(header)) {
        case RECORD_LINK:
            c->take.next = *(uint64_t *)record_payload(record);
            IN_ORDER();
            head_finish_step(c);
            break;
        case RECORD_RUN:
        case RECORD_RUN_ENDED:
            if (record_size(header) > position_index(head)) {
                run_see(c, head, record_size(header));
                *m = message_in_run(segment, head);
                return true;
            }
            if (record_type(header) == RECORD_RUN) return false;
            atomic_store_explicit(&c->take.head, run_leave(head), memory_order_release);
            IN_ORDER();
            break;
        default:
            if (header) *m = message_alone(record, head, header);
            return header != 0;
        }
    }
}

/* Lends the message to the caller: the store of `owner` gives it the block, the store of `head` the message. Returns the
 * block. */
static inline uint64_t head_take_block(struct channel *c, const struct next_message *m) {
    uint64_t block = ((struct block_record *)m->payload)->block;
    atomic_fetch_add(&self_row()->held, 1);
    c->take.block = block;
    IN_ORDER();
    __atomic_store_n(&heap_header(block)->owner, self_token(), __ATOMIC_RELAXED);
    head_advance(c, m);
    c->take.block = 0;
    return block;
}

#endif
