/* This process's children: descriptors that others cannot use, kept in private memory, forgotten by a fork. */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/fork_mutex.h"
#include "os/os.h"
#include "process/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static struct child *children;
static int life[2] = {-1, -1};
static int inherited_life = -1;

/* A copy of the write end would keep the parent's daemons alive for as long as this child. */
static void forget_in_child(void) {
    for (struct child *child; (child = children);) {
        children = child->next;
        if (child->pidfd >= 0) close(child->pidfd);
        free(child);
    }
    if (life[1] >= 0) close(life[1]);
    if (inherited_life >= 0) close(inherited_life);
    inherited_life = life[0];
    life[0] = life[1] = -1;
}

FORK_MUTEX(mutex, forget_in_child)

prong_status children_prepare(void) {
    mutex_prepare();
    return exit_prepare();
}

struct child *child_reserve(void) {
    return calloc(1, sizeof(struct child));
}

void child_add(struct child *child) {
    pthread_mutex_lock(&mutex);
    child->next = children;
    children = child;
    pthread_mutex_unlock(&mutex);
}

static struct child **find(const struct process *process) {
    struct child **at = &children;
    while (*at && (*at)->process != process) at = &(*at)->next;
    return at;
}

bool child_find(const struct process *process, struct child *copy) {
    pthread_mutex_lock(&mutex);
    struct child *child = *find(process);
    if (child) *copy = *child;
    pthread_mutex_unlock(&mutex);
    return child != NULL;
}

void child_remove(const struct process *process) {
    pthread_mutex_lock(&mutex);
    struct child **at = find(process), *child = *at;
    if (child) {
        *at = child->next;
        close(child->pidfd);
        free(child);
    }
    pthread_mutex_unlock(&mutex);
}

size_t children_list(prong_process *handles, size_t capacity) {
    size_t count = 0;
    pthread_mutex_lock(&mutex);
    for (struct child *child = children; child; child = child->next) {
        struct process *process;
        if (process_find(child->handle, &process) || atomic_load(&process->exited)) continue;
        if (count < capacity) handles[count] = child->handle;
        count++;
    }
    pthread_mutex_unlock(&mutex);
    return count;
}

/* Several threads may come at once; the first takes the end, the others find it noted. */
bool child_reap(const struct child *child) {
    struct process *process = child->process;
    int code = 0;
    bool stolen = false, ended = true;
    pthread_mutex_lock(&mutex);
    if (!atomic_load(&process->exited)) {
        ended = os_reap(child->pidfd, &code, &stolen);
        uint64_t said = atomic_load(&process->said_code);
        if (stolen) code = said ? (int)(said & 0xff) : 255;
        if (ended) process_ended(process, child->token, code);
    }
    pthread_mutex_unlock(&mutex);
    return ended;
}

prong_status life_pipe(int *read_end) {
    prong_status status = PRONG_OK;
    pthread_mutex_lock(&mutex);
    if (life[0] < 0 && pipe2(life, O_CLOEXEC) != 0) status = fail_errno("no pipe for daemonic children");
    *read_end = life[0];
    pthread_mutex_unlock(&mutex);
    return status;
}

int life_pipe_inherited(void) {
    int fd = inherited_life;
    inherited_life = -1;
    return fd;
}
