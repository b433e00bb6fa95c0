#define _GNU_SOURCE
#include "killer.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 64, PAUSE_US = 5000, RANDOM_US = 20000 };

static int random_worker(prong_pool pool, unsigned *seed) { /* its pid; 0: none now */
    prong_worker workers[WORKERS];
    size_t count;
    if (prong_pool_workers(pool, workers, WORKERS, &count, NULL) < 0) return 0;
    return workers[(size_t)rand_r(seed) % (count < WORKERS ? count : WORKERS)].pid;
}

static void *killer_run(void *context) {
    struct killer *killer = context;
    unsigned seed = (unsigned)time(NULL);
    size_t ended_before = 0;
    while (!killer->stop) {
        usleep(PAUSE_US + (useconds_t)rand_r(&seed) % RANDOM_US);
        size_t ended = killer->ended;
        int pid = ended != ended_before ? random_worker(killer->pool, &seed) : 0;
        if (pid && kill(pid, SIGKILL) == 0) {
            if (killer->kills < KILLS_KNOWN) killer->killed[killer->kills] = pid;
            killer->kills++;
            ended_before = ended;
        }
    }
    return NULL;
}

int killer_start(struct killer *killer, prong_pool pool) {
    killer->pool = pool;
    return pthread_create(&killer->thread, NULL, killer_run, killer);
}

bool killer_killed(const struct killer *killer, int pid) {
    for (int i = 0; i < killer->kills && i < KILLS_KNOWN; i++)
        if (killer->killed[i] == pid) return true;
    return false;
}

void killer_stop(struct killer *killer) {
    killer->stop = true;
    pthread_join(killer->thread, NULL);
}
