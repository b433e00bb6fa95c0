/* A started program, as popen.c and communicate.c share it. */
#ifndef PROCESS_POPEN_H
#define PROCESS_POPEN_H

#include "base/deadline.h"

#include <prong/popen.h>
#include <pthread.h>

/* Bytes read so far. */
struct buffer {
    char *data;
    size_t size, capacity;
};

struct prong_popen {
    pid_t pid, owner; /* owner: the process that started it */
    int pidfd;
    int pipes[3]; /* this process's ends; -1: none, or closed */
    bool was_pipe[3];
    bool wait_for_eof, own_group;
    bool bound;    /* see popen_open */
    char name[64]; /* of the program, for messages */
    /* under the lock: whether it was reaped, and how it ended */
    pthread_mutex_t lock;
    bool ended, stolen;
    int returncode;
    /* communicate, between a timeout and the next call */
    size_t written;
    struct buffer read[3]; /* of stdout and stderr, by their numbers */
};

/* As prong_popen_open. bound: the program is killed when the calling thread ends, however that ends. */
prong_status popen_open(prong_popen **popen, const char *const argv[], const prong_popen_options *options, bool bound);
/* PRONG_NOT_CHILD in another process than the one that started it. */
prong_status popen_check(const prong_popen *popen);
bool popen_has_ended(prong_popen *popen);
void popen_close_pipe(prong_popen *popen, int stream);
/* PRONG_OK with the code, or why there is none. */
prong_status popen_returncode(prong_popen *popen, int *returncode);
/* Signals it, or its group where it has its own and that is wanted. */
prong_status popen_signal(prong_popen *popen, int signal, bool group);

#endif
