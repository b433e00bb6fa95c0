/* Sleeping on futexes, and watching the pulses of other members. */
#include "family/lookout.h"

#include "base/periods.h"
#include "family/rows.h"
#include "family/seats.h"
#include "family/watch.h"
#include "os/os.h"

#include <limits.h>

/* --- what others are told --- */

void lookout_joined(void) {
    pulse_begin_if_needed();
    lookout_changed();
}

void lookout_changed(void) {
    atomic_fetch_add(&lookouts()->joined, 1);
    os_futex_wake(&lookouts()->joined, INT_MAX);
    watchers_ring(WATCH_JOINS, INT_MAX);
}

static void lookout_wake_sleepers(void) {
    atomic_fetch_add(&lookouts()->deaths, 1);
    os_futex_wake(&lookouts()->deaths, INT_MAX);
}

void lookout_wake_all(void) {
    lookout_wake_sleepers();
    watchers_ring(WATCH_DEATHS, INT_MAX);
}

void lookout_ask_to_ring(void) {
    if (atomic_exchange(&lookouts()->unrung, 1)) return; /* all that sleep in poll take naps */
    atomic_store(&lookouts()->to_ring, 1);
    lookout_wake_sleepers();
}

static void lookout_ring_if_asked(void) {
    if (atomic_load(&lookouts()->to_ring) && atomic_exchange(&lookouts()->to_ring, 0))
        watchers_ring(WATCH_DEATHS, INT_MAX);
}

/* --- sleeping on several words --- */

/* A thread's sleep in stage 2. */
struct long_sleep {
    _Atomic uint32_t *word;
    uint32_t expected, deaths;
    deadline_t deadline;
    int seat;             /* -1: none */
    prong_time nap;       /* of a lookout that cannot watch all */
    int64_t deaf_until;   /* not woken by members that join before: at most ten times a second */
    bool is_woken, fails; /* fails: there is no such sleep here */
};

/* A thread's sleeps on the same word, since it was last woken. */
static QUICK_LOCAL struct {
    _Atomic uint32_t *word;
    prong_time slept;
    uint32_t deaths; /* before the caller checked what it waits for */
} sleeper;
static _Atomic bool sleeps_on_one_word; /* the system lacks the call for more */

struct word_list {
    size_t count;
    bool incomplete; /* a member is not in it */
    struct os_futex_item items[OS_FUTEX_ITEMS];
};
enum { ITEM_OWN, ITEM_DEATHS, ITEM_OTHER }; /* the first two of each list */

static bool words_add(struct word_list *list, _Atomic uint32_t *word, uint32_t expected) {
    if (list->count == OS_FUTEX_ITEMS) return false;
    list->items[list->count++] = os_futex_item(word, expected);
    return true;
}

static void words_begin(struct word_list *list, const struct long_sleep *sleep) {
    list->count = 0;
    list->incomplete = false;
    words_add(list, sleep->word, sleep->expected);
    words_add(list, &lookouts()->deaths, sleep->deaths);
}

/* Adds the pulse of a member, if it has one; buries one that is dead. */
static void words_add_member(struct word_list *list, struct member *row) {
    uint32_t token = (uint32_t)atomic_load(&row->token), pulse;
    _Atomic uint32_t *word = pulse_beating(row, token, &pulse);
    if (word) {
        list->incomplete |= !words_add(list, word, pulse);
    } else {
        member_bury_if_dead(token);
        list->incomplete |= member_has_row(token);
    }
}

static void words_add_members(struct word_list *list) {
    uint32_t count = 0;
    struct member *row;
    for (uint64_t i = 0; (row = member_row_used(i)); i++) {
        if (atomic_load(&row->state) == MEMBER_FREE) continue;
        count++;
        if ((uint32_t)atomic_load(&row->token) != self_token()) words_add_member(list, row);
    }
    atomic_store(&lookouts()->members, count);
}

prong_time lookout_long_nap(void) {
    uint32_t members = atomic_load(&lookouts()->members);
    prong_time nap = LOOKOUT_NAP * (members ? members : 1);
    if (nap > LOOKOUT_NAP_MOST) nap = LOOKOUT_NAP_MOST;
    if (nap > LOOKOUT_NAP_RUNTIME && upward_may_interrupt()) nap = LOOKOUT_NAP_RUNTIME;
    return nap / 128 * (96 + self_token() % 64);
}

void lookout_bury_silent(void) {
    struct member *row;
    for (uint64_t i = 0; (row = member_row_used(i)); i++) {
        uint32_t token = (uint32_t)atomic_load(&row->token);
        if (atomic_load(&row->state) != MEMBER_FREE && !pulse_is_there(token)) member_bury_if_dead(token);
    }
}

/* Which item ended the sleep; -1: another reason. */
static int sleep_on(struct word_list *list, struct long_sleep *sleep, prong_time nap) {
    int woken = -1;
    member_mark_if_needed();
    sleep->fails = !os_futex_sleep_any(list->items, list->count, deadline_within(sleep->deadline, nap), &woken);
    sleep->is_woken = woken == ITEM_OWN;
    return woken;
}

/* The order matters: a member that joins after the list was made moves `joined`. */
static void sleep_as_lookout(struct long_sleep *sleep) {
    struct word_list list;
    int64_t now = clock_now();
    bool deaf = now < sleep->deaf_until;
    words_begin(&list, sleep);
    if (!deaf) words_add(&list, &lookouts()->joined, atomic_load(&lookouts()->joined));
    words_add_members(&list);
    prong_time nap = list.incomplete ? sleep->nap : lookout_long_nap();
    if (deaf && sleep->deaf_until - now < nap) nap = sleep->deaf_until - now;
    int woken = sleep_on(&list, sleep, nap);
    if (!deaf && woken == ITEM_OTHER)
        sleep->deaf_until = clock_now() + DEAD_NAP;
    else if (woken >= ITEM_OTHER)
        sleep->nap = DEAD_LOOK_FIRST; /* the kernel notes the end of a process a little before others can tell */
    else if (sleep->nap < DEAD_NAP)
        sleep->nap = sleep->nap * 2 < DEAD_NAP ? sleep->nap * 2 : DEAD_NAP;
}

/* The word of a seat, if this thread may take the seat when the word changes: that wakes one sleeper alone, perhaps. */
static void words_add_seat(struct word_list *list, int seat, uint32_t holder, enum seat_hope hope) {
    if (hope == HOPE_ANY || (hope == HOPE_OWN && holder == self_token()))
        words_add(list, &lookouts()->seat[seat], holder);
}

/* Without a lookout, this thread looks itself, as in stage 1. */
static void sleep_as_other(struct long_sleep *sleep) {
    struct word_list list;
    bool watched = false;
    enum seat_hope hope = seat_hope();
    words_begin(&list, sleep);
    for (int i = 0; i < LOOKOUT_SEATS; i++) {
        uint32_t holder = atomic_load(&lookouts()->seat[i]), pulse;
        words_add_seat(&list, i, holder, hope);
        _Atomic uint32_t *word = holder ? pulse_beating(member_row(holder), holder, &pulse) : NULL;
        if (!word) continue;
        if (holder != self_token()) words_add(&list, word, pulse);
        watched = true;
    }
    if (hope == HOPE_OWN && seat_hope() != HOPE_OWN) return; /* it was given up meanwhile */
    if (sleep_on(&list, sleep, watched ? lookout_long_nap() : DEAD_NAP) >= 0) return;
    words_add_members(&list); /* a lookout may be stopped, or have died together with the thread that it woke */
}

static void long_sleep_end(struct long_sleep *sleep) {
    seat_leave(sleep->seat);
}

static enum sleep_end sleep_long(_Atomic uint32_t *word, uint32_t expected, deadline_t deadline) {
    __attribute__((cleanup(long_sleep_end))) struct long_sleep sleep = {.word = word,
                                                                        .expected = expected,
                                                                        .deaths = sleeper.deaths,
                                                                        .deadline = deadline,
                                                                        .seat = -1,
                                                                        .nap = DEAD_NAP};
    for (;;) {
        if (sleep.seat < 0) sleep.seat = seat_take();
        if (sleep.seat >= 0)
            sleep_as_lookout(&sleep);
        else
            sleep_as_other(&sleep);
        lookout_ring_if_asked();
        if (sleep.fails) atomic_store(&sleeps_on_one_word, true);
        if (sleep.is_woken || atomic_load(word) != expected) return SLEEP_WOKEN;
        if (sleep.fails || deadline_passed(deadline) || atomic_load(&lookouts()->deaths) != sleep.deaths)
            return SLEEP_LOOK;
    }
}

/* --- both stages --- */

/* A wait that is over soon anyway is not worth it. */
static bool sleeps_long(deadline_t deadline) {
    return sleeper.slept >= DEAD_NAP && !atomic_load(&sleeps_on_one_word) && deadline_left(deadline) > DEAD_NAP;
}

static enum sleep_end sleep_short(_Atomic uint32_t *word, uint32_t expected, uint32_t mask, deadline_t end) {
    int64_t before = clock_now();
    os_futex_sleep_masked(word, expected, mask, end);
    int64_t now = clock_now();
    if (now < end) return SLEEP_WOKEN;
    sleeper.slept += now - before;
    return SLEEP_LOOK;
}

enum sleep_end family_sleep(_Atomic uint32_t *word, uint32_t expected, uint32_t mask, prong_time nap,
                            deadline_t deadline) {
    if (sleeper.word != word) sleeper.slept = 0;
    sleeper.word = word;
    bool is_long = sleeps_long(deadline);
    enum sleep_end end = is_long ? sleep_long(word, expected, deadline)
                                 : sleep_short(word, expected, mask, deadline_within(deadline, nap));
    if (end == SLEEP_WOKEN) sleeper.slept = 0;
    sleeper.deaths = atomic_load(&lookouts()->deaths);
    return end;
}

deadline_t family_nap(deadline_t deadline, prong_time nap) {
    return sleeps_long(deadline) ? deadline : deadline_within(deadline, nap);
}
