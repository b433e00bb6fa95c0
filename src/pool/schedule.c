/* The steps that move tasks on, each under the pool's guard.
 *
 * Words that each sets at most, before it commits or the caller leaves the guard: the guard's journal has to hold them. The longest is
 * a worker's, which hands in a task and claims another. */
#include "pool/schedule.h"

#include "base/periods.h"
#include "family/member.h"
#include "os/os.h"

#include <limits.h>

enum {
    LINK_WORDS = 4,                                      /* job_list_add */
    UNLINK_WORDS = 3,                                    /* job_list_remove */
    TASK_WORDS = 5,                                      /* schedule_end_task */
    CLAIM_WORDS = 7 + UNLINK_WORDS,                      /* schedule_claim */
    TELL_WORDS = 1 + LINK_WORDS,                         /* schedule_tell_owner */
    END_WORDS = TASK_WORDS + 5 + TELL_WORDS,             /* schedule_end */
    LOSS_WORDS = 3 + LINK_WORDS + 3 + TELL_WORDS,        /* schedule_loss: the task is run again */
    DEATH_WORDS = LOSS_WORDS + 6,                        /* schedule_death */
    CANCEL_WORDS = 2 + 5 + 1 + UNLINK_WORDS + TELL_WORDS /* schedule_cancel */
};
_Static_assert(END_WORDS + CLAIM_WORDS <= JOURNAL_CAPACITY, "a worker's step fits the journal");
_Static_assert(1 + DEATH_WORDS <= JOURNAL_CAPACITY && 2 + CANCEL_WORDS <= JOURNAL_CAPACITY, "so do the others");

static void schedule_set(struct pool *pool, uint64_t *word, uint64_t value) {
    guard_set(&pool->guard, word, value);
}

static void schedule_add(struct pool *pool, uint64_t *word, int64_t n) {
    guard_set(&pool->guard, word, *word + (uint64_t)n);
}

/* --- the pool's lists of jobs; link: where a job has its place in the list --- */

static struct job_link *job_link_at(uint64_t job, size_t link) {
    return (struct job_link *)(void *)((char *)arena_at(job) + link);
}

static bool job_list_has(const struct job_list *list, const struct job *job, size_t link) {
    uint64_t offset = arena_offset(job);
    return job_link_at(offset, link)->previous || list->first == offset;
}

static void job_list_add(struct pool *pool, struct job_list *list, const struct job *job, size_t link) {
    uint64_t offset = arena_offset(job), last = list->last;
    struct job_link *mine = job_link_at(offset, link);
    schedule_set(pool, &mine->next, 0);
    schedule_set(pool, &mine->previous, last);
    schedule_set(pool, last ? &job_link_at(last, link)->next : &list->first, offset);
    schedule_set(pool, &list->last, offset);
}

static void job_list_remove(struct pool *pool, struct job_list *list, const struct job *job, size_t link) {
    if (!job_list_has(list, job, link)) return;
    struct job_link *mine = job_link_at(arena_offset(job), link);
    uint64_t before = mine->previous, after = mine->next;
    schedule_set(pool, before ? &job_link_at(before, link)->next : &list->first, after);
    schedule_set(pool, after ? &job_link_at(after, link)->previous : &list->last, before);
    if (before) schedule_set(pool, &mine->previous, 0);
}

void schedule_job(struct pool *pool, struct job *job) {
    if (job_list_has(&pool->claimable, job, offsetof(struct job, claimable))) return;
    job_list_add(pool, &pool->claimable, job, offsetof(struct job, claimable));
}

static void schedule_unlink_job(struct pool *pool, struct job *job) {
    job_list_remove(pool, &pool->claimable, job, offsetof(struct job, claimable));
}

/* --- claiming --- */

static uint64_t schedule_place_of_again(const struct job *job) {
    uint64_t place = job->again_from;
    while (task_state(*job_word(job, place)) != TASK_AGAIN) place++;
    return place;
}

static bool schedule_next_place(struct pool *pool, struct job *job, uint64_t *place) {
    if (job->again) {
        *place = schedule_place_of_again(job);
        schedule_set(pool, &job->again_from, *place);
        schedule_add(pool, &job->again, -1);
        return true;
    }
    if (job->next == job->count) return false;
    *place = job->order ? ((uint64_t *)arena_at(job->order))[job->next % job->capacity] : job->next;
    schedule_add(pool, &job->next, 1);
    return true;
}

bool schedule_claim(struct pool *pool, struct slot *slot, struct claim *claim) {
    while (pool->claimable.first) {
        struct job *job = arena_at(pool->claimable.first);
        uint64_t place;
        if (schedule_next_place(pool, job, &place)) {
            unsigned tries = task_tries(*job_word(job, place)) + 1;
            schedule_set(pool, job_word(job, place), task_word(TASK_RUNNING, PRONG_OK, tries, 0));
            schedule_add(pool, &job->running, 1);
            schedule_set(pool, &slot->started_at, job->time_limit ? (uint64_t)clock_now() : 0);
            schedule_set(pool, &slot->job, arena_offset(job));
            schedule_set(pool, &slot->place, place);
            *claim = (struct claim){arena_offset(job), place};
            if (job->next == job->count && !job->again) schedule_unlink_job(pool, job);
            return true;
        }
        schedule_unlink_job(pool, job);
        guard_commit(&pool->guard);
    }
    return false;
}

/* --- ended jobs whose callbacks are to be run --- */

/* Of an abandoned job, nobody wants to know. */
void schedule_tell_owner(struct pool *pool, struct job *job) {
    if (!job->tell_owner || job->was_told || job->abandoned || !job_ended(job)) return;
    schedule_set(pool, &job->was_told, 1);
    job_list_add(pool, &pool->told, job, offsetof(struct job, told));
}

void schedule_untell_owner(struct pool *pool, struct job *job) {
    job_list_remove(pool, &pool->told, job, offsetof(struct job, told));
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
    if (status >= 0) return;
    schedule_add(pool, &job->failed, 1);
    if (!job->first_failure || place + 1 < job->first_failure) schedule_set(pool, &job->first_failure, place + 1);
}

/* Which caller frees the job is decided under the guard, as in job_abandon. */
static unsigned schedule_news(struct pool *pool, struct job *job) {
    unsigned news = job_ended(job) ? JOB_NEWS_ENDED : JOB_NEWS_NONE;
    schedule_tell_owner(pool, job);
    if (!job->abandoned || job->running) return news;
    schedule_set(pool, &job->freed_by, self_token());
    return news | JOB_NEWS_LAST;
}

unsigned schedule_end(struct pool *pool, struct slot *slot, prong_status status, int code) {
    struct job *job = arena_at(slot->job);
    schedule_end_task(pool, job, slot->place, status, code);
    schedule_add(pool, &job->running, -1);
    schedule_set(pool, &slot->job, 0);
    schedule_add(pool, &slot->tasks, 1);
    if (slot->awaits) schedule_set(pool, &slot->awaits, 0); /* it has left its wait by a jump */
    return schedule_news(pool, job);
}

static prong_status schedule_status_of_doom(const struct slot *slot) {
    switch (slot->doom) {
    case DOOM_TIMEOUT: return PRONG_TASK_TIMEOUT;
    case DOOM_CANCEL: return PRONG_CANCELLED;
    default: return PRONG_WORKER_DIED;
    }
}

unsigned schedule_loss(struct pool *pool, struct slot *slot, int exit_code) {
    struct job *job = arena_at(slot->job);
    uint64_t *word = job_word(job, slot->place);
    prong_status status = schedule_status_of_doom(slot);
    bool again = status == PRONG_WORKER_DIED && task_tries(*word) <= job->retries && !job->cancel_status;
    if (again) {
        schedule_set(pool, word, task_word(TASK_AGAIN, PRONG_OK, task_tries(*word), 0));
        if (!job->again || slot->place < job->again_from) schedule_set(pool, &job->again_from, slot->place);
        schedule_add(pool, &job->again, 1);
        schedule_job(pool, job);
    } else {
        schedule_end_task(pool, job, slot->place, status, exit_code);
    }
    schedule_add(pool, &job->running, -1);
    schedule_set(pool, &slot->job, 0);
    return schedule_news(pool, job);
}

unsigned schedule_death(struct pool *pool, struct slot *slot, int exit_code) {
    unsigned news = slot->job ? schedule_loss(pool, slot, exit_code) : JOB_NEWS_NONE;
    schedule_set(pool, &slot->token, 0);
    schedule_set(pool, &slot->pid, 0);
    schedule_set(pool, &slot->doom, DOOM_NONE);
    schedule_set(pool, &slot->tasks, 0);
    schedule_set(pool, &slot->initializing, 0);
    schedule_set(pool, &slot->awaits, 0);
    return news;
}

/* Many steps, each one complete: tasks waiting to be run again one by one, the never begun ones all at once. */
void schedule_cancel(struct pool *pool, struct job *job, prong_status status) {
    while (job->again) {
        uint64_t place = schedule_place_of_again(job);
        schedule_set(pool, &job->again_from, place);
        schedule_end_task(pool, job, place, status, 0);
        schedule_add(pool, &job->again, -1);
        schedule_tell_owner(pool, job);
        guard_commit(&pool->guard);
    }
    uint64_t left = job->count - job->next;
    if (!job->cancel_status) {
        schedule_set(pool, &job->cancel_from, job->next);
        schedule_set(pool, &job->cancel_status, status);
    }
    if (left) {
        if (!job->first_failure) schedule_set(pool, &job->first_failure, job->next + 1);
        schedule_set(pool, &job->next, job->count);
        schedule_add(pool, &job->done, (int64_t)left);
        schedule_add(pool, &job->failed, (int64_t)left);
        schedule_add(pool, &pool->unfinished, -(int64_t)left);
    }
    schedule_set(pool, &job->sealed, 1);
    schedule_unlink_job(pool, job);
    schedule_tell_owner(pool, job);
    guard_commit(&pool->guard);
}

uint64_t schedule_word(const struct job *job, uint64_t place) {
    uint64_t word = *job_word(job, place);
    if (task_state(word) == TASK_PENDING && job->cancel_status && !job->order && place >= job->cancel_from)
        return task_word(TASK_ENDED, (prong_status)job->cancel_status, 0, 0);
    return word;
}

/* --- telling --- */

bool job_ended(const struct job *job) {
    return __atomic_load_n(&job->done, __ATOMIC_ACQUIRE) == __atomic_load_n(&job->count, __ATOMIC_RELAXED) &&
           __atomic_load_n(&job->sealed, __ATOMIC_RELAXED);
}

void schedule_tell(struct pool *pool, uint64_t offset, unsigned news) {
    struct job *job = arena_at(offset);
    if (news & JOB_NEWS_ENDED) atomic_store_explicit(&job->settled, 1, memory_order_release);
    bool ended = job_ended(job);
    if (ended || __atomic_load_n(&job->tell_each, __ATOMIC_RELAXED)) waitq_notify(&job->progress, INT_MAX);
    if (ended) object_bell_after_ready(&job->bell);
    if (ended && __atomic_load_n(&job->tell_owner, __ATOMIC_RELAXED)) waitq_notify(&pool->callbacks, 1);
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
