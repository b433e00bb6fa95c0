/* Progress of a job, for a callback; and a bar for the terminal. */
#ifndef PRONG_PROGRESS_H
#define PRONG_PROGRESS_H

#include <prong/export.h>
#include <prong/time.h>
#include <stdbool.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

typedef struct prong_progress {
    size_t done, total;   /* tasks; total 0: not known yet */
    double rate;          /* tasks a second since the beginning */
    prong_time elapsed;   /* of a single task: to some milliseconds */
    prong_time remaining; /* estimated; PRONG_FOREVER when no estimate is
                             possible yet */
    bool ended;           /* every task has ended, well or not */
    void *reserved[2];    /* zero */
} prong_progress;

/* Called by the thread that waits for the job, or takes an iterator's results,
 * about ten times a second and once at the end. It may make any call, of the
 * same pool as well (cancel the job, submit others and wait for them), but not
 * destroy the job that is reported. The waiting call does not return before it
 * does. */
typedef void prong_progress_callback(const prong_progress *progress,
                                     void *context);

/* Ready-made: draws a bar on standard error, with context (a string, or NULL)
 * as its title. Silent when standard error is no terminal. No other function of
 * the library prints. */
PRONG_API void prong_progress_bar(const prong_progress *progress,
                                  void *context);

PRONG_END_DECLS

#endif
