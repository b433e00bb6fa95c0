/* Waiting on queues, connections and descriptors together: the former are watched, the rest is polled together with the watch's
 * doorbell. Where there are only queues and connections, no descriptor is needed. */
#include <prong/wait.h>

#include "base/error.h"
#include "base/periods.h"
#include "channel/bell.h"
#include "channel/source.h"
#include "channel/connection.h"
#include "channel/queue.h"
#include "family/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

struct waiting {
    prong_waitable *items;
    size_t count;
    struct channel **channels; /* NULL for a descriptor */
    struct pollfd *polls;      /* [0] is the watch's doorbell */
    bool descriptors;          /* there are some */
    struct watch watch;
};

static struct source *source_of(const prong_waitable *item) {
    return (struct source *)item->link; /* link and listener alike begin with one */
}

static bool read_already(const prong_waitable *item) {
    if (item->kind != PRONG_WAIT_LINK && item->kind != PRONG_WAIT_LISTENER) return false;
    return source_of(item)->ready && source_of(item)->ready(source_of(item));
}

static prong_status waitable_resolve(struct waiting *w, size_t i) {
    prong_waitable *item = &w->items[i];
    prong_status status = PRONG_OK;
    item->ready = false;
    w->polls[i + 1] = (struct pollfd){.fd = -1};
    switch (item->kind) {
    case PRONG_WAIT_QUEUE:
        w->channels[i] = queue_channel(item->queue);
        if (!w->channels[i]) status = PRONG_STALE;
        break;
    case PRONG_WAIT_CONNECTION: status = connection_inbox(item->connection, &w->channels[i]); break;
    case PRONG_WAIT_DESCRIPTOR:
        w->polls[i + 1] = (struct pollfd){.fd = item->descriptor, .events = POLLIN};
        if (item->descriptor < 0) status = fail(PRONG_INVALID, "descriptor %d", item->descriptor);
        break;
    case PRONG_WAIT_LINK:
    case PRONG_WAIT_LISTENER:
        if (!item->link)
            status = fail_text(PRONG_INVALID, "no link (NULL)");
        else
            w->polls[i + 1] = (struct pollfd){.fd = source_of(item)->descriptor, .events = POLLIN};
        break;
    default: status = fail(PRONG_INVALID, "kind %d is none of prong_waitable_kind", (int)item->kind);
    }
    w->descriptors = w->descriptors || w->polls[i + 1].fd >= 0;
    return status < 0 ? fail_again(status, "wait, item %zu", i) : PRONG_OK;
}

/* Destroyed since: there is nothing to wait for, which is to be seen. */
static bool waitable_is_gone(const prong_waitable *item) {
    if (item->kind == PRONG_WAIT_QUEUE) return !object_is_live(KIND_QUEUE, item->queue.offset, item->queue.generation);
    return !object_is_live(KIND_PIPE, item->connection.offset & ~1ull, item->connection.generation);
}

static size_t waitables_check(struct waiting *w) {
    size_t ready = 0;
    for (size_t i = 0; i < w->count; i++) {
        struct channel *channel = w->channels[i];
        if (channel)
            w->items[i].ready = channel_ready_to_take(channel) || waitable_is_gone(&w->items[i]);
        else
            w->items[i].ready = w->polls[i + 1].revents != 0 || read_already(&w->items[i]);
        ready += w->items[i].ready;
    }
    return ready;
}

static prong_status poll_descriptors(struct waiting *w, deadline_t deadline) {
    if (os_poll(w->polls, w->count + 1, deadline) < 0 && errno != EINTR) return fail_errno("wait");
    for (size_t i = 0; i < w->count; i++)
        if (w->polls[i + 1].revents & POLLNVAL)
            return fail(PRONG_INVALID, "wait, item %zu: descriptor %d is not open", i, w->polls[i + 1].fd);
    return PRONG_OK;
}

static bool any_ready(void *waiting) {
    return waitables_check(waiting) > 0;
}

static void watch_all(struct waiting *w) {
    watch_renew(&w->watch);
    for (size_t i = 0; i < w->count; i++)
        if (w->channels[i]) watch_add(&w->watch, &w->channels[i]->readable);
}

static prong_status waitables_nap(struct waiting *w, deadline_t deadline) {
    deadline = watch_within(&w->watch, deadline_within(deadline, DEAD_PEER));
    if (w->descriptors) return poll_descriptors(w, deadline);
    watch_sleep(&w->watch, deadline);
    return PRONG_OK;
}

static void look_at_peers(struct waiting *w) {
    for (size_t i = 0; i < w->count; i++)
        if (w->items[i].kind == PRONG_WAIT_CONNECTION) connection_look_at_peer(w->items[i].connection);
}

/* The descriptors of these are right from here on, for whatever polls them. */
static prong_status nothing_ready(struct waiting *w, const char *text) {
    for (size_t i = 0; i < w->count; i++)
        if (w->channels[i]) bell_after_nothing(w->channels[i]);
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
        if (waitables_check(w)) break;
        status = waitables_nap(w, deadline);
        if (status < 0 || waitables_check(w)) break;
        look_at_peers(w);
        if (deadline_passed(deadline) && !waitables_check(w))
            status = nothing_ready(w, "nothing was ready in the time given");
    }
    watch_close(&w->watch);
    return status;
}

static prong_status waitables_run(struct waiting *w, deadline_t deadline) {
    prong_status status = PRONG_OK;
    for (size_t i = 0; i < w->count && status >= 0; i++) status = waitable_resolve(w, i);
    if (status >= 0 && w->descriptors) status = poll_descriptors(w, PRONG_NOWAIT);
    if (status < 0 || waitables_check(w)) return status;
    if (deadline == PRONG_NOWAIT) {
        look_at_peers(w);
        return waitables_check(w) ? PRONG_OK : nothing_ready(w, "nothing is ready");
    }
    if (spin_until(any_ready, w)) return PRONG_OK;
    return sleep_until_ready(w, deadline);
}

prong_status prong_wait(prong_waitable *items, size_t item_count, size_t *count, prong_time timeout) {
    TRY(check_bytes(items, item_count, "wait: items"));
    for (size_t i = 0; i < item_count; i++) CHECK_RESERVED(&items[i], "wait: items");
    TRY(family_enter());
    prong_status status;
    struct waiting w = {.items = items, .count = item_count};
    w.channels = calloc(item_count + 1, sizeof(struct channel *));
    w.polls = calloc(item_count + 1, sizeof *w.polls);
    if (w.channels && w.polls) {
        w.polls[0].fd = -1;
        status = waitables_run(&w, deadline_after(timeout));
    } else {
        status = fail(PRONG_NO_MEMORY, "no memory to wait on %zu items", item_count);
    }
    size_t ready = status ? 0 : waitables_check(&w);
    for (size_t i = 0; status < 0 && i < item_count; i++) items[i].ready = false;
    free(w.channels);
    free(w.polls);
    if (count) *count = ready;
    return status;
}
