/* A thread that kills workers of a pool at random moments.
 *
 * Between two kills at least one task has ended: however long tasks take, the killer cannot keep all of them from ending. */
#ifndef KILLER_H
#define KILLER_H

#include <prong/prong.h>
#include <pthread.h>
#include <stdatomic.h>

struct killer {
    prong_pool pool;
    atomic_size_t ended; /* tasks whose results were taken so far; counted by who takes them */
    atomic_bool stop;
    int kills;
    pthread_t thread;
};

/* Returns an error number, or 0. */
int killer_start(struct killer *killer, prong_pool pool);
/* From then on, kills is how many workers it has killed. */
void killer_stop(struct killer *killer);

#endif
