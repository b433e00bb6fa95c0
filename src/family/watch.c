/* A row's `watched` is a word of 32 bits: the lowest one is set while the thread has not been woken; four stand for a watch_sign
 * each, and each of the others for a group of the family's waitqs, while it is watched and none of it was notified. The word
 * is the futex, too. A notifier clears its bit and the lowest one before it wakes the thread, so that the thread is woken
 * once. */
#include "family/watch.h"

#include "base/periods.h"
#include "family/lookout.h"
#include "family/member.h"
#include "family/waiter.h"
#include "os/os.h"

#include <unistd.h>

enum { WATCHING = 1, FIRST_GROUP = 5 };
#define BY_DOORBELL 0x80000000u /* beside the address, which has 20 bits */

unsigned watch_group(const struct waitq *queue) {
    uint64_t mixed = (arena_offset(queue) / 8) * 0x9e3779b97f4a7c15ull;
    return (unsigned)((mixed >> 40) % WATCH_GROUPS);
}

static uint32_t watch_bit(const struct waitq *queue) {
    return 1u << FIRST_GROUP << watch_group(queue);
}

static struct waiter *watch_row(const struct watch *watch) {
    return watch->row ? arena_at(watch->row) : NULL;
}

bool watch_open(struct watch *watch, bool doorbell) {
    uint32_t address = 0;
    *watch = (struct watch){.doorbell = -1};
    if (doorbell && (watch->doorbell = os_doorbell_create(&address)) < 0) return false;
    struct waiter *row = waiter_begin(NULL);
    if (!row) return true;
    atomic_store(&row->address, doorbell ? address | BY_DOORBELL : 0);
    if (doorbell && !atomic_load(&arena()->lookouts.polled)) atomic_store(&arena()->lookouts.polled, 1);
    watch->row = arena_offset(row);
    return true;
}

void watch_close(struct watch *watch) {
    struct waiter *row = watch_row(watch);
    if (row) {
        atomic_store(&row->watched, 0);
        atomic_store(&row->address, 0);
    }
    waiter_end(row);
    if (watch->doorbell >= 0) close(watch->doorbell);
    *watch = (struct watch){.doorbell = -1};
}

void watch_renew(struct watch *watch) {
    struct waiter *row = watch_row(watch);
    if (row) atomic_store(&row->watched, WATCHING);
    if (watch->doorbell >= 0) os_doorbell_silence(watch->doorbell);
}

/* The row is written first: a notifier that sees the waitq's flag sees the row, too. */
void watch_add(struct watch *watch, struct waitq *queue) {
    struct waiter *row = watch_row(watch);
    if (!row) return;
    atomic_fetch_or(&row->watched, WATCHING | watch_bit(queue));
    if (!(atomic_load(&queue->flags) & WAITQ_WATCHED)) atomic_fetch_or(&queue->flags, WAITQ_WATCHED);
}

void watch_add_signs(struct watch *watch, uint32_t signs) {
    struct waiter *row = watch_row(watch);
    if (row) atomic_fetch_or(&row->watched, WATCHING | signs);
}

void watch_drop_signs(struct watch *watch, uint32_t signs) {
    struct waiter *row = watch_row(watch);
    if (row) atomic_fetch_and(&row->watched, ~signs);
}

/* As in watch_add, the row comes first. So a notify that comes too late for this call clears the group's bit again. One whose
 * notifier has died, or could not ring, has not. */
uint32_t watch_take(struct watch *watch) {
    static const uint32_t all = (1u << WATCH_GROUPS) - 1;
    struct waiter *row = watch_row(watch);
    if (watch->doorbell >= 0) os_doorbell_silence(watch->doorbell);
    if (!row) return all;
    uint32_t before = atomic_exchange(&row->watched, all << FIRST_GROUP | WATCH_DEATHS | WATCHING);
    return before & WATCH_DEATHS && !watchers_are_deaf() ? ~before >> FIRST_GROUP : all;
}

bool watch_take_one(const struct watch *watch, struct waitq *queue) {
    if (!watch->row) return true;
    if (atomic_load(&queue->flags) & WAITQ_WATCHED) return false;
    atomic_fetch_or(&queue->flags, WAITQ_WATCHED);
    return true;
}

void watch_sleep(struct watch *watch, deadline_t deadline) {
    struct waiter *row = watch_row(watch);
    _Atomic uint32_t nobody = WATCHING, *word = row ? &row->watched : &nobody;
    uint32_t watched = atomic_load(word);
    if (watched & WATCHING) family_sleep(word, watched, SLEEP_ANYBODY, DEAD_NAP, deadline);
}

/* --- waking --- */

bool watchers_are_deaf(void) {
    return atomic_load(&arena()->lookouts.unrung) != 0;
}

/* Not because the thread has just closed its doorbell, or died with it. The row is as if it had not been rung: the next notify
 * tries again. */
static void watcher_is_deaf(struct waiter *row, uint64_t who, uint32_t watched, uint32_t rung) {
    if (!member_alive((uint32_t)(who >> 32)) || atomic_load(&row->who) != who) return;
    atomic_compare_exchange_strong(&row->watched, &rung, watched);
    lookout_ask_to_ring();
}

/* who: that it belonged to when `watched` was read; rung: what that is now. */
static void watcher_ring(struct waiter *row, uint64_t who, uint32_t watched, uint32_t rung) {
    uint32_t address = atomic_load(&row->address);
    if (!(address & BY_DOORBELL))
        os_futex_wake(&row->watched, 1);
    else if (!os_doorbell_ring(address & ~BY_DOORBELL))
        watcher_is_deaf(row, who, watched, rung);
}

/* False: it does not watch that, or has been woken already. */
static bool watcher_wake(struct waiter *row, uint32_t bits) {
    uint64_t who = atomic_load(&row->who);
    uint32_t watched = atomic_load(&row->watched);
    do
        if (!(watched & bits)) return false;
    while (!atomic_compare_exchange_weak(&row->watched, &watched, watched & ~(bits | WATCHING)));
    if (watched & WATCHING) watcher_ring(row, who, watched, watched & ~(bits | WATCHING));
    return watched & WATCHING;
}

static void watcher_wake_for_queue(struct waiter *row, void *queue) {
    watcher_wake(row, watch_bit(queue));
}

void watchers_wake(struct waitq *queue) {
    waiters_each(watcher_wake_for_queue, queue);
}

struct ringing {
    uint32_t signs;
    int most, rung;
};

/* A thread that was woken is marked so in its row. So is one that sleeps on, as the thread that was to wake it died between
 * the two steps of that. */
static void watcher_ring_for(struct waiter *row, void *context) {
    struct ringing *ringing = context;
    uint32_t watched = atomic_load(&row->watched);
    bool lost = ringing->signs & WATCH_DEATHS && !(watched & WATCHING);
    if (lost && atomic_load(&row->address) & BY_DOORBELL) watcher_ring(row, 0, watched, watched);
    if (!lost && ringing->rung < ringing->most) ringing->rung += watcher_wake(row, ringing->signs);
}

int watchers_ring(uint32_t signs, int most) {
    struct ringing ringing = {.signs = signs, .most = most};
    if (atomic_load(&arena()->lookouts.polled)) waiters_each(watcher_ring_for, &ringing);
    return ringing.rung;
}
