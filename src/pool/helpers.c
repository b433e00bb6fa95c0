/* Threads that do for the caretaker what may take long. There is none while there is nothing to do.
 *
 * One does it all, a pool after the other, as long as it gets on; if it does not (a start that hangs), another comes. */
#include "os/os.h"
#include "pool/owner_entry.h"

static const prong_time HELPER_LATE = PRONG_MS(10);

/* Under the lock: the pools that wait for one, the number of helpers, and when the last of them took a pool. */
static struct owner *first_slow, *last_slow;
static unsigned helpers;
static int64_t took_at;

void helpers_take(struct owner *o) {
    o->others = OWNER_HELPED;
    o->slow_next = NULL;
    if (first_slow)
        last_slow->slow_next = o;
    else
        first_slow = o;
    last_slow = o;
}

static struct owner *slow_take(void) {
    struct owner *o = first_slow;
    if (o) first_slow = o->slow_next;
    took_at = clock_now();
    return o;
}

static void owner_help(struct owner *o) {
    owner_look_slowly(o);
    owners_lock();
    caretaker_return(o);
    owners_unlock();
}

static void *helper_run(void *unused) {
    for (;;) {
        owners_lock();
        struct owner *o = slow_take();
        if (!o) helpers--;
        owners_unlock();
        if (!o) return unused;
        owner_help(o);
    }
}

/* Workers are forked by it, and run on a copy of its stack. */
static bool helper_start(void) {
    return owner_start_thread(NULL, os_stack_size(), helper_run, NULL) == 0;
}

static void helpers_do_without(void) {
    owners_lock();
    helpers--;
    struct owner *o = helpers ? NULL : slow_take();
    owners_unlock();
    if (o) owner_help(o);
}

deadline_t helpers_provide(void) {
    owners_lock();
    int64_t now = first_slow ? clock_now() : 0;
    bool late = first_slow && (!helpers || now - took_at >= HELPER_LATE);
    if (late) {
        helpers++;
        took_at = now;
    }
    deadline_t next = first_slow ? took_at + HELPER_LATE : PRONG_FOREVER;
    owners_unlock();
    if (late && !helper_start()) helpers_do_without();
    return next;
}

void helpers_forget(void) {
    first_slow = NULL;
    helpers = 0;
}
