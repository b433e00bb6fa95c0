/* Repairs what a dead process left half done: on either side, and between the two. */
#include "base/periods.h"
#include "channel/sides.h"

#include "channel/bell.h"

/* Whether a message is put at tail, but not yet counted. */
static bool put_is_uncounted(uint64_t tail, uint64_t header) {
    uint64_t index = position_index(tail);
    return index ? record_size(header) > index : header != 0;
}

void side_repair_put(struct channel *c) {
    if (c->put.link_from) segment_finish_link(c);
    if (c->put.spare && c->put.spare == c->put.first) c->put.first = *segment_next(c->put.spare);
    IN_ORDER();
    if (!c->fixed.whole) return;
    uint64_t tail = atomic_load(&c->put.tail);
    uint64_t header = atomic_load(record_at(atomic_load(&c->put.segment), tail));
    if (position_index(tail) && record_type(header) == RECORD_RUN_ENDED) { /* run_finish */
        atomic_store(&c->put.tail, run_leave(tail));
    } else if (put_is_uncounted(tail, header)) {
        tail_advance(c, tail, header);
        IN_ORDER();
        c->put.block = 0;
    } else if (c->put.block) { /* its block was no longer lent to the member, and not yet put */
        heap_free(c->put.block, &c->put.block);
    }
    atomic_store(&c->put.bytes, atomic_load(&c->take.bytes)); /* not known for sure: begin anew */
}

void side_repair_take(struct channel *c) {
    if (!c->fixed.whole) return;
    if (c->take.next) head_finish_step(c);
    uint64_t head = atomic_load(&c->take.head);
    if (c->take.block) {
        _Atomic uint64_t *record = record_at(atomic_load(&c->take.segment), head);
        uint64_t header = atomic_load(record);
        const struct block_record *at_head = record_payload(record);
        if (record_type(header) == RECORD_BLOCK && at_head->block == c->take.block) /* not taken after all */
            __atomic_store_n(&heap_header(c->take.block)->owner, 0, __ATOMIC_RELAXED);
        IN_ORDER();
        c->take.block = 0; /* else it is lent to the dead member, and freed with its other blocks */
    }
    if (c->take.ledger && head == c->take.ledger_head) *(uint64_t *)arena_at(c->take.ledger) = c->take.ledger_value;
    IN_ORDER();
    c->take.ledger = 0;
}

void channel_recover(struct channel *c, uint32_t dead) {
    if (!c->put.first && !c->put.spare) return;
    if (biased_lock_is_of(&c->put.lock, dead) && !side_lock_put(c, deadline_after(STOPPED_AT_MOST)))
        biased_lock_release(&c->put.lock);
    if (biased_lock_is_of(&c->take.lock, dead) && !side_lock_take(c, deadline_after(STOPPED_AT_MOST)))
        biased_lock_release(&c->take.lock);
    object_bell_recover(&c->bell, dead);
}

void channel_wake(struct channel *c) {
    if (!c->fixed.whole) return;
    lock_wake(&c->put.lock.lock);
    lock_wake(&c->take.lock.lock);
    object_bell_wake(&c->bell);
    waitq_wake_all(&c->readable);
    waitq_wake_all(&c->writable);
}
