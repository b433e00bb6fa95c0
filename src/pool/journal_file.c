/* Reading a journal's file, whatever was done to it, and writing to it. */
#define _GNU_SOURCE
#include "pool/journal_file.h"

#include "base/error.h"
#include "os/os.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static const char journal_magic[8] = {'p', 'r', 'o', 'n', 'g', 'J', '1', '\n'};
static const uint64_t record_magic = UINT64_C(0x0a64726f6365720a);

/* --- digests and checksums --- */

/* Both halves of the product of two words: each bit of it depends on all of theirs. */
static uint64_t journal_fold(uint64_t a, uint64_t b) {
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t journal_digest(uint64_t seed, const void *data, size_t size) {
    const char *at = data;
    uint64_t digest = seed ^ UINT64_C(0x9e3779b97f4a7c15), words[2];
    for (size_t left = size; left; at += sizeof words) {
        size_t step = left < sizeof words ? left : sizeof words;
        words[0] = words[1] = 0;
        memcpy(words, at, step);
        /* what was there before also goes past the product, which is 0 where a factor is */
        digest =
            journal_fold(words[0] ^ UINT64_C(0xd6e8feb86659fd93), words[1] ^ digest) + (digest << 23 | digest >> 41);
        left -= step;
    }
    return journal_fold(digest ^ UINT64_C(0xa0761d6478bd642f), size ^ UINT64_C(0xe7037ed1a0b428db));
}

static uint64_t journal_header_checksum(const struct journal_header *header) {
    return journal_digest(0, header, offsetof(struct journal_header, checksum));
}

uint64_t journal_record_checksum(uint64_t salt, uint64_t at, const struct journal_record *record, const void *result) {
    uint64_t seed = journal_digest(salt, &at, sizeof at);
    return journal_digest(journal_digest(seed, record, offsetof(struct journal_record, checksum)), result,
                          record->size);
}

/* --- reading and writing --- */

static ssize_t journal_read_at(int fd, void *to, size_t size, uint64_t at) {
    size_t got = 0;
    while (got < size) {
        ssize_t n = pread(fd, (char *)to + got, size - got, (off_t)(at + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static int journal_write(int fd, uint64_t at, struct iovec *parts, int count) {
    while (count) {
        ssize_t n = pwritev(fd, parts, count, (off_t)at);
        if (n < 0 && errno != EINTR) return -1;
        size_t done = n < 0 ? 0 : (size_t)n;
        at += done;
        for (; count && done >= parts->iov_len; parts++, count--) done -= parts->iov_len;
        if (!count) break;
        parts->iov_base = (char *)parts->iov_base + done;
        parts->iov_len -= done;
    }
    return 0;
}

int journal_cut(const struct run_journal *j, uint64_t size) {
    int failed;
    do failed = ftruncate(j->fd, (off_t)size);
    while (failed && errno == EINTR);
    return failed;
}

static prong_status journal_make_room(struct run_journal *j, size_t size) {
    if (size <= j->buffer_size) return PRONG_OK;
    char *buffer = realloc(j->buffer, size);
    if (!buffer) return fail(PRONG_NO_MEMORY, "journal '%s': no memory for a result of %zu bytes", j->path, size);
    j->buffer = buffer;
    j->buffer_size = size;
    return PRONG_OK;
}

/* --- the header --- */

static prong_status journal_start_anew(struct run_journal *j, const char *identity) {
    struct journal_header header = {.salt = os_random()};
    struct iovec part = {&header, sizeof header};
    memcpy(header.magic, journal_magic, sizeof header.magic);
    strncpy(header.identity, identity, sizeof header.identity - 1);
    header.checksum = journal_header_checksum(&header);
    j->salt = header.salt;
    if (os_file_size_limit() < sizeof header) errno = EFBIG;
    if (os_file_size_limit() < sizeof header || journal_cut(j, 0) || journal_write(j->fd, 0, &part, 1))
        return fail_errno("journal '%s'", j->path);
    return PRONG_OK;
}

static prong_status journal_check_identity(const struct run_journal *j, const struct journal_header *header,
                                           const char *identity) {
    if (header->checksum != journal_header_checksum(header))
        return fail(PRONG_INVALID, "journal '%s': its header is damaged; delete the file to begin anew", j->path);
    if (strncmp(header->identity, identity, sizeof header->identity) == 0) return PRONG_OK;
    return fail(PRONG_INVALID,
                "journal '%s' is of another function: it is of %.*s, and this run is of %s; delete the file to begin "
                "anew",
                j->path, JOURNAL_IDENTITY_SIZE, header->identity, identity);
}

static prong_status journal_load_header(struct run_journal *j, const char *identity) {
    struct journal_header header = {0};
    ssize_t got = journal_read_at(j->fd, &header, sizeof header, 0);
    if (got < 0) return fail_errno("journal '%s'", j->path);
    j->end = sizeof header;
    if (memcmp(header.magic, journal_magic, (size_t)got < sizeof journal_magic ? (size_t)got : sizeof journal_magic))
        return fail(PRONG_INVALID, "'%s' is no journal of this version of prong, or of this kind of machine", j->path);
    /* of a process that died while it made the file */
    if ((size_t)got < sizeof header) return journal_start_anew(j, identity);
    j->salt = header.salt;
    return journal_check_identity(j, &header, identity);
}

/* --- the records --- */

enum { WINDOW_SIZE = 1 << 18 };

/* A part of the file, in the journal's buffer. */
struct journal_window {
    uint64_t from, size;
};

/* NULL where the file has not so much. */
static prong_status journal_look_at(struct run_journal *j, struct journal_window *w, uint64_t at, uint64_t size,
                                    const char **bytes) {
    if (at < w->from || at - w->from > w->size || size > w->size - (at - w->from)) {
        TRY(journal_make_room(j, size > WINDOW_SIZE ? size : WINDOW_SIZE));
        ssize_t got = journal_read_at(j->fd, j->buffer, j->buffer_size, at);
        if (got < 0) return fail_errno("journal '%s'", j->path);
        *w = (struct journal_window){at, (uint64_t)got};
    }
    *bytes = size > w->size - (at - w->from) ? NULL : j->buffer + (at - w->from);
    return PRONG_OK;
}

static prong_status journal_note_entry(struct run_journal *j, const struct journal_record *record, uint64_t at) {
    if (j->count == j->room) {
        size_t room = j->room ? j->room * 2 : 64;
        struct journal_entry *entries = realloc(j->entries, room * sizeof *entries);
        if (!entries) return fail(PRONG_NO_MEMORY, "journal '%s': no memory for %zu records", j->path, room);
        j->entries = entries;
        j->room = room;
    }
    j->entries[j->count++] =
        (struct journal_entry){record->first, record->count, record->input, at + sizeof *record, record->size};
    return PRONG_OK;
}

/* *step: to the next place where a record may be. */
static prong_status journal_load_record(struct run_journal *j, struct journal_window *w, uint64_t at, uint64_t end,
                                        uint64_t *step) {
    struct journal_record record;
    const char *bytes;
    *step = 8;
    TRY(journal_look_at(j, w, at, sizeof record, &bytes));
    if (!bytes) return PRONG_OK;
    memcpy(&record, bytes, sizeof record);
    if (record.magic != record_magic || record.size > end - at - sizeof record) return PRONG_OK;
    TRY(journal_look_at(j, w, at, sizeof record + record.size, &bytes));
    if (!bytes || record.checksum != journal_record_checksum(j->salt, at, &record, bytes + sizeof record))
        return PRONG_OK;
    *step = sizeof record + journal_padded(record.size);
    return at + *step > end ? PRONG_OK : journal_note_entry(j, &record, at);
}

static int journal_compare(const void *left, const void *right) {
    const struct journal_entry *a = left, *b = right;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    return a->at > b->at ? -1 : a->at < b->at; /* the last one written is the first */
}

/* It was whole when the file was opened. */
prong_status journal_load_again(struct run_journal *j, const struct journal_entry *entry) {
    struct journal_record record;
    uint64_t at = entry->at - sizeof record;
    size_t size = sizeof record + entry->size;
    TRY(journal_make_room(j, size));
    ssize_t got = journal_read_at(j->fd, j->buffer, size, at);
    if (got < 0) return fail_errno("journal '%s'", j->path);
    memcpy(&record, j->buffer, sizeof record);
    if ((size_t)got < size || record.size != entry->size ||
        record.checksum != journal_record_checksum(j->salt, at, &record, j->buffer + sizeof record))
        return fail(PRONG_SYSTEM, "journal '%s': the file was changed by another program", j->path);
    return PRONG_OK;
}

static void journal_sort(struct run_journal *j) {
    size_t kept = 0;
    uint64_t end = 0;
    if (j->count) qsort(j->entries, j->count, sizeof *j->entries, journal_compare);
    for (size_t i = 0; i < j->count; i++) {
        const struct journal_entry *entry = &j->entries[i];
        if (!entry->count || entry->first < end || entry->first + entry->count < entry->first) continue;
        end = entry->first + entry->count;
        j->entries[kept++] = *entry;
    }
    j->count = kept;
}

prong_status journal_load(struct run_journal *j, uint64_t size, const char *identity) {
    struct journal_window window = {0};
    TRY(journal_load_header(j, identity));
    uint64_t at = j->end, step;
    for (; at < size && size - at >= sizeof(struct journal_record); at += step) {
        size_t before = j->count;
        TRY(journal_load_record(j, &window, at, size, &step));
        if (j->count > before) j->end = at + step;
    }
    if (size > j->end && journal_cut(j, j->end)) return fail_errno("journal '%s'", j->path);
    journal_sort(j);
    return PRONG_OK;
}

/* --- appending --- */

static struct journal_record journal_record_of(const struct run_journal *j, const struct journal_entry *entry,
                                               const void *result, uint64_t at) {
    struct journal_record record = {record_magic, entry->first, entry->count, entry->input, entry->size, 0};
    record.checksum = journal_record_checksum(j->salt, at, &record, result);
    return record;
}

static int journal_write_at_end(struct run_journal *j, struct iovec *parts, int count, uint64_t size) {
    if (os_file_size_limit() < j->end + size) { /* else the process would be sent SIGXFSZ */
        errno = EFBIG;
        return -1;
    }
    if (journal_write(j->fd, j->end, parts, count)) return -1;
    j->end += size;
    return 0;
}

int journal_write_record(struct run_journal *j, const struct journal_entry *entry, const void *result) {
    static char padding[8];
    uint64_t padded = journal_padded(entry->size);
    struct journal_record record = journal_record_of(j, entry, result, j->end);
    struct iovec parts[] = {
        {&record, sizeof record}, {(void *)(uintptr_t)result, entry->size}, {padding, padded - entry->size}};
    return journal_write_at_end(j, parts, 3, sizeof record + padded);
}

static void journal_lay_records(const struct run_journal *j, const struct journal_entry *entries, size_t count,
                                const char *results, char *bytes) {
    uint64_t at = 0;
    for (size_t i = 0; i < count; results += entries[i++].size) {
        struct journal_record record = journal_record_of(j, &entries[i], results, j->end + at);
        memcpy(bytes + at, &record, sizeof record);
        memcpy(bytes + at + sizeof record, results, entries[i].size);
        at += sizeof record + journal_padded(entries[i].size);
    }
}

int journal_write_records(struct run_journal *j, const struct journal_entry *entries, size_t count,
                          const void *results) {
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++) size += sizeof(struct journal_record) + journal_padded(entries[i].size);
    char *bytes = calloc(1, size);
    if (!bytes) return -1;
    journal_lay_records(j, entries, count, results, bytes);
    int failed = journal_write_at_end(j, &(struct iovec){bytes, size}, 1, size);
    free(bytes);
    return failed;
}
