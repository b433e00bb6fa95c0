/* Pages of mappings: which there are by /proc/self/pagemap; views, whose pages are copied as they are written to; and memory that is
 * large enough for its pages to be asked for, and mapped, many at a time. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static uintptr_t size_of_page(void) {
    return (uintptr_t)sysconf(_SC_PAGESIZE);
}

void *os_memory_view(int fd, uint64_t offset, uint64_t size) {
    uint64_t before = offset & (size_of_page() - 1);
    char *pages =
        mmap(NULL, before + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, (off_t)(offset - before));
    return pages == MAP_FAILED ? NULL : pages + before;
}

void os_memory_end_view(void *view, uint64_t size) {
    uintptr_t before = (uintptr_t)view & (size_of_page() - 1);
    munmap((char *)view - before, before + size);
}

/* --- what pagemap tells: a word a page, which any process may read of itself --- */

static const uint64_t page_present = 1ull << 63, page_swapped = 1ull << 62, page_shared = 1ull << 61;

static int pagemap_open(void) {
    return os_off_stdio(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
}

static bool pagemap_read(int fd, uint64_t page, uint64_t *words, size_t count) {
    const ssize_t size = (ssize_t)(count * sizeof *words);
    ssize_t got;
    do got = pread(fd, words, (size_t)size, (off_t)(page * sizeof *words));
    while (got < 0 && errno == EINTR);
    return got == size;
}

static bool page_is_private(uint64_t word) {
    return (word & (page_present | page_swapped)) && !(word & page_shared);
}

static bool pages_are_unwritten(int fd, uint64_t first, uint64_t count) {
    enum { STEP = 2048 };
    uint64_t words[STEP];
    for (uint64_t done = 0; done < count;) {
        size_t step = count - done < STEP ? (size_t)(count - done) : STEP;
        if (!pagemap_read(fd, first + done, words, step)) return false;
        for (size_t i = 0; i < step; i++)
            if (page_is_private(words[i])) return false;
        done += step;
    }
    return true;
}

bool os_memory_view_is_unwritten(const void *view, uint64_t size) {
    uintptr_t page = size_of_page(), end = (uintptr_t)view + size;
    uint64_t first = (uintptr_t)view / page, behind = (end + page - 1) / page;
    int fd = pagemap_open();
    if (fd < 0) return false;
    bool unwritten = pages_are_unwritten(fd, first, behind - first);
    close(fd);
    return unwritten;
}

/* By a few of them. */
static bool pages_seem_mapped(uint64_t first, uint64_t count) {
    enum { LOOKS = 4 };
    int fd = pagemap_open();
    bool mapped = true;
    for (uint64_t i = 1; fd >= 0 && mapped && i <= LOOKS; i++) {
        uint64_t word;
        mapped = !pagemap_read(fd, first + count * i / (LOOKS + 1), &word, 1) || (word & page_present);
    }
    if (fd >= 0) close(fd);
    return mapped;
}

/* --- large memory --- */

/* In steps, as a signal that comes undoes the step. */
int os_memory_reserve(int fd, void *memory, uint64_t offset, uint64_t size) {
    enum { ATTEMPTS = 10 };
    const uint64_t most = 4 << 20;
    int attempts = 0;
    for (uint64_t done = 0; done < size;) {
        uint64_t step = size - done < most ? size - done : most;
        if (fallocate(fd, 0, (off_t)(offset + done), (off_t)step) == 0)
            done += step;
        else if (errno == ENOMEM || errno == ENOSPC)
            return -1;
        else if (errno != EINTR || ++attempts > ATTEMPTS)
            return os_memory_commit((char *)memory + done, size - done);
    }
    return 0;
}

void os_memory_prefault(void *memory, uint64_t size) {
    uintptr_t page = size_of_page(), from = (uintptr_t)memory & ~(page - 1), end = (uintptr_t)memory + size;
    if (!pages_seem_mapped(from / page, (end - from) / page)) madvise((void *)from, end - from, MADV_POPULATE_WRITE);
}
