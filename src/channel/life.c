/* Making a channel, ending it, and giving its memory back. */
#include "base/periods.h"
#include "channel/sides.h"

#include "channel/bell.h"

#include <limits.h>

prong_status sides_lock(struct channel *c) {
    biased_lock_keep_not(&c->put.lock); /* the next object in the memory has nothing of it */
    biased_lock_keep_not(&c->take.lock);
    if (side_lock_put(c, deadline_after(STOPPED_AT_MOST))) return PRONG_TIMEOUT;
    if (side_lock_take(c, deadline_after(STOPPED_AT_MOST)) == PRONG_OK) return PRONG_OK;
    biased_lock_release(&c->put.lock);
    return PRONG_TIMEOUT;
}

void sides_unlock(struct channel *c) {
    biased_lock_release(&c->take.lock);
    biased_lock_release(&c->put.lock);
}

prong_status channel_init(struct channel *c, void *object, uint64_t generation, uint64_t message_limit,
                          uint64_t byte_limit) {
    TRY(heap_alloc(SEGMENT_FIRST, 0, &c->put.first, NULL));
    if (sides_lock(c)) return lock_refused(PRONG_TIMEOUT, "a new queue"); /* no other thread knows it */
    segment_clear(c->put.first);
    atomic_store(&c->fixed.state, CHANNEL_OPEN);
    c->fixed.object = arena_offset(object);
    c->bell.inset = BELL_OF_CHANNEL;
    c->fixed.message_limit = message_limit;
    c->fixed.byte_limit = byte_limit;
    atomic_store(&c->put.segment, c->put.first);
    c->put.size = SEGMENT_FIRST;
    atomic_store(&c->put.tail, position_of(0, SEGMENT_START));
    atomic_store(&c->put.bytes, 0);
    c->put.taken_seen = c->put.block = c->put.link_from = 0;
    atomic_store(&c->take.segment, c->put.first);
    atomic_store(&c->take.head, position_of(0, SEGMENT_START));
    atomic_store(&c->take.bytes, 0);
    c->take.seen = c->take.next = c->take.block = c->take.ledger = 0;
    c->fixed.whole = 1;
    IN_ORDER();
    atomic_store(&c->put.generation, generation);
    atomic_store(&c->take.generation, generation);
    sides_unlock(c);
    return PRONG_OK;
}

prong_status channel_close(struct channel *c, uint64_t generation) {
    prong_status status = side_lock_put(c, PRONG_FOREVER);
    if (status < 0) return status;
    if (side_is_of(&c->put.generation, generation)) {
        run_finish(c); /* what puts into a run does not ask for the state */
        atomic_store(&c->fixed.state, CHANNEL_CLOSED);
    } else {
        status = side_destroyed();
    }
    biased_lock_release(&c->put.lock);
    waitq_notify(&c->readable, INT_MAX);
    waitq_notify(&c->writable, INT_MAX);
    bell_after_put(c);
    return status;
}

/* Wakes the waiters; later callers are refused under the locks. If a stopped process holds one of these, they find by
 * themselves that the channel is destroyed. If this process dies in here, another does it again. */
void channel_end(struct channel *c) {
    atomic_store(&c->fixed.state, CHANNEL_CLOSED); /* for those that only look */
    if (!sides_lock(c)) {
        atomic_store(&c->put.generation, 0);
        atomic_store(&c->take.generation, 0);
        sides_unlock(c);
    }
    waitq_notify(&c->readable, INT_MAX);
    waitq_notify(&c->writable, INT_MAX);
    if (c->fixed.whole) object_bell_end(&c->bell); /* its descriptors are readable from now on */
}

/* --- its memory --- */

static void channel_drop_messages(struct channel *c) {
    struct next_message message;
    while (head_next(c, &message)) {
        if (message.type == RECORD_BLOCK)
            block_release(head_take_block(c, &message));
        else
            head_advance(c, &message);
    }
}

/* No thread is inside any more. If this process dies in here, another continues. */
bool channel_dispose(struct channel *c) {
    if (!c->put.first && !c->put.spare) return true;
    if (sides_lock(c)) return false;
    if (c->fixed.whole) channel_drop_messages(c);
    IN_ORDER();
    c->fixed.whole = 0;
    IN_ORDER();
    bool bell_gone = object_bell_dispose(&c->bell);
    if (bell_gone) segments_free(c);
    sides_unlock(c);
    return bell_gone;
}

uint64_t channel_weigh(struct channel *c) {
    uint64_t words = c->fixed.byte_limit ? 0 : 8 * channel_count(c); /* those in runs have not been counted as bytes */
    return c->put.first ? c->put.size + words + (uint64_t)put_bytes_used(c, atomic_load(&c->take.bytes)) : 0;
}

/* --- blocks --- */

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
