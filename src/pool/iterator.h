/* An iterator, as a run with a journal uses it. */
#ifndef POOL_ITERATOR_H
#define POOL_ITERATOR_H

#include "pool/journal_run.h"

#include <prong/job.h>

/* Its journal, and the place of the outcome that it gave last. */
struct journaled *iterator_journaled(const prong_iterator *iterator, uint64_t *place);
/* Closes its journal: no further results are taken. Returns as journaled_close. */
prong_status iterator_end_journal(prong_iterator *iterator);

#endif
