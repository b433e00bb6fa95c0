/* What rooms above need to know of those below: all kinds of objects, for the family's recovery; and the functions that images
 * of another build are told to call. */
#include "channel/types.h"
#include "family/object.h"
#include "manager/manager.h"
#include "pool/job.h"
#include "pool/values.h"
#include "pool/worker.h"
#include "process/calls.h"
#include "process/process.h"
#include "sync/types.h"

const struct object_type *const object_types[KIND_COUNT] = {
    [KIND_QUEUE] = &queue_type,         [KIND_PIPE] = &pipe_type,     [KIND_PROCESS] = &process_type,
    [KIND_POOL] = &pool_type,           [KIND_JOB] = &job_type,       [KIND_LOCK] = &lock_type,
    [KIND_SEMAPHORE] = &semaphore_type, [KIND_EVENT] = &event_type,   [KIND_CONDITION] = &condition_type,
    [KIND_BARRIER] = &barrier_type,     [KIND_SHARED] = &shared_type, [KIND_MANAGER] = &manager_type,
};

any_function *const own_functions[OWN_FUNCTIONS] = {
    (any_function *)(void *)worker_main, (any_function *)(void *)call_target, (any_function *)(void *)call_task};
