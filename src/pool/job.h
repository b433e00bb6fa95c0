/* The job in the arena, and its tasks: making it, waiting for it, what became of its tasks, cancelling it. */
#ifndef POOL_JOB_H
#define POOL_JOB_H

#include "family/bell.h"
#include "pool/pool.h"
#include "process/calls.h"

#include <prong/job.h>
#include <prong/open_job.h>
#include <prong/work.h>

enum task_state { TASK_PENDING, TASK_AGAIN, TASK_RUNNING, TASK_ENDED };
enum { SMALL_RESULT = 32, SMALL_JOB = 256, SUMMARY_SIZE = 160 };
enum { PROGRESS_EVERY = PRONG_MS(100) }; /* between two calls of a progress callback */

/* state, status (0 or a failure), tries, and code in one word, so that the guard can set it. The code of a task that is to be run again
 * is the next such place. */
static inline uint64_t task_word(enum task_state state, prong_status status, unsigned tries, int code) {
    return (uint64_t)state | (uint64_t)(uint8_t)-status << 8 | (uint64_t)tries << 16 | (uint64_t)(uint32_t)code << 32;
}
static inline enum task_state task_state(uint64_t word) {
    return (enum task_state)(word & 0xff);
}
static inline prong_status task_status(uint64_t word) {
    return (prong_status) - (int)(word >> 8 & 0xff);
}
static inline unsigned task_tries(uint64_t word) {
    return (unsigned)(word >> 16 & 0xffff);
}
static inline int task_code(uint64_t word) {
    return (int)(uint32_t)(word >> 32);
}

/* A task whose argument is its own: where that is, and its result. */
struct call {
    uint64_t argument, argument_size;
    uint64_t argument_block; /* to be freed with the task; 0: part of the job's storage */
    uint64_t result_block;   /* 0: in small */
    uint64_t result_size;
    uint64_t number; /* of the task, where places are used again */
    _Alignas(8) char small[SMALL_RESULT];
};

struct job {
    struct object object;
    /* By cache lines, since each one that a step of the schedule touches has to come from another process. First what is
     * written before the job is submitted. */
    _Alignas(64) uint64_t pool, pool_generation;
    uint64_t form;         /* a prong_form, never PRONG_FORM_VALUES: call_task is a task */
    uint64_t values;       /* what prong_job_value gives: a job_values */
    any_function *pointer; /* in processes forked from the submitter's image */
    uint64_t calls;        /* see words */
    uint32_t retries, priority;
    struct function function; /* its first word is in the line of the pointer */
    /* What a claim touches. Places are claimed in the order in which tasks were added. A place is a task's number, but in an
     * iterator's job, where `order` (a ring) says which place comes next. `calls` are 0 for elements and ranges without a
     * ring. */
    _Alignas(64) struct chain_link claimable; /* in the pool's list of this name and its priority */
    uint64_t words, order;
    uint64_t count, next, running, again;
    /* What the end of a task touches. */
    uint64_t done, failed;
    uint64_t sealed;                /* nothing more will be added */
    uint64_t abandoned;             /* free it when nothing runs */
    uint64_t tell_each, tell_owner; /* notify at each task; wake what runs callbacks: a job_tell */
    uint64_t time_limit;
    uint64_t first_failure; /* place + 1 */
    /* The rest. */
    uint64_t storage; /* one block for words, calls and order, 0: they are in `small` */
    uint64_t capacity;
    uint64_t withdrawn;         /* places from `next` on that were cancelled one by one, and will not be claimed */
    uint64_t room_at, room_end; /* of an open job: storage for the arguments of tasks that are added */
    struct chain_link told;     /* in the pool's list of this name */
    _Atomic uint64_t submitter; /* token */
    uint64_t again_first, again_last; /* of the places to be run again: see again_add */
    uint64_t freed_by;                /* token of the one to whom that fell: if it dies first, its successors do it */
    uint64_t cancel_from, cancel_status; /* tasks from this one on were never begun */
    uint64_t was_told;                   /* with tell_owner: it has been on that list */
    /* elements and ranges */
    uint64_t in, out, in_size, out_size, elements, chunk;
    uint64_t context, context_size; /* what prong_task_context gives */
    uint64_t seed;                  /* see prong_task_seed */
    uint64_t in_place;              /* in or out is the caller's own memory in the arena */
    int64_t began;
    uint64_t load; /* bytes that it holds of the pool's, once it is submitted: see load.h */
    _Alignas(64) struct waitq progress;
    _Atomic uint32_t settled; /* its end is certain: nothing changes any more, and no guard is needed to read it */
    struct object_bell bell;  /* rings when it has ended */
    _Alignas(64) char small[SMALL_JOB];
};

/* For tell_owner. */
enum job_tell { JOB_TELL_NOBODY, JOB_TELL_END, JOB_TELL_EACH };

enum { KIND_JOB = 5 };
extern const struct object_type job_type;

/* How many tasks it has: another thread may be adding some. */
static inline uint64_t job_count(const struct job *job) {
    return __atomic_load_n(&job->count, __ATOMIC_RELAXED);
}
static inline uint64_t *job_word(const struct job *job, uint64_t place) {
    return (uint64_t *)arena_at(job->words) + place;
}
static inline struct call *job_call(const struct job *job, uint64_t place) {
    return (struct call *)arena_at(job->calls) + place;
}

/* The number, in its job, of a task, or of its first element. */
static inline uint64_t job_element(const struct job *job, uint64_t place) {
    uint64_t number = job->order ? job_call(job, place)->number : place;
    return job->form == PRONG_FORM_TASK ? number : number * job->chunk;
}

static inline prong_job job_handle(struct job *job) {
    return (prong_job){arena_offset(job), object_generation(job)};
}

static inline bool job_pool_lives(const struct job *job) {
    return object_is_live(KIND_POOL, job->pool, job->pool_generation);
}

/* Inside of the job, and of its pool with it. */
prong_status job_enter(struct visit *inside, prong_job handle, struct job **job);

/* --- job.c: making and submitting --- */
struct submission;
/* Where the submitter wants the results, in its own memory. */
struct outputs {
    void *out;
    size_t out_size, count;
    size_t *sizes;
};
/* Errors: PRONG_NO_MEMORY for more tasks than the arena has room for, with so many bytes each, or than a word has bits for a place. */
prong_status job_check_count(size_t tasks, size_t bytes_each);
/* A job with its tables, not yet visible to workers; *extra is the place of the further bytes. */
prong_status job_create(const struct submission *submission, struct pool *pool, struct job **job, uint64_t *extra);
/* Waits for room, as the submission says. On failure the job is gone. */
prong_status job_submit(struct submission *submission, struct pool *pool, struct job *job, prong_job *handle);
void job_discard(struct job *job);
/* Why a pool takes nothing any more. Not under its guard: it may bury its owner. */
prong_status job_fail_not_running(const struct pool *pool);
void job_free_result(struct call *call);
/* Its result and its argument, as far as they have memory of their own. */
void call_free(struct call *call);
/* The argument of a task that is about to be added, with the head before it, in memory of its own. */
prong_status call_store_argument(struct call *call, prong_bytes head, const prong_bytes *argument);
/* Notes what callbacks there are and where results go (NULL: nowhere), in this process alone. */
prong_status job_note(prong_job handle, const struct submission *submission, const struct outputs *outputs);

/* --- job_wait.c --- */
/* Waits for its end, well or not, and delivers to the outputs, once. *too_long is the first task whose result did not fit there,
 * + 1; 0: none. */
prong_status job_wait_end(prong_job handle, prong_time timeout, uint64_t *too_long);
/* job_ended, as a waitq's condition. */
bool job_seems_ended(void *job);

/* --- job_outcome.c: what became of its tasks --- */
/* How a task stands, by the guard if need be. */
uint64_t job_word_for_certain(struct job *job, uint64_t place);
void job_read_outcome(struct job *job, uint64_t place, prong_outcome *outcome);
/* Copies the results of tasks that have succeeded to where the caller wants them; once. Returns as too_long above. */
uint64_t job_deliver(prong_job handle);
uint64_t job_deliver_to(prong_job handle, const struct outputs *outputs);
/* Of a job that has ended: PRONG_OK, or the first failure as this call's. */
prong_status job_first_failure(prong_job handle);
/* An outcome other than success as this call's failure. */
prong_status job_fail(const struct job *job, const prong_outcome *outcome, const char *remark);
prong_status job_fail_too_long(prong_job handle, uint64_t place);
/* Why a pool is broken. */
prong_status job_fail_broken(const struct pool *pool);

/* --- job_open.c --- */
/* Under the guard: there is one task more, at the place `count`. */
void job_add_task(struct pool *pool, struct job *job, uint64_t place);

/* --- job_cancel.c --- */
/* Enters the guard of the job's pool. Not inside when the pool is gone, or the job is being freed, or its memory is another's: a job
 * that is neither, seen under the guard, stays while the guard is held. */
prong_status job_enter_guard(prong_job handle, struct job *job, bool *inside);
/* Destroys it as soon as none of its tasks runs. */
prong_status job_abandon(prong_job handle, struct job *job);
/* Destroys it and returns status, with its message. */
prong_status job_destroy_after(prong_job handle, prong_status status);
/* Ends the tasks of all the pool's jobs that have not begun, as PRONG_POOL_BROKEN where it is broken. False: of some it could not. */
bool jobs_cancel_unfinished(struct pool *pool);
/* The same for those that run, too: no worker will end them. */
bool jobs_cancel_all(struct pool *pool);

#endif
