/* Time spans, as every call that can wait takes them. */
#ifndef PRONG_TIME_H
#define PRONG_TIME_H

#include <stdint.h>

/* A span in nanoseconds. A negative span counts as PRONG_NOWAIT. */
typedef int64_t prong_time;

/* The call asks once and does not wait. */
#define PRONG_NOWAIT ((prong_time)0)

/* The call has no time limit. */
#define PRONG_FOREVER INT64_MAX

/* Microseconds, milliseconds and seconds as a span: integers or fractions. */
#define PRONG_US(n) ((prong_time)((n)*1e3))
#define PRONG_MS(n) ((prong_time)((n)*1e6))
#define PRONG_SECONDS(n) ((prong_time)((n)*1e9))

#endif
