/* Shared memory without a name, and a page that a fork wipes. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOW_DESCRIPTORS = 10 };

int os_memory_create(const char *name, uint64_t size) {
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0) return -1;
    if (ftruncate(fd, (off_t)size) != 0) {
        int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    int high = fcntl(fd, F_DUPFD_CLOEXEC, LOW_DESCRIPTORS);
    if (high < 0) return fd;
    close(fd);
    return high;
}

void *os_memory_map(int fd, uint64_t size) {
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
}

int os_memory_commit(int fd, uint64_t offset, uint64_t size) {
    int result;
    do result = fallocate(fd, 0, (off_t)offset, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result;
}

void os_memory_release(int fd, uint64_t offset, uint64_t size) {
    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size);
}

void *os_memory_wipe_on_fork(void) {
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return NULL;
    madvise(page, size, MADV_WIPEONFORK);
    return page;
}

void os_memory_unmap(void *memory, uint64_t size) {
    munmap(memory, size);
}

uint64_t os_random(void) {
    uint64_t bits = 0;
    while (getrandom(&bits, sizeof bits, 0) != sizeof bits) {}
    return bits;
}

/* --- with a name --- */

static const char *path_of(const char *name, char *path, size_t size) {
    snprintf(path, size, "/%s", name);
    return path;
}

static void *map_and_close(int fd, uint64_t size) {
    void *memory = os_memory_map(fd, size);
    int number = errno;
    close(fd);
    errno = number;
    return memory == MAP_FAILED ? NULL : memory;
}

/* Makes the size, and the promise of memory behind it: fallocate does both at once where it is known. */
static int make_room(int fd, uint64_t size) {
    if (os_memory_commit(fd, 0, size) == 0) return 0;
    return errno == EOPNOTSUPP ? ftruncate(fd, (off_t)size) : -1;
}

void *os_named_memory_create(const char *name, uint64_t size) {
    char path[300];
    int fd = shm_open(path_of(name, path, sizeof path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return NULL;
    void *memory = NULL;
    int room = make_room(fd, size), number = errno;
    if (room == 0)
        memory = map_and_close(fd, size);
    else
        close(fd);
    if (memory) return memory;
    if (room == 0) number = errno;
    shm_unlink(path);
    errno = number;
    return NULL;
}

void *os_named_memory_attach(const char *name, uint64_t *size) {
    char path[300];
    struct stat about;
    int fd = shm_open(path_of(name, path, sizeof path), O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) return NULL;
    if (fstat(fd, &about) != 0 || about.st_size == 0) {
        close(fd);
        errno = EINVAL;
        return NULL;
    }
    *size = (uint64_t)about.st_size;
    return map_and_close(fd, *size);
}

int os_named_memory_unlink(const char *name) {
    char path[300];
    return shm_unlink(path_of(name, path, sizeof path));
}
