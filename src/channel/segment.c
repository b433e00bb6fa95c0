/* The chain of segments: putters add to it, and segments that takers have left are removed. */
#include "channel/segment.h"

#include "base/error.h"
#include "family/heap.h"

void segment_clear(uint64_t segment) {
    *segment_next(segment) = 0;
    atomic_store_explicit(record_at(segment, position_of(0, SEGMENT_START)), 0, memory_order_relaxed);
}

/* Moves the oldest segment into `spare`, and frees the one that was there. At any moment a segment is in the chain, in
 * `spare`, or in both, which side_repair_put detects. */
static void segment_retire_first(struct channel *c) {
    if (c->put.spare) heap_free(c->put.spare, &c->put.spare);
    c->put.spare = c->put.first;
    IN_ORDER();
    c->put.first = *segment_next(c->put.spare);
    IN_ORDER();
}

/* Takes back segments that the takers have left; one is kept for the next link. */
static void segments_recycle(struct channel *c) {
    while (c->put.first != atomic_load(&c->take.segment)) segment_retire_first(c);
}

/* From here on all steps can be repeated by a process that finds link_from set. */
void segment_finish_link(struct channel *c) {
    _Atomic uint64_t *record = arena_at(c->put.link_from);
    bool linked = record_type(atomic_load_explicit(record, memory_order_relaxed)) == RECORD_LINK;
    uint64_t to = linked ? *(uint64_t *)record_payload(record) : c->put.spare;
    if (!linked) {
        *(uint64_t *)record_payload(record) = to;
        atomic_store_explicit(record, record_header(RECORD_LINK, 8), memory_order_release);
    }
    IN_ORDER();
    uint64_t count = position_count(atomic_load_explicit(&c->put.tail, memory_order_relaxed));
    atomic_store_explicit(&c->put.tail, position_of(count, SEGMENT_START), memory_order_relaxed);
    IN_ORDER();
    atomic_store_explicit(&c->put.segment, to, memory_order_relaxed);
    c->put.size = heap_header(to)->wanted;
    IN_ORDER();
    c->put.spare = 0;
    IN_ORDER();
    c->put.link_from = 0;
    IN_ORDER();
}

/* The size of the next segment. If the takers keep up, segments as large as now are enough. */
static uint64_t segment_size_wanted(struct channel *c, uint64_t length) {
    uint64_t size = c->put.spare ? c->put.size : SEGMENT_GROWS * c->put.size;
    uint64_t records = SEGMENT_START + SEGMENT_RECORDS * length + LINK_RECORD;
    if (size < records) size = records;
    return size < SEGMENT_MAX ? size : SEGMENT_MAX;
}

/* Puts a segment of the wanted size into `spare`. */
static prong_status segment_find(struct channel *c, uint64_t length) {
    segments_recycle(c);
    uint64_t wanted = segment_size_wanted(c, length);
    if (c->put.spare && heap_header(c->put.spare)->wanted < wanted) TRY(heap_free(c->put.spare, &c->put.spare));
    return c->put.spare ? PRONG_OK : heap_alloc(wanted, 0, &c->put.spare, NULL);
}

prong_status segment_link(struct channel *c, uint64_t length) {
    prong_status status = segment_find(c, length);
    if (status < 0) return status;
    uint64_t segment = atomic_load_explicit(&c->put.segment, memory_order_relaxed);
    segment_clear(c->put.spare);
    *segment_next(segment) = c->put.spare;
    IN_ORDER();
    c->put.link_from = segment + position_place(atomic_load_explicit(&c->put.tail, memory_order_relaxed));
    IN_ORDER();
    segment_finish_link(c);
    return PRONG_OK;
}

void segments_free(struct channel *c) {
    while (c->put.first) segment_retire_first(c);
    if (c->put.spare) heap_free(c->put.spare, &c->put.spare);
}
