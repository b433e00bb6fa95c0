/* What this process alone knows of the jobs it submitted: callbacks, and where results go in its own memory. */
#include "base/error.h"
#include "base/fork.h"
#include "pool/notes.h"
#include "pool/schedule.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS_LEAST = 64 };

/* By the job's place. There are at most as many notes as buckets, unless there was no memory for more of these. */
static struct note **buckets;
static size_t bucket_count; /* a power of two, or 0 */
static _Atomic size_t noted;

static struct note **note_bucket(struct note **all, size_t count, prong_job job) {
    return &all[job.offset / sizeof(struct job) & (count - 1)];
}

static void notes_forget_in_child(void) {
    for (size_t i = 0; atomic_load(&noted) && i < bucket_count; i++)
        for (struct note *note; (note = buckets[i]);) {
            buckets[i] = note->next;
            free(note);
        }
    free(buckets);
    buckets = NULL;
    bucket_count = 0;
    atomic_store(&noted, 0);
}

FORK_MUTEX(notes, mutex, notes_forget_in_child)

static void notes_move(struct note **more, size_t count) {
    for (size_t i = 0; i < bucket_count; i++)
        for (struct note *note; (note = buckets[i]);) {
            struct note **at = note_bucket(more, count, note->job);
            buckets[i] = note->next;
            note->next = *at;
            *at = note;
        }
    free(buckets);
    buckets = more;
    bucket_count = count;
}

/* False when there is no bucket at all. */
static bool notes_make_room(void) {
    if (atomic_load(&noted) < bucket_count) return true;
    size_t count = bucket_count ? bucket_count * 2 : BUCKETS_LEAST;
    struct note **more = calloc(count, sizeof(struct note *));
    if (more) notes_move(more, count);
    return bucket_count > 0;
}

/* Under the mutex. False when there is no room for it. */
static bool note_link(struct note *note) {
    if (!notes_make_room()) return false;
    struct note **at = note_bucket(buckets, bucket_count, note->job);
    note->next = *at;
    *at = note;
    atomic_fetch_add(&noted, 1);
    return true;
}

static prong_status note_no_memory(void) {
    return fail(PRONG_NO_MEMORY, "no memory to note a job");
}

static struct note *note_copy(const struct note *note) {
    struct note *copy = malloc(sizeof *copy);
    if (copy) *copy = *note;
    return copy;
}

prong_status note_add(const struct note *note) {
    struct note *copy = note_copy(note);
    if (!copy) return note_no_memory();
    pthread_mutex_lock(&mutex);
    bool linked = note_link(copy);
    pthread_mutex_unlock(&mutex);
    if (linked) return PRONG_OK;
    free(copy);
    return note_no_memory();
}

/* NULL: there is none. */
static struct note **note_place(prong_job job) {
    if (!bucket_count) return NULL;
    struct note **at = note_bucket(buckets, bucket_count, job);
    while (*at && ((*at)->job.offset != job.offset || (*at)->job.generation != job.generation)) at = &(*at)->next;
    return *at ? at : NULL;
}

bool note_find(prong_job job, struct note *copy) {
    if (atomic_load(&noted) == 0) return false;
    pthread_mutex_lock(&mutex);
    struct note **at = note_place(job);
    if (at) *copy = **at;
    pthread_mutex_unlock(&mutex);
    return at != NULL;
}

void note_remove(prong_job job) {
    if (atomic_load(&noted) == 0) return;
    pthread_mutex_lock(&mutex);
    struct note **at = note_place(job);
    struct note *note = at ? *at : NULL;
    if (note) {
        *at = note->next;
        atomic_fetch_sub(&noted, 1);
    }
    pthread_mutex_unlock(&mutex);
    free(note);
}

uint64_t note_deliver(prong_job handle, struct job *job, uint64_t (*copy)(struct job *, const struct outputs *)) {
    uint64_t too_long = 0;
    if (atomic_load(&noted) == 0) return 0;
    pthread_mutex_lock(&mutex);
    struct note **at = note_place(handle), *note = at ? *at : NULL;
    if (note && note->delivers) {
        note->too_long = copy(job, &note->outputs);
        note->delivers = false;
    }
    if (note) too_long = note->too_long;
    pthread_mutex_unlock(&mutex);
    return too_long;
}

static bool note_has_callback(const struct note *note) {
    return note->callback || note->error_callback;
}

/* Under the mutex. */
static prong_status note_put_callback(const struct note *note) {
    struct note **at = note_place(note->job), *there = at ? *at : note_copy(note);
    if (!at) {
        if (there && note_link(there)) return PRONG_OK;
        free(there);
        return note_no_memory();
    }
    if (note_has_callback(there)) return fail(PRONG_INVALID, "job: it has a callback already");
    there->callback = note->callback;
    there->error_callback = note->error_callback;
    there->context = note->context;
    there->each = note->each;
    return PRONG_OK;
}

prong_status note_set_callback(const struct note *note) {
    pthread_mutex_lock(&mutex);
    prong_status status = note_put_callback(note);
    pthread_mutex_unlock(&mutex);
    return status;
}

bool note_take_callback(prong_job job, struct note *copy) {
    pthread_mutex_lock(&mutex);
    struct note **at = note_place(job);
    bool found = at && note_has_callback(*at);
    if (found) {
        *copy = **at;
        if (!copy->each) (*at)->callback = NULL;
        (*at)->error_callback = NULL;
    }
    pthread_mutex_unlock(&mutex);
    return found;
}

void note_drop_callback(prong_job job) {
    pthread_mutex_lock(&mutex);
    struct note **at = note_place(job);
    if (at) (*at)->callback = NULL;
    if (at) (*at)->error_callback = NULL;
    pthread_mutex_unlock(&mutex);
}

bool note_take_ended(struct pool *pool, struct note *copy) {
    prong_job job;
    while (schedule_take_told(pool, &job))
        if (note_take_callback(job, copy)) return true;
    return false;
}
