/* Waiting on queues, connections and descriptors together: one doorbell for all the former, poll for the rest. */
#include <prong/wait.h>

#include "base/error.h"
#include "channel/source.h"
#include "channel/types.h"
#include "family/member.h"
#include "os/os.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* A killed process does not ring: look at the other ends' holders this often. When a queue has no place for our
 * doorbell, look at it often instead. */
static const prong_time LOOK_EVERY = PRONG_MS(100), LOOK_UNWATCHED_EVERY = PRONG_MS(5);

struct waiting {
    prong_waitable *items;
    size_t count;
    struct channel **channels; /* NULL for a descriptor */
    int *slots;
    struct pollfd *polls; /* [0] is the doorbell */
    int doorbell;
    uint32_t address;
    bool unwatched;
};

static struct source *source_of(const prong_waitable *item) {
    return (struct source *)item->link; /* link and listener alike begin with one */
}

static bool read_already(const prong_waitable *item) {
    if (item->kind != PRONG_WAIT_LINK && item->kind != PRONG_WAIT_LISTENER) return false;
    return source_of(item)->ready && source_of(item)->ready(source_of(item));
}

static prong_status resolve(struct waiting *w, size_t i) {
    prong_waitable *item = &w->items[i];
    prong_status status = PRONG_OK;
    item->ready = false;
    w->slots[i] = -1;
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
    return status ? fail_again(status, "wait, item %zu", i) : PRONG_OK;
}

/* Destroyed since: there is nothing to wait for, which is to be seen. */
static bool is_gone(const prong_waitable *item) {
    if (item->kind == PRONG_WAIT_QUEUE) return !object_is_live(KIND_QUEUE, item->queue.offset, item->queue.generation);
    return !object_is_live(KIND_PIPE, item->connection.offset & ~1ull, item->connection.generation);
}

static size_t look(struct waiting *w) {
    size_t ready = 0;
    for (size_t i = 0; i < w->count; i++) {
        struct channel *channel = w->channels[i];
        if (channel)
            w->items[i].ready = channel_ready_to_take(channel) || is_gone(&w->items[i]);
        else
            w->items[i].ready = w->polls[i + 1].revents != 0 || read_already(&w->items[i]);
        ready += w->items[i].ready;
    }
    return ready;
}

static prong_status poll_descriptors(struct waiting *w, int milliseconds) {
    if (poll(w->polls, w->count + 1, milliseconds) < 0 && errno != EINTR) return fail_errno("wait");
    interrupt_look();
    for (size_t i = 0; i < w->count; i++)
        if (w->polls[i + 1].revents & POLLNVAL)
            return fail(PRONG_INVALID, "wait, item %zu: descriptor %d is not open", i, w->polls[i + 1].fd);
    return PRONG_OK;
}

static bool any_ready(void *waiting) {
    return look(waiting) > 0;
}

static prong_status hang_doorbell(struct waiting *w) {
    w->doorbell = os_doorbell_create(&w->address);
    if (w->doorbell < 0) return fail_errno("wait: no descriptor to wait on");
    w->polls[0] = (struct pollfd){.fd = w->doorbell, .events = POLLIN};
    for (size_t i = 0; i < w->count; i++) {
        if (!w->channels[i]) continue;
        w->slots[i] = waitq_watch(&w->channels[i]->readable, w->address);
        if (w->slots[i] < 0) w->unwatched = true;
    }
    return PRONG_OK;
}

static void arm(struct waiting *w) {
    os_doorbell_silence(w->doorbell);
    for (size_t i = 0; i < w->count; i++)
        if (w->slots[i] >= 0) waitq_arm(&w->channels[i]->readable, w->slots[i]);
}

static void take_doorbell_down(struct waiting *w) {
    for (size_t i = 0; i < w->count; i++)
        if (w->slots[i] >= 0) waitq_unwatch(&w->channels[i]->readable, w->slots[i]);
    if (w->doorbell >= 0) close(w->doorbell);
}

static void look_at_peers(struct waiting *w) {
    for (size_t i = 0; i < w->count; i++)
        if (w->items[i].kind == PRONG_WAIT_CONNECTION) connection_look_at_peer(w->items[i].connection);
}

static prong_status sleep_until_ready(struct waiting *w, deadline_t deadline) {
    prong_status status = hang_doorbell(w);
    while (!status) {
        arm(w);
        if (look(w)) return PRONG_OK;
        prong_time nap = w->unwatched ? LOOK_UNWATCHED_EVERY : LOOK_EVERY;
        status = poll_descriptors(w, deadline_poll_ms(deadline_within(deadline, nap)));
        if (status || look(w)) break;
        look_at_peers(w);
        if (deadline_passed(deadline) && !look(w))
            return fail_text(PRONG_TIMEOUT, "nothing was ready in the time given");
    }
    return status;
}

static prong_status run(struct waiting *w, deadline_t deadline) {
    prong_status status = PRONG_OK;
    for (size_t i = 0; i < w->count && !status; i++) status = resolve(w, i);
    if (!status) status = poll_descriptors(w, 0);
    if (status || look(w)) return status;
    if (deadline == PRONG_NOWAIT) {
        look_at_peers(w);
        return look(w) ? PRONG_OK : fail_text(PRONG_TIMEOUT, "nothing is ready");
    }
    if (spin_until(any_ready, w)) return PRONG_OK;
    status = sleep_until_ready(w, deadline);
    take_doorbell_down(w);
    return status;
}

prong_status prong_wait(prong_waitable *items, size_t item_count, size_t *count, prong_time timeout) {
    prong_status status = family_enter();
    if (status) return status;
    struct waiting w = {.items = items, .count = item_count, .doorbell = -1};
    w.channels = calloc(item_count + 1, sizeof(struct channel *));
    w.slots = calloc(item_count + 1, sizeof *w.slots);
    w.polls = calloc(item_count + 1, sizeof *w.polls);
    if (w.channels && w.slots && w.polls) {
        w.polls[0].fd = -1;
        status = run(&w, deadline_after(timeout));
    } else {
        status = fail(PRONG_NO_MEMORY, "no memory to wait on %zu items", item_count);
    }
    size_t ready = status ? 0 : look(&w);
    for (size_t i = 0; status && i < item_count; i++) items[i].ready = false;
    free(w.channels);
    free(w.slots);
    free(w.polls);
    if (count) *count = ready;
    return status;
}
