/* Journal: a file with the results of a run's tasks, so that a run that was ended is resumed.
 *
 * The file begins with a header that names the function; each record after it has the number of the first item, how many
 * items it is of, a digest of their inputs, and their results. Header and records have a checksum of 64 bits. A record's is
 * made with the file's salt and the record's place, so that bytes of another journal, or of another place, are no record.
 * Numbers are in this machine's byte order.
 *
 * A record that is whole counts, whatever stands around it: a damaged one costs just its own items, which are run again.
 * What follows the last whole one is the rest of a write that was ended, and is cut off. */
#ifndef POOL_JOURNAL_H
#define POOL_JOURNAL_H

#include <prong/status.h>
#include <prong/work.h>
#include <stdbool.h>
#include <stdint.h>

struct run_journal;

/* A record, of items first … first + count - 1. */
struct journal_entry {
    uint64_t first, count;
    uint64_t input;    /* digest */
    uint64_t at, size; /* of the result, in the file */
};

enum { JOURNAL_IDENTITY_SIZE = 488 }; /* with the zero at its end */

/* Opens the file, or makes it, and reads it. identity: a text that stands for the function. The file is this process's alone
 * until it is closed; a forked child closes its copy. Errors: PRONG_INVALID (no journal; another identity; damaged),
 * PRONG_STILL_RUNNING (open elsewhere), PRONG_NO_MEMORY, those of the system. */
prong_status journal_open(struct run_journal **journal, const char *path, const char *identity);
/* Closes it when all of it is on the disk. PRONG_JOURNAL_STOPPED, if that was not told. NULL is allowed. */
prong_status journal_close(struct run_journal *journal);
/* The entry with the least first item from `first` on; NULL: none. Entries do not overlap. */
const struct journal_entry *journal_from(const struct run_journal *journal, uint64_t first);
/* PRONG_INVALID when the entry is of another input. */
prong_status journal_check_input(const struct run_journal *journal, const struct journal_entry *entry, uint64_t input);
/* The result, until the next call, aligned to 8. Errors: PRONG_NO_MEMORY, PRONG_SYSTEM. */
prong_status journal_read(struct run_journal *journal, const struct journal_entry *entry, prong_bytes *result);
/* Appends a record. If the system fails: PRONG_JOURNAL_STOPPED, once, and nothing more is recorded. entry->at is not
 * used. */
prong_status journal_append(struct run_journal *journal, const struct journal_entry *entry, const void *result);
/* Appends so many, whose results lie one behind the other, by one write if that succeeds. */
prong_status journal_append_all(struct run_journal *journal, const struct journal_entry *entries, size_t count,
                                const void *results);
/* Waits until what was appended is on the disk; returns as above. It is due once a second, or so much less often that it
 * takes a tenth of the time at most. */
prong_status journal_sync(struct run_journal *journal);
bool journal_is_sync_due(const struct run_journal *journal);

/* 64 bits that differ for different bytes, but by chance; no protection from one who chooses the bytes. */
uint64_t journal_digest(uint64_t seed, const void *data, size_t size);

#endif
