/* Ringing makes a bell readable, silencing makes it not readable.
 *
 * Changing an object and changing its bell are two steps. Many processes take them at once, and any of them may be
 * stopped or killed between the two. So the bell errs to one side only: it is readable too often, never too rarely. To
 * silence is to take all bytes out of the pipe. A process that is stopped just before it takes them may go on at any
 * time, and take others' bytes: so it first announces how many it may take, and a process that rings puts more than all
 * have announced. For example an event:
 *
 *   to ring:    set the event; put bytes until there are more than announced; note that the bell is rung.
 *   to silence: announce; unnote it; look whether the event is set *now*. If it is not, take the bytes. Withdraw.
 *
 * A process that silences after an event was set sees that it is set, and takes nothing. One that did not see it had
 * announced before, and leaves a byte. So while the bell is noted as rung, and the event remains set, a byte is in the
 * pipe, and another process that sets the event has nothing to do. `rung` holds the note and a version, which changes
 * each time it is unnoted: a process that has put bytes notes it only if no other one has begun to silence meanwhile.
 *
 * A process that stops after it has put a byte leaves one too many. The next one that finds the event not set takes it
 * out. What a dead process announced is withdrawn by its burial, which settles the bell, too. tests/model/bell_model.c
 * tries all of it, with processes that stop, die, and see each other's stores late. It shows the need of the fence below,
 * and of the orders of unnoting and of reading `rung`. With all others relaxed at once it holds, too; they stay
 * sequentially consistent, as system calls cost far more.
 *
 * A process that cannot open the pipe (other rights, no /proc, another pid namespace) sends a datagram to each holder's
 * own socket. What a program polls is a poller over both. */
#include "family/bells.h"

#include "family/holders.h"
#include "family/member.h"

/* Taken in one go: usually there is one byte, and a second one is missed at once. */
enum { ROUNDS_MAX = 64, TAKE_AT_ONCE = 2 };
enum { RUNG = 1, RUNG_VERSION = 2 };
_Static_assert(BELL_TAKES *TAKE_AT_ONCE < OS_BELL_MOST, "a process that rings puts one byte more than are announced");

static bool bell_is_rung(struct object_bell *shared) {
    return atomic_load(&shared->rung) & RUNG;
}

void bell_unring(struct object_bell *shared) {
    uint64_t rung = atomic_load(&shared->rung);
    while (!atomic_compare_exchange_strong(&shared->rung, &rung, (rung & ~(uint64_t)RUNG) + RUNG_VERSION)) {}
}

/* The fence: what this process has announced, or unnoted, is seen before the object is looked at. */
static bool bell_is_to_ring(const struct bell *bell) {
    os_fence_after_atomic();
    return bell_owner_generation(bell->shared) != bell->generation || bell_owner_ready(bell->shared);
}

/* --- takes that are announced: token << 32 | bytes --- */

/* NULL: all places are in use. The processes that have them check the bell again when they are done. */
static _Atomic uint64_t *take_announce(struct object_bell *shared) {
    _Atomic uint64_t *takes = holders_takes(shared);
    for (int i = 0; takes && i < BELL_TAKES; i++) {
        uint64_t none = 0;
        if (atomic_compare_exchange_strong(&takes[i], &none, (uint64_t)self_token() << 32 | TAKE_AT_ONCE))
            return &takes[i];
    }
    return NULL;
}

static uint32_t takes_announced(struct object_bell *shared) {
    _Atomic uint64_t *takes = holders_takes(shared);
    uint32_t bytes = 0;
    for (int i = 0; takes && i < BELL_TAKES; i++) bytes += (uint32_t)atomic_load(&takes[i]);
    return bytes;
}

static void takes_withdraw(struct object_bell *shared, uint32_t dead) {
    _Atomic uint64_t *takes = holders_takes(shared);
    for (int i = 0; takes && i < BELL_TAKES; i++) {
        uint64_t take = atomic_load(&takes[i]);
        if (take >> 32 == dead) atomic_compare_exchange_strong(&takes[i], &take, 0);
    }
}

/* --- ringing and silencing --- */

/* False: the object has another pipe now. The version is read before that is checked: a process that makes another pipe
 * stores its id first, and changes the version afterwards. If the system fails, the bell is not noted as rung, and the caller tries
 * again. */
static bool bell_ring(struct bell *bell) {
    struct object_bell *shared = bell->shared;
    uint64_t before = atomic_load(&shared->rung);
    if (before & RUNG) return true;
    struct os_bell_id id = bell_id(shared);
    if (!bell_same_id(&id, &bell->id)) return false;
    uint32_t takes = takes_announced(shared), bytes = takes ? os_bell_bytes(bell->pipe) : 0;
    if (bytes <= takes && !os_bell_put(bell->pipe, takes + 1 - bytes)) return true;
    atomic_compare_exchange_strong(&shared->rung, &before, before | RUNG);
    return true;
}

/* False: others are at it. */
static bool bell_silence(struct bell *bell) {
    _Atomic uint64_t *take = take_announce(bell->shared);
    if (!take) return false;
    bell_unring(bell->shared);
    if (!bell_is_to_ring(bell)) os_bell_take(bell->pipe, TAKE_AT_ONCE);
    atomic_store(take, 0);
    return true;
}

/* From here on the pipe stands for what was rung by address, too. */
static void bell_hear(struct bell *bell) {
    if (bell->socket >= 0 && atomic_load(&bell->shared->addressed)) os_doorbell_silence(bell->socket);
}

static bool bell_agrees(struct bell *bell) {
    if (!bell_is_to_ring(bell)) bell_hear(bell);
    if (bell_is_to_ring(bell)) return bell_is_rung(bell->shared);
    return !bell_is_rung(bell->shared) && !os_bell_bytes(bell->pipe);
}

/* Repeats until bell and object agree; another process that changes the object meanwhile does the same. */
static void bell_agree(struct bell *bell) {
    for (int round = 0; round < ROUNDS_MAX; round++)
        if (bell_agrees(bell) || !(bell_is_to_ring(bell) ? bell_ring(bell) : bell_silence(bell))) return;
    if (bell_is_to_ring(bell)) bell_ring(bell);
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

void bell_settle_this(struct object_bell *shared) {
    uint32_t on = bell_flags(shared);
    struct bell *bell = bell_with_pipe(shared);
    if (bell) bell_agree(bell);
    if (bell_owner_ready(shared)) {
        if (!bell || on & BELL_HAS_DEAF) bell_ring_by_address(shared, !bell);
    } else if (!bell) {
        bell_hear_alone(shared);
    }
}

/* Once more if there is another bell now: its maker may have checked the object before the change that is settled
 * here. */
void object_bell_settle(struct object_bell *shared) {
    struct undisturbed before;
    struct os_bell_id id, now;
    bells_lock(&before);
    do {
        id = bell_id(shared);
        bell_settle_this(shared);
        now = bell_id(shared);
    } while (bell_flags(shared) && !bell_same_id(&id, &now));
    bells_unlock(&before);
}

void object_bell_settle_up(struct object_bell *shared) {
    if (bell_flags(shared) == BELL_HAS_PIPE && bell_is_rung(shared)) return;
    object_bell_settle(shared);
}

void object_bell_settle_down(struct object_bell *shared) {
    if (!bell_owner_ready(shared)) object_bell_settle(shared);
}

/* --- ends --- */

/* The generation has changed: no process takes a byte any more but those that have announced it. */
static void bell_ring_for_good(struct object_bell *shared) {
    struct undisturbed before;
    bells_lock(&before);
    struct bell *bell = bell_with_pipe(shared);
    if (bell) bell_agree(bell);
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
    if (!shared->inset) return;
    takes_withdraw(shared, dead);
    if (!bell_flags(shared) && !lock_held_by(&shared->lock, dead)) return;
    if (holders_lock(shared)) {
        holders_remove(shared, dead);
        holders_unlock(shared);
    }
    if (bell_flags(shared)) object_bell_settle(shared);
}
