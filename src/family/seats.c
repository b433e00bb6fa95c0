/* Pulses of members, and the lookouts' seats. */
#include "family/seats.h"

#include "family/rows.h"
#include "family/watch.h"
#include "os/os.h"

#include <limits.h>

/* --- pulses --- */

/* NULL: the member has none. */
static _Atomic uint32_t *pulse_word(struct member *row, uint32_t token) {
    uint64_t pulse = atomic_load(&row->pulse_of);
    if (pulse >> 32 != token || !(uint32_t)pulse) return NULL;
    return (_Atomic uint32_t *)(void *)((char *)&row->pulse + (uint32_t)pulse - 1);
}

_Atomic uint32_t *pulse_beating(struct member *row, uint32_t token, uint32_t *pulse) {
    _Atomic uint32_t *word = pulse_word(row, token);
    *pulse = word ? atomic_load(word) : 0;
    return os_pulse_beats(*pulse) ? word : NULL;
}

bool pulse_is_there(uint32_t token) {
    uint32_t pulse;
    return pulse_beating(member_row(token), token, &pulse) != NULL;
}

/* The process that had the row before may not have ended quite yet. */
static bool pulse_is_in_use(struct member *row) {
    uint32_t pulse;
    return pulse_beating(row, (uint32_t)(atomic_load(&row->pulse_of) >> 32), &pulse) != NULL;
}

bool pulse_begin_if_needed(void) {
    uint32_t token = self_token();
    bool begins = false;
    struct member *row = member_row(token);
    if (pulse_is_there(token)) return true;
    if (!atomic_compare_exchange_strong(&self->begins_pulse, &begins, true)) return false;
    if (!pulse_is_in_use(row)) {
        atomic_store(&row->pulse_of, 0);
        int offset = os_pulse_begin(&row->pulse);
        if (offset >= 0) atomic_store(&row->pulse_of, (uint64_t)token << 32 | (uint32_t)(offset + 1));
    }
    atomic_store(&self->begins_pulse, false);
    return pulse_is_there(token);
}

/* --- seats --- */

static bool seat_is_free(uint32_t holder) {
    return holder == 0 || !pulse_is_there(holder);
}

enum seat_hope seat_hope(void) {
    for (int i = 0; i < LOOKOUT_SEATS; i++)
        if (atomic_load(&lookouts()->seat[i]) == self_token()) return HOPE_OWN;
    return pulse_begin_if_needed() ? HOPE_ANY : HOPE_NONE;
}

int seat_take(void) {
    _Atomic uint32_t *seat = lookouts()->seat;
    if (seat_hope() != HOPE_ANY) return -1;
    for (int i = 0; i < LOOKOUT_SEATS; i++) {
        uint32_t holder = atomic_load(&seat[i]);
        if (seat_is_free(holder) && atomic_compare_exchange_strong(&seat[i], &holder, self_token())) return i;
    }
    return -1;
}

void seats_offer(void) {
    _Atomic uint32_t *seat = lookouts()->seat;
    for (int i = 0; i < LOOKOUT_SEATS; i++) {
        if (atomic_load(&seat[i]) != 0 || os_futex_wake(&seat[i], 1) > 0) continue;
        if (!watchers_ring(WATCH_SEATS, 1)) watchers_ring(WATCH_MATE, INT_MAX);
    }
}

void seat_leave(int seat) {
    uint32_t mine = self_token();
    if (seat >= 0) atomic_compare_exchange_strong(&lookouts()->seat[seat], &mine, 0);
    seats_offer();
}
