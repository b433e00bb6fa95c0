/* What a language runtime adds to starting processes. */
#include "process/runtime.h"

#include "base/error.h"
#include "base/interrupt.h"
#include "base/local.h"
#include "base/periods.h"
#include "os/os.h"
#include "process/start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

prong_runtime runtime;

void prong_set_runtime(const prong_runtime *wanted) {
    runtime = *wanted;
}

bool runtime_may_interrupt(void) {
    return runtime.interrupted != NULL;
}

bool runtime_interrupts(void) {
    return runtime.interrupted && runtime.interrupted();
}

prong_status start_check_system(void) {
    const char *missing = os_missing_for_processes();
    if (!missing) return PRONG_OK;
    return fail_errno("%s is missing here, or a sandbox forbids it; prong needs Linux 5.3 or later, and this call",
                      missing);
}

size_t runtime_keep(int *list, size_t count) {
    for (size_t i = 0; i < runtime.kept_count && i < RUNTIME_KEPT; i++)
        if (fcntl(runtime.kept[i], F_GETFD) >= 0) list[count++] = runtime.kept[i];
    return count;
}

/* What this thread's children wait for. */
static QUICK_LOCAL _Atomic uint32_t *gate;

void fork_gate(_Atomic uint32_t *wanted) {
    gate = wanted;
}

void fork_gate_open(_Atomic uint32_t *opened) {
    gate = NULL;
    atomic_store(opened, 1);
    os_futex_wake(opened, INT_MAX);
}

static void gate_wait(pid_t parent) {
    while (gate && !atomic_load(gate) && getppid() == parent) os_futex_wait(gate, 0, deadline_after(DEAD_PARENT));
    gate = NULL;
}

pid_t fork_with_runtime(void) {
    if (runtime.before_fork) runtime.before_fork();
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        gate_wait(parent);
        if (runtime.after_fork_in_child) runtime.after_fork_in_child();
    } else if (runtime.after_fork_in_parent) {
        int number = errno;
        runtime.after_fork_in_parent();
        errno = number;
    }
    return pid;
}
