/* Shared memory, anonymous and by name, and a page that reads as zero in a forked child. */
#define _GNU_SOURCE
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOW_DESCRIPTORS = 10, COMMIT_ATTEMPTS = 100 };

/* Newer than some systems' headers. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
enum { SIZE_SEALS = F_SEAL_SHRINK | F_SEAL_GROW, ALL_SEALS = SIZE_SEALS | F_SEAL_SEAL };

static int close_keeping_errno(int fd) {
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

/* To a number of 10 or above, if one is free. */
static int move_up(int fd) {
    int high = fcntl(fd, F_DUPFD_CLOEXEC, LOW_DESCRIPTORS);
    if (high < 0) return os_off_stdio(fd);
    close(fd);
    return high;
}

static uintptr_t page_size(void) {
    static _Atomic uintptr_t size;
    if (!atomic_load_explicit(&size, memory_order_relaxed)) atomic_store(&size, (uintptr_t)sysconf(_SC_PAGESIZE));
    return atomic_load_explicit(&size, memory_order_relaxed);
}

static uint64_t limit_of(int resource) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
    return limit.rlim_cur;
}

uint64_t os_file_size_limit(void) {
    return limit_of(RLIMIT_FSIZE);
}

uint64_t os_address_space_limit(void) {
    return limit_of(RLIMIT_AS);
}

size_t os_stack_size(void) {
    static const uint64_t least = 256 << 10, usual = 8 << 20, most = 1 << 30;
    uint64_t size = limit_of(RLIMIT_STACK);
    if (size == UINT64_MAX) return usual;
    size = size < least ? least : size > most ? most : size;
    return (size_t)(size & ~(uint64_t)(page_size() - 1));
}

bool os_memory_used(int pid, struct os_memory_used *used) {
    enum { SPACE, RESIDENT, SHARED, TEXT, LIBRARIES, DATA, FIELDS };
    char path[32] = "/proc/self/statm", text[160] = "", *at = text;
    uint64_t pages[FIELDS];
    if (pid) snprintf(path, sizeof path, "/proc/%d/statm", pid);
    int fd = os_off_stdio(open(path, O_RDONLY | O_CLOEXEC));
    if (fd < 0) return false;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    for (int i = 0; i < FIELDS; i++) pages[i] = strtoull(at, &at, 10);
    uint64_t own = pages[RESIDENT] > pages[SHARED] ? pages[RESIDENT] - pages[SHARED] : 0;
    *used = (struct os_memory_used){pages[SPACE] * page_size(), own * page_size(), pages[DATA] * page_size()};
    return length > 0;
}

uint64_t os_address_space_used(void) {
    struct os_memory_used used;
    return os_memory_used(0, &used) ? used.space : 0;
}

void os_memory_limit_private(uint64_t bytes) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur <= bytes) return;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_DATA, &limit);
}

/* Beyond the limit the system would send SIGXFSZ, which kills. */
static int refuse_beyond_limit(uint64_t size) {
    if (size <= os_file_size_limit()) return 0;
    errno = EFBIG;
    return -1;
}

/* Marked as never executable, where the system supports that (Linux 6.3; some systems refuse objects without the
 * mark). */
static int memory_object(const char *name) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    return fd >= 0 || errno != EINVAL ? fd : memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static int set_file_size(int fd, uint64_t size) {
    int result;
    do result = ftruncate(fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result;
}

int os_memory_create(const char *name, uint64_t size, const char **call) {
    *call = "ftruncate";
    if (refuse_beyond_limit(size) != 0) return -1;
    *call = "memfd_create";
    int fd = memory_object(name);
    if (fd < 0) return -1;
    *call = "ftruncate";
    if (set_file_size(fd, size) != 0) return close_keeping_errno(fd);
    *call = "fcntl(F_ADD_SEALS)";
    if (fcntl(fd, F_ADD_SEALS, ALL_SEALS) != 0) return close_keeping_errno(fd);
    *call = "fcntl(F_DUPFD)";
    return move_up(fd);
}

bool os_is_memory(int fd) {
    return fcntl(fd, F_GET_SEALS) >= 0;
}

static bool is_inherited(int directory, const char *entry, const char *target) {
    char found[64];
    ssize_t size = readlinkat(directory, entry, found, sizeof found);
    if (size != (ssize_t)strlen(target) || memcmp(found, target, (size_t)size) != 0) return false;
    return (fcntl(atoi(entry), F_GETFD) & FD_CLOEXEC) == 0;
}

bool os_memory_is_inherited(const char *name) {
    char target[64];
    bool found = false;
    snprintf(target, sizeof target, "/memfd:%s (deleted)", name);
    int number = os_off_stdio(open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *directory = number < 0 ? NULL : fdopendir(number);
    for (struct dirent *entry; directory && !found && (entry = readdir(directory));)
        found = is_inherited(number, entry->d_name, target);
    if (directory)
        closedir(directory);
    else if (number >= 0)
        close(number);
    return found;
}

bool os_memory_is_sealed(int fd) {
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & SIZE_SEALS) == SIZE_SEALS;
}

void *os_memory_map(int fd, uint64_t size) {
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
}

void os_memory_leave_out_of_dumps(void *memory, uint64_t size) {
    madvise(memory, size, MADV_DONTDUMP);
}

/* Lets the kernel write to the page: it reports an error where a store from here would end in SIGBUS. The word keeps
 * its value, as 0 is or-ed to it. */
static int touch_page(void *page) {
    enum { FUTEX_WAKE_OP_PRIVATE = 5 | 128, OR_NOTHING = 2 << 28 };
    uint32_t nobody_waits_here = 0;
    return syscall(SYS_futex, &nobody_waits_here, FUTEX_WAKE_OP_PRIVATE, 0, 0L, page, OR_NOTHING) < 0 ? -1 : 0;
}

static int touch_pages(uintptr_t from, uintptr_t end) {
    for (; from < end; from += page_size())
        if (touch_page((void *)from) != 0) {
            if (errno == EFAULT) errno = ENOMEM;
            return -1;
        }
    return 0;
}

int os_memory_commit(void *memory, uint64_t size) {
    uintptr_t page = page_size(), from = (uintptr_t)memory & ~(page - 1), end = (uintptr_t)memory + size;
    end = (end + page - 1) & ~(page - 1);
    int result;
    for (int i = 0; (result = madvise((void *)from, end - from, MADV_POPULATE_WRITE)) != 0; i++)
        if ((errno != EAGAIN && errno != EINTR) || i == COMMIT_ATTEMPTS) break;
    if (result == 0 || errno == ENOMEM) return result;
    return touch_pages(from, end); /* before Linux 5.14, and where a sandbox does not let it through */
}

static int allocate_file(int fd, uint64_t size) {
    int result;
    do result = fallocate(fd, 0, 0, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result;
}

int os_memory_commit_new(int fd, void *memory, uint64_t size) {
    if (allocate_file(fd, size) == 0) return 0;
    return errno == ENOMEM || errno == ENOSPC ? -1 : os_memory_commit(memory, size);
}

void os_memory_release(void *memory, uint64_t size) {
    uintptr_t page = page_size(), from = ((uintptr_t)memory + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)memory + size) & ~(page - 1);
    if (end > from) madvise((void *)from, end - from, MADV_REMOVE);
}

/* --- another descriptor for it --- */

static void file_identify(const struct stat *about, struct os_file *file) {
    *file = (struct os_file){.device = about->st_dev, .inode = about->st_ino};
}

static bool is_file(const struct stat *about, const struct os_file *file) {
    return (uint64_t)about->st_dev == file->device && (uint64_t)about->st_ino == file->inode;
}

int os_file_identify(int fd, struct os_file *file) {
    struct stat about;
    if (fstat(fd, &about) != 0) return -1;
    file_identify(&about, file);
    return 0;
}

/* Opens it only if it is the right file, as opening another might have side effects. */
static int file_reopen(int directory, const char *name, const struct os_file *file) {
    struct stat about;
    if (fstatat(directory, name, &about, 0) != 0 || !is_file(&about, file)) return -1;
    int fd = openat(directory, name, O_RDWR | O_CLOEXEC);
    if (fd < 0) return -1;
    if (fstat(fd, &about) != 0 || !is_file(&about, file)) return close_keeping_errno(fd);
    return move_up(fd);
}

int os_memory_reopen(const void *memory, uint64_t size, const struct os_file *file) {
    char path[80];
    uintptr_t from = (uintptr_t)memory;
    snprintf(path, sizeof path, "/proc/self/map_files/%" PRIxPTR "-%" PRIxPTR, from, (uintptr_t)(from + size));
    return file_reopen(AT_FDCWD, path, file);
}

int os_file_reopen(pid_t pid, const struct os_file *file) {
    char path[40];
    snprintf(path, sizeof path, pid ? "/proc/%d/fd" : "/proc/self/fd", (int)pid);
    int number = os_off_stdio(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)), fd = -1;
    DIR *directory = number < 0 ? NULL : fdopendir(number);
    if (!directory) return number < 0 ? -1 : close_keeping_errno(number);
    for (struct dirent *entry; fd < 0 && (entry = readdir(directory));)
        if (entry->d_name[0] != '.') fd = file_reopen(number, entry->d_name, file);
    closedir(directory);
    return fd;
}

/* --- others --- */

void *os_memory_wipe_on_fork(uint64_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    madvise(memory, size, MADV_WIPEONFORK);
    return memory;
}

void *os_memory_private(uint64_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void os_memory_unmap(void *memory, uint64_t size) {
    munmap(memory, size);
}

/* --- with a name --- */

static const char *path_of(const char *name, char *path, size_t size) {
    snprintf(path, size, "/%s", name);
    return path;
}

static void *map_and_close(int fd, uint64_t size) {
    void *memory = os_memory_map(fd, size);
    close_keeping_errno(fd);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Sets the size and reserves the memory: fallocate does both at once, where a sandbox permits it. */
static void *memory_make_room(int fd, uint64_t size) {
    if (refuse_beyond_limit(size) != 0) return NULL;
    if (allocate_file(fd, size) == 0) return os_memory_map(fd, size);
    if (errno == ENOMEM || errno == ENOSPC || set_file_size(fd, size) != 0) return NULL;
    void *memory = os_memory_map(fd, size);
    if (memory == MAP_FAILED || os_memory_commit(memory, size) == 0) return memory;
    int number = errno;
    munmap(memory, size);
    errno = number;
    return NULL;
}

void *os_named_memory_create(const char *name, uint64_t size) {
    char path[300];
    int fd = os_off_stdio(shm_open(path_of(name, path, sizeof path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (fd < 0) return NULL;
    void *memory = memory_make_room(fd, size);
    close_keeping_errno(fd);
    if (memory && memory != MAP_FAILED) return memory;
    int number = errno;
    shm_unlink(path);
    errno = number;
    return NULL;
}

void *os_named_memory_attach(const char *name, uint64_t *size) {
    char path[300];
    struct stat about;
    int fd = os_off_stdio(shm_open(path_of(name, path, sizeof path), O_RDWR | O_CLOEXEC, 0));
    if (fd < 0) return NULL;
    bool known = fstat(fd, &about) == 0;
    if (known && about.st_size == 0) errno = EINVAL; /* it is being made */
    if (!known || about.st_size == 0) {
        close_keeping_errno(fd);
        return NULL;
    }
    *size = (uint64_t)about.st_size;
    return map_and_close(fd, *size);
}

int os_named_memory_unlink(const char *name) {
    char path[300];
    return shm_unlink(path_of(name, path, sizeof path));
}
