/* What this process alone knows of the jobs that it submitted. */
#ifndef POOL_NOTES_H
#define POOL_NOTES_H

#include "pool/job.h"

struct note {
    prong_job job;
    void (*callback)(prong_job, void *);
    void (*error_callback)(prong_job, prong_status, const char *, void *);
    void *context;
    bool each; /* of an open job: the callback is called again and again */
    prong_progress_callback *progress;
    void *progress_context;
    bool delivers;          /* to the outputs, and has not yet */
    struct outputs outputs; /* of elements in place, none */
    uint64_t too_long;      /* what the delivery returned */
    struct note *next;      /* of those in the same bucket */
};
prong_status note_add(const struct note *note);
bool note_find(prong_job job, struct note *copy);
void note_remove(prong_job job);
/* Calls copy with the outputs of the job, if it has any here, and forgets them: they are the caller's from then on. Other threads
 * that come for the same wait. Returns what copy did, now or before. */
uint64_t note_deliver(prong_job handle, struct job *job, uint64_t (*copy)(struct job *job, const struct outputs *));
/* Notes a callback of a job that may have a note already. Errors: PRONG_INVALID (it has a callback), PRONG_NO_MEMORY. */
prong_status note_set_callback(const struct note *note);
/* It stays where it is called again. False for a job that another process submitted, or that was destroyed, or whose callback was
 * taken. */
bool note_take_callback(prong_job job, struct note *copy);
/* Forgets it: it will not be called. */
void note_drop_callback(prong_job job);
/* The job has ended: calls what the note has for that. */
void note_run_callback(const struct note *note);
/* Takes the callback of the first of the pool's jobs that have ended and have one here. False: there is none. */
bool note_take_ended(struct pool *pool, struct note *note);

#endif
