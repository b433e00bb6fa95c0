/* A row's `watched` is a word of 32 bits: the lowest bit is set if any other is, four stand for a watch_sign each, and each of
 * the others for some waitqs of the family. It is the futex, too. A notifier clears it before it wakes the thread, so that the thread is
 * woken once. */
#include "family/watch.h"

#include "base/periods.h"
#include "family/lookout.h"
#include "family/member.h"
#include "family/waiter.h"
#include "os/os.h"

#include <unistd.h>

enum { WATCHING = 1, QUEUE_BITS = 27 };
#define BY_DOORBELL 0x80000000u /* beside the address, which has 20 bits */

static uint32_t watch_bit(const struct waitq *queue) {
    uint64_t mixed = (arena_offset(queue) / 8) * 0x9e3779b97f4a7c15ull;
    return 32u << (mixed >> 40) % QUEUE_BITS;
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

void watch_sleep(struct watch *watch, deadline_t deadline) {
    struct waiter *row = watch_row(watch);
    _Atomic uint32_t nobody = WATCHING, *word = row ? &row->watched : &nobody;
    uint32_t watched = atomic_load(word);
    if (watched) family_sleep(word, watched, SLEEP_ANYBODY, DEAD_NAP, deadline);
}

/* --- waking --- */

bool watchers_are_deaf(void) {
    return atomic_load(&arena()->lookouts.unrung) != 0;
}

/* Not because the thread has just closed its doorbell, or died with it. The row is as if it had not been rung: the next notify
 * tries again. */
static void watcher_is_deaf(struct waiter *row, uint64_t who, uint32_t watched) {
    uint32_t rung = 0;
    if (!member_alive((uint32_t)(who >> 32)) || atomic_load(&row->who) != who) return;
    atomic_compare_exchange_strong(&row->watched, &rung, watched);
    lookout_ask_to_ring();
}

/* who: that it belonged to when `watched` was read. */
static void watcher_ring(struct waiter *row, uint64_t who, uint32_t watched) {
    uint32_t address = atomic_load(&row->address);
    if (!(address & BY_DOORBELL))
        os_futex_wake(&row->watched, 1);
    else if (!os_doorbell_ring(address & ~BY_DOORBELL))
        watcher_is_deaf(row, who, watched);
}

static bool watcher_wake(struct waiter *row, uint32_t bits) {
    uint64_t who = atomic_load(&row->who);
    uint32_t watched = atomic_load(&row->watched);
    bool watches = (watched & bits) && atomic_compare_exchange_strong(&row->watched, &watched, 0);
    if (watches) watcher_ring(row, who, watched);
    return watches;
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

/* A thread that is awake has a row in which nothing is watched. So has one that sleeps on, as the thread that was to wake it
 * died between the two steps of that. */
static void watcher_ring_for(struct waiter *row, void *context) {
    struct ringing *ringing = context;
    bool lost = ringing->signs & WATCH_DEATHS && atomic_load(&row->watched) == 0;
    if (lost && atomic_load(&row->address) & BY_DOORBELL) watcher_ring(row, 0, 0);
    if (!lost && ringing->rung < ringing->most) ringing->rung += watcher_wake(row, ringing->signs);
}

int watchers_ring(uint32_t signs, int most) {
    struct ringing ringing = {.signs = signs, .most = most};
    if (atomic_load(&arena()->lookouts.polled)) waiters_each(watcher_ring_for, &ringing);
    return ringing.rung;
}
