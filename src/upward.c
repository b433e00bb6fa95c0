/* What lower layers call of higher ones. A lower layer declares in its header what it needs, and that it is defined here: a table, or
 * a function whose name begins with upward_. This is the only way up, and this file the only one that knows all layers.
 *
 * Everything here is constant, and the linker fills it in. Constructors, or a section of pointers, in which each kind of object
 * registers itself, would do without these lists, but not in a static library: the linker takes from one only those files that
 * somebody refers to, so that a program that makes no barrier would not have the code to recover one that another member of its
 * family made. References work in any library, with any libc, under --gc-sections and with link-time optimization; there is no
 * order of start-up to think of; and a number or a row that is given twice is a compiler's error. */
#include "base/fork.h"
#include "base/interrupt.h"
#include "channel/connection.h"
#include "channel/queue.h"
#include "channel/share.h"
#include "channel/source.h"
#include "family/bell.h"
#include "family/object.h"
#include "manager/client/manager.h"
#include "pool/job.h"
#include "pool/job_source.h"
#include "pool/owner.h"
#include "pool/supervisor.h"
#include "pool/values.h"
#include "pool/worker.h"
#include "process/calls.h"
#include "process/process.h"
#include "process/source.h"
#include "sync/sync.h"

/* --- kinds of objects (family/object.h) --- */

const struct object_type *const object_types[KIND_LIMIT] = {
    [KIND_QUEUE] = &queue_type,
    [KIND_PIPE] = &pipe_type,
    [KIND_PROCESS] = &process_type,
    [KIND_POOL] = &pool_type,
    [KIND_JOB] = &job_type,
    [KIND_LOCK] = &lock_type,
    [KIND_SEMAPHORE] = &semaphore_type,
    [KIND_EVENT] = &event_type,
    [KIND_CONDITION] = &condition_type,
    [KIND_BARRIER] = &barrier_type,
    [KIND_SHARED] = &shared_type,
    [KIND_MANAGER] = &manager_type,
    [KIND_SUPERVISOR] = &supervisor_type,
    [KIND_SHARE] = &share_type,
};

/* --- what prong_wait can wait for (channel/source.h) --- */

source_resolve *const sources[SOURCE_KINDS] = {
    [PRONG_WAIT_QUEUE] = queue_source,
    [PRONG_WAIT_CONNECTION] = connection_source,
    [PRONG_WAIT_DESCRIPTOR] = descriptor_source,
    [PRONG_WAIT_LINK] = link_source,
    [PRONG_WAIT_LISTENER] = link_source,
    [PRONG_WAIT_EVENT] = event_source,
    [PRONG_WAIT_JOB] = job_source,
    [PRONG_WAIT_PROCESS] = process_source,
    [PRONG_WAIT_POPEN] = popen_source,
};

/* --- functions that images of another build are told to call, by number (process/function.h) --- */

any_function *const own_functions[OWN_FUNCTIONS] = {
    (any_function *)(void *)worker_main, (any_function *)(void *)call_target, (any_function *)(void *)call_task,
    (any_function *)(void *)guard_main};

/* --- what happens around a fork (base/fork.h): mutexes, in the order in which they may nest --- */

extern const struct fork_row fork_pools, fork_server, fork_children, fork_notes, fork_journals, fork_detached,
    fork_functions, fork_auth, fork_family, fork_vigil, fork_bells;

const struct fork_row *const fork_rows[] = {
    &fork_server, /* its fork server: the first, as it may be held for long, and a fork that waits for it holds no other */
    &fork_pools,     /* the pools that this process owns */
    &fork_children,  /* the processes that it started */
    &fork_notes,     /* what it alone knows of its jobs */
    &fork_journals,  /* the journals that it has open */
    &fork_detached,  /* programs that nobody waits for any more */
    &fork_functions, /* looking through the loaded objects */
    &fork_auth,      /* the challenges that it has outstanding */
    &fork_family,    /* entering the family */
    &fork_vigil,     /* descriptors of other members' processes */
    &fork_bells,     /* its descriptors for queues, connections, events and jobs */
    &fork_runtime,   /* what a language runtime on top of the library keeps */
    NULL,
};

/* --- events --- */

bool upward_may_interrupt(void) {
    return runtime_may_interrupt();
}

bool upward_interrupts(void) {
    return runtime_interrupts();
}

void upward_joined(void) {
    bells_of_child();
}

void upward_exit(void) {
    owner_end_all();
}
