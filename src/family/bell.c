/* Ringing and silencing.
 *
 * The change of an object and that of its bell are two steps, of many processes at once, and any of them may be stopped or
 * killed between the two. So the bell errs to one side only: readable too often, never too rarely. Its `count` has two halves,
 * how many bytes were put into the pipe (counted after that), and how many of these were claimed by somebody to be taken out.
 * For a channel, that is ready while it has a message, or is closed:
 *
 *   to ring:    put the message; if all bytes are claimed, put a byte and count it.
 *   to silence: claim the bytes that are counted; look whether the channel is empty *now*. If it is, take so many bytes out,
 *               else count them again: they are still there.
 *
 * A message that is put before the claim is seen by that look. A process that puts one after it sees that all bytes are claimed,
 * and puts one of its own, which the claimer does not take. A process that stops between claim and taking, or between putting a
 * byte and counting it,
 * leaves bytes too many. A call that looks for a message in vain takes them, when nothing has moved for a while. If something
 * does just then, another's byte may go along: so the call looks once more, and puts one back if need be. A process that dies
 * between message and byte is followed by its burial, which settles the bell.
 *
 * A process that cannot open the pipe (other rights, no /proc, another pid namespace) sends a datagram to each holder's
 * own socket. What a program polls is an epoll descriptor for both. */
#include "family/bell.h"

#include "base/error.h"
#include "base/fork.h"
#include "family/bell_owner.h"
#include "family/holders.h"
#include "family/member.h"
#include "os/os.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum { BUCKETS = 64, BELLS_AT_ONCE = 32, SWEEP_EVERY = 32, ROUNDS_MOST = 64 };
#define ONE_PUT (1ull << 32)
#ifndef BELL_LEFT_OVER_AFTER
#define BELL_LEFT_OVER_AFTER PRONG_MS(1) /* the model in tests/model has none */
#endif

/* Whether to look for bytes that are left over. */
enum bell_care { BELL_QUICKLY, BELL_THOROUGHLY, BELL_AFTER_DEATH };

/* What this process has of an object's bell. */
struct bell {
    struct bell *next;
    struct object_bell *shared;
    uint64_t generation;
    struct os_bell_id id;
    int pipe;
    bool cannot_open; /* tried for this id, and not for lack of descriptors */
    uint32_t token;   /* of the holder: as which it stands in the list; 0: this process only rings and silences */
    int socket, descriptor;
    uint32_t address;
    uint64_t count_seen; /* when somebody last looked thoroughly */
    int64_t seen_at;
};

static struct bell *bells[BUCKETS], *spare_bells;
static _Atomic unsigned bells_here;

FORK_MUTEX(FORK_BELLS, bells_mutex, NULL)

/* A signal handler may ring, too, and a thread be cancelled in any system call: neither in here. errno stays as it was. */
struct undisturbed {
    sigset_t signals;
    int cancelling, error;
};

static void bells_lock(struct undisturbed *before) {
    sigset_t all;
    before->error = errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before->signals);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before->cancelling);
    pthread_mutex_lock(&bells_mutex);
}

static void bells_unlock(const struct undisturbed *before) {
    int unused;
    pthread_mutex_unlock(&bells_mutex);
    pthread_setcancelstate(before->cancelling, &unused);
    pthread_sigmask(SIG_SETMASK, &before->signals, NULL);
    errno = before->error;
}

/* --- opening the pipe --- */

static struct os_bell_id bell_id(struct object_bell *shared) {
    return (struct os_bell_id){.device = atomic_load(&shared->device), .inode = atomic_load(&shared->inode)};
}

static bool same_id(const struct os_bell_id *a, const struct os_bell_id *b) {
    return a->inode == b->inode && a->device == b->device;
}

struct opening {
    struct os_bell_id id;
    int fd;
};

static bool holder_open(struct holder *holder, void *context) {
    struct opening *opening = context;
    uint32_t token = (uint32_t)atomic_load(&holder->who);
    int number = holder->pipe;
    if (number < 0 || token == self_token() || !member_alive(token)) return false;
    opening->fd = os_bell_open((pid_t)atomic_load(&member_row(token)->pid), number, &opening->id);
    return opening->fd >= 0 || errno == EMFILE || errno == ENFILE;
}

/* From whichever holder lets us; -1 with errno. */
static int open_from_holders(struct object_bell *shared, const struct os_bell_id *id) {
    struct opening opening = {*id, -1};
    errno = ENOENT;
    holders_each(shared, holder_open, &opening);
    return opening.fd;
}

/* --- what this process has --- */

static struct bell **bucket_of(const struct object_bell *shared) {
    return &bells[(arena_offset(shared) >> 6) % BUCKETS];
}

static struct bell *bell_of(struct object_bell *shared, uint64_t generation) {
    struct bell *bell = *bucket_of(shared);
    while (bell && (bell->shared != shared || bell->generation != generation)) bell = bell->next;
    return bell;
}

/* Not from malloc: a signal handler may put a message in the middle of that. */
static struct bell *bell_take_spare(void) {
    struct bell *more = spare_bells ? NULL : os_memory_private(BELLS_AT_ONCE * sizeof *more);
    for (int i = 0; more && i < BELLS_AT_ONCE; i++) {
        more[i].next = spare_bells;
        spare_bells = &more[i];
    }
    struct bell *bell = spare_bells;
    if (bell) spare_bells = bell->next;
    return bell;
}

static struct bell *bell_new(struct object_bell *shared, uint64_t generation) {
    struct bell *bell = bell_take_spare();
    if (!bell) return NULL;
    *bell = (struct bell){.next = *bucket_of(shared),
                          .shared = shared,
                          .generation = generation,
                          .pipe = -1,
                          .socket = -1,
                          .descriptor = -1};
    *bucket_of(shared) = bell;
    atomic_fetch_add(&bells_here, 1);
    return bell;
}

/* The program may have closed numbers that it did not know, and they may be its own by now. */
static void bell_close_descriptors(struct bell *bell) {
    if (os_poll_has(bell->descriptor, bell->socket)) {
        close(bell->descriptor);
        close(bell->socket);
    }
    if (os_bell_is(bell->pipe, &bell->id)) close(bell->pipe);
    bell->descriptor = bell->socket = bell->pipe = -1;
}

static void bell_drop(struct bell *bell) {
    struct bell **at = bucket_of(bell->shared);
    while (*at != bell) at = &(*at)->next;
    *at = bell->next;
    bell_close_descriptors(bell);
    bell->next = spare_bells;
    spare_bells = bell;
    atomic_fetch_sub(&bells_here, 1);
}

/* Pipes that were opened to ring, and whose bell is no more. */
static void bells_sweep(void) {
    for (int i = 0; i < BUCKETS; i++)
        for (struct bell *bell = bells[i], *next; bell; bell = next) {
            next = bell->next;
            struct os_bell_id id = bell_id(bell->shared);
            bool over = bell->generation != atomic_load(&bell->shared->generation) || !same_id(&bell->id, &id);
            if (!bell->token && over) bell_drop(bell);
        }
}

static struct bell *bell_to_ring(struct object_bell *shared, uint64_t generation) {
    static unsigned made;
    struct bell *bell = bell_of(shared, generation);
    if (bell) return bell;
    if (++made % SWEEP_EVERY == 0) bells_sweep();
    return bell_new(shared, generation);
}

/* The bell with its pipe open; NULL when there is none to be had. */
static struct bell *bell_with_pipe(struct object_bell *shared) {
    struct os_bell_id id = bell_id(shared);
    uint64_t generation = atomic_load(&shared->generation);
    if (!id.inode || !generation) return NULL;
    struct bell *bell = bell_to_ring(shared, generation);
    if (!bell) return NULL;
    if (same_id(&bell->id, &id)) {
        if (os_bell_is(bell->pipe, &id)) return bell;
        if (bell->cannot_open) return NULL;
    } else if (os_bell_is(bell->pipe, &bell->id)) {
        close(bell->pipe);
    }
    bell->id = id;
    bell->pipe = open_from_holders(shared, &id);
    bell->cannot_open = bell->pipe < 0 && errno != EMFILE && errno != ENFILE;
    return bell->pipe < 0 ? NULL : bell;
}

/* --- ringing and silencing: see above --- */

/* Bytes put and not claimed. */
static uint32_t bytes_counted(struct object_bell *shared) {
    uint64_t count = atomic_load(&shared->count);
    return (uint32_t)(count >> 32) - (uint32_t)count;
}

/* Those of a pipe that is no more. */
static void bell_claim_all(struct object_bell *shared) {
    uint64_t count = atomic_load(&shared->count);
    while (!atomic_compare_exchange_strong(&shared->count, &count, (count & ~0xffffffffull) | count >> 32)) {}
}

static bool is_to_ring(const struct bell *bell) {
    return bell_owner_generation(bell->shared) != bell->generation || bell_owner_ready(bell->shared);
}

static void bell_put_byte(struct bell *bell) {
    os_bell_put(bell->pipe);
    atomic_fetch_add(&bell->shared->count, ONE_PUT);
}

/* A byte that is counted may have been taken by one who took what seemed left over, and who is about to look again. */
static void bell_ring(struct bell *bell) {
    if (!bytes_counted(bell->shared) || !os_bell_bytes(bell->pipe)) bell_put_byte(bell);
}

/* What has come by address is from here on the pipe's. */
static void bell_hear(struct bell *bell) {
    if (bell->socket >= 0 && atomic_load(&bell->shared->addressed)) os_doorbell_silence(bell->socket);
}

/* Claims the bytes that are counted, and takes them out if there is nothing to ring for now. */
static void bell_take_counted(struct bell *bell) {
    _Atomic uint64_t *count = &bell->shared->count;
    uint64_t before = atomic_load(count);
    uint32_t bytes = (uint32_t)(before >> 32) - (uint32_t)before;
    uint64_t claimed = (before & ~0xffffffffull) | before >> 32;
    if (!bytes || !atomic_compare_exchange_strong(count, &before, claimed)) return;
    if (is_to_ring(bell))
        atomic_fetch_add(count, bytes * ONE_PUT);
    else
        os_bell_take(bell->pipe, bytes);
}

/* Bytes that nobody counts any more: from one who was stopped or died. Others, which are about to be counted or taken, are so
 * within microseconds; so nothing may have moved for a while. */
static bool bell_has_left_over(struct bell *bell) {
    uint64_t count = atomic_load(&bell->shared->count);
    if (bytes_counted(bell->shared) || !os_bell_bytes(bell->pipe)) return false;
    int64_t now = clock_now();
    if (bell->count_seen != count || !bell->seen_at) {
        bell->count_seen = count;
        bell->seen_at = now;
    }
    return now - bell->seen_at >= BELL_LEFT_OVER_AFTER;
}

/* After a death they are counted, to be taken out with the others. */
static void bell_count_left_over(struct bell *bell) {
    uint32_t bytes = os_bell_bytes(bell->pipe), counted = bytes_counted(bell->shared);
    if (bytes > counted) atomic_fetch_add(&bell->shared->count, (bytes - counted) * ONE_PUT);
}

static void bell_silence(struct bell *bell, enum bell_care care) {
    bell_take_counted(bell);
    if (care == BELL_THOROUGHLY && bell_has_left_over(bell) && !is_to_ring(bell))
        os_bell_take(bell->pipe, os_bell_bytes(bell->pipe));
    bell_hear(bell);
    if (is_to_ring(bell)) bell_ring(bell);
}

static bool bell_agrees(struct bell *bell, bool ring) {
    return is_to_ring(bell) == ring && (ring ? os_bell_bytes(bell->pipe) > 0 : !bytes_counted(bell->shared));
}

/* Until bell and object agree; another who changes the object meanwhile does the same. */
static void bell_agree(struct bell *bell, enum bell_care care) {
    bool ring;
    int round = 0;
    if (care == BELL_AFTER_DEATH) bell_count_left_over(bell);
    do {
        ring = is_to_ring(bell);
        if (ring)
            bell_ring(bell);
        else
            bell_silence(bell, care);
    } while (!bell_agrees(bell, ring) && ++round < ROUNDS_MOST);
    if (round == ROUNDS_MOST && is_to_ring(bell)) bell_put_byte(bell);
}

static bool holder_ring_deaf(struct holder *holder, void *context) {
    (void)context;
    if (holder->pipe < 0) os_doorbell_ring(holder->address);
    return false;
}

static bool holder_ring(struct holder *holder, void *context) {
    (void)context;
    os_doorbell_ring(holder->address);
    return false;
}

/* By address: the holders without the pipe, or all, where this process cannot open it. */
static void bell_ring_by_address(struct object_bell *shared, bool all) {
    if (all) atomic_store(&shared->addressed, 1);
    holders_each(shared, all ? holder_ring : holder_ring_deaf, NULL);
}

/* A holder without the pipe. */
static void bell_hear_alone(struct object_bell *shared) {
    struct bell *bell = bell_of(shared, atomic_load(&shared->generation));
    if (!bell || bell->socket < 0) return;
    os_doorbell_silence(bell->socket);
    if (is_to_ring(bell)) os_doorbell_ring(bell->address);
}

static void bell_settle_this(struct object_bell *shared, enum bell_care care) {
    uint32_t on = bell_flags(shared);
    struct bell *bell = bell_with_pipe(shared);
    if (bell) bell_agree(bell, care);
    if (bell_owner_ready(shared)) {
        if (!bell || on & BELL_HAS_DEAF) bell_ring_by_address(shared, !bell);
    } else if (!bell) {
        bell_hear_alone(shared);
    }
}

/* Once more if there is another bell now: its maker may have looked at the object before the change that is settled here. */
static void bell_settle(struct object_bell *shared, enum bell_care care) {
    struct undisturbed before;
    struct os_bell_id id, now;
    bells_lock(&before);
    do {
        id = bell_id(shared);
        bell_settle_this(shared, care);
        now = bell_id(shared);
    } while (bell_flags(shared) && !same_id(&id, &now));
    bells_unlock(&before);
}

void object_bell_settle_up(struct object_bell *shared) {
    if (bell_flags(shared) == BELL_HAS_PIPE && bytes_counted(shared)) return;
    bell_settle(shared, BELL_QUICKLY);
}

void object_bell_settle_down(struct object_bell *shared) {
    if (!bell_owner_ready(shared)) bell_settle(shared, BELL_QUICKLY);
}

void object_bell_settle_thoroughly(struct object_bell *shared) {
    bell_settle(shared, BELL_THOROUGHLY);
}

/* --- holding --- */

/* Under the holders' lock: the pipe that is there, or a new one. Where it cannot be opened, the holder hears by address.
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
    bell_claim_all(shared);
    atomic_store(&shared->device, id.device);
    atomic_store(&shared->inode, id.inode);
    return true;
}

static bool holder_gets_descriptor(struct bell *bell) {
    bell->socket = os_doorbell_create(&bell->address);
    if (bell->socket < 0) return false;
    const int members[] = {bell->pipe, bell->socket};
    bell->descriptor = os_poll_create(members, 2);
    if (bell->descriptor >= 0) return true;
    int error = errno;
    close(bell->socket); /* what has no descriptor over it is not known as ours any more */
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
    holders_changed(shared); /* who had the lock before may have died before it could */
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

/* Whether what this process has is still its own. */
static bool bell_is_whole(const struct bell *bell) {
    return bell->token == self_token() && os_poll_has(bell->descriptor, bell->socket) &&
           (bell->cannot_open || (os_bell_is(bell->pipe, &bell->id) && os_poll_has(bell->descriptor, bell->pipe)));
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
    if (status >= 0) bell_settle(shared, BELL_THOROUGHLY);
    return status;
}

void object_bell_close(struct object_bell *shared, uint64_t generation) {
    struct undisturbed before;
    if (!atomic_load(&bells_here)) return;
    bells_lock(&before);
    struct bell *bell = bell_of(shared, generation);
    if (bell) {
        bell_leave(shared, bell);
        bell_drop(bell);
    }
    bells_unlock(&before);
}

/* Under the holders' lock. The pipe that a forked child has may be nobody's bell any more: then it becomes that again; or there
 * is another by now, which takes its place behind the descriptor. */
static void bell_renew(struct object_bell *shared, struct bell *bell) {
    struct os_bell_id id = bell_id(shared);
    int old = bell->pipe;
    if (!os_bell_is(old, &bell->id) || same_id(&id, &bell->id)) return;
    if (!id.inode) {
        bell_claim_all(shared);
        atomic_store(&shared->device, bell->id.device);
        atomic_store(&shared->inode, bell->id.inode);
        return;
    }
    int pipe = open_from_holders(shared, &id);
    if (pipe >= 0 && os_poll_has(bell->descriptor, old)) os_poll_add(bell->descriptor, pipe);
    os_bell_take(old, os_bell_bytes(old));
    close(old);
    bell->pipe = pipe;
    bell->id = id;
    bell->cannot_open = pipe < 0;
}

static void bell_inherit(struct object_bell *shared, struct bell *bell) {
    if (!bell->token || bell->token == self_token() || !holders_lock(shared)) return;
    bool there = atomic_load(&shared->generation) == bell->generation;
    if (there) {
        bell_renew(shared, bell);
        bell_enters(shared, bell);
    }
    holders_unlock(shared);
    if (there) bell_settle_this(shared, BELL_AFTER_DEATH);
}

/* A forked child has its parent's descriptors, under the same numbers: it is a holder, too. */
static void bells_of_child(void) {
    struct undisturbed before;
    if (!atomic_load(&bells_here)) return;
    bells_lock(&before);
    for (int i = 0; i < BUCKETS; i++)
        for (struct bell *bell = bells[i]; bell; bell = bell->next) bell_inherit(bell->shared, bell);
    bells_unlock(&before);
}

__attribute__((constructor)) static void bells_register(void) {
    member_joined = bells_of_child;
}

/* --- ends --- */

/* The byte comes after the generation has changed, in addition to whatever is there: a claimer who does not see the change
 * does not claim this one. */
static void bell_ring_for_good(struct object_bell *shared) {
    struct undisturbed before;
    bells_lock(&before);
    struct bell *bell = bell_with_pipe(shared);
    if (bell) bell_put_byte(bell);
    bell_ring_by_address(shared, !bell);
    bells_unlock(&before);
}

/* One that is being made at this moment: its maker sees, as it looks at the object next, that that is destroyed. */
static bool bell_was_never(struct object_bell *shared) {
    return !shared->inset || (!atomic_load(&shared->lock.word) && !atomic_load(&shared->generation));
}

/* No holder is added any more: the generation has changed, which is looked at under the lock. If this process dies in here, another
 * does it again. */
bool object_bell_dispose(struct object_bell *shared) {
    if (bell_was_never(shared)) return true;
    if (!holders_lock(shared)) return false;
    bool on = bell_flags(shared) != 0;
    holders_unlock(shared);
    if (on) bell_ring_for_good(shared);
    if (!holders_lock(shared)) return false;
    bell_set_flags(shared, 0);
    atomic_store(&shared->generation, 0);
    atomic_store(&shared->inode, 0);
    holders_free(shared);
    holders_unlock(shared);
    return true;
}

void object_bell_recover(struct object_bell *shared, uint32_t dead) {
    if (!shared->inset || (!bell_flags(shared) && !lock_held_by(&shared->lock, dead))) return;
    if (holders_lock(shared)) {
        holders_remove(shared, dead);
        holders_unlock(shared);
    }
    if (bell_flags(shared)) bell_settle(shared, BELL_AFTER_DEATH);
}
