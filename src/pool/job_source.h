/* What prong_wait can wait for in this layer: jobs. */
#ifndef POOL_JOB_SOURCE_H
#define POOL_JOB_SOURCE_H

#include "channel/source.h"

source_resolve job_source;

#endif
