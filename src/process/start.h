/* The ways to start a process; each returns a pid and a pidfd. */
#ifndef PROCESS_START_H
#define PROCESS_START_H

#include "process/object.h"

struct start {
    struct process *process;
    uint32_t token;
    pid_t pid;
    int pidfd;
    struct server *server; /* that forked it, held; or NULL */
    bool gone; /* it has ended and was reaped already: the descriptor is one that reads as ended, and no more */
};
prong_status start_by_fork(struct start *start);   /* start_fork.c */
prong_status start_by_spawn(struct start *start);  /* start_spawn.c */
prong_status start_by_server(struct start *start); /* forkserver.c */
/* For a child to come to its target. */
static inline prong_time start_time_limit(const struct process *process) {
    return process->start_timeout ? (prong_time)process->start_timeout : PRONG_SECONDS(60);
}
/* Whether this system lets a process be started at all. */
prong_status start_check_system(void);
/* Waits until the child has taken up its work, or has failed to. */
prong_status start_wait_until_settled(const struct start *start);
/* The child has ended, and nobody can have a descriptor of it any more. */
prong_status start_found_gone(struct start *start);

#endif
