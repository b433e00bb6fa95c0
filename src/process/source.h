/* What prong_wait can wait for in this layer: processes and other programs. */
#ifndef PROCESS_SOURCE_H
#define PROCESS_SOURCE_H

#include "channel/source.h"

source_resolve process_source, popen_source;

#endif
