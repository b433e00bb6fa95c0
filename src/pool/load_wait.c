/* Waiting until a pool has room for more: its limit in bytes. */
#include "base/error.h"
#include "pool/await.h"
#include "pool/load.h"

prong_status load_check(const struct pool *pool, uint64_t bytes) {
    if (!pool->maxbytes || bytes <= pool->maxbytes) return PRONG_OK;
    return fail(PRONG_INVALID,
                "%llu bytes are more than pool '%s' may hold (maxbytes is %llu): an iterator submits them in parts",
                (unsigned long long)bytes, pool->name, (unsigned long long)pool->maxbytes);
}

struct load_wish {
    struct pool *pool;
    uint64_t bytes;
};

static bool load_is_free(void *context) {
    const struct load_wish *wish = context;
    return load_fits(wish->pool, wish->bytes) || atomic_load(&wish->pool->state) != POOL_RUNNING;
}

/* The run's own timeout goes on meanwhile. */
static prong_status load_out_of_time(const struct pool *pool, const struct submission *s, bool run) {
    const char *name = pool->name;
    if (run && s->timeout != PRONG_FOREVER)
        return fail(PRONG_TIMEOUT, "the tasks were not begun in the time given: pool '%s' had no room for them", name);
    return fail(PRONG_FULL, "pool '%s' had no room in the time given: its tasks hold %llu of %llu bytes (maxbytes)",
                name, (unsigned long long)pool->load, (unsigned long long)pool->maxbytes);
}

static prong_status load_sleep(struct load_wish *wish, const struct await *await, deadline_t deadline, bool *free) {
    while (!(*free = load_is_free(wish))) {
        prong_status status = await_check(await);
        if (status < 0) return (*free = load_is_free(wish)) ? PRONG_OK : status;
        if (!waitq_wait(&wish->pool->room, load_is_free, wish, deadline)) break;
    }
    return PRONG_OK;
}

prong_status load_wait(struct pool *pool, struct submission *s, uint64_t bytes) {
    prong_time most = s->options->room_timeout ? s->options->room_timeout : PRONG_FOREVER;
    bool run = s->timeout <= most, free = false;
    struct load_wish wish = {pool, bytes};
    struct await await;
    deadline_t deadline = deadline_after(run ? s->timeout : most), of_run = deadline_after(s->timeout);
    INTERRUPTIBLE;
    await_begin(&await, &(struct awaited){arena_offset(pool), object_generation(pool), AWAIT_ROOM}, deadline);
    prong_status status = load_sleep(&wish, &await, deadline, &free);
    await_end(&await);
    s->timeout = deadline_left(of_run);
    return status < 0 || free ? status : load_out_of_time(pool, s, run);
}

prong_status load_wait_for(prong_pool handle, uint64_t bytes, prong_time *timeout) {
    static const prong_task_options none;
    struct submission s = {.options = &none, .timeout = *timeout};
    struct pool *pool;
    INSIDE struct visit inside = {0};
    TRY(pool_enter(&inside, handle, &pool));
    prong_status status = load_wait(pool, &s, bytes < pool->maxbytes ? bytes : pool->maxbytes);
    *timeout = s.timeout;
    return status == PRONG_TIMEOUT ? PRONG_FULL : status;
}
