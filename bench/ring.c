/* limit_ring_SIZE: a plain ring between two processes, one of which only puts and the other only takes. No locked
 * instruction, no system call, nothing for the death of either. Each side keeps the other's index as it last saw it, and
 * reads it again only when the ring looks full, or empty. */
#define _GNU_SOURCE
#include "bench.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

struct ring {
    _Alignas(256) _Atomic uint64_t put;   /* written by the producer */
    _Alignas(256) _Atomic uint64_t taken; /* written by the consumer */
    _Alignas(256) char slots[];
};

struct layout {
    uint64_t slots; /* a power of two */
    bool marked;    /* no indices: a slot that is not 0 is full */
};

/* What a producer or a consumer keeps for itself. */
struct side {
    struct ring *ring;
    uint64_t mask, own, other; /* its index, and the other's as last seen */
    size_t size;
};

static inline void ring_pause(unsigned *turns) {
    if (++*turns % 65536 == 0) sched_yield();
}

static uint64_t *slot_8B(struct side *s) {
    return (uint64_t *)s->ring->slots + (s->own & s->mask);
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
    for (long i = 1; i <= count; i++) {
        wait_for_room(s);
        *slot_8B(s) = (uint64_t)i;
        atomic_store_explicit(&s->ring->put, ++s->own, memory_order_release);
    }
}

static void take_8B(struct side *s, long count) {
    uint64_t last = 0;
    for (long i = 0; i < count; i++) {
        wait_for_message(s);
        last = *slot_8B(s);
        atomic_store_explicit(&s->ring->taken, ++s->own, memory_order_release);
    }
    if (last != s->own) bench_die("the ring lost a message");
}

static void put_marked(struct side *s, long count) {
    unsigned turns = 0;
    for (long i = 1; i <= count; i++, s->own++) {
        _Atomic uint64_t *slot = (_Atomic uint64_t *)slot_8B(s);
        while (atomic_load_explicit(slot, memory_order_acquire) != 0) ring_pause(&turns);
        atomic_store_explicit(slot, s->own + 1, memory_order_release);
    }
}

static void take_marked(struct side *s, long count) {
    unsigned turns = 0;
    uint64_t last = 0;
    for (long i = 0; i < count; i++, s->own++) {
        _Atomic uint64_t *slot = (_Atomic uint64_t *)slot_8B(s);
        while ((last = atomic_load_explicit(slot, memory_order_acquire)) == 0) ring_pause(&turns);
        atomic_store_explicit(slot, 0, memory_order_release);
    }
    if (last != s->own) bench_die("the ring lost a message");
}

static void put_copies(struct side *s, long count) {
    char *data = calloc(1, s->size);
    for (long i = 0; i < count; i++) {
        wait_for_room(s);
        memcpy(s->ring->slots + (s->own & s->mask) * s->size, data, s->size);
        atomic_store_explicit(&s->ring->put, ++s->own, memory_order_release);
    }
    free(data);
}

static void take_copies(struct side *s, long count) {
    char *data = calloc(1, s->size);
    for (long i = 0; i < count; i++) {
        wait_for_message(s);
        memcpy(data, s->ring->slots + (s->own & s->mask) * s->size, s->size);
        /* the copy is made, although nothing reads it */
        __asm__ volatile("" : : "r"(data) : "memory");
        atomic_store_explicit(&s->ring->taken, ++s->own, memory_order_release);
    }
    free(data);
}

/* Messages a second with this layout; the first tenth warms up. */
static double ring_rate(size_t size, const struct layout *layout, long count) {
    size_t bytes = sizeof(struct ring) + layout->slots * size;
    struct ring *ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED) bench_die("mmap");
    memset(ring, 0, bytes);
    struct side side = {.ring = ring, .mask = layout->slots - 1, .size = size};
    void (*put)(struct side *, long) = size > 8 ? put_copies : layout->marked ? put_marked : put_8B;
    void (*take)(struct side *, long) = size > 8 ? take_copies : layout->marked ? take_marked : take_8B;
    pid_t pid = fork();
    if (pid < 0) bench_die("fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        put(&side, count / 10 + count);
        _exit(0);
    }
    take(&side, count / 10);
    double start = bench_now();
    take(&side, count);
    double took = bench_now() - start;
    bench_end_child(pid);
    munmap(ring, bytes);
    return (double)count / took;
}

/* The best of three layouts: which one it is depends on the caches. */
static void best_layout(size_t size, const struct layout layouts[3], long count) {
    double best = 0;
    for (int i = 0; i < 3; i++) {
        double rate = ring_rate(size, &layouts[i], count);
        if (rate > best) best = rate;
    }
    bench_result(best);
}

bool bench_limit_ring(const char *peer) {
    static const struct layout small[] = {{1 << 10, false}, {1 << 14, false}, {1 << 10, true}};
    static const struct layout middle[] = {{16, false}, {128, false}, {1024, false}};
    static const struct layout large[] = {{2, false}, {4, false}, {16, false}};
    if (strcmp(peer, "limit_ring_8B") == 0)
        best_layout(8, small, 2000000);
    else if (strcmp(peer, "limit_ring_1KiB") == 0)
        best_layout(1 << 10, middle, 300000);
    else if (strcmp(peer, "limit_ring_64KiB") == 0)
        best_layout(1 << 16, large, 20000);
    else if (strcmp(peer, "limit_ring_1MiB") == 0)
        best_layout(1 << 20, large, 1000);
    else
        return false;
    return true;
}
