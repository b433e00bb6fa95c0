/* What goes around the tasks of a pool's workers. */
#include "pool/around.h"

#include "base/error.h"
#include "pool/threads.h"

enum { AROUND_FAILED = 255 };

prong_status around_check(const prong_worker_options *o) {
    CHECK_RESERVED(o, "pool: worker options");
    return PRONG_OK;
}

prong_status around_keep(struct around *around, const prong_worker_options *o) {
    if (!o) return PRONG_OK;
    around->threads = o->threads;
    return PRONG_OK;
}

void around_free(struct around *around) {
    (void)around;
}

int around_begin(const struct around *around, bool own_image) {
    if (around->threads && !own_image && threads_adopt((unsigned)around->threads) < 0) return AROUND_FAILED;
    return 0;
}
