/* Records, and the segments that contain them: see channel.h. Private to the channel. */
#ifndef CHANNEL_SEGMENT_H
#define CHANNEL_SEGMENT_H

#include "channel/channel.h"
#include "family/arena.h"

#include <string.h>

#ifndef CHANNEL_SEGMENT
#define CHANNEL_SEGMENT (256 << 10) /* the model in tests/model has smaller ones */
#define CHANNEL_SEGMENT_FIRST 192   /* a block of 256 bytes */
#define CHANNEL_INLINE 4096
#define CHANNEL_RUN_LINE 64
#endif

enum {
    SEGMENT_MAX = CHANNEL_SEGMENT,
    SEGMENT_FIRST = CHANNEL_SEGMENT_FIRST,
    SEGMENT_GROWS = 4,   /* times, when a segment is full before the takers have left the one before */
    SEGMENT_RECORDS = 8, /* of the size of the one that a segment is linked for: at least so many have room in it */
    SEGMENT_START = 8,   /* behind the link to the next */
    HEADER = 8,
    LINK_RECORD = 16,
    INLINE_MAX = CHANNEL_INLINE, /* larger messages get a block */
    PLACE_BITS = 20,
    INDEX_BITS = 4,
    RUN_WORDS = CHANNEL_RUN_LINE / 8, /* a run ends at a multiple of that */
};

/* A run's size is the number of its messages so far. */
enum record_type { RECORD_INLINE = 1, RECORD_BLOCK = 2, RECORD_LINK = 3, RECORD_RUN = 4, RECORD_RUN_ENDED = 5 };
#define COUNT_MASK ((1ull << 40) - 1)
#define IN_ORDER() atomic_signal_fence(memory_order_seq_cst)

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

/* A position: number of messages | index | place in the segment, in words. With index 0 it is the place of a record. In a
 * run, index is the number of the run's messages before the position, and the place so many words behind the run. So the
 * next message of a run, also of one that begins, is behind the place. */
#define POSITION_INDEX_1 (1ull << PLACE_BITS)
#define POSITION_COUNT_1 (1ull << (PLACE_BITS + INDEX_BITS))
#define POSITION_NEXT (POSITION_COUNT_1 + POSITION_INDEX_1 + 1) /* in a run */

static inline uint64_t position_place(uint64_t position) {
    return position % POSITION_INDEX_1 * 8;
}

static inline uint64_t position_index(uint64_t position) {
    return position / POSITION_INDEX_1 % (1u << INDEX_BITS);
}

static inline uint64_t position_count(uint64_t position) {
    return position / POSITION_COUNT_1;
}

static inline uint64_t position_of(uint64_t count, uint64_t place) {
    return count * POSITION_COUNT_1 | place / 8;
}

/* The record at that position, or the run that it is in. */
static inline _Atomic uint64_t *record_at(uint64_t segment, uint64_t position) {
    return (_Atomic uint64_t *)arena_at(segment + position_place(position)) - position_index(position);
}

/* --- runs --- */

static inline void *run_message_at(uint64_t segment, uint64_t position) {
    return arena_at(segment + position_place(position) + HEADER);
}

/* Whether the message at that position is the last for which the run has room. */
static inline bool run_is_last(uint64_t position) {
    return (position + 2) % RUN_WORDS == 0;
}

/* Behind the run, if it ends with the messages before the position. */
static inline uint64_t run_leave(uint64_t position) {
    return position - position_index(position) * POSITION_INDEX_1 + 1;
}

/* After the message at that position. That of a full run is behind it. */
static inline uint64_t run_advance(uint64_t position) {
    uint64_t next = position + POSITION_NEXT;
    return __builtin_expect(run_is_last(position), 0) ? run_leave(next) : next;
}

/* The end of a full run that begins at that place, and the number of bytes in it. */
static inline uint64_t run_end(uint64_t place) {
    return (place / 8 / RUN_WORDS + 1) * RUN_WORDS * 8;
}

static inline uint64_t run_bytes(uint64_t place) {
    return run_end(place) - place - HEADER;
}

/* After the message at that position, which has that header. */
static inline uint64_t position_advance(uint64_t position, uint64_t header) {
    return record_type(header) == RECORD_RUN ? run_advance(position)
                                             : position + POSITION_COUNT_1 + record_length(header) / 8;
}

static inline void *record_payload(_Atomic uint64_t *record) {
    return (void *)(record + 1);
}

static inline uint64_t *segment_next(uint64_t segment) {
    return arena_at(segment);
}

/* Copies common sizes by single moves, others by a call: where the compiler knows that a size is small, it prefers an
 * instruction that is slow for kilobytes (rep movs). So it must not know. */
static inline void record_copy(void *to, const void *from, size_t size) {
    if (size == 8) {
        memcpy(to, from, 8);
    } else if (size) { /* no bytes may be at NULL */
        __asm__("" : "+r"(size));
        memcpy(to, from, size);
    }
}

/* --- under the putters' lock --- */

/* Makes a segment with no record and no next one. */
void segment_clear(uint64_t segment);
/* Links another segment, for the next record, which has that length. PRONG_NO_MEMORY. */
prong_status segment_link(struct channel *channel, uint64_t length);
/* The rest of that, also for a process that finds link_from set. */
void segment_finish_link(struct channel *channel);
/* Frees all segments of a channel that no thread is inside of. */
void segments_free(struct channel *channel);

#endif
