/* Event: a flag that any number of processes and threads wait for.
 *
 * set wakes all that wait at that moment, even if clear follows at once. It never waits itself, whoever has died.
 *
 * prong_event_set may be called from a signal handler, whatever it interrupts. See prong.h for all other calls.
 *
 * All calls are safe from any number of threads and in forked children. Handles are plain values. */
#ifndef PRONG_EVENT_H
#define PRONG_EVENT_H

#include <prong/status.h>
#include <prong/time.h>
#include <stdbool.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

typedef struct prong_event {
    uint64_t offset, generation;
} prong_event;

typedef struct prong_event_options {
    const char *name; /* for messages and prong_family_report; up to 23 bytes */
} prong_event_options;

/* Makes an event that is not set. options may be NULL. Errors: PRONG_NO_MEMORY, PRONG_INVALID (the name is too long). */
PRONG_CHECKED prong_status prong_event_create(prong_event *event, const prong_event_options *options);
/* Errors of all these: PRONG_STALE. */
PRONG_API prong_status prong_event_set(prong_event event);
PRONG_API prong_status prong_event_clear(prong_event event);
/* False for a stale handle. */
PRONG_API bool prong_event_is_set(prong_event event);
/* Returns when it is set, or was set since the call. Errors: PRONG_TIMEOUT, PRONG_STALE (also when destroyed meanwhile). */
PRONG_CHECKED prong_status prong_event_wait(prong_event event, prong_time timeout);
/* Ends it; who waits gets PRONG_STALE. */
PRONG_API prong_status prong_event_destroy(prong_event event);

PRONG_END_DECLS

#endif
