/* older NAME PROGRAM [argument] ...: runs the program as if on another system. What that lacks or forbids is answered
 * with an error. */
#define _GNU_SOURCE
#include "refuse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same number on every machine; not in the headers of every system. */
enum { CLONE3 = 435, CLOSE_RANGE = 436, PIDFD_GETFD = 438, FACCESSAT2 = 439, FUTEX_WAITV = 449 };
enum { POPULATE_WRITE = 23, PEER_PIDFD = 77, CLOEXEC_SEALABLE_NOEXEC = 1 | 2 | 8 };

static const struct refused {
    const char *name;
    int number;
    int argument; /* -1: all calls */
    unsigned value;
    int error;
} refused[] = {
    /* Linux 5.4, the oldest that the library supports */
    {"linux-5.4", CLONE3, -1, 0, ENOSYS}, /* it is there, but cannot clear handlers: a filter cannot see that */
    {"linux-5.4", CLOSE_RANGE, -1, 0, ENOSYS},
    {"linux-5.4", PIDFD_GETFD, -1, 0, ENOSYS},
    {"linux-5.4", FACCESSAT2, -1, 0, ENOSYS},
    {"linux-5.4", FUTEX_WAITV, -1, 0, ENOSYS},
    {"linux-5.4", SYS_madvise, 2, POPULATE_WRITE, EINVAL},
    {"linux-5.4", SYS_memfd_create, 1, CLOEXEC_SEALABLE_NOEXEC, EINVAL},
    {"linux-5.4", SYS_getsockopt, 2, PEER_PIDFD, ENOPROTOOPT},
    {"linux-5.4", SYS_fstatfs, -1, 0, ENOSYS}, /* tells whether descriptors of processes have numbers of their own */
    /* a sandbox that forbids what most programs do without */
    {"sandbox", CLONE3, -1, 0, ENOSYS}, /* with another error, the C library makes no threads */
    {"sandbox", CLOSE_RANGE, -1, 0, EPERM},
    {"sandbox", SYS_membarrier, -1, 0, EPERM},
    {"sandbox", SYS_get_robust_list, -1, 0, EPERM},
    {"sandbox", SYS_process_vm_readv, -1, 0, EPERM},
    {"sandbox", SYS_getrandom, -1, 0, EPERM},
    {"sandbox", SYS_fallocate, -1, 0, EPERM},
    {"sandbox", SYS_madvise, 2, POPULATE_WRITE, EPERM},
    {"sandbox", SYS_waitid, 0, 3, EINVAL}, /* by a descriptor */
};

int main(int count, char **arguments) {
    if (count < 3) return fprintf(stderr, "older NAME PROGRAM [argument] ...\n"), 2;
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        const struct refused *r = &refused[i];
        if (strcmp(r->name, arguments[1]) != 0) continue;
        if (!refuse_call(r->number, r->argument, r->value, r->error)) {
            puts("1..0 # SKIP this system lets no program refuse calls");
            return 0;
        }
    }
    execv(arguments[2], arguments + 2);
    perror(arguments[2]);
    return 1;
}
