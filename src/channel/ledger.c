/* Ledgers: finding a member's own, claiming a free one, making more. */
#include "channel/ledger.h"

#include "base/error.h"
#include "family/guard.h"
#include "family/heap.h"

#include <string.h>

struct ledger_block {
    uint64_t next;
    struct ledger ledger[LEDGERS_A_BLOCK];
};

static struct ledger_block *ledger_block_at(uint64_t offset) {
    return offset ? arena_at(offset) : NULL;
}

static struct ledger_block *block_newest(struct ledgers *ledgers) {
    return ledger_block_at(__atomic_load_n(&ledgers->more, __ATOMIC_ACQUIRE));
}

static bool ledgers_each_of(struct ledger *some, int count, bool (*visit)(struct ledger *, void *), void *context) {
    for (int i = 0; i < count; i++)
        if (atomic_load_explicit(&some[i].member, memory_order_relaxed) && visit(&some[i], context)) return true;
    return false;
}

bool ledgers_each(struct ledgers *ledgers, bool (*visit)(struct ledger *, void *), void *context) {
    if (ledgers_each_of(ledgers->first, LEDGERS_FIRST, visit, context)) return true;
    for (struct ledger_block *block = block_newest(ledgers); block; block = ledger_block_at(block->next))
        if (ledgers_each_of(block->ledger, LEDGERS_A_BLOCK, visit, context)) return true;
    return false;
}

static bool ledger_add_up(struct ledger *ledger, void *sum) {
    *(uint64_t *)sum += atomic_load(&ledger->finished);
    return false;
}

/* A ledger that is being settled may be missing here before the queue's own sum includes it (settle_ledger): then the
 * count of finished messages is too low for a moment, and joiners are woken when it is right. */
uint64_t ledgers_finished(struct ledgers *ledgers) {
    uint64_t sum = 0;
    ledgers_each(ledgers, ledger_add_up, &sum);
    return sum;
}

/* --- this member's --- */

struct own_ledger {
    uint64_t token;
    struct ledger *found;
};

static bool ledger_is_own(struct ledger *ledger, void *context) {
    struct own_ledger *own = context;
    if (atomic_load_explicit(&ledger->member, memory_order_relaxed) != own->token) return false;
    own->found = ledger;
    return true;
}

static struct ledger *ledger_claim_of(struct ledger *some, int count) {
    for (int i = 0; i < count; i++) {
        uint64_t none = 0;
        if (atomic_load_explicit(&some[i].member, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&some[i].member, &none, self_token()))
            return &some[i];
    }
    return NULL;
}

static struct ledger *ledger_claim(struct ledgers *ledgers) {
    struct ledger *claimed = ledger_claim_of(ledgers->first, LEDGERS_FIRST);
    for (struct ledger_block *block = block_newest(ledgers); !claimed && block; block = ledger_block_at(block->next))
        claimed = ledger_claim_of(block->ledger, LEDGERS_A_BLOCK);
    return claimed;
}

/* The guard is that under which ledgers are settled. */
static prong_status ledgers_extend(struct ledgers *ledgers) {
    struct guard *guard = &arena()->recovery_guard;
    if (!guard_enter(guard, PRONG_FOREVER)) return lock_refused(PRONG_TIMEOUT, "a recovery");
    prong_status status = PRONG_OK;
    if (!ledgers->pending) status = heap_alloc(sizeof(struct ledger_block), 0, &ledgers->pending, NULL);
    if (status >= 0) {
        struct ledger_block *block = arena_at(ledgers->pending);
        memset(block, 0, sizeof *block);
        block->next = ledgers->more;
        guard_set(guard, &ledgers->more, ledgers->pending);
        guard_set(guard, &ledgers->pending, 0);
    }
    guard_leave(guard);
    return status;
}

prong_status ledger_of_self(struct ledgers *ledgers, struct ledger **ledger) {
    struct own_ledger own = {.token = self_token()};
    prong_status status = PRONG_OK;
    if (!ledgers_each(ledgers, ledger_is_own, &own)) own.found = ledger_claim(ledgers);
    if (!own.found) ledgers_look(ledgers); /* those of the dead are free then */
    while (status >= 0 && !own.found && !(own.found = ledger_claim(ledgers))) status = ledgers_extend(ledgers);
    *ledger = own.found;
    return status;
}

/* --- the dead, and the end --- */

static bool ledger_look(struct ledger *ledger, void *unused) {
    uint64_t member = atomic_load(&ledger->member);
    (void)unused;
    if (member) member_look((uint32_t)member);
    return false;
}

void ledgers_look(struct ledgers *ledgers) {
    ledgers_each(ledgers, ledger_look, NULL);
}

void ledgers_free(struct ledgers *ledgers) {
    while (ledgers->more) {
        uint64_t *link = &ledgers->more;
        while (ledger_block_at(*link)->next) link = &ledger_block_at(*link)->next;
        heap_free(*link, link);
    }
    if (ledgers->pending) heap_free(ledgers->pending, &ledgers->pending);
}
