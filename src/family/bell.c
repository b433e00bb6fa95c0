/* Ringing makes a bell readable, silencing makes it not readable.
 *
 * Changing an object and changing its bell are two steps. Many processes take them at once, and any of them may be
 * stopped or killed between the two. So the bell errs to one side only: it is readable too often, never too rarely. Its
 * `count` has two halves: how many bytes were put into the pipe (counted after that), and how many of these some
 * process has claimed to take out. For example a channel, which is ready while it has a message or is closed:
 *
 *   to ring:    put the message; if all bytes are claimed, put a byte and count it.
 *   to silence: claim the bytes that are counted; look whether the channel is empty *now*. If it is, take so many bytes out,
 *               else count them again: they are still there.
 *
 * A message that is put before the claim is seen by that check. A process that puts one after the claim sees that all
 * bytes are claimed, and puts a byte of its own, which the claimer does not take. A process that stops between claiming
 * and taking, or between putting a byte and counting it, leaves too many bytes. A call that finds no message takes them
 * out if the count has not changed for a while. If it changes just then, another process's byte may be taken as well:
 * so the call checks once more, and puts a byte back if needed. If a process dies between message and byte, its burial
 * settles the bell.
 *
 * A process that cannot open the pipe (other rights, no /proc, another pid namespace) sends a datagram to each holder's
 * own socket. What a program polls is a poller over both. */
#include "family/bells.h"

#include "family/holders.h"
#include "family/member.h"

enum { ROUNDS_MAX = 64 };
#define ONE_PUT (1ull << 32)
#ifndef BELL_LEFT_OVER_AFTER
#define BELL_LEFT_OVER_AFTER PRONG_MS(1) /* the model in tests/model has none */
#endif

/* Bytes put and not claimed. */
static uint32_t bell_bytes_counted(struct object_bell *shared) {
    uint64_t count = atomic_load(&shared->count);
    return (uint32_t)(count >> 32) - (uint32_t)count;
}

void bell_claim_all(struct object_bell *shared) {
    uint64_t count = atomic_load(&shared->count);
    while (!atomic_compare_exchange_strong(&shared->count, &count, (count & ~0xffffffffull) | count >> 32)) {}
}

static bool bell_is_to_ring(const struct bell *bell) {
    return bell_owner_generation(bell->shared) != bell->generation || bell_owner_ready(bell->shared);
}

static void bell_put_byte(struct bell *bell) {
    os_bell_put(bell->pipe);
    atomic_fetch_add(&bell->shared->count, ONE_PUT);
}

/* A byte that is counted may have been taken by a process that took it for a surplus one and is about to check
 * again. */
static void bell_ring(struct bell *bell) {
    if (!bell_bytes_counted(bell->shared) || !os_bell_bytes(bell->pipe)) bell_put_byte(bell);
}

/* From here on the pipe stands for what was rung by address, too. */
static void bell_hear(struct bell *bell) {
    if (bell->socket >= 0 && atomic_load(&bell->shared->addressed)) os_doorbell_silence(bell->socket);
}

/* Claims the bytes that are counted, and takes them out if the object is not ready now. */
static void bell_take_counted(struct bell *bell) {
    _Atomic uint64_t *count = &bell->shared->count;
    uint64_t before = atomic_load(count);
    uint32_t bytes = (uint32_t)(before >> 32) - (uint32_t)before;
    uint64_t claimed = (before & ~0xffffffffull) | before >> 32;
    if (!bytes || !atomic_compare_exchange_strong(count, &before, claimed)) return;
    if (bell_is_to_ring(bell))
        atomic_fetch_add(count, bytes * ONE_PUT);
    else
        os_bell_take(bell->pipe, bytes);
}

/* Takes surplus bytes, which a process that was stopped or died has left. Bytes that are about to be counted or taken
 * are so within microseconds: so the count must have been the same for a while. */
static bool bell_has_left_over(struct bell *bell) {
    uint64_t count = atomic_load(&bell->shared->count);
    if (bell_bytes_counted(bell->shared) || !os_bell_bytes(bell->pipe)) return false;
    int64_t now = clock_now();
    if (bell->count_seen != count || !bell->seen_at) {
        bell->count_seen = count;
        bell->seen_at = now;
    }
    return now - bell->seen_at >= BELL_LEFT_OVER_AFTER;
}

/* After a death the surplus bytes are counted, to be taken out with the others. */
static void bell_count_left_over(struct bell *bell) {
    uint32_t bytes = os_bell_bytes(bell->pipe), counted = bell_bytes_counted(bell->shared);
    if (bytes > counted) atomic_fetch_add(&bell->shared->count, (bytes - counted) * ONE_PUT);
}

static void bell_silence(struct bell *bell, enum bell_care care) {
    bell_take_counted(bell);
    if (care == BELL_THOROUGHLY && bell_has_left_over(bell) && !bell_is_to_ring(bell))
        os_bell_take(bell->pipe, os_bell_bytes(bell->pipe));
    bell_hear(bell);
    if (bell_is_to_ring(bell)) bell_ring(bell);
}

static bool bell_agrees(struct bell *bell, bool ring) {
    return bell_is_to_ring(bell) == ring && (ring ? os_bell_bytes(bell->pipe) > 0 : !bell_bytes_counted(bell->shared));
}

/* Repeats until bell and object agree; another process that changes the object meanwhile does the same. */
static void bell_agree(struct bell *bell, enum bell_care care) {
    bool ring;
    int round = 0;
    if (care == BELL_AFTER_DEATH) bell_count_left_over(bell);
    do {
        ring = bell_is_to_ring(bell);
        if (ring)
            bell_ring(bell);
        else
            bell_silence(bell, care);
    } while (!bell_agrees(bell, ring) && ++round < ROUNDS_MAX);
    if (round == ROUNDS_MAX && bell_is_to_ring(bell)) bell_put_byte(bell);
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

/* Rings by address: the holders without the pipe, or all of them if this process cannot open it. */
static void bell_ring_by_address(struct object_bell *shared, bool all) {
    if (all) atomic_store(&shared->addressed, 1);
    holders_each(shared, all ? holder_ring : holder_ring_deaf, NULL);
}

/* A holder without the pipe. */
static void bell_hear_alone(struct object_bell *shared) {
    struct bell *bell = bell_of(shared, atomic_load(&shared->generation));
    if (!bell || bell->socket < 0) return;
    os_doorbell_silence(bell->socket);
    if (bell_is_to_ring(bell)) os_doorbell_ring(bell->address);
}

void bell_settle_this(struct object_bell *shared, enum bell_care care) {
    uint32_t on = bell_flags(shared);
    struct bell *bell = bell_with_pipe(shared);
    if (bell) bell_agree(bell, care);
    if (bell_owner_ready(shared)) {
        if (!bell || on & BELL_HAS_DEAF) bell_ring_by_address(shared, !bell);
    } else if (!bell) {
        bell_hear_alone(shared);
    }
}

/* Once more if there is another bell now: its maker may have checked the object before the change that is settled
 * here. */
void bell_settle(struct object_bell *shared, enum bell_care care) {
    struct undisturbed before;
    struct os_bell_id id, now;
    bells_lock(&before);
    do {
        id = bell_id(shared);
        bell_settle_this(shared, care);
        now = bell_id(shared);
    } while (bell_flags(shared) && !bell_same_id(&id, &now));
    bells_unlock(&before);
}

void object_bell_settle_up(struct object_bell *shared) {
    if (bell_flags(shared) == BELL_HAS_PIPE && bell_bytes_counted(shared)) return;
    bell_settle(shared, BELL_QUICKLY);
}

void object_bell_settle_down(struct object_bell *shared) {
    if (!bell_owner_ready(shared)) bell_settle(shared, BELL_QUICKLY);
}

void object_bell_settle_thoroughly(struct object_bell *shared) {
    bell_settle(shared, BELL_THOROUGHLY);
}

/* --- ends --- */

/* The byte is put after the generation has changed, in addition to those that are there: a process that claims bytes
 * without seeing the change does not claim this one. */
static void bell_ring_for_good(struct object_bell *shared) {
    struct undisturbed before;
    bells_lock(&before);
    struct bell *bell = bell_with_pipe(shared);
    if (bell) bell_put_byte(bell);
    bell_ring_by_address(shared, !bell);
    bells_unlock(&before);
}

/* A bell that is being made at this moment: its maker checks the object next, and sees that it is destroyed. */
static bool bell_was_never(struct object_bell *shared) {
    return !shared->inset || (!atomic_load(&shared->lock.word) && !atomic_load(&shared->generation));
}

/* No holder is added any more: the generation has changed, which is checked under the lock. If this process dies in
 * here, another does it again. The list of holders stays: a thread that is inside of the object may be reading it. */
bool object_bell_end(struct object_bell *shared) {
    if (bell_was_never(shared)) return true;
    if (!holders_lock(shared)) return false;
    bool on = bell_flags(shared) != 0;
    holders_unlock(shared);
    if (on) bell_ring_for_good(shared);
    if (!holders_lock(shared)) return false;
    bell_set_flags(shared, 0);
    atomic_store(&shared->generation, 0);
    atomic_store(&shared->inode, 0);
    holders_unlock(shared);
    return true;
}

bool object_bell_dispose(struct object_bell *shared) {
    if (!object_bell_end(shared)) return false;
    if (holders_are_none(shared)) return true;
    if (!holders_lock(shared)) return false;
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
