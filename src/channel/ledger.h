/* The ledgers of a joinable queue: how many messages each member has taken, and how many of these it has finished. A
 * member keeps its ledger until it is buried; messages that it had taken and not finished count as finished then, so
 * that joiners do not wait for a dead member. */
#ifndef CHANNEL_LEDGER_H
#define CHANNEL_LEDGER_H

#include "family/member.h"

enum { LEDGERS_FIRST = 14, LEDGERS_A_BLOCK = 42 };

struct ledger {
    _Atomic uint64_t member;   /* token; 0: free */
    uint64_t taken;            /* changed under the takers' lock: see take.c */
    _Atomic uint64_t finished; /* changed by the member, which may have several threads */
};

/* All zero: none. Further ones are in blocks that stay until the queue is disposed of. */
struct ledgers {
    struct ledger first[LEDGERS_FIRST];
    uint64_t more;    /* the newest block */
    uint64_t pending; /* one that is allocated, and not linked yet */
};

/* This member's ledger; it gets one if it has none. PRONG_NO_MEMORY, PRONG_TIMEOUT (a stopped process is in the middle
 * of a recovery). Not under a lock or guard. */
prong_status ledger_of_self(struct ledgers *ledgers, struct ledger **ledger);
/* Calls visit for each ledger that belongs to a member; stops when visit returns true, and returns that. */
bool ledgers_each(struct ledgers *ledgers, bool (*visit)(struct ledger *ledger, void *context), void *context);
/* How many messages all members have finished. */
uint64_t ledgers_finished(struct ledgers *ledgers);
/* Buries those members that have died. */
void ledgers_look(struct ledgers *ledgers);
/* Frees the blocks. If this process dies in here, another continues. */
void ledgers_free(struct ledgers *ledgers);

#endif
