/* Running work with a journal. An iterator has a `struct journaled`, which knows for each of its places what input is there. */
#ifndef POOL_JOURNAL_RUN_H
#define POOL_JOURNAL_RUN_H

#include "pool/work.h"

struct journaled;

/* Opens the journal that the submission's options name, for an iterator of so many places. */
prong_status journaled_open(struct journaled **journaled, const struct submission *submission, size_t places);
/* PRONG_JOURNAL_STOPPED, if that was not told. NULL is allowed. */
prong_status journaled_close(struct journaled *journaled);
/* How many elements from that one on to take in one input, of `chunk` or, where the journal has some of them, others. */
size_t journaled_step(const struct journaled *journaled, uint64_t at, size_t chunk);
/* The next input, of `count` items, goes to that place; whether its result is recorded. It is the next one until
 * journaled_advance. Errors: PRONG_INVALID (the journal has another input). */
prong_status journaled_look_up(struct journaled *journaled, uint64_t place, prong_bytes input, uint64_t count,
                               bool *recorded);
void journaled_advance(struct journaled *journaled);
bool journaled_is_recorded(const struct journaled *journaled, uint64_t place);
/* Whether a task is there whose end was not seen yet. */
bool journaled_is_unwritten(const struct journaled *journaled, uint64_t place);
/* A recorded result, as the outcome of its task. */
prong_status journaled_read(struct journaled *journaled, uint64_t place, prong_outcome *outcome);
/* Records the end of the task there, if it was not; a failure is none. */
void journaled_write(struct journaled *journaled, uint64_t place, const prong_outcome *outcome);
/* PRONG_JOURNAL_STOPPED, once, if writing has failed. */
prong_status journaled_news(struct journaled *journaled);
/* The items of the input at that place. */
void journaled_items(const struct journaled *journaled, uint64_t place, uint64_t *first, uint64_t *count);

/* prong_pool_run with a journal. */
prong_status journal_run(const struct submission *submission, prong_time timeout);

#endif
