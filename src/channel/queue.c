/* Queue, SimpleQueue, JoinableQueue: a channel, and the accounts of a joinable one. */
#include <prong/queue.h>

#include "base/error.h"
#include "channel/channel.h"
#include "channel/doorbell.h"
#include "channel/types.h"
#include "family/heap.h"
#include "family/member.h"
#include "family/object.h"

#include <limits.h>
#include <string.h>

enum { LEDGERS = 62 };

struct queue {
    struct object object;
    bool joinable;
    _Atomic uint64_t private_to; /* the member with which it goes; 0: it stays until it is destroyed */
    struct channel channel;
    /* How many were put is the channel's count; how many are done is this sum: what members in the ledgers have
     * finished, and what those before them, or without one, had. */
    _Alignas(64) _Atomic uint64_t done_before;
    _Atomic uint64_t lost; /* taken by processes that died, and not reported yet */
    struct waitq joiners;
    /* What each member has taken and finished, so that its death does not keep joiners waiting. */
    struct ledger {
        _Atomic uint64_t member;
        uint64_t taken; /* under the takers' lock: see channel.c */
        _Atomic uint64_t finished;
    } ledgers[LEDGERS];
};

static prong_status find(prong_queue handle, struct queue **queue) {
    return object_find(KIND_QUEUE, handle.offset, handle.generation, (void **)queue);
}

static prong_status create(prong_queue *handle, const prong_queue_options *options, uint32_t private_to) {
    struct queue *queue;
    if (!handle) return fail(PRONG_INVALID, "queue create: no place for the handle");
    prong_status status = family_enter();
    if (!status) status = object_create(KIND_QUEUE, (void **)&queue);
    if (status) return status;
    uint64_t generation = object_generation(queue);
    status = channel_init(&queue->channel, queue, generation, options ? options->maxsize : 0, 0);
    if (status) {
        object_destroy(queue, generation);
        return status;
    }
    queue->joinable = options && options->joinable;
    atomic_store(&queue->private_to, private_to);
    *handle = (prong_queue){arena_offset(queue), generation};
    object_publish(queue);
    return PRONG_OK;
}

prong_status prong_queue_create(prong_queue *handle, const prong_queue_options *options) {
    return create(handle, options, 0);
}

prong_status queue_create_private(prong_queue *handle) {
    prong_status status = family_enter();
    return status ? status : create(handle, NULL, self_token());
}

bool queue_take_over(prong_queue handle) {
    struct queue *queue;
    if (object_find(KIND_QUEUE, handle.offset, handle.generation, (void **)&queue)) return false;
    uint64_t maker = atomic_load(&queue->private_to);
    return maker && atomic_compare_exchange_strong(&queue->private_to, &maker, 0);
}

prong_status prong_simple_queue_create(prong_simple_queue *handle) {
    return prong_queue_create(handle, NULL);
}

prong_status prong_joinable_queue_create(prong_joinable_queue *handle, size_t maxsize) {
    return prong_queue_create(handle, &(prong_queue_options){.maxsize = maxsize, .joinable = true});
}

prong_status prong_queue_destroy(prong_queue handle) {
    struct queue *queue;
    prong_status status = find(handle, &queue);
    if (status) return status;
    doorbell_close(&queue->channel);
    object_destroy(queue, handle.generation);
    waitq_notify(&queue->joiners, INT_MAX);
    return PRONG_OK;
}

static void count_put(void) {
    count_event(&self_row()->puts);
}

static void count_get(void) {
    count_event(&self_row()->gets);
}

prong_status prong_queue_put(prong_queue handle, const void *data, size_t size, prong_time timeout) {
    struct queue *queue;
    prong_status status = find(handle, &queue);
    if (status) return status;
    status = channel_put(&queue->channel, handle.generation, data, size, deadline_after(timeout));
    if (!status) count_put();
    return status;
}

/* --- taking --- */

/* This member's ledger; when all are in use by others, NULL: then its death is not accounted for. */
static struct ledger *ledger_of_self(struct queue *queue) {
    uint64_t token = self_token();
    for (int i = 0; i < LEDGERS; i++)
        if (atomic_load(&queue->ledgers[i].member) == token) return &queue->ledgers[i];
    for (int i = 0; i < LEDGERS; i++) {
        uint64_t none = 0;
        if (atomic_compare_exchange_strong(&queue->ledgers[i].member, &none, token)) return &queue->ledgers[i];
    }
    return NULL;
}

static prong_status take(struct queue *queue, struct taking *taking, prong_time timeout) {
    struct ledger *ledger = queue->joinable ? ledger_of_self(queue) : NULL;
    taking->ledger = ledger ? &ledger->taken : NULL;
    prong_status status = channel_take(&queue->channel, taking, deadline_after(timeout));
    if (status) return status;
    count_get();
    doorbell_settle(&queue->channel);
    return PRONG_OK;
}

prong_status prong_queue_get(prong_queue handle, void *buffer, size_t capacity, size_t *size, prong_time timeout) {
    struct queue *queue;
    prong_status status = find(handle, &queue);
    if (status) return status;
    struct taking taking = {.generation = handle.generation, .buffer = buffer, .capacity = capacity};
    status = take(queue, &taking, timeout);
    if (size && (!status || status == PRONG_TOO_LONG)) *size = taking.size;
    if (status == PRONG_TOO_LONG)
        return fail(status, "the next message has %zu bytes, the buffer %zu", taking.size, capacity);
    return status;
}

prong_status prong_queue_receive(prong_queue handle, prong_message *message, prong_time timeout) {
    struct queue *queue;
    prong_status status = find(handle, &queue);
    if (status) return status;
    struct taking taking = {.generation = handle.generation, .lend = true};
    status = take(queue, &taking, timeout);
    if (!status) *message = (prong_message){arena_at(taking.block), taking.size, taking.block};
    return status;
}

/* --- in place --- */

prong_status message_reserve(size_t size, prong_message *message) {
    uint64_t block;
    prong_status status = block_reserve(size, &block);
    if (!status) *message = (prong_message){arena_at(block), size, block};
    return status;
}

prong_status message_commit(struct channel *channel, uint64_t generation, prong_message *message, prong_time timeout) {
    struct block *header = heap_block(message->block);
    if (!header || header->owner != self_token())
        return fail(PRONG_STALE, "commit of a message that is not lent to this process");
    if (message->size > header->wanted)
        return fail(PRONG_INVALID, "commit of %zu bytes where %llu were reserved", message->size,
                    (unsigned long long)header->wanted);
    prong_status status =
        channel_put_block(channel, generation, message->block, message->size, deadline_after(timeout));
    if (!status) *message = (prong_message){0};
    return status;
}

prong_status prong_queue_reserve(prong_queue handle, size_t size, prong_message *message) {
    struct queue *queue;
    prong_status status = find(handle, &queue);
    return status ? status : message_reserve(size, message);
}

prong_status prong_queue_commit(prong_queue handle, prong_message *message, prong_time timeout) {
    struct queue *queue;
    prong_status status = find(handle, &queue);
    if (!status) status = message_commit(&queue->channel, handle.generation, message, timeout);
    if (!status) count_put();
    return status;
}

prong_status prong_message_release(prong_message *message) {
    prong_status status = family_enter();
    if (status) return status;
    struct block *header = heap_block(message->block);
    if (!header || header->owner != self_token())
        return fail(PRONG_STALE, "release of a message that is not lent to this process");
    status = block_release(message->block);
    if (!status) *message = (prong_message){0};
    return status;
}

/* --- looking, and closing --- */

prong_status prong_queue_size(prong_queue handle, size_t *count) {
    struct queue *queue;
    prong_status status = find(handle, &queue);
    if (!status) *count = channel_count(&queue->channel);
    return status;
}

bool prong_queue_empty(prong_queue handle) {
    struct queue *queue;
    return find(handle, &queue) || !channel_has_message(&queue->channel);
}

bool prong_queue_full(prong_queue handle) {
    struct queue *queue;
    return !find(handle, &queue) && !channel_has_room(&queue->channel);
}

prong_status prong_queue_close(prong_queue handle) {
    struct queue *queue;
    prong_status status = find(handle, &queue);
    return status ? status : channel_close(&queue->channel, handle.generation);
}

prong_status prong_queue_fileno(prong_queue handle, int *descriptor) {
    struct queue *queue;
    prong_status status = find(handle, &queue);
    return status ? status : doorbell_open(&queue->channel, descriptor);
}

struct channel *queue_channel(prong_queue handle) {
    struct queue *queue;
    return find(handle, &queue) ? NULL : &queue->channel;
}

/* --- joinable --- */

enum { COUNT_BITS = 40 };

static uint64_t unfinished(struct queue *queue) {
    uint64_t done = atomic_load(&queue->done_before); /* first: more may be put meanwhile, none undone */
    for (int i = 0; i < LEDGERS; i++) done += atomic_load(&queue->ledgers[i].finished);
    uint64_t left = (channel_put_count(&queue->channel) - done) & ((1ull << COUNT_BITS) - 1);
    return left > 1ull << (COUNT_BITS - 1) ? 0 : left;
}

static prong_status find_joinable(prong_queue handle, struct queue **queue) {
    prong_status status = find(handle, queue);
    if (!status && !(*queue)->joinable) return fail(PRONG_INVALID, "the queue was not made joinable");
    return status;
}

/* One store ends it: there is no moment at which it is neither taken nor done. */
prong_status prong_queue_task_done(prong_joinable_queue handle) {
    struct queue *queue;
    prong_status status = find_joinable(handle, &queue);
    if (status) return status;
    if (unfinished(queue) == 0) return fail(PRONG_INVALID, "task_done was called more often than messages were put");
    struct ledger *ledger = ledger_of_self(queue);
    atomic_fetch_add(ledger ? &ledger->finished : &queue->done_before, 1);
    if (unfinished(queue) == 0) waitq_notify(&queue->joiners, INT_MAX);
    return PRONG_OK;
}

static bool all_done(void *queue) {
    return unfinished(queue) == 0;
}

prong_status prong_queue_join(prong_joinable_queue handle, prong_time timeout) {
    struct queue *queue;
    prong_status status = find_joinable(handle, &queue);
    if (status) return status;
    deadline_t deadline = deadline_after(timeout);
    while (!all_done(queue)) {
        if (!object_is_live(KIND_QUEUE, handle.offset, handle.generation))
            return fail(PRONG_STALE, "the queue was destroyed while it was joined");
        if (!waitq_wait(&queue->joiners, all_done, queue, deadline) && !all_done(queue))
            return fail(PRONG_TIMEOUT, "%llu messages are not done", (unsigned long long)unfinished(queue));
    }
    uint64_t lost = atomic_exchange(&queue->lost, 0);
    if (lost)
        return fail(PRONG_OWNER_DIED, "%llu messages had been taken by processes that died before they were done",
                    (unsigned long long)lost);
    return PRONG_OK;
}

/* --- as an object --- */

/* Closes a dead member's ledger, in one step under the guard of recovery, which is held. */
static void settle_ledger(struct queue *queue, struct ledger *ledger) {
    struct guard *guard = &arena()->recovery_guard;
    uint64_t finished = atomic_load(&ledger->finished), left = unfinished(queue);
    uint64_t lost = ledger->taken > finished ? ledger->taken - finished : 0;
    if (lost > left) lost = left;
    guard_set(guard, (uint64_t *)&queue->done_before, atomic_load(&queue->done_before) + finished + lost);
    guard_set(guard, (uint64_t *)&queue->lost, atomic_load(&queue->lost) + lost);
    guard_set(guard, &ledger->taken, 0);
    guard_set(guard, (uint64_t *)&ledger->finished, 0);
    guard_set(guard, (uint64_t *)&ledger->member, 0);
    guard_commit(guard);
}

static void recover(void *object, uint32_t dead) {
    struct queue *queue = object;
    channel_recover(&queue->channel, dead);
    for (int i = 0; queue->joinable && i < LEDGERS; i++)
        if (atomic_load(&queue->ledgers[i].member) == dead) settle_ledger(queue, &queue->ledgers[i]);
    waitq_notify(&queue->joiners, INT_MAX);
    uint64_t maker = dead; /* it is this recovery's to destroy, or who took it over is there for it */
    if (atomic_compare_exchange_strong(&queue->private_to, &maker, 0)) object_destroy(queue, object_generation(queue));
}

/* Who dies later has nothing to do with what comes to be here. */
static bool dispose(void *object) {
    struct queue *queue = object;
    atomic_store(&queue->private_to, 0);
    queue->joinable = false;
    atomic_store(&queue->done_before, 0);
    atomic_store(&queue->lost, 0);
    memset(queue->ledgers, 0, sizeof queue->ledgers);
    return channel_dispose(&queue->channel);
}

const struct object_type queue_type = {
    .name = "queue", .size = sizeof(struct queue), .recover = recover, .dispose = dispose, .inherits = true};
