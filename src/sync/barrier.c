/* Barrier: a round, how many have arrived in it, and who they are; changed under a guard.
 *
 * Rounds are numbered. A waiter remembers its round; when that is over, it checks whether the round was completed or
 * reset. */
#include <prong/barrier.h>

#include "base/error.h"
#include "base/periods.h"
#include "family/heap.h"
#include "sync/sync.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { PARTIES_MOST = 1000000, ROUNDS_REMEMBERED = 64 };

struct barrier {
    struct object object;
    uint64_t parties;
    uint64_t round;   /* from 1 on */
    uint64_t arrived; /* arrived in this round; `parties` while the last party runs its action */
    uint64_t broken;
    uint64_t completed; /* bit n: the last round whose number ended in n was completed, not reset */
    uint64_t members;   /* block of `parties` words: the round last waited in, and the token */
    char cause[120];    /* what broke it */
    struct waitq changed;
    struct guard guard;
};

static prong_status barrier_enter(struct visit *inside, prong_barrier handle, struct barrier **b) {
    return object_enter(inside, KIND_BARRIER, handle.offset, handle.generation, (void **)b);
}

/* --- create, destroy --- */

prong_status prong_barrier_create(prong_barrier *handle, unsigned parties, const prong_barrier_options *options) {
    struct barrier *b;
    CHECK_RESERVED(options, "barrier create: options");
    if (parties < 1 || parties > PARTIES_MOST)
        return fail(PRONG_INVALID, "barrier create: %u parties, not 1 to %d", parties, PARTIES_MOST);
    TRY(sync_create(KIND_BARRIER, handle, options ? options->name : NULL, (void **)&b));
    prong_status status = heap_alloc(parties * sizeof(uint64_t), 0, &b->members, NULL);
    if (status < 0) {
        object_destroy(b, object_generation(b));
        return status;
    }
    memset(arena_at(b->members), 0, parties * sizeof(uint64_t));
    b->parties = parties;
    b->round = 1;
    sync_publish(b, handle);
    return PRONG_OK;
}

prong_status prong_barrier_destroy(prong_barrier handle) {
    return object_destroy_handle(KIND_BARRIER, handle.offset, handle.generation);
}

static void barrier_end(void *object) {
    waitq_notify(&((struct barrier *)object)->changed, INT_MAX);
}

static bool barrier_dispose(void *object) {
    struct barrier *b = object;
    if (b->members) heap_free(b->members, &b->members);
    return true;
}

/* --- who takes part --- */

static uint64_t *member_words(struct barrier *b) {
    return arena_at(b->members);
}

static uint64_t member_word(uint64_t round, uint32_t token) {
    return round << 32 | token;
}

static bool of_round(uint64_t word, uint64_t round) {
    return word >> 32 == (round & UINT32_MAX);
}

/* The word that this process had before; or a free one; or that of a process that is not in this round. There always is
 * one, as fewer than `parties` are in the round. */
static uint64_t *place_of_self(struct barrier *b) {
    uint64_t *words = member_words(b), *place = NULL;
    for (uint64_t i = 0; i < b->parties; i++) {
        if ((uint32_t)words[i] == self_token()) return &words[i];
        if (words[i] == 0 || (!place && !of_round(words[i], b->round))) place = &words[i];
    }
    return place;
}

static void barrier_sign_in(struct barrier *b, uint64_t round) {
    uint64_t *place = place_of_self(b);
    if (place) guard_set(&b->guard, place, member_word(round, self_token()));
}

/* --- changes of state, under the guard --- */

static void leave_and_tell(struct barrier *b) {
    guard_leave(&b->guard);
    waitq_notify(&b->changed, INT_MAX);
}

static void barrier_break_now(struct barrier *b, uint32_t token, const char *how) {
    char who[80];
    if (b->broken) return;
    snprintf(b->cause, sizeof b->cause, "%s %s", member_describe(token, who, sizeof who), how);
    guard_set(&b->guard, &b->broken, 1);
}

static void next_round(struct barrier *b, bool completed) {
    uint64_t bit = 1ull << b->round % ROUNDS_REMEMBERED;
    guard_set(&b->guard, &b->completed, completed ? b->completed | bit : b->completed & ~bit);
    guard_set(&b->guard, &b->arrived, 0);
    guard_set(&b->guard, &b->round, b->round + 1);
}

static bool was_completed(const struct barrier *b, uint64_t round) {
    return b->round - round <= ROUNDS_REMEMBERED && (b->completed >> round % ROUNDS_REMEMBERED & 1);
}

/* --- waiting --- */

struct barrier_wait {
    struct barrier *barrier;
    uint64_t generation, round;
};

static bool barrier_is_gone(const struct barrier_wait *wait) {
    return object_generation(wait->barrier) != wait->generation;
}

static bool barrier_guard_enter(const struct barrier_wait *wait) {
    return sync_enter(wait->barrier, &wait->barrier->guard, wait->generation);
}

static bool barrier_ready(void *context) {
    const struct barrier_wait *wait = context;
    return __atomic_load_n(&wait->barrier->round, __ATOMIC_ACQUIRE) != wait->round ||
           __atomic_load_n(&wait->barrier->broken, __ATOMIC_ACQUIRE) || barrier_is_gone(wait);
}

static void barrier_check(void *object) {
    struct barrier *b = object;
    for (uint64_t i = 0; i < b->parties && b->members; i++) {
        uint32_t token = (uint32_t)__atomic_load_n(&member_words(b)[i], __ATOMIC_RELAXED);
        if (token) member_look(token);
    }
}

static bool wait_until_over(struct barrier_wait *wait, deadline_t deadline) {
    return sync_wait(&wait->barrier->changed, barrier_ready, wait, wait->barrier, barrier_check, deadline);
}

static prong_status say_broken(struct barrier *b) {
    char what[80];
    return fail(PRONG_BROKEN, "%s is broken: %s", object_describe(b, what, sizeof what), b->cause);
}

static prong_status barrier_say_gone(void) {
    return fail(PRONG_STALE, "the barrier was destroyed meanwhile");
}

/* Returns inside of the guard once there is room in the round; with an error, outside of it. */
static prong_status enter_round(struct barrier_wait *wait, deadline_t deadline) {
    INTERRUPTIBLE;
    struct barrier *b = wait->barrier;
    for (;;) {
        if (!barrier_guard_enter(wait)) return barrier_say_gone();
        if (b->broken) {
            prong_status status = say_broken(b);
            guard_leave(&b->guard);
            return status;
        }
        wait->round = b->round;
        if (b->arrived < b->parties) return PRONG_OK;
        guard_leave(&b->guard);
        if (!wait_until_over(wait, deadline))
            return fail_text(PRONG_TIMEOUT, "the barrier's last round did not end in the time given");
    }
}

/* The round is over, or the time is up. False: neither; what was seen without the guard was undone, as the party that had
 * set it died inside. */
static bool barrier_outcome(struct barrier_wait *wait, bool seen_over, prong_status *status) {
    struct barrier *b = wait->barrier;
    char what[80];
    *status = PRONG_OK;
    if (!barrier_guard_enter(wait)) {
        *status = barrier_say_gone();
        return true;
    }
    bool over = b->round != wait->round || b->broken;
    if (b->round != wait->round)
        *status = was_completed(b, wait->round) ? PRONG_OK : fail_text(PRONG_BROKEN, "the barrier was reset");
    else if (b->broken)
        *status = say_broken(b);
    else if (!seen_over) {
        barrier_break_now(b, self_token(), "waited for as long as it could");
        *status = fail(PRONG_TIMEOUT, "%s: %llu of %llu parties came", object_describe(b, what, sizeof what),
                       (unsigned long long)b->arrived, (unsigned long long)b->parties);
    }
    if (over || seen_over)
        guard_leave(&b->guard);
    else
        leave_and_tell(b);
    return over || !seen_over;
}

/* All parties have arrived. Called inside of the guard; the action runs outside of it, as it may take long, or break
 * the barrier. */
static prong_status barrier_complete(struct barrier_wait *wait, const prong_barrier_wait_options *options) {
    struct barrier *b = wait->barrier;
    prong_status status = PRONG_OK;
    if (options && options->action) {
        char how[60];
        guard_leave(&b->guard);
        int code = options->action(options->context);
        if (!barrier_guard_enter(wait)) return barrier_say_gone();
        if (b->round != wait->round)
            status = fail_text(PRONG_BROKEN, "the barrier was reset");
        else if (code && !b->broken) {
            snprintf(how, sizeof how, "had %d from its action", code);
            barrier_break_now(b, self_token(), how);
        }
        if (status >= 0 && b->broken) status = say_broken(b);
    }
    if (status >= 0) next_round(b, true);
    leave_and_tell(b);
    return status;
}

prong_status prong_barrier_wait(prong_barrier handle, unsigned *index, const prong_barrier_wait_options *options,
                                prong_time timeout) {
    struct barrier_wait wait = {.generation = handle.generation};
    CHECK_RESERVED(options, "barrier wait: options");
    deadline_t deadline = deadline_after(timeout);
    INSIDE struct visit inside = {0};
    TRY(barrier_enter(&inside, handle, &wait.barrier));
    TRY(enter_round(&wait, deadline));
    struct barrier *b = wait.barrier;
    uint64_t order = b->arrived;
    if (index) *index = (unsigned)order;
    barrier_sign_in(b, b->round);
    guard_set(&b->guard, &b->arrived, order + 1);
    if (order + 1 == b->parties) return barrier_complete(&wait, options);
    guard_leave(&b->guard);
    INTERRUPTIBLE;
    prong_status status;
    while (!barrier_outcome(&wait, wait_until_over(&wait, deadline), &status)) {}
    return status;
}

/* --- breaking, resetting, asking --- */

static prong_status barrier_change(prong_barrier handle, void (*act)(struct barrier *)) {
    struct barrier_wait change = {.generation = handle.generation};
    INSIDE struct visit inside = {0};
    TRY(barrier_enter(&inside, handle, &change.barrier));
    if (!barrier_guard_enter(&change)) return barrier_say_gone();
    act(change.barrier);
    leave_and_tell(change.barrier);
    return PRONG_OK;
}

static void barrier_admit(struct barrier *b) {
    barrier_sign_in(b, b->round - 1);
}

static void barrier_abort_now(struct barrier *b) {
    barrier_break_now(b, self_token(), "aborted it");
}

static void barrier_start_again(struct barrier *b) {
    for (uint64_t i = 0; i < b->parties; i++) member_words(b)[i] = 0; /* hints: no need to have them back */
    next_round(b, false);
    guard_set(&b->guard, &b->broken, 0);
}

prong_status prong_barrier_enroll(prong_barrier handle) {
    return barrier_change(handle, barrier_admit);
}

prong_status prong_barrier_abort(prong_barrier handle) {
    return barrier_change(handle, barrier_abort_now);
}

prong_status prong_barrier_reset(prong_barrier handle) {
    return barrier_change(handle, barrier_start_again);
}

prong_status prong_barrier_get_state(prong_barrier handle, prong_barrier_state *state) {
    struct barrier *b;
    INSIDE struct visit inside = {0};
    *state = (prong_barrier_state){0};
    TRY(barrier_enter(&inside, handle, &b));
    state->parties = (unsigned)b->parties;
    state->waiting = (unsigned)__atomic_load_n(&b->arrived, __ATOMIC_ACQUIRE);
    state->broken = __atomic_load_n(&b->broken, __ATOMIC_ACQUIRE);
    return PRONG_OK;
}

/* --- death, report --- */

/* Whether the member waited in this round; or took part in the one before, and did not exit normally since. */
static bool barrier_is_missed(const struct barrier *b, uint64_t word) {
    if (of_round(word, b->round)) return true;
    return of_round(word, b->round - 1) && !member_is_leaving((uint32_t)word);
}

static void barrier_recover(void *object, uint32_t dead) {
    struct barrier *b = object;
    char what[80], who[80];
    bool missed = false;
    if (!guard_enter(&b->guard, deadline_after(STOPPED_AT_MOST))) return;
    for (uint64_t i = 0; i < b->parties && b->members; i++) {
        uint64_t *word = &member_words(b)[i];
        if ((uint32_t)*word != dead) continue;
        missed = missed || barrier_is_missed(b, *word);
        guard_set(&b->guard, word, 0);
    }
    missed = missed && !b->broken;
    if (missed) barrier_break_now(b, dead, "died");
    guard_leave(&b->guard);
    if (missed) waitq_wake_all(&b->changed);
    if (missed)
        recovery_note("%s died as a party of %s", member_describe(dead, who, sizeof who),
                      object_describe(b, what, sizeof what));
}

static void barrier_wake(void *object) {
    struct barrier *b = object;
    lock_wake(&b->guard.lock);
    waitq_wake_all(&b->changed);
}

/* The known parties that have not arrived in this round. */
static void barrier_holders(void *object, holder_visit *visit, void *context) {
    struct barrier *b = object;
    for (uint64_t i = 0; i < b->parties && b->members; i++) {
        uint64_t word = __atomic_load_n(&member_words(b)[i], __ATOMIC_RELAXED);
        if (word && !of_round(word, b->round)) visit(context, (uint32_t)word, 0);
    }
}

const struct object_type barrier_type = {.name = "barrier",
                                         .size = sizeof(struct barrier),
                                         .recover = barrier_recover,
                                         .wake = barrier_wake,
                                         .end = barrier_end,
                                         .dispose = barrier_dispose,
                                         .holders = barrier_holders,
                                         .holding = HOLDERS_OWE};
