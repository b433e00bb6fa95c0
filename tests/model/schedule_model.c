/* The pool's schedule (src/pool/schedule.c): each task runs once, or once more after each death of its worker; a job's end is told to
 * who waits for it; no worker sleeps beside a task. What a worker does around it (src/pool/worker.c) is as much as is needed here. */
#include "surroundings.h"
#include "waiting.h"

#include "instrument.h"
#include "pool/limits.c"
#include "pool/schedule.c"
#include "uninstrument.h"

enum { TASKS_MOST = 2 };

/* The model's pool has no limit in bytes. */
void load_return(struct pool *pool, struct job *job, uint64_t bytes) {
    (void)pool;
    (void)job;
    (void)bytes;
}

void load_tell(struct pool *pool) {
    (void)pool;
}

struct world_of_schedule {
    char header[64]; /* offset 0 is no place */
    _Alignas(64) struct pool pool;
    _Alignas(64) struct job job;
    struct worker workers[MODEL_THREADS]; /* by thread: the last one submits */
    struct hand hands[MODEL_THREADS];
    uint64_t limits[MODEL_THREADS];
    uint64_t words[TASKS_MOST];
    struct burial burial;
    char data
        [TASKS_MOST]
        [MODEL_THREADS]; /* a task's: prepared by its submitter, then its worker's, then a result for each that waits */
    int begun[TASKS_MOST], told;
};

static struct world_of_schedule *w;
static int tasks, workers;

static void model_recover(uint32_t dead) {
    struct worker *worker = &w->workers[thread_of(dead)];
    unsigned news = JOB_NEWS_NONE;
    guard_enter(&w->pool.guard, PRONG_FOREVER);
    if (worker->token == dead) news = schedule_death(&w->pool, worker, 9);
    guard_leave(&w->pool.guard);
    schedule_tell(&w->pool, arena_offset(&w->job), news);
    waitq_notify(&w->pool.work, 1); /* the task may be there to be run again */
}

static void prepare(void) {
    w = model_arena();
    burial = &w->burial;
    model_prepare_object(&w->pool.object, KIND_POOL);
    model_prepare_object(&w->job.object, KIND_JOB);
    w->pool.workers = arena_offset(w->workers);
    w->pool.hands = arena_offset(w->hands);
    w->pool.limits = arena_offset(w->limits);
    w->pool.limits_looked_until = PRONG_FOREVER;
    w->job.pool = arena_offset(&w->pool);
    w->job.pool_generation = GENERATION;
    w->job.words = arena_offset(w->words);
    w->job.count = w->job.capacity = (uint64_t)tasks;
    w->job.sealed = 1;
    w->job.retries = 1;
    w->pool.state = POOL_RUNNING;
    for (int i = 0; i < workers; i++) w->workers[i].token = token_of(i);
}

static void touch_task(int place) {
    for (int i = 0; i < MODEL_THREADS; i++) model_touch(&w->data[place][i]);
}

/* As job_submit. */
static void submit(void) {
    for (int i = 0; i < tasks; i++) touch_task(i);
    guard_enter(&w->pool.guard, PRONG_FOREVER);
    guard_set(&w->pool.guard, &w->pool.unfinished, (uint64_t)tasks);
    schedule_job(&w->pool, &w->job);
    guard_leave(&w->pool.guard);
    waitq_notify(&w->pool.work, tasks);
}

static bool job_is_over(void *job) {
    return job_has_ended(job);
}

static void wait_for_job(void) {
    while (!job_is_over(&w->job)) waitq_sleep(&w->job.progress, job_is_over, &w->job, PRONG_FOREVER);
    for (int i = 0; i < tasks; i++) model_touch(&w->data[i][model_self()]);
    w->told = 1;
}

/* As a worker's step: hands in what it has run, and claims the next. */
static bool step(struct hand *hand, struct claim *claim) {
    uint64_t ended = hand->job;
    unsigned news = JOB_NEWS_NONE;
    guard_enter(&w->pool.guard, PRONG_FOREVER);
    if (ended) news = schedule_end(&w->pool, hand, PRONG_OK, 0);
    if (ended) guard_commit(&w->pool.guard);
    bool claimed = schedule_claim(&w->pool, hand, claim);
    guard_leave(&w->pool.guard);
    if (ended) schedule_tell(&w->pool, ended, news);
    if (claimed && schedule_first_job(&w->pool)) waitq_notify(&w->pool.work, 1);
    return claimed;
}

#include "instrument.h"
static bool has_work(void *unused) {
    (void)unused;
    return schedule_first_job(&w->pool) || atomic_load(&w->job.settled); /* the end of the model's pool */
}
#include "uninstrument.h"

static void work_once(struct hand *hand) {
    struct claim claim;
    if (step(hand, &claim)) {
        touch_task((int)claim.place);
        w->begun[claim.place]++;
    } else {
        waitq_sleep(&w->pool.work, has_work, NULL, PRONG_FOREVER);
    }
}

static void run(int thread) {
    if (thread < workers) {
        while (!w->job.settled) work_once(&w->hands[thread]);
        return;
    }
    submit();
    wait_for_job();
    waitq_notify(&w->pool.work, INT_MAX); /* the workers end */
}

static void finish(void) {
    model_check(w->told && w->job.done == (uint64_t)tasks && w->pool.unfinished == 0 && w->job.running == 0);
    for (int i = 0; i < tasks; i++)
        model_check(w->begun[i] == 1 || (model_anybody_died() && w->begun[i] <= 2 && w->job.failed == 0));
}

static int explore(const char *name, int threads, int count, int kills, int choices, size_t most) {
    tasks = count;
    workers = threads - 1;
    return model_explore(&(struct model){.name = name,
                                         .threads = threads,
                                         .kills = kills,
                                         .mortal = 1,
                                         .choices = choices,
                                         .most = most,
                                         .prepare = prepare,
                                         .run = run,
                                         .finish = finish});
}

/* --- a worker hands in its task, and two look whether the job has ended: plain data is checked --- */

static void prepare_end(void) {
    struct claim claim;
    prepare();
    submit();
    model_check(step(&w->hands[0], &claim));
}

static void run_end(int thread) {
    struct claim claim;
    if (thread == 0) {
        touch_task(0);
        step(&w->hands[0], &claim);
    } else if (job_has_ended(&w->job)) {
        model_touch(&w->data[0][thread]);
    }
}

static void finish_end(void) {
    model_check(job_has_ended(&w->job));
}

static int explore_end(void) {
    tasks = workers = 1;
    return model_explore(&(struct model){.name = "schedule: a worker hands in a task, and two look",
                                         .threads = 3,
                                         .choices = 1,
                                         .prepare = prepare_end,
                                         .run = run_end,
                                         .finish = finish_end});
}

/* --- a worker hands in its task and may die in the middle; then another runs it again --- */

static void run_again(int thread) {
    struct claim claim;
    if (thread == 0) {
        step(&w->hands[0], &claim);
        waitq_notify(&w->pool.work, INT_MAX);
    } else {
        while (!job_has_ended(&w->job)) work_once(&w->hands[1]);
    }
}

static void finish_again(void) {
    model_check(w->job.done == 1 && w->job.failed == 0 && w->job.running == 0 && w->pool.unfinished == 0);
    model_check(w->begun[0] == 0 || model_anybody_died()); /* by the other worker */
}

static int explore_again(void) {
    tasks = 1, workers = 2;
    return model_explore(
        &(struct model){.name = "schedule: a worker that may die hands in a task, steps under the guard",
                        .threads = 2,
                        .kills = 1,
                        .mortal = 1,
                        .prepare = prepare_end,
                        .run = run_again,
                        .finish = finish_again});
}

/* --- one of two tasks is taken out by a process that may die in the middle, while a worker claims them --- */

static void prepare_withdraw(void) {
    prepare();
    submit();
}

static void withdraw(void) {
    unsigned news = JOB_NEWS_NONE;
    guard_enter(&w->pool.guard, PRONG_FOREVER);
    bool withdrawn = schedule_withdraw(&w->pool, &w->job, 1, &news);
    guard_leave(&w->pool.guard);
    if (withdrawn) schedule_tell(&w->pool, arena_offset(&w->job), news);
}

static void run_withdraw(int thread) {
    if (thread == 0)
        withdraw();
    else
        while (!job_has_ended(&w->job)) work_once(&w->hands[1]);
}

static void finish_withdraw(void) {
    model_check(w->job.done == 2 && w->job.running == 0 && w->pool.unfinished == 0);
    model_check(w->begun[0] == 1 && w->begun[1] + (int)w->job.failed == 1);
}

static int explore_withdraw(void) {
    tasks = 2, workers = 2;
    return model_explore(
        &(struct model){.name = "schedule: a task is cancelled by a process that may die, steps under the guard",
                        .threads = 2,
                        .kills = 1,
                        .mortal = 1,
                        .prepare = prepare_withdraw,
                        .run = run_withdraw,
                        .finish = finish_withdraw});
}

/* --- a pool that closes, while a worker hands in the last task and another sleeps --- */

#include "instrument.h"
/* As in src/pool/worker.c. */
static bool must_end(void *unused) {
    (void)unused;
    return atomic_load(&w->pool.state) == POOL_CLOSED && __atomic_load_n(&w->pool.unfinished, __ATOMIC_RELAXED) == 0;
}
#include "uninstrument.h"

/* As pool_leave_state. */
static void close_pool(void) {
    guard_enter(&w->pool.guard, PRONG_FOREVER);
    guard_set(&w->pool.guard, (uint64_t *)&w->pool.state, POOL_CLOSED);
    guard_leave(&w->pool.guard);
    waitq_notify(&w->pool.work, INT_MAX);
}

static void run_close(int thread) {
    struct claim claim;
    if (thread == 0)
        step(&w->hands[0], &claim);
    else if (thread == 1)
        close_pool();
    else
        while (!must_end(NULL)) waitq_sleep(&w->pool.work, must_end, NULL, PRONG_FOREVER);
}

static int explore_close(void) {
    tasks = workers = 1;
    return model_explore(
        &(struct model){.name = "schedule: a worker hands in a task, the pool closes, another waits for that",
                        .threads = 3,
                        .choices = 1,
                        .most = getenv("PRONG_MODEL_ALL") ? 0 : 40000,
                        .prepare = prepare_end,
                        .run = run_close,
                        .finish = finish_end});
}

static int explore_orders(void) {
    return explore_end() + explore_close() + explore("schedule: a worker, a task, a late store", 2, 1, 0, 1, 15000);
}

/* Each store under the pool's guard is a step, too. */
static int explore_steps(void) {
    guard_steps = true;
    int passed = explore("schedule: a worker, a task, steps under the guard", 2, 1, 0, MODEL_STRONG, 0) +
                 explore_again() + explore_withdraw();
    if (getenv("PRONG_MODEL_ALL"))
        passed += explore("schedule: 2 workers, a task, steps under the guard, a worker may die", 3, 1, 1, MODEL_STRONG,
                          1000000);
    guard_steps = false;
    return passed;
}

static int explore_all(void) {
    size_t most = getenv("PRONG_MODEL_ALL") ? 1000000 : 40000;
    return explore("schedule: a worker, a task", 2, 1, 0, MODEL_STRONG, 0) +
           explore("schedule: a worker, 2 tasks", 2, 2, 0, MODEL_STRONG, 0) +
           explore("schedule: 2 workers, 2 tasks", 3, 2, 0, MODEL_STRONG, most) +
           explore("schedule: 2 workers, a task, a worker may die", 3, 1, 1, MODEL_STRONG, most) + explore_orders() +
           explore_steps();
}

int main(int argc, char **argv) {
    return model_main(argc, argv, &(struct explorations){"schedule", explore_all, explore_orders, NULL});
}
