/* The steps that move tasks on, each under the pool's guard.
 *
 * Words that each sets at most, before it commits or the caller leaves the guard: the guard's journal has to hold them. */
#include "pool/schedule.h"

#include "base/periods.h"
#include "family/member.h"
#include "os/os.h"
#include "pool/chain.h"
#include "pool/limits.h"
#include "pool/load.h"

#include <limits.h>

enum {
    TASK_WORDS = 5 + LOAD_WORDS,                                           /* schedule_end_task */
    TAKE_WORDS = 5 + LIMIT_WORDS,                                          /* hand_take */
    FREE_WORDS = 3 + LIMIT_WORDS,                                          /* hand_free */
    CLAIM_WORDS = 3 + 3 + TAKE_WORDS + CHAIN_REMOVE_WORDS,                 /* schedule_claim */
    TELL_WORDS = 1 + LOAD_WORDS + CHAIN_ADD_WORDS,                         /* schedule_after_end */
    END_WORDS = TASK_WORDS + FREE_WORDS + 2 + TELL_WORDS + 1,              /* schedule_end */
    LOSS_WORDS = 4 + CHAIN_ADD_WORDS + FREE_WORDS + TELL_WORDS + 1,        /* schedule_loss: the task is run again */
    DEATH_WORDS = LOSS_WORDS + 8,                                          /* schedule_death */
    WITHDRAW_WORDS = TASK_WORDS + 4 + CHAIN_REMOVE_WORDS + TELL_WORDS + 1, /* schedule_withdraw */
    CANCEL_WORDS = TASK_WORDS + 3 + 7 + CHAIN_REMOVE_WORDS + TELL_WORDS    /* schedule_cancel */
};
_Static_assert(JOURNAL_CAPACITY - END_WORDS >= 0 && JOURNAL_CAPACITY - CLAIM_WORDS >= 1,
               "a worker's steps fit the journal");
_Static_assert(2 + DEATH_WORDS <= JOURNAL_CAPACITY && 2 + CANCEL_WORDS <= JOURNAL_CAPACITY &&
                   2 + WITHDRAW_WORDS <= JOURNAL_CAPACITY,
               "so do the others");

static void schedule_set(struct pool *pool, uint64_t *word, uint64_t value) {
    guard_set(&pool->guard, word, value);
}

static void schedule_add(struct pool *pool, uint64_t *word, int64_t n) {
    guard_set(&pool->guard, word, *word + (uint64_t)n);
}

/* --- jobs with tasks to claim --- */

/* The most urgent first. */
static struct chain *schedule_list(struct pool *pool, const struct job *job) {
    static const unsigned rank[PRIORITIES] = {
        [PRONG_PRIORITY_HIGH] = 0, [PRONG_PRIORITY_NORMAL] = 1, [PRONG_PRIORITY_LOW] = 2};
    return &pool->claimable[rank[job->priority]];
}

void schedule_job(struct pool *pool, struct job *job) {
    struct chain *chain = schedule_list(pool, job);
    if (!chain_has(chain, job, offsetof(struct job, claimable)))
        chain_add(pool, chain, job, offsetof(struct job, claimable));
}

static void schedule_unlink_job(struct pool *pool, struct job *job) {
    chain_remove(pool, schedule_list(pool, job), job, offsetof(struct job, claimable));
}

/* A job whose tasks were all claimed, or withdrawn, may be freed when they have ended. */
static void schedule_unlink_claimed(struct pool *pool, struct job *job) {
    if (job->next + job->withdrawn == job->count && !job->again) schedule_unlink_job(pool, job);
}

void schedule_seal(struct pool *pool, struct job *job) {
    if (job->sealed) return;
    schedule_set(pool, &job->sealed, 1);
    if (!job->order) schedule_add(pool, &pool->open_jobs, -1);
}

/* --- places to be run again: a list through their words, the first that was lost in front --- */

static uint64_t again_next(const struct job *job, uint64_t place) {
    return (uint32_t)task_code(*job_word(job, place));
}

static void again_add(struct pool *pool, struct job *job, uint64_t place) {
    uint64_t *word = job_word(job, place), *last = job->again ? job_word(job, job->again_last) : NULL;
    schedule_set(pool, word, task_word(TASK_AGAIN, PRONG_OK, task_tries(*word), 0));
    if (last)
        schedule_set(pool, last, task_word(TASK_AGAIN, PRONG_OK, task_tries(*last), (int)(uint32_t)place));
    else
        schedule_set(pool, &job->again_first, place);
    schedule_set(pool, &job->again_last, place);
    schedule_add(pool, &job->again, 1);
}

/* Takes one out of the middle. There are as many as workers have died, so the search is short. */
static void again_remove(struct pool *pool, struct job *job, uint64_t place) {
    uint64_t before = place, after = again_next(job, place);
    for (uint64_t at = job->again_first; at != place; at = again_next(job, at)) before = at;
    if (before == place)
        schedule_set(pool, &job->again_first, after);
    else
        schedule_set(pool, job_word(job, before),
                     task_word(TASK_AGAIN, PRONG_OK, task_tries(*job_word(job, before)), (int)(uint32_t)after));
    if (job->again_last == place) schedule_set(pool, &job->again_last, before);
    schedule_add(pool, &job->again, -1);
}

static uint64_t again_take(struct pool *pool, struct job *job) {
    uint64_t place = job->again_first;
    schedule_set(pool, &job->again_first, again_next(job, place));
    schedule_add(pool, &job->again, -1);
    return place;
}

/* --- claiming --- */

static void schedule_skip_withdrawn(struct pool *pool, struct job *job) {
    uint64_t next = job->next;
    while (next < job->count && task_state(*job_word(job, next)) == TASK_ENDED) next++;
    if (next == job->next) return;
    schedule_add(pool, &job->withdrawn, -(int64_t)(next - job->next));
    schedule_set(pool, &job->next, next);
}

static bool schedule_next_place(struct pool *pool, struct job *job, uint64_t *place) {
    if (job->again) {
        *place = again_take(pool, job);
        return true;
    }
    if (job->withdrawn) schedule_skip_withdrawn(pool, job);
    if (job->next == job->count) return false;
    *place = job->order ? ((uint64_t *)arena_at(job->order))[job->next % job->capacity] : job->next;
    schedule_add(pool, &job->next, 1);
    return true;
}

static void schedule_count_busy(struct pool *pool) {
    schedule_add(pool, &pool->busy, 1);
    if (pool->busy > pool->busy_most) schedule_set(pool, &pool->busy_most, pool->busy);
}

/* A hand without a job is not read: of what it has, only what leads elsewhere is noted in the journal. */
static bool hand_take(struct pool *pool, struct hand *hand, const struct claim *claim) {
    struct job *job = arena_at(claim->job);
    hand->generation = claim->generation;
    hand->place = claim->place;
    hand->tries = claim->tries;
    hand->doom = DOOM_NONE;
    hand->ends_at = job->time_limit ? clock_now() + (int64_t)job->time_limit : 0;
    schedule_set(pool, &hand->job, claim->job);
    schedule_add(pool, &job->running, 1);
    if (pool->adapts) schedule_count_busy(pool);
    bool early = hand->ends_at && limits_add(pool, hand), unwatched = pool->memory_hard && !pool->memory_watched;
    if (unwatched) schedule_set(pool, &pool->memory_watched, 1);
    return early || unwatched;
}

static void hand_free(struct pool *pool, struct hand *hand) {
    struct job *job = arena_at(hand->job);
    schedule_add(pool, &job->running, -1);
    if (pool->adapts) schedule_add(pool, &pool->busy, -1);
    limits_remove(pool, hand);
    schedule_set(pool, &hand->job, 0);
}

bool schedule_claim(struct pool *pool, struct hand *hand, struct claim *claim) {
    for (uint64_t first; (first = schedule_first_job(pool));) {
        struct job *job = arena_at(first);
        uint64_t place;
        if (schedule_next_place(pool, job, &place)) {
            unsigned tries = task_tries(*job_word(job, place)) + 1;
            schedule_set(pool, job_word(job, place), task_word(TASK_RUNNING, PRONG_OK, tries, 0));
            *claim = (struct claim){arena_offset(job), object_generation(job), place, tries, false};
            claim->tells_owner = hand_take(pool, hand, claim);
            schedule_unlink_claimed(pool, job);
            return true;
        }
        schedule_unlink_job(pool, job);
        guard_commit(&pool->guard);
    }
    return false;
}

bool schedule_holds(const struct hand *hand, const struct claim *claim) {
    return hand->job == claim->job && hand->generation == claim->generation && hand->place == claim->place &&
           hand->tries == claim->tries;
}

/* --- ended jobs whose callbacks are to be run --- */

/* Once, if it is the job's end. A pool without workers calls back by itself. */
static bool schedule_may_tell(const struct pool *pool, const struct job *job) {
    if (!job->tell_owner || pool->inlined) return false;
    if (job->tell_owner == JOB_TELL_EACH) return !chain_has(&pool->told, job, offsetof(struct job, told));
    return !job->was_told && job_ended(job);
}

/* Of an abandoned job, nobody wants to know. */
void schedule_tell_owner(struct pool *pool, struct job *job) {
    if (job->abandoned || !schedule_may_tell(pool, job)) return;
    schedule_set(pool, &job->was_told, 1);
    chain_add(pool, &pool->told, job, offsetof(struct job, told));
}

void schedule_untell_owner(struct pool *pool, struct job *job) {
    chain_remove(pool, &pool->told, job, offsetof(struct job, told));
}

bool schedule_take_told(struct pool *pool, prong_job *job) {
    if (!__atomic_load_n(&pool->told.first, __ATOMIC_ACQUIRE)) return false;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return false;
    bool found = pool->told.first != 0;
    if (found) {
        struct job *first = arena_at(pool->told.first);
        *job = job_handle(first);
        schedule_untell_owner(pool, first);
    }
    guard_leave(&pool->guard);
    return found;
}

/* --- ending --- */

static void schedule_end_task(struct pool *pool, struct job *job, uint64_t place, prong_status status, int code) {
    uint64_t *word = job_word(job, place);
    schedule_set(pool, word, task_word(TASK_ENDED, status, task_tries(*word), code));
    schedule_add(pool, &job->done, 1);
    schedule_add(pool, &pool->unfinished, -1);
    if (job->order) load_return(pool, job, job_call(job, place)->argument_size);
    if (status >= 0) return;
    schedule_add(pool, &job->failed, 1);
    if (!job->first_failure || place + 1 < job->first_failure) schedule_set(pool, &job->first_failure, place + 1);
}

static void schedule_after_end(struct pool *pool, struct job *job) {
    if (job_ended(job)) load_return(pool, job, job->load);
    schedule_tell_owner(pool, job);
}

/* Which caller frees the job is decided under the guard, as in job_abandon. */
unsigned schedule_news(struct pool *pool, struct job *job) {
    unsigned news = job_ended(job) ? JOB_NEWS_ENDED : JOB_NEWS_NONE;
    schedule_after_end(pool, job);
    if (!job->abandoned || job->running) return news;
    schedule_set(pool, &job->freed_by, self_token());
    return news | JOB_NEWS_LAST;
}

unsigned schedule_end(struct pool *pool, struct hand *hand, prong_status status, int code) {
    struct job *job = arena_at(hand->job);
    struct worker *worker = hand_worker(pool, hand);
    schedule_end_task(pool, job, hand->place, status, code);
    hand_free(pool, hand);
    schedule_add(pool, &worker->tasks, 1);
    if (worker->awaits) schedule_set(pool, &worker->awaits, 0); /* it has left its wait by a jump */
    return schedule_news(pool, job);
}

static prong_status hand_status_of_doom(const struct pool *pool, const struct hand *hand) {
    switch (worker_doom(pool, hand_worker(pool, hand))) {
    case DOOM_TIMEOUT: return PRONG_TASK_TIMEOUT;
    case DOOM_CANCEL: return PRONG_CANCELLED;
    case DOOM_MEMORY: return PRONG_TASK_MEMORY;
    default: return PRONG_WORKER_DIED;
    }
}

unsigned schedule_loss(struct pool *pool, struct hand *hand, int exit_code) {
    struct job *job = arena_at(hand->job);
    prong_status status = hand_status_of_doom(pool, hand);
    bool lost = status == PRONG_WORKER_DIED || status == PRONG_TASK_MEMORY;
    bool again = lost && hand->tries <= job->retries && !job->cancel_status;
    if (again) {
        again_add(pool, job, hand->place);
        schedule_job(pool, job);
    } else {
        schedule_end_task(pool, job, hand->place, status, exit_code);
    }
    hand_free(pool, hand);
    return schedule_news(pool, job);
}

unsigned schedule_death(struct pool *pool, struct worker *worker, int exit_code) {
    struct hand *hand = worker_hand(pool, worker);
    unsigned news = hand->job ? schedule_loss(pool, hand, exit_code) : JOB_NEWS_NONE;
    schedule_set(pool, &hand->doom, DOOM_NONE);
    schedule_set(pool, &worker->token, 0);
    schedule_set(pool, &worker->pid, 0);
    schedule_set(pool, &worker->doom, DOOM_NONE);
    schedule_set(pool, &worker->tasks, 0);
    schedule_set(pool, &worker->initializing, 0);
    schedule_set(pool, &worker->everywhere, 0);
    schedule_set(pool, &worker->awaits, 0);
    return news;
}

/* Many steps, each one complete: tasks waiting to be run again one by one, the never begun ones all at once. */
void schedule_cancel(struct pool *pool, struct job *job, prong_status status) {
    while (job->again) {
        schedule_end_task(pool, job, again_take(pool, job), status, 0);
        schedule_after_end(pool, job);
        guard_commit(&pool->guard);
    }
    uint64_t left = job->count - job->next - job->withdrawn;
    if (!job->cancel_status) {
        schedule_set(pool, &job->cancel_from, job->next);
        schedule_set(pool, &job->cancel_status, status);
    }
    if (left) {
        if (!job->first_failure || job->next + 1 < job->first_failure)
            schedule_set(pool, &job->first_failure, job->next + 1);
        schedule_set(pool, &job->next, job->count);
        schedule_set(pool, &job->withdrawn, 0);
        schedule_add(pool, &job->done, (int64_t)left);
        schedule_add(pool, &job->failed, (int64_t)left);
        schedule_add(pool, &pool->unfinished, -(int64_t)left);
    }
    schedule_seal(pool, job);
    schedule_unlink_job(pool, job);
    schedule_after_end(pool, job);
    guard_commit(&pool->guard);
}

bool schedule_withdraw(struct pool *pool, struct job *job, uint64_t place, unsigned *news) {
    switch (task_state(schedule_word(job, place))) {
    case TASK_PENDING: schedule_add(pool, &job->withdrawn, 1); break;
    case TASK_AGAIN: again_remove(pool, job, place); break;
    default: return false;
    }
    schedule_unlink_claimed(pool, job);
    schedule_end_task(pool, job, place, PRONG_CANCELLED, 0);
    *news = schedule_news(pool, job);
    return true;
}

uint64_t schedule_word(const struct job *job, uint64_t place) {
    uint64_t word = *job_word(job, place);
    if (task_state(word) == TASK_PENDING && job->cancel_status && !job->order && place >= job->cancel_from)
        return task_word(TASK_ENDED, (prong_status)job->cancel_status, 0, 0);
    return word;
}

/* --- telling --- */

bool job_ended(const struct job *job) {
    return __atomic_load_n(&job->sealed, __ATOMIC_ACQUIRE) && /* first: from then on the count is the last one */
           __atomic_load_n(&job->done, __ATOMIC_ACQUIRE) == __atomic_load_n(&job->count, __ATOMIC_RELAXED);
}

void schedule_tell(struct pool *pool, uint64_t offset, unsigned news) {
    struct job *job = arena_at(offset);
    if (news & JOB_NEWS_ENDED) atomic_store_explicit(&job->settled, 1, memory_order_release);
    bool ended = job_ended(job);
    if (ended || __atomic_load_n(&job->tell_each, __ATOMIC_RELAXED)) waitq_notify(&job->progress, INT_MAX);
    if (ended) object_bell_after_ready(&job->bell);
    uint64_t tells = __atomic_load_n(&job->tell_owner, __ATOMIC_RELAXED);
    if (tells == JOB_TELL_EACH || (ended && tells)) waitq_notify(&pool->callbacks, 1);
    load_tell(pool);
    if (news & JOB_NEWS_LAST) object_destroy(job, object_generation(job)); /* ours to free: nobody else changes it */
    if (atomic_load(&pool->state) != POOL_RUNNING && __atomic_load_n(&pool->unfinished, __ATOMIC_RELAXED) == 0)
        waitq_notify(&pool->work, INT_MAX);
}

#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
#else
#define __tsan_acquire(address) ((void)(address))
#endif

/* Pairs with schedule_tell. The worker that settled it had entered the guard after all that changed it: mostly in another process,
 * of which ThreadSanitizer sees nothing. */
bool job_is_settled(struct job *job) {
    if (!atomic_load_explicit(&job->settled, memory_order_acquire)) return false;
    __tsan_acquire(&((struct pool *)arena_at(job->pool))->guard.lock.word);
    return true;
}

/* What is seen without the guard may be taken back, if the worker that set it dies before it leaves. */
bool job_has_ended(struct job *job) {
    if (job_is_settled(job)) return true;
    if (!job_ended(job)) return false;
    struct pool *pool = arena_at(job->pool);
    if (!object_is_live(KIND_POOL, job->pool, job->pool_generation)) return true;
    if (!guard_enter(&pool->guard, deadline_after(STOPPED_AT_MOST))) return false;
    bool ended = job_ended(job);
    if (ended) atomic_store_explicit(&job->settled, 1, memory_order_release);
    guard_leave(&pool->guard);
    return ended;
}
