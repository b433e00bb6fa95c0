/* The process object: finding it by its handle, asking about it, destroying it. */
#include "process/object.h"

#include "base/error.h"
#include "family/heap.h"
#include "process/children.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- by its handle --- */

prong_status process_find(prong_process handle, struct process **process) {
    return object_find(KIND_PROCESS, handle.offset, handle.generation, (void **)process);
}

prong_process process_handle(struct process *process) {
    return (prong_process){arena_offset(process), atomic_load(&process->object.generation)};
}

prong_status process_verify(prong_process handle, prong_status status) {
    struct process *p;
    atomic_thread_fence(memory_order_acquire);
    prong_status stale =
        object_is_live(KIND_PROCESS, handle.offset, handle.generation) ? PRONG_OK : process_find(handle, &p);
    return stale ? stale : status;
}

uint32_t process_token(prong_process handle) {
    if (!object_is_live(KIND_PROCESS, handle.offset, handle.generation)) return 0;
    uint32_t token = (uint32_t)atomic_load(&((struct process *)arena_at(handle.offset))->token);
    return object_is_live(KIND_PROCESS, handle.offset, handle.generation) ? token : 0;
}

void process_concerns(prong_process handle, void *object) {
    struct process *p;
    if (process_find(handle, &p) >= 0) p->concerned = arena_offset(object);
}

prong_status process_find_own(prong_process handle, struct process **process, const char *call) {
    prong_status status = process_find(handle, process);
    if (status < 0) return status;
    if ((*process)->creator == self_token()) return process_verify(handle, PRONG_OK);
    status = fail(PRONG_NOT_CHILD, "%s of '%s': it was created by another process", call, (*process)->name);
    return process_verify(handle, status);
}

prong_status process_find_started(prong_process handle, struct process **process) {
    prong_status status = process_find(handle, process);
    if (status < 0) return status;
    enum process_state state = process_state(*process);
    bool unknown = state == PROCESS_NEW || !atomic_load(&(*process)->pid);
    if (unknown && state != PROCESS_NEW) process_notice_end(*process, handle); /* before it has noted its number */
    if (unknown && (state == PROCESS_NEW || !process_has_exited(*process)))
        status = fail(PRONG_NOT_STARTED, "process '%s' has not been started", (*process)->name);
    return process_verify(handle, status);
}

prong_status prong_process_destroy(prong_process handle) {
    struct process *p;
    prong_status status = process_find_own(handle, &p, "close");
    if (status < 0) return status;
    if (process_state(p) != PROCESS_NEW) process_notice_end(p, handle);
    status = child_forget(handle);
    if (status >= 0) object_destroy(p, handle.generation);
    return status;
}

/* --- asking --- */

prong_status prong_process_get_state(prong_process handle, prong_process_state *state) {
    struct process *p;
    TRY(process_find(handle, &p));
    prong_process_state found = {.daemon = p->daemon != 0};
    snprintf(found.name, sizeof found.name, "%.*s", MEMBER_NAME_SIZE - 1, p->name);
    if (process_state(p) != PROCESS_NEW && (found.pid = (int)atomic_load(&p->pid)) != 0) found.alive = process_runs(p);
    TRY(process_verify(handle, PRONG_OK));
    *state = found;
    return PRONG_OK;
}

bool process_is_daemon(prong_process handle) {
    struct process *p;
    return !process_find(handle, &p) && p->daemon && !process_verify(handle, PRONG_OK);
}

bool process_is_child(prong_process handle) {
    struct child *child = child_hold(handle);
    if (child) child_release(child);
    return child != NULL;
}

prong_status prong_process_sentinel(prong_process handle, int *descriptor) {
    struct process *p;
    prong_status status = process_find_started(handle, &p);
    if (status < 0) return status;
    struct child *child = child_hold(handle);
    if (!child)
        return process_verify(handle, fail(PRONG_NOT_CHILD, "process '%s' is not a child of this one", p->name));
    status = child_sentinel(child, descriptor);
    child_release(child);
    return status;
}

/* --- this one, its parent, its children --- */

/* The first process of a family, or one that the host forked, gets its object when somebody asks. */
static prong_status process_make_own(struct process **process) {
    prong_status status = object_create(KIND_PROCESS, (void **)process);
    if (status < 0) return status;
    struct process *p = *process;
    snprintf(p->name, sizeof p->name, "MainProcess");
    atomic_store(&p->token, self_token());
    atomic_store(&p->end, (uint64_t)self_token() << 32);
    atomic_store(&p->pid, (uint64_t)getpid());
    atomic_store(&p->state, (uint64_t)self_token() << 8 | PROCESS_RUNNING);
    object_publish(p);
    uint64_t none = 0;
    if (!atomic_compare_exchange_strong(&self_row()->process, &none, arena_offset(p))) {
        object_destroy(p, object_generation(p));
        *process = arena_at(none);
    }
    return PRONG_OK;
}

prong_status prong_current_process(prong_process *handle) {
    prong_status status = family_enter();
    if (status < 0) return status;
    uint64_t offset = atomic_load(&self_row()->process);
    struct process *process = offset ? arena_at(offset) : NULL;
    if (!process) status = process_make_own(&process);
    if (status >= 0) *handle = process_handle(process);
    return status;
}

prong_status prong_parent_process(prong_process *handle) {
    prong_status status = family_enter();
    if (status < 0) return status;
    struct process *process = process_of_self();
    if (!process) return fail(PRONG_NOT_CHILD, "this process was not started by prong");
    uint64_t creator = process->creator, offset = atomic_load(&member_row((uint32_t)creator)->process);
    struct process *parent = offset ? arena_at(offset) : NULL;
    prong_process found = parent ? process_handle(parent) : (prong_process){0};
    /* The row may be another member's by now, and the object another process's. */
    if (!parent || atomic_load(&parent->token) != creator || process_verify(found, PRONG_OK))
        return fail(PRONG_STALE, "the parent is gone");
    *handle = found;
    return PRONG_OK;
}

prong_status prong_active_children(prong_process *handles, size_t capacity, size_t *count) {
    TRY(check_bytes(handles, capacity, "active children: children"));
    TRY(family_enter());
    size_t most = children_list(NULL, 0), alive = 0;
    prong_process *all = calloc(most + 1, sizeof *all);
    if (!all) return fail(PRONG_NO_MEMORY, "no memory for a list of %zu children", most);
    size_t listed = children_list(all, most);
    for (size_t i = 0; i < (listed < most ? listed : most); i++) {
        if (!process_is_alive(all[i])) continue;
        if (alive < capacity) handles[alive] = all[i];
        alive++;
    }
    free(all);
    *count = alive;
    return PRONG_OK;
}

/* --- as an object --- */

static bool token_lives(uint64_t token, uint32_t dead) {
    return token && (uint32_t)token != dead && member_alive((uint32_t)token);
}

/* Neither the process nor the one that would close it: the object goes. */
static bool process_is_abandoned(struct process *p, uint32_t dead) {
    uint64_t token = atomic_load(&p->token);
    if (p->plan || (p->creator != dead && token != dead)) return false;
    return !token_lives(p->creator, dead) && !token_lives(token, dead);
}

static void process_recover(void *object, uint32_t dead) {
    struct process *p = object;
    uint64_t generation = object_generation(p); /* first: what is read below may be of the next to live here */
    if (atomic_load(&p->token) == dead) waitq_wake_all(&p->changed);
    if (atomic_load(&p->object.state) == OBJECT_LIVE && process_is_abandoned(p, dead)) object_destroy(p, generation);
}

static void process_wake(void *object) {
    waitq_wake_all(&((struct process *)object)->changed);
}

static bool process_dispose(void *object) {
    struct process *p = object;
    if (p->argument) heap_free(p->argument, &p->argument);
    if (p->program) heap_free(p->program, &p->program);
    if (p->environment) heap_free(p->environment, &p->environment);
    return true;
}

/* Who joins it waits for itself to end. */
static void process_holders(void *object, holder_visit *visit, void *context) {
    struct process *p = object;
    if (!process_has_exited(p)) visit(context, (uint32_t)atomic_load(&p->token), 0);
}

const struct object_type process_type = {.name = "process",
                                         .size = sizeof(struct process),
                                         .recover = process_recover,
                                         .wake = process_wake,
                                         .dispose = process_dispose,
                                         .holders = process_holders,
                                         .holding = HOLDERS_ARE_SELF};
