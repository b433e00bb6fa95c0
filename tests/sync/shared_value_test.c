/* Shared values of one element and of many, and shared memory by name. */
#include "../support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

struct pair {
    long a, b[20];
};

struct shared {
    prong_shared_value number, real, pair, ready;
    prong_shared_value array;
    prong_shared_value block;
};

static struct shared make(void) {
    struct shared s;
    ok(prong_shared_value_create(&s.number, PRONG_TYPE_OF(long), 1, NULL, NULL));
    ok(prong_shared_value_create(&s.real, PRONG_TYPE_OF(double), 1, &(double){0.5}, NULL));
    ok(prong_shared_value_create(&s.pair, PRONG_TYPE_STRUCT, 1, NULL,
                                 &(prong_shared_value_options){.size = sizeof(struct pair)}));
    ok(prong_shared_value_create(&s.ready, PRONG_TYPE_OF(int), 1, NULL,
                                 &(prong_shared_value_options){.unlocked = true}));
    ok(prong_shared_value_create(&s.array, PRONG_TYPE_OF(int), 1000, NULL, NULL));
    ok(prong_shared_value_create(&s.block, PRONG_TYPE_UCHAR, 100000, NULL,
                                 &(prong_shared_value_options){.unlocked = true}));
    return s;
}

static void end(struct shared *s) {
    ok(prong_shared_value_destroy(s->number));
    ok(prong_shared_value_destroy(s->real));
    ok(prong_shared_value_destroy(s->pair));
    ok(prong_shared_value_destroy(s->ready));
    ok(prong_shared_value_destroy(s->array));
    ok(prong_shared_value_destroy(s->block));
    test_arena_is_clean(0);
}

static int work(void *argument, size_t size) {
    struct shared *s = argument;
    struct pair pair;
    char *bytes;
    prong_lock lock;
    (void)size;
    ok(prong_shared_value_get_lock(s->pair, &lock));
    for (int i = 0; i < 1000; i++) {
        ok(prong_shared_value_add(s->number, 0, 1, NULL));
        ok(prong_shared_value_add_double(s->real, 0, 0.25, NULL));
        ok(prong_shared_value_add(s->array, (size_t)i, i, NULL));
        ok(prong_lock_acquire(lock, PRONG_SECONDS(10)));
        ok(prong_shared_value_get(s->pair, 0, 1, &pair, PRONG_SECONDS(10)));
        check(pair.a == pair.b[19]);
        pair.a++;
        pair.b[19]++;
        ok(prong_shared_value_set(s->pair, 0, 1, &pair, PRONG_SECONDS(10)));
        ok(prong_lock_release(lock));
    }
    ok(prong_shared_value_data(s->block, (void **)&bytes, NULL));
    bytes[99999] = 7;
    return 0;
}

METHOD_TEST(values_arrays_and_blocks_are_shared) {
    struct shared s = make();
    prong_process processes[3];
    struct pair pair;
    long number;
    double real;
    int elements[1000];
    char *bytes;
    size_t size, count;
    for (int i = 0; i < 3; i++) processes[i] = start_with(method, work, s);
    for (int i = 0; i < 3; i++) equal(test_end(processes[i]), 0);
    ok(prong_shared_value_get(s.number, 0, 1, &number, PRONG_NOWAIT));
    equal(number, 3000);
    ok(prong_shared_value_get(s.real, 0, 1, &real, PRONG_NOWAIT));
    check(real == 750.5);
    ok(prong_shared_value_get(s.pair, 0, 1, &pair, PRONG_NOWAIT));
    equal(pair.a, 3000);
    ok(prong_shared_value_get(s.array, 0, 1000, elements, PRONG_NOWAIT));
    for (int i = 0; i < 1000; i++) equal(elements[i], 3 * i);
    ok(prong_shared_value_data(s.array, NULL, &count));
    equal(count, 1000);
    ok(prong_shared_value_data(s.block, (void **)&bytes, &size));
    equal(size, 100000);
    equal(bytes[99999], 7);
    equal(bytes[0], 0);
    end(&s);
}

TEST(every_type_has_its_size_and_adds_in_it) {
    static const struct {
        prong_type type;
        size_t size;
        int64_t most; /* the largest; one more is the least, or 0 */
    } types[] = {{PRONG_TYPE_CHAR, 1, (char)-1 < 0 ? 127 : 255},
                 {PRONG_TYPE_SCHAR, 1, 127},
                 {PRONG_TYPE_UCHAR, 1, 255},
                 {PRONG_TYPE_SHORT, sizeof(short), 32767},
                 {PRONG_TYPE_USHORT, sizeof(short), 65535},
                 {PRONG_TYPE_INT, sizeof(int), INT32_MAX},
                 {PRONG_TYPE_UINT, sizeof(int), UINT32_MAX},
                 {PRONG_TYPE_INT8, 1, 127},
                 {PRONG_TYPE_UINT8, 1, 255},
                 {PRONG_TYPE_INT16, 2, 32767},
                 {PRONG_TYPE_UINT16, 2, 65535},
                 {PRONG_TYPE_INT32, 4, INT32_MAX},
                 {PRONG_TYPE_UINT32, 4, UINT32_MAX},
                 {PRONG_TYPE_INT64, 8, INT64_MAX},
                 {PRONG_TYPE_LONG, sizeof(long), sizeof(long) == 8 ? INT64_MAX : INT32_MAX},
                 {PRONG_TYPE_LLONG, 8, INT64_MAX},
                 {PRONG_TYPE_WCHAR, sizeof(wchar_t), WCHAR_MAX}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        prong_shared_value value;
        int64_t before;
        bool is_signed = types[i].most == INT64_MAX || (types[i].most & (types[i].most + 1)) != 0 ||
                         (uint64_t)types[i].most + 1 == 1ull << (8 * types[i].size - 1);
        equal(prong_type_size(types[i].type), types[i].size);
        ok(prong_shared_value_create(&value, types[i].type, 1, NULL, NULL));
        ok(prong_shared_value_add(value, 0, types[i].most, NULL));
        ok(prong_shared_value_add(value, 0, 1, &before));
        equal(before, types[i].most);
        ok(prong_shared_value_add(value, 0, 0, &before));
        equal(before, is_signed ? -(int64_t)((uint64_t)types[i].most) - 1 : 0);
        ok(prong_shared_value_destroy(value));
    }
    equal(PRONG_TYPE_OF(size_t), sizeof(size_t) == 8 ? PRONG_TYPE_ULONG : PRONG_TYPE_UINT);
    equal(prong_type_size(PRONG_TYPE_STRUCT), 0);
    equal(prong_type_size((prong_type)99), 0);
    test_arena_is_clean(0);
}

TEST(exchange_and_compare_exchange) {
    prong_shared_value value;
    uint16_t was, expected = 7;
    bool done;
    ok(prong_shared_value_create(&value, PRONG_TYPE_OF(uint16_t), 1, &(uint16_t){7}, NULL));
    ok(prong_shared_value_exchange(value, 0, &(uint16_t){9}, &was));
    equal(was, 7);
    ok(prong_shared_value_compare_exchange(value, 0, &expected, &(uint16_t){1}, &done));
    check(!done && expected == 9);
    ok(prong_shared_value_compare_exchange(value, 0, &expected, &(uint16_t){1}, &done));
    check(done);
    ok(prong_shared_value_get(value, 0, 1, &was, PRONG_NOWAIT));
    equal(was, 1);
    ok(prong_shared_value_destroy(value));
    test_arena_is_clean(0);
}

#define EXCHANGES(type)                                                                                                \
    do {                                                                                                               \
        prong_shared_value elements;                                                                                   \
        type was = 0, expected = 1, first[3] = {3, 5, 7};                                                              \
        bool done = true;                                                                                              \
        ok(prong_shared_value_create(&elements, PRONG_TYPE_OF(type), 3, first, NULL));                                 \
        ok(prong_shared_value_exchange(elements, 1, &(type){100}, &was));                                              \
        equal(was, 5);                                                                                                 \
        ok(prong_shared_value_exchange(elements, 1, &(type){101}, NULL));                                              \
        ok(prong_shared_value_compare_exchange(elements, 1, &expected, &(type){1}, &done));                            \
        check(!done && expected == 101);                                                                               \
        ok(prong_shared_value_compare_exchange(elements, 1, &expected, &(type){1}, NULL));                             \
        ok(prong_shared_value_set(elements, 2, 1, &(type){9}, PRONG_NOWAIT));                                          \
        for (size_t i = 0; i < 3; i++) {                                                                               \
            ok(prong_shared_value_get(elements, i, 1, &was, PRONG_NOWAIT));                                            \
            equal(was, ((const type[]){3, 1, 9})[i]);                                                                  \
        }                                                                                                              \
        ok(prong_shared_value_destroy(elements));                                                                      \
    } while (0)

TEST(an_element_of_any_width_is_exchanged_read_and_written_alone) {
    prong_shared_value value;
    char three[3] = "ab";
    EXCHANGES(uint8_t);
    EXCHANGES(uint16_t);
    EXCHANGES(uint32_t);
    EXCHANGES(uint64_t);
    ok(prong_shared_value_create(&value, PRONG_TYPE_STRUCT, 2, NULL, &(prong_shared_value_options){.size = 3}));
    is(prong_shared_value_exchange(value, 0, three, NULL), PRONG_INVALID);
    says("no atomic change of a value of 3 bytes");
    is(prong_shared_value_compare_exchange(value, 1, three, three, NULL), PRONG_INVALID);
    is(prong_shared_value_add(value, 0, 1, NULL), PRONG_INVALID);
    says("add to a value that is no integer");
    ok(prong_shared_value_set(value, 1, 1, three, PRONG_NOWAIT));
    memset(three, 0, sizeof three);
    ok(prong_shared_value_get(value, 1, 1, three, PRONG_NOWAIT));
    check(!strcmp(three, "ab"));
    ok(prong_shared_value_destroy(value));
    is(prong_shared_value_add((prong_shared_value){0}, 0, 1, NULL), PRONG_STALE);
    is(prong_shared_value_add((prong_shared_value){UINT64_MAX, 1}, 0, 1, NULL), PRONG_STALE);
    is(prong_shared_value_add(value, 0, 1, NULL), PRONG_STALE);
}

TEST(reals_of_both_widths_are_added_to) {
    prong_shared_value narrow, wide;
    double before = 0;
    float one;
    ok(prong_shared_value_create(&narrow, PRONG_TYPE_FLOAT, 2, NULL, NULL));
    ok(prong_shared_value_create(&wide, PRONG_TYPE_DOUBLE, 2, NULL, NULL));
    for (int i = 0; i < 3; i++) {
        ok(prong_shared_value_add_double(narrow, 1, 0.5, &before));
        equal(before * 2, i);
        ok(prong_shared_value_add_double(wide, 1, 0.5, &before));
        equal(before * 2, i);
    }
    ok(prong_shared_value_add_double(wide, 1, 1, NULL));
    ok(prong_shared_value_get(narrow, 1, 1, &one, PRONG_NOWAIT));
    check(one == 1.5f);
    is(prong_shared_value_add(narrow, 0, 1, NULL), PRONG_INVALID);
    ok(prong_shared_value_destroy(narrow));
    ok(prong_shared_value_destroy(wide));
}

TEST(atomic_changes_are_of_the_element_that_is_meant) {
    prong_shared_value numbers, reals, one;
    int64_t before, all[3];
    double real_before, real[2];
    bool done;
    size_t count;
    void *data;
    ok(prong_shared_value_create(&numbers, PRONG_TYPE_INT64, 3, (int64_t[]){1, 2, 3}, NULL));
    ok(prong_shared_value_add(numbers, 0, 10, NULL));
    ok(prong_shared_value_add(numbers, 2, 10, &before));
    equal(before, 3);
    ok(prong_shared_value_exchange(numbers, 1, &(int64_t){7}, &before));
    equal(before, 2);
    ok(prong_shared_value_compare_exchange(numbers, 2, &(int64_t){13}, &(int64_t){14}, &done));
    check(done);
    ok(prong_shared_value_get(numbers, 0, 3, all, PRONG_NOWAIT));
    check(all[0] == 11 && all[1] == 7 && all[2] == 14);
    ok(prong_shared_value_create(&reals, PRONG_TYPE_DOUBLE, 2, NULL, NULL));
    ok(prong_shared_value_add_double(reals, 1, 0.5, &real_before));
    ok(prong_shared_value_get(reals, 0, 2, real, PRONG_NOWAIT));
    check(real_before == 0 && real[0] == 0 && real[1] == 0.5);
    ok(prong_shared_value_create(&one, PRONG_TYPE_INT64, 1, &(int64_t){4}, NULL));
    is(prong_shared_value_add(one, 1, 1, NULL), PRONG_INVALID);
    ok(prong_shared_value_data(one, &data, &count));
    check(count == 1 && *(int64_t *)data == 4 && (uintptr_t)data % 64 == 0);
    ok(prong_shared_value_destroy(numbers));
    ok(prong_shared_value_destroy(reals));
    ok(prong_shared_value_destroy(one));
    test_arena_is_clean(0);
}

TEST(locks_are_own_given_or_none) {
    prong_shared_value own, given, none;
    prong_lock lock, got, rlock;
    ok(prong_lock_create(&lock, NULL));
    ok(prong_shared_value_create(&own, PRONG_TYPE_INT, 1, NULL, NULL));
    ok(prong_shared_value_create(&given, PRONG_TYPE_INT, 1, NULL, &(prong_shared_value_options){.lock = lock}));
    ok(prong_shared_value_create(&none, PRONG_TYPE_INT, 1, NULL, &(prong_shared_value_options){.unlocked = true}));
    ok(prong_shared_value_get_lock(own, &rlock));
    check(rlock.generation != 0);
    ok(prong_lock_acquire(rlock, PRONG_NOWAIT));
    ok(prong_shared_value_set(own, 0, 1, &(int){5}, PRONG_NOWAIT)); /* recursive */
    ok(prong_lock_release(rlock));
    is(prong_lock_release(rlock), PRONG_NOT_OWNER);
    ok(prong_shared_value_get_lock(given, &got));
    check(got.offset == lock.offset);
    ok(prong_lock_acquire(lock, PRONG_NOWAIT));
    is(prong_shared_value_get(given, 0, 1, &(int){0}, PRONG_MS(10)), PRONG_TIMEOUT);
    ok(prong_lock_release(lock));
    is(prong_shared_value_get_lock(none, &got), PRONG_INVALID);
    says("a value that has no lock");
    is(prong_shared_value_create(&own, PRONG_TYPE_INT, 1, NULL,
                                 &(prong_shared_value_options){.lock = lock, .unlocked = true}),
       PRONG_INVALID);
    is(prong_shared_value_create(&own, PRONG_TYPE_STRUCT, 1, NULL, NULL), PRONG_INVALID);
    is(prong_shared_value_create(&own, (prong_type)77, 1, NULL, NULL), PRONG_INVALID);
    prong_shared_value array;
    is(prong_shared_value_create(&array, PRONG_TYPE_INT, 0, NULL, NULL), PRONG_INVALID);
    is(prong_shared_value_create(&array, PRONG_TYPE_INT, SIZE_MAX / 2, NULL, NULL), PRONG_NO_MEMORY);
    ok(prong_shared_value_create(&array, PRONG_TYPE_INT, 3, (int[]){1, 2, 3}, NULL));
    int out[3];
    is(prong_shared_value_get(array, 1, 3, out, PRONG_NOWAIT), PRONG_INVALID);
    says("elements 1 to 4 of an array of 3");
    is(prong_shared_value_add(array, 3, 1, NULL), PRONG_INVALID);
    is(prong_shared_value_exchange(array, 3, &(int){0}, NULL), PRONG_INVALID);
    is(prong_shared_value_compare_exchange(array, SIZE_MAX, out, out, NULL), PRONG_INVALID);
    is(prong_shared_value_add_double(array, 3, 1, NULL), PRONG_INVALID);
    ok(prong_shared_value_set(array, 1, 2, (int[]){8, 9}, PRONG_NOWAIT));
    ok(prong_shared_value_get(array, 0, 3, out, PRONG_NOWAIT));
    check(out[0] == 1 && out[1] == 8 && out[2] == 9);
    is(prong_shared_value_add_double(given, 0, 1, NULL), PRONG_INVALID);
    ok(prong_shared_value_destroy(array));
    ok(prong_shared_value_destroy(given));
    ok(prong_shared_value_destroy(none));
    ok(prong_lock_destroy(lock));
    is(prong_shared_value_get(given, 0, 1, out, PRONG_NOWAIT), PRONG_STALE);
    ok(prong_lock_acquire(rlock, PRONG_NOWAIT)); /* the one value left */
    ok(prong_lock_release(rlock));
}

static int die_holding_it(void *argument, size_t size) {
    struct shared *s = argument;
    struct pair *pair;
    prong_lock lock;
    (void)size;
    ok(prong_shared_value_get_lock(s->pair, &lock));
    ok(prong_lock_acquire(lock, PRONG_SECONDS(5)));
    ok(prong_shared_value_data(s->pair, (void **)&pair, NULL));
    pair->a = 1; /* and not b */
    raise(SIGKILL);
    return 0;
}

METHOD_TEST(a_value_left_half_changed_by_a_dead_process_says_so) {
    struct shared s = make();
    struct pair pair;
    equal(test_end(start_with(method, die_holding_it, s)), -SIGKILL);
    is(prong_shared_value_get(s.pair, 0, 1, &pair, PRONG_SECONDS(5)), PRONG_OWNER_DIED);
    equal(pair.a, 1);
    ok(prong_shared_value_get(s.pair, 0, 1, &pair, PRONG_NOWAIT));
    end(&s);
}

/* --- named --- */

static void named(char *name, size_t size) {
    snprintf(name, size, "prong-test-%d", (int)getpid());
}

TEST(an_unrelated_process_attaches_by_name) {
    char name[64];
    prong_shared_memory memory, again;
    named(name, sizeof name);
    ok(prong_shared_memory_create(&memory, name, 5000));
    check(memory.size == 5000 && memory.data);
    is(prong_shared_memory_create(&again, name, 10), PRONG_EXISTS);
    says(name);
    snprintf(memory.data, 5000, "hello");
    pid_t pid = fork();
    if (pid == 0) { /* unrelated: it knows the name alone */
        prong_shared_memory theirs;
        munmap(memory.data, memory.size);
        if (prong_shared_memory_open(&theirs, name) < 0 || strcmp(theirs.data, "hello") != 0) _exit(1);
        snprintf(theirs.data, 5000, "answer");
        prong_shared_memory_close(&theirs);
        _exit(0);
    }
    int status;
    check(waitpid(pid, &status, 0) == pid && status == 0);
    check(strcmp(memory.data, "answer") == 0); /* and its exit did not unlink it */
    ok(prong_shared_memory_open(&again, name));
    ok(prong_shared_memory_close(&again));
    ok(prong_shared_memory_close(&again));
    ok(prong_shared_memory_unlink(name));
    is(prong_shared_memory_unlink(name), PRONG_NOT_FOUND);
    is(prong_shared_memory_open(&again, name), PRONG_NOT_FOUND);
    check(strcmp(memory.data, "answer") == 0);
    ok(prong_shared_memory_close(&memory));
    check(memory.data == NULL);
    is(prong_shared_memory_create(&memory, "a/b", 1), PRONG_INVALID);
    is(prong_shared_memory_create(&memory, "", 1), PRONG_INVALID);
    is(prong_shared_memory_create(&memory, name, 0), PRONG_INVALID);
    is(prong_shared_memory_create(&memory, name, (size_t)1 << 60), PRONG_NO_MEMORY);
    is(prong_shared_memory_open(&again, name), PRONG_NOT_FOUND); /* the failed one left nothing */
    ok(prong_shared_memory_create(&memory, NULL, 1));
    check(strncmp(memory.name, "prong_", 6) == 0);
    ok(prong_shared_memory_unlink(memory.name));
    ok(prong_shared_memory_close(&memory));
}

TEST(a_program_killed_with_it_mapped_leaves_it_to_others) {
    char name[64];
    prong_shared_memory memory;
    named(name, sizeof name);
    pid_t pid = fork();
    if (pid == 0) {
        if (prong_shared_memory_create(&memory, name, 100) < 0) _exit(1);
        memset(memory.data, 'x', 100);
        raise(SIGKILL);
    }
    int status;
    check(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    ok(prong_shared_memory_open(&memory, name));
    equal(((char *)memory.data)[99], 'x');
    ok(prong_shared_memory_close(&memory));
    ok(prong_shared_memory_unlink(name));
}
