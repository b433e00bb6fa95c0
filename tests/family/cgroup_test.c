/* Memory control groups, real ones: what is beyond their limit is an error, and nobody is killed. And CPU quotas. */
#define _GNU_SOURCE
#include "../support/test.h"
#include "os/linux/cgroup.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT = 100 << 20, MESSAGE = 1 << 20, PROCESSES = 4 };
static const char *const v1 = "memory";

/* --- groups --- */

static bool write_file(const char *directory, const char *name, const char *text) {
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

static struct cgroup above; /* where this process was */
static char group[1100];    /* made here */
static const char *controller, *limit_file;

/* Makes a group in that this process's is, with a limit, in the tree that has the memory controller here. */
static void make_group(void) {
    char number[40];
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    test_skip("a sanitizer's own memory counts in the group");
#endif
    for (int version = 0; version < 2 && !group[0]; version++) {
        controller = version ? v1 : NULL;
        limit_file = version ? "memory.limit_in_bytes" : "memory.max";
        if (!cgroup_own(controller, &above)) continue;
        if (!version) write_file(above.path, "cgroup.subtree_control", "+memory");
        snprintf(group, sizeof group, "%s/prong-test-%d", above.path, (int)getpid());
        snprintf(number, sizeof number, "%d", LIMIT);
        if (mkdir(group, 0755) == 0 && write_file(group, limit_file, number)) {
            write_file(group, "memory.swap.max", "0");
            return;
        }
        rmdir(group);
        group[0] = 0;
    }
    test_skip("no memory control group can be made here");
}

static void enter(const char *directory) {
    check(write_file(directory, "cgroup.procs", "0"));
}

static void remove_group(const char *directory) {
    for (int i = 0; i < 500 && rmdir(directory) != 0 && errno == EBUSY; i++) test_sleep_ms(10);
    check(access(directory, F_OK) != 0);
}

/* In a process that enters the group; returns how it ended. */
static int run_inside(void (*run)(int), int method) {
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        enter(group);
        run(method);
        exit(0);
    }
    check(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void inside_ends_well(void (*run)(int), int method) {
    make_group();
    int end = run_inside(run, method);
    remove_group(group);
    if (end == 77) test_skip("no namespaces"); /* it said so in there */
    equal(end, 0);
}

/* --- a full arena --- */

/* How many messages there is room for; then an error that names the limit and its file. */
static int fill(prong_queue queue) {
    char *data = malloc(MESSAGE);
    memset(data, 'm', MESSAGE);
    int count = 0;
    prong_status status;
    while (!(status = prong_queue_put(queue, data, MESSAGE, PRONG_NOWAIT)) && count < 1000) count++;
    is(status, PRONG_NO_MEMORY);
    free(data);
    return count;
}

static void drain(prong_queue queue) {
    char *data = malloc(MESSAGE);
    while (prong_queue_get(queue, data, MESSAGE, NULL, PRONG_NOWAIT) == PRONG_OK) check(data[MESSAGE - 1] == 'm');
    free(data);
}

static void fill_alone(int method) {
    (void)method;
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    int count = fill(queue);
    says("100 MiB");
    says(limit_file);
    says(group);
    check(count > 70 && count < 100);
    drain(queue);
    int again = fill(queue);
    check(again >= count - 1 && again <= count + 1);
    ok(prong_family_check(NULL));
}

TEST(a_full_memory_control_group_is_an_error_that_names_the_limit) {
    inside_ends_well(fill_alone, 0);
}

static int fill_beside_others(void *argument, size_t size) {
    (void)size;
    fill(*(prong_queue *)argument);
    return 7;
}

static void fill_together(int method) {
    prong_queue queue;
    prong_process children[PROCESSES];
    ok(prong_queue_create(&queue, NULL));
    for (int i = 0; i < PROCESSES; i++) children[i] = start_with(method, fill_beside_others, queue);
    for (int i = 0; i < PROCESSES; i++) equal(test_end(children[i]), 7);
    drain(queue);
    ok(prong_family_check(NULL));
}

METHOD_TEST(a_whole_family_that_fills_its_control_group_lives_on) {
    inside_ends_well(fill_together, method);
}

static void take_too_much(int method) {
    prong_shared_value block;
    prong_shared_memory named;
    void *memory;
    (void)method;
    is(prong_memory_alloc(2 * (size_t)LIMIT, &memory), PRONG_NO_MEMORY);
    says("the arena needs");
    says(limit_file);
    is(prong_shared_value_create(&block, PRONG_TYPE_UCHAR, 2 * (size_t)LIMIT, NULL,
                                 &(prong_shared_value_options){.unlocked = true}),
       PRONG_NO_MEMORY);
    is(prong_shared_memory_create(&named, NULL, 2 * (size_t)LIMIT), PRONG_NO_MEMORY);
    says(limit_file);
    ok(prong_memory_alloc(LIMIT / 2, &memory));
    memset(memory, 1, LIMIT / 2);
}

TEST(what_is_larger_than_the_control_group_allows_is_an_error) {
    inside_ends_well(take_too_much, 0);
}

/* Pages of files count as used, and the system takes them back. */
static void fill_beside_files(int method) {
    char path[60], *data = calloc(1, MESSAGE);
    void *memory;
    (void)method;
    snprintf(path, sizeof path, "prong-test-%d.file", (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    check(fd >= 0 && unlink(path) == 0);
    for (int i = 0; i < 80; i++) check(write(fd, data, MESSAGE) == MESSAGE);
    free(data);
    check(fsync(fd) == 0);
    ok(prong_memory_alloc(LIMIT / 2, &memory));
    memset(memory, 1, LIMIT / 2);
}

TEST(pages_of_files_in_the_control_group_are_no_obstacle) {
    inside_ends_well(fill_beside_files, 0);
}

/* --- where the limit is not this group's own --- */

static char inner[1200];

static void fill_deeper(int method) {
    (void)method;
    enter(inner);
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    check(fill(queue) > 70);
    says(limit_file);
    drain(queue);
}

/* The mount of before shows groups by names from outside of the namespace. */
static void fill_in_namespace(int method) {
    if (unshare(CLONE_NEWCGROUP) != 0) test_skip("no cgroup namespaces");
    fill_alone(method);
}

static void fill_in_namespace_mounted_anew(int method) {
    test_own_mounts();
    if (unshare(CLONE_NEWCGROUP) != 0) test_skip("no cgroup namespaces");
    char place[CGROUP_PATH_MAX];
    snprintf(place, sizeof place, "%.*s", (int)above.mount, above.path);
    check(umount2(place, MNT_DETACH) == 0);
    check(mount("cgroup", place, controller ? "cgroup" : "cgroup2", 0, controller) == 0);
    snprintf(group, sizeof group, "%s/%s", place, limit_file); /* by its name in there */
    fill_alone(method);
}

static void deeper_ends_well(void (*run)(int)) {
    make_group();
    if (!controller) write_file(group, "cgroup.subtree_control", "+memory");
    snprintf(inner, sizeof inner, "%s/inner", group);
    check(mkdir(inner, 0755) == 0);
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        run(0);
        exit(0);
    }
    check(waitpid(pid, &status, 0) == pid);
    remove_group(inner);
    remove_group(group);
    check(WIFEXITED(status));
    equal(WEXITSTATUS(status), 0);
}

TEST(the_limit_of_a_group_higher_up_counts) {
    deeper_ends_well(fill_deeper);
}

TEST(the_limit_counts_in_a_cgroup_namespace) {
    inside_ends_well(fill_in_namespace, 0);
}

TEST(the_limit_counts_in_a_cgroup_namespace_with_its_own_mount) {
    inside_ends_well(fill_in_namespace_mounted_anew, 0);
}

/* --- trees that this system may not have: made of files, under the names that the system gives --- */

static char root[60];

static void put(const char *path, const char *text) {
    char whole[200];
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(whole, 0755);
        *slash = '/';
    }
    int fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

/* This process, as it is seen in /proc, is in the group `path` of a tree mounted at `root`/tree. */
static void pretend(const char *cgroup_line, const char *mount_root, const char *type, const char *options) {
    char line[400], target[60], source[100];
    snprintf(root, sizeof root, "/tmp/prong-test-XXXXXX");
    test_own_mounts();
    check(mkdtemp(root) != NULL);
    if (mount("none", root, "tmpfs", 0, NULL) != 0) test_skip("nothing can be mounted here");
    snprintf(line, sizeof line,
             "22 1 0:5 / /proc rw - proc proc rw\n33 31 0:30 %s %s/a\\040tree rw shared:3 - %s x %s\n", mount_root,
             root, type, options);
    put("mountinfo", line);
    put("cgroup", cgroup_line);
    const char *const names[] = {"mountinfo", "cgroup"};
    for (int i = 0; i < 2; i++) {
        snprintf(source, sizeof source, "%s/%s", root, names[i]);
        snprintf(target, sizeof target, "/proc/%d/%s", (int)getpid(), names[i]);
        check(mount(source, target, NULL, MS_BIND, NULL) == 0);
    }
}

static void remove_tree(void) {
    umount2(root, MNT_DETACH);
    rmdir(root);
}

static uint64_t room_left(const char *file) {
    struct os_memory_room room;
    char whole[200];
    os_memory_room(&room);
    snprintf(whole, sizeof whole, "%s/a tree/%s", root, file);
    if (file && strcmp(room.file, whole) != 0) test_failed(__FILE__, __LINE__, "%s, not %s", room.file, whole);
    return room.left;
}

static void put_group(const char *path, const char *max, const char *high, const char *current, const char *stat) {
    const char *const names[] = {"memory.max", "memory.high", "memory.current", "memory.stat"};
    const char *const texts[] = {max, high, current, stat};
    char whole[120];
    for (int i = 0; i < 4; i++) {
        snprintf(whole, sizeof whole, "a tree/%s%s", path, names[i]);
        put(whole, texts[i]);
    }
}

TEST(the_least_that_a_unified_tree_leaves_is_found) {
    pretend("1:name=systemd:/elsewhere\n0::/a/b\n", "/", "cgroup2", "rw,nsdelegate");
    put_group("a/b/", "max\n", "max\n", "1000\n", "anon 5\ninactive_file 7\n");
    check(room_left(NULL) == UINT64_MAX);
    put_group("a/", "5000000\n", "max\n", "3000000\n", "anon 5\nfile 6\ninactive_file 500000\nactive_file 200000\n");
    equal(room_left("a/memory.max"), 2700000);
    put_group("a/b/", "max\n", "2000000\n", "1900000\n", "anon 5\ninactive_file 0\n");
    equal(room_left("a/b/memory.high"), 100000);
    put_group("", "1000\n", "max\n", "2000\n", "inactive_file 10\n"); /* more is used than allowed */
    equal(room_left("memory.max"), 0);
    remove_tree();
}

TEST(a_group_out_of_the_namespaces_sight_is_taken_for_the_topmost_seen) {
    pretend("0::/../other\n", "/", "cgroup2", "rw");
    put_group("", "9000\n", "max\n", "2000\n", "inactive_file 10\n");
    equal(room_left("memory.max"), 7010);
    remove_tree();
}

TEST(a_mount_of_a_part_of_the_tree_is_understood) {
    pretend("0::/docker/12/in\n", "/docker/12", "cgroup2", "rw");
    put_group("in/", "9000\n", "max\n", "2000\n", "inactive_file 0\n");
    equal(room_left("in/memory.max"), 7000);
    remove_tree();
}

TEST(a_mount_that_shows_names_of_outside_is_searched) {
    char pid[20];
    pretend("0::/\n", "/../..", "cgroup2", "rw");
    snprintf(pid, sizeof pid, "1\n%d\n", (int)getpid());
    put("a tree/x/y/cgroup.procs", "1\n");
    put("a tree/x/z/cgroup.procs", pid);
    put_group("x/z/", "9000\n", "max\n", "2000\n", "inactive_file 0\n");
    equal(room_left("x/z/memory.max"), 7000);
    remove_tree();
}

TEST(the_least_quota_of_cpus_on_the_way_up_counts) {
    if (prong_cpu_count() < 2) test_skip("one CPU only");
    pretend("0::/a/b\n", "/", "cgroup2", "rw");
    put("a tree/a/b/cpu.max", "max 100000\n");
    put("a tree/a/cpu.max", "50000 100000\n");
    equal(prong_cpu_count(), 1);
    remove_tree();
}

TEST(a_quota_of_version_1_is_that_of_this_process_group) {
    if (prong_cpu_count() < 2) test_skip("one CPU only");
    pretend("3:cpu,cpuacct:/docker/12\n0::/\n", "/docker", "cgroup", "rw,cpu,cpuacct");
    put("a tree/cpu.cfs_quota_us", "-1\n");
    put("a tree/cpu.cfs_period_us", "100000\n");
    check(prong_cpu_count() > 1);
    put("a tree/12/cpu.cfs_quota_us", "100000\n");
    put("a tree/12/cpu.cfs_period_us", "100000\n");
    equal(prong_cpu_count(), 1);
    remove_tree();
}
