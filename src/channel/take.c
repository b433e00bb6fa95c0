/* The takers' side: taking messages, and checking whether there are any. */
#include "channel/quick.h"

#include "channel/bell.h"
#include "family/waiter.h"
#include "os/pause.h"

/* --- checking without a lock: the answer was true a moment ago. The memory read may belong to a recycled segment by
 * now; it is still mapped, and a caller that acts on the answer checks again under the lock. --- */

/* The header of the next message: at that place, behind a run there that has ended, or in the segment to which a LINK
 * leads. Sanitizers do not check this read: another thread may have the memory now, and write to it. */
__attribute__((no_sanitize("thread"))) static inline uint64_t head_header_seen(uint64_t segment, uint64_t head) {
    uint64_t header = atomic_load_explicit(record_at(segment, head), memory_order_acquire),
             index = position_index(head);
    if (index && record_size(header) <= index) {
        if (record_type(header) != RECORD_RUN_ENDED) return 0;
        head = run_leave(head);
        header = atomic_load_explicit(record_at(segment, head), memory_order_acquire);
    }
    if (__builtin_expect(record_type(header) != RECORD_LINK, 1)) return header;
    uint64_t to = __atomic_load_n((uint64_t *)record_payload(record_at(segment, head)), __ATOMIC_RELAXED);
    if (to % 64 || to > arena_mapped - SEGMENT_FIRST)
        return header; /* recycled while it was read: check under the lock */
    return atomic_load_explicit(record_at(to, position_of(0, SEGMENT_START)), memory_order_acquire);
}

/* "None" is only true of a place where the takers still are: a segment that they have left may be in use again, and
 * empty. */
bool channel_has_message(struct channel *c) {
    for (;;) {
        uint64_t segment = atomic_load_explicit(&c->take.segment, memory_order_acquire);
        uint64_t head = atomic_load_explicit(&c->take.head, memory_order_acquire);
        if (head_header_seen(segment, head)) return true;
        if (atomic_load_explicit(&c->take.segment, memory_order_acquire) == segment &&
            atomic_load_explicit(&c->take.head, memory_order_relaxed) == head)
            return false;
    }
}

bool channel_ready_to_take(void *channel) {
    struct channel *c = channel;
    return channel_has_message(c) || atomic_load_explicit(&c->fixed.state, memory_order_relaxed) != CHANNEL_OPEN;
}

bool channel_settled_to_take(void *channel) {
    side_settle_put(channel);
    return channel_ready_to_take(channel);
}

/* --- waiting --- */

bool channel_wait_to_take(struct channel *c, deadline_t deadline) {
    if (deadline == PRONG_NOWAIT) return false;
    return spin_until(channel_ready_to_take, c) || waitq_sleep(&c->readable, channel_settled_to_take, c, deadline);
}

/* A taker that puts nothing itself and takes each message alone is too close behind the putter: for each message they
 * contend for the cache line that one writes and the other reads. It is faster to pause for half a microsecond and take
 * several. A process that answers each message (and so puts) never pauses. */
enum { ALONE_MANY = 16 };
static const prong_time HOLD_BACK = 500;
static QUICK_LOCAL unsigned taken_alone; /* messages, one at a time, since the process last put one */
static QUICK_LOCAL uint64_t puts_before;

static void taken_alone_until_put(void) {
    uint64_t puts = atomic_load_explicit(&self_row()->puts, memory_order_relaxed);
    if (puts != puts_before) taken_alone = 0;
    puts_before = puts;
}

bool channel_spin(struct channel *c) {
    struct pause pause = {0};
    taken_alone_until_put();
    while (taken_alone >= ALONE_MANY && pause_again(&pause, HOLD_BACK)) {}
    if (!spin_until(channel_ready_to_take, c)) return false;
    taken_alone++;
    return true;
}

/* Sleeps until there is a message or an end; the report shows the wait. PRONG_EMPTY when the time is up. */
static __attribute__((noinline)) prong_status take_wait(struct channel *c, uint64_t generation, deadline_t deadline) {
    INTERRUPTIBLE;
    bool more = deadline != PRONG_NOWAIT;
    struct waiter *waiter = more ? waiter_begin(arena_at(c->fixed.object)) : NULL;
    while (more && !channel_ready_to_take(c) && side_is_of(&c->take.generation, generation))
        more = waitq_sleep(&c->readable, channel_settled_to_take, c, deadline);
    waiter_end(waiter);
    if (more) return PRONG_OK;
    bell_after_nothing(c);
    return fail_text(PRONG_EMPTY, "the queue stayed empty for the time given");
}

/* --- taking --- */

/* A joinable queue counts what each member has taken; side_repair_take uncounts what was not. */
static void take_note_in_ledger(struct channel *c, uint64_t *ledger) {
    c->take.ledger_head = atomic_load_explicit(&c->take.head, memory_order_relaxed);
    uint64_t before = *ledger;
    c->take.ledger_value = before;
    IN_ORDER();
    c->take.ledger = arena_offset(ledger);
    IN_ORDER();
    __atomic_store_n(ledger, before + 1, __ATOMIC_RELAXED);
    IN_ORDER();
}

static void take_lend_inline(struct channel *c, const struct next_message *m, struct taking *t) {
    memcpy(arena_at(t->block), m->payload, m->size);
    head_advance(c, m);
}

/* Under the lock, with a message there. A block that the caller wants as a copy is handed over first, and copied
 * when the lock is free again. */
static inline prong_status take_message(struct channel *c, const struct next_message *m, struct taking *t) {
    bool is_block = m->type == RECORD_BLOCK;
    t->size = m->size;
    size_t most = t->lend ? (t->limit ? t->limit : SIZE_MAX) : t->capacity;
    if (__builtin_expect(t->size > most, 0)) return PRONG_TOO_LONG;
    if (t->lend && !is_block) TRY(block_reserve(m->size, &t->block)); /* before anything is noted */
    if (__builtin_expect(t->ledger != NULL, 0)) take_note_in_ledger(c, t->ledger);
    if (is_block) {
        t->block = head_take_block(c, m);
    } else if (t->lend) {
        take_lend_inline(c, m, t);
    } else {
        record_copy(t->buffer, m->payload, m->size);
        head_advance(c, m);
    }
    return PRONG_OK;
}

static inline prong_status take_nothing(struct channel *c) {
    if (atomic_load(&c->fixed.state) == CHANNEL_OPEN) return PRONG_EMPTY;
    /* closed: what was put before is there by now */
    return channel_has_message(c) ? PRONG_EMPTY : fail_text(PRONG_SHUTDOWN, "the queue was shut down, and is empty");
}

static prong_status take_copy_out(struct taking *t) {
    memcpy(t->buffer, arena_at(t->block), t->size);
    uint64_t block = t->block;
    t->block = 0;
    return block_release(block);
}

static __attribute__((noinline)) void take_release_slow(struct channel *c) {
    if (take_is_awaited(c))
        biased_lock_release(&c->take.lock);
    else
        biased_lock_release_and_keep(&c->take.lock);
}

void channel_after_take(struct channel *c) {
    channel_tell_room(c);
    /* One of several sleepers was woken, perhaps for several messages: wakes the next. */
    if (__builtin_expect(atomic_load_explicit(&c->readable.flags, memory_order_relaxed) & WAITQ_SLEEPERS, 0) &&
        channel_has_message(c))
        waitq_notify(&c->readable, 1);
    bell_after_take(c);
}

void quick_after_take(struct channel *c) {
    bias_left(&c->take.lock);
    if (take_is_awaited(c)) channel_after_take(c);
}

bool channel_take_any_quickly(struct channel *c, uint64_t generation, void *buffer, size_t capacity, size_t *size) {
    return take_quickly(c, generation, buffer, capacity, false, size);
}

static prong_status take_try(struct channel *c, struct taking *t, deadline_t deadline) {
    struct next_message next;
    t->block = 0;
    prong_status status = side_lock_take(c, deadline);
    if (__builtin_expect(status, 0)) return status;
    if (!side_is_of(&c->take.generation, t->generation)) {
        biased_lock_release(&c->take.lock);
        waitq_notify(&c->readable, 1); /* it may be that another was to be woken */
        return side_destroyed();
    }
    status = __builtin_expect(head_next(c, &next), 1) ? take_message(c, &next, t) : take_nothing(c);
    if (__builtin_expect(status, 0)) {
        biased_lock_release(&c->take.lock);
        return status;
    }
    if (!bias_try_leave(&c->take.lock)) take_release_slow(c);
    channel_after_take(c);
    return t->block && !t->lend ? take_copy_out(t) : PRONG_OK;
}

prong_status channel_try_take(struct channel *c, struct taking *t) {
    return take_try(c, t, PRONG_NOWAIT);
}

prong_status channel_take(struct channel *c, struct taking *t, deadline_t deadline) {
    for (;;) {
        /* do not contend for the lock, nor write to its cache line, just to find nothing */
        if (__builtin_expect(channel_ready_to_take(c) || (deadline != PRONG_NOWAIT && channel_spin(c)), 1) ||
            !side_is_of(&c->take.generation, t->generation)) {
            prong_status status = take_try(c, t, deadline);
            if (__builtin_expect(status != PRONG_EMPTY, 1)) return status;
        }
        prong_status status = take_wait(c, t->generation, deadline);
        if (status < 0) return status;
    }
}
