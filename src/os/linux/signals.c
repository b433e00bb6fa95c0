/* Signals as something to wait for, and the ends of processes that nobody else waits for. */
#define _GNU_SOURCE
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- signals to wait for --- */

int os_signals_open(const int *numbers, size_t count, sigset_t *before) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) sigaddset(&set, numbers[i]);
    int fd = os_off_stdio(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    if (fd >= 0) pthread_sigmask(SIG_BLOCK, &set, before);
    return fd;
}

int os_signals_take(int fd) {
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

void os_signals_close(int fd, const sigset_t *before) {
    while (os_signals_take(fd)) {}
    close(fd);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

void os_signal_unblock(int number) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void os_die_by(int number) {
    const struct rlimit none = {0, 0};
    prctl(PR_SET_DUMPABLE, 0); /* a limit of 0 does not stop a core dump that goes to a program */
    setrlimit(RLIMIT_CORE, &none);
    signal(number, SIG_DFL);
    os_signal_unblock(number);
    kill(getpid(), number);
}

/* --- orphans --- */

bool os_adopt_orphans(void) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
}

/* The fourth field of /proc/PID/stat; the second may contain anything, and ends with the last ')'. */
static pid_t parent_of(const char *pid) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    text[size] = 0;
    const char *end = strrchr(text, ')');
    return end && strlen(end) > 4 ? atoi(end + 4) : 0;
}

/* A child that was not reaped keeps its number, and only this process reaps it. */
static void kill_children(void) {
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes && (entry = readdir(processes));)
        if (*entry->d_name >= '0' && *entry->d_name <= '9' && parent_of(entry->d_name) == getpid())
            kill(atoi(entry->d_name), SIGKILL);
    if (processes) closedir(processes);
}

void os_end_children(deadline_t deadline) {
    enum { NAP_US = 1000 };
    for (;;) {
        kill_children();
        pid_t reaped;
        do reaped = waitpid(-1, NULL, WNOHANG);
        while (reaped > 0 || (reaped < 0 && errno == EINTR));
        if (reaped < 0 || deadline_passed(deadline)) return; /* there is none left */
        usleep(NAP_US);
    }
}
