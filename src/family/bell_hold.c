/* Holding a bell: the descriptor that fileno() gives, in this process and in those forked from it. */
#include "family/bells.h"

#include "base/error.h"
#include "family/holders.h"
#include "family/member.h"

#include <errno.h>
#include <unistd.h>

/* A process that rings the previous pipe meanwhile must not note it for this one: see bell_ring for the order. */
static void bell_is_now(struct object_bell *shared, const struct os_bell_id *id) {
    atomic_store(&shared->device, id->device);
    atomic_store(&shared->inode, id->inode);
    bell_unring(shared);
}

/* Under the holders' lock: opens the bell's pipe, or makes one. If it cannot be opened, the holder is rung by address.
 * False: no descriptors. */
static bool holder_gets_pipe(struct object_bell *shared, struct bell *bell) {
    struct os_bell_id id = bell_id(shared);
    if (id.inode) {
        bell->pipe = bell_with_pipe(shared) == bell ? bell->pipe : -1;
        return bell->pipe >= 0 || bell->cannot_open;
    }
    bell->pipe = os_bell_create(&id);
    if (bell->pipe < 0) return errno != EMFILE && errno != ENFILE && errno != ENOMEM;
    bell->id = id;
    bell_is_now(shared, &id);
    return true;
}

static bool holder_gets_descriptor(struct bell *bell) {
    bell->socket = os_doorbell_create(&bell->address);
    if (bell->socket < 0) return false;
    const int members[] = {bell->pipe, bell->socket};
    bell->descriptor = os_poller_create_over(members, 2);
    if (bell->descriptor >= 0) return true;
    int error = errno;
    close(bell->socket); /* a pipe without a descriptor over it is not known as ours any more */
    bell->socket = -1;
    errno = error;
    return false;
}

/* Under the holders' lock. */
static bool bell_enters(struct object_bell *shared, struct bell *bell) {
    if (!holders_add(shared, bell->pipe, bell->address)) return false;
    bell->token = self_token();
    return true;
}

static prong_status bell_hold(struct object_bell *shared, struct bell *bell) {
    if (!holders_lock(shared)) return lock_refused(PRONG_TIMEOUT, "a fileno");
    prong_status status = PRONG_OK;
    holders_changed(shared); /* the last owner of the lock may have died before it could do this */
    if (bell_owner_generation(shared) != bell->generation) {
        status = fail(PRONG_STALE, "the %s was destroyed meanwhile", bell_owner_name(shared));
    } else {
        atomic_store(&shared->generation, bell->generation);
        if (!holder_gets_pipe(shared, bell) || !holder_gets_descriptor(bell))
            status = fail_errno("fileno: no pipe, or no descriptor for it");
        else if (!bell_enters(shared, bell))
            status = fail(PRONG_NO_MEMORY, "no memory for a descriptor's entry");
        if (status < 0) holders_changed(shared);
    }
    holders_unlock(shared);
    return status;
}

static void bell_leave(struct object_bell *shared, struct bell *bell) {
    if (bell->token != self_token() || !holders_lock(shared)) return;
    if (atomic_load(&shared->generation) == bell->generation) {
        holders_remove(shared, bell->token);
    }
    holders_unlock(shared);
}

/* Whether the descriptors that this process has are still its own. */
static bool bell_is_whole(const struct bell *bell) {
    return bell->token == self_token() && os_poller_has(bell->descriptor, bell->socket) &&
           (bell->cannot_open || (os_bell_is(bell->pipe, &bell->id) && os_poller_has(bell->descriptor, bell->pipe)));
}

static prong_status bell_made(struct object_bell *shared, uint64_t generation, int *descriptor) {
    struct bell *bell = bell_of(shared, generation);
    if (bell && bell->token && !bell_is_whole(bell)) {
        bell_leave(shared, bell);
        bell_drop(bell);
        bell = NULL;
    }
    if (!bell) bell = bell_new(shared, generation);
    if (!bell) return fail(PRONG_NO_MEMORY, "no memory for a descriptor's entry");
    prong_status status = bell->token ? PRONG_OK : bell_hold(shared, bell);
    if (status < 0)
        bell_drop(bell);
    else
        *descriptor = bell->descriptor;
    return status;
}

prong_status object_bell_open(struct object_bell *shared, uint64_t generation, int *descriptor) {
    struct undisturbed before;
    bells_lock(&before);
    prong_status status = bell_made(shared, generation, descriptor);
    bells_unlock(&before);
    if (status >= 0) object_bell_settle(shared);
    return status;
}

void object_bell_close(struct object_bell *shared, uint64_t generation) {
    struct undisturbed before;
    if (!bells_are_here()) return;
    bells_lock(&before);
    struct bell *bell = bell_of(shared, generation);
    if (bell) {
        bell_leave(shared, bell);
        bell_drop(bell);
    }
    bells_unlock(&before);
}

/* --- in a forked child --- */

/* Under the holders' lock. The pipe that a forked child has may be no bell any more: then it becomes the bell again;
 * or, if there is another pipe by now, that replaces it behind the descriptor. */
static void bell_renew(struct object_bell *shared, struct bell *bell) {
    struct os_bell_id id = bell_id(shared);
    int old = bell->pipe;
    if (!os_bell_is(old, &bell->id) || bell_same_id(&id, &bell->id)) return;
    if (!id.inode) {
        bell_is_now(shared, &bell->id);
        return;
    }
    int pipe = bell_open_from_holders(shared, &id);
    if (pipe >= 0 && os_poller_has(bell->descriptor, old)) os_poller_add(bell->descriptor, pipe, OS_POLLER_IN, 0);
    os_bell_take(old, os_bell_bytes(old));
    close(old);
    bell->pipe = pipe;
    bell->id = id;
    bell->cannot_open = pipe < 0;
}

static void bell_inherit(struct bell *bell) {
    struct object_bell *shared = bell->shared;
    if (!bell->token || bell->token == self_token()) return;
    object_touch(bell_object(shared));
    if (!holders_lock(shared)) return;
    bool there = atomic_load(&shared->generation) == bell->generation;
    if (there) {
        bell_renew(shared, bell);
        bell_enters(shared, bell);
    }
    holders_unlock(shared);
    if (there) bell_settle_this(shared);
}

void bells_of_child(void) {
    struct undisturbed before;
    if (!bells_are_here()) return;
    bells_lock(&before);
    bells_each(bell_inherit);
    bells_unlock(&before);
}
