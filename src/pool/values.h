/* Tasks of values: see <prong/value.h>. */
#ifndef POOL_VALUES_H
#define POOL_VALUES_H

#include "pool/work.h"
#include "process/calls.h"

int call_task(void *argument, size_t size, prong_result *result);
/* The function of a submission of values, as its calls name it. */
prong_status values_identify(const struct submission *submission, struct call_header *header);
/* Submits it; runs it, with prong_work's result. */
prong_status values_submit(struct submission *submission, prong_job *job);
prong_status values_run(struct submission *submission);
/* The next call of values from *at on, in scratch, which is reset: false when there is none. A failure leaves *at. */
prong_status values_next(prong_document *scratch, const struct call_header *header, const prong_work *work, size_t *at,
                         prong_bytes *call, bool *more);

#endif
