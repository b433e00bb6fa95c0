/* The hands whose tasks have a time limit, as a heap, the first to end on top: so the owner knows when to look, and looks at no
 * others. All under the pool's guard. */
#ifndef POOL_LIMITS_H
#define POOL_LIMITS_H

#include "pool/pool.h"

/* Children of a place in the heap, and levels of a heap of MEMBER_LIMIT hands: 1 + 4 + ... + 4096 places. */
enum { LIMIT_CHILDREN = 4, LIMIT_LEVELS = 7 };
/* Words that adding or removing one sets at most. */
enum { LIMIT_WORDS = 2 * LIMIT_LEVELS + 2 };

/* Adds a hand with ends_at. True: it ends before the owner would look, which has to be told once the guard is left. */
bool limits_add(struct pool *pool, struct hand *hand);
/* If it is there. */
void limits_remove(struct pool *pool, struct hand *hand);
/* The hand whose task's time is up first; NULL: none has a limit. */
struct hand *limits_first(const struct pool *pool);

#endif
