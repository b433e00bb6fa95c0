/* Locks, hand-overs and shared values, beside pthread's, sem_t, a raw futex, and C11 atomics. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* In memory that all processes of a benchmark share. */
static struct common {
    pthread_mutex_t mutex;
    sem_t sem;
    _Alignas(64) _Atomic uint32_t turn;
    _Alignas(64) _Atomic int64_t number;
    _Alignas(64) _Atomic long rounds;
    _Alignas(64) _Atomic int ready;
    _Alignas(64) _Atomic bool stop;
    double longest[16], sum[16];
    long count[16];
} * common;

static prong_lock lock;
static prong_semaphore semaphore;
static prong_shared_value value;

/* --- locks, behind one interface --- */

struct locking {
    const char *name;
    void (*open)(void);
    void (*acquire)(void);
    void (*release)(void);
};

static void ours_open(void) {
    must(prong_lock_create(&lock, NULL));
}

static void ours_acquire(void) {
    must(prong_lock_acquire(lock, PRONG_FOREVER));
}

static void ours_release(void) {
    must(prong_lock_release(lock));
}

static void semaphore_open(void) {
    must(prong_semaphore_create(&semaphore, 1, NULL));
}

static void semaphore_acquire(void) {
    must(prong_semaphore_acquire(semaphore, PRONG_FOREVER));
}

static void semaphore_release(void) {
    must(prong_semaphore_release(semaphore));
}

static void mutex_open(bool robust) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (robust) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&common->mutex, &attributes);
}

static void plain_open(void) {
    mutex_open(false);
}

static void robust_open(void) {
    mutex_open(true);
}

static void mutex_acquire(void) {
    if (pthread_mutex_lock(&common->mutex) != 0) bench_die("pthread_mutex_lock");
}

static void mutex_release(void) {
    if (pthread_mutex_unlock(&common->mutex) != 0) bench_die("pthread_mutex_unlock");
}

static void sem_open_here(void) {
    sem_init(&common->sem, 1, 1);
}

static void sem_acquire(void) {
    while (sem_wait(&common->sem) != 0) {}
}

static void sem_release(void) {
    sem_post(&common->sem);
}

static const struct locking lockings[] = {
    {"prong", ours_open, ours_acquire, ours_release},
    {"robust_mutex", robust_open, mutex_acquire, mutex_release},
    {"shared_mutex", plain_open, mutex_acquire, mutex_release},
    {"sem_t", sem_open_here, sem_acquire, sem_release},
};

static const struct locking semaphore_locking = {"prong", semaphore_open, semaphore_acquire, semaphore_release};

static const struct locking *locking_named(const char *row, const char *name) {
    if (strncmp(row, "semaphore", 9) == 0 && strcmp(name, "prong") == 0) return &semaphore_locking;
    for (size_t i = 0; i < sizeof lockings / sizeof *lockings; i++)
        if (strcmp(lockings[i].name, name) == 0) return &lockings[i];
    return NULL;
}

/* Nanoseconds for an acquire and a release without contention. */
static void pair(const struct locking *l) {
    enum { COUNT = 5000000 };
    l->open();
    for (int i = 0; i < COUNT / 10; i++) {
        l->acquire();
        l->release();
    }
    double start = bench_now();
    for (int i = 0; i < COUNT; i++) {
        l->acquire();
        l->release();
    }
    bench_result((bench_now() - start) * 1e9 / COUNT);
}

static void meet(int parties) {
    atomic_fetch_add(&common->ready, 1);
    while (atomic_load(&common->ready) < parties) usleep(100);
}

/* Turns a second of all processes together; a turn: acquire the lock, add to a number beside it, release it. */
static void contend(const struct locking *l, int me, int parties, double seconds) {
    meet(parties);
    double end = bench_now() + seconds, longest = 0, sum = 0;
    long count = 0;
    while (bench_now() < end) {
        for (int i = 0; i < 100; i++) {
            l->acquire();
            common->number++;
            l->release();
        }
        count += 100;
    }
    common->longest[me] = longest;
    common->sum[me] = sum;
    common->count[me] = count;
}

/* The same with each wait timed, and 10 us of work under the lock. Without that work the longest wait would depend on
 * how the system schedules eight busy processes, and not on the lock. */
static const double HOLD = 10e-6;

static void contend_timed(const struct locking *l, int me, int parties, double seconds) {
    meet(parties);
    double start = bench_now(), end = start + seconds, longest = 0, sum = 0;
    long count = 0;
    while (start < end) {
        start = bench_now();
        l->acquire();
        double waited = bench_now() - start;
        for (double until = bench_now() + HOLD; bench_now() < until;) {}
        common->number++;
        l->release();
        if (waited > longest) longest = waited;
        sum += waited;
        count++;
    }
    common->longest[me] = longest;
    common->sum[me] = sum;
    common->count[me] = count;
}

static void contended(const struct locking *l, int parties, bool timed) {
    pid_t pids[16];
    double longest = 0, sum = 0;
    long count = 0;
    const double seconds = timed ? 1 : 0.3; /* the longest of a second's waits */
    l->open();
    for (int i = 0; i < parties; i++)
        if ((pids[i] = fork()) == 0) {
            (timed ? contend_timed : contend)(l, i, parties, seconds);
            _exit(0);
        }
    for (int i = 0; i < parties; i++) bench_end_child(pids[i]);
    for (int i = 0; i < parties; i++) {
        if (common->longest[i] > longest) longest = common->longest[i];
        sum += common->sum[i];
        count += common->count[i];
    }

    bench_result(timed ? longest / (sum / (double)count) : (double)count / seconds);
}

/* --- hand-over: two processes, in turn --- */

struct handing {
    const char *name;
    void (*open)(void);
    void (*wait)(int me); /* until it is the turn of `me` */
    void (*give)(int me); /* the turn to the other */
};

static prong_event events[2];
static prong_condition condition;

static void event_open(void) {
    for (int i = 0; i < 2; i++) must(prong_event_create(&events[i], NULL));
    must(prong_event_set(events[0]));
}

static void event_wait(int me) {
    must(prong_event_wait(events[me], PRONG_FOREVER));
    must(prong_event_clear(events[me]));
}

static void event_give(int me) {
    must(prong_event_set(events[1 - me]));
}

static void condition_open(void) {
    must(prong_lock_create(&lock, NULL));
    must(prong_condition_create(&condition, &(prong_condition_options){.lock = lock}));
}

static void condition_wait(int me) {
    must(prong_lock_acquire(lock, PRONG_FOREVER));
    while ((int)common->turn != me) must(prong_condition_wait(condition, PRONG_FOREVER));
    must(prong_lock_release(lock));
}

static void condition_give(int me) {
    must(prong_lock_acquire(lock, PRONG_FOREVER));
    common->turn = (uint32_t)(1 - me);
    must(prong_condition_notify(condition, 1));
    must(prong_lock_release(lock));
}

static void futex(int operation, uint32_t number) {
    syscall(SYS_futex, &common->turn, operation, number, NULL, NULL, 0);
}

static void nothing_to_open(void) {
}

static void futex_wait(int me) {
    uint32_t turn;
    while ((turn = atomic_load(&common->turn)) != (uint32_t)me) futex(FUTEX_WAIT, turn);
}

static void futex_give(int me) {
    atomic_store(&common->turn, (uint32_t)(1 - me));
    futex(FUTEX_WAKE, 1);
}

static pthread_cond_t *pthread_condition;

static void cond_open(void) {
    static pthread_condattr_t attributes;
    mutex_open(false);
    pthread_condition = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_condattr_init(&attributes);
    pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(pthread_condition, &attributes);
}

static void cond_wait(int me) {
    mutex_acquire();
    while ((int)common->turn != me) pthread_cond_wait(pthread_condition, &common->mutex);
    mutex_release();
}

static void cond_give(int me) {
    mutex_acquire();
    common->turn = (uint32_t)(1 - me);
    pthread_cond_signal(pthread_condition);
    mutex_release();
}

static const struct handing event_handing = {"prong", event_open, event_wait, event_give};
static const struct handing condition_handing = {"prong", condition_open, condition_wait, condition_give};
static const struct handing futex_handing = {"raw_futex", nothing_to_open, futex_wait, futex_give};
static const struct handing cond_handing = {"pthread_cond", cond_open, cond_wait, cond_give};

/* In `blocked`, the process whose turn it is stays busy until the other must be asleep; that time is not counted. */
static double give_after_pause(const struct handing *h, int me, bool blocked) {
    if (blocked) {
        double until = bench_now() + 200e-6;
        while (bench_now() < until) {}
    }
    h->give(me);
    return 0;
}

static void take_turns(const struct handing *h, int me, long count, bool blocked) {
    for (long i = 0; i < count; i++) {
        h->wait(me);
        give_after_pause(h, me, blocked);
    }
}

/* Microseconds from one process giving the turn to the other having it. */
static void hand_over(const struct handing *h, bool blocked) {
    long count = blocked ? 500 : h == &event_handing || h == &condition_handing ? 200000 : 6000, warm = count / 10;
    h->open();
    pid_t pid = fork();
    if (pid == 0) {
        bench_place(TWO_CORES, 1);
        take_turns(h, 1, warm + count, blocked);
        _exit(0);
    }
    bench_place(TWO_CORES, 0);
    take_turns(h, 0, warm, blocked);
    double start = bench_now();
    take_turns(h, 0, count, blocked);
    double took = bench_now() - start - (blocked ? (double)count * 2 * 200e-6 : 0);
    bench_end_child(pid);
    bench_result(took * 1e6 / (double)count / 2);
}

/* --- values --- */

enum { ADDS = 20000000 };

static void add(const char *peer) {
    must(prong_shared_value_create(&value, PRONG_TYPE_OF(int64_t), 1, NULL, NULL));
    const prong_shared_value handle = value; /* as a function that got it as an argument has it */
    int count = strstr(peer, "lock") ? ADDS / 10 : ADDS;
    robust_open();
    double start = bench_now();
    if (strcmp(peer, "prong") == 0)
        for (int i = 0; i < count; i++) must(prong_shared_value_add(handle, 0, 1, NULL));
    else if (strcmp(peer, "c11_atomic") == 0)
        for (int i = 0; i < count; i++) atomic_fetch_add(&common->number, 1);
    else if (strcmp(peer, "prong_lock") == 0) {
        volatile int64_t *number;
        prong_lock own;
        must(prong_shared_value_get_lock(value, &own));
        must(prong_shared_value_data(value, (void **)&number, NULL));
        for (int i = 0; i < count; i++) {
            must(prong_lock_acquire(own, PRONG_FOREVER));
            *number += 1;
            must(prong_lock_release(own));
        }
    } else {
        for (int i = 0; i < count; i++) {
            mutex_acquire();
            *(volatile int64_t *)&common->number += 1;
            mutex_release();
        }
    }
    bench_result((bench_now() - start) * 1e9 / count);
}

static const struct handing *handing_for(const char *name, const char *peer) {
    if (strcmp(peer, "raw_futex") == 0) return &futex_handing;
    if (strcmp(peer, "pthread_cond") == 0) return &cond_handing;
    return strncmp(name, "event", 5) == 0 ? &event_handing : &condition_handing;
}

bool bench_sync(const char *name, const char *peer) {
    const struct locking *l = locking_named(name, peer);
    common = mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (common == MAP_FAILED) bench_die("mmap");
    if (strcmp(name, "lock_pair") == 0 && l) return pair(l), true;
    if (strstr(name, "_contended_2") && l) return contended(l, 2, false), true;
    if (strstr(name, "_contended_8") && l) return contended(l, 8, false), true;
    if (strcmp(name, "lock_longest_wait_8") == 0 && l) return contended(l, 8, true), true;
    if (strcmp(name, "value_add") == 0) return add(peer), true;
    if (strstr(name, "_handover")) return hand_over(handing_for(name, peer), strstr(name, "blocked")), true;
    return false;
}
