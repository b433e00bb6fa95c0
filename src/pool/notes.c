/* What this process alone knows of the jobs it submitted: callbacks, and where results go in its own memory. */
#include "base/error.h"
#include "base/fork.h"
#include "pool/notes.h"
#include "pool/schedule.h"

#include <pthread.h>
#include <stdlib.h>

/* The oldest first: jobs end about in the order in which they were submitted, and so are found near the beginning. */
static struct note *notes, **last = &notes;
static _Atomic size_t noted;

static void notes_forget_in_child(void) {
    for (struct note *note; (note = notes);) {
        notes = note->next;
        free(note);
    }
    last = &notes;
    atomic_store(&noted, 0);
}

FORK_MUTEX(notes, mutex, notes_forget_in_child)

prong_status note_add(const struct note *note) {
    struct note *copy = malloc(sizeof *copy);
    if (!copy) return fail(PRONG_NO_MEMORY, "no memory to note a job");
    *copy = *note;
    pthread_mutex_lock(&mutex);
    copy->next = NULL;
    *last = copy;
    last = &copy->next;
    atomic_fetch_add(&noted, 1);
    pthread_mutex_unlock(&mutex);
    return PRONG_OK;
}

static struct note **note_place(prong_job job) {
    struct note **at = &notes;
    while (*at && ((*at)->job.offset != job.offset || (*at)->job.generation != job.generation)) at = &(*at)->next;
    return at;
}

bool note_find(prong_job job, struct note *copy) {
    if (atomic_load(&noted) == 0) return false;
    pthread_mutex_lock(&mutex);
    struct note *note = *note_place(job);
    if (note) *copy = *note;
    pthread_mutex_unlock(&mutex);
    return note != NULL;
}

static void note_drop(struct note **at) {
    struct note *note = *at;
    *at = note->next;
    if (last == &note->next) last = at;
    free(note);
    atomic_fetch_sub(&noted, 1);
}

void note_remove(prong_job job) {
    if (atomic_load(&noted) == 0) return;
    pthread_mutex_lock(&mutex);
    struct note **at = note_place(job);
    if (*at) note_drop(at);
    pthread_mutex_unlock(&mutex);
}

uint64_t note_deliver(prong_job handle, struct job *job, uint64_t (*copy)(struct job *, const struct outputs *)) {
    uint64_t too_long = 0;
    if (atomic_load(&noted) == 0) return 0;
    pthread_mutex_lock(&mutex);
    struct note *note = *note_place(handle);
    if (note && note->delivers) {
        note->too_long = copy(job, &note->outputs);
        note->delivers = false;
    }
    if (note) too_long = note->too_long;
    pthread_mutex_unlock(&mutex);
    return too_long;
}

/* The number of the job's end; 0: it has not ended. Destroyed before it ended: nobody wants to know, *gone. */
static uint64_t note_end_number(const struct note *note, uint64_t most, bool *gone) {
    struct job *job;
    INSIDE struct visit inside = {0};
    *gone = job_enter(&inside, note->job, &job) < 0;
    if (*gone) return 0;
    uint64_t number = __atomic_load_n(&job->end_number, __ATOMIC_ACQUIRE);
    return number <= most ? number : 0;
}

/* The place of the note whose job has ended first of all; what is numbered after `most` may have one before it that was not
 * looked at again. Behind the one taken last comes, as a rule, the next: then the rest is not looked at. */
static struct note **note_first_ended(prong_pool pool, uint64_t taken, uint64_t most, uint64_t *first) {
    struct note **found = NULL;
    for (struct note **at = &notes; *at && *first != taken + 1;) {
        struct note *note = *at;
        bool gone = false, ours = note->pool.offset == pool.offset && note->pool.generation == pool.generation;
        bool waits = ours && (note->callback || note->error_callback);
        uint64_t number = waits ? note_end_number(note, most, &gone) : 0;
        if (gone) {
            note_drop(at);
            continue;
        }
        if (number && (!found || number < *first)) {
            found = at;
            *first = number;
        }
        at = &note->next;
    }
    return found;
}

static bool note_has_ended(const struct note *note) {
    struct job *job;
    INSIDE struct visit inside = {0};
    return job_enter(&inside, note->job, &job) >= 0 && job_has_ended(job);
}

bool note_take_ended(prong_pool handle, struct pool *pool, uint64_t *taken, struct note *copy) {
    uint64_t most = __atomic_load_n(&pool->told_ends, __ATOMIC_ACQUIRE), first = 0;
    if (atomic_load(&noted) == 0 || most == *taken) return false;
    pthread_mutex_lock(&mutex);
    struct note **place = note_first_ended(handle, *taken, most, &first);
    bool found = place && note_has_ended(*place);
    if (found) {
        *copy = **place;
        (*place)->callback = NULL;
        (*place)->error_callback = NULL;
        *taken = first;
    }
    pthread_mutex_unlock(&mutex);
    return found;
}
