/* Stream: what another program has as its stdin, stdout or stderr; for the
 * options of prong_popen_open and prong_subprocess_run. */
#ifndef PRONG_STREAM_H
#define PRONG_STREAM_H

#include <prong/export.h>
#include <stdbool.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

enum prong_stream_kind {
    PRONG_STREAM_INHERIT = 0, /* this process's own */
    PRONG_STREAM_PIPE,        /* a pipe to or from this process */
    PRONG_STREAM_NULL,        /* /dev/null */
    PRONG_STREAM_DESCRIPTOR,  /* `descriptor`, which stays the caller's */
    PRONG_STREAM_FILE,        /* `path`: read; or created and written */
    PRONG_STREAM_STDOUT,      /* of stderr only: where stdout goes */
};

typedef struct prong_stream {
    enum prong_stream_kind kind;
    int descriptor;
    const char *path;
    bool append;       /* a file that is written is not emptied first */
    void *reserved[2]; /* zero */
} prong_stream;

/* One of the above, for use in options: .out = PRONG_PIPE. */
#ifndef __cplusplus
#define PRONG_STREAM(of, fd, name)                                             \
    ((prong_stream){.kind = (of), .descriptor = (fd), .path = (name)})
#else
#define PRONG_STREAM(of, fd, name) prong_stream_of(of, fd, name)
static inline prong_stream prong_stream_of(enum prong_stream_kind kind,
                                           int descriptor, const char *path) {
    prong_stream stream = prong_stream();
    stream.kind = kind;
    stream.descriptor = descriptor;
    stream.path = path;
    return stream;
}
#endif

#define PRONG_PIPE PRONG_STREAM(PRONG_STREAM_PIPE, 0, NULL)
#define PRONG_NULL PRONG_STREAM(PRONG_STREAM_NULL, 0, NULL)
#define PRONG_TO_STDOUT PRONG_STREAM(PRONG_STREAM_STDOUT, 0, NULL)
#define PRONG_FILE(name) PRONG_STREAM(PRONG_STREAM_FILE, 0, name)
#define PRONG_DESCRIPTOR(number)                                               \
    PRONG_STREAM(PRONG_STREAM_DESCRIPTOR, number, NULL)

PRONG_END_DECLS

#endif
