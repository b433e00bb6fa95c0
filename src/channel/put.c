/* The putters' side: putting messages, waiting for room, counting. */
#include "channel/quick.h"

#include "channel/bell.h"
#include "family/waiter.h"

/* --- room --- */

static __attribute__((noinline)) bool put_bytes_left(struct channel *c, size_t size) {
    c->put.taken_seen = atomic_load(&c->take.bytes);
    if (channel_count(c) ==
        0) { /* one message of any size always fits; and a count that a death made wrong is corrected here */
        atomic_store_explicit(&c->put.bytes, c->put.taken_seen, memory_order_relaxed);
        return true;
    }
    return put_bytes_used(c, c->put.taken_seen) + (int64_t)size <= (int64_t)c->fixed.byte_limit;
}

static bool put_has_room(struct channel *c, size_t size) {
    if (c->fixed.message_limit && channel_count(c) >= c->fixed.message_limit) return false;
    if (!c->fixed.byte_limit) return true;
    bool fits = put_bytes_used(c, c->put.taken_seen) + (int64_t)size <= (int64_t)c->fixed.byte_limit;
    return __builtin_expect(fits, 1) || put_bytes_left(c, size);
}

bool channel_has_room(struct channel *c) {
    if (atomic_load(&c->fixed.state) != CHANNEL_OPEN) return true;
    uint64_t count = channel_count(c);
    if (c->fixed.message_limit && count >= c->fixed.message_limit) return false;
    return !c->fixed.byte_limit || count == 0 ||
           put_bytes_used(c, atomic_load(&c->take.bytes)) < (int64_t)c->fixed.byte_limit / 2;
}

/* Half of the limit has to be free, so that a putter that waited puts several; and a message that is larger needs more. */
static bool room_is_enough(const struct room *room) {
    struct channel *c = room->channel;
    if (!channel_has_room(c)) return false;
    if (!c->fixed.byte_limit || room->size <= c->fixed.byte_limit / 2 || channel_count(c) == 0) return true;
    int64_t used = put_bytes_used(c, atomic_load(&c->take.bytes)) + (int64_t)room->size;
    return used <= (int64_t)c->fixed.byte_limit || atomic_load(&c->fixed.state) != CHANNEL_OPEN;
}

bool channel_has_room_for(void *room) {
    return room_is_enough(room);
}

bool channel_settled_to_put(void *room) {
    side_settle_take(((struct room *)room)->channel);
    return room_is_enough(room);
}

/* Waits for room; the report shows the wait. PRONG_FULL when the time is up. */
static __attribute__((noinline)) prong_status put_wait(struct channel *c, size_t size, deadline_t deadline) {
    struct room room = {c, size};
    INTERRUPTIBLE;
    bool more = deadline != PRONG_NOWAIT;
    if (more && !spin_until(channel_has_room_for, &room)) {
        struct waiter *waiter = waiter_begin(arena_at(c->fixed.object));
        more = waitq_sleep(&c->writable, channel_settled_to_put, &room, deadline);
        waiter_end(waiter);
    }
    return more ? PRONG_OK : fail_text(PRONG_FULL, "the queue stayed full for the time given");
}

/* --- putting --- */

/* Under the lock, with room: makes the place at tail fit for a record of this length. */
static inline prong_status put_make_place(struct channel *c, uint64_t length) {
    run_finish(c);
    uint64_t place = position_place(atomic_load_explicit(&c->put.tail, memory_order_relaxed));
    /* after a record there is always space for the zero header of the next, or for a LINK */
    if (__builtin_expect(place + length + LINK_RECORD <= c->put.size, 1)) return PRONG_OK;
    return segment_link(c, length);
}

static inline void put_at_tail(struct channel *c, uint64_t header, const void *payload) {
    uint64_t tail = atomic_load_explicit(&c->put.tail, memory_order_relaxed);
    put_record(c, record_at(atomic_load_explicit(&c->put.segment, memory_order_relaxed), tail), tail, header, payload);
}

static __attribute__((noinline)) void put_release_slow(struct channel *c) {
    if (put_is_awaited(c))
        biased_lock_release(&c->put.lock);
    else
        biased_lock_release_and_keep(&c->put.lock);
}

void channel_after_put(struct channel *c) {
    waitq_notify(&c->readable, 1);
    bell_after_put(c);
}

/* One of several sleepers was woken, perhaps for several messages that were taken: wakes the next. */
static inline void put_pass_on(struct channel *c) {
    if (__builtin_expect(atomic_load_explicit(&c->writable.flags, memory_order_relaxed) & WAITQ_SLEEPERS, 0) &&
        channel_has_room(c))
        channel_tell_room(c);
}

static inline void put_end(struct channel *c) {
    if (!bias_try_leave(&c->put.lock)) put_release_slow(c);
    channel_after_put(c);
    if (c->fixed.message_limit | c->fixed.byte_limit) put_pass_on(c);
}

/* Takes the lock when there is room for size bytes and a record of that length fits. */
static inline prong_status put_begin(struct channel *c, uint64_t generation, size_t size, uint64_t length,
                                     deadline_t deadline) {
    for (;;) {
        prong_status status = side_lock_put(c, deadline);
        if (__builtin_expect(status, 0)) return status;
        if (!side_is_of(&c->put.generation, generation))
            status = side_destroyed();
        else if (__builtin_expect(atomic_load_explicit(&c->fixed.state, memory_order_relaxed) != CHANNEL_OPEN, 0))
            status = fail_text(PRONG_SHUTDOWN, "the queue was shut down");
        else if (__builtin_expect(put_has_room(c, size), 1))
            status = put_make_place(c, length);
        else
            status = PRONG_FULL;
        if (__builtin_expect(status >= 0, 1)) return PRONG_OK;
        biased_lock_release(&c->put.lock);
        if (status != PRONG_FULL) return status;
        if ((status = put_wait(c, size, deadline))) return status;
    }
}

void quick_after_put(struct channel *c) {
    bias_left(&c->put.lock);
    if (put_is_awaited(c)) channel_after_put(c);
}

bool channel_put_any_quickly(struct channel *c, uint64_t generation, const void *data, size_t size) {
    return size <= INLINE_MAX && put_quickly(c, generation, data, size);
}

static prong_status put_large(struct channel *c, uint64_t generation, const void *data, size_t size,
                              deadline_t deadline) {
    uint64_t block;
    TRY(block_reserve(size, &block));
    memcpy(arena_at(block), data, size);
    prong_status status = channel_put_block(c, generation, block, size, deadline);
    if (status < 0) block_release(block);
    return status;
}

prong_status channel_put(struct channel *c, uint64_t generation, const void *data, size_t size, deadline_t deadline) {
    if (size > INLINE_MAX) return put_large(c, generation, data, size, deadline);
    uint64_t header = record_header(RECORD_INLINE, size);
    prong_status status = put_begin(c, generation, size, record_length(header), deadline);
    if (__builtin_expect(status, 0)) return status;
    put_at_tail(c, header, data);
    side_count_bytes(&c->put.bytes, size);
    put_end(c);
    return PRONG_OK;
}

/* Under the lock, with a place for it: hands the block over. */
static void put_block_record(struct channel *c, uint64_t block, size_t size) {
    struct block_record payload = {block, size};
    uint64_t header = record_header(RECORD_BLOCK, sizeof payload);
    c->put.block = block;
    IN_ORDER();
    __atomic_store_n(&heap_header(block)->owner, 0, __ATOMIC_RELAXED);
    IN_ORDER();
    put_at_tail(c, header, &payload);
    c->put.block = 0;
}

prong_status channel_put_block(struct channel *c, uint64_t generation, uint64_t block, size_t size,
                               deadline_t deadline) {
    uint64_t header = record_header(RECORD_BLOCK, sizeof(struct block_record));
    TRY(put_begin(c, generation, size, record_length(header), deadline));
    put_block_record(c, block, size);
    side_count_bytes(&c->put.bytes, size);
    put_end(c);
    atomic_fetch_sub(&self_row()->held, 1);
    return PRONG_OK;
}

/* Takes the lock, also without room, and of a channel that is closed. */
static prong_status put_begin_back(struct channel *c, uint64_t generation, uint64_t length) {
    TRY(side_lock_put(c, PRONG_FOREVER));
    prong_status status = side_is_of(&c->put.generation, generation) ? put_make_place(c, length) : side_destroyed();
    if (status < 0) biased_lock_release(&c->put.lock);
    return status;
}

prong_status channel_put_back(struct channel *c, uint64_t generation, const void *data, size_t size, uint64_t block) {
    uint64_t header =
        block ? record_header(RECORD_BLOCK, sizeof(struct block_record)) : record_header(RECORD_INLINE, size);
    TRY(put_begin_back(c, generation, record_length(header)));
    if (block)
        put_block_record(c, block, size);
    else
        put_at_tail(c, header, data);
    side_count_bytes(&c->put.bytes, size);
    put_end(c);
    if (block) atomic_fetch_sub(&self_row()->held, 1);
    return PRONG_OK;
}

/* --- counting --- */

/* A message that was taken was put, even if its putter died before it could count it. */
uint64_t channel_put_count(struct channel *c) {
    uint64_t put = position_count(atomic_load(&c->put.tail)), taken = position_count(atomic_load(&c->take.head));
    return ((taken - put) & COUNT_MASK) - 1 < COUNT_MASK / 2 ? taken : put;
}

uint64_t channel_count(struct channel *c) {
    uint64_t taken = position_count(atomic_load(&c->take.head));
    uint64_t count = (channel_put_count(c) - taken) & COUNT_MASK;
    return count > COUNT_MASK / 2 ? 0 : count; /* a take may be seen before the put that it followed */
}

/* A caller may be delayed between the two loads: messages taken and put meanwhile would then count as put, but not as
 * taken. */
uint64_t channel_count_exactly(struct channel *c) {
    uint64_t taken, count;
    do {
        taken = atomic_load(&c->take.head);
        count = channel_count(c);
    } while (atomic_load(&c->take.head) != taken);
    return count;
}
