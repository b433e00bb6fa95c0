/* Putting and taking messages, and repairing what a death left half done. */
#include "channel/channel.h"

#include "base/error.h"
#include "channel/bell.h"
#include "family/heap.h"
#include "family/member.h"
#include "family/waiter.h"
#include "os/pause.h"

#include <limits.h>
#include <string.h>

#ifndef CHANNEL_SEGMENT
#define CHANNEL_SEGMENT (64 << 10) /* the model in tests/model has smaller ones */
#define CHANNEL_INLINE 4096
#endif

enum {
    SEGMENT_SIZE = CHANNEL_SEGMENT,
    SEGMENT_START = 8, /* behind the link to the next */
    HEADER = 8,
    LINK_RECORD = 16,
    INLINE_MOST = CHANNEL_INLINE, /* larger messages get a block */
    PLACE_BITS = 24,
};
enum record_type { RECORD_INLINE = 1, RECORD_BLOCK = 2, RECORD_LINK = 3 };
#define COUNT_MASK ((1ull << 40) - 1)
#define IN_ORDER() atomic_signal_fence(memory_order_seq_cst)

/* --- records --- */

struct block_record {
    uint64_t block, size;
};

static inline uint64_t record_header(enum record_type type, uint64_t size) {
    return size << 8 | type;
}
static inline enum record_type record_type(uint64_t header) {
    return (enum record_type)(header & 0xff);
}
static inline uint64_t record_size(uint64_t header) {
    return header >> 8;
}
static inline uint64_t record_length(uint64_t header) {
    return HEADER + ((record_size(header) + 7) & ~7ull);
}
static inline uint64_t place_of(uint64_t position) {
    return (position & ((1u << PLACE_BITS) - 1)) * 8;
}
static inline uint64_t count_of(uint64_t position) {
    return position >> PLACE_BITS;
}
static inline uint64_t position_of(uint64_t count, uint64_t place) {
    return count << PLACE_BITS | place / 8;
}
static inline _Atomic uint64_t *record_at(uint64_t segment, uint64_t position) {
    return arena_at(segment + place_of(position));
}
static inline void *payload_of(_Atomic uint64_t *record) {
    return (void *)(record + 1);
}
static inline uint64_t *segment_next(uint64_t segment) {
    return arena_at(segment);
}

/* The common sizes by single moves; the rest by memcpy. */
static inline void copy_small(void *to, const void *from, size_t size) {
    if (size == 8)
        memcpy(to, from, 8);
    else if (size) /* no bytes may be at NULL */
        memcpy(to, from, size);
}

/* --- the putters' side --- */

static void clear_segment(uint64_t segment) {
    *segment_next(segment) = 0;
    atomic_store_explicit(record_at(segment, position_of(0, SEGMENT_START)), 0, memory_order_relaxed);
}

/* Moves the oldest segment into spare, and frees what was there. At any moment a segment is in the chain, or in spare,
 * or (then repair_put sees that they are one) in both. */
static void retire_first(struct channel *c) {
    if (c->put.spare) heap_free(c->put.spare, &c->put.spare);
    c->put.spare = c->put.first;
    IN_ORDER();
    c->put.first = *segment_next(c->put.spare);
    IN_ORDER();
}

/* Segments behind the takers come back here; one is kept for the next link. */
static void recycle_segments(struct channel *c) {
    while (c->put.first != atomic_load(&c->take.segment)) retire_first(c);
}

/* From here on, all steps may be done again by whoever finds link_from set. */
static void finish_link(struct channel *c) {
    _Atomic uint64_t *record = arena_at(c->put.link_from);
    bool linked = record_type(atomic_load_explicit(record, memory_order_relaxed)) == RECORD_LINK;
    uint64_t to = linked ? *(uint64_t *)payload_of(record) : c->put.spare;
    if (!linked) {
        *(uint64_t *)payload_of(record) = to;
        atomic_store_explicit(record, record_header(RECORD_LINK, 8), memory_order_release);
    }
    IN_ORDER();
    uint64_t count = count_of(atomic_load_explicit(&c->put.tail, memory_order_relaxed));
    atomic_store_explicit(&c->put.tail, position_of(count, SEGMENT_START), memory_order_relaxed);
    IN_ORDER();
    atomic_store_explicit(&c->put.segment, to, memory_order_relaxed);
    IN_ORDER();
    c->put.spare = 0;
    IN_ORDER();
    c->put.link_from = 0;
    IN_ORDER();
}

static __attribute__((noinline)) prong_status link_segment(struct channel *c) {
    recycle_segments(c);
    if (!c->put.spare) {
        prong_status status = heap_alloc(SEGMENT_SIZE, 0, &c->put.spare, NULL);
        if (status < 0) return status;
    }
    uint64_t segment = atomic_load_explicit(&c->put.segment, memory_order_relaxed);
    clear_segment(c->put.spare);
    *segment_next(segment) = c->put.spare;
    IN_ORDER();
    c->put.link_from = segment + place_of(atomic_load_explicit(&c->put.tail, memory_order_relaxed));
    IN_ORDER();
    finish_link(c);
    return PRONG_OK;
}

static void advance_tail(struct channel *c, uint64_t tail, uint64_t header) {
    uint64_t next = position_of(count_of(tail) + 1, place_of(tail) + record_length(header));
    atomic_store_explicit(&c->put.tail, next, memory_order_relaxed);
}

static void repair_put(struct channel *c) {
    if (c->put.link_from) finish_link(c);
    if (c->put.spare && c->put.spare == c->put.first) c->put.first = *segment_next(c->put.spare);
    IN_ORDER();
    if (!c->fixed.whole) return;
    uint64_t tail = atomic_load(&c->put.tail);
    uint64_t header = atomic_load(record_at(atomic_load(&c->put.segment), tail));
    if (header) { /* put, but not yet counted */
        advance_tail(c, tail, header);
        IN_ORDER();
        c->put.block = 0;
    } else if (c->put.block) { /* its block had left the member's hands, and was not put */
        heap_free(c->put.block, &c->put.block);
    }
    atomic_store(&c->put.bytes, atomic_load(&c->take.bytes)); /* not known for sure: begin anew */
}

/* Either side's: under its lock. */
static inline bool is_of(const _Atomic uint64_t *side, uint64_t generation) {
    return __builtin_expect(atomic_load_explicit(side, memory_order_relaxed) == generation, 1);
}

static prong_status destroyed_meanwhile(void) {
    return fail_text(PRONG_STALE, "the queue was destroyed meanwhile");
}

static inline __attribute__((always_inline)) prong_status lock_put(struct channel *c, deadline_t deadline) {
    enum lock_result result = lock_acquire(&c->put.lock, self_token(), deadline);
    if (__builtin_expect(result == LOCK_TAKEN, 1)) return PRONG_OK;
    if (result == LOCK_TIMED_OUT) return lock_refused(PRONG_FULL, "a put");
    repair_put(c);
    return PRONG_OK;
}

static inline int64_t bytes_used(struct channel *c, uint64_t taken) {
    return (int64_t)(atomic_load_explicit(&c->put.bytes, memory_order_relaxed) - taken);
}

static __attribute__((noinline)) bool bytes_left(struct channel *c, size_t size) {
    c->put.taken_seen = atomic_load(&c->take.bytes);
    if (channel_count(c) == 0) { /* one message of any size always goes; and a miscount by a death ends here */
        atomic_store_explicit(&c->put.bytes, c->put.taken_seen, memory_order_relaxed);
        return true;
    }
    return bytes_used(c, c->put.taken_seen) + (int64_t)size <= (int64_t)c->fixed.byte_limit;
}

static bool has_room(struct channel *c, size_t size) {
    if (c->fixed.message_limit && channel_count(c) >= c->fixed.message_limit) return false;
    if (!c->fixed.byte_limit) return true;
    bool fits = bytes_used(c, c->put.taken_seen) + (int64_t)size <= (int64_t)c->fixed.byte_limit;
    return __builtin_expect(fits, 1) || bytes_left(c, size);
}

bool channel_has_room(struct channel *c) {
    if (atomic_load(&c->fixed.state) != CHANNEL_OPEN) return true;
    uint64_t count = channel_count(c);
    if (c->fixed.message_limit && count >= c->fixed.message_limit) return false;
    return !c->fixed.byte_limit || count == 0 ||
           bytes_used(c, atomic_load(&c->take.bytes)) < (int64_t)c->fixed.byte_limit / 2;
}

bool channel_ready_to_put(void *channel) {
    return channel_has_room(channel);
}

/* Under the lock, with room: makes the place at tail fit for a record of this length. */
static inline prong_status make_place(struct channel *c, uint64_t length) {
    uint64_t place = place_of(atomic_load_explicit(&c->put.tail, memory_order_relaxed));
    /* behind a record there is always space for the zero of the next header, or for a LINK */
    if (__builtin_expect(place + length + LINK_RECORD <= SEGMENT_SIZE, 1)) return PRONG_OK;
    return link_segment(c);
}

/* Under the lock: writes the record at tail; its header, stored last, is the moment of the put. */
static inline void write_record(struct channel *c, uint64_t header, const void *payload) {
    uint64_t tail = atomic_load_explicit(&c->put.tail, memory_order_relaxed);
    _Atomic uint64_t *record = record_at(atomic_load_explicit(&c->put.segment, memory_order_relaxed), tail);
    copy_small(payload_of(record), payload, record_size(header));
    atomic_store_explicit(record + record_length(header) / 8, 0, memory_order_relaxed);
    atomic_store_explicit(record, header, memory_order_release); /* pairs with the acquire in taking */
    IN_ORDER();
    advance_tail(c, tail, header);
}

static inline void count_bytes(_Atomic uint64_t *bytes, size_t size) {
    atomic_store_explicit(bytes, atomic_load_explicit(bytes, memory_order_relaxed) + size, memory_order_relaxed);
}

/* A taker that puts nothing itself and finds every message alone is too close behind the putter: they fight for the
 * cache line that one writes and the other reads, for each single message. It does better to hold back for half a
 * microsecond and take several. Who answers each message (and so puts) is never held back. */
enum { ALONE_MANY = 16 };
static const prong_time HOLD_BACK = 500;
static QUICK_LOCAL unsigned alone;

bool channel_spin(struct channel *c) {
    struct pause pause = {0};
    while (alone >= ALONE_MANY && pause_again(&pause, HOLD_BACK)) {}
    if (!spin_until(channel_ready_to_take, c)) return false;
    alone++;
    return true;
}

static inline void put_done(struct channel *c) {
    alone = 0;
    lock_release(&c->put.lock);
    waitq_notify(&c->readable, 1);
    bell_after_put(c);
}

/* Waits for room, in view of the report; PRONG_FULL when time is up. */
static __attribute__((noinline)) prong_status wait_for_room(struct channel *c, deadline_t deadline) {
    INTERRUPTIBLE;
    bool more = deadline != PRONG_NOWAIT;
    if (more && !spin_until(channel_ready_to_put, c)) {
        struct waiter *waiter = waiter_begin(arena_at(c->fixed.object));
        more = waitq_sleep(&c->writable, channel_ready_to_put, c, deadline);
        waiter_end(waiter);
    }
    return more ? PRONG_OK : fail_text(PRONG_FULL, "the queue stayed full for the time given");
}

/* Takes the lock when there is room for size bytes and a record of that length fits. */
static inline prong_status begin_put(struct channel *c, uint64_t generation, size_t size, uint64_t length,
                                     deadline_t deadline) {
    for (;;) {
        prong_status status = lock_put(c, deadline);
        if (__builtin_expect(status, 0)) return status;
        if (!is_of(&c->put.generation, generation))
            status = destroyed_meanwhile();
        else if (__builtin_expect(atomic_load_explicit(&c->fixed.state, memory_order_relaxed) != CHANNEL_OPEN, 0))
            status = fail_text(PRONG_SHUTDOWN, "the queue was shut down");
        else if (__builtin_expect(has_room(c, size), 1))
            status = make_place(c, length);
        else
            status = PRONG_FULL;
        if (__builtin_expect(status >= 0, 1)) return PRONG_OK;
        lock_release(&c->put.lock);
        if (status != PRONG_FULL) return status;
        if ((status = wait_for_room(c, deadline))) return status;
    }
}

static prong_status put_large(struct channel *c, uint64_t generation, const void *data, size_t size,
                              deadline_t deadline) {
    uint64_t block;
    prong_status status = block_reserve(size, &block);
    if (status < 0) return status;
    memcpy(arena_at(block), data, size);
    status = channel_put_block(c, generation, block, size, deadline);
    if (status < 0) block_release(block);
    return status;
}

prong_status channel_put(struct channel *c, uint64_t generation, const void *data, size_t size, deadline_t deadline) {
    if (size > INLINE_MOST) return put_large(c, generation, data, size, deadline);
    uint64_t header = record_header(RECORD_INLINE, size);
    prong_status status = begin_put(c, generation, size, record_length(header), deadline);
    if (__builtin_expect(status, 0)) return status;
    write_record(c, header, data);
    count_bytes(&c->put.bytes, size);
    put_done(c);
    return PRONG_OK;
}

prong_status channel_put_block(struct channel *c, uint64_t generation, uint64_t block, size_t size,
                               deadline_t deadline) {
    struct block_record payload = {block, size};
    uint64_t header = record_header(RECORD_BLOCK, sizeof payload);
    prong_status status = begin_put(c, generation, size, record_length(header), deadline);
    if (status < 0) return status;
    c->put.block = block;
    IN_ORDER();
    __atomic_store_n(&heap_header(block)->owner, 0, __ATOMIC_RELAXED);
    IN_ORDER();
    write_record(c, header, &payload);
    c->put.block = 0;
    count_bytes(&c->put.bytes, size);
    put_done(c);
    atomic_fetch_sub(&self_row()->held, 1);
    return PRONG_OK;
}

/* --- the takers' side --- */

/* All steps may be done again by whoever finds `next` set. */
static void finish_step(struct channel *c) {
    uint64_t count = count_of(atomic_load_explicit(&c->take.head, memory_order_relaxed));
    atomic_store_explicit(&c->take.head, position_of(count, SEGMENT_START), memory_order_relaxed);
    IN_ORDER();
    atomic_store_explicit(&c->take.segment, c->take.next, memory_order_release);
    IN_ORDER();
    c->take.next = 0;
    IN_ORDER();
}

static void repair_take(struct channel *c) {
    if (!c->fixed.whole) return;
    if (c->take.next) finish_step(c);
    uint64_t head = atomic_load(&c->take.head);
    if (c->take.block) {
        _Atomic uint64_t *record = record_at(atomic_load(&c->take.segment), head);
        uint64_t header = atomic_load(record);
        const struct block_record *at_head = payload_of(record);
        if (record_type(header) == RECORD_BLOCK && at_head->block == c->take.block) /* not taken after all */
            __atomic_store_n(&heap_header(c->take.block)->owner, 0, __ATOMIC_RELAXED);
        IN_ORDER();
        c->take.block = 0; /* else it is in the dead member's hands, and freed with the rest of them */
    }
    if (c->take.ledger && head == c->take.ledger_head) *(uint64_t *)arena_at(c->take.ledger) = c->take.ledger_value;
    IN_ORDER();
    c->take.ledger = 0;
}

static inline __attribute__((always_inline)) prong_status lock_take(struct channel *c, deadline_t deadline) {
    enum lock_result result = lock_acquire(&c->take.lock, self_token(), deadline);
    if (__builtin_expect(result == LOCK_TAKEN, 1)) return PRONG_OK;
    if (result == LOCK_TIMED_OUT) return lock_refused(PRONG_EMPTY, "a get");
    repair_take(c);
    return PRONG_OK;
}

/* Under the lock: the header of the next message, 0 when there is none. */
static inline uint64_t next_header(struct channel *c, _Atomic uint64_t **record) {
    for (;;) {
        *record = record_at(atomic_load_explicit(&c->take.segment, memory_order_relaxed),
                            atomic_load_explicit(&c->take.head, memory_order_relaxed));
        uint64_t header = atomic_load_explicit(*record, memory_order_acquire);
        if (__builtin_expect(record_type(header) != RECORD_LINK, 1)) return header;
        c->take.next = *(uint64_t *)payload_of(*record);
        IN_ORDER();
        finish_step(c);
    }
}

static inline void advance_head(struct channel *c, uint64_t header, uint64_t bytes) {
    uint64_t head = atomic_load_explicit(&c->take.head, memory_order_relaxed);
    IN_ORDER();
    uint64_t next = position_of(count_of(head) + 1, place_of(head) + record_length(header));
    atomic_store_explicit(&c->take.head, next, memory_order_release);
    IN_ORDER();
    count_bytes(&c->take.bytes, bytes);
}

/* Into the caller's hands: the block is his from the store of `owner` on, the message from that of `head`. */
static void take_block(struct channel *c, uint64_t header, const struct block_record *from) {
    uint64_t block = from->block, size = from->size;
    atomic_fetch_add(&self_row()->held, 1);
    c->take.block = block;
    IN_ORDER();
    __atomic_store_n(&heap_header(block)->owner, self_token(), __ATOMIC_RELAXED);
    advance_head(c, header, size);
    c->take.block = 0;
}

/* A joinable queue counts what each member has taken; repair_take uncounts what was not. */
static void note_in_ledger(struct channel *c, uint64_t *ledger) {
    c->take.ledger_head = atomic_load_explicit(&c->take.head, memory_order_relaxed);
    uint64_t before = *ledger;
    c->take.ledger_value = before;
    IN_ORDER();
    c->take.ledger = arena_offset(ledger);
    IN_ORDER();
    __atomic_store_n(ledger, before + 1, __ATOMIC_RELAXED);
    IN_ORDER();
}

static void lend_inline(struct channel *c, uint64_t header, const void *payload, struct taking *t) {
    memcpy(arena_at(t->block), payload, record_size(header));
    advance_head(c, header, record_size(header));
}

/* Under the lock, with a message there. A block that the caller wants as a copy is handed over first, and copied
 * when the lock is free again. */
static inline prong_status take_record(struct channel *c, uint64_t header, _Atomic uint64_t *record, struct taking *t) {
    void *payload = payload_of(record);
    bool is_block = record_type(header) == RECORD_BLOCK;
    t->size = is_block ? ((struct block_record *)payload)->size : record_size(header);
    size_t most = t->lend ? (t->limit ? t->limit : SIZE_MAX) : t->capacity;
    if (__builtin_expect(t->size > most, 0)) return PRONG_TOO_LONG;
    if (t->lend && !is_block) TRY(block_reserve(record_size(header), &t->block)); /* before anything is noted */
    if (__builtin_expect(t->ledger != NULL, 0)) note_in_ledger(c, t->ledger);
    if (is_block) {
        t->block = ((struct block_record *)payload)->block;
        take_block(c, header, payload);
    } else if (t->lend) {
        lend_inline(c, header, payload, t);
    } else {
        copy_small(t->buffer, payload, record_size(header));
        advance_head(c, header, record_size(header));
    }
    return PRONG_OK;
}

static inline prong_status nothing_there(struct channel *c) {
    if (atomic_load(&c->fixed.state) == CHANNEL_OPEN) return PRONG_EMPTY;
    /* closed: what was put before is there by now */
    return channel_has_message(c) ? PRONG_EMPTY : fail_text(PRONG_SHUTDOWN, "the queue was shut down, and is empty");
}

static prong_status copy_out(struct taking *t) {
    memcpy(t->buffer, arena_at(t->block), t->size);
    uint64_t block = t->block;
    t->block = 0;
    return block_release(block);
}

static prong_status try_take(struct channel *c, struct taking *t, deadline_t deadline) {
    _Atomic uint64_t *record;
    t->block = 0;
    prong_status status = lock_take(c, deadline);
    if (__builtin_expect(status, 0)) return status;
    if (!is_of(&c->take.generation, t->generation)) {
        lock_release(&c->take.lock);
        waitq_notify(&c->readable, 1); /* it may be that another was to be woken */
        return destroyed_meanwhile();
    }
    uint64_t header = next_header(c, &record);
    status = __builtin_expect(header != 0, 1) ? take_record(c, header, record, t) : nothing_there(c);
    lock_release(&c->take.lock);
    if (__builtin_expect(status, 0)) return status;
    waitq_notify(&c->writable, 1);
    /* One of several sleepers was woken for what may have been several messages: pass it on. */
    if (__builtin_expect(atomic_load_explicit(&c->readable.flags, memory_order_relaxed) & WAITQ_SLEEPERS, 0) &&
        channel_has_message(c))
        waitq_notify(&c->readable, 1);
    bell_after_take(c);
    return t->block && !t->lend ? copy_out(t) : PRONG_OK;
}

bool channel_ready_to_take(void *channel) {
    struct channel *c = channel;
    return channel_has_message(c) || atomic_load_explicit(&c->fixed.state, memory_order_relaxed) != CHANNEL_OPEN;
}

prong_status channel_try_take(struct channel *c, struct taking *t) {
    return try_take(c, t, PRONG_NOWAIT);
}

/* Sleeps until there is something to see, in view of the report; PRONG_EMPTY when time is up. */
static __attribute__((noinline)) prong_status wait_for_message(struct channel *c, uint64_t generation,
                                                               deadline_t deadline) {
    INTERRUPTIBLE;
    bool more = deadline != PRONG_NOWAIT;
    struct waiter *waiter = more ? waiter_begin(arena_at(c->fixed.object)) : NULL;
    while (more && !channel_ready_to_take(c) && is_of(&c->take.generation, generation))
        more = waitq_sleep(&c->readable, channel_ready_to_take, c, deadline);
    waiter_end(waiter);
    if (more) return PRONG_OK;
    bell_after_nothing(c);
    return fail_text(PRONG_EMPTY, "the queue stayed empty for the time given");
}

prong_status channel_take(struct channel *c, struct taking *t, deadline_t deadline) {
    for (;;) {
        /* do not fight for the lock, nor write to its line, just to find nothing */
        if (__builtin_expect(channel_ready_to_take(c) || (deadline != PRONG_NOWAIT && channel_spin(c)), 1) ||
            !is_of(&c->take.generation, t->generation)) {
            prong_status status = try_take(c, t, deadline);
            if (__builtin_expect(status != PRONG_EMPTY, 1)) return status;
        }
        prong_status status = wait_for_message(c, t->generation, deadline);
        if (status < 0) return status;
    }
}

/* --- looking, without a lock: true as of a moment ago. The memory read may by now be of a recycled segment; it is
 * still mapped, and whoever acts on the answer looks again under the lock. --- */

/* The header of the next message: in that place, or where a LINK there leads. */
static inline uint64_t header_seen(uint64_t segment, uint64_t head) {
    uint64_t header = atomic_load_explicit(record_at(segment, head), memory_order_acquire);
    if (__builtin_expect(record_type(header) != RECORD_LINK, 1)) return header;
    uint64_t to = *(uint64_t *)payload_of(record_at(segment, head));
    if (to % 64 || to > arena_mapped - SEGMENT_SIZE) return header; /* recycled under our eyes: go and look */
    return atomic_load_explicit(record_at(to, position_of(0, SEGMENT_START)), memory_order_acquire);
}

/* "None" is only true of a place that is the takers' still: a segment that they have left may be in use again, and clear. */
bool channel_has_message(struct channel *c) {
    for (;;) {
        uint64_t segment = atomic_load_explicit(&c->take.segment, memory_order_acquire);
        uint64_t head = atomic_load_explicit(&c->take.head, memory_order_acquire);
        if (header_seen(segment, head)) return true;
        if (atomic_load_explicit(&c->take.segment, memory_order_acquire) == segment &&
            atomic_load_explicit(&c->take.head, memory_order_relaxed) == head)
            return false;
    }
}

/* What was taken was put, even if its putter died before it could count it. */
uint64_t channel_put_count(struct channel *c) {
    uint64_t put = count_of(atomic_load(&c->put.tail)), taken = count_of(atomic_load(&c->take.head));
    return ((taken - put) & COUNT_MASK) - 1 < COUNT_MASK / 2 ? taken : put;
}

uint64_t channel_count(struct channel *c) {
    uint64_t taken = count_of(atomic_load(&c->take.head));
    uint64_t count = (channel_put_count(c) - taken) & COUNT_MASK;
    return count > COUNT_MASK / 2 ? 0 : count; /* a take may be seen before the put that it followed */
}

/* A caller may be held back between the two readings: what was taken and put meanwhile would count as put alone. */
uint64_t channel_count_exactly(struct channel *c) {
    uint64_t taken, count;
    do {
        taken = atomic_load(&c->take.head);
        count = channel_count(c);
    } while (atomic_load(&c->take.head) != taken);
    return count;
}

/* --- life --- */

/* Both sides, of whoever is or was in them. */
static prong_status lock_both(struct channel *c) {
    if (lock_put(c, deadline_after(PRONG_SECONDS(1)))) return PRONG_TIMEOUT;
    if (lock_take(c, deadline_after(PRONG_SECONDS(1))) == PRONG_OK) return PRONG_OK;
    lock_release(&c->put.lock);
    return PRONG_TIMEOUT;
}

static void unlock_both(struct channel *c) {
    lock_release(&c->take.lock);
    lock_release(&c->put.lock);
}

prong_status channel_init(struct channel *c, void *object, uint64_t generation, uint64_t message_limit,
                          uint64_t byte_limit) {
    prong_status status = heap_alloc(SEGMENT_SIZE, 0, &c->put.first, NULL);
    if (status < 0) return status;
    if (lock_both(c)) return lock_refused(PRONG_TIMEOUT, "a new queue"); /* nobody else knows it */
    clear_segment(c->put.first);
    atomic_store(&c->fixed.state, CHANNEL_OPEN);
    c->fixed.object = arena_offset(object);
    c->bell.inset = BELL_OF_CHANNEL;
    c->fixed.message_limit = message_limit;
    c->fixed.byte_limit = byte_limit;
    atomic_store(&c->put.segment, c->put.first);
    atomic_store(&c->put.tail, position_of(0, SEGMENT_START));
    atomic_store(&c->put.bytes, 0);
    c->put.taken_seen = c->put.block = c->put.link_from = 0;
    atomic_store(&c->take.segment, c->put.first);
    atomic_store(&c->take.head, position_of(0, SEGMENT_START));
    atomic_store(&c->take.bytes, 0);
    c->take.next = c->take.block = c->take.ledger = 0;
    c->fixed.whole = 1;
    IN_ORDER();
    atomic_store(&c->put.generation, generation);
    atomic_store(&c->take.generation, generation);
    unlock_both(c);
    return PRONG_OK;
}

static void drop_messages(struct channel *c) {
    _Atomic uint64_t *record;
    for (uint64_t header; (header = next_header(c, &record));) {
        if (record_type(header) != RECORD_BLOCK) {
            advance_head(c, header, 0);
            continue;
        }
        uint64_t block = ((struct block_record *)payload_of(record))->block;
        take_block(c, header, payload_of(record));
        block_release(block);
    }
}

static void free_segments(struct channel *c) {
    while (c->put.first) retire_first(c);
    if (c->put.spare) heap_free(c->put.spare, &c->put.spare);
}

/* Its waiters wake, and later callers are refused under the locks; where a stopped process has one of these, they see by
 * themselves that it is destroyed. If this process dies in here, another does it again. */
void channel_end(struct channel *c) {
    atomic_store(&c->fixed.state, CHANNEL_CLOSED); /* for those that only look */
    if (!lock_both(c)) {
        atomic_store(&c->put.generation, 0);
        atomic_store(&c->take.generation, 0);
        unlock_both(c);
    }
    waitq_notify(&c->readable, INT_MAX);
    waitq_notify(&c->writable, INT_MAX);
    if (c->fixed.whole) object_bell_dispose(&c->bell); /* its descriptors are readable from now on */
}

/* Nobody is inside any more. If this process dies in here, another goes on. */
bool channel_dispose(struct channel *c) {
    if (!c->put.first && !c->put.spare) return true;
    if (lock_both(c)) return false;
    if (c->fixed.whole) drop_messages(c);
    IN_ORDER();
    c->fixed.whole = 0;
    IN_ORDER();
    bool bell_gone = object_bell_dispose(&c->bell);
    if (bell_gone) free_segments(c);
    unlock_both(c);
    return bell_gone;
}

/* The least that a channel takes; what its messages take is not counted. */
uint64_t channel_weigh(struct channel *c) {
    return c->put.first ? SEGMENT_SIZE + (uint64_t)bytes_used(c, atomic_load(&c->take.bytes)) : 0;
}

prong_status channel_close(struct channel *c, uint64_t generation) {
    prong_status status = lock_put(c, PRONG_FOREVER);
    if (status < 0) return status;
    if (is_of(&c->put.generation, generation))
        atomic_store(&c->fixed.state, CHANNEL_CLOSED);
    else
        status = destroyed_meanwhile();
    lock_release(&c->put.lock);
    waitq_notify(&c->readable, INT_MAX);
    waitq_notify(&c->writable, INT_MAX);
    bell_after_put(c);
    return status;
}

void channel_recover(struct channel *c, uint32_t dead) {
    if (!c->put.first && !c->put.spare) return;
    if (lock_held_by(&c->put.lock, dead) && !lock_put(c, deadline_after(PRONG_SECONDS(1)))) lock_release(&c->put.lock);
    if (lock_held_by(&c->take.lock, dead) && !lock_take(c, deadline_after(PRONG_SECONDS(1))))
        lock_release(&c->take.lock);
    object_bell_recover(&c->bell, dead);
    /* it may have died just as it was woken, with the wake-up in its hands */
    waitq_notify(&c->readable, INT_MAX);
    waitq_notify(&c->writable, INT_MAX);
}

prong_status block_reserve(size_t size, uint64_t *block) {
    atomic_fetch_add(&self_row()->held, 1);
    prong_status status = heap_alloc(size, self_token(), NULL, block);
    if (status < 0) atomic_fetch_sub(&self_row()->held, 1);
    return status;
}

prong_status block_release(uint64_t block) {
    prong_status status = heap_free(block, NULL);
    if (status >= 0) atomic_fetch_sub(&self_row()->held, 1);
    return status;
}
