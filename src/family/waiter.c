/* The waiters' table. */
#include "family/waiter.h"

#include "os/os.h"

/* Where this thread found a row last time. */
static QUICK_LOCAL uint32_t hint;

static struct waiter *waiter_table(void) {
    return (struct waiter *)(void *)(member_rows() + MEMBER_LIMIT);
}

/* Raised before the row is taken, so that the process that buries a member sees all its rows. */
static void waiters_raise_used(uint64_t to) {
    uint64_t used = atomic_load(&arena()->waiters_used);
    while (used < to && !atomic_compare_exchange_weak(&arena()->waiters_used, &used, to)) {}
}

static bool waiter_take(struct waiter *row, uint64_t index, uint64_t who) {
    uint64_t nobody = 0;
    if (atomic_load_explicit(&row->who, memory_order_relaxed) != 0) return false;
    waiters_raise_used(index + 1);
    return atomic_compare_exchange_strong(&row->who, &nobody, who);
}

struct waiter *waiter_begin(void *object) {
    uint64_t who = (uint64_t)self_token() << 32 | thread_self();
    for (uint32_t tried = 0; tried < WAITER_LIMIT; tried++) {
        uint32_t index = tried == 0 ? hint : tried - 1;
        struct waiter *row = &waiter_table()[index];
        if (!waiter_take(row, index, who)) continue;
        hint = index;
        atomic_store(&row->state, WAITER_WAITING);
        atomic_store(&row->limit, WAITER_LIMITED);
        atomic_store(&row->since, clock_now());
        atomic_store(&row->object, object ? arena_offset(object) : 0);
        return row;
    }
    return NULL;
}

void waiter_end(struct waiter *waiter) {
    if (!waiter) return;
    atomic_store(&waiter->object, 0);
    atomic_store(&waiter->who, 0);
}

void waiters_each(void (*visit)(struct waiter *, void *), void *context) {
    uint64_t used = atomic_load(&arena()->waiters_used);
    for (uint64_t i = 0; i < used; i++)
        if (atomic_load_explicit(&waiter_table()[i].who, memory_order_relaxed)) visit(&waiter_table()[i], context);
}

static void waiter_forget(struct waiter *waiter, void *dead) {
    if (waiter_token(waiter) != *(uint32_t *)dead) return;
    atomic_store(&waiter->watched, 0);
    atomic_store(&waiter->address, 0);
    waiter_end(waiter);
}

void waiters_forget(uint32_t dead) {
    waiters_each(waiter_forget, &dead);
}
