/* Memory, the environment and small descriptors at their limits. */
#define _GNU_SOURCE
#include "../support/test.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

extern char **environ;

/* Where a store would end in SIGBUS. */
TEST(pages_beyond_the_end_of_a_file_are_an_error_not_a_signal) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int fd = memfd_create("prong-test", MFD_CLOEXEC);
    check(fd >= 0 && ftruncate(fd, (off_t)page) == 0);
    char *memory = os_memory_map(fd, 4 * page);
    check(memory != MAP_FAILED);
    check(os_memory_commit(memory, page) == 0);
    memory[0] = 'x';
    check(os_memory_commit(memory, 4 * page) < 0);
    equal(errno, ENOMEM);
    equal(memory[0], 'x');
    os_memory_release(memory + 1, page - 2); /* no whole page */
    equal(memory[0], 'x');
    os_memory_unmap(memory, 4 * page);
    close(fd);
}

static bool is_there(char *memory, size_t size) {
    unsigned char pages[4096];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), count = 0;
    check(mincore(memory, size, pages) == 0);
    for (size_t i = 0; i < size / page; i++) count += pages[i] & 1;
    return count == size / page;
}

/* Linux 5.14 and later: before that, each page is mapped as it is used. */
static bool can_be_mapped_ahead(char *memory) {
    return madvise(memory, (size_t)sysconf(_SC_PAGESIZE), 23 /* MADV_POPULATE_WRITE */) == 0;
}

static void nothing(int signal) {
    (void)signal;
}

/* Signals that come all the time, and a limit on files, change nothing. */
TEST(much_memory_is_reserved_and_then_mapped) {
    enum { MUCH = 10 << 20 };
    const char *call;
    struct itimerval often = {.it_interval.tv_usec = 500, .it_value.tv_usec = 500}, never = {0};
    struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY};
    for (int i = 0; i < 2; i++) {
        limit.rlim_cur = RLIM_INFINITY;
        setrlimit(RLIMIT_FSIZE, &limit);
        int fd = os_memory_create("prong-test", MUCH, &call);
        check(fd >= 0);
        char *memory = os_memory_map(fd, MUCH);
        check(memory != MAP_FAILED);
        memory[1 << 20] = 'x';
        check(!is_there(memory, MUCH));
        limit.rlim_cur = 1 << 20;
        setrlimit(RLIMIT_FSIZE, &limit);
        signal(SIGALRM, nothing);
        setitimer(ITIMER_REAL, &often, NULL);
        check(os_memory_reserve(i ? fd : -1, memory + 100, 100, MUCH - 200) == 0);
        os_memory_prefault(memory, MUCH);
        setitimer(ITIMER_REAL, &never, NULL);
        check(is_there(memory, MUCH) || !can_be_mapped_ahead(memory));
        equal(memory[1 << 20], 'x');
        os_memory_unmap(memory, MUCH);
        close(fd);
    }
}

TEST(memory_beyond_the_limit_on_files_is_an_error_not_a_signal) {
    const char *call;
    struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    check(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    equal(os_file_size_limit(), 1 << 20);
    check(os_memory_create("prong-test", 2 << 20, &call) < 0);
    equal(errno, EFBIG);
    check(!strcmp(call, "ftruncate"));
    check(!os_named_memory_create("prong-test-too-large", 2 << 20));
    equal(errno, EFBIG);
    check(os_named_memory_unlink("prong-test-too-large") < 0 && errno == ENOENT);
}

TEST(named_memory_without_a_size_is_being_made) {
    char name[64], path[80];
    prong_shared_memory attached;
    uint64_t size;
    snprintf(name, sizeof name, "prong-test-%d", (int)getpid());
    snprintf(path, sizeof path, "/%s", name);
    int fd = shm_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), before = test_open_descriptors();
    check(fd >= 0);
    check(!os_named_memory_attach(name, &size) && errno == EINVAL);
    equal(test_open_descriptors(), before);
    is(prong_shared_memory_open(&attached, name), PRONG_INVALID);
    says(name);
    close(fd);
    check(os_named_memory_unlink(name) == 0);
    is(prong_shared_memory_open(&attached, name), PRONG_NOT_FOUND);
}

TEST(an_entry_that_names_no_variable_is_no_part_of_the_environment) {
    struct os_environment copy;
    char *entries[] = {"A=1", "nothing", "PRONG_FIRST=old", "AB=2", NULL};
    environ = entries;
    check(os_environment_copy(&copy, "PRONG_FIRST=new") == 0);
    check(!strcmp(os_environment_value(copy.entries, "PRONG_FIRST"), "new"));
    check(!strcmp(os_environment_value(copy.entries, "A"), "1"));
    check(!os_environment_value(copy.entries, "nothing") && !os_environment_value(copy.entries, "B"));
    int count = 0;
    while (copy.entries[count]) count++;
    equal(count, 3);
    os_environment_free(&copy);
    environ = NULL; /* as clearenv leaves it */
    check(os_environment_copy(&copy, NULL) == 0 && !copy.entries[0]);
    os_environment_free(&copy);
}

TEST(an_environment_that_no_program_could_be_started_with_is_an_error) {
    struct os_environment copy;
    char *large = malloc(300000);
    memset(large, 'x', 299999);
    large[299999] = 0;
    check(setenv("PRONG_LARGE", large, 1) == 0);
    check(os_environment_copy(&copy, NULL) < 0);
    equal(errno, E2BIG);
    check(unsetenv("PRONG_LARGE") == 0);
    check(setenv(large, "", 1) == 0); /* it is the name that is too long */
    check(os_environment_copy(&copy, NULL) < 0);
    equal(errno, E2BIG);
    check(unsetenv(large) == 0);
    large[5000] = 0;
    check(setenv("PRONG_LARGE", large, 1) == 0);
    check(os_environment_copy(&copy, NULL) == 0);
    check(!strcmp(os_environment_value(copy.entries, "PRONG_LARGE"), large)); /* more than a page */
    os_environment_free(&copy);
    free(large);
}

TEST(a_wakeup_that_is_set_for_ever_never_waits) {
    uint64_t most = UINT64_MAX - 1;
    int wakeup = os_wakeup_create();
    check(wakeup > 2 && !os_wakeup_take(wakeup));
    check(write(wakeup, &most, sizeof most) == sizeof most);
    errno = 0;
    os_wakeup_set(wakeup);
    equal(errno, 0); /* safe in a signal handler */
    check(os_wakeup_take(wakeup) && !os_wakeup_take(wakeup));
    close(wakeup);
}

TEST(a_bell_gives_all_its_bytes_at_once_and_takes_no_more_than_it_holds) {
    struct os_bell_id id, other;
    int bell = os_bell_create(&id), second = os_bell_create(&other);
    for (int i = 0; i < 10000; i++) os_bell_put(bell, 1); /* full before the end */
    check(os_bell_bytes(bell) > 1);
    os_bell_take(bell, 100000);
    equal(os_bell_bytes(bell), 0);
    os_bell_put(bell, 7);
    equal(os_bell_bytes(bell), 7);
    os_bell_take(bell, 2);
    equal(os_bell_bytes(bell), 5);
    os_bell_take(bell, 6);
    equal(os_bell_bytes(bell), 0);
    os_bell_take(bell, 1); /* nothing, and no wait */
    check(!os_bell_is(second, &id) && !os_bell_is(-1, &id));
    check(os_bell_open(getpid(), second, &id) < 0);
    equal(errno, ENOENT);
    close(second);
    equal(os_bell_bytes(second), 0); /* closed by the program */
    close(bell);
}
