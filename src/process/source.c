/* Both have a descriptor that is readable once the process has ended. */
#include "process/source.h"

#include "base/error.h"
#include "process/process.h"

/* Another thread has closed it meanwhile, and its descriptor with it. */
static bool process_source_ready(const struct waited *waited) {
    return !object_is_live(KIND_PROCESS, waited->offset, waited->generation);
}

prong_status process_source(const prong_waitable *item, struct waited *waited) {
    prong_status status = prong_process_sentinel(item->process, &waited->descriptor);
    if (status < 0 && status != PRONG_STALE) return status;
    waited->offset = item->process.offset;
    waited->generation = item->process.generation;
    waited->ready = process_source_ready;
    return PRONG_OK;
}

prong_status popen_source(const prong_waitable *item, struct waited *waited) {
    return prong_popen_sentinel(item->popen, &waited->descriptor);
}
