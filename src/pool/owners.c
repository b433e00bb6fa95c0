/* The pools of this process. */
#include "base/fork.h"
#include "pool/owner_entry.h"

#include <stdlib.h>

static struct owner *owners;

static void owners_forget_in_child(void);
FORK_MUTEX(pools, owners_mutex, owners_forget_in_child)

void owners_lock(void) {
    pthread_mutex_lock(&owners_mutex);
}

void owners_unlock(void) {
    pthread_mutex_unlock(&owners_mutex);
}

void owner_add(struct owner *o) {
    owners_lock();
    o->next = owners;
    if (owners) owners->previous = o;
    owners = o;
    owners_unlock();
}

struct owner *owner_first(void) {
    return owners;
}

/* Pools of the process that this one was forked from, the last ones. A program that becomes a daemon leaves them behind. */
enum { LEFT_BEHIND = 16 };
static struct {
    prong_pool handle;
    pid_t pid;
} left_behind[LEFT_BEHIND];
static struct owner
    *left_entries; /* of them all, and of their parents: nothing looks at them, but they are not lost either */

pid_t owner_left_behind(prong_pool handle) {
    pid_t pid = 0;
    owners_lock();
    for (unsigned i = 0; i < LEFT_BEHIND && handle.generation; i++)
        if (pool_is_same(left_behind[i].handle, handle)) pid = left_behind[i].pid;
    owners_unlock();
    return pid;
}

/* The threads are not in the child, nor are the pools the child's. The entries stay as they are, but for the first: what is
 * not written is not copied. */
static void owners_forget_in_child(void) {
    static unsigned place;
    unsigned seen = 0;
    for (const struct owner *owner = owners; owner && seen < LEFT_BEHIND; owner = owner->next, seen++) {
        left_behind[place % LEFT_BEHIND].handle = owner->handle;
        left_behind[place++ % LEFT_BEHIND].pid = owner->pid;
    }
    if (owners) owners->previous = left_entries;
    if (owners) left_entries = owners;
    owners = NULL;
    helpers_forget();
    caretaker_forget();
}

/* The entry is the parent's in a forked child, which has no token, or one of its own. */
struct owner *owner_find(prong_pool handle) {
    if (!object_is_live(KIND_POOL, handle.offset, handle.generation)) return NULL;
    struct pool *pool = arena_at(handle.offset);
    return pool->owner == self_token() ? pool->entry : NULL;
}

bool owner_is_self(prong_pool handle) {
    owners_lock();
    bool found = owner_find(handle) != NULL;
    owners_unlock();
    return found;
}

struct owner *owner_remove(prong_pool handle) {
    owners_lock();
    struct owner *o = owner_find(handle);
    if (o) {
        if (o->next) o->next->previous = o->previous;
        *(o->previous ? &o->previous->next : &owners) = o->next;
        o->pool->entry = NULL;
    }
    owners_unlock();
    return o;
}
