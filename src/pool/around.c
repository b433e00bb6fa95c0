/* What goes around the tasks of a pool's workers. */
#include "pool/around.h"

#include "base/error.h"
#include "family/heap.h"
#include "pool/cpus.h"
#include "pool/threads.h"
#include "process/strings.h"

enum { AROUND_FAILED = 255 };

static struct hook_wish around_exit(const prong_worker_options *o) {
    return (struct hook_wish){o->exit, o->exit_argument, o->exit_size, o->exit_name, o->exit_arguments};
}

prong_status around_check(const prong_worker_options *o) {
    CHECK_RESERVED(o, "pool: worker options");
    if (!o) return PRONG_OK;
    const struct hook_wish exit = around_exit(o);
    if (o->exit_time_limit < 0) return fail(PRONG_INVALID, "pool: a negative exit_time_limit");
    if (o->cpus) TRY(cpus_check(o->cpus));
    return hook_check(&exit, "exit");
}

prong_status around_keep(struct around *around, const prong_worker_options *o, bool forked) {
    if (!o) return PRONG_OK;
    const struct hook_wish exit = around_exit(o);
    around->threads = o->threads;
    around->exit_limit = o->exit_time_limit == PRONG_FOREVER ? 0 : (uint64_t)o->exit_time_limit;
    if (o->cpus) TRY(strings_keep(o->cpus, &around->cpus));
    return hook_keep(&around->exit, &exit, forked);
}

void around_free(struct around *around) {
    hook_free(&around->exit);
    if (around->cpus) heap_free(around->cpus, &around->cpus);
}

int around_begin(const struct around *around, uint64_t place, bool own_image) {
    if (around->cpus && cpus_bind(around->cpus, place) < 0) return AROUND_FAILED;
    if (around->threads && !own_image && threads_adopt((unsigned)around->threads) < 0) return AROUND_FAILED;
    return 0;
}
