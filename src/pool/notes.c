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

bool note_take_ended(prong_pool pool, struct note *taken) {
    bool found = false;
    if (atomic_load(&noted) == 0) return false;
    pthread_mutex_lock(&mutex);
    for (struct note **at = &notes; *at && !found;) {
        struct note *note = *at;
        struct job *job;
        INSIDE struct visit inside = {0};
        bool ours = note->pool.offset == pool.offset && note->pool.generation == pool.generation;
        bool waits = ours && (note->callback || note->error_callback);
        if (waits && job_enter(&inside, note->job, &job)) {
            note_drop(at); /* destroyed before it ended: nobody wants to know */
            continue;
        }
        if (waits && job_has_ended(job)) {
            *taken = *note;
            note->callback = NULL;
            note->error_callback = NULL;
            found = true;
        }
        at = &note->next;
    }
    pthread_mutex_unlock(&mutex);
    return found;
}
