/* What stands around the code that is explored: one member of the family for each thread, a clock, futexes, and a burial that
 * calls the model's own recovery. Included once by each model, before anything else. */
#ifndef MODEL_SURROUNDINGS_H
#define MODEL_SURROUNDINGS_H

#define _GNU_SOURCE
#include "explorer.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <time.h>

static int model_clock_gettime(struct timespec *t) {
    *t = (struct timespec){.tv_sec = model_clock() / 1000000000, .tv_nsec = model_clock() % 1000000000};
    return 0;
}
#define clock_gettime(clock, t) model_clock_gettime(t)
#include "base/deadline.h"
#include "base/error.h"

#define LOCK_NOTES 0
#define lock_note(lock) ((void)0)
#define lock_unnote() ((void)0)
#define lock_is_interrupted(lock) false
#define lock_note_refusal(interrupted) ((void)(interrupted))
#define lock_give_up_at(lock, deadline) deadline_latest(deadline, deadline_after(STOPPED_AT_LEAST))
#define lock_give_up(lock) LOCK_TIMED_OUT
#define lock_is_late(lock) false
#define lock_acquire_late(lock, token) LOCK_TIMED_OUT

#include "family/lookout.h"
#include "os/os.h"

#include "instrument.h"
#include "family/lock.h"
#include "family/waitq.h"
#include "uninstrument.h"

#include "family/heap.h"
#include "family/member.h"
#include "family/object.h"
#include "family/waiter.h"
#include "untouched.h"

#pragma GCC diagnostic ignored "-Wunused-function"

char *arena_base;
uint64_t arena_places, arena_mapped = MODEL_ARENA;
_Thread_local struct thread_self thread_known;
static struct self selves[MODEL_THREADS];
struct self *self = selves;

/* Tokens are 1 << 12 and on, by thread. */
static uint32_t token_of(int thread) {
    return (uint32_t)(thread + 1) << 12;
}

static int thread_of(uint32_t token) {
    return (int)(token >> 12) - 1;
}

#define self_token() token_of(model_self())
#define thread_self() ((uint32_t)(100 + model_self()))

/* Defined by the model: what a dead member held of it. */
static void model_recover(uint32_t dead);
/* Kept in the world by the model. */
struct burial {
    uint32_t buried[MODEL_THREADS];
    uint32_t burier; /* token of who is at it; one that died there is followed by another */
};
static struct burial *burial;

bool member_alive(uint32_t token) {
    return !model_is_dead(thread_of(token));
}

void member_bury(uint32_t token) {
    int dead = thread_of(token);
    model_point();
    if (burial->buried[dead] || (burial->burier && member_alive(burial->burier))) return;
    burial->burier = self_token();
    model_recover(token);
    burial->buried[dead] = 1;
    burial->burier = 0;
}

void member_look(uint32_t token) {
    if (!member_alive(token)) member_bury(token);
}

void member_mark_slow(void) {
}

void family_bury_dead(void) {
}

void family_look_around(void) {
    for (int i = 0; i < MODEL_THREADS; i++)
        if (model_is_dead(i)) member_bury(token_of(i));
}

/* Nothing is freed here: what a thread is inside of need not be said. */
prong_status visit_begin_slow(struct visit *visit, uint64_t offset) {
    (void)visit, (void)offset;
    return PRONG_OK;
}
prong_status object_enter_slow(struct visit *visit, uint32_t kind, uint64_t offset, uint64_t generation) {
    (void)visit;
    return object_is_live(kind, offset, generation) ? PRONG_OK : PRONG_STALE;
}
prong_status object_destroy_handle(uint32_t kind, uint64_t offset, uint64_t generation) {
    (void)kind, (void)offset, (void)generation;
    return PRONG_OK;
}

/* --- the system --- */

#define os_futex_wait(word, expected, deadline) model_futex_wait(word, expected, ~0u, has_end(deadline))
#define os_futex_sleep(word, expected, deadline) model_futex_wait(word, expected, ~0u, has_end(deadline))
#define os_futex_sleep_masked(word, expected, mask, deadline) model_futex_wait(word, expected, mask, has_end(deadline))
#define os_futex_wake(word, count) model_futex_wake(MODEL_SITE("wake", 0, 0), word, count, ~0u)
#define os_futex_wake_masked(word, count, mask) model_futex_wake(MODEL_SITE("wake", 0, 0), word, count, mask)
#define os_cpu_relax() ((void)0)
#define pause_again(pause, span) ((void)(pause), false) /* a thread that spins looks once */

/* Only where the caller has a deadline may a wait end by itself at any moment; a nap is taken for endless. */
static int timed_thread = -1;
static bool has_end(deadline_t deadline) {
    (void)deadline;
    return model_self() == timed_thread;
}

/* Whether a sleeper that looks buries whoever has died, as burial by others and its wake-ups would: else each object's own checks. */
static bool naps_bury;

static enum sleep_end model_family_sleep(_Atomic uint32_t *word, uint32_t expected, uint32_t mask, prong_time nap,
                                         deadline_t deadline) {
    deadline_t end = deadline_within(deadline, nap);
    model_futex_wait(word, expected, mask, has_end(deadline));
    if (clock_now() < end) return SLEEP_WOKEN;
    if (naps_bury) family_look_around();
    return SLEEP_LOOK;
}
#define family_sleep model_family_sleep
#define family_nap(deadline, nap) (deadline)

/* One row of the family table serves for all. */
static struct member model_row;
#define member_row(token) (&model_row)

/* --- no texts --- */

#define lock_refused(status, what) (status)

static void model_snprintf(char *text, size_t size, const char *format, ...) {
    (void)format;
    memset(text, 0, size);
}
#define snprintf model_snprintf
#define fail(status, ...) (status)
#define fail_text(status, text) (status)
#define check_reserved(reserved, count, what) PRONG_OK
#define recovery_note(...) ((void)0)
#define member_describe(token, text, size) ""
#define object_describe(object, text, size) ""

#endif
