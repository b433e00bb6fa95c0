/* The channel: a queue of messages in the arena, any number of putters and takers, in order, each message taken
 * once. Queue and Pipe are built of it.
 *
 * Messages stand one behind the other as records in segments, which are linked as the queue grows:
 *
 *     segment: next | record | record | … | LINK record → next segment
 *     record:  header (0: not there yet) | payload, padded to 8 bytes
 *
 * Small messages are in the record; larger ones in a block of their own that the record names. Putters share one
 * lock, takers another; a putter and a taker meet only at the header of a record, which is stored last. So each side
 * works in its own cache lines until it reaches what the other wrote.
 *
 * Death. `tail` and `head` each are one word (message count and place), moved by one store. Killed before it, a put
 * or take has not happened, or the header tells that it has; the few steps that need more words leave an intent
 * first, and whoever takes over the lock completes or withdraws it (repair.c).
 *
 * Destruction. Each side knows under its lock of which generation it is; 0 once it is destroyed. So a caller that was inside
 * already is refused. */
#ifndef CHANNEL_CHANNEL_H
#define CHANNEL_CHANNEL_H

#include "family/bell.h"
#include "family/lock.h"
#include "family/waitq.h"

#include <prong/status.h>
#include <stddef.h>

enum channel_state { CHANNEL_OPEN, CHANNEL_CLOSED };

struct channel {
    struct { /* hardly ever written: both sides read it as they work or spin */
        _Alignas(64) _Atomic uint32_t state;
        _Atomic uint32_t
            bell; /* there are descriptors that show whether there is something to take: see family/bell.h */
        uint64_t message_limit, byte_limit; /* 0: none */
        uint64_t object;                    /* what it is part of, for the report of who waits for what */
        uint64_t whole;                     /* it is set up, and its messages are not dropped yet */
    } fixed;
    struct {
        _Alignas(64) lock_t lock;
        uint32_t unused;
        _Atomic uint64_t generation; /* of what it is part of; 0: of nothing, now */
        _Atomic uint64_t tail;       /* messages put << 24 | place of the next record in its segment, in 8 bytes */
        _Atomic uint64_t segment;    /* that segment */
        _Atomic uint64_t bytes;      /* put so far, for the limit */
        uint64_t taken_seen;         /* take.bytes when last looked at */
        uint64_t block;              /* intent: this block is going into the record at tail */
        uint64_t first;              /* the oldest segment not yet given back */
        uint64_t spare;              /* a segment in hand for the next link */
        uint64_t link_from;          /* intent: the LINK record at this offset leads to the spare */
    } put;
    struct {
        _Alignas(64) lock_t lock;
        uint32_t unused;
        _Atomic uint64_t generation; /* as put's */
        _Atomic uint64_t head;       /* as tail, for the next message to take */
        _Atomic uint64_t segment;
        uint64_t next;  /* intent: takers move on to this segment */
        uint64_t block; /* intent: this block is being taken from the record at head */
        _Atomic uint64_t bytes;
        uint64_t ledger, ledger_value, ledger_head; /* intent: this word counts what is taken at that head */
    } take;
    _Alignas(64) struct object_bell bell; /* but for its flags, which are in `fixed` */
    _Alignas(64) struct waitq readable;
    _Alignas(64) struct waitq writable;
};

/* What a taker wants done with the next message. */
struct taking {
    uint64_t generation; /* of the channel's object */
    void *buffer;        /* copy here, if not more than capacity */
    size_t capacity;
    bool lend;        /* instead: hand over as a block */
    size_t limit;     /* when lending: nothing longer than this; 0: any length */
    uint64_t block;   /* out, when lent */
    size_t size;      /* out: the message's size, also when it is too long */
    uint64_t *ledger; /* NULL, or a word of the arena that is raised by one with the taking */
};

/* object: what the channel is part of, whose generation all who put and take name. In memory that is zeroed. */
prong_status channel_init(struct channel *channel, void *object, uint64_t generation, uint64_t message_limit,
                          uint64_t byte_limit);
/* It is destroyed: wakes all who wait, and refuses later callers. */
void channel_end(struct channel *channel);
/* Frees its memory, when nobody is inside of it any more. False when that could not be, since a stopped process is in the
 * middle of it. */
bool channel_dispose(struct channel *channel);
/* Bytes of the arena that it takes, about. */
uint64_t channel_weigh(struct channel *channel);

/* Each waits until the deadline. PRONG_FULL, PRONG_EMPTY when it passes; PRONG_SHUTDOWN; PRONG_STALE. */
prong_status channel_put(struct channel *channel, uint64_t generation, const void *data, size_t size,
                         deadline_t deadline);
prong_status channel_put_block(struct channel *channel, uint64_t generation, uint64_t block, size_t size,
                               deadline_t deadline);
prong_status channel_take(struct channel *channel, struct taking *taking, deadline_t deadline);
/* The same without waiting; no message is recorded for PRONG_FULL and PRONG_EMPTY. */
prong_status channel_try_take(struct channel *channel, struct taking *taking);

/* Nothing more goes in; what is in can still be taken. PRONG_STALE. */
prong_status channel_close(struct channel *channel, uint64_t generation);
bool channel_has_message(struct channel *channel);
/* A message, or that there will be none. Takes a channel, as a waitq's condition. */
bool channel_ready_to_take(void *channel);
/* Room, or that there will be none. */
bool channel_ready_to_put(void *channel);
/* Spins until then, for a bounded time: see spin_until. */
bool channel_spin(struct channel *channel);
bool channel_has_room(struct channel *channel);
uint64_t channel_count(struct channel *channel); /* too many, if the caller is held back in it */
uint64_t channel_count_exactly(struct channel *channel);
/* Messages ever put; modulo 2^40. */
uint64_t channel_put_count(struct channel *channel);

/* A member died: release and repair what it held, its hold on the bell, wake all who wait. */
void channel_recover(struct channel *channel, uint32_t dead);

/* Blocks in a member's hands, on their way into or out of a channel. */
prong_status block_reserve(size_t size, uint64_t *block);
prong_status block_release(uint64_t block);

#endif
