/* The arena's memory and its descriptor: asked for, given back, handed over, sealed, left out of core dumps. */
#define _GNU_SOURCE
#include "../support/refuse.h"
#include "../support/test.h"
#include "family/arena.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES = 40, FILE_SIZE = 1 << 20, MESSAGE = 8 << 20 };
static int files[FILES];

static char *message(void) {
    char *data = malloc(MESSAGE);
    check(data != NULL);
    memset(data, 'm', MESSAGE);
    return data;
}

/* As a daemon does: closes all but the standard streams, then opens files, which take the numbers that are free. */
static void close_all_and_open_files(void) {
    char *data = malloc(FILE_SIZE);
    memset(data, 'f', FILE_SIZE);
    for (int fd = 3; fd < 1000; fd++) close(fd);
    for (int i = 0; i < FILES; i++) {
        char path[] = "/tmp/prong-test-XXXXXX";
        files[i] = mkstemp(path);
        check(files[i] >= 3 && unlink(path) == 0);
        check(write(files[i], data, FILE_SIZE) == FILE_SIZE);
    }
    free(data);
}

static void files_are_untouched(void) {
    char *data = malloc(FILE_SIZE + 1);
    for (int i = 0; i < FILES; i++) {
        check(pread(files[i], data, FILE_SIZE + 1, 0) == FILE_SIZE);
        check(!memchr(data, 0, FILE_SIZE));
    }
    free(data);
}

static void memory_comes_and_goes(void) {
    char *data = message();
    size_t size;
    prong_queue queue;
    prong_family_state before, after;
    ok(prong_queue_create(&queue, NULL));
    close_all_and_open_files();
    ok(prong_queue_put(queue, data, MESSAGE, PRONG_NOWAIT));
    ok(prong_queue_get(queue, data, MESSAGE, &size, PRONG_NOWAIT));
    ok(prong_family_check(&before));
    ok(prong_family_trim());
    ok(prong_family_check(&after));
    check(after.touched_bytes + MESSAGE / 2 < before.touched_bytes);
    ok(prong_queue_put(queue, data, MESSAGE, PRONG_NOWAIT));
    memset(data, 0, MESSAGE);
    ok(prong_queue_get(queue, data, MESSAGE, &size, PRONG_NOWAIT));
    check(size == MESSAGE && data[0] == 'm' && data[MESSAGE - 1] == 'm');
    files_are_untouched();
    ok(prong_queue_destroy(queue));
    free(data);
}

TEST(files_with_the_number_of_the_arenas_descriptor_stay_untouched) {
    memory_comes_and_goes();
}

/* Before Linux 5.14. */
TEST(without_populating_by_address_they_stay_untouched_too) {
    check(refuse_call(SYS_madvise, 2, 23, EINVAL));
    memory_comes_and_goes();
}

TEST(without_fallocate_everything_works) {
    check(refuse_call(SYS_fallocate, -1, 0, EPERM));
    check(refuse_call(SYS_madvise, 2, 23, EPERM));
    prong_shared_memory named;
    ok(prong_shared_memory_create(&named, NULL, MESSAGE));
    memset(named.data, 1, MESSAGE);
    ok(prong_shared_memory_unlink(named.name));
    ok(prong_shared_memory_close(&named));
    memory_comes_and_goes();
}

TEST(trimmed_pages_are_given_back_to_the_system) {
    char *data = message();
    size_t size;
    int fd;
    struct stat before, after;
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    ok(prong_queue_put(queue, data, MESSAGE, PRONG_NOWAIT));
    ok(prong_queue_get(queue, data, MESSAGE, &size, PRONG_NOWAIT));
    check((fd = arena_descriptor()) >= 0);
    check(fstat(fd, &before) == 0);
    ok(prong_family_trim());
    check(fstat(fd, &after) == 0);
    check(after.st_blocks * 512 + MESSAGE / 2 < before.st_blocks * 512);
    free(data);
}

/* What lies between blocks in use is asked for again by who takes it: touched, it would end in SIGBUS, or in a control group in
 * SIGKILL. */
TEST(given_back_memory_is_asked_for_again_before_it_is_used) {
    void *memory[9];
    int fd;
    struct stat trimmed, taken;
    for (int i = 0; i < 9; i++) ok(prong_memory_alloc(MESSAGE / 4, &memory[i]));
    for (int i = 0; i < 8; i += 2) ok(prong_memory_free(memory[i]));
    ok(prong_family_trim());
    check((fd = arena_descriptor()) >= 0);
    check(fstat(fd, &trimmed) == 0);
    for (int i = 0; i < 8; i += 2) ok(prong_memory_alloc(MESSAGE / 4 - 1000 * (i + 1), &memory[i]));
    check(fstat(fd, &taken) == 0);
    check((taken.st_blocks - trimmed.st_blocks) * 512 >= MESSAGE - 100000);
    for (int i = 0; i < 9; i++) ok(prong_memory_free(memory[i]));
    test_arena_is_clean(0);
}

/* The top sinks over what was given back before. */
TEST(given_back_memory_at_the_top_is_asked_for_again_too) {
    void *low, *high;
    int fd;
    struct stat trimmed, taken;
    ok(prong_memory_alloc(MESSAGE, &low));
    ok(prong_memory_alloc(MESSAGE, &high));
    ok(prong_memory_free(low));
    ok(prong_family_trim());
    ok(prong_memory_free(high));
    check((fd = arena_descriptor()) >= 0);
    check(fstat(fd, &trimmed) == 0);
    ok(prong_memory_alloc(2 * MESSAGE, &low));
    check(fstat(fd, &taken) == 0);
    check((taken.st_blocks - trimmed.st_blocks) * 512 >= MESSAGE - 10000);
    memset(low, 1, 2 * MESSAGE);
    ok(prong_memory_free(low));
    test_arena_is_clean(0);
}

/* --- views --- */

TEST(a_view_tells_whether_it_was_written_to) {
    enum { PAGES = 5000 }; /* more than are asked for at once */
    char *memory, *view;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = PAGES * page;
    ok(prong_memory_alloc(size, (void **)&memory));
    memset(memory, 1, size);
    for (size_t at = 0; at < 3; at++) {
        check((view = arena_view(prong_memory_offset(memory), size)) != NULL);
        check(arena_view_is_unwritten(view, size));
        for (size_t i = 0; i < size; i += page) check(view[i] == 1);
        check(arena_view_is_unwritten(view, size));
        view[at * (size - 1) / 2] = 2;
        check(!arena_view_is_unwritten(view, size));
        check(memory[at * (size - 1) / 2] == 1);
        arena_end_view(view, size);
    }
    ok(prong_memory_free(memory));
}

/* --- the descriptor --- */

static int take_message(void *argument, size_t size) {
    char byte = 0;
    (void)size;
    return prong_queue_get(*(prong_queue *)argument, &byte, 1, NULL, PRONG_SECONDS(10)) == PRONG_OK && byte == 'x' ? 7
                                                                                                                   : 1;
}

static void a_child_takes_a_message(int method) {
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    ok(prong_queue_put(queue, "x", 1, PRONG_NOWAIT));
    equal(test_end(start_with(method, take_message, queue)), 7);
    ok(prong_queue_destroy(queue));
}

static void drop_all_rights(void) {
    struct {
        uint32_t version;
        int pid;
    } header = {.version = 0x20080522}; /* the third, of 64 bits */
    uint32_t none[6] = {0};
    check(syscall(SYS_capset, &header, none) == 0);
}

/* The descriptor comes from a member that was forked before it was closed here. */
METHOD_TEST(children_start_after_the_program_closed_all_descriptors) {
    prong_queue queue;
    prong_event joined;
    int code;
    drop_all_rights();
    ok(prong_queue_create(&queue, NULL));
    ok(prong_event_create(&joined, NULL));
    pid_t lender = fork();
    if (lender == 0) {
        ok(prong_event_set(joined));
        _exit(take_message(&queue, sizeof queue));
    }
    ok(prong_event_wait(joined, PRONG_SECONDS(10)));
    close_all_and_open_files();
    a_child_takes_a_message(method);
    a_child_takes_a_message(method);
    files_are_untouched();
    ok(prong_queue_put(queue, "x", 1, PRONG_NOWAIT));
    check(waitpid(lender, &code, 0) == lender && WEXITSTATUS(code) == 7);
}

METHOD_TEST(a_descriptor_that_nobody_has_any_more_is_one_clear_sentence) {
    int none = 0;
    prong_process child;
    drop_all_rights();
    ok(prong_process_create(&child, &(prong_process_options){.target = take_message, .method = method}));
    close_all_and_open_files();
    if (method == PRONG_START_FORK) {
        a_child_takes_a_message(method);
    } else {
        is(prong_process_start(child), PRONG_NO_DESCRIPTORS);
        says("the arena's descriptor");
        says("closed by the program");
    }
    files_are_untouched();
    (void)none;
}

METHOD_TEST(who_may_opens_the_descriptor_anew_from_the_mapping) {
    int fd, mapped;
    struct os_file file;
    ok(prong_family_create(NULL));
    check((fd = arena_descriptor()) >= 0);
    check(os_file_identify(fd, &file) == 0);
    mapped = os_memory_reopen(arena_base, arena_mapped, &file);
    if (mapped < 0 && errno == EPERM) return; /* not this user */
    check(mapped >= 0);
    close_all_and_open_files();
    a_child_takes_a_message(method);
    files_are_untouched();
}

/* --- what others can do to it --- */

TEST(the_arena_is_sealed_against_another_size) {
    int fd;
    ok(prong_family_create(NULL));
    check((fd = arena_descriptor()) >= 0);
    equal(fcntl(fd, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
          F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    check(ftruncate(fd, 4096) != 0 && errno == EPERM);
    check(ftruncate(fd, (off_t)1 << 40) != 0 && errno == EPERM);
    check(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) != 0);
}

/* A copy of this family's first pages, of the same size. */
static int arena_like(unsigned flags, int seals) {
    int fd = memfd_create("like", MFD_CLOEXEC | flags);
    check(fd >= 0 && ftruncate(fd, (off_t)arena()->size) == 0);
    check(pwrite(fd, arena_base, sizeof(struct arena), 0) == (ssize_t)sizeof(struct arena));
    check(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
    return fd;
}

TEST(an_object_that_is_not_sealed_is_not_attached_to) {
    ok(prong_family_create(NULL));
    const char *own = arena_base;
    int unsealed = arena_like(0, 0), half = arena_like(MFD_ALLOW_SEALING, F_SEAL_GROW);
    is(arena_attach(unsealed), PRONG_INVALID);
    says("not sealed");
    is(arena_attach(half), PRONG_INVALID);
    says("not sealed");
    check(arena_base == own);
    ok(arena_attach(arena_like(MFD_ALLOW_SEALING, F_SEAL_GROW | F_SEAL_SHRINK)));
}

TEST(an_object_of_another_size_than_it_says_is_not_attached_to) {
    ok(prong_family_create(NULL));
    int fd = memfd_create("like", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    check(ftruncate(fd, 1 << 20) == 0);
    check(pwrite(fd, arena_base, sizeof(struct arena), 0) == (ssize_t)sizeof(struct arena));
    check(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) == 0);
    is(arena_attach(fd), PRONG_INVALID);
    says("not an arena");
    is(arena_attach(open("/dev/null", O_RDWR)), PRONG_INVALID);
    says("not an arena");
    is(arena_attach(999), PRONG_SYSTEM);
    says("not open");
}

/* --- core dumps --- */

static int arena_is_left_out(void *argument, size_t size) {
    char line[512];
    unsigned long from = 0, end = 0;
    bool left_out = false, seen = false;
    (void)argument;
    (void)size;
    FILE *maps = fopen("/proc/self/smaps", "r");
    if (!maps) return 2;
    while (fgets(line, sizeof line, maps)) {
        unsigned long a, b;
        if (sscanf(line, "%lx-%lx ", &a, &b) == 2) from = a, end = b;
        if (from != (unsigned long)(uintptr_t)arena_base || strncmp(line, "VmFlags:", 8) != 0) continue;
        seen = end - from == arena_mapped;
        left_out = strstr(line, " dd ") != NULL;
    }
    fclose(maps);
    return seen && left_out ? 0 : 1;
}

METHOD_TEST(a_core_dump_leaves_the_arena_out) {
    int none = 0;
    ok(prong_family_create(NULL));
    equal(arena_is_left_out(NULL, 0), 0);
    equal(test_end(start_with(method, arena_is_left_out, none)), 0);
}

/* --- the limit on the size of files --- */

static void limit_files(rlim_t size) {
    struct rlimit limit = {size, RLIM_INFINITY};
    check(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

METHOD_TEST(a_limit_on_the_size_of_files_makes_the_arena_smaller) {
    prong_family_state state;
    limit_files(((rlim_t)1 << 30) + 5000);
    ok(prong_family_check(&state));
    equal(state.arena_size, (1 << 30) + 4096);
    a_child_takes_a_message(method);
}

TEST(a_limit_on_the_size_of_files_below_the_least_is_an_error_that_says_so) {
    prong_queue queue;
    limit_files((64 << 20) - 1);
    is(prong_queue_create(&queue, NULL), PRONG_NO_MEMORY);
    says("RLIMIT_FSIZE");
    says("67108863 bytes");
    says("64 MiB");
}

TEST(an_arena_of_a_size_beyond_the_limit_is_an_error) {
    limit_files(1 << 30);
    is(prong_family_create(&(prong_family_options){.arena_size = (uint64_t)2 << 30}), PRONG_NO_MEMORY);
    says("RLIMIT_FSIZE");
    says("2048 MiB");
}

METHOD_TEST(a_limit_on_the_size_of_files_that_comes_later_changes_nothing) {
    char *data = message();
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    limit_files(1 << 20);
    ok(prong_queue_put(queue, data, MESSAGE, PRONG_NOWAIT));
    a_child_takes_a_message(method);
    free(data);
}

TEST(named_memory_beyond_the_limit_on_the_size_of_files_is_an_error) {
    prong_shared_memory memory;
    limit_files(1 << 20);
    is(prong_shared_memory_create(&memory, "prong-test-limit", (1 << 20) + 1), PRONG_NO_MEMORY);
    says("RLIMIT_FSIZE");
    is(prong_shared_memory_open(&memory, "prong-test-limit"), PRONG_NOT_FOUND); /* and nothing is left of it */
    ok(prong_shared_memory_create(&memory, "prong-test-limit", 1 << 20));
    ok(prong_shared_memory_unlink("prong-test-limit"));
    ok(prong_shared_memory_close(&memory));
}
