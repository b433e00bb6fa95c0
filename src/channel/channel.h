/* The channel: a queue of messages in the arena, with any number of putters and takers, in which each message is taken
 * once, in order. Queue and Pipe are built on it.
 *
 * Messages are stored one after the other as records in segments. The first segment is small. When one is full, the next
 * is linked: the segment that the takers have left last, or a larger one if they are still in the same:
 *
 *     segment: next | record | record | … | LINK record → next segment
 *     record:  header (0: not there yet) | payload, padded to 8 bytes
 *
 * Words (messages of 8 bytes) by a thread that keeps the putters' lock, in a channel without limits, share a header with
 * those before and after them. Such a run goes up to the end of a cache line; a record of another kind may end it early:
 *
 *     run:     header (number of words so far; ended?) | word | word | …
 *
 * Small messages are in the record; larger ones are in a block of their own, whose offset is in the record. Putters
 * share one lock, takers another. A putter and a taker share only the header of a record, which is stored last. So each
 * side works in its own cache lines until it reaches what the other side wrote. A taker notes how many words of a run are
 * there (take.seen), and reads its header again only after these.
 *
 * Death. `tail` and `head` are one word each (message count and place), changed by one store. If a process is killed
 * before that store, its put or take has not happened, or the header shows that it has. The few steps that need more
 * words store an intent first, and the process that takes over the lock completes or undoes it (repair.c).
 *
 * Destruction. Each side has, under its lock, the generation of its object, which is 0 once the object is destroyed. So
 * a caller that was inside already is refused. */
#ifndef CHANNEL_CHANNEL_H
#define CHANNEL_CHANNEL_H

#include "channel/bias.h"
#include "family/bell.h"
#include "family/waitq.h"

#include <limits.h>
#include <prong/status.h>
#include <stddef.h>

enum channel_state { CHANNEL_OPEN, CHANNEL_CLOSED };

struct channel {
    struct { /* rarely written: both sides read it as they work or spin */
        _Alignas(64) _Atomic uint32_t state;
        _Atomic uint32_t
            bell; /* there are descriptors that show whether there is something to take: see family/bell.h */
        uint64_t message_limit, byte_limit; /* 0: none */
        uint64_t object;                    /* what it is part of, for the report of who waits for what */
        uint64_t whole;                     /* it is initialized, and its messages are not freed yet */
    } fixed;
    struct {
        _Alignas(64) struct biased_lock lock;
        _Atomic uint64_t generation; /* of its object; 0: the object is destroyed */
        _Atomic uint64_t tail;       /* messages put, and the place of the next: see `position` in segment.h */
        _Atomic uint64_t segment;    /* that segment */
        _Atomic uint64_t bytes;      /* put so far, for the limit */
        uint64_t taken_seen;         /* take.bytes when last looked at */
        uint64_t block;              /* intent: this block is going into the record at tail */
        uint64_t size;               /* of that segment */
        uint64_t first;              /* the oldest segment not yet given back */
        uint64_t spare;              /* a segment kept for the next link */
        uint64_t link_from;          /* intent: the LINK record at this offset leads to the spare */
    } put;
    struct {
        _Alignas(64) struct biased_lock lock;
        _Atomic uint64_t generation; /* as put's */
        _Atomic uint64_t head;       /* as tail, for the next message to take */
        _Atomic uint64_t segment;
        uint64_t seen;  /* a count as in head: up to it, the messages are known to be there, in the run at head */
        uint64_t next;  /* intent: takers move on to this segment */
        uint64_t block; /* intent: this block is being taken from the record at head */
        _Atomic uint64_t bytes;
        uint64_t ledger, ledger_value, ledger_head; /* intent: this word counts what is taken at that head */
    } take;
    _Alignas(64) struct object_bell bell; /* but for its flags, which are in `fixed` */
    _Alignas(64) struct waitq readable;
    _Alignas(64) struct waitq writable;
};

/* What a taker wants to do with the next message. */
struct taking {
    uint64_t generation; /* of the channel's object */
    void *buffer;        /* copy here, if not more than capacity */
    size_t capacity;
    bool lend;        /* instead: hand over as a block */
    size_t limit;     /* when lending: nothing longer than this; 0: any length */
    uint64_t block;   /* out, when lent */
    size_t size;      /* out: the message's size, also when it is too long */
    uint64_t *ledger; /* NULL, or a word of the arena that the take increments */
};

/* object: what the channel is part of; all that put and take pass its generation. The channel's memory must be
 * zeroed. */
prong_status channel_init(struct channel *channel, void *object, uint64_t generation, uint64_t message_limit,
                          uint64_t byte_limit);
/* Its object is destroyed: wakes all waiters, and refuses later callers. */
void channel_end(struct channel *channel);
/* Frees its memory, when no thread is inside of it any more. False if a stopped process is in the middle of it. */
bool channel_dispose(struct channel *channel);
/* About how many bytes of the arena it takes. */
uint64_t channel_weigh(struct channel *channel);

/* These wait until the deadline: then PRONG_FULL, PRONG_EMPTY. Also PRONG_SHUTDOWN, PRONG_STALE. */
prong_status channel_put(struct channel *channel, uint64_t generation, const void *data, size_t size,
                         deadline_t deadline);
prong_status channel_put_block(struct channel *channel, uint64_t generation, uint64_t block, size_t size,
                               deadline_t deadline);
/* Puts back what was just taken, behind the other messages, even if the channel is full or closed by now. block: as it
 * was lent, or 0 and the data, of at most INLINE_MAX bytes. PRONG_STALE, PRONG_NO_MEMORY. */
prong_status channel_put_back(struct channel *channel, uint64_t generation, const void *data, size_t size,
                              uint64_t block);
prong_status channel_take(struct channel *channel, struct taking *taking, deadline_t deadline);
/* The same without waiting; no message is recorded for PRONG_FULL and PRONG_EMPTY. */
prong_status channel_try_take(struct channel *channel, struct taking *taking);

/* Allows no more puts; what is in the channel can still be taken. PRONG_STALE. */
prong_status channel_close(struct channel *channel, uint64_t generation);
bool channel_has_message(struct channel *channel);
/* Whether there is a message, or never will be one. The argument is a channel, as this is a waitq's condition. */
bool channel_ready_to_take(void *channel);
/* To be asked in place of that after the caller has announced that it waits for a message: see bias.h. */
bool channel_settled_to_take(void *channel);
/* Waits for a message or an end, as waitq_wait. */
bool channel_wait_to_take(struct channel *channel, deadline_t deadline);
/* Whether there is room for a message of that size, or never will be: conditions of a waitq, as above. */
struct room {
    struct channel *channel;
    size_t size;
};
bool channel_has_room_for(void *room);
bool channel_settled_to_put(void *room);
/* There is more room. Of several putters that wait for bytes, the first may want more than others. */
static inline void channel_tell_room(struct channel *c) {
    waitq_notify(&c->writable, c->fixed.byte_limit ? INT_MAX : 1);
}
/* Spins until then, for a bounded time: see spin_until. */
bool channel_spin(struct channel *channel);
bool channel_has_room(struct channel *channel);
uint64_t channel_count(struct channel *channel); /* too high if the caller is delayed in it */
uint64_t channel_count_exactly(struct channel *channel);
/* The number of messages put so far, modulo 2^40. */
uint64_t channel_put_count(struct channel *channel);

/* A member died: releases and repairs what it held, ends its hold on the bell. */
void channel_recover(struct channel *channel, uint32_t dead);
/* It was inside: wakes all waiters. */
void channel_wake(struct channel *channel);

/* Blocks that are lent to a member, on their way into or out of a channel. */
prong_status block_reserve(size_t size, uint64_t *block);
prong_status block_release(uint64_t block);

#endif
