/* The slow side of an asymmetric fence, with membarrier(2): it makes a barrier in the running threads of all processes
 * that have registered. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From <linux/membarrier.h>, which is not among the headers of every C library. */
enum { GLOBAL_EXPEDITED = 2, REGISTER_GLOBAL_EXPEDITED = 4 };

static bool barrier_command(int command) {
    int before = errno;
    bool done = syscall(SYS_membarrier, command, 0, 0) == 0;
    errno = before;
    return done;
}

bool os_barrier_join(void) {
    return barrier_command(REGISTER_GLOBAL_EXPEDITED);
}

bool os_barrier_everywhere(void) {
    return barrier_command(GLOBAL_EXPEDITED);
}
