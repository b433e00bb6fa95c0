/* This process's children: descriptors that others cannot use, kept in private memory, forgotten by a fork. */
#define _GNU_SOURCE
#include "process/children.h"

#include "base/error.h"
#include "base/fork.h"
#include "os/os.h"
#include "process/forkserver.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct child *children;
static int life[2] = {-1, -1};
static int inherited_life = -1;

/* One that a thread still has is freed by child_release, or is lost with that thread, which is not in this child. */
static void child_forget_in_copy(struct child *child) {
    if (child->pidfd >= 0) close(child->pidfd);
    server_release(child->server);
    child->pidfd = -1;
    child->server = NULL;
    child->listed = false;
    if (--child->users == 0) free(child);
}

/* A copy of the write end would keep the parent's daemons alive for as long as this child. */
static void children_forget(void) {
    for (struct child *child; (child = children);) {
        children = child->next;
        child_forget_in_copy(child);
    }
    if (life[1] >= 0) close(life[1]);
    if (inherited_life >= 0) close(inherited_life);
    inherited_life = life[0];
    life[0] = life[1] = -1;
}

FORK_MUTEX(children, mutex, children_forget)

/* --- entries --- */

struct child *child_reserve(void) {
    return calloc(1, sizeof(struct child));
}

void child_add(struct child *child) {
    child->users = 1;
    child->listed = true;
    pthread_mutex_lock(&mutex);
    child->next = children;
    children = child;
    pthread_mutex_unlock(&mutex);
}

/* By the handle, not by its place alone: that may have become another process's. */
static struct child **child_place(prong_process handle) {
    struct child **at = &children;
    while (*at && ((*at)->handle.offset != handle.offset || (*at)->handle.generation != handle.generation))
        at = &(*at)->next;
    return at;
}

struct child *child_hold(prong_process handle) {
    pthread_mutex_lock(&mutex);
    struct child *child = *child_place(handle);
    if (child) child->users++;
    pthread_mutex_unlock(&mutex);
    return child;
}

/* Under the mutex; true when it was the last user's, and is the caller's to free. */
static bool child_put(struct child *child) {
    return --child->users == 0;
}

static void child_free(struct child *child) {
    if (child->pidfd >= 0) close(child->pidfd);
    server_release(child->server);
    free(child);
}

void child_release(struct child *child) {
    if (!child) return;
    pthread_mutex_lock(&mutex);
    bool last = child_put(child);
    pthread_mutex_unlock(&mutex);
    if (last) child_free(child);
}

size_t children_list(prong_process *handles, size_t capacity) {
    size_t count = 0;
    pthread_mutex_lock(&mutex);
    for (struct child *child = children; child; child = child->next) {
        struct process *process;
        if (child->left || process_find(child->handle, &process) || process_has_exited(process)) continue;
        if (count < capacity) handles[count] = child->handle;
        count++;
    }
    pthread_mutex_unlock(&mutex);
    return count;
}

void child_leave_behind(prong_process handle) {
    pthread_mutex_lock(&mutex);
    struct child *child = *child_place(handle);
    if (child) child->left = true;
    pthread_mutex_unlock(&mutex);
}

/* Several threads may come at once; the first takes the end, the others find it noted. An entry that is listed keeps its
 * object; one that is not was closed after its end. */
bool child_reap(const struct child *child) {
    struct process *process = child->process;
    int code = 0;
    bool stolen = false, ended = true;
    pthread_mutex_lock(&mutex);
    if (child->listed && !process_has_exited(process)) {
        ended = os_reap(child->pidfd, &code, &stolen);
        if (stolen) code = process_said_code(process);
        if (ended) process_ended(process, child->token, code);
    }
    pthread_mutex_unlock(&mutex);
    return ended;
}

/* --- starting, naming, closing: under the mutex the object is that of the handle, and stays it, as only this process,
 * which created it, destroys it --- */

static prong_status child_enter(prong_process handle, struct process **process) {
    pthread_mutex_lock(&mutex);
    prong_status status = process_find(handle, process);
    if (status >= 0 && process_state(*process) == PROCESS_CLOSED)
        status = fail_text(PRONG_STALE, "not a handle of a live process: it is being destroyed");
    return status;
}

static prong_status child_leave(prong_status status) {
    pthread_mutex_unlock(&mutex);
    return status;
}

prong_status child_begin(prong_process handle) {
    struct process *p;
    prong_status status = child_enter(handle, &p);
    if (status >= 0 && !process_move(p, 0, PROCESS_NEW, PROCESS_STARTING))
        status = fail(PRONG_ALREADY_STARTED, "start of '%s': it was started before", p->name);
    return child_leave(status);
}

prong_status child_forget(prong_process handle) {
    struct process *p;
    struct child *last = NULL;
    prong_status status = child_enter(handle, &p);
    if (status < 0) return child_leave(status);
    struct child **at = child_place(handle), *child = *at;
    if (child && process_has_exited(p)) {
        *at = child->next;
        child->listed = false;
        if (child_put(child)) last = child;
        atomic_store(&p->state, PROCESS_CLOSED);
    } else if (child ||
               !process_move(p, 0, PROCESS_NEW, PROCESS_CLOSED)) /* without an entry: it is just being started */
        status = fail(PRONG_STILL_RUNNING, "close of '%s': it still runs", p->name);
    child_leave(status);
    if (last) child_free(last);
    return status;
}

/* --- the life pipe --- */

prong_status life_pipe(int *read_end) {
    prong_status status = PRONG_OK;
    pthread_mutex_lock(&mutex);
    if (life[0] < 0 && os_pipe(life) != 0) status = fail_errno("no pipe for daemonic children");
    *read_end = life[0];
    pthread_mutex_unlock(&mutex);
    return status;
}

int life_pipe_inherited(void) {
    int fd = inherited_life;
    inherited_life = -1;
    return fd;
}
