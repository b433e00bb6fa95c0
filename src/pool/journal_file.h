/* The journal's file: what stands in it, and reading it. */
#ifndef POOL_JOURNAL_FILE_H
#define POOL_JOURNAL_FILE_H

#include "pool/journal.h"

struct journal_header {
    char magic[8];
    uint64_t salt;
    char identity[JOURNAL_IDENTITY_SIZE]; /* ends with zeros */
    uint64_t checksum;
};
struct journal_record {
    uint64_t magic;
    uint64_t first, count, input, size;
    uint64_t checksum; /* the result follows, padded to 8 */
};

static inline uint64_t journal_padded(uint64_t size) {
    return (size + 7) & ~UINT64_C(7);
}

struct run_journal {
    int fd;
    struct run_journal *next, **link; /* those that are open in this process */
    char *path;
    uint64_t salt;
    uint64_t end; /* where the next record goes */
    struct journal_entry *entries;
    size_t count, room;
    char *buffer; /* for a result that is read */
    size_t buffer_size;
    uint64_t appended, last; /* in this run; the last item */
    bool stopped;
    int64_t next_sync; /* time */
};

/* Of a record at that place. */
uint64_t journal_record_checksum(uint64_t salt, uint64_t at, const struct journal_record *record, const void *result);
/* Takes up the file as it is, of that size; on success it ends with its last whole record. */
prong_status journal_load(struct run_journal *journal, uint64_t size, const char *identity);
/* The record of an entry with its result, in the journal's buffer. */
prong_status journal_load_again(struct run_journal *journal, const struct journal_entry *entry);
/* The file is so long. -1 with errno. */
int journal_cut(const struct run_journal *journal, uint64_t size);
/* Writes a record at the end; -1 with errno, and then a part of it may be there. */
int journal_write_record(struct run_journal *journal, const struct journal_entry *entry, const void *result);
/* The same for several, whose results lie one behind the other. */
int journal_write_records(struct run_journal *journal, const struct journal_entry *entries, size_t count,
                          const void *results);

#endif
