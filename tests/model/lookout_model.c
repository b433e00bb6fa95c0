/* The lookouts (src/family/lookout.c, seats.c): when all sleep and a member has died, a thread sleeps on its pulse, whoever took a
 * seat, left it, joined or died meanwhile. Threads are in stage 2 from the beginning. Sleeping on several words is modelled here;
 * the system notes a death in the pulse at once. A nap may be relied on only if it
 * is short. */
#include "surroundings.h"
#include "weaken.h"

#include "base/periods.h"
#include "family/rows.h"

#undef family_sleep
#undef family_nap
#undef member_row
#undef os_futex_wake

/* How many are used. */
static int model_seats = LOOKOUT_SEATS;

struct bed {
    uint32_t count; /* of the words that it sleeps on; 0: it is up */
    const void *words[MODEL_THREADS + 6];
    int woken; /* by which word */
    bool naps; /* for a short time */
    _Atomic uint32_t up;
};

struct world_of_lookouts {
    char header[64]; /* offset 0 is no place */
    struct lookouts lookouts;
    _Atomic uint32_t own[MODEL_THREADS]; /* a thread's own word: 1 when it is to go on */
    _Atomic uint32_t over, recovered;    /* what the first one does; what it held, after its death */
    int slept[MODEL_THREADS];            /* the sleep that ends at its deadline is over */
    struct bed beds[MODEL_THREADS];
    struct burial burial;
    struct self selves[MODEL_THREADS];
    struct member rows[MODEL_THREADS + 1];
};

static struct world_of_lookouts *w;
static const char *scripts[MODEL_THREADS];

#define arena() (w)
/* The row behind the last one stays unused. */
#define member_row_used(i) (atomic_load(&w->rows[i].token) ? &w->rows[i] : NULL)
#define member_row(token) (&w->rows[thread_of(token)])
#define LOOKOUT_SEATS model_seats

/* --- pulses --- */

static int row_of(const void *word) {
    ptrdiff_t from = (const char *)word - (const char *)w->rows;
    return from >= 0 && from < (ptrdiff_t)sizeof w->rows ? (int)((size_t)from / sizeof *w->rows) : -1;
}

/* The word has the thread, plus 1. */
static bool model_pulse_beats(uint32_t word) {
    return word && !model_is_dead((int)word - 1);
}
#define os_pulse_beats model_pulse_beats

int os_pulse_begin(struct os_pulse *pulse) {
    *(uint32_t *)(void *)pulse = (uint32_t)model_self() + 1;
    return 0;
}

/* --- sleeping on several words --- */

static bool sleeps_with_end(void) {
    return *scripts[model_self()] == 's' && !w->slept[model_self()];
}

static int bed_finds(const struct bed *bed, const void *word) {
    for (uint32_t i = 0; i < bed->count; i++)
        if (bed->words[i] == word) return (int)i;
    return -1;
}

static bool anybody_watches(int dead) {
    bool watches = false;
    for (int i = 0; i < MODEL_THREADS; i++)
        if (!model_is_dead(i)) watches |= w->beds[i].naps || bed_finds(&w->beds[i], &w->rows[dead].pulse) >= 0;
    return watches;
}

/* All sleep, and this one was not woken. */
static void check_watch(void) {
    bool unknown = false;
    for (int i = 0; i < MODEL_THREADS; i++) {
        if (!model_is_dead(i) || w->rows[i].state == MEMBER_FREE) continue;
        unknown = true;
        if (!anybody_watches(i)) model_violation("no thread sleeps on the pulse of a dead member");
    }
    if (!unknown && (w->over || w->recovered)) model_violation("a thread sleeps, and what it waits for has come");
}

static bool item_has_changed(const struct os_futex_item *item) {
    const uint32_t *word = (const uint32_t *)(uintptr_t)item->word;
    int row = row_of(word);
    return *word != (uint32_t)item->expected || (row >= 0 && model_is_dead(row));
}

static bool bed_lie_down(struct bed *bed, const struct os_futex_item *items, size_t count, deadline_t deadline) {
    for (size_t i = 0; i < count; i++)
        if (item_has_changed(&items[i])) return false;
    for (size_t i = 0; i < count; i++) bed->words[i] = (const void *)(uintptr_t)items[i].word;
    bed->count = (uint32_t)count;
    bed->naps = deadline != PRONG_FOREVER && deadline - clock_now() <= DEAD_NAP;
    bed->woken = -1;
    *(uint32_t *)(void *)&bed->up = 0;
    return true;
}

static void bed_get_up(struct bed *bed) {
    if (!bed->up && !sleeps_with_end()) check_watch();
    for (uint32_t i = 0; !bed->up && i < bed->count; i++) {
        int row = row_of(bed->words[i]);
        if (row >= 0 && model_is_dead(row)) bed->woken = (int)i;
    }
    bed->count = 0;
    bed->naps = false;
    memset(bed->words, 0, sizeof bed->words);
}

bool os_futex_sleep_any(struct os_futex_item *items, size_t count, deadline_t deadline, int *woken) {
    struct bed *bed = &w->beds[model_self()];
    *woken = -1;
    model_begin_atomic();
    bool lies = bed_lie_down(bed, items, count, deadline);
    model_end_atomic();
    if (!lies) return true;
    model_futex_wait(&bed->up, 0, ~0u, sleeps_with_end());
    model_go_on_atomic();
    bed_get_up(bed);
    *woken = bed->woken;
    model_end_atomic();
    return true;
}

static struct model_site wakes_bed;

static int model_wake(struct model_site *site, const void *word, int most) {
    int count = 0;
    site->reached = true;
    if (is_left_out(site)) return 0;
    model_begin_atomic();
    for (int i = 0; i < MODEL_THREADS && count < most; i++) {
        struct bed *bed = &w->beds[i];
        int woken = bed_finds(bed, word);
        if (woken < 0 || bed->up || model_is_dead(i)) continue;
        bed->woken = woken;
        *(uint32_t *)(void *)&bed->up = 1;
        model_futex_wake(&wakes_bed, &bed->up, 1, ~0u);
        count++;
    }
    model_end_atomic();
    return count;
}
#define os_futex_wake(word, count) model_wake(MODEL_SITE("wake", 0, 0), word, count)

struct os_futex_item os_futex_item(_Atomic uint32_t *word, uint32_t expected) {
    return (struct os_futex_item){.expected = expected, .word = (uintptr_t)word};
}

/* --- what is explored --- */

bool upward_may_interrupt(void) {
    return false;
}

int watchers_ring(uint32_t signs, int most) {
    (void)signs, (void)most;
    return 0;
}

bool member_has_row(uint32_t token) {
    return w->rows[thread_of(token)].state != MEMBER_FREE;
}

#include "instrument.h"
#include "family/seats.c"
#include "family/lookout.c"

void member_bury_if_dead(uint32_t token) {
    if (member_alive(token) || atomic_load(&member_row(token)->state) == MEMBER_FREE) return;
    atomic_store(&w->recovered, 1);
    lookout_wake_all();
    atomic_store(&member_row(token)->state, MEMBER_FREE);
}
#include "uninstrument.h"

static void model_recover(uint32_t dead) {
    (void)dead;
}

/* --- what the members do --- */

static void sleep_here(deadline_t deadline, uint32_t deaths) {
    sleeper.deaths = deaths;
    sleep_long(&w->own[model_self()], 0, deadline);
}

static bool is_over(void) {
    return atomic_load(&w->over) || atomic_load(&w->recovered);
}

static void wait_until_over(void) {
    for (;;) {
        uint32_t deaths = atomic_load(&w->lookouts.deaths);
        if (is_over()) return;
        sleep_here(PRONG_FOREVER, deaths);
    }
}

static void end_it(void) {
    atomic_store(&w->over, 1);
    for (int i = 1; i < MODEL_THREADS; i++) {
        atomic_store(&w->own[i], 1);
        model_wake(MODEL_SITE("end", 0, 0), &w->own[i], 1);
    }
    atomic_store(&w->rows[0].state, MEMBER_FREE);
}

/* As the parent of the first does. */
static void reserve_row(void) {
    model_begin_atomic();
    atomic_store(&w->rows[0].state, MEMBER_RESERVED);
    lookout_changed();
    model_end_atomic();
}

static void run(int thread) {
    for (const char *step = scripts[thread]; *step; step++) {
        if (*step == 'r') reserve_row();
        if (*step == 'j') lookout_joined();
        if (*step == 's') sleep_here(clock_now() + PRONG_SECONDS(1), atomic_load(&w->lookouts.deaths));
        if (*step == 's') w->slept[thread] = 1;
        if (*step == 'w') wait_until_over();
        if (*step == 'o') end_it();
    }
}

static void enter(int thread) {
    self = &w->selves[thread];
}

static void prepare(void) {
    arena_base = model_arena();
    arena_places = MODEL_ARENA / 64;
    w = model_arena();
    burial = &w->burial;
    for (int i = 0; i < MODEL_THREADS; i++) {
        struct member *row = &w->rows[i];
        row->token = token_of(i);
        if (*scripts[i] == 'j') continue;
        row->state = MEMBER_LIVE;
        *(uint32_t *)(void *)&row->pulse = (uint32_t)i + 1;
        row->pulse_of = (uint64_t)token_of(i) << 32 | 1;
    }
}

static void finish(void) {
    model_check(!model_is_dead(0) || w->over || w->rows[0].state == MEMBER_FREE);
    for (int i = 0; i < LOOKOUT_SEATS; i++) {
        uint32_t holder = w->lookouts.seat[i];
        model_check(!holder || model_is_dead(thread_of(holder)));
    }
}

static int explore(const char *name, int seats, const char *first, const char *second, const char *third) {
    scripts[0] = first, scripts[1] = second, scripts[2] = third;
    model_seats = seats;
    return model_explore(&(struct model){.name = name,
                                         .threads = *third ? 3 : 2,
                                         .kills = 1,
                                         .mortal = 1,
                                         .naps = true,
                                         .prepare = prepare,
                                         .run = run,
                                         .enter = enter,
                                         .finish = finish});
}

/* r: reserves the row of the first; j: joins; s: sleeps until a time; w: waits until it is over, or the first is dead; o: it is over. */
static int explore_quick(void) {
    return explore("lookout: a member may die, one waits", 1, "o", "w", "") +
           explore("lookout: a member joins and may die, its parent, one waits", 1, "jo", "r", "w") +
           explore("lookout: a member may die, one waits, one sleeps; a seat", 1, "o", "w", "s") +
           explore("lookout: a lookout may die, one waits", 2, "so", "w", "");
}

static int explore_all(void) {
    int passed = explore_quick();
    if (getenv("PRONG_MODEL_ALL"))
        passed += explore("lookout: a member joins and may die, one waits, one sleeps; a seat", 1, "jo", "rw", "s") +
                  explore("lookout: a sleeper may die, one waits, one sleeps", 2, "so", "w", "s");
    return passed;
}

int main(int argc, char **argv) {
    return model_main(argc, argv, &(struct explorations){"lookout", explore_all, NULL, explore_quick});
}
