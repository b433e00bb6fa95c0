/* Making and mapping the arena. */
#include "family/arena.h"

#include "base/error.h"
#include "family/heap.h"
#include "family/member.h"
#include "family/waiter.h"
#include "os/os.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARENA_MAGIC 0x70726f6e67617231ull /* "prongar1" */
#define ARENA_NAME "prong"
enum { ARENA_VERSION = 6 };

char *arena_base;
uint64_t arena_places;
uint64_t arena_mapped;

/* An object is never in the last page, as a slab takes more than that. */
static void arena_use(char *base, uint64_t size) {
    arena_base = base;
    arena_mapped = size;
    arena_places = base ? (size - 4096) / 64 : 0;
}

/* --- its descriptor --- */

/* Needed only for other images. The program may have closed it, and opened a file of its own under the same number. */
static _Atomic int descriptor = -1;
static struct os_file identity;

static bool arena_is_descriptor(int fd) {
    struct os_file file;
    return os_file_identify(fd, &file) == 0 && file.device == identity.device && file.inode == identity.inode;
}

/* A new descriptor: from the mapping, from another descriptor of this process, or from another member. */
static int arena_reopen(void) {
    int fd = os_memory_reopen(arena_base, arena_mapped, &identity);
    if (fd < 0) fd = os_file_reopen(0, &identity);
    for (int i = 0; fd < 0 && i < MEMBER_LIMIT; i++) {
        const struct member *row = &member_rows()[i];
        pid_t pid = atomic_load(&row->state) == MEMBER_LIVE ? member_pid((uint32_t)row->token) : 0;
        if (pid > 0 && pid != getpid()) fd = os_file_reopen(pid, &identity);
    }
    return fd;
}

int arena_descriptor(void) {
    int known = atomic_load(&descriptor);
    if (arena_is_descriptor(known)) return known;
    int fd = arena_reopen();
    if (fd < 0 || atomic_compare_exchange_strong(&descriptor, &known, fd)) return fd;
    close(fd); /* another thread was faster */
    return known;
}

prong_status arena_hand_over(int *fd) {
    int known = atomic_load(&descriptor);
    *fd = arena_descriptor();
    if (*fd >= 0) return PRONG_OK;
    return fail(
        PRONG_NO_DESCRIPTORS,
        "the arena's descriptor, %d, was closed by the program, and no other member of the family can lend one: "
        "another image cannot be started",
        known);
}

/* --- making and mapping it --- */

bool arena_contains(const void *pointer, uint64_t size) {
    uintptr_t from = (uintptr_t)arena_base, at = (uintptr_t)pointer;
    return arena_base && at >= from && at - from <= arena_mapped && size <= arena_mapped - (at - from);
}

void *arena_view(uint64_t offset, uint64_t size) {
    int fd = arena_descriptor();
    return fd < 0 ? NULL : os_memory_view(fd, offset, size);
}

void arena_end_view(void *view, uint64_t size) {
    os_memory_end_view(view, size);
}

bool arena_view_is_unwritten(const void *view, uint64_t size) {
    return os_memory_view_is_unwritten(view, size);
}

static void *arena_create_and_map(uint64_t size, int *fd, const char **call) {
    *fd = os_memory_create(ARENA_NAME, size, call);
    if (*fd < 0) return MAP_FAILED;
    *call = "mmap";
    void *base = os_memory_map(*fd, size);
    int number = errno;
    if (base == MAP_FAILED) close(*fd);
    errno = number;
    return base;
}

/* Errors after which a smaller arena may succeed: too little address space or memory, too large a file. */
static bool arena_wants_less(int number) {
    return number == ENOMEM || number == EFBIG || number == ENOSPC || number == EAGAIN;
}

static prong_status arena_refused(const char *call, uint64_t least) {
    if (arena_wants_less(errno))
        return fail_errno("no arena: even %llu MiB of shared memory cannot be had", (unsigned long long)(least >> 20));
    if (errno == EMFILE || errno == ENFILE) return fail_errno("no arena: there is no descriptor for it");
    if (strcmp(call, "memfd_create") == 0)
        return fail_errno("no arena: memfd_create is missing here (Linux 3.17 has it), or a sandbox (seccomp) or a "
                          "security module forbids it");
    return fail_errno("no arena: a sandbox (seccomp) or a security module forbids %s", call);
}

static void arena_adopt(char *base, uint64_t size, int fd) {
    os_memory_leave_out_of_dumps(base, size);
    os_file_identify(fd, &identity);
    atomic_store(&descriptor, fd);
    arena_use(base, size);
}

static void arena_forget(void) {
    os_memory_unmap(arena_base, arena_mapped);
    close(atomic_exchange(&descriptor, -1));
    arena_use(NULL, 0);
}

static uint64_t arena_layout(void) {
    uint64_t all = sizeof(struct arena) * 31 + sizeof(struct member);
    for (int kind = 0; kind < KIND_LIMIT; kind++) all = all * 31 + (object_types[kind] ? object_types[kind]->size : 0);
    return all;
}

static prong_status arena_lay_out(void) {
    uint64_t rows = (sizeof(struct arena) + 63) & ~63ull;
    uint64_t heap =
        (rows + MEMBER_LIMIT * sizeof(struct member) + WAITER_LIMIT * sizeof(struct waiter) + 4095) & ~4095ull;
    if (os_memory_commit_new(descriptor, arena_base, heap + HEAP_BEGINNING) != 0)
        return fail_errno("no memory for the arena's first pages");
    struct arena *a = arena();
    a->size = arena_mapped;
    for (int i = 0; i < 2; i++) a->secret[i] = os_random();
    a->nonce = os_random() | 1;
    atomic_store(&a->next_generation, a->nonce);
    heap_lay_out(heap);
    a->version = ARENA_VERSION;
    a->layout = arena_layout();
    a->magic = ARENA_MAGIC;
    return PRONG_OK;
}

/* If the system limits the size of files, the limit applies to the arena, too. */
static prong_status size_within_limit(uint64_t *size, uint64_t least) {
    uint64_t limit = os_file_size_limit();
    if (*size <= limit) return PRONG_OK;
    if (limit < least)
        return fail(PRONG_NO_MEMORY,
                    "no arena: the limit on the size of files (RLIMIT_FSIZE, ulimit -f) is %llu bytes, and the arena "
                    "needs %llu MiB",
                    (unsigned long long)limit, (unsigned long long)(least >> 20));
    *size = limit & ~4095ull;
    return PRONG_OK;
}

prong_status arena_create(uint64_t wanted, uint64_t least) {
    void *base = MAP_FAILED;
    int fd = -1;
    const char *call = "mmap";
    uint64_t size = wanted;
    TRY(size_within_limit(&size, least));
    uint64_t share = arena_share_of(os_address_space_limit());
    if (size > share) size = share > least ? share : least;
    for (; size >= least; size /= 2)
        if ((base = arena_create_and_map(size & ~4095ull, &fd, &call)) != MAP_FAILED || !arena_wants_less(errno)) break;
    if (base == MAP_FAILED) return arena_refused(call, least);
    arena_adopt(base, size & ~4095ull, fd);
    prong_status status = arena_lay_out();
    if (status < 0) arena_forget();
    return status;
}

/* A program that was started as root and changed its user since has an arena that belongs to root. */
static bool arena_is_owned_here(const struct stat *about) {
    return about->st_uid == geteuid() || about->st_uid == getuid() || about->st_uid == 0;
}

static bool arena_read_head(int fd, uint64_t *head, size_t size) {
    ssize_t got;
    do got = pread(fd, head, size, 0);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)size;
}

bool arena_is_meant(int fd, const uint64_t secret[2]) {
    uint64_t head[3]; /* magic, secret */
    struct stat about;
    _Static_assert(offsetof(struct arena, version) == sizeof head, "what is read before anything else comes first");
    if (fd < 0 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || !arena_is_owned_here(&about)) return false;
    if (!os_is_memory(fd) || (uint64_t)about.st_size < sizeof(struct arena)) return false;
    if (!arena_read_head(fd, head, sizeof head) || head[0] != ARENA_MAGIC) return false;
    return ((head[1] ^ secret[0]) | (head[2] ^ secret[1])) == 0;
}

bool arena_is_inherited(void) {
    return os_memory_is_inherited(ARENA_NAME);
}

/* Checked before any of it is read: a process that can shorten it can kill every member by SIGBUS. */
static prong_status arena_check_object(int fd, uint64_t *size) {
    struct stat about;
    if (fstat(fd, &about) != 0) return fail_errno("the arena's descriptor %d is not open", fd);
    *size = (uint64_t)about.st_size;
    if (!S_ISREG(about.st_mode) || *size < sizeof(struct arena))
        return fail(PRONG_INVALID, "descriptor %d is not an arena", fd);
    if (!os_memory_is_sealed(fd))
        return fail(PRONG_INVALID, "descriptor %d is not sealed against another size, as an arena is", fd);
    return PRONG_OK;
}

/* Whether it is an arena, and how much of it can be used. */
static prong_status arena_read_header(int fd, uint64_t size, uint64_t *end) {
    struct arena *a = os_memory_map(fd, sizeof *a);
    if (a == MAP_FAILED) return fail_errno("the arena's first %zu bytes cannot be mapped", sizeof *a);
    bool known =
        a->magic == ARENA_MAGIC && a->version == ARENA_VERSION && a->layout == arena_layout() && a->size == size;
    *end = a->heap.end;
    os_memory_unmap(a, sizeof *a);
    if (known && *end >= sizeof *a && *end <= size) return PRONG_OK;
    return fail(PRONG_INVALID, "descriptor %d is not an arena of this version of prong", fd);
}

prong_status arena_attach(int fd) {
    uint64_t size = 0, end = 0;
    TRY(arena_check_object(fd, &size));
    TRY(arena_read_header(fd, size, &end));
    void *base = os_memory_map(fd, end);
    if (base == MAP_FAILED) return fail_errno("the arena of %llu bytes cannot be mapped", (unsigned long long)end);
    arena_adopt(base, end, fd);
    return PRONG_OK;
}

void arena_unmap_from(uint64_t end) {
    uint64_t before = arena_mapped;
    if (end >= before) return;
    arena_use(arena_base, end);
    os_memory_unmap(arena_base + end, before - end);
}
