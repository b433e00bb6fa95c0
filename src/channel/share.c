/* Share: bytes that are written once and read in place, counted by member. */
#include <prong/share.h>

#include "base/error.h"
#include "channel/ledger.h"
#include "channel/queue.h"
#include "channel/share.h"
#include "family/guard.h"
#include "family/heap.h"
#include "family/object.h"

#include <string.h>

/* `users` and the ledgers change together, under the guard. A process that brings `users` to 0 destroys the share; if it
 * dies before that, the one that buries it does. From then on nobody has the address, so the block is freed before the
 * last thread has left the object. */
struct share {
    struct object object;
    uint64_t block, size;
    uint64_t creator;       /* token */
    uint64_t users;         /* opens that are not closed, of all members */
    struct ledgers ledgers; /* of each: taken is the number of opens, finished that of closes */
    struct guard guard;
};

static inline prong_status share_enter(struct visit *inside, prong_share handle, struct share **share) {
    return object_enter(inside, KIND_SHARE, handle.offset, handle.generation, (void **)share);
}

static prong_status share_enter_guard(struct share *share) {
    return guard_enter(&share->guard, PRONG_FOREVER) ? PRONG_OK : lock_refused(PRONG_TIMEOUT, "a share");
}

static prong_status share_has_ended(void) {
    return fail_text(PRONG_STALE, "not a handle of a live share: all that had it open have closed it or died");
}

/* --- creating --- */

static prong_status share_begin(prong_share *handle, const prong_share_options *options, struct share **share) {
    struct ledger *ledger;
    if (!handle) return fail_text(PRONG_INVALID, "share create: no place for the handle");
    CHECK_RESERVED(options, "share create: options");
    TRY(family_enter());
    TRY(object_create(KIND_SHARE, (void **)share));
    prong_status status = object_label(*share, options ? options->name : NULL);
    if (status >= 0) status = ledger_of_self(&(*share)->ledgers, &ledger);
    if (status < 0) {
        object_destroy(*share, object_generation(*share));
        return status;
    }
    (*share)->creator = self_token();
    ledger->taken = (*share)->users = 1;
    return PRONG_OK;
}

static void share_publish(struct share *share, uint64_t size, prong_share *handle) {
    share->size = size;
    *handle = (prong_share){arena_offset(share), object_generation(share)};
    object_publish(share);
}

prong_status prong_share_create(prong_share *handle, const void *data, size_t size,
                                const prong_share_options *options) {
    struct share *share;
    TRY(check_bytes(data, size, "share create: data"));
    TRY(share_begin(handle, options, &share));
    prong_status status = heap_alloc(size, 0, &share->block, NULL);
    if (status < 0) {
        object_destroy(share, object_generation(share));
        return status;
    }
    if (size) memcpy(arena_at(share->block), data, size);
    share_publish(share, size, handle);
    return PRONG_OK;
}

/* If this process dies in here, the block is freed as the share's, or as lent to this process; the share goes first. */
static void share_take_block(struct share *share, uint64_t block) {
    share->block = block;
    atomic_signal_fence(memory_order_seq_cst);
    __atomic_store_n(&heap_header(block)->owner, 0, __ATOMIC_RELAXED);
    atomic_fetch_sub(&self_row()->held, 1);
}

prong_status prong_share_commit(prong_share *handle, prong_message *message, const prong_share_options *options) {
    struct share *share;
    TRY(family_enter());
    TRY(message_check_commit(message));
    TRY(share_begin(handle, options, &share));
    share_take_block(share, message->block);
    share_publish(share, message->size, handle);
    *message = (prong_message){0};
    return PRONG_OK;
}

/* --- opening and closing --- */

static prong_status share_count_open(struct share *share, struct ledger *ledger) {
    TRY(share_enter_guard(share));
    bool lives = share->users > 0;
    if (lives) {
        guard_set(&share->guard, &share->users, share->users + 1);
        guard_set(&share->guard, &ledger->taken, ledger->taken + 1);
    }
    guard_leave(&share->guard);
    return lives ? PRONG_OK : share_has_ended();
}

prong_status prong_share_open(prong_share handle, const void **data, size_t *size) {
    struct share *share;
    struct ledger *ledger;
    INSIDE struct visit inside = {0};
    TRY(share_enter(&inside, handle, &share));
    TRY(ledger_of_self(&share->ledgers, &ledger));
    TRY(share_count_open(share, ledger));
    if (data) *data = arena_at(share->block);
    if (size) *size = share->size;
    return PRONG_OK;
}

/* *left: how many opens there are now. */
static prong_status share_count_close(struct share *share, struct ledger *ledger, uint64_t *left) {
    TRY(share_enter_guard(share));
    uint64_t closed = atomic_load(&ledger->finished);
    bool open = ledger->taken > closed;
    if (open) {
        guard_set(&share->guard, &share->users, share->users - 1);
        guard_set(&share->guard, (uint64_t *)&ledger->finished, closed + 1);
    }
    *left = share->users;
    guard_leave(&share->guard);
    return open ? PRONG_OK : fail_text(PRONG_INVALID, "share close: this process does not have the share open");
}

static prong_status share_close_inside(prong_share handle) {
    struct share *share;
    struct ledger *ledger;
    uint64_t left;
    INSIDE struct visit inside = {0};
    TRY(share_enter(&inside, handle, &share));
    TRY(ledger_of_self(&share->ledgers, &ledger));
    TRY(share_count_close(share, ledger, &left));
    if (left == 0) object_destroy(share, handle.generation);
    return PRONG_OK;
}

prong_status prong_share_close(prong_share handle) {
    prong_status status = share_close_inside(handle);
    if (status >= 0) retired_sweep_if_due(); /* when this thread is inside of it no more */
    return status;
}

static bool share_creator_has_it(struct ledger *ledger, void *share) {
    return atomic_load(&ledger->member) == ((struct share *)share)->creator &&
           ledger->taken > atomic_load(&ledger->finished);
}

bool share_is_left(prong_share handle) {
    struct share *share;
    INSIDE struct visit inside = {0};
    return share_enter(&inside, handle, &share) < 0 || !ledgers_each(&share->ledgers, share_creator_has_it, share);
}

/* --- as an object --- */

struct leaving {
    struct share *share;
    uint32_t dead;
};

static bool share_leave_if_dead(struct ledger *ledger, void *context) {
    const struct leaving *leaving = context;
    struct share *share = leaving->share;
    if (atomic_load(&ledger->member) != leaving->dead || share_enter_guard(share) < 0) return false;
    uint64_t open = ledger->taken - atomic_load(&ledger->finished);
    guard_set(&share->guard, &share->users, share->users - open);
    guard_set(&share->guard, &ledger->taken, 0);
    guard_set(&share->guard, (uint64_t *)&ledger->finished, 0);
    guard_set(&share->guard, (uint64_t *)&ledger->member, 0);
    guard_leave(&share->guard);
    return false;
}

static void share_recover(void *object, uint32_t dead) {
    struct share *share = object;
    uint64_t generation = object_generation(share);
    guard_settle(&share->guard, dead);
    if (atomic_load(&share->object.state) != OBJECT_LIVE) return;
    ledgers_each(&share->ledgers, share_leave_if_dead, &(struct leaving){share, dead});
    if (share->users == 0) object_destroy(share, generation);
}

static void share_end(void *object) {
    struct share *share = object;
    if (share->block) heap_free(share->block, &share->block);
}

static bool share_dispose(void *object) {
    share_end(object);
    ledgers_free(&((struct share *)object)->ledgers);
    return true;
}

const struct object_type share_type = {
    .name = "share",
    .size = sizeof(struct share),
    .recover = share_recover,
    .end = share_end,
    .dispose = share_dispose,
};
