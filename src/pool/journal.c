/* A journal's life: opened by one run at a time, read, appended to, closed. */
#define _GNU_SOURCE
#include "pool/journal_file.h"

#include "base/deadline.h"
#include "base/error.h"
#include "base/fork.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SYNC_EVERY = PRONG_SECONDS(1), SYNC_SHARE = 10 }; /* of the time, at most a tenth */

static struct run_journal *open_journals;

/* The lock is the open file's, and a forked child's copy of that would keep it. */
static void journals_leave_to_parent(void) {
    for (struct run_journal *j = open_journals; j; j = j->next) {
        close(j->fd);
        j->fd = -1;
        j->stopped = true;
        j->link = NULL;
    }
    open_journals = NULL;
}

FORK_MUTEX(journals, journals_guard, journals_leave_to_parent)

static void journal_enlist(struct run_journal *j) {
    j->next = open_journals;
    j->link = &open_journals;
    if (j->next) j->next->link = &j->next;
    open_journals = j;
}

static void journal_delist(struct run_journal *j) {
    pthread_mutex_lock(&journals_guard);
    if (j->link) {
        *j->link = j->next;
        if (j->next) j->next->link = j->link;
        flock(j->fd, LOCK_UN); /* that of a child, too, that has not come to closing its copy */
    }
    if (j->fd >= 0) close(j->fd);
    pthread_mutex_unlock(&journals_guard);
}

/* --- opening --- */

static prong_status journal_lock_file(const struct run_journal *j) {
    int failed;
    do failed = flock(j->fd, LOCK_EX | LOCK_NB);
    while (failed && errno == EINTR);
    if (!failed) return PRONG_OK;
    if (errno != EWOULDBLOCK) return fail_errno("journal '%s': its lock", j->path);
    return fail(PRONG_STILL_RUNNING, "journal '%s': another run has it open", j->path);
}

/* With the guard held, so that no child is forked that has the file and does not know it. */
static prong_status journal_open_file(struct run_journal *j, uint64_t *size) {
    struct stat status;
    pthread_mutex_lock(&journals_guard);
    j->fd = os_off_stdio(open(j->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666));
    if (j->fd >= 0) journal_enlist(j);
    pthread_mutex_unlock(&journals_guard);
    if (j->fd < 0 || fstat(j->fd, &status)) return fail_errno("journal '%s'", j->path);
    if (!S_ISREG(status.st_mode)) return fail(PRONG_INVALID, "journal '%s': it is not a regular file", j->path);
    TRY(journal_lock_file(j));
    if (fstat(j->fd, &status)) return fail_errno("journal '%s'", j->path); /* another run may have had it until now */
    *size = (uint64_t)status.st_size;
    return PRONG_OK;
}

static void journal_free(struct run_journal *j) {
    journal_delist(j);
    free(j->path);
    free(j->entries);
    free(j->buffer);
    free(j);
}

static prong_status journal_begin(struct run_journal *j, const char *identity) {
    uint64_t size = 0;
    TRY(journal_open_file(j, &size));
    TRY(journal_load(j, size, identity));
    j->next_sync = clock_last_tick() + SYNC_EVERY;
    return PRONG_OK;
}

prong_status journal_open(struct run_journal **journal, const char *path, const char *identity) {
    if (!*path) return fail(PRONG_INVALID, "journal: its path is empty");
    if (strlen(identity) >= JOURNAL_IDENTITY_SIZE)
        return fail(PRONG_INVALID, "journal '%s': what stands for the function has more than %d bytes: %.80s…", path,
                    JOURNAL_IDENTITY_SIZE - 1, identity);
    struct run_journal *j = calloc(1, sizeof *j);
    if (j) *j = (struct run_journal){.fd = -1, .path = strdup(path)};
    if (!j || !j->path) {
        free(j);
        return fail(PRONG_NO_MEMORY, "journal '%s': no memory", path);
    }
    prong_status status = journal_begin(j, identity);
    if (status < 0)
        journal_free(j);
    else
        *journal = j;
    return status;
}

/* --- reading --- */

const struct journal_entry *journal_from(const struct run_journal *j, uint64_t first) {
    size_t low = 0, high = j->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (j->entries[middle].first < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low < j->count ? &j->entries[low] : NULL;
}

prong_status journal_check_input(const struct run_journal *j, const struct journal_entry *entry, uint64_t input) {
    if (entry->input == input) return PRONG_OK;
    return fail(PRONG_INVALID,
                "journal '%s' is of other inputs: that of item %llu is not what it was; delete the file to begin anew",
                j->path, (unsigned long long)entry->first);
}

prong_status journal_read(struct run_journal *j, const struct journal_entry *entry, prong_bytes *result) {
    if (j->fd < 0) return fail(PRONG_INVALID, "journal '%s': it is that of the parent process", j->path);
    TRY(journal_load_again(j, entry));
    *result = (prong_bytes){j->buffer + sizeof(struct journal_record), entry->size};
    return PRONG_OK;
}

/* --- appending --- */

/* With errno. */
static prong_status journal_stop(struct run_journal *j, const char *where, uint64_t item) {
    ignore_status(fail_errno("journal '%s' stopped %s item %llu, with %llu results recorded in this run", j->path,
                             where, (unsigned long long)item, (unsigned long long)j->appended));
    j->stopped = true;
    journal_cut(j, j->end); /* where that fails, the next run does it: what is there of a record is no record */
    return PRONG_JOURNAL_STOPPED;
}

prong_status journal_sync(struct run_journal *j) {
    int64_t began = clock_now();
    if (j->stopped || !j->appended) return PRONG_OK;
    int failed;
    do failed = fdatasync(j->fd);
    while (failed && errno == EINTR);
    if (failed) return journal_stop(j, "(it is not known to be on the disk) after", j->last);
    int64_t now = clock_now(), rest = (now - began) * SYNC_SHARE;
    j->next_sync = now + (rest > SYNC_EVERY ? rest : SYNC_EVERY);
    return PRONG_OK;
}

prong_status journal_append(struct run_journal *j, const struct journal_entry *entry, const void *result) {
    if (j->stopped) return PRONG_OK;
    if (journal_write_record(j, entry, result)) return journal_stop(j, "before", entry->first);
    j->appended++;
    j->last = entry->first;
    return PRONG_OK;
}

static prong_status journal_append_each(struct run_journal *j, const struct journal_entry *entries, size_t count,
                                        const char *results) {
    prong_status status = PRONG_OK;
    for (size_t i = 0; status == PRONG_OK && i < count; results += entries[i++].size)
        status = journal_append(j, &entries[i], results);
    return status;
}

prong_status journal_append_all(struct run_journal *j, const struct journal_entry *entries, size_t count,
                                const void *results) {
    if (j->stopped || !count) return PRONG_OK;
    if (count == 1 || journal_write_records(j, entries, count, results))
        return journal_append_each(j, entries, count, results); /* where the disk is full, as many as it takes */
    j->appended += count;
    j->last = entries[count - 1].first;
    return PRONG_OK;
}

bool journal_is_sync_due(const struct run_journal *j) {
    return !j->stopped && j->appended && clock_last_tick() >= j->next_sync;
}

prong_status journal_close(struct run_journal *j) {
    if (!j) return PRONG_OK;
    prong_status status = journal_sync(j);
    journal_free(j);
    return status;
}
