/* Completed: how another program ended, and what it wrote; filled by
 * prong_popen_communicate and prong_subprocess_run. */
#ifndef PRONG_COMPLETED_H
#define PRONG_COMPLETED_H

#include <prong/export.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

/* Every call that gives a return code gives this one where there is none: the
 * program was not started, has not ended, or it is unknown how it ended. No
 * program ends with this code. */
#define PRONG_NO_RETURNCODE (-0x7fffffff - 1)

/* What a program wrote. data is followed by a zero, which size does not count;
 * it is NULL when the stream was no pipe. */
typedef struct prong_output {
    char *data;
    size_t size;
} prong_output;

/* How a program ended, and what it wrote to streams that were pipes. */
typedef struct prong_completed {
    int returncode; /* the exit code, or minus the signal that killed it */
    prong_output out, err;
    void *reserved[2]; /* zero */
} prong_completed;

/* Frees the output and clears it. May be called after every call that fills a
 * prong_completed, whatever that returned, and on one that is all zero. */
PRONG_API void prong_completed_clear(prong_completed *completed);

PRONG_END_DECLS

#endif
