/* A row's `watched` is a word of 32 bits: the lowest bit is set if any other is, and each of the others stands for some
 * waitqs of the family. It is the futex, too. A notifier clears it before it wakes the thread, so that the thread is
 * woken once. */
#include "family/watch.h"

#include "base/periods.h"
#include "family/lookout.h"
#include "family/waiter.h"
#include "os/os.h"

#include <unistd.h>

enum { WATCHING = 1, OTHER_BITS = 31 };
#define BY_DOORBELL 0x80000000u /* beside the address, which has 20 bits */

static uint32_t watch_bit(const struct waitq *queue) {
    uint64_t mixed = (arena_offset(queue) / 8) * 0x9e3779b97f4a7c15ull;
    return 2u << (mixed >> 40) % OTHER_BITS;
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
    watch->row = arena_offset(row);
    return true;
}

void watch_close(struct watch *watch) {
    struct waiter *row = watch_row(watch);
    if (row) atomic_store(&row->watched, 0);
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

void watch_sleep(struct watch *watch, deadline_t deadline) {
    struct waiter *row = watch_row(watch);
    _Atomic uint32_t nobody = WATCHING, *word = row ? &row->watched : &nobody;
    uint32_t watched = atomic_load(word);
    if (watched) family_sleep(word, watched, SLEEP_ANYBODY, DEAD_NAP, deadline);
}

static void watcher_wake(struct waiter *row, void *queue) {
    uint32_t watched = atomic_load(&row->watched), address = atomic_load(&row->address);
    if (!(watched & watch_bit(queue)) || !atomic_compare_exchange_strong(&row->watched, &watched, 0)) return;
    if (address & BY_DOORBELL)
        os_doorbell_ring(address & ~BY_DOORBELL);
    else
        os_futex_wake(&row->watched, 1);
}

void watchers_wake(struct waitq *queue) {
    waiters_each(watcher_wake, queue);
}
