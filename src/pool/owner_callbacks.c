/* The thread that runs a pool's callbacks, and waits of callbacks for the end of pools. */
#include "base/error.h"
#include "base/local.h"
#include "pool/notes.h"
#include "pool/owner_entry.h"
#include "process/process.h"

#include <string.h>

enum { CALLBACK_STACK_SIZE = 4 << 20 };

/* In a thread that runs callbacks: of which pool. */
static QUICK_LOCAL prong_pool callbacks_of;

bool owner_runs_callbacks(prong_pool handle) {
    return pool_is_same(handle, callbacks_of);
}

/* --- callbacks that wait for the end of a pool --- */

/* Whether the end of a pool waits, by way of its callbacks, for the end of the other. */
static bool owner_end_waits_for(prong_pool handle, prong_pool other) {
    while (!pool_is_same(handle, other)) {
        struct owner *o = owner_find(handle);
        if (!o || !o->joins.generation) return false;
        handle = o->joins;
    }
    return true;
}

prong_status owner_begin_join(prong_pool handle) {
    prong_status status = PRONG_OK;
    owners_lock();
    struct owner *o = callbacks_of.generation ? owner_find(callbacks_of) : NULL;
    if (o && owner_end_waits_for(handle, o->handle))
        status =
            fail(PRONG_DEADLOCK, "pool '%s' ends when its callbacks have returned: one of them cannot wait for that",
                 o->pool->name);
    else if (o)
        o->joins = handle;
    owners_unlock();
    return status;
}

void owner_end_join(void) {
    if (!callbacks_of.generation) return;
    owners_lock();
    struct owner *o = owner_find(callbacks_of);
    if (o) o->joins = (prong_pool){0};
    owners_unlock();
}

/* --- the thread --- */

/* The next job that has ended and has a callback. */
struct due {
    struct pool *pool;
    struct note note;
    bool found, over; /* over: none will come any more */
};

static bool callback_is_due(void *context) {
    struct due *due = context;
    if (due->found || due->over) return true;
    bool ended = atomic_load(&due->pool->workers_ended); /* before the look: all jobs have ended then */
    due->found = note_take_ended(due->pool, &due->note);
    due->over = ended && !due->found;
    return due->found || due->over;
}

/* One at a time, in the order in which their jobs ended. They may wait, for jobs of this very pool, too: whatever needs
 * looking after meanwhile is the other thread's. */
static void *owner_run_callbacks(void *context) {
    struct owner *o = context;
    struct due due = {.pool = o->pool};
    callbacks_of = o->handle;
    while (!due.over) {
        if (!callback_is_due(&due)) {
            if (runtime.after_callbacks) runtime.after_callbacks();
            while (!callback_is_due(&due)) waitq_sleep(&due.pool->callbacks, callback_is_due, &due, PRONG_FOREVER);
        }
        if (due.found) note_run_callback(&due.note);
        due.found = false;
    }
    if (runtime.after_callbacks) runtime.after_callbacks();
    owner_tell_end(due.pool);
    return NULL;
}

prong_status owner_prepare_callbacks(prong_pool handle) {
    prong_status status = PRONG_OK;
    owners_lock();
    struct owner *o = owner_find(handle);
    if (o && !o->has_callbacks && !o->ended) {
        int number = owner_start_thread(&o->callbacks, CALLBACK_STACK_SIZE, owner_run_callbacks, o);
        o->has_callbacks = number == 0;
        if (number) status = fail(PRONG_NO_PROCESSES, "pool: no thread to run callbacks: %s", strerror(number));
    }
    owners_unlock();
    return status;
}
