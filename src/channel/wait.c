/* Waiting for many things at once: those in the arena are watched, and descriptors are polled together with the watch's
 * doorbell. Without descriptors among the items, no doorbell is needed. */
#include <prong/wait.h>

#include "base/error.h"
#include "base/periods.h"
#include "channel/source.h"
#include "family/member.h"
#include "family/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

enum { ITEMS_QUICK = 8 }; /* up to this many items need no malloc */

struct waiting {
    prong_waitable *items;
    size_t count;
    struct waited *waited;
    struct pollfd *polls; /* [0] is the watch's doorbell */
    bool descriptors;     /* there are some */
    struct watch watch;
};

static prong_status wait_resolve(struct waiting *w, size_t i) {
    prong_waitable *item = &w->items[i];
    prong_status status;
    item->ready = false;
    w->waited[i] = (struct waited){.descriptor = -1};
    if ((unsigned)item->kind < SOURCE_KINDS && sources[item->kind])
        status = sources[item->kind](item, &w->waited[i]);
    else
        status = fail(PRONG_INVALID, "kind %d is none of prong_waitable_kind", (int)item->kind);
    w->polls[i + 1] = (struct pollfd){.fd = w->waited[i].descriptor, .events = POLLIN};
    w->descriptors = w->descriptors || w->waited[i].descriptor >= 0;
    return status < 0 ? fail_again(status, "wait, item %zu", i) : PRONG_OK;
}

static bool wait_is_ready(const struct waiting *w, size_t i) {
    const struct waited *waited = &w->waited[i];
    return w->polls[i + 1].revents != 0 || (waited->ready && waited->ready(waited));
}

static size_t wait_look(struct waiting *w) {
    size_t ready = 0;
    for (size_t i = 0; i < w->count; i++) ready += w->items[i].ready = wait_is_ready(w, i);
    return ready;
}

/* The descriptor of an item that another thread has destroyed meanwhile may be closed: that item is ready. */
static prong_status poll_descriptors(struct waiting *w, deadline_t deadline) {
    if (os_poll(w->polls, w->count + 1, deadline) < 0 && errno != EINTR) return fail_errno("wait");
    for (size_t i = 0; i < w->count; i++)
        if (w->polls[i + 1].revents & POLLNVAL && !(w->waited[i].ready && w->waited[i].ready(&w->waited[i])))
            return fail(PRONG_INVALID, "wait, item %zu: descriptor %d is not open", i, w->polls[i + 1].fd);
    return PRONG_OK;
}

static bool wait_any_ready(void *waiting) {
    return wait_look(waiting) > 0;
}

static void watch_all(struct waiting *w) {
    watch_renew(&w->watch);
    for (size_t i = 0; i < w->count; i++)
        if (w->waited[i].queue) watch_add(&w->watch, w->waited[i].queue);
    for (size_t i = 0; i < w->count; i++)
        if (w->waited[i].settle) w->waited[i].settle(&w->waited[i]);
}

static prong_status wait_nap(struct waiting *w, deadline_t deadline) {
    if (w->descriptors) return poll_descriptors(w, watch_within(&w->watch, deadline_within(deadline, DEAD_PEER)));
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
    w->polls[0] = (struct pollfd){.fd = w->watch.doorbell, .events = POLLIN};
    while (status >= 0) {
        watch_all(w);
        if (wait_look(w)) break;
        status = wait_nap(w, deadline);
        if (status < 0 || wait_look(w)) break;
        look_for_the_dead(w);
        if (deadline_passed(deadline) && !wait_look(w))
            status = nothing_ready(w, "nothing was ready in the time given");
    }
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
    w->polls[0] = (struct pollfd){.fd = -1};
    prong_status status = wait_run(w, deadline);
    *ready = status ? 0 : wait_look(w);
    for (size_t i = 0; status < 0 && i < w->count; i++) w->items[i].ready = false;
    return status;
}

static prong_status wait_for_many(struct waiting *w, deadline_t deadline, size_t *ready) {
    prong_status status;
    w->waited = calloc(w->count, sizeof *w->waited);
    w->polls = calloc(w->count + 1, sizeof *w->polls);
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
    struct pollfd polls[ITEMS_QUICK + 1];
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
