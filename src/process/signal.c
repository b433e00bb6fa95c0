/* Signals to a process: by descriptor alone, as a number may be another process's by now. */
#include "base/error.h"
#include "os/os.h"
#include "process/children.h"
#include "process/object.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static prong_status signal_by_descriptor(int pidfd, int number, prong_process handle, const struct process *p) {
    if (os_pidfd_signal(pidfd, number) == 0 || errno == ESRCH) return PRONG_OK;
    return process_verify(handle, fail_errno("signal %d to process '%s'", number, p->name));
}

static prong_status signal_member(struct process *p, prong_process handle, int number) {
    uint32_t token = (uint32_t)atomic_load(&p->token);
    prong_status status = process_verify(handle, PRONG_OK); /* so the token is that of the handle's process */
    if (status < 0) return status;
    int pidfd = member_pidfd(token);
    if (pidfd < 0 && errno == EREMOTE)
        status =
            fail(PRONG_PERMISSION, "signal %d to process '%s': it lives in another PID namespace", number, p->name);
    else if (pidfd < 0 && errno != ESRCH)
        status = fail_errno("no descriptor for process '%s'", p->name);
    if (pidfd < 0) return process_verify(handle, status);
    status = signal_by_descriptor(pidfd, number, handle, p);
    close(pidfd);
    return status;
}

prong_status prong_process_signal(prong_process handle, int number) {
    struct process *p;
    prong_status status = process_find_started(handle, &p);
    if (status < 0) return status;
    struct child *child = process_has_exited(p) ? NULL : child_hold(handle);
    if (child && !child->spent) /* as long as it is held, it keeps its descriptor */
        status = signal_by_descriptor(child->pidfd, number, handle, p);
    else if (process_has_exited(p))
        status = process_verify(handle, PRONG_OK);
    else
        status = signal_member(p, handle, number);
    child_release(child);
    return status;
}
