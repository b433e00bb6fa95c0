/* What prong_wait can wait for, of all layers. */
#include "channel/source.h"
#include "pool/job_source.h"
#include "process/source.h"
#include "sync/types.h"

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
