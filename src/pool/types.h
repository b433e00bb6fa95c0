/* The pool's and the jobs' structures in the arena, and what the pool room shares among its files.
 *
 * A job's tasks are claimed in order by workers, under the pool's guard. Each has one word (see task_word) that says
 * how it stands; each worker has a slot that says which task it runs. A claim, a completion, and what follows from a
 * death each change several words under the guard, and so happen wholly or not at all, whoever is killed when. */
#ifndef POOL_TYPES_H
#define POOL_TYPES_H

#include "family/guard.h"
#include "family/object.h"
#include "family/waitq.h"
#include "process/calls.h"
#include "process/function.h"

#include <prong/pool.h>
#include <prong/queue.h>
#include <signal.h>

enum pool_state { POOL_RUNNING, POOL_CLOSED, POOL_TERMINATED, POOL_BROKEN };
enum task_state { TASK_PENDING, TASK_AGAIN, TASK_RUNNING, TASK_ENDED };
enum doom { DOOM_NONE, DOOM_TIMEOUT, DOOM_CANCEL };
enum { SMALL_RESULT = 32, SMALL_JOB = 256, SUMMARY_SIZE = 160 };
enum { PROGRESS_EVERY = PRONG_MS(100) }; /* between two calls of a progress callback */

/* state, status (0 or a failure), tries, and code in one word, so that the guard can set it. */
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

struct slot {
    _Alignas(64) uint64_t process_offset, process_generation;
    uint64_t pid;
    uint64_t token;      /* the worker's member token once it works */
    uint64_t job, place; /* the task it runs; 0: none */
    uint64_t started_at; /* set for jobs with a time limit */
    uint64_t doom;       /* why it is being killed */
    uint64_t tasks;
    uint64_t initializing; /* since when its initializer runs; 0: it does not */
    /* what it waits for until when, if it waits for a pool; 0: nothing. See await.h */
    uint64_t awaits, awaits_generation;
    int64_t awaits_place, awaits_until;
};

struct pool {
    struct object object;
    struct guard guard;
    _Atomic uint64_t state;
    _Atomic uint64_t owner;    /* token */
    _Atomic uint64_t orphaned; /* the owner is dead: freed when the last worker is, too */
    uint64_t slots, slot_count;
    uint64_t first, last; /* jobs with tasks to claim, oldest first */
    uint64_t unfinished;  /* tasks submitted and not ended */
    uint64_t maxtasks, deaths, early_deaths;
    uint64_t least_limit; /* the shortest time limit of unfinished jobs, or less; 0: none has one */
    int64_t broken_code;
    _Atomic uint64_t workers_ended; /* all, and none will follow */
    _Atomic uint64_t workers_gone;  /* and their callbacks have run: the owner's threads touch the pool no more */
    _Atomic uint32_t all_forked;    /* a gate: see fork_gate */
    struct function initializer;
    any_function *initializer_pointer;
    uint64_t initializer_argument, initializer_size;
    uint64_t initializer_limit; /* 0: none */
    uint64_t initializer_late;  /* one has run longer, and none has been done since */
    uint64_t method;
    uint64_t program; /* a block: of the workers' images; 0: as the method has it */
    sigset_t mask;    /* the creator's, for workers that are forked by the owner's thread */
    char name[32];
    _Alignas(64) struct waitq work;      /* workers wait for tasks */
    _Alignas(64) struct waitq attention; /* the owner's thread waits for what is to be done, and the end */
    _Alignas(64) struct waitq callbacks; /* the one that runs callbacks waits for jobs that have any */
    _Alignas(64) struct waitq ended;     /* join waits for the last worker */
};

struct job {
    struct object object;
    uint64_t pool, pool_generation;
    _Atomic uint64_t submitter; /* token */
    uint64_t form;              /* a prong_form, never PRONG_FORM_VALUES: call_task is a task */
    uint64_t values;            /* what prong_job_value gives: a job_values */
    any_function *pointer;      /* in processes forked from the submitter's image */
    struct function function;
    uint64_t next_job, linked; /* in the pool's list */
    /* Places are claimed in the order in which tasks were added. A place is a task's number, but in an iterator's job,
     * where `order` (a ring) says which place comes next. `calls` are 0 for elements and ranges without a ring. */
    uint64_t storage; /* one block for the following, 0: they are in `small` */
    uint64_t words, calls, order;
    uint64_t capacity;
    uint64_t count, next, done, running, again, failed;
    uint64_t sealed;    /* nothing more will be added */
    uint64_t abandoned; /* free it when nothing runs */
    uint64_t freed_by;  /* token of the one to whom that fell: if it dies first, its successors do it */
    uint64_t cancel_from, cancel_status; /* tasks from this one on were never begun */
    uint64_t first_failure;              /* place + 1 */
    uint64_t retries, time_limit;
    uint64_t tell_each, tell_owner; /* notify at each task; wake what runs callbacks at the end */
    /* elements and ranges */
    uint64_t in, out, in_size, out_size, elements, chunk;
    uint64_t context, context_size; /* what prong_task_context gives */
    uint64_t in_place;              /* in or out is the caller's own memory in the arena */
    int64_t began;
    _Alignas(64) struct waitq progress;
    _Atomic uint32_t settled; /* its end is certain: nothing changes any more, and no guard is needed to read it */
    _Alignas(64) char small[SMALL_JOB];
};

enum { KIND_POOL = 4, KIND_JOB = 5 };
extern const struct object_type pool_type, job_type;

static inline struct slot *pool_slot(const struct pool *pool, uint64_t i) {
    return (struct slot *)arena_at(pool->slots) + i;
}
static inline uint64_t *job_word(const struct job *job, uint64_t place) {
    return (uint64_t *)arena_at(job->words) + place;
}
static inline struct call *job_call(const struct job *job, uint64_t place) {
    return (struct call *)arena_at(job->calls) + place;
}

static inline prong_job job_handle(struct job *job) {
    return (prong_job){arena_offset(job), object_generation(job)};
}

/* Inside of the pool; or of the job, and of its pool with it. */
prong_status pool_enter(struct visit *inside, prong_pool handle, struct pool **pool);
prong_status job_enter(struct visit *inside, prong_job handle, struct job **job);

/* --- schedule.c: the steps under the guard --- */
struct claim {
    uint64_t job, place;
};
/* Puts a job with tasks to claim on the pool's list. */
void schedule_job(struct pool *pool, struct job *job);
/* Takes the next task for the slot; false when there is none. */
bool schedule_claim(struct pool *pool, struct slot *slot, struct claim *claim);
/* What has become of a job in such a step, for schedule_tell. */
enum job_news {
    JOB_NEWS_NONE = 0,
    JOB_NEWS_ENDED = 1, /* all its tasks have ended */
    JOB_NEWS_LAST = 2,  /* it is abandoned, and this was the last task that ran: the caller frees it */
};
/* The slot's task has ended. Returns the news, which hold once the guard is left. */
unsigned schedule_end(struct pool *pool, struct slot *slot, prong_status status, int code);
/* The slot's worker is dead: its task ends or is run again. Returns as schedule_end. */
unsigned schedule_death(struct pool *pool, struct slot *slot, int exit_code);
/* The same, but that the slot itself is left to its owner. */
unsigned schedule_loss(struct pool *pool, struct slot *slot, int exit_code);
void schedule_cancel(struct pool *pool, struct job *job, prong_status status);
/* After leaving the guard, inside of the job: wakes whoever waits for it; frees it when that has fallen to the caller. */
void schedule_tell(struct pool *pool, uint64_t job, unsigned news);
/* Whether all tasks that there ever will be have ended. A hint unless under the guard. */
bool job_ended(const struct job *job);
/* Whether that is certain and known: nothing of it changes any more, and it is read and destroyed without the guard. */
bool job_is_settled(struct job *job);
/* Whether all have ended for certain; recovers the guard if need be. */
bool job_has_ended(struct job *job);
/* How a task stands, under the guard. */
uint64_t schedule_word(const struct job *job, uint64_t place);

/* --- work.c --- */
enum job_values { VALUES_NONE, VALUES_ONE, VALUES_LIST };
/* What is submitted: the work as its tasks run it. */
struct submission {
    prong_pool pool;
    const prong_work *work;
    const prong_task_options *options; /* never NULL */
    prong_form form;                   /* never PRONG_FORM_VALUES */
    enum job_values values;
    any_function *function;
    const char *name; /* NULL: by its pointer */
    size_t count, capacity;
    bool ring;
    uint64_t extra; /* bytes of storage behind the tables */
};
/* For which call: some members of a prong_work are for one of them alone. */
enum work_call { WORK_RUN, WORK_SUBMIT, WORK_ITERATE };
/* Checks the work, and fills in what does not depend on the pool. */
prong_status work_read(struct submission *submission, prong_pool pool, const prong_work *work,
                       const prong_task_options *options, enum work_call call);

/* --- job.c --- */
/* Where the submitter wants the results, in its own memory. */
struct outputs {
    void *out;
    size_t out_size, count;
    size_t *sizes;
};
/* A job with its tables, not yet visible to workers; *extra is the place of the further bytes. */
prong_status job_create(const struct submission *submission, struct pool *pool, struct job **job, uint64_t *extra);
prong_status job_submit(struct pool *pool, struct job *job, prong_job *handle);
void job_discard(struct job *job);
void job_read_outcome(struct job *job, uint64_t place, prong_outcome *outcome);
/* Waits for its end, well or not, and delivers to the outputs, once. *too_long is the first task whose result did not fit there,
 * + 1; 0: none. */
prong_status job_wait_end(prong_job handle, prong_time timeout, uint64_t *too_long);
/* Of a job that has ended: PRONG_OK, or the first failure as this call's. */
prong_status job_first_failure(prong_job handle);
/* An outcome other than success as this call's failure. */
prong_status job_fail(const struct job *job, const prong_outcome *outcome, const char *remark);
prong_status job_fail_too_long(prong_job handle, uint64_t place);
void job_free_result(struct call *call);
/* Copies the results of tasks that have succeeded to where the caller wants them; once. Returns as too_long above. */
uint64_t job_deliver(prong_job handle);
uint64_t job_deliver_to(prong_job handle, const struct outputs *outputs);
/* Destroys it and returns status, with its message. */
prong_status job_destroy_after(prong_job handle, prong_status status);
/* Says what callbacks and where results go (NULL: nowhere), in this process alone. */
prong_status job_note(prong_job handle, const struct submission *submission, const struct outputs *outputs);

/* --- submit.c --- */
/* Tasks whose arguments all begin with the same head, those of the submission's work. */
prong_status submit_tasks(struct submission *submission, prong_bytes head, prong_job *job,
                          const struct outputs *outputs);
/* Waits, and cancels what has not begun when that fails. */
prong_status job_wait_or_cancel(prong_job job, prong_time timeout, uint64_t *too_long);

/* --- notes.c --- */
struct note {
    prong_job job;
    prong_pool pool;
    void (*callback)(prong_job, void *);
    void (*error_callback)(prong_job, prong_status, const char *, void *);
    void *context;
    prong_progress_callback *progress;
    void *progress_context;
    bool delivers;          /* to the outputs, and has not yet */
    struct outputs outputs; /* of elements in place, none */
    uint64_t too_long;      /* what the delivery returned */
    struct note *next;
};
prong_status note_add(const struct note *note);
bool note_find(prong_job job, struct note *copy);
void note_remove(prong_job job);
/* Calls copy with the outputs of the job, if it has any here, and forgets them: they are the caller's from then on. Other threads
 * that come for the same wait. Returns what copy did, now or before. */
uint64_t note_deliver(prong_job handle, struct job *job, uint64_t (*copy)(struct job *job, const struct outputs *));
/* Takes a job of the pool that has ended and has a callback off the list. */
bool note_take_ended(prong_pool pool, struct note *note);

/* --- values.c --- */
int call_task(void *argument, size_t size, prong_result *result);
/* The function of a submission of values, as its calls name it. */
prong_status values_identify(const struct submission *submission, struct call_header *header);
/* Submits it; runs it, with prong_work's result. */
prong_status values_submit(struct submission *submission, prong_job *job);
prong_status values_run(struct submission *submission, prong_time timeout);
/* The next call of values from *at on, in scratch, which is reset: false when there is none. A failure leaves *at. */
prong_status values_next(prong_document *scratch, const struct call_header *header, const prong_work *work, size_t *at,
                         prong_bytes *call, bool *more);

/* --- worker.c --- */
int worker_main(void *argument, size_t size);
struct worker_argument {
    prong_pool pool;
    uint64_t slot;
};

#endif
