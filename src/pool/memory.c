/* Limits of a worker's own memory: what it has beyond what it had from its parent (memory_base).
 *
 * A worker looks itself after each task (memory_soft). Its owner looks while tasks run (memory_hard), every LOOK_AGAIN; when none
 * runs it stops, and the next claim tells it to begin again (memory_watched). The system may refuse the memory before. */
#include "pool/memory.h"

#include "os/os.h"
#include "pool/owner_entry.h"
#include "pool/schedule.h"

#include <signal.h>

static const prong_time LOOK_AGAIN = PRONG_MS(100);

void memory_begin(struct pool *pool, struct worker *worker) {
    struct os_memory_used used;
    if (!pool->memory_soft && !pool->memory_hard) return;
    if (!os_memory_used(0, &used) || !guard_enter(&pool->guard, PRONG_FOREVER)) return;
    guard_set(&pool->guard, &worker->memory_base, pool->method == PRONG_START_SPAWN ? 0 : used.own);
    guard_leave(&pool->guard);
    if (pool->memory_hard) os_memory_limit_private(used.private + pool->memory_hard);
}

bool memory_is_over(const struct worker *worker, uint64_t limit, int pid) {
    struct os_memory_used used;
    return os_memory_used(pid, &used) && used.own > worker->memory_base + limit;
}

/* claim->job is 0: it runs none. False: the guard was not to be had. */
static bool worker_see_task(struct pool *pool, const struct worker *worker, prong_time patience, struct claim *claim,
                            int *pid) {
    const struct hand *hand = worker_hand(pool, worker);
    claim->job = 0;
    *pid = 0;
    if (!__atomic_load_n(&hand->job, __ATOMIC_RELAXED)) return true;
    if (!guard_enter(&pool->guard, deadline_after(patience))) return false;
    *claim = hand_claim(hand);
    *pid = (int)worker->pid;
    guard_leave(&pool->guard);
    return true;
}

/* If it still runs that task. */
static bool worker_end_task(struct pool *pool, struct worker *worker, prong_time patience, const struct claim *claim) {
    struct hand *hand = worker_hand(pool, worker);
    if (!guard_enter(&pool->guard, deadline_after(patience))) return false;
    bool kills = schedule_holds(hand, claim) && !hand->doom;
    if (kills) guard_set(&pool->guard, &hand->doom, DOOM_MEMORY);
    prong_process process = worker_process(worker);
    guard_leave(&pool->guard);
    if (kills) prong_process_signal(process, SIGKILL);
    return true;
}

/* No task runs: the next claim tells. */
static bool owner_stop_watching(struct pool *pool, prong_time patience) {
    if (!guard_enter(&pool->guard, deadline_after(patience))) return false;
    bool idle = true;
    for (uint64_t i = 0; idle && i < pool->worker_count; i++) idle = !pool_hand(pool, i)->job;
    if (idle) guard_set(&pool->guard, &pool->memory_watched, 0);
    guard_leave(&pool->guard);
    return idle;
}

bool owner_limit_memory(struct owner *o, prong_time patience, deadline_t *due) {
    struct pool *pool = o->pool;
    bool good = true, busy = false;
    if (!pool->memory_hard || !__atomic_load_n(&pool->memory_watched, __ATOMIC_ACQUIRE)) return true;
    if (clock_now() < o->memory_look_at) {
        *due = deadline_earlier(*due, o->memory_look_at);
        return true;
    }
    for (uint64_t i = 0; good && i < pool->worker_count; i++) {
        struct claim claim;
        int pid;
        good = worker_see_task(pool, pool_worker(pool, i), patience, &claim, &pid);
        if (!good || !claim.job) continue;
        busy = true;
        if (memory_is_over(pool_worker(pool, i), pool->memory_hard, pid))
            good = worker_end_task(pool, pool_worker(pool, i), patience, &claim);
    }
    if (!good) return false;
    if (!busy && owner_stop_watching(pool, patience)) return good;
    o->memory_look_at = clock_now() + LOOK_AGAIN;
    *due = deadline_earlier(*due, o->memory_look_at);
    return good;
}
