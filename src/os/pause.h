/* Pausing between two checks of a word that another processor is about to change. A pause instruction takes 4 ns on one
 * processor and 60 on another, so the time is limited by the clock, which is read now and then, and never by a
 * count. */
#ifndef OS_PAUSE_H
#define OS_PAUSE_H

#include "base/deadline.h"
#include "os/os.h"

enum { PAUSES_A_LOOK = 8 };

/* All zero at the start. */
struct pause {
    int64_t end;
    unsigned turns;
};

#ifndef pause_again /* the models in tests/model look once */
/* Pauses. False when the span has passed; a span shorter than PAUSES_A_LOOK pauses lasts that long. */
static inline bool pause_again(struct pause *pause, prong_time span) {
    os_cpu_relax();
    if (++pause->turns % PAUSES_A_LOOK) return true;
    int64_t now = clock_now();
    if (pause->end == 0) pause->end = now + span;
    return now < pause->end;
}
#endif

#endif
