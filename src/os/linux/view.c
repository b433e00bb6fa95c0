/* Views: private mappings of shared memory, whose pages are copied as they are written to. */
#define _GNU_SOURCE
#include "os/os.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static uintptr_t view_page_size(void) {
    return (uintptr_t)sysconf(_SC_PAGESIZE);
}

void *os_memory_view(int fd, uint64_t offset, uint64_t size) {
    uint64_t before = offset & (view_page_size() - 1);
    char *pages =
        mmap(NULL, before + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, (off_t)(offset - before));
    return pages == MAP_FAILED ? NULL : pages + before;
}

void os_memory_end_view(void *view, uint64_t size) {
    uintptr_t before = (uintptr_t)view & (view_page_size() - 1);
    munmap((char *)view - before, before + size);
}

/* One word a page, which any process may read of itself. */
static bool page_is_private(uint64_t word) {
    const uint64_t present = 1ull << 63, swapped = 1ull << 62, shared = 1ull << 61;
    return (word & (present | swapped)) && !(word & shared);
}

static bool pages_are_unwritten(int fd, uint64_t first, uint64_t count) {
    uint64_t words[2048];
    for (uint64_t done = 0; done < count;) {
        uint64_t step = count - done < 2048 ? count - done : 2048;
        ssize_t size = pread(fd, words, step * sizeof *words, (off_t)((first + done) * sizeof *words));
        if (size != (ssize_t)(step * sizeof *words)) return false;
        for (uint64_t i = 0; i < step; i++)
            if (page_is_private(words[i])) return false;
        done += step;
    }
    return true;
}

bool os_memory_view_is_unwritten(const void *view, uint64_t size) {
    uint64_t first = (uintptr_t)view / view_page_size(),
             end = ((uintptr_t)view + size + view_page_size() - 1) / view_page_size();
    int fd = os_off_stdio(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    if (fd < 0) return false;
    bool unwritten = pages_are_unwritten(fd, first, end - first);
    close(fd);
    return unwritten;
}
