/* Queue and JoinableQueue: as queue.Queue. An item goes directly from a put to a get that waits; if the client of that
 * get turns out to be gone, the next one gets the item. */
#include "base/error.h"
#include "manager/types/type.h"
#include <stdio.h>
#include <stdlib.h>

struct served_queue {
    struct items items; /* not a ring: the start moves */
    size_t start;
    size_t maxsize; /* 0: none */
    uint64_t unfinished;
    bool shut;
    struct waiters getters, putters, joiners;
};

static size_t queue_count(const struct served_queue *queue) {
    return queue->items.count - queue->start;
}

static prong_status queue_make(prong_call *call, struct managed *object) {
    prong_value given;
    int64_t maxsize = 0;
    struct served_queue *queue = object->state = calloc(1, sizeof(*queue));
    if (!queue) return fail_text(PRONG_NO_MEMORY, "no memory for an object");
    waiters_init(&queue->getters);
    waiters_init(&queue->putters);
    waiters_init(&queue->joiners);
    BIND(call, "=maxsize", &given);
    if (!is_absent(given) && call_index(call, given, &maxsize)) return PRONG_OK;
    queue->maxsize = maxsize > 0 ? (size_t)maxsize : 0;
    return PRONG_OK;
}

static void queue_unmake(struct prong_server *server, void *state) {
    struct served_queue *queue = state;
    for (size_t i = 0; i < queue->start; i++) queue->items.at[i] = prong_make_null(); /* taken */
    items_clear(server, &queue->items);
    free(queue);
}

static prong_status raise_of_queue(prong_call *call, const char *name) {
    prong_value none;
    TRY(prong_make_tuple(call->document, NULL, 0, &none));
    return prong_call_raise(call, "queue", name, none);
}

/* Items taken leave space at the front; when that is half of all, the others move there. */
static prong_value take_first(struct served_queue *queue) {
    prong_value item = queue->items.at[queue->start++];
    if (queue->start * 2 > queue->items.count) {
        size_t left = queue_count(queue);
        for (size_t i = 0; i < left; i++) queue->items.at[i] = queue->items.at[queue->start + i];
        queue->items.count = left;
        queue->start = 0;
    }
    return item;
}

static prong_status add_last(struct served_queue *queue, prong_value item) {
    TRY(items_reserve(&queue->items, 1));
    queue->items.at[queue->items.count++] = item;
    return PRONG_OK;
}

/* Gives the items to gets that wait, and the space that this makes to puts that wait. */
static void queue_settle(struct prong_server *server, struct served_queue *queue) {
    for (bool changed = true; changed;) {
        struct session *getter = waiters_first(&queue->getters), *putter = waiters_first(&queue->putters);
        changed = false;
        if (getter && queue_count(queue)) {
            if (session_resume(getter, item_value(queue->items.at[queue->start]))) item_free(server, take_first(queue));
            changed = true;
        }
        if (putter && queue_count(queue) < queue->maxsize && !add_last(queue, putter->item)) {
            putter->item = prong_make_null();
            queue->unfinished++;
            session_resume(putter, prong_make_null());
            changed = true;
        }
    }
}

static void get_timed_out(struct session *session) {
    session_resume_raise(session, "queue", "Empty");
}

static void drop_item(struct session *session) {
    item_free(session->server, session->item);
    session->item = prong_make_null();
}

static void put_timed_out(struct session *session) {
    drop_item(session);
    session_resume_raise(session, "queue", "Full");
}

/* block and timeout of put and get; false: raised. */
static bool waiting_arguments(prong_call *call, prong_value block, prong_value timeout, bool *blocking,
                              deadline_t *deadline) {
    double seconds;
    *blocking = is_absent(block) || is_true(block);
    *deadline = PRONG_FOREVER;
    if (!*blocking) return true;
    if (!is_absent(timeout) && prong_get_float(timeout, &seconds) >= 0 && seconds < 0) {
        call_raise(call, "ValueError", "'timeout' must be a non-negative number");
        return false;
    }
    return !call_timeout(call, timeout, deadline);
}

static prong_status queue_method_put(prong_call *call, prong_value given, bool blocking, deadline_t deadline) {
    struct served_queue *queue = call->object;
    prong_value item;
    bool full = queue->maxsize && queue_count(queue) >= queue->maxsize;
    if (queue->shut) return raise_of_queue(call, "ShutDown");
    if (full && (!blocking || deadline == PRONG_NOWAIT)) return raise_of_queue(call, "Full");
    TRY(item_store(call->inner->server, given, &item));
    if (full) {
        call->inner->session->item = item;
        return call_park(call, &queue->putters, deadline, put_timed_out, drop_item);
    }
    prong_status status = add_last(queue, item);
    if (status < 0) {
        item_free(call->inner->server, item);
        return status;
    }
    queue->unfinished++;
    queue_settle(call->inner->server, queue);
    return call_return_none(call);
}

static prong_status queue_method_get(prong_call *call, bool blocking, deadline_t deadline) {
    struct served_queue *queue = call->object;
    if (queue_count(queue)) {
        prong_value copy;
        TRY(prong_value_copy(call->document, item_value(queue->items.at[queue->start]), &copy));
        item_free(call->inner->server, take_first(queue));
        queue_settle(call->inner->server, queue);
        return prong_call_return(call, copy);
    }
    if (queue->shut) return raise_of_queue(call, "ShutDown");
    if (!blocking || deadline == PRONG_NOWAIT) return raise_of_queue(call, "Empty");
    return call_park(call, &queue->getters, deadline, get_timed_out, NULL);
}

static prong_status queue_put(prong_call *call) {
    prong_value given[3];
    bool blocking;
    deadline_t deadline;
    BIND(call, "item =block timeout", given);
    if (!waiting_arguments(call, given[1], given[2], &blocking, &deadline)) return PRONG_OK;
    return queue_method_put(call, given[0], blocking, deadline);
}

static prong_status queue_put_nowait(prong_call *call) {
    prong_value given;
    BIND(call, "item", &given);
    return queue_method_put(call, given, false, PRONG_NOWAIT);
}

static prong_status queue_get(prong_call *call) {
    prong_value given[2];
    bool blocking;
    deadline_t deadline;
    BIND(call, "=block timeout", given);
    if (!waiting_arguments(call, given[0], given[1], &blocking, &deadline)) return PRONG_OK;
    return queue_method_get(call, blocking, deadline);
}

static prong_status queue_get_nowait(prong_call *call) {
    return queue_method_get(call, false, PRONG_NOWAIT);
}

static prong_status queue_qsize(prong_call *call) {
    return prong_call_return(call, prong_make_int((int64_t)queue_count(call->object)));
}
static prong_status queue_empty(prong_call *call) {
    return call_return_bool(call, queue_count(call->object) == 0);
}
static prong_status queue_full(prong_call *call) {
    const struct served_queue *queue = call->object;
    return call_return_bool(call, queue->maxsize && queue_count(queue) >= queue->maxsize);
}

static void queue_joined(struct served_queue *queue) {
    for (struct session *next; (next = waiters_first(&queue->joiners));) session_resume(next, prong_make_null());
}

static prong_status queue_task_done(prong_call *call) {
    struct served_queue *queue = call->object;
    if (!queue->unfinished) return call_raise(call, "ValueError", "task_done() called too many times");
    if (--queue->unfinished == 0) queue_joined(queue);
    return call_return_none(call);
}

static void join_timed_out(struct session *session) {
    session_resume(session, prong_make_null());
}

static prong_status queue_join(prong_call *call) {
    struct served_queue *queue = call->object;
    if (!queue->unfinished) return call_return_none(call);
    return call_park(call, &queue->joiners, PRONG_FOREVER, join_timed_out, NULL);
}

/* Allows no more puts; immediate: also drops what is in the queue, which counts as done. */
static prong_status queue_shutdown(prong_call *call) {
    struct served_queue *queue = call->object;
    prong_value immediate;
    BIND(call, "=immediate", &immediate);
    queue->shut = true;
    if (!is_absent(immediate) && is_true(immediate)) {
        while (queue_count(queue)) {
            item_free(call->inner->server, take_first(queue));
            if (queue->unfinished) queue->unfinished--;
        }
        queue_joined(queue);
    }
    for (struct session *next; (next = waiters_first(&queue->putters));) {
        drop_item(next);
        session_resume_raise(next, "queue", "ShutDown");
    }
    for (struct session *next; !queue_count(queue) && (next = waiters_first(&queue->getters));)
        session_resume_raise(next, "queue", "ShutDown");
    return call_return_none(call);
}

static void queue_describe(const struct managed *object, char *text, size_t size) {
    snprintf(text, size, "<queue.Queue object at 0x%llx>", (unsigned long long)object->id);
}

static const prong_method_entry queue_methods[] = {{"put", queue_put, NULL},
                                                   {"get", queue_get, NULL},
                                                   {"put_nowait", queue_put_nowait, NULL},
                                                   {"get_nowait", queue_get_nowait, NULL},
                                                   {"qsize", queue_qsize, NULL},
                                                   {"empty", queue_empty, NULL},
                                                   {"full", queue_full, NULL},
                                                   {"task_done", queue_task_done, NULL},
                                                   {"join", queue_join, NULL},
                                                   {"shutdown", queue_shutdown, NULL},
                                                   {0}};

#define QUEUE_TYPE(name_)                                                                                              \
    {                                                                                                                  \
        .given = {.name = name_, .methods = queue_methods}, .make = queue_make, .unmake = queue_unmake,                \
        .describe = queue_describe                                                                                     \
    }

const struct type served_queue_type = QUEUE_TYPE("Queue");
const struct type served_joinable_queue_type = QUEUE_TYPE("JoinableQueue");
