/* What the machine allows: the same work without what a library adds. A row of bench.py names its limit, which is
 * measured in turn with the row's other figures. */
#define _GNU_SOURCE
#include "bench.h"

#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- two processes spinning on a word each --- */

typedef struct {
    _Alignas(256) _Atomic uint32_t value;
} far_word;

enum { SPANS = 200, SPAN = 1000, LAST = UINT16_MAX };

/* Turns until the other side may need this core: at once if both are on one. */
static unsigned spin_patience;

/* What the word holds once it has changed. */
static uint32_t spin_until_not(far_word *word, uint32_t old) {
    uint32_t now;
    for (unsigned turns = 1; (now = atomic_load_explicit(&word->value, memory_order_acquire)) == old; turns++)
        if (turns % spin_patience == 0) sched_yield();
    return now;
}

static void spin_child(far_word *words) {
    for (uint32_t seen = 0; seen != LAST;) {
        seen = spin_until_not(&words[0], seen);
        atomic_store_explicit(&words[1].value, seen, memory_order_release);
    }
    _exit(0);
}

static void spin_there_and_back(far_word *words, uint32_t value) {
    uint32_t old = atomic_load_explicit(&words[1].value, memory_order_relaxed);
    atomic_store_explicit(&words[0].value, value, memory_order_release);
    spin_until_not(&words[1], old);
}

/* Microseconds for a word there and one back: the median of short spans, as many as the time allows. Most of them pass
 * while both sides run, also on a busy machine. */
static double spin_round_trip(enum placement where) {
    far_word *words = bench_shared(2 * sizeof *words);
    double spans[SPANS], end = bench_now() + 0.15;
    int measured = 0;
    spin_patience = where == ONE_CORE ? 1 : 65536;
    pid_t pid = bench_fork();
    bench_place(where, pid == 0);
    if (pid == 0) spin_child(words);
    for (uint32_t i = 0; i < SPAN; i++) spin_there_and_back(words, 1 + i % 2);
    while (measured < SPANS && (measured == 0 || bench_now() < end)) {
        double start = bench_now();
        for (uint32_t i = 0; i < SPAN; i++) spin_there_and_back(words, 1 + i % 2);
        spans[measured++] = (bench_now() - start) * 1e6 / SPAN;
    }
    spin_there_and_back(words, LAST);
    bench_end_child(pid);
    return bench_median(spans, measured);
}

/* --- a futex, both processes on one core, so that each sleeps --- */

static void futex_turn(far_word *turn, uint32_t mine, long count) {
    for (long i = 0; i < count; i++) {
        uint32_t seen;
        while ((seen = atomic_load(&turn->value)) != mine)
            syscall(SYS_futex, &turn->value, FUTEX_WAIT, seen, NULL, NULL, 0);
        atomic_store(&turn->value, 1 - mine);
        syscall(SYS_futex, &turn->value, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

static double futex_round_trip(void) {
    enum { COUNT = 10000, WARM = COUNT / 10 };
    far_word *turn = bench_shared(sizeof *turn);
    bench_place(ONE_CORE, 0);
    pid_t pid = bench_fork();
    if (pid == 0) {
        futex_turn(turn, 1, WARM + COUNT);
        _exit(0);
    }
    futex_turn(turn, 0, WARM);
    double start = bench_now();
    futex_turn(turn, 0, COUNT);
    double took = bench_now() - start;
    bench_end_child(pid);
    return took * 1e6 / COUNT;
}

/* --- processes --- */

static double empty_vfork(void) {
    enum { COUNT = 300 };
    double start = bench_now();
    for (int i = 0; i < COUNT; i++) {
        pid_t pid = vfork();
        if (pid == 0) _exit(0);
        bench_end_child(pid);
    }
    return (bench_now() - start) * 1e6 / COUNT;
}

/* Two locked instructions on a word that stays in this core's cache: a lock taken and released, in nanoseconds. */
static double locked_pair(void) {
    enum { COUNT = 2000000 };
    _Atomic uint32_t *word = bench_shared(sizeof *word);
    double start = bench_now();
    for (int i = 0; i < COUNT; i++) {
        uint32_t expected = 0;
        atomic_compare_exchange_strong(word, &expected, 1);
        atomic_exchange(word, 0);
    }
    return (bench_now() - start) * 1e9 / COUNT;
}

bool bench_limit(const char *name, const char *peer) {
    if (strcmp(peer, "limit_spin") == 0)
        bench_result(spin_round_trip(TWO_CORES));
    else if (strcmp(peer, "limit_handover") == 0)
        bench_result(spin_round_trip(TWO_CORES) / 2);
    else if (strcmp(peer, "limit_yield") == 0)
        bench_result(spin_round_trip(ONE_CORE));
    else if (strcmp(peer, "limit_futex") == 0)
        bench_result(futex_round_trip());
    else if (strcmp(peer, "limit_vfork") == 0)
        bench_result(empty_vfork());
    else if (strcmp(peer, "limit_atomics") == 0)
        bench_result(strcmp(name, "lock_pair") == 0 ? locked_pair() : 1e9 / locked_pair());
    else
        return bench_limit_ring(peer);
    return true;
}
