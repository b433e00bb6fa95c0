/* A thread that kills workers of a pool at random moments.
 *
 * Between two kills at least one task has ended: however long tasks take, the killer cannot keep all of them from ending. */
#ifndef KILLER_H
#define KILLER_H

#include <prong/prong.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { KILLS_KNOWN = 4096 };
struct killer {
    prong_pool pool;
    atomic_size_t ended; /* tasks whose results were taken so far; counted by the thread that takes them */
    atomic_bool stop;
    atomic_int kills;
    int killed[KILLS_KNOWN]; /* pids of workers that were killed: the first KILLS_KNOWN */
    pthread_t thread;
};

/* Returns an error number, or 0. */
int killer_start(struct killer *killer, prong_pool pool);
/* Stops it: no worker is killed from then on. */
void killer_stop(struct killer *killer);
bool killer_killed(const struct killer *killer, int pid);

#endif
