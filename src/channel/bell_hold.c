/* Holding a bell: the descriptor that fileno() gives, in this process and in those forked from it. */
#include "channel/bells.h"

#include "base/error.h"
#include "channel/holders.h"
#include "family/member.h"

#include <errno.h>
#include <unistd.h>

/* Under the holders' lock: the pipe that is there, or a new one. Where it cannot be opened, the holder hears by address.
 * False: no descriptors. */
static bool holder_gets_pipe(struct channel *c, struct bell *bell) {
    struct os_bell_id id = bell_id(c);
    if (id.inode) {
        bell->pipe = bell_with_pipe(c) == bell ? bell->pipe : -1;
        return bell->pipe >= 0 || bell->cannot_open;
    }
    bell->pipe = os_bell_create(&id);
    if (bell->pipe < 0) return errno != EMFILE && errno != ENFILE && errno != ENOMEM;
    bell->id = id;
    bell_claim_all(c);
    atomic_store(&c->bell.device, id.device);
    atomic_store(&c->bell.inode, id.inode);
    return true;
}

static bool holder_gets_descriptor(struct bell *bell) {
    bell->socket = os_doorbell_create(&bell->address);
    if (bell->socket < 0) return false;
    const int members[] = {bell->pipe, bell->socket};
    bell->descriptor = os_poller_create_over(members, 2);
    if (bell->descriptor >= 0) return true;
    int error = errno;
    close(bell->socket); /* what has no descriptor over it is not known as ours any more */
    bell->socket = -1;
    errno = error;
    return false;
}

/* Under the holders' lock. */
static bool bell_enters(struct channel *c, struct bell *bell) {
    if (!holders_add(c, bell->pipe, bell->address)) return false;
    bell->token = self_token();
    return true;
}

static prong_status bell_hold(struct channel *c, struct bell *bell) {
    if (!holders_lock(c)) return lock_refused(PRONG_TIMEOUT, "a fileno");
    prong_status status = PRONG_OK;
    holders_changed(c); /* who had the lock before may have died before it could */
    if (atomic_load(&c->take.generation) != bell->generation) {
        status = fail_text(PRONG_STALE, "the queue was destroyed meanwhile");
    } else {
        atomic_store(&c->bell.generation, bell->generation);
        if (!holder_gets_pipe(c, bell) || !holder_gets_descriptor(bell))
            status = fail_errno("fileno: no pipe, or no descriptor for it");
        else if (!bell_enters(c, bell))
            status = fail(PRONG_NO_MEMORY, "no memory for a descriptor's entry");
        if (status < 0) holders_changed(c);
    }
    holders_unlock(c);
    return status;
}

static void bell_leave(struct channel *c, struct bell *bell) {
    if (bell->token != self_token() || !holders_lock(c)) return;
    if (atomic_load(&c->bell.generation) == bell->generation) {
        holders_remove(c, bell->token);
    }
    holders_unlock(c);
}

/* Whether what this process has is still its own. */
static bool bell_is_whole(const struct bell *bell) {
    return bell->token == self_token() && os_poller_has(bell->descriptor, bell->socket) &&
           (bell->cannot_open || (os_bell_is(bell->pipe, &bell->id) && os_poller_has(bell->descriptor, bell->pipe)));
}

static prong_status bell_made(struct channel *c, uint64_t generation, int *descriptor) {
    struct bell *bell = bell_of(c, generation);
    if (bell && bell->token && !bell_is_whole(bell)) {
        bell_leave(c, bell);
        bell_drop(bell);
        bell = NULL;
    }
    if (!bell) bell = bell_new(c, generation);
    if (!bell) return fail(PRONG_NO_MEMORY, "no memory for a descriptor's entry");
    prong_status status = bell->token ? PRONG_OK : bell_hold(c, bell);
    if (status < 0)
        bell_drop(bell);
    else
        *descriptor = bell->descriptor;
    return status;
}

prong_status bell_open(struct channel *c, uint64_t generation, int *descriptor) {
    struct undisturbed before;
    bells_lock(&before);
    prong_status status = bell_made(c, generation, descriptor);
    bells_unlock(&before);
    if (status >= 0) bell_settle(c, BELL_THOROUGHLY);
    return status;
}

void bell_close(struct channel *c, uint64_t generation) {
    struct undisturbed before;
    if (!bells_are_here()) return;
    bells_lock(&before);
    struct bell *bell = bell_of(c, generation);
    if (bell) {
        bell_leave(c, bell);
        bell_drop(bell);
    }
    bells_unlock(&before);
}

/* --- in a forked child --- */

/* Under the holders' lock. The pipe that a forked child has may be nobody's bell any more: then it becomes that again; or there
 * is another by now, which takes its place behind the descriptor. */
static void bell_renew(struct channel *c, struct bell *bell) {
    struct os_bell_id id = bell_id(c);
    int old = bell->pipe;
    if (!os_bell_is(old, &bell->id) || bell_same_id(&id, &bell->id)) return;
    if (!id.inode) {
        bell_claim_all(c);
        atomic_store(&c->bell.device, bell->id.device);
        atomic_store(&c->bell.inode, bell->id.inode);
        return;
    }
    int pipe = bell_open_from_holders(c, &id);
    if (pipe >= 0 && os_poller_has(bell->descriptor, old)) os_poller_add(bell->descriptor, pipe, OS_POLLER_IN, 0);
    os_bell_take(old, os_bell_bytes(old));
    close(old);
    bell->pipe = pipe;
    bell->id = id;
    bell->cannot_open = pipe < 0;
}

static void bell_inherit(struct bell *bell) {
    struct channel *c = bell->channel;
    if (!bell->token || bell->token == self_token() || !holders_lock(c)) return;
    bool there = atomic_load(&c->bell.generation) == bell->generation;
    if (there) {
        bell_renew(c, bell);
        bell_enters(c, bell);
    }
    holders_unlock(c);
    if (there) bell_settle_this(c, BELL_AFTER_DEATH);
}

void bells_of_child(void) {
    struct undisturbed before;
    if (!bells_are_here()) return;
    bells_lock(&before);
    bells_each(bell_inherit);
    bells_unlock(&before);
}
