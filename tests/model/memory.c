/* See memory.h. Positions in a location's history are indices: what inserts a store, or drops the oldest one, moves them in all
 * views. */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const volatile void *address;
    int size;
    bool plain;
} known[MEMORY_LOCATIONS];
static int known_count;

int memory_location(const volatile void *address, int size) {
    for (int i = 0; i < known_count; i++)
        if (known[i].address == address) return i;
    if (known_count == MEMORY_LOCATIONS) {
        fprintf(stderr, "MEMORY_LOCATIONS is too low\n");
        abort();
    }
    known[known_count].address = address;
    known[known_count].size = size;
    known[known_count].plain = false;
    return known_count++;
}

void memory_forget_locations(void) {
    known_count = 0;
}

const volatile void *memory_address(int location) {
    return known[location].address;
}

static uint64_t value_in_memory(int location) {
    uint64_t value = 0;
    memcpy(&value, (const void *)(uintptr_t)known[location].address, (size_t)known[location].size);
    return value;
}

static void put_in_memory(int location, uint64_t value) {
    memcpy((void *)(uintptr_t)known[location].address, &value, (size_t)known[location].size);
}

/* --- orders --- */

static bool is_acquire(int order) {
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order == __ATOMIC_ACQ_REL ||
           order == __ATOMIC_SEQ_CST;
}

static bool is_release(int order) {
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

/* --- views --- */

static uint8_t later(uint8_t a, uint8_t b) {
    return a > b ? a : b;
}

static void join(struct view *to, const struct view *from) {
    for (int i = 0; i < known_count; i++) to->at[i] = later(to->at[i], from->at[i]);
    to->pending |= from->pending;
}

static bool is_within(const struct view *small, const struct view *big) {
    for (int i = 0; i < known_count; i++)
        if (small->at[i] > big->at[i]) return false;
    return !(small->pending & ~big->pending);
}

static void each_view(struct memory *m, void (*visit)(struct view *, int, int), int a, int b) {
    for (int i = 0; i < MEMORY_THREADS; i++) {
        visit(&m->now[i], a, b);
        visit(&m->acquired[i], a, b);
        visit(&m->released[i], a, b);
    }
    visit(&m->all, a, b);
    for (int i = 0; i < known_count; i++)
        for (int k = 0; k < m->locations[i].count; k++) visit(&m->locations[i].stores[k].view, a, b);
}

static void see(struct memory *m, int thread, int location, int at) {
    m->now[thread].at[location] = later(m->now[thread].at[location], (uint8_t)at);
    m->acquired[thread].at[location] = later(m->acquired[thread].at[location], (uint8_t)at);
}

/* --- histories --- */

static void view_drop(struct view *view, int location, int count) {
    int at = view->at[location] - count;
    view->at[location] = (uint8_t)(at > 0 ? at : 0);
}

static void drop_oldest(struct memory *m, int location, int count) {
    struct location *l = &m->locations[location];
    if (count == 0) return;
    memmove(l->stores, l->stores + count, (size_t)(l->count - count) * sizeof *l->stores);
    memset(l->stores + l->count - count, 0, (size_t)count * sizeof *l->stores);
    l->count -= count;
    each_view(m, view_drop, location, count);
    for (int i = 0; i < MEMORY_THREADS; i++)
        if (m->pending[i].is && m->pending[i].location == location)
            m->pending[i].at = (uint8_t)(m->pending[i].at > count ? m->pending[i].at - count : 0);
}

static void view_insert(struct view *view, int location, int at) {
    if (view->at[location] >= at) view->at[location]++;
}

static void make_place(struct memory *m, int location, int at) {
    struct location *l = &m->locations[location];
    each_view(m, view_insert, location, at);
    for (int i = 0; i < MEMORY_THREADS; i++)
        if (m->pending[i].is && m->pending[i].location == location && m->pending[i].at >= at) m->pending[i].at++;
    memmove(l->stores + at + 1, l->stores + at, (size_t)(l->count - at) * sizeof *l->stores);
    memset(&l->stores[at], 0, sizeof l->stores[at]);
    l->count++;
}

/* Before a store. */
static void begin_history(struct memory *m, int location) {
    struct location *l = &m->locations[location];
    if (l->count == MEMORY_STORES) drop_oldest(m, location, 1);
    if (l->count) return;
    l->count = 1;
    l->stores[0].value = value_in_memory(location);
}

/* --- sequential consistency --- */

static void view_forget_pending(struct view *view, int thread, int unused) {
    (void)unused;
    view->pending &= (uint8_t) ~(1u << thread);
}

static void enter_order(struct memory *m, int thread) {
    uint8_t location = m->pending[thread].location;
    if (!m->pending[thread].is) return;
    m->all.at[location] = later(m->all.at[location], m->pending[thread].at);
    memset(&m->pending[thread], 0, sizeof m->pending[thread]);
    each_view(m, view_forget_pending, thread, 0);
}

/* A sequentially consistent operation of a thread comes after its own, and after those that it knows. */
static void enter_known(struct memory *m, int thread) {
    for (int i = 0; i < MEMORY_THREADS; i++)
        if (i == thread || m->now[thread].pending >> i & 1) enter_order(m, i);
}

/* … and after those stores that it reads, overwrites, or comes behind. */
static void enter_met(struct memory *m, int location, int at) {
    for (int i = 0; i < MEMORY_THREADS; i++)
        if (m->pending[i].is && m->pending[i].location == location && m->pending[i].at <= at) enter_order(m, i);
}

static void store_waits(struct memory *m, int thread, int location, int at) {
    m->pending[thread].is = true;
    m->pending[thread].location = (uint8_t)location;
    m->pending[thread].at = (uint8_t)at;
    m->now[thread].pending |= (uint8_t)(1u << thread);
    m->acquired[thread].pending |= (uint8_t)(1u << thread);
}

/* --- what is possible --- */

static int oldest_readable(const struct memory *m, int thread, const struct operation *o) {
    uint8_t at = m->now[thread].at[o->location];
    if (o->access == ACCESS_FUTEX) at = later(at, m->acquired[thread].at[o->location]);
    if (o->access == ACCESS_FUTEX || o->order == __ATOMIC_SEQ_CST) at = later(at, m->all.at[o->location]);
    return at;
}

/* Whether a store may be placed there. */
static bool is_open(const struct location *l, int at) {
    return at == l->count || !l->stores[at].from_before;
}

/* The place of a variant, from the newest on: for a load or change what it reads, for a store where it is placed. -1: there are
 * fewer. */
static int place_of_variant(const struct memory *m, int thread, const struct operation *o, int variant) {
    const struct location *l = &m->locations[o->location];
    int oldest = oldest_readable(m, thread, o), shift = o->access == ACCESS_STORE;
    for (int at = l->count - 1; at >= oldest; at--)
        if ((o->access != ACCESS_STORE || is_open(l, at + 1)) && variant-- == 0) return at + shift;
    return -1;
}

/* The oldest store may just have gone. */
static int chosen_place(const struct memory *m, int thread, const struct operation *o, int variant) {
    int at = place_of_variant(m, thread, o, variant);
    return at >= 0 ? at : place_of_variant(m, thread, o, 0);
}

int memory_variants(const struct memory *m, int thread, const struct operation *o) {
    if (o->access == ACCESS_NONE || m->choices == 0 || !m->locations[o->location].count) return 1;
    int variants = 1;
    while (place_of_variant(m, thread, o, variants) >= 0) variants++;
    return variants;
}

/* --- steps --- */

static uint64_t read_at(struct memory *m, int thread, const struct operation *o, int at) {
    const struct store *store = &m->locations[o->location].stores[at];
    struct view found = store->view;
    uint64_t value = store->value;
    see(m, thread, o->location, at);
    join(&m->acquired[thread], &found);
    if (is_acquire(o->order)) join(&m->now[thread], &found);
    if (o->order == __ATOMIC_SEQ_CST) enter_met(m, o->location, at);
    return value;
}

uint64_t memory_load(struct memory *m, int thread, const struct operation *o, int variant) {
    if (variant) m->choices--;
    if (o->order == __ATOMIC_SEQ_CST) enter_known(m, thread);
    if (!m->locations[o->location].count) return value_in_memory(o->location);
    return read_at(m, thread, o, chosen_place(m, thread, o, variant));
}

uint64_t memory_futex(struct memory *m, int thread, const struct operation *o, int variant) {
    memory_fence(m, thread, __ATOMIC_SEQ_CST);
    return memory_load(m, thread, o, variant);
}

/* carried: what a read-modify-write passes on. */
static void store_at(struct memory *m, int thread, const struct operation *o, int at, uint64_t value,
                     const struct view *carried) {
    struct location *l = &m->locations[o->location];
    bool all = o->order == __ATOMIC_SEQ_CST;
    if (all) {
        enter_known(m, thread);
        enter_met(m, o->location, at - 1);
    }
    struct view before = carried ? *carried : (struct view){{0}, 0};
    make_place(m, o->location, at);
    if (carried) before = l->stores[at - 1].view; /* the positions in it may have moved */
    see(m, thread, o->location, at);
    if (all) store_waits(m, thread, o->location, at);
    struct store *store = &l->stores[at];
    store->value = value;
    store->from_before = carried != NULL;
    store->view = is_release(o->order) ? m->now[thread] : m->released[thread];
    store->view.at[o->location] = (uint8_t)at;
    join(&store->view, &before);
    if (at == l->count - 1) put_in_memory(o->location, value);
}

void memory_store(struct memory *m, int thread, const struct operation *o, int variant, uint64_t value) {
    if (variant) m->choices--;
    begin_history(m, o->location);
    store_at(m, thread, o, chosen_place(m, thread, o, variant), value, NULL);
}

uint64_t memory_change_read(struct memory *m, int thread, const struct operation *o, int variant,
                            const uint64_t *expected, int *found) {
    struct location *l = &m->locations[o->location];
    if (variant) m->choices--;
    if (o->order == __ATOMIC_SEQ_CST) enter_known(m, thread);
    begin_history(m, o->location);
    *found = chosen_place(m, thread, o, variant);
    bool changes = !expected || l->stores[*found].value == *expected;
    if (changes && !is_open(l, *found + 1)) *found = l->count - 1;
    return l->stores[*found].value;
}

void memory_change_write(struct memory *m, int thread, const struct operation *o, int found, uint64_t value) {
    read_at(m, thread, o, found);
    store_at(m, thread, o, found + 1, value, &m->locations[o->location].stores[found].view);
}

void memory_change_fails(struct memory *m, int thread, const struct operation *o, int found) {
    read_at(m, thread, o, found);
}

void memory_fence(struct memory *m, int thread, int order) {
    struct view *now = &m->now[thread];
    if (is_acquire(order)) join(now, &m->acquired[thread]);
    if (order == __ATOMIC_SEQ_CST) {
        enter_known(m, thread);
        join(now, &m->all);
        join(&m->acquired[thread], now);
        m->all = *now;
        m->all.pending = 0;
    }
    if (is_release(order)) m->released[thread] = *now;
}

/* --- plain data, and what the system tells --- */

bool memory_touch(struct memory *m, int thread, int location) {
    struct operation plain = {ACCESS_STORE, location, __ATOMIC_RELAXED};
    known[location].plain = true;
    begin_history(m, location);
    struct location *l = &m->locations[location];
    if (m->now[thread].at[location] != l->count - 1) return false;
    store_at(m, thread, &plain, l->count, value_in_memory(location), NULL);
    return true;
}

void memory_tell(struct memory *m, int thread, int other) {
    join(&m->now[thread], &m->now[other]);
    join(&m->acquired[thread], &m->now[other]);
}

void memory_settle(struct memory *m, int thread) {
    for (int i = 0; i < MEMORY_THREADS; i++) enter_order(m, i);
    for (int i = 0; i < known_count; i++)
        if (m->locations[i].count) see(m, thread, i, m->locations[i].count - 1);
}

/* --- tidying --- */

static int oldest_seen(const struct memory *m, int location, const bool *living) {
    int oldest = m->locations[location].count - 1;
    for (int i = 0; i < MEMORY_THREADS; i++)
        if (living[i] && m->now[i].at[location] < oldest) oldest = m->now[i].at[location];
    return oldest;
}

/* All living threads read the one store that is left, and know what it carries. */
static bool is_settled(const struct memory *m, int location, const bool *living) {
    const struct location *l = &m->locations[location];
    if (l->count != 1) return false;
    for (int i = 0; i < MEMORY_THREADS; i++)
        if (living[i] && !is_within(&l->stores[0].view, &m->now[i])) return false;
    return true;
}

/* What it has stored stays known: a barrier passes it on, and so does the news of its death. */
static void forget_thread(struct memory *m, int thread) {
    memset(&m->acquired[thread], 0, sizeof m->acquired[thread]);
    memset(&m->released[thread], 0, sizeof m->released[thread]);
}

void memory_tidy(struct memory *m, const bool *living) {
    for (int i = 0; i < MEMORY_THREADS; i++)
        if (!living[i]) forget_thread(m, i);
    for (int i = 0; i < known_count; i++)
        if (m->locations[i].count) drop_oldest(m, i, oldest_seen(m, i, living));
    for (int i = 0; i < known_count; i++)
        if (is_settled(m, i, living)) memset(&m->locations[i], 0, sizeof m->locations[i]);
    for (int i = 0; i < MEMORY_THREADS; i++)
        if (m->pending[i].is && !m->locations[m->pending[i].location].count) enter_order(m, i);
}

int memory_disagrees(const struct memory *m) {
    for (int i = 0; i < known_count; i++) {
        const struct location *l = &m->locations[i];
        uint64_t mask = known[i].size == 8 ? ~0ull : (1ull << known[i].size * 8) - 1;
        if (l->count && !known[i].plain && (l->stores[l->count - 1].value & mask) != value_in_memory(i)) return i;
    }
    return -1;
}
