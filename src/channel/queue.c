/* Queue: a channel, and the ledgers of a joinable one. */
#include <prong/queue.h>

#include "base/error.h"
#include "channel/channel.h"
#include "channel/bell.h"
#include "channel/ledger.h"
#include "channel/quick.h"
#include "channel/source.h"
#include "channel/queue.h"
#include "family/heap.h"
#include "family/member.h"
#include "family/object.h"

#include <limits.h>
#include <string.h>

struct queue {
    struct object object;
    bool joinable;
    _Atomic uint64_t private_to; /* it is destroyed when this member dies; 0: it stays until it is destroyed */
    struct channel channel;
    /* The number of messages put is the channel's count. The number finished is a sum: what the members in the ledgers
     * have finished, and what members before them had. */
    _Alignas(64) _Atomic uint64_t done_before;
    _Atomic uint64_t lost; /* taken by processes that died, and not reported yet */
    struct waitq joiners;
    struct ledgers ledgers;
};

static inline struct queue *queue_at(prong_queue handle) {
    return arena_at(handle.offset);
}

static inline prong_status queue_enter(struct visit *inside, prong_queue handle, struct queue **queue) {
    return object_enter(inside, KIND_QUEUE, handle.offset, handle.generation, (void **)queue);
}

static prong_status queue_build(prong_queue *handle, const prong_queue_options *options, uint32_t private_to) {
    struct queue *queue;
    if (!handle) return fail(PRONG_INVALID, "queue create: no place for the handle");
    TRY(family_enter());
    TRY(object_create(KIND_QUEUE, (void **)&queue));
    uint64_t generation = object_generation(queue);
    prong_status status = channel_init(&queue->channel, queue, generation, options ? options->maxsize : 0,
                                       options ? options->maxbytes : 0);
    if (status < 0) {
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
    CHECK_RESERVED(options, "queue create: options");
    return queue_build(handle, options, 0);
}

prong_status queue_create_private(prong_queue *handle) {
    TRY(family_enter());
    return queue_build(handle, NULL, self_token());
}

bool queue_take_over(prong_queue handle) {
    struct queue *queue;
    INSIDE struct visit inside = {0};
    if (queue_enter(&inside, handle, &queue)) return false;
    uint64_t maker = atomic_load(&queue->private_to);
    return maker && atomic_compare_exchange_strong(&queue->private_to, &maker, 0);
}

void queue_sleep(prong_queue handle, deadline_t deadline) {
    struct queue *queue;
    INSIDE struct visit inside = {0};
    INTERRUPTIBLE;
    if (queue_enter(&inside, handle, &queue)) return;
    waitq_sleep(&queue->channel.readable, channel_ready_to_take, &queue->channel, deadline);
}

/* Closes the descriptor, too, even if another process has destroyed the queue. */
prong_status prong_queue_destroy(prong_queue handle) {
    prong_status status = object_destroy_handle(KIND_QUEUE, handle.offset, handle.generation);
    if (object_is_place(handle.offset))
        object_bell_close(&((struct queue *)arena_at(handle.offset))->channel.bell, handle.generation);
    return status;
}

static void count_put(void) {
    count_event(&self_row()->puts);
}

static void count_get(void) {
    count_event(&self_row()->gets);
}

/* --- putting --- */

static __attribute__((noinline)) prong_status queue_put_slow(prong_queue handle, const void *data, size_t size,
                                                             prong_time timeout) {
    struct queue *queue;
    INSIDE struct visit inside = {0};
    TRY(check_bytes(data, size, "queue put: data"));
    TRY(queue_enter(&inside, handle, &queue));
    prong_status status = channel_put(&queue->channel, handle.generation, data, size, deadline_after(timeout));
    if (status >= 0) count_put();
    return status;
}

/* The quick ways begin with the queue's address, which needs no register beside the handle. */
static inline prong_queue queue_handle(struct queue *queue, uint64_t generation) {
    return (prong_queue){arena_offset(queue), generation};
}

static __attribute__((noinline)) prong_status queue_put_any(struct queue *queue, uint64_t generation, const void *data,
                                                            size_t size, prong_time timeout) {
    if (!data || !channel_put_quickly(&queue->channel, generation, data, size))
        return queue_put_slow(queue_handle(queue, generation), data, size, timeout);
    count_put();
    return PRONG_OK;
}

static __attribute__((noinline)) prong_status queue_put_inside(struct queue *queue, uint64_t generation,
                                                               const void *data, size_t size, prong_time timeout) {
    if (!put_inside(&queue->channel, generation, data, 8))
        return queue_put_slow(queue_handle(queue, generation), data, size, timeout);
    count_put();
    return PRONG_OK;
}

static __attribute__((noinline)) prong_status queue_put_awaited(struct queue *queue) {
    quick_after_put(&queue->channel);
    return PRONG_OK;
}

/* All calls in here are the last thing that is done, so that no registers are saved. */
prong_status prong_queue_put(prong_queue handle, const void *data, size_t size, prong_time timeout) {
    if (!object_is_place(handle.offset)) return queue_put_slow(handle, data, size, timeout);
    struct queue *queue = queue_at(handle);
    if (size != 8 || !data) return queue_put_any(queue, handle.generation, data, size, timeout);
    enum quickly done = channel_put_word(&queue->channel, handle.generation, data);
    if (done == QUICK_NOT) return queue_put_any(queue, handle.generation, data, size, timeout);
    if (done == QUICK_INSIDE) return queue_put_inside(queue, handle.generation, data, size, timeout);
    count_event(&thread_known.member->puts);
    return done == QUICK_AWAITED ? queue_put_awaited(queue) : PRONG_OK;
}

/* --- taking --- */

static prong_status queue_take(struct queue *queue, struct taking *taking, prong_time timeout) {
    struct ledger *ledger;
    if (queue->joinable) {
        TRY(ledger_of_self(&queue->ledgers, &ledger));
        taking->ledger = &ledger->taken;
    }
    TRY(channel_take(&queue->channel, taking, deadline_after(timeout)));
    count_get();
    return PRONG_OK;
}

static __attribute__((noinline)) prong_status queue_get_slow(prong_queue handle, void *buffer, size_t capacity,
                                                             size_t *size, prong_time timeout) {
    struct queue *queue;
    INSIDE struct visit inside = {0};
    TRY(check_bytes(buffer, capacity, "queue get: buffer"));
    TRY(queue_enter(&inside, handle, &queue));
    struct taking taking = {.generation = handle.generation, .buffer = buffer, .capacity = capacity};
    prong_status status = queue_take(queue, &taking, timeout);
    if (size && (status >= 0 || status == PRONG_TOO_LONG)) *size = taking.size;
    if (status == PRONG_TOO_LONG)
        return fail(status, "the next message has %zu bytes, the buffer %zu", taking.size, capacity);
    return status;
}

static __attribute__((noinline)) prong_status queue_get_any(struct queue *queue, uint64_t generation, void *buffer,
                                                            size_t capacity, size_t *size, prong_time timeout) {
    if (!buffer || queue->joinable || !channel_take_quickly(&queue->channel, generation, buffer, capacity, size))
        return queue_get_slow(queue_handle(queue, generation), buffer, capacity, size, timeout);
    count_get();
    return PRONG_OK;
}

static __attribute__((noinline)) prong_status queue_get_inside(struct queue *queue, uint64_t generation, void *buffer,
                                                               size_t capacity, size_t *size, prong_time timeout) {
    if (!take_inside(&queue->channel, generation, buffer, capacity, false, size))
        return queue_get_slow(queue_handle(queue, generation), buffer, capacity, size, timeout);
    count_get();
    return PRONG_OK;
}

static __attribute__((noinline)) prong_status queue_get_awaited(struct queue *queue) {
    quick_after_take(&queue->channel);
    return PRONG_OK;
}

/* As in prong_queue_put. */
prong_status prong_queue_get(prong_queue handle, void *buffer, size_t capacity, size_t *size, prong_time timeout) {
    if (!object_is_place(handle.offset)) return queue_get_slow(handle, buffer, capacity, size, timeout);
    struct queue *queue = queue_at(handle);
    if (capacity < 8 || !buffer || queue->joinable)
        return queue_get_any(queue, handle.generation, buffer, capacity, size, timeout);
    enum quickly done = channel_take_word(&queue->channel, handle.generation, buffer);
    if (done == QUICK_NOT) return queue_get_any(queue, handle.generation, buffer, capacity, size, timeout);
    if (done == QUICK_INSIDE) return queue_get_inside(queue, handle.generation, buffer, capacity, size, timeout);
    if (size) *size = 8;
    count_event(&thread_known.member->gets);
    return done == QUICK_AWAITED ? queue_get_awaited(queue) : PRONG_OK;
}

prong_status prong_queue_receive(prong_queue handle, prong_message *message, prong_time timeout) {
    struct queue *queue;
    INSIDE struct visit inside = {0};
    TRY(queue_enter(&inside, handle, &queue));
    struct taking taking = {.generation = handle.generation, .lend = true};
    prong_status status = queue_take(queue, &taking, timeout);
    if (status >= 0) *message = (prong_message){arena_at(taking.block), taking.size, taking.block};
    return status;
}

/* --- in place --- */

prong_status prong_message_reserve(prong_message *message, size_t size) {
    uint64_t block;
    TRY(family_enter());
    prong_status status = block_reserve(size, &block);
    if (status >= 0) *message = (prong_message){arena_at(block), size, block};
    return status;
}

prong_status message_check_commit(const prong_message *message) {
    if (loan_is(message))
        return fail_text(PRONG_INVALID, "commit of a message that a link has lent: it is not in the family's memory");
    struct block *header = heap_block(message->block);
    if (!header || header->owner != self_token())
        return fail(PRONG_STALE, "commit of a message that is not lent to this process");
    if (message->size > header->wanted)
        return fail(PRONG_INVALID, "commit of %zu bytes where %llu were reserved", message->size,
                    (unsigned long long)header->wanted);
    return PRONG_OK;
}

prong_status message_commit(struct channel *channel, uint64_t generation, prong_message *message, prong_time timeout) {
    TRY(message_check_commit(message));
    prong_status status =
        channel_put_block(channel, generation, message->block, message->size, deadline_after(timeout));
    if (status >= 0) *message = (prong_message){0};
    return status;
}

prong_status prong_queue_commit(prong_queue handle, prong_message *message, prong_time timeout) {
    struct queue *queue;
    INSIDE struct visit inside = {0};
    prong_status status = queue_enter(&inside, handle, &queue);
    if (status >= 0) status = message_commit(&queue->channel, handle.generation, message, timeout);
    if (status >= 0) count_put();
    return status;
}

prong_status prong_message_release(prong_message *message) {
    if (loan_is(message)) {
        loan_release(message);
        return PRONG_OK;
    }
    TRY(family_enter());
    struct block *header = heap_block(message->block);
    if (!header || header->owner != self_token())
        return fail(PRONG_STALE, "release of a message that is not lent to this process");
    prong_status status = block_release(message->block);
    if (status >= 0) *message = (prong_message){0};
    return status;
}

/* --- looking, and closing --- */

prong_status prong_queue_size(prong_queue handle, size_t *size, size_t *maxsize) {
    struct queue *queue;
    INSIDE struct visit inside = {0};
    TRY(queue_enter(&inside, handle, &queue));
    size_t count = channel_count_exactly(&queue->channel);
    if (!count) bell_after_nothing(&queue->channel);
    if (size) *size = count;
    if (maxsize) *maxsize = queue->channel.fixed.message_limit;
    return PRONG_OK;
}

bool queue_is_empty(prong_queue handle) {
    struct queue *queue;
    INSIDE struct visit inside = {0};
    return queue_enter(&inside, handle, &queue) || !channel_has_message(&queue->channel);
}

prong_status prong_queue_shutdown(prong_queue handle) {
    struct queue *queue;
    INSIDE struct visit inside = {0};
    TRY(queue_enter(&inside, handle, &queue));
    return channel_close(&queue->channel, handle.generation);
}

prong_status prong_queue_fileno(prong_queue handle, int *descriptor) {
    struct queue *queue;
    INSIDE struct visit inside = {0};
    TRY(queue_enter(&inside, handle, &queue));
    return object_bell_open(&queue->channel.bell, handle.generation, descriptor);
}

struct channel *queue_channel(prong_queue handle) {
    struct queue *queue;
    return object_find(KIND_QUEUE, handle.offset, handle.generation, (void **)&queue) ? NULL : &queue->channel;
}

/* --- joinable --- */

enum { COUNT_BITS = 40 };

static uint64_t queue_unfinished(struct queue *queue) {
    uint64_t done = atomic_load(&queue->done_before); /* first: more may be put meanwhile, none undone */
    done += ledgers_finished(&queue->ledgers);
    uint64_t left = (channel_put_count(&queue->channel) - done) & ((1ull << COUNT_BITS) - 1);
    return left > 1ull << (COUNT_BITS - 1) ? 0 : left;
}

static prong_status queue_enter_joinable(struct visit *inside, prong_queue handle, struct queue **queue) {
    prong_status status = queue_enter(inside, handle, queue);
    if (status >= 0 && !(*queue)->joinable) return fail(PRONG_INVALID, "the queue was not made joinable");
    return status;
}

/* One store ends it: at no moment the message is neither taken nor finished. */
static prong_status queue_finish_one(struct queue *queue) {
    struct ledger *ledger;
    TRY(ledger_of_self(&queue->ledgers, &ledger));
    atomic_fetch_add(&ledger->finished, 1);
    if (queue_unfinished(queue) == 0) waitq_notify(&queue->joiners, INT_MAX);
    return PRONG_OK;
}

prong_status prong_queue_task_done(prong_queue handle) {
    struct queue *queue;
    INSIDE struct visit inside = {0};
    TRY(queue_enter_joinable(&inside, handle, &queue));
    if (queue_unfinished(queue) == 0)
        return fail(PRONG_INVALID, "task_done was called more often than messages were put");
    return queue_finish_one(queue);
}

/* It counts as put twice: once of these it is finished, after it is back, or a join might end between. */
prong_status queue_put_back(prong_queue handle, const void *data, size_t size, prong_message *lent) {
    struct queue *queue;
    INSIDE struct visit inside = {0};
    TRY(queue_enter(&inside, handle, &queue));
    TRY(channel_put_back(&queue->channel, handle.generation, data, lent ? lent->size : size, lent ? lent->block : 0));
    if (lent) *lent = (prong_message){0};
    return queue->joinable ? queue_finish_one(queue) : PRONG_OK;
}

static bool all_done(void *queue) {
    return queue_unfinished(queue) == 0;
}

prong_status prong_queue_join(prong_queue handle, prong_time timeout) {
    struct queue *queue;
    INSIDE struct visit inside = {0};
    TRY(queue_enter_joinable(&inside, handle, &queue));
    deadline_t deadline = deadline_after(timeout);
    INTERRUPTIBLE;
    while (!all_done(queue)) {
        if (!object_is_live(KIND_QUEUE, handle.offset, handle.generation))
            return fail(PRONG_STALE, "the queue was destroyed while it was joined");
        if (!waitq_wait(&queue->joiners, all_done, queue, deadline) && !all_done(queue))
            return fail(PRONG_TIMEOUT, "%llu messages are not done", (unsigned long long)queue_unfinished(queue));
        ledgers_look(&queue->ledgers);
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
    uint64_t finished = atomic_load(&ledger->finished), left = queue_unfinished(queue);
    uint64_t lost = ledger->taken > finished ? ledger->taken - finished : 0;
    if (lost > left) lost = left;
    guard_set(guard, &ledger->taken, 0);
    guard_set(guard, (uint64_t *)&ledger->finished,
              0); /* first: unfinished() must not count it twice, and end a join too early */
    guard_set(guard, (uint64_t *)&queue->done_before, atomic_load(&queue->done_before) + finished + lost);
    guard_set(guard, (uint64_t *)&queue->lost, atomic_load(&queue->lost) + lost);
    guard_set(guard, (uint64_t *)&ledger->member, 0);
    guard_commit(guard);
}

struct settling {
    struct queue *queue;
    uint32_t dead;
};

static bool settle_if_dead(struct ledger *ledger, void *context) {
    const struct settling *settling = context;
    if (atomic_load(&ledger->member) != settling->dead) return false;
    settle_ledger(settling->queue, ledger);
    waitq_wake_all(&settling->queue->joiners);
    return false;
}

static void queue_recover(void *object, uint32_t dead) {
    struct queue *queue = object;
    channel_recover(&queue->channel, dead);
    if (queue->joinable) ledgers_each(&queue->ledgers, settle_if_dead, &(struct settling){queue, dead});
    uint64_t maker = dead; /* this recovery destroys it, unless another process has taken it over */
    if (atomic_compare_exchange_strong(&queue->private_to, &maker, 0)) object_destroy(queue, object_generation(queue));
}

static void queue_wake(void *object) {
    struct queue *queue = object;
    channel_wake(&queue->channel);
    waitq_wake_all(&queue->joiners);
}

static void queue_end(void *object) {
    struct queue *queue = object;
    channel_end(&queue->channel);
    waitq_notify(&queue->joiners, INT_MAX);
}

static bool queue_dispose(void *object) {
    struct queue *queue = object;
    if (!channel_dispose(&queue->channel)) return false; /* what was not taken may still have to be uncounted */
    ledgers_free(&queue->ledgers);
    return true;
}

static uint64_t queue_weigh(void *object) {
    return channel_weigh(&((struct queue *)object)->channel);
}

const struct object_type queue_type = {
    .name = "queue",
    .size = sizeof(struct queue),
    .recover = queue_recover,
    .wake = queue_wake,
    .end = queue_end,
    .dispose = queue_dispose,
    .weigh = queue_weigh,
};
