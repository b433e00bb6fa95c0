/* PID namespaces, and how to tell from any namespace whether a process lives.
 *
 * A process has different numbers in different PID namespaces, and in some it has none. All members of a family share
 * the memory object: so a process that is to be watched from another namespace locks a byte of it. The lock belongs to
 * an open file to which only a mapping refers, and a forked child does not get that mapping. So the lock ends with this
 * process's memory, and not before: there is no descriptor that the program could close. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t os_pid_namespace(void) {
    struct stat about;
    return stat("/proc/self/ns/pid", &about) == 0 ? (uint64_t)about.st_ino : 0;
}

bool os_proc_is_own(void) {
    char number[32];
    ssize_t size = readlink("/proc/self", number, sizeof number - 1);
    if (size <= 0) return false;
    number[size] = 0;
    return atoi(number) == getpid();
}

static struct flock life_lock(uint64_t place) {
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)place, .l_len = 1};
}

int os_life_begin(int memory, uint64_t place) {
    char path[64];
    struct flock lock = life_lock(place);
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
    int fd = os_off_stdio(open(path, O_RDWR | O_CLOEXEC));
    if (fd < 0) return -1;
    void *page = MAP_FAILED;
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) page = mmap(NULL, size, PROT_NONE, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED && madvise(page, size, MADV_DONTFORK) != 0) {
        munmap(page, size);
        page = MAP_FAILED;
    }
    close(fd);
    return page == MAP_FAILED ? -1 : 0;
}

bool os_life_has_ended(int memory, uint64_t place) {
    struct flock lock = life_lock(place);
    return fcntl(memory, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}
