/* The fork server: a clean single-threaded image that forks children on request and reaps them.
 *
 * One per process that starts children this way, over a socket pair: when that process ends, however it ends, the
 * server reads end-of-file and exits, and the kernel kills the daemonic children that it forked. */
#ifndef PROCESS_FORKSERVER_H
#define PROCESS_FORKSERVER_H

#include "process/function.h"

#include <stdbool.h>
#include <sys/types.h>

/* --- what the two sides tell each other --- */

enum request_kind { REQUEST_START, REQUEST_PRELOAD, REQUEST_KILL };

struct forkserver_request {
    enum request_kind kind;
    uint32_t token;
    uint64_t process; /* START; KILL has its token alone */
    uint64_t text;    /* PRELOAD: a block of library names, each ended by a zero, and an empty one */
    struct function function;
    bool has_function;
    bool hands; /* START: a descriptor of the runtime's comes with it */
};

struct forkserver_reply {
    prong_status status;
    pid_t pid;          /* as the server knows it … */
    uint64_t namespace; /* … in this namespace of pids */
    char text[400];
};

/* --- forkserver.c: asking --- */

/* A fork server of this process stays known until the last of its children is closed. */
struct server;
void server_release(struct server *server); /* may be NULL */
bool server_has_ended(const struct server *server);

/* --- forkserver_main.c: its life; never returns --- */

_Noreturn void server_run(int control);

#endif
