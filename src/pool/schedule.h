/* The steps that move tasks on, each under the pool's guard, and what is told of them after. */
#ifndef POOL_SCHEDULE_H
#define POOL_SCHEDULE_H

#include "os/os.h"
#include "pool/job.h"

/* What a hand has taken. */
struct claim {
    uint64_t job, generation, place;
    unsigned tries;
    bool
        tells_owner; /* its `attention` is to be notified, once the guard is left: it has to look earlier than it would */
};
static inline struct claim hand_claim(const struct hand *hand) {
    return (struct claim){hand->job, hand->generation, hand->place, (unsigned)hand->tries, false};
}
/* The job whose tasks are claimed next; 0: there is none. A hint unless under the guard. */
static inline uint64_t schedule_first_job(const struct pool *pool) {
    for (int i = 0; i < PRIORITIES; i++) {
        uint64_t first = __atomic_load_n(&pool->claimable[i].first, __ATOMIC_ACQUIRE);
        if (first) return first;
    }
    return 0;
}
/* Before the guard is entered: asks for the cache lines that a step will touch, all at once. Each comes from another process, and
 * one after the other they take several times as long. */
static inline void schedule_expect(struct pool *pool) {
    enum { JOURNAL_BYTES = 256 }; /* of most steps */
    os_prefetch_to_write(&pool->state);
    for (size_t at = 0; at < JOURNAL_BYTES; at += 64) os_prefetch_to_write((char *)&pool->guard + at);
}
/* The same for a claim: the job may be another by then, which costs no more than the time. */
static inline void schedule_expect_claim(struct pool *pool) {
    uint64_t first = schedule_first_job(pool);
    schedule_expect(pool);
    if (!first) return;
    struct job *job = arena_at(first);
    os_prefetch_to_write(&job->claimable);
    os_prefetch_to_write(&job->done);
    os_prefetch_to_write(job->small);
    os_prefetch_to_write(job->small + 64);
    __builtin_prefetch(&job->pool);
}
/* Puts a job with tasks to claim on the pool's list. */
void schedule_job(struct pool *pool, struct job *job);
/* Takes the next task for the hand, whose last one was committed; false when there is none. */
bool schedule_claim(struct pool *pool, struct hand *hand, struct claim *claim);
/* Whether that is what the hand has: its task may have been ended, or be another's by now. */
bool schedule_holds(const struct hand *hand, const struct claim *claim);
/* What has become of a job in such a step, for schedule_tell. */
enum job_news {
    JOB_NEWS_NONE = 0,
    JOB_NEWS_ENDED = 1, /* all its tasks have ended */
    JOB_NEWS_LAST = 2,  /* it is abandoned, and this was the last task that ran: the caller frees it */
};
/* The hand's task has ended. Returns the news, which hold once the guard is left. */
unsigned schedule_end(struct pool *pool, struct hand *hand, prong_status status, int code);
/* The worker is dead: its task ends or is run again. Returns as schedule_end. */
unsigned schedule_death(struct pool *pool, struct worker *worker, int exit_code);
/* The same, but that the worker itself is left to its owner. */
unsigned schedule_loss(struct pool *pool, struct hand *hand, int exit_code);
/* What has become of the job, one of whose tasks has just ended; if its freeing falls to the caller, that is noted. */
unsigned schedule_news(struct pool *pool, struct job *job);
/* No more tasks are added. */
void schedule_seal(struct pool *pool, struct job *job);
void schedule_cancel(struct pool *pool, struct job *job, prong_status status);
/* Cancels one task that does not run, and has not ended: false, if it is not so. *news as schedule_end returns them. */
bool schedule_withdraw(struct pool *pool, struct job *job, uint64_t place, unsigned *news);
/* After leaving the guard, inside of the job: wakes whoever waits for it; frees it when that has fallen to the caller. */
void schedule_tell(struct pool *pool, uint64_t job, unsigned news);
/* Adds a job that has ended, or with JOB_TELL_EACH a task of it, to those whose callbacks are to run. Under the guard, in the step that
 * ends it. */
void schedule_tell_owner(struct pool *pool, struct job *job);
/* Takes a job off that list, under the guard, before it is destroyed. */
void schedule_untell_owner(struct pool *pool, struct job *job);
/* Takes the first of that list; false when there is none. Not under the guard. */
bool schedule_take_told(struct pool *pool, prong_job *job);
/* Whether all tasks that there ever will be have ended. A hint unless under the guard. */
bool job_ended(const struct job *job);
/* Whether that is certain and known: nothing of it changes any more, and it is read and destroyed without the guard. */
bool job_is_settled(struct job *job);
/* Whether all have ended for certain; recovers the guard if need be. */
bool job_has_ended(struct job *job);
/* How a task stands, under the guard. */
uint64_t schedule_word(const struct job *job, uint64_t place);

#endif
