/* What higher layers share with this one: things to wait for, and memory in which messages are lent. */
#ifndef CHANNEL_SOURCE_H
#define CHANNEL_SOURCE_H

#include "family/waited.h"

#include <prong/wait.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* The first member of what a prong_waitable of kind PRONG_WAIT_LINK or PRONG_WAIT_LISTENER points to. */
struct source {
    int descriptor;
    bool (*ready)(struct source *source); /* without looking at the descriptor; NULL: only that counts */
};

/* Fills in what prong_wait needs to know about an item. A destroyed object is ready; PRONG_STALE if that would hide a
 * mistake of the caller. */
typedef prong_status source_resolve(const prong_waitable *item, struct waited *waited);
source_resolve queue_source, connection_source, descriptor_source, link_source;

/* By prong_waitable_kind; defined above this layer, in sources.c. */
enum { SOURCE_KINDS = PRONG_WAIT_POPEN + 1 };
extern source_resolve *const sources[SOURCE_KINDS];

/* The first member of malloc'ed memory of this process in which messages are lent. Its owner and each of these messages
 * hold it; the last one to drop it frees it. */
struct loan {
    _Atomic size_t holders;
};

/* In a message's `block`: the address of a loan. A block of the arena has an even offset. */
enum { LOAN = 1 };

static inline bool loan_is(const prong_message *message) {
    return message->block & LOAN;
}

static inline prong_message loan_lend(struct loan *loan, void *data, size_t size) {
    atomic_fetch_add_explicit(&loan->holders, 1, memory_order_relaxed);
    return (prong_message){data, size, (uintptr_t)loan | LOAN};
}

/* acq_rel: what each holder did with the memory happens before it is freed, and before its owner, which loads the count
 * with acquire, uses it again. */
static inline void loan_drop(struct loan *loan) {
    if (atomic_fetch_sub_explicit(&loan->holders, 1, memory_order_acq_rel) == 1) free(loan);
}

static inline void loan_release(prong_message *message) {
    loan_drop((struct loan *)(uintptr_t)(message->block & ~(uint64_t)LOAN));
    *message = (prong_message){0};
}

#endif
