/* The thread that looks after all pools of this process: see owner_entry.h. It is there while there is a pool with workers.
 *
 * A wake-up costs what it concerns: the poller tells which workers have ended, the watch tells (by groups) which pools want
 * attention, and a heap which are due. A place's tag in the poller is made of the pool's place in the arena, and not an address
 * in this process: an event may be told when its pool has been destroyed. */
#include "base/error.h"
#include "base/periods.h"
#include "family/watch.h"
#include "os/os.h"
#include "pool/due.h"
#include "pool/owner_entry.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK_SIZE = 256 << 10, EVENTS_AT_ONCE = 64, PLACE_BITS = 12 };
_Static_assert(MEMBER_LIMIT <= 1 << PLACE_BITS, "a place's number fits");

struct caretaker {
    pthread_t thread;
    bool runs;          /* its thread does */
    int poller, wakeup; /* wakeup: for threads of this process, which may be out of descriptors */
    struct watch watch;
    size_t pools;                       /* that it looks after */
    struct owner *groups[WATCH_GROUPS]; /* the same */
    struct due_pools due;
    struct caretaker *next;
};

/* Under the lock. The one that has pools, and those that have none any more, whose threads end or have ended. */
static struct caretaker *caretaker, *ended_caretakers;

static void caretaker_close(struct caretaker *c) {
    watch_close(&c->watch);
    if (c->poller >= 0) close(c->poller);
    if (c->wakeup >= 0) close(c->wakeup);
    c->poller = c->wakeup = -1;
    free(c->due.owners);
    c->due = (struct due_pools){0};
}

static void caretaker_discard(struct caretaker *c) {
    caretaker_close(c);
    free(c);
}

/* --- what is seen in a wake-up, under the lock --- */

struct marked {
    struct owner *first;
};

static void owner_mark(struct marked *marked, struct owner *o) {
    if (o->marked) return;
    o->marked = true;
    if (o->others == OWNER_IN_MAKING) return;
    o->marked_next = marked->first;
    marked->first = o;
}

static uint64_t worker_tag(const struct owner *o, uint64_t place) {
    return o->handle.offset << PLACE_BITS | place;
}

/* An ended worker's sentinel stays readable: it is taken off, so that the poller tells it once. */
static void caretaker_note_end(const struct caretaker *c, struct marked *marked, uint64_t tag) {
    struct pool *pool = arena_at(tag >> PLACE_BITS);
    struct owner *o = pool->owner == self_token() ? pool->entry : NULL;
    uint64_t place = tag & ((1 << PLACE_BITS) - 1);
    struct sentinel *sentinel = o && place < pool->worker_count ? &o->sentinels[place] : NULL;
    int descriptor = sentinel ? atomic_load(&sentinel->descriptor) : -1;
    if (descriptor < 0 || !os_pidfd_ended(descriptor)) return;
    os_poller_remove(c->poller, descriptor);
    if (!atomic_exchange(&sentinel->ended, true)) atomic_fetch_add(&o->ended_workers, 1);
    owner_mark(marked, o);
}

static void caretaker_note_attention(struct caretaker *c, struct marked *marked) {
    uint32_t groups = watch_take(&c->watch);
    for (unsigned i = 0; groups >> i; i++) {
        if (!(groups >> i & 1)) continue;
        for (struct owner *o = c->groups[i]; o; o = o->group_next)
            if (watch_take_one(&c->watch, &o->pool->attention)) owner_mark(marked, o);
    }
}

static void caretaker_note_due(struct caretaker *c, struct marked *marked) {
    int64_t now = c->due.count ? clock_now() : 0;
    for (struct owner *o; (o = due_first(&c->due)) && o->due <= now;) {
        due_set(&c->due, o, PRONG_FOREVER);
        owner_mark(marked, o);
    }
}

static struct owner *caretaker_see(struct caretaker *c, const struct os_poller_event *events, int count) {
    struct marked marked = {NULL};
    owners_lock();
    os_wakeup_take(c->wakeup);
    for (int i = 0; i < count; i++)
        if (events[i].tag) caretaker_note_end(c, &marked, events[i].tag);
    caretaker_note_attention(c, &marked);
    caretaker_note_due(c, &marked);
    for (struct owner *o = marked.first; o; o = o->marked_next) {
        o->marked = false;
        o->helped = o->others == OWNER_HELPED;
    }
    owners_unlock();
    return marked.first;
}

/* --- looking at a pool --- */

/* Under the lock. */
static void caretaker_drop(struct caretaker *c, struct owner *o) {
    if (o->group_next) o->group_next->group_previous = o->group_previous;
    *(o->group_previous ? &o->group_previous->group_next : &c->groups[watch_group(&o->pool->attention)]) =
        o->group_next;
    due_set(&c->due, o, PRONG_FOREVER);
    if (--c->pools > 0) return;
    caretaker = NULL;
    c->next = ended_caretakers;
    ended_caretakers = c;
}

/* Under the lock, without which the pool is not destroyed when its end is told. No callback's thread starts after this. */
static void caretaker_tell_gone(struct caretaker *c, struct owner *o) {
    struct pool *pool = o->pool;
    caretaker_drop(c, o);
    o->ended = true;
    atomic_store(&pool->workers_ended, 1);
    waitq_notify(&pool->callbacks, INT_MAX);
    waitq_notify(&pool->ended, INT_MAX);
    if (!o->has_callbacks) owner_tell_end(pool);
}

/* A helper may return it in the middle of this: it is due at once then. */
static void caretaker_look(struct caretaker *c, struct owner *o, bool helped) {
    deadline_t due;
    enum look look = LOOK_DONE;
    if (helped)
        owner_look_beside(o, &due);
    else
        look = owner_look(o, &due);
    owners_lock();
    if (look == LOOK_GONE)
        caretaker_tell_gone(c, o);
    else
        due_set(&c->due, o, deadline_earlier(o->due, due));
    if (look == LOOK_SLOW) helpers_take(o);
    owners_unlock();
}

/* Another thread may wait for the end of this one, and free it. */
static bool caretaker_ends(struct caretaker *c) {
    owners_lock();
    bool ends = c->pools == 0;
    if (ends) caretaker_close(c);
    owners_unlock();
    return ends;
}

static deadline_t caretaker_due(const struct caretaker *c) {
    owners_lock();
    deadline_t due = due_at(&c->due);
    owners_unlock();
    return due;
}

static void *caretaker_run(void *context) {
    struct caretaker *c = context;
    struct os_poller_event events[EVENTS_AT_ONCE];
    int count = 0;
    do {
        for (struct owner *o = caretaker_see(c, events, count), *next; o; o = next) {
            next = o->marked_next;
            caretaker_look(c, o, o->helped);
        }
        if (caretaker_ends(c)) return NULL;
        deadline_t next = deadline_earlier(caretaker_due(c), helpers_provide());
        if (watchers_are_deaf()) next = deadline_within(next, DEAD_NAP);
        count = os_poller_wait(c->poller, events, EVENTS_AT_ONCE, deadline_poll_ms(watch_within(&c->watch, next)));
    } while (true);
}

/* --- for those that create and destroy pools --- */

static prong_status caretaker_make(struct caretaker **made) {
    struct caretaker *c = calloc(1, sizeof *c);
    if (!c) return fail(PRONG_NO_MEMORY, "no memory for a pool");
    *c = (struct caretaker){.poller = os_poller_create(), .wakeup = os_wakeup_create(), .watch.doorbell = -1};
    prong_status status =
        c->poller >= 0 && c->wakeup >= 0 ? PRONG_OK : fail_errno("no descriptor to look after pools by");
    if (status >= 0 && !watch_open(&c->watch, true))
        status = fail_errno("no socket by which others wake the pools' thread (AF_UNIX, datagrams)");
    if (status >= 0 && (os_poller_add(c->poller, c->watch.doorbell, OS_POLLER_IN, 0) != 0 ||
                        os_poller_add(c->poller, c->wakeup, OS_POLLER_IN, 0) != 0))
        status = fail_errno("no memory to look after pools");
    if (status < 0)
        caretaker_discard(c);
    else
        *made = c;
    return status;
}

static void caretaker_admit_to(struct caretaker *c, struct owner *o) {
    struct owner **group = &c->groups[watch_group(&o->pool->attention)];
    o->poller = c->poller;
    o->others = OWNER_IN_MAKING;
    o->due = PRONG_FOREVER;
    o->group_previous = NULL;
    o->group_next = *group;
    if (*group) (*group)->group_previous = o;
    *group = o;
    c->pools++;
    o->pool->entry = o;
    watch_take_one(&c->watch, &o->pool->attention);
}

prong_status caretaker_admit(struct owner *o) {
    owners_lock();
    prong_status status = caretaker ? PRONG_OK : caretaker_make(&caretaker);
    if (status >= 0 && !due_make_room(&caretaker->due, caretaker->pools + 1))
        status = fail(PRONG_NO_MEMORY, "no memory for a pool");
    if (status >= 0) caretaker_admit_to(caretaker, o);
    owners_unlock();
    caretakers_join_ended();
    return status;
}

/* After the workers were forked: before, the process may have been one of a single thread. */
prong_status caretaker_begin(struct owner *o) {
    prong_status status = PRONG_OK;
    owners_lock();
    int number = caretaker->runs ? 0 : owner_start_thread(&caretaker->thread, STACK_SIZE, caretaker_run, caretaker);
    if (number == EINVAL) /* unshare(CLONE_NEWPID) has been called, or the like */
        status =
            fail(PRONG_NO_PROCESSES, "no thread to look after the workers: a process whose children live in another "
                                     "namespace of pids cannot make threads");
    else if (number)
        status = fail(PRONG_NO_PROCESSES, "no thread to look after the workers: %s", strerror(number));
    else
        caretaker->runs = true;
    if (status >= 0 && !o->marked && !o->pool->initializer_limit)
        o->others = OWNER_QUIET; /* mostly there is nothing to look at */
    else if (status >= 0)
        caretaker_return(o);
    owners_unlock();
    return status;
}

void caretaker_wake(struct owner *o) {
    due_set(&caretaker->due, o, 0);
    os_wakeup_set(caretaker->wakeup);
}

void caretaker_return(struct owner *o) {
    o->others = OWNER_QUIET;
    o->marked = false;
    caretaker_wake(o);
}

void caretaker_dismiss(struct owner *o) {
    owners_lock();
    for (uint64_t i = 0; i < o->pool->worker_count; i++)
        if (o->sentinels[i].descriptor >= 0) os_poller_remove(o->poller, o->sentinels[i].descriptor);
    os_wakeup_set(caretaker->wakeup); /* if it is the last, the thread ends */
    caretaker_drop(caretaker, o);
    o->pool->entry = NULL;
    owners_unlock();
    caretakers_join_ended();
}

int caretaker_watch_worker(const struct owner *o, uint64_t place) {
    return os_poller_add(o->poller, o->sentinels[place].descriptor, OS_POLLER_IN, worker_tag(o, place));
}

void caretakers_join_ended(void) {
    owners_lock();
    struct caretaker *all = ended_caretakers;
    ended_caretakers = NULL;
    owners_unlock();
    for (struct caretaker *c; (c = all);) {
        all = c->next;
        if (c->runs) pthread_join(c->thread, NULL);
        caretaker_discard(c);
    }
}

static void caretaker_forget_one(struct caretaker *c) {
    c->watch.row = 0; /* it is the parent's */
    caretaker_discard(c);
}

/* The threads are not in the child. The pollers are the parent's, too: only the descriptors are closed. */
void caretaker_forget(void) {
    for (struct caretaker *c; (c = ended_caretakers);) {
        ended_caretakers = c->next;
        caretaker_forget_one(c);
    }
    if (caretaker) caretaker_forget_one(caretaker);
    caretaker = NULL;
}
