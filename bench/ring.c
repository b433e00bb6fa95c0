/* limit_ring_SIZE, limit_rtt_SIZE: a plain ring between two processes, one of which only puts and the other only takes. No locked
 * instruction, no system call, nothing for the death of either. Each side keeps the other's index as it last saw it, and
 * reads it again only when the ring looks full, or empty. */
#define _GNU_SOURCE
#include "bench.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct ring {
    _Alignas(256) _Atomic uint64_t put;   /* written by the producer */
    _Alignas(256) _Atomic uint64_t taken; /* written by the consumer */
    _Alignas(256) char slots[];
};

/* Which one is best depends on the machine's caches: few slots stay in a cache, many keep both sides going. */
struct layout {
    uint64_t slots; /* a power of two */
    bool marked;    /* no indices: a slot that is not 0 is full */
};

/* What a producer or a consumer keeps for itself. */
struct side {
    struct ring *ring;
    uint64_t mask, own, other; /* its index, and the other's as last seen */
    size_t size;
    char *data; /* copied from, or to */
};

/* Turns of waiting until another process may need this core: the other side, or if that has its own, one of a busy machine. */
static unsigned patience = 65536;

static inline void ring_pause(unsigned *turns) {
    if (++*turns % patience == 0) sched_yield();
}

static char *slot(struct side *s) {
    return s->ring->slots + (s->own & s->mask) * s->size;
}

static void wait_for_room(struct side *s) {
    unsigned turns = 0;
    while (s->own - s->other > s->mask) {
        s->other = atomic_load_explicit(&s->ring->taken, memory_order_acquire);
        if (s->own - s->other > s->mask) ring_pause(&turns);
    }
}

static void wait_for_message(struct side *s) {
    unsigned turns = 0;
    while (s->own == s->other) {
        s->other = atomic_load_explicit(&s->ring->put, memory_order_acquire);
        if (s->own == s->other) ring_pause(&turns);
    }
}

static void put_8B(struct side *s, long count) {
    for (long i = 0; i < count; i++) {
        wait_for_room(s);
        *(uint64_t *)slot(s) = s->own + 1;
        atomic_store_explicit(&s->ring->put, ++s->own, memory_order_release);
    }
}

static void take_8B(struct side *s, long count) {
    uint64_t last = 0;
    for (long i = 0; i < count; i++) {
        wait_for_message(s);
        last = *(uint64_t *)slot(s);
        atomic_store_explicit(&s->ring->taken, ++s->own, memory_order_release);
    }
    if (last != s->own) bench_die("the ring lost a message");
}

static void put_marked(struct side *s, long count) {
    unsigned turns = 0;
    for (long i = 0; i < count; i++, s->own++) {
        _Atomic uint64_t *place = (_Atomic uint64_t *)slot(s);
        while (atomic_load_explicit(place, memory_order_acquire) != 0) ring_pause(&turns);
        atomic_store_explicit(place, s->own + 1, memory_order_release);
    }
}

static void take_marked(struct side *s, long count) {
    unsigned turns = 0;
    uint64_t last = 0;
    for (long i = 0; i < count; i++, s->own++) {
        _Atomic uint64_t *place = (_Atomic uint64_t *)slot(s);
        while ((last = atomic_load_explicit(place, memory_order_acquire)) == 0) ring_pause(&turns);
        atomic_store_explicit(place, 0, memory_order_release);
    }
    if (last != s->own) bench_die("the ring lost a message");
}

static void put_copies(struct side *s, long count) {
    for (long i = 0; i < count; i++) {
        wait_for_room(s);
        memcpy(slot(s), s->data, s->size);
        atomic_store_explicit(&s->ring->put, ++s->own, memory_order_release);
    }
}

static void take_copies(struct side *s, long count) {
    for (long i = 0; i < count; i++) {
        wait_for_message(s);
        memcpy(s->data, slot(s), s->size);
        /* the copy is made, although nothing reads it */
        __asm__ volatile("" : : "r"(s->data) : "memory");
        atomic_store_explicit(&s->ring->taken, ++s->own, memory_order_release);
    }
}

static struct side side_of(size_t size, uint64_t slots) {
    struct ring *ring = bench_shared(sizeof *ring + slots * size);
    return (struct side){.ring = ring, .mask = slots - 1, .size = size, .data = bench_buffer(size)};
}

/* How a ring of this size is filled and emptied, so many messages at a time. */
struct way {
    void (*put)(struct side *s, long count);
    void (*take)(struct side *s, long count);
    long batch;
    struct side side;
};

static struct way way_of(size_t size, bool marked) {
    if (size > 8) return (struct way){put_copies, take_copies, size > 65536 ? 1 : size > 1024 ? 8 : 256, {0}};
    return marked ? (struct way){put_marked, take_marked, 1024, {0}} : (struct way){put_8B, take_8B, 1024, {0}};
}

static void take_batch(void *argument) {
    struct way *way = argument;
    way->take(&way->side, way->batch);
}

/* Messages a second with this layout. */
static double ring_rate(size_t size, const struct layout *layout) {
    struct way way = way_of(size, layout->marked);
    way.side = side_of(size, layout->slots);
    pid_t pid = bench_fork();
    bench_place(TWO_CORES, pid == 0);
    while (pid == 0) way.put(&way.side, way.batch);
    bench_rate(take_batch, &way, way.batch, 0.01);
    double rate = bench_rate(take_batch, &way, way.batch, 0.05);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    free(way.side.data);
    munmap(way.side.ring, sizeof(struct ring) + layout->slots * size);
    return rate;
}

/* The best of these layouts. */
static void best_ring(size_t size, const struct layout *layouts, int count) {
    double best = 0;
    for (int i = 0; i < count; i++) {
        double rate = ring_rate(size, &layouts[i]);
        if (rate > best) best = rate;
    }
    bench_result(best);
}

/* Two rings: a message there, and one back, by each side from and to the same memory. */
static void ask(void *argument) {
    struct side *rings = argument;
    put_copies(&rings[0], 1);
    take_copies(&rings[1], 1);
}

static void answer(void *argument) {
    struct side *rings = argument;
    take_copies(&rings[0], 1);
    put_copies(&rings[1], 1);
}

/* Messages there and back a second. */
static double ring_trips(size_t size, uint64_t slots, enum placement where) {
    struct side rings[] = {side_of(size, slots), side_of(size, slots)};
    rings[1].data = rings[0].data;
    patience = where == ONE_CORE ? 1 : 65536;
    pid_t pid = bench_fork();
    bench_place(where, pid == 0);
    while (pid == 0) answer(rings);
    bench_rate(ask, rings, 1, 0.01);
    double rate = bench_rate(ask, rings, 1, 0.03);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return rate;
}

/* Microseconds for a message there and one back, by the best of some layouts and both placements. */
static void ring_round_trip(size_t size) {
    static const uint64_t slots[] = {1, 2, 4, 16};
    double best = 0;
    for (int i = 0; i < 4 * PLACEMENTS; i++) {
        double rate = ring_trips(size, slots[i / PLACEMENTS], (enum placement)(i % PLACEMENTS));
        if (rate > best) best = rate;
    }
    bench_result(1e6 / best);
}

bool bench_limit_ring(const char *peer) {
    static const struct layout words[] = {{1 << 10, false}, {1 << 14, false}, {1 << 10, true}};
    static const struct layout small[] = {{16, false}, {64, false}, {256, false}, {1024, false}};
    static const struct layout large[] = {{2, false}, {4, false}, {8, false}, {16, false}, {64, false}};
    if (strcmp(peer, "limit_ring_8B") == 0)
        best_ring(8, words, 3);
    else if (strcmp(peer, "limit_ring_1KiB") == 0)
        best_ring(1 << 10, small, 4);
    else if (strcmp(peer, "limit_ring_64KiB") == 0)
        best_ring(1 << 16, large, 5);
    else if (strcmp(peer, "limit_ring_1MiB") == 0)
        best_ring(1 << 20, large, 4);
    else if (strcmp(peer, "limit_rtt_1KiB") == 0)
        ring_round_trip(1 << 10);
    else if (strcmp(peer, "limit_rtt_64KiB") == 0)
        ring_round_trip(1 << 16);
    else if (strcmp(peer, "limit_rtt_1MiB") == 0)
        ring_round_trip(1 << 20);
    else
        return false;
    return true;
}
