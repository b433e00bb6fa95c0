/* The seats of the family's lookouts (lookout.h), and the pulses that they watch. Private to long sleeps, burials and joins. */
#ifndef FAMILY_SEATS_H
#define FAMILY_SEATS_H

#include "family/lookout.h"
#include "family/member.h"

static inline struct lookouts *lookouts(void) {
    return &arena()->lookouts;
}

/* The word of the member's pulse, and what is in it; NULL: none that beats. */
_Atomic uint32_t *pulse_beating(struct member *row, uint32_t token, uint32_t *pulse);
bool pulse_is_there(uint32_t token);
/* Any thread of the member can do it; another has to when that ends. Whether the pulse beats now. */
bool pulse_begin_if_needed(void);

/* Its number; -1: none is free, or not for this member. A member takes only one: the other lookout is to survive it. */
int seat_take(void);
/* Which seat this thread may take when it becomes free: none, as its member has no pulse; that which another thread of its member
 * has now; or any. */
enum seat_hope { HOPE_NONE, HOPE_OWN, HOPE_ANY };
enum seat_hope seat_hope(void);
/* Frees the seat (-1: none), and offers all that are free. */
void seat_leave(int seat);
/* Wakes another thread for each free seat: also by a thread that may have been woken to take it, and has no use for it. */
void seats_offer(void);

/* A nap that costs the family the same, however many take it; not all at the same time. */
prong_time lookout_long_nap(void);
/* Buries the dead among those without a pulse. */
void lookout_bury_silent(void);

#endif
