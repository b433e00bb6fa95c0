/* What a language runtime adds to starting processes. */
#include "process/process.h"

#include "base/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

prong_runtime runtime;

void prong_set_runtime(const prong_runtime *wanted) {
    runtime = *wanted;
    interrupt_hook = runtime.interrupted;
}

void prong_clear_interrupt(void) {
    wait_cancelled = false;
}

size_t runtime_keep(int *list, size_t count) {
    for (size_t i = 0; i < runtime.kept_count && i < RUNTIME_KEPT; i++)
        if (fcntl(runtime.kept[i], F_GETFD) >= 0) list[count++] = runtime.kept[i];
    return count;
}

pid_t fork_with_runtime(void) {
    if (runtime.before_fork) runtime.before_fork();
    pid_t pid = fork();
    if (pid == 0) {
        if (runtime.after_fork_in_child) runtime.after_fork_in_child();
    } else if (runtime.after_fork_in_parent) {
        int number = errno;
        runtime.after_fork_in_parent();
        errno = number;
    }
    return pid;
}
