/* Event: a flag that any number of processes and threads wait for.
 *
 * prong_event_set wakes all that wait at that moment, even if
 * prong_event_clear follows at once. It never waits itself, whatever process
 * has died.
 *
 * prong_event_set may be called from a signal handler, whatever the handler
 * interrupted. For all other calls see prong.h.
 *
 * All calls are safe in threads and in forked children. */
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
    const char *name;  /* for messages and reports; up to 23 bytes */
    void *reserved[4]; /* zero */
} prong_event_options;

/* Creates an event, which is not set. It lives until prong_event_destroy, or
 * until the family ends. options may be NULL.
 * Errors: PRONG_NO_MEMORY, PRONG_INVALID (the name is too long). */
PRONG_CHECKED prong_status
prong_event_create(prong_event *event, const prong_event_options *options);

/* Set and clear the flag. Errors: PRONG_STALE. */
PRONG_API prong_status prong_event_set(prong_event event);
PRONG_API prong_status prong_event_clear(prong_event event);

/* Whether the flag is set. False for a stale handle. */
PRONG_API bool prong_event_is_set(prong_event event);

/* Waits until the flag is set, or was set since the call; up to the timeout.
 * Errors: PRONG_TIMEOUT, PRONG_STALE (also if it is destroyed meanwhile). */
PRONG_CHECKED prong_status prong_event_wait(prong_event event,
                                            prong_time timeout);

/* A descriptor for poll, select or epoll. It is readable while the flag is set,
 * or the event is destroyed, and not readable otherwise. This holds in every
 * process that asked for one, whichever process sets or clears the flag.
 * Readiness is a level: a flag that is set and cleared at once may go unseen.
 * The descriptor is always readable while the flag is set. It may also be
 * readable while the flag is clear: for a moment, while another process sets or
 * clears it; for longer, if that process is stopped or killed in the middle.
 * prong_event_is_set tells, and corrects the descriptor. What
 * prong_queue_fileno says of the descriptor's owner and costs holds here, too.
 * Errors: PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY, PRONG_STALE, PRONG_TIMEOUT (a
 * stopped process is in the middle of this call). */
PRONG_CHECKED prong_status prong_event_fileno(prong_event event,
                                              int *descriptor);

/* Destroys it. Waiters get PRONG_STALE; its descriptor is closed in this
 * process, and readable in others. Errors: PRONG_STALE. */
PRONG_API prong_status prong_event_destroy(prong_event event);

PRONG_END_DECLS

#endif
