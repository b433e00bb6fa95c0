/* Ringing and silencing.
 *
 * The change of a channel and that of its bell are two steps, of many processes at once, and any of them may be stopped or
 * killed between the two. So the bell errs to one side only: readable too often, never too rarely. Its `count` has two halves,
 * how many bytes were put into the pipe (counted after that), and how many of these were claimed by somebody to be taken out.
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
#include "channel/bell.h"

#include "base/error.h"
#include "base/fork.h"
#include "channel/holders.h"
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

/* What this process has of a channel's bell. */
struct bell {
    struct bell *next;
    struct channel *channel;
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

FORK_MUTEX(bells, bells_mutex, NULL)

/* A signal handler may put a message, too, and a thread be cancelled in any system call: neither in here. */
struct undisturbed {
    sigset_t signals;
    int cancelling;
};

static void bells_lock(struct undisturbed *before) {
    sigset_t all;
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
}

/* --- opening the pipe --- */

static struct os_bell_id bell_id(struct channel *c) {
    return (struct os_bell_id){.device = atomic_load(&c->bell.device), .inode = atomic_load(&c->bell.inode)};
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
static int open_from_holders(struct channel *c, const struct os_bell_id *id) {
    struct opening opening = {*id, -1};
    errno = ENOENT;
    holders_each(c, holder_open, &opening);
    return opening.fd;
}

/* --- what this process has --- */

static struct bell **bucket_of(const struct channel *c) {
    return &bells[(arena_offset(c) >> 6) % BUCKETS];
}

static struct bell *bell_of(struct channel *c, uint64_t generation) {
    struct bell *bell = *bucket_of(c);
    while (bell && (bell->channel != c || bell->generation != generation)) bell = bell->next;
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

static struct bell *bell_new(struct channel *c, uint64_t generation) {
    struct bell *bell = bell_take_spare();
    if (!bell) return NULL;
    *bell = (struct bell){
        .next = *bucket_of(c), .channel = c, .generation = generation, .pipe = -1, .socket = -1, .descriptor = -1};
    *bucket_of(c) = bell;
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
    struct bell **at = bucket_of(bell->channel);
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
            struct os_bell_id id = bell_id(bell->channel);
            bool over = bell->generation != atomic_load(&bell->channel->bell.generation) || !same_id(&bell->id, &id);
            if (!bell->token && over) bell_drop(bell);
        }
}

static struct bell *bell_to_ring(struct channel *c, uint64_t generation) {
    static unsigned made;
    struct bell *bell = bell_of(c, generation);
    if (bell) return bell;
    if (++made % SWEEP_EVERY == 0) bells_sweep();
    return bell_new(c, generation);
}

/* The bell with its pipe open; NULL when there is none to be had. */
static struct bell *bell_with_pipe(struct channel *c) {
    struct os_bell_id id = bell_id(c);
    uint64_t generation = atomic_load(&c->bell.generation);
    if (!id.inode || !generation) return NULL;
    struct bell *bell = bell_to_ring(c, generation);
    if (!bell) return NULL;
    if (same_id(&bell->id, &id)) {
        if (os_bell_is(bell->pipe, &id)) return bell;
        if (bell->cannot_open) return NULL;
    } else if (os_bell_is(bell->pipe, &bell->id)) {
        close(bell->pipe);
    }
    bell->id = id;
    bell->pipe = open_from_holders(c, &id);
    bell->cannot_open = bell->pipe < 0 && errno != EMFILE && errno != ENFILE;
    return bell->pipe < 0 ? NULL : bell;
}

/* --- ringing and silencing: see above --- */

/* Bytes put and not claimed. */
static uint32_t bytes_counted(struct channel *c) {
    uint64_t count = atomic_load(&c->bell.count);
    return (uint32_t)(count >> 32) - (uint32_t)count;
}

/* Those of a pipe that is no more. */
static void bell_claim_all(struct channel *c) {
    uint64_t count = atomic_load(&c->bell.count);
    while (!atomic_compare_exchange_strong(&c->bell.count, &count, (count & ~0xffffffffull) | count >> 32)) {}
}

static bool is_to_ring(const struct bell *bell) {
    return atomic_load(&bell->channel->take.generation) != bell->generation || channel_ready_to_take(bell->channel);
}

static void bell_put_byte(struct bell *bell) {
    os_bell_put(bell->pipe);
    atomic_fetch_add(&bell->channel->bell.count, ONE_PUT);
}

/* A byte that is counted may have been taken by one who took what seemed left over, and who is about to look again. */
static void bell_ring(struct bell *bell) {
    if (!bytes_counted(bell->channel) || !os_bell_bytes(bell->pipe)) bell_put_byte(bell);
}

/* What has come by address is from here on the pipe's. */
static void bell_hear(struct bell *bell) {
    if (bell->socket >= 0 && atomic_load(&bell->channel->bell.addressed)) os_doorbell_silence(bell->socket);
}

/* Claims the bytes that are counted, and takes them out if there is nothing to ring for now. */
static void bell_take_counted(struct bell *bell) {
    _Atomic uint64_t *count = &bell->channel->bell.count;
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
    uint64_t count = atomic_load(&bell->channel->bell.count);
    if (bytes_counted(bell->channel) || !os_bell_bytes(bell->pipe)) return false;
    int64_t now = clock_now();
    if (bell->count_seen != count || !bell->seen_at) {
        bell->count_seen = count;
        bell->seen_at = now;
    }
    return now - bell->seen_at >= BELL_LEFT_OVER_AFTER;
}

/* After a death they are counted, to be taken out with the others. */
static void bell_count_left_over(struct bell *bell) {
    uint32_t bytes = os_bell_bytes(bell->pipe), counted = bytes_counted(bell->channel);
    if (bytes > counted) atomic_fetch_add(&bell->channel->bell.count, (bytes - counted) * ONE_PUT);
}

static void bell_silence(struct bell *bell, enum bell_care care) {
    bell_take_counted(bell);
    if (care == BELL_THOROUGHLY && bell_has_left_over(bell) && !is_to_ring(bell))
        os_bell_take(bell->pipe, os_bell_bytes(bell->pipe));
    bell_hear(bell);
    if (is_to_ring(bell)) bell_ring(bell);
}

static bool bell_agrees(struct bell *bell, bool ring) {
    return is_to_ring(bell) == ring && (ring ? os_bell_bytes(bell->pipe) > 0 : !bytes_counted(bell->channel));
}

/* Until bell and channel agree; another who changes the channel meanwhile does the same. */
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
static void bell_ring_by_address(struct channel *c, bool all) {
    if (all) atomic_store(&c->bell.addressed, 1);
    holders_each(c, all ? holder_ring : holder_ring_deaf, NULL);
}

/* A holder without the pipe. */
static void bell_hear_alone(struct channel *c) {
    struct bell *bell = bell_of(c, atomic_load(&c->bell.generation));
    if (!bell || bell->socket < 0) return;
    os_doorbell_silence(bell->socket);
    if (is_to_ring(bell)) os_doorbell_ring(bell->address);
}

static void bell_settle_this(struct channel *c, enum bell_care care) {
    uint32_t on = atomic_load(&c->fixed.bell);
    struct bell *bell = bell_with_pipe(c);
    if (bell) bell_agree(bell, care);
    if (channel_ready_to_take(c)) {
        if (!bell || on & BELL_HAS_DEAF) bell_ring_by_address(c, !bell);
    } else if (!bell) {
        bell_hear_alone(c);
    }
}

/* Once more if there is another bell now: its maker may have looked at the channel before the change that is settled here. */
static void bell_settle(struct channel *c, enum bell_care care) {
    struct undisturbed before;
    struct os_bell_id id, now;
    bells_lock(&before);
    do {
        id = bell_id(c);
        bell_settle_this(c, care);
        now = bell_id(c);
    } while (atomic_load(&c->fixed.bell) && !same_id(&id, &now));
    bells_unlock(&before);
}

void bell_settle_after_put(struct channel *c) {
    if (atomic_load(&c->fixed.bell) == BELL_HAS_PIPE && bytes_counted(c)) return;
    bell_settle(c, BELL_QUICKLY);
}

void bell_settle_after_take(struct channel *c) {
    if (!channel_ready_to_take(c)) bell_settle(c, BELL_QUICKLY);
}

void bell_settle_thoroughly(struct channel *c) {
    bell_settle(c, BELL_THOROUGHLY);
}

/* --- holding --- */

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
    bell->descriptor = os_poll_create(members, 2);
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
    if (!holders_lock(c)) return fail_text(PRONG_TIMEOUT, "a stopped process is in the middle of a fileno");
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
    return bell->token == self_token() && os_poll_has(bell->descriptor, bell->socket) &&
           (bell->cannot_open || (os_bell_is(bell->pipe, &bell->id) && os_poll_has(bell->descriptor, bell->pipe)));
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
    if (!atomic_load(&bells_here)) return;
    bells_lock(&before);
    struct bell *bell = bell_of(c, generation);
    if (bell) {
        bell_leave(c, bell);
        bell_drop(bell);
    }
    bells_unlock(&before);
}

/* Under the holders' lock. The pipe that a forked child has may be nobody's bell any more: then it becomes that again; or there
 * is another by now, which takes its place behind the descriptor. */
static void bell_renew(struct channel *c, struct bell *bell) {
    struct os_bell_id id = bell_id(c);
    int old = bell->pipe;
    if (!os_bell_is(old, &bell->id) || same_id(&id, &bell->id)) return;
    if (!id.inode) {
        bell_claim_all(c);
        atomic_store(&c->bell.device, bell->id.device);
        atomic_store(&c->bell.inode, bell->id.inode);
        return;
    }
    int pipe = open_from_holders(c, &id);
    if (pipe >= 0 && os_poll_has(bell->descriptor, old)) os_poll_add(bell->descriptor, pipe);
    os_bell_take(old, os_bell_bytes(old));
    close(old);
    bell->pipe = pipe;
    bell->id = id;
    bell->cannot_open = pipe < 0;
}

static void bell_inherit(struct channel *c, struct bell *bell) {
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
    if (!atomic_load(&bells_here)) return;
    bells_lock(&before);
    for (int i = 0; i < BUCKETS; i++)
        for (struct bell *bell = bells[i]; bell; bell = bell->next) bell_inherit(bell->channel, bell);
    bells_unlock(&before);
}

/* --- ends --- */

/* The byte comes after the generation has changed, in addition to whatever is there: a claimer who does not see the change
 * does not claim this one. */
static void bell_ring_for_good(struct channel *c) {
    struct undisturbed before;
    bells_lock(&before);
    struct bell *bell = bell_with_pipe(c);
    if (bell) bell_put_byte(bell);
    bell_ring_by_address(c, !bell);
    bells_unlock(&before);
}

/* No holder is added any more: the generation has changed, which is looked at under the lock. If this process dies in here, another
 * does it again. */
bool bell_dispose(struct channel *c) {
    if (!holders_lock(c)) return false;
    bool on = atomic_load(&c->fixed.bell) != 0;
    holders_unlock(c);
    if (on) bell_ring_for_good(c);
    if (!holders_lock(c)) return false;
    atomic_store(&c->fixed.bell, 0);
    atomic_store(&c->bell.generation, 0);
    atomic_store(&c->bell.inode, 0);
    holders_free(c);
    holders_unlock(c);
    return true;
}

void bell_recover(struct channel *c, uint32_t dead) {
    if (!atomic_load(&c->fixed.bell) && !lock_held_by(&c->bell.lock, dead)) return;
    if (holders_lock(c)) {
        holders_remove(c, dead);
        holders_unlock(c);
    }
    if (atomic_load(&c->fixed.bell)) bell_settle(c, BELL_AFTER_DEATH);
}
