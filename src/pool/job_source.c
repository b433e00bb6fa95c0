/* Jobs in prong_wait, and their descriptors. */
#include "pool/job_source.h"

#include "base/error.h"
#include "family/member.h"
#include "pool/job.h"
#include "pool/schedule.h"

prong_status prong_job_fileno(prong_job handle, int *descriptor) {
    struct job *job;
    INSIDE struct visit inside = {0};
    TRY(job_enter(&inside, handle, &job));
    return object_bell_open(&job->bell, handle.generation, descriptor);
}

static prong_job job_waited(const struct waited *waited) {
    return (prong_job){waited->offset, waited->generation};
}

static bool job_is_gone(const struct waited *waited) {
    return object_generation(waited->object) != waited->generation;
}

/* At first without being inside of it: the memory is a job's, whichever lives there by now. */
static bool job_source_ready(const struct waited *waited) {
    struct job *job;
    INSIDE struct visit inside = {0};
    if (job_is_gone(waited)) return true;
    if (!job_seems_ended(waited->object)) return false;
    if (job_enter(&inside, job_waited(waited), &job)) return true;
    if (!job_has_ended(job)) return false;
    object_bell_after_ready(&job->bell);
    return true;
}

/* The owner of its pool, or a worker: these wake nobody when they are killed. */
static void job_source_look(const struct waited *waited) {
    struct job *job;
    INSIDE struct visit inside = {0};
    if (job_enter(&inside, job_waited(waited), &job)) return;
    if (job_pool_lives(job)) member_look((uint32_t)atomic_load(&((struct pool *)arena_at(job->pool))->owner));
    family_look_around();
}

static void job_source_nothing(const struct waited *waited) {
    struct job *job;
    INSIDE struct visit inside = {0};
    if (!job_enter(&inside, job_waited(waited), &job)) object_bell_after_nothing(&job->bell);
}

prong_status job_source(const prong_waitable *item, struct waited *waited) {
    struct job *job;
    INSIDE struct visit inside = {0};
    waited->ready = waited_always;
    prong_status status = job_enter(&inside, item->job, &job);
    if (status == PRONG_STALE) return PRONG_OK;
    if (status < 0) return status;
    *waited = (struct waited){.descriptor = -1,
                              .queue = &job->progress,
                              .object = job,
                              .offset = item->job.offset,
                              .generation = item->job.generation,
                              .ready = job_source_ready,
                              .look = job_source_look,
                              .nothing = job_source_nothing};
    return PRONG_OK;
}
