/* The bells that this process has open, in a table by the offset of their object. */
#include "family/bells.h"

#include "base/fork.h"
#include "family/holders.h"
#include "family/member.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum { BUCKETS = 64, BELLS_AT_ONCE = 32, SWEEP_EVERY = 32 };

static struct bell *bells[BUCKETS], *spare_bells;
static _Atomic unsigned bells_here;

FORK_MUTEX(bells, bells_mutex, NULL)

void bells_lock(struct undisturbed *before) {
    sigset_t all;
    before->error = errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before->signals);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before->cancelling);
    pthread_mutex_lock(&bells_mutex);
}

void bells_unlock(const struct undisturbed *before) {
    int unused;
    pthread_mutex_unlock(&bells_mutex);
    pthread_setcancelstate(before->cancelling, &unused);
    pthread_sigmask(SIG_SETMASK, &before->signals, NULL);
    errno = before->error;
}

bool bells_are_here(void) {
    return atomic_load(&bells_here) != 0;
}

void bells_each(void (*visit)(struct bell *)) {
    for (int i = 0; i < BUCKETS; i++)
        for (struct bell *bell = bells[i]; bell; bell = bell->next) visit(bell);
}

/* --- opening the pipe --- */

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

int bell_open_from_holders(struct object_bell *shared, const struct os_bell_id *id) {
    struct opening opening = {*id, -1};
    errno = ENOENT;
    holders_each(shared, holder_open, &opening);
    return opening.fd;
}

/* --- the table --- */

static struct bell **bell_bucket(const struct object_bell *shared) {
    return &bells[(arena_offset(shared) >> 6) % BUCKETS];
}

struct bell *bell_of(struct object_bell *shared, uint64_t generation) {
    struct bell *bell = *bell_bucket(shared);
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

struct bell *bell_new(struct object_bell *shared, uint64_t generation) {
    struct bell *bell = bell_take_spare();
    if (!bell) return NULL;
    *bell = (struct bell){.next = *bell_bucket(shared),
                          .shared = shared,
                          .generation = generation,
                          .pipe = -1,
                          .socket = -1,
                          .descriptor = -1};
    *bell_bucket(shared) = bell;
    atomic_fetch_add(&bells_here, 1);
    return bell;
}

/* The program may have closed descriptors that it did not know, and may use their numbers by now. */
static void bell_close_descriptors(struct bell *bell) {
    if (os_poller_has(bell->descriptor, bell->socket)) {
        close(bell->descriptor);
        close(bell->socket);
    }
    if (os_bell_is(bell->pipe, &bell->id)) close(bell->pipe);
    bell->descriptor = bell->socket = bell->pipe = -1;
}

void bell_drop(struct bell *bell) {
    struct bell **at = bell_bucket(bell->shared);
    while (*at != bell) at = &(*at)->next;
    *at = bell->next;
    bell_close_descriptors(bell);
    bell->next = spare_bells;
    spare_bells = bell;
    atomic_fetch_sub(&bells_here, 1);
}

/* Closes pipes that were opened to ring, and whose bell no longer exists. */
static void bells_sweep(void) {
    for (int i = 0; i < BUCKETS; i++)
        for (struct bell *bell = bells[i], *next; bell; bell = next) {
            next = bell->next;
            struct os_bell_id id = bell_id(bell->shared);
            bool over = bell->generation != atomic_load(&bell->shared->generation) || !bell_same_id(&bell->id, &id);
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

struct bell *bell_with_pipe(struct object_bell *shared) {
    struct os_bell_id id = bell_id(shared);
    uint64_t generation = atomic_load(&shared->generation);
    if (!id.inode || !generation) return NULL;
    struct bell *bell = bell_to_ring(shared, generation);
    if (!bell) return NULL;
    if (bell_same_id(&bell->id, &id)) {
        if (os_bell_is(bell->pipe, &id)) return bell;
        if (bell->cannot_open) return NULL;
    } else if (os_bell_is(bell->pipe, &bell->id)) {
        close(bell->pipe);
    }
    bell->id = id;
    bell->pipe = bell_open_from_holders(shared, &id);
    bell->cannot_open = bell->pipe < 0 && errno != EMFILE && errno != ENFILE;
    return bell->pipe < 0 ? NULL : bell;
}
