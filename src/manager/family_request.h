/* What a member of the family sends to its manager's server: this, and a request as pickle. */
#ifndef MANAGER_FAMILY_REQUEST_H
#define MANAGER_FAMILY_REQUEST_H

#include <prong/queue.h>

struct family_request {
    prong_queue mailbox;    /* of the thread that asks, for the reply */
    uint64_t pid_namespace; /* the namespace of pid; see os_pid_namespace */
    uint32_t member;        /* its token in the family */
    int pid;
    int leaves; /* the thread ends: no request follows */
};

#endif
