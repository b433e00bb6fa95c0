/* The arena's size: by options, by the environment, and in little address space. */
#include "../support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __has_feature
enum { UNDER_ASAN = __has_feature(address_sanitizer) };
#elif defined(__SANITIZE_ADDRESS__)
enum { UNDER_ASAN = 1 };
#else
enum { UNDER_ASAN = 0 };
#endif

static const uint64_t MIB = 1 << 20, GIB = 1 << 30;

static uint64_t arena_size(void) {
    prong_family_state state;
    ok(prong_family_check(&state));
    return state.arena_size;
}

/* --- the environment --- */

/* A family of its own: in a process that has none yet. */
static void size_becomes(const char *text, uint64_t wanted) {
    int status;
    setenv("PRONG_ARENA_SIZE", text, 1);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        equal(arena_size(), wanted);
        exit(0);
    }
    check(waitpid(pid, &status, 0) == pid && status == 0);
}

TEST(the_environment_chooses_the_arenas_size) {
    size_becomes("134217728", 128 * MIB);
    size_becomes("200000000", 199999488);
    size_becomes("131072K", 128 * MIB);
    size_becomes("64M", 64 * MIB);
    size_becomes("4G", 4 * GIB);
    size_becomes("3g", 3 * GIB);
#ifndef __SANITIZE_THREAD__ /* whose address space has no such gap, now and then */
    size_becomes("1T", 1024 * GIB);
#endif
    size_becomes("", 64 * GIB);
}

TEST(a_size_in_the_environment_that_is_none_is_an_error_that_says_so) {
    const char *const bad[] = {"63M",
                               "0",
                               "-4G",
                               " 4G",
                               "4GB",
                               "4 G",
                               "G",
                               "lots",
                               "0x10000000",
                               "99999999999T",
                               "1e10",
                               "9223372036854775808",
                               "18446744073709551616"};
    prong_queue queue;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("PRONG_ARENA_SIZE", bad[i], 1);
        is(prong_queue_create(&queue, NULL), PRONG_INVALID);
        says("PRONG_ARENA_SIZE");
        says(bad[i]);
    }
    setenv("PRONG_ARENA_SIZE", "128M", 1);
    ok(prong_family_create(&(prong_family_options){0})); /* none is asked for */
    ok(prong_queue_create(&queue, NULL));
}

TEST(options_come_before_the_environment) {
    setenv("PRONG_ARENA_SIZE", "rubbish", 1);
    ok(prong_family_create(&(prong_family_options){.arena_size = 128 * MIB}));
    equal(arena_size(), 128 * MIB);
}

static int size_in_mib(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return (int)(arena_size() / MIB);
}

METHOD_TEST(children_share_the_arena_whatever_their_environment_says) {
    int none = 0;
    setenv("PRONG_ARENA_SIZE", "128M", 1);
    ok(prong_family_create(NULL));
    setenv("PRONG_ARENA_SIZE", "rubbish", 1);
    equal(test_end(start_with(method, size_in_mib, none)), 128);
}

/* Started by the next test, as another user's program. */
TEST(in_a_program_with_more_rights_the_environment_chooses_nothing) {
    if (!getauxval(AT_SECURE)) test_skip("this program is not a set-user-ID one");
    check(getenv("PRONG_ARENA_SIZE") != NULL);
    equal(arena_size(), 64 * GIB);
}

static void copy_as(const char *path, const struct passwd *owner) {
    char buffer[1 << 16];
    int from = open("/proc/self/exe", O_RDONLY), to = open(path, O_WRONLY | O_CREAT | O_EXCL, 0755);
    check(from >= 0 && to >= 0);
    for (ssize_t n; (n = read(from, buffer, sizeof buffer)) > 0;) check(write(to, buffer, (size_t)n) == n);
    check(fchown(to, owner->pw_uid, owner->pw_gid) == 0 && fchmod(to, 04755) == 0);
    close(from);
    close(to);
}

TEST(a_set_user_id_program_ignores_the_size_in_the_environment) {
    char directory[] = "/tmp/prong-test-XXXXXX", path[60];
    int status;
    const struct passwd *nobody = getpwnam("nobody");
    if (getuid() != 0 || !nobody) test_skip("only root makes another user's program");
    if (UNDER_ASAN) test_skip("LeakSanitizer does not work in such a program");
    check(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/program", directory);
    copy_as(path, nobody);
    setenv("PRONG_ARENA_SIZE", "128M", 1);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        execl(path, path, "in_a_program_with_more_rights", NULL);
        _exit(98);
    }
    check(waitpid(pid, &status, 0) == pid && unlink(path) == 0 && rmdir(directory) == 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) test_skip("no set-user-ID programs in /tmp");
    check(WIFEXITED(status));
    equal(WEXITSTATUS(status), 0);
}

/* --- address space --- */

static void limit_address_space(uint64_t size) {
    struct rlimit limit = {size, RLIM_INFINITY};
    check(setrlimit(RLIMIT_AS, &limit) == 0);
}

static bool can_map(uint64_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory != MAP_FAILED && munmap(memory, size) == 0;
}

TEST(a_process_makes_room_in_a_limited_address_space) {
    prong_queue queue;
    char byte;
    ok(prong_queue_create(&queue, NULL));
    equal(arena_size(), 64 * GIB);
    limit_address_space(8 * GIB);
    check(!can_map(50 * MIB));
    ok(prong_family_fit(0));
    check(can_map(3 * GIB));
    check(arena_size() <= 4 * GIB && arena_size() > 3 * GIB);
    ok(prong_queue_put(queue, "x", 1, PRONG_NOWAIT));
    ok(prong_queue_get(queue, &byte, 1, NULL, PRONG_NOWAIT));
    void *memory;
    is(prong_memory_alloc(5 * GIB, &memory), PRONG_NO_MEMORY);
    check(!prong_memory_at(5 * GIB));
    ok(prong_family_check(NULL));
}

TEST(an_address_space_can_be_fitted_before_its_limit_is_set) {
    ok(prong_family_create(NULL));
    ok(prong_family_fit(2 * GIB));
    limit_address_space(2 * GIB);
    check(can_map(900 * MIB));
    ok(prong_family_fit(0));
    ok(prong_family_fit(100 * GIB)); /* it does not grow again */
    check(arena_size() <= GIB);
}

TEST(without_a_limit_or_a_family_nothing_changes) {
    ok(prong_family_fit(0));
    ok(prong_family_fit(GIB)); /* the family is still to be made, by what is set then */
    equal(arena_size(), 64 * GIB);
    ok(prong_family_fit(0));
    equal(arena_size(), 64 * GIB);
}

TEST(too_little_address_space_for_what_is_in_use_is_an_error) {
    char *memory;
    ok(prong_memory_alloc(300 * MIB, (void **)&memory));
    memory[300 * MIB - 1] = 'x';
    ok(prong_family_fit(GIB));
    check(arena_size() >= 300 * MIB && arena_size() < 512 * MIB);
    is(prong_family_fit(200 * MIB), PRONG_NO_MEMORY);
    says("200 MiB of address space");
    equal(memory[300 * MIB - 1], 'x');
    ok(prong_memory_free(memory));
    ok(prong_family_check(NULL));
}

/* The whole family knows, so that no block lies where a member does not see it. */
static int sees_everything(void *argument, size_t size) {
    (void)size;
    const prong_queue *queue = argument;
    void *memory[200];
    int count = 0;
    limit_address_space(GIB);
    if (prong_family_fit(0) < 0 || !can_map(300 * MIB)) return 1;
    if (prong_queue_put(queue[0], "x", 1, PRONG_NOWAIT) < 0) return 2;
    char byte;
    if (prong_queue_get(queue[1], &byte, 1, NULL, PRONG_SECONDS(10)) < 0)
        return 3; /* the parent has filled the arena */
    while (count < 200 && prong_memory_alloc(4 * MIB, &memory[count]) == PRONG_OK) memset(memory[count++], 1, 4096);
    return count < 5 ? 7 : 4;
}

METHOD_TEST(no_member_puts_anything_where_another_has_no_address_space) {
    enum { MOST = 1000 };
    prong_queue queues[2];
    char byte;
    void *memory;
    int blocks = 0;
    ok(prong_queue_create(&queues[0], NULL));
    ok(prong_queue_create(&queues[1], NULL));
    prong_process child = start_with(method, sees_everything, queues);
    ok(prong_queue_get(queues[0], &byte, 1, NULL, PRONG_SECONDS(10)));
    while (blocks < MOST && prong_memory_alloc(4 * MIB, &memory) == PRONG_OK) {
        check(prong_memory_offset(memory) + 4 * MIB <= 512 * MIB);
        blocks++;
    }
    check(blocks > 80 && blocks <= 128);
    ok(prong_queue_put(queues[1], "x", 1, PRONG_NOWAIT));
    equal(test_end(child), 7);
}

/* A spawned image inherits the limit, and maps what is of use. */
METHOD_TEST(children_start_in_a_limited_address_space) {
    int none = 0;
    ok(prong_family_create(NULL));
    limit_address_space(4 * GIB);
    int mib = test_end(start_with(method, size_in_mib, none));
    equal(mib, (int)(arena_size() / MIB) & 0xff);
}

/* --- a pool's workers --- */

static int limit_worker(void *argument, size_t size) {
    (void)argument;
    (void)size;
    limit_address_space(8 * GIB);
    return 0;
}

static int map_some(const void *in, void *out) {
    *(int *)out = can_map((uint64_t)(*(const int *)in) * MIB);
    return 0;
}

METHOD_TEST(a_worker_whose_initializer_limits_its_address_space_has_some) {
    prong_pool pool;
    int in[4] = {50, 100, 1000, 3000}, out[4] = {0};
    ok(prong_pool_create(
        &pool,
        &(prong_pool_options){.processes = 1, .method = (prong_start_method)method, .initializer = limit_worker}));
    ok(prong_pool_run(pool, PRONG_MAP(map_some, in, out), NULL, PRONG_SECONDS(10)));
    for (int i = 0; i < 4; i++) equal(out[i], 1);
    ok(prong_pool_destroy(pool));
}
