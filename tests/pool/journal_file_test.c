/* A journal's file, cut, damaged, full, or of somebody else: never a wrong result. */
#include "journal_test.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

enum { FEW = 5, HEADER = 512, RECORD = 56, ALL = HEADER + FEW * RECORD };

static void file_read(char *bytes) {
    int fd = open(JOURNAL, O_RDONLY | O_CLOEXEC);
    check(fd >= 0 && read(fd, bytes, ALL) == ALL);
    close(fd);
}

static void file_write(const char *bytes, size_t size) {
    int fd = open(JOURNAL, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    check(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

/* A pool, and the bytes of the journal of a run of FEW tasks. */
static prong_pool file_begin(char *bytes) {
    struct numbers n;
    enter_directory();
    prong_pool pool = make(PRONG_START_FORK, 2);
    numbers_set(&n, FEW);
    ok(numbers_run(&n, pool, NULL));
    equal(file_size(JOURNAL), ALL);
    if (bytes) file_read(bytes);
    unlink("ran");
    return pool;
}

static void file_end(prong_pool pool) {
    ok(prong_pool_destroy(pool));
    leave_directory();
}

LONG_TEST(cut_at_any_byte_it_is_read_again, 60) {
    char bytes[ALL];
    struct numbers n;
    prong_pool pool = file_begin(bytes);
    for (size_t size = 0; size < ALL; size++) {
        file_write(bytes, size);
        numbers_set(&n, FEW);
        ok(numbers_run(&n, pool, NULL));
        numbers_check(&n);
        equal(ran(), size < HEADER ? FEW : FEW - (size - HEADER) / RECORD);
        equal(file_size(JOURNAL), ALL);
        unlink("ran");
    }
    file_end(pool);
}

/* A damaged record costs just its own task; a damaged header is an error. */
LONG_TEST(a_damaged_byte_is_never_a_wrong_result, 60) {
    char bytes[ALL];
    struct numbers n;
    prong_pool pool = file_begin(bytes);
    for (size_t at = 0; at < ALL; at++) {
        for (int bit = 1; bit < 256; bit *= 16) {
            bytes[at] ^= (char)bit;
            file_write(bytes, ALL);
            bytes[at] ^= (char)bit;
            numbers_set(&n, FEW);
            if (at < HEADER) {
                is(numbers_run(&n, pool, NULL), PRONG_INVALID);
                check(strstr(prong_error_message(), "damaged") || strstr(prong_error_message(), "no journal"));
                equal(file_size(JOURNAL), ALL);
                continue;
            }
            ok(numbers_run(&n, pool, NULL));
            numbers_check(&n);
            equal(ran(), 1);
            unlink("ran");
            ok(numbers_run(&n, pool, NULL));
            equal(ran(), 0);
        }
    }
    file_end(pool);
}

/* Bytes of one journal are no record in another, nor in another place. */
TEST(moved_records_are_none) {
    char bytes[ALL], moved[ALL];
    struct numbers n;
    prong_pool pool = file_begin(bytes);
    memcpy(moved, bytes, ALL);
    memcpy(moved + HEADER, bytes + HEADER + RECORD, RECORD);
    memcpy(moved + HEADER + RECORD, bytes + HEADER, RECORD);
    file_write(moved, ALL);
    numbers_set(&n, FEW);
    ok(numbers_run(&n, pool, NULL));
    numbers_check(&n);
    equal(ran(), 2);
    unlink(JOURNAL);
    ok(numbers_run(&n, pool, NULL));
    file_read(moved);
    memcpy(moved + HEADER, bytes + HEADER, ALL - HEADER);
    file_write(moved, ALL);
    unlink("ran");
    numbers_set(&n, FEW);
    ok(numbers_run(&n, pool, NULL));
    numbers_check(&n);
    equal(ran(), FEW);
    file_end(pool);
}

TEST(what_is_no_journal_is_left_as_it_is) {
    struct numbers n;
    prong_pool pool = file_begin(NULL);
    numbers_set(&n, FEW);
    file_write("my diary", 8);
    is(numbers_run(&n, pool, NULL), PRONG_INVALID);
    says("'" JOURNAL "' is no journal");
    equal(file_size(JOURNAL), 8);
    is(numbers_run(&n, pool, &(prong_task_options){.journal = "/dev/full"}), PRONG_INVALID);
    says("not a regular file");
    is(numbers_run(&n, pool, &(prong_task_options){.journal = "/"}), PRONG_SYSTEM);
    is(numbers_run(&n, pool, &(prong_task_options){.journal = "no/such/place"}), PRONG_NOT_FOUND);
    says("no/such/place");
    is(numbers_run(&n, pool, &(prong_task_options){.journal = ""}), PRONG_INVALID);
    says("path is empty");
    file_end(pool);
}

/* --- a file that cannot grow --- */

static void limit_files(rlim_t size) {
    struct rlimit limit;
    check(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = size;
    check(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

METHOD_TEST(a_file_at_its_limit_stops_the_journal_not_the_run) {
    struct numbers n;
    enter_directory();
    prong_pool pool = make(method, 2);
    numbers_set(&n, NUMBERS);
    ok(numbers_run(&n, pool, &(prong_task_options){.journal = "other"})); /* workers have begun */
    unlink("other");
    unlink("ran");
    limit_files(HEADER + 3 * RECORD + 10);
    is(numbers_run(&n, pool, NULL), PRONG_JOURNAL_STOPPED);
    says("journal '" JOURNAL "' stopped before item");
    says("with 3 results recorded");
    says(strerror(EFBIG));
    numbers_check(&n);
    limit_files(RLIM_INFINITY);
    equal(file_size(JOURNAL), HEADER + 3 * RECORD);
    numbers_set(&n, NUMBERS);
    ok(numbers_run(&n, pool, NULL));
    numbers_check(&n);
    equal(ran(), NUMBERS + NUMBERS - 3);
    ok(prong_pool_destroy(pool));
    leave_directory();
}

TEST(an_iterator_tells_once_that_its_journal_stopped) {
    struct numbers n;
    prong_iterator *iterator;
    prong_outcome outcome;
    size_t told = 0;
    prong_pool pool = file_begin(NULL);
    numbers_set(&n, NUMBERS);
    limit_files(ALL + RECORD);
    prong_work work = {.task = noted_square, .in = n.in, .in_size = sizeof *n.in, .count = NUMBERS};
    ok(prong_pool_iterate(pool, &work, &iterator, &(prong_task_options){.journal = JOURNAL}));
    for (long i = 0; i < NUMBERS; i++) {
        prong_status status = prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10));
        check(status == PRONG_OK || status == PRONG_JOURNAL_STOPPED);
        told += status != PRONG_OK;
        equal(*(long *)outcome.data, i * i);
    }
    equal(told, 1);
    is(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)), PRONG_EOF);
    prong_iterator_close(iterator);
    limit_files(RLIM_INFINITY);
    equal(file_size(JOURNAL), ALL + RECORD);
    file_end(pool);
}

static int many_bytes(void *argument, size_t size, prong_result *result) {
    static char bytes[10000];
    (void)size;
    memset(bytes, (int)*(long *)argument, sizeof bytes);
    return prong_result_set(result, bytes, sizeof bytes);
}

TEST(a_full_disk_stops_the_journal_not_the_run) {
    enum { COUNT = 20, SIZE = 10000 };
    static char out[COUNT][SIZE];
    static long in[COUNT];
    enter_directory();
    test_own_mounts();
    check(mkdir("disk", 0700) == 0);
    if (mount("none", "disk", "tmpfs", 0, "size=65536")) test_skip("no file system of its own");
    prong_pool pool = make(PRONG_START_FORK, 2);
    prong_task_options options = {.journal = "disk/" JOURNAL};
    for (long i = 0; i < COUNT; i++) in[i] = i;
    prong_work work = {
        .task = many_bytes, .in = in, .in_size = sizeof *in, .count = COUNT, .out = out, .out_size = SIZE};
    for (int run = 0; run < 2; run++) {
        memset(out, 0xff, sizeof out);
        is(prong_pool_run(pool, &work, &options, PRONG_SECONDS(20)), PRONG_JOURNAL_STOPPED);
        says(strerror(ENOSPC));
        for (long i = 0; i < COUNT; i++) check(out[i][0] == (char)i && out[i][SIZE - 1] == (char)i);
    }
    check(file_size("disk/" JOURNAL) > 5 * SIZE);
    ok(prong_pool_destroy(pool));
    check(umount("disk") == 0 && rmdir("disk") == 0);
    leave_directory();
}
