/* Waiting for many things at once: those in the arena are watched, and descriptors are polled together with the watch's
 * doorbell. Without descriptors among the items, no doorbell is needed. */
#include <prong/wait.h>

#include "base/error.h"
#include "base/periods.h"
#include "channel/source.h"
#include "family/member.h"
#include "family/vigil.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

enum { ITEMS_QUICK = 8 }; /* up to this many items need no malloc */

enum { POLL_DOORBELL, POLL_VIGIL, POLL_ITEMS };

struct waiting {
    prong_waitable *items;
    size_t count;
    struct waited *waited;
    struct pollfd *polls; /* from POLL_ITEMS on one for each item */
    bool descriptors;     /* there are some */
    bool members;         /* other members make an item ready, and may die before they tell that */
    bool may_close;       /* another thread may destroy an item, and close its descriptor */
    bool keeps_vigil;
    int64_t since;
    deadline_t rest; /* the end of the next sleep */
    struct watch watch;
};

static struct pollfd *item_poll(const struct waiting *w, size_t i) {
    return &w->polls[POLL_ITEMS + i];
}

static prong_status wait_resolve(struct waiting *w, size_t i) {
    prong_waitable *item = &w->items[i];
    prong_status status;
    item->ready = false;
    w->waited[i] = (struct waited){.descriptor = -1};
    if ((unsigned)item->kind < SOURCE_KINDS && sources[item->kind])
        status = sources[item->kind](item, &w->waited[i]);
    else
        status = fail(PRONG_INVALID, "kind %d is none of prong_waitable_kind", (int)item->kind);
    *item_poll(w, i) = (struct pollfd){.fd = w->waited[i].descriptor, .events = POLLIN};
    w->descriptors |= w->waited[i].descriptor >= 0;
    w->members |= w->waited[i].queue || w->waited[i].look;
    w->may_close |= w->waited[i].descriptor >= 0 && w->waited[i].ready;
    return status < 0 ? fail_again(status, "wait, item %zu", i) : PRONG_OK;
}

static bool wait_is_ready(const struct waiting *w, size_t i) {
    const struct waited *waited = &w->waited[i];
    return item_poll(w, i)->revents != 0 || (waited->ready && waited->ready(waited));
}

static size_t wait_look(struct waiting *w) {
    size_t ready = 0;
    for (size_t i = 0; i < w->count; i++) ready += w->items[i].ready = wait_is_ready(w, i);
    return ready;
}

/* The descriptor of an item that another thread has destroyed meanwhile may be closed: that item is ready. */
static prong_status poll_descriptors(struct waiting *w, deadline_t deadline) {
    if (os_poll(w->polls, POLL_ITEMS + w->count, deadline) < 0 && errno != EINTR) return fail_errno("wait");
    for (size_t i = 0; i < w->count; i++)
        if (item_poll(w, i)->revents & POLLNVAL && !(w->waited[i].ready && w->waited[i].ready(&w->waited[i])))
            return fail(PRONG_INVALID, "wait, item %zu: descriptor %d is not open", i, item_poll(w, i)->fd);
    return PRONG_OK;
}

static bool wait_any_ready(void *waiting) {
    return wait_look(waiting) > 0;
}

/* --- sleeping in poll --- */

/* Nothing to learn of other members: the wait lasts until a descriptor is ready. One that was closed just before the sleep may
 * be another file's by now; and a runtime is asked from time to time. */
static prong_time descriptors_nap(const struct waiting *w) {
    if (upward_may_interrupt()) return LOOKOUT_NAP_RUNTIME;
    return w->may_close ? LOOKOUT_NAP_MOST : PRONG_FOREVER;
}

/* After a while in vain it learns of deaths in the way of vigil.h. Without a row, it is not rung. */
static void poll_prepare(struct waiting *w, deadline_t deadline) {
    if (w->members && !w->keeps_vigil && w->watch.row && clock_now() - w->since >= VIGIL_AFTER) {
        vigil_begin();
        w->keeps_vigil = true;
    }
    watch_add_signs(&w->watch, WATCH_DEATHS);
    if (w->keeps_vigil)
        w->rest = vigil_prepare(&w->watch, deadline, &w->polls[POLL_VIGIL].fd);
    else
        w->rest = deadline_within(deadline, w->members ? DEAD_PEER : descriptors_nap(w));
    if (w->members) w->rest = watch_within(&w->watch, w->rest);
    member_mark_if_needed();
}

static prong_status poll_nap(struct waiting *w) {
    prong_status status = poll_descriptors(w, w->rest);
    if (w->keeps_vigil) vigil_look(clock_now() >= w->rest);
    return status;
}

static void poll_end(struct waiting *w) {
    if (w->keeps_vigil) vigil_end();
    w->keeps_vigil = false;
}

/* --- sleeping --- */

static void watch_all(struct waiting *w, deadline_t deadline) {
    watch_renew(&w->watch);
    if (w->descriptors) poll_prepare(w, deadline);
    for (size_t i = 0; i < w->count; i++)
        if (w->waited[i].queue) watch_add(&w->watch, w->waited[i].queue);
    for (size_t i = 0; i < w->count; i++)
        if (w->waited[i].settle) w->waited[i].settle(&w->waited[i]);
}

static prong_status wait_nap(struct waiting *w, deadline_t deadline) {
    if (w->descriptors) return poll_nap(w);
    watch_sleep(&w->watch, watch_within(&w->watch, deadline));
    return PRONG_OK;
}

static void look_for_the_dead(struct waiting *w) {
    for (size_t i = 0; i < w->count; i++)
        if (w->waited[i].look) w->waited[i].look(&w->waited[i]);
}

/* From here on the descriptors of these are right for a program that polls them. */
static prong_status nothing_ready(struct waiting *w, const char *text) {
    for (size_t i = 0; i < w->count; i++)
        if (w->waited[i].nothing) w->waited[i].nothing(&w->waited[i]);
    return fail_text(PRONG_TIMEOUT, text);
}

static prong_status sleep_until_ready(struct waiting *w, deadline_t deadline) {
    INTERRUPTIBLE;
    prong_status status = PRONG_OK;
    if (!watch_open(&w->watch, w->descriptors))
        return fail_errno("wait: no socket by which others wake this thread (AF_UNIX, datagrams)");
    w->polls[POLL_DOORBELL] = (struct pollfd){.fd = w->watch.doorbell, .events = POLLIN};
    w->since = clock_now();
    while (status >= 0) {
        watch_all(w, deadline);
        if (wait_look(w)) break;
        status = wait_nap(w, deadline);
        if (status < 0 || wait_look(w)) break;
        look_for_the_dead(w);
        if (deadline_passed(deadline) && !wait_look(w))
            status = nothing_ready(w, "nothing was ready in the time given");
    }
    poll_end(w);
    watch_close(&w->watch);
    return status;
}

static prong_status wait_run(struct waiting *w, deadline_t deadline) {
    prong_status status = PRONG_OK;
    for (size_t i = 0; i < w->count && status >= 0; i++) status = wait_resolve(w, i);
    if (status >= 0 && w->descriptors) status = poll_descriptors(w, PRONG_NOWAIT);
    if (status < 0 || wait_look(w)) return status;
    if (deadline == PRONG_NOWAIT) {
        look_for_the_dead(w);
        return wait_look(w) ? PRONG_OK : nothing_ready(w, "nothing is ready");
    }
    if (spin_until(wait_any_ready, w)) return PRONG_OK;
    return sleep_until_ready(w, deadline);
}

static prong_status wait_with(struct waiting *w, deadline_t deadline, size_t *ready) {
    w->polls[POLL_DOORBELL] = w->polls[POLL_VIGIL] = (struct pollfd){.fd = -1, .events = POLLIN};
    prong_status status = wait_run(w, deadline);
    *ready = status ? 0 : wait_look(w);
    for (size_t i = 0; status < 0 && i < w->count; i++) w->items[i].ready = false;
    return status;
}

static prong_status wait_for_many(struct waiting *w, deadline_t deadline, size_t *ready) {
    prong_status status;
    w->waited = calloc(w->count, sizeof *w->waited);
    w->polls = calloc(POLL_ITEMS + w->count, sizeof *w->polls);
    if (w->waited && w->polls)
        status = wait_with(w, deadline, ready);
    else
        status = fail(PRONG_NO_MEMORY, "no memory to wait on %zu items", w->count);
    for (size_t i = 0; status < 0 && i < w->count; i++) w->items[i].ready = false;
    free(w->waited);
    free(w->polls);
    return status;
}

prong_status prong_wait(prong_waitable *items, size_t item_count, size_t *count, prong_time timeout) {
    struct waited waited[ITEMS_QUICK];
    struct pollfd polls[POLL_ITEMS + ITEMS_QUICK];
    size_t ready = 0;
    TRY(check_bytes(items, item_count, "wait: items"));
    for (size_t i = 0; i < item_count; i++) CHECK_RESERVED(&items[i], "wait: items");
    TRY(family_enter());
    struct waiting w = {.items = items, .count = item_count, .waited = waited, .polls = polls};
    deadline_t deadline = deadline_after(timeout);
    prong_status status =
        item_count <= ITEMS_QUICK ? wait_with(&w, deadline, &ready) : wait_for_many(&w, deadline, &ready);
    if (count) *count = ready;
    return status;
}
