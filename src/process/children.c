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

/* Spent ones apart: a fork has nothing to do for them, nor has a list of those that run. */
static struct child *children, *spent_children;
static struct child *look_next; /* whose end children_note_ends looks for next; NULL: the first's */
static int life[2] = {-1, -1};
static int inherited_life = -1;

static void child_drop_descriptors(struct child *child) {
    if (child->pidfd >= 0) close(child->pidfd);
    server_release(child->server);
    child->pidfd = -1;
    child->server = NULL;
}

/* Descriptors with numbers in a row, to be closed by one call. */
struct run {
    int low, high;
};

/* The list has the newest first, whose number is mostly one more than that of the next. */
static void run_close(struct run *run, int descriptor) {
    if (descriptor < 0) return;
    if (descriptor != run->low - 1) {
        os_close_range(run->low, run->high);
        run->high = descriptor;
    }
    run->low = descriptor;
}

/* One that a thread still has is freed by child_release, or is lost with that thread, which is not in this child. Others
 * are left as they are: what is not written is not copied. */
static void child_forget_in_copy(struct child *child, struct run *run) {
    run_close(run, child->pidfd);
    server_release(child->server);
    if (child->users == 1) return;
    child->pidfd = -1;
    child->server = NULL;
    child->listed = false;
    child->users--;
}

/* The parent's entries, and its parent's: nothing looks at them, but they are not lost either. */
static struct child *left_children;

static void children_leave_behind(void) {
    if (children) children->previous = left_children;
    if (children) left_children = children;
    children = NULL;
}

/* Spent ones stay in their list, where nothing finds them: child_of looks for children of this process only.
 * A copy of the write end would keep the parent's daemons alive for as long as this child. */
static void children_forget(void) {
    struct run run = {0, -1};
    for (struct child *child = children; child; child = child->next) child_forget_in_copy(child, &run);
    os_close_range(run.low, run.high);
    children_leave_behind();
    look_next = NULL;
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

static struct child **child_list(const struct child *child) {
    return child->spent ? &spent_children : &children;
}

static void child_link(struct child *child) {
    struct child **list = child_list(child);
    child->previous = NULL;
    child->next = *list;
    if (*list) (*list)->previous = child;
    *list = child;
}

static void child_unlink(struct child *child) {
    if (look_next == child) look_next = child->next;
    if (child->next) child->next->previous = child->previous;
    *(child->previous ? &child->previous->next : child_list(child)) = child->next;
}

void child_add(struct child *child) {
    child->users = 1;
    child->listed = true;
    pthread_mutex_lock(&mutex);
    child_link(child);
    child->process->entry = child;
    pthread_mutex_unlock(&mutex);
}

static prong_status fail_closed(void) {
    return fail_text(PRONG_STALE, "not a handle of a live process: it is being destroyed");
}

/* Under the mutex; NULL when this process did not start it. The object of a child of this process stays meanwhile. */
static struct child *child_of(prong_process handle) {
    if (!object_is_live(KIND_PROCESS, handle.offset, handle.generation)) return NULL;
    struct process *process = arena_at(handle.offset);
    return process->creator == self_token() ? process->entry : NULL;
}

struct child *child_hold(prong_process handle) {
    pthread_mutex_lock(&mutex);
    struct child *child = child_of(handle);
    if (child) child->users++;
    pthread_mutex_unlock(&mutex);
    return child;
}

/* Under the mutex: without descriptors, when nobody needs them any more. */
static void child_spend(struct child *child) {
    if (!child->listed || child->spent || child->users > 1 || child->watched) return;
    if (!process_has_exited(child->process)) return;
    child_unlink(child);
    child_drop_descriptors(child);
    child->spent = true;
    child_link(child);
}

prong_status child_sentinel(struct child *child, int *sentinel) {
    prong_status status = PRONG_OK;
    pthread_mutex_lock(&mutex);
    if (!child->listed) status = fail_closed();
    if (status >= 0 && child->pidfd < 0 && (child->pidfd = os_ended_descriptor()) < 0)
        status = fail_errno("no descriptor for process '%s', which has ended", child->process->name);
    child->watched = true;
    *sentinel = child->pidfd;
    pthread_mutex_unlock(&mutex);
    return status;
}

/* Under the mutex; true when it was the last user's, and is the caller's to free. */
static bool child_put(struct child *child) {
    return --child->users == 0;
}

static void child_free(struct child *child) {
    child_drop_descriptors(child);
    free(child);
}

void child_release(struct child *child) {
    if (!child) return;
    pthread_mutex_lock(&mutex);
    bool last = child_put(child);
    if (!last) child_spend(child);
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
    struct child *child = child_of(handle);
    if (child) child->left = true;
    pthread_mutex_unlock(&mutex);
}

/* Under the mutex. Several threads may come at once: the first takes the end from the system, and all of them note it. */
static bool child_reap_inside(struct child *child) {
    bool stolen = false;
    if (child->reaped) return true;
    if (child->pidfd < 0 || !os_reap(child->pidfd, &child->code, &stolen)) return false;
    if (stolen) child->code = process_said_code(child->process);
    return child->reaped = true;
}

/* The end is noted outside of the mutex, which each fork takes: the burial may wait for a process that is stopped, or for
 * a thread that is about to start or join a child itself. An entry that is listed keeps its object; one that is not was closed
 * after its end. */
bool child_reap(struct child *child) {
    INSIDE struct visit inside = {0};
    pthread_mutex_lock(&mutex);
    bool noted = !child->listed || process_has_exited(child->process);
    bool ended = noted || child_reap_inside(child);
    if (ended && !noted) object_enter_known(&inside, arena_offset(child->process));
    pthread_mutex_unlock(&mutex);
    if (ended && !noted) process_ended(child->process, child->token, child->code);
    return ended;
}

static struct child *child_hold_next(void) {
    pthread_mutex_lock(&mutex);
    struct child *child = look_next ? look_next : children;
    if (child) look_next = child->next;
    if (child) child->users++;
    pthread_mutex_unlock(&mutex);
    return child;
}

/* More than one a start, so that there are never many that have ended. The end of a fork server's child is for the server to note. */
enum { CHILDREN_A_START = 2 };

void children_note_ends(void) {
    for (int i = 0; i < CHILDREN_A_START; i++) {
        struct child *child = child_hold_next();
        if (!child) return;
        if (!child->server) child_reap(child);
        child_release(child);
    }
}

/* --- starting, naming, closing: under the mutex the object is that of the handle, and stays it, as only this process,
 * which created it, destroys it --- */

static prong_status child_enter(prong_process handle, struct process **process) {
    pthread_mutex_lock(&mutex);
    prong_status status = process_find(handle, process);
    if (status >= 0 && process_state(*process) == PROCESS_CLOSED) status = fail_closed();
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
    struct child *child = child_of(handle);
    if (child && process_has_exited(p)) {
        child_unlink(child);
        child->listed = false;
        p->entry = NULL;
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
