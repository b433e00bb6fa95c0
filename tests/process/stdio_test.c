/* A program whose standard streams are closed: what the library opens never takes their numbers. */
#include "../support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The streams that are open, as bits; a test's own messages go to a copy of stderr. */
static int open_streams(void) {
    int open = 0;
    for (int i = 0; i < 3; i++) open |= (fcntl(i, F_GETFD) >= 0) << i;
    return open;
}

static void close_streams(void) {
    for (int i = 0; i < 3; i++) close(i);
}

enum { STREAMS_OPEN = 100 };

/* Children have /dev/null as stdin, whatever their parent has. */
static int child_streams(void *argument, size_t size) {
    (void)argument;
    (void)size;
    prong_queue queue;
    if (prong_queue_create(&queue, NULL) < 0 || prong_queue_put(queue, "x", 1, PRONG_NOWAIT) < 0) return 1;
    int fd;
    if (prong_queue_fileno(queue, &fd) < 0 || fd < 3) return 2;
    return STREAMS_OPEN + open_streams();
}

METHOD_TEST(processes_leave_closed_streams_closed) {
    int none = 0;
    close_streams();
    for (int i = 0; i < 3; i++) {
        equal(test_end(start_with(method, child_streams, none)), STREAMS_OPEN + 1);
        equal(test_end(start_daemon(method, child_streams, none)), STREAMS_OPEN + 1);
        equal(open_streams(), 0);
    }
}

static int twice(const void *in, void *out) {
    *(int *)out = *(const int *)in * 2 + 1000 * (open_streams() & 6);
    return 0;
}

METHOD_TEST(a_pool_leaves_closed_streams_closed) {
    prong_pool pool;
    int in[20], out[20] = {0};
    close_streams();
    for (int i = 0; i < 20; i++) in[i] = i;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 2, .method = (prong_start_method)method}));
    ok(prong_pool_run(pool, PRONG_MAP(twice, in, out), NULL, PRONG_SECONDS(10)));
    for (int i = 0; i < 20; i++) equal(out[i], 2 * i);
    equal(open_streams(), 0);
    ok(prong_pool_destroy(pool));
    equal(open_streams(), 0);
}

TEST(descriptors_of_objects_leave_closed_streams_closed) {
    prong_queue queue;
    int fd;
    size_t ready;
    close_streams();
    ok(prong_queue_create(&queue, NULL));
    ok(prong_queue_fileno(queue, &fd));
    check(fd >= 3);
    ok(prong_queue_put(queue, "x", 1, PRONG_NOWAIT));
    ok(prong_wait(&(prong_waitable){.kind = PRONG_WAIT_QUEUE, .queue = queue}, 1, &ready, PRONG_SECONDS(10)));
    equal(open_streams(), 0);
}

TEST(a_program_is_read_and_written_where_the_streams_are_closed) {
    const char *const cat[] = {"/bin/cat", NULL};
    prong_completed done = {0};
    close_streams();
    ok(prong_subprocess_run(
        cat, &done, &(prong_subprocess_options){.capture = true, .input = "through", .input_size = 7}, PRONG_FOREVER));
    equal(done.out.size, 7);
    check(memcmp(done.out.data, "through", 7) == 0);
    equal(open_streams(), 0);
    prong_completed_clear(&done);
}

/* Each stream alone closed, and each of the others as it was. */
TEST(a_program_gets_the_streams_that_it_was_promised_whichever_are_closed) {
    const char *const say[] = {"/bin/sh", "-c", "cat; echo to-out; echo to-err >&2", NULL};
    int kept[3];
    for (int i = 0; i < 3; i++) kept[i] = fcntl(i, F_DUPFD_CLOEXEC, 50);
    for (int closed = 0; closed < 8; closed++) {
        prong_completed done = {0};
        for (int i = 0; i < 3; i++) closed >> i & 1 ? close(i) : dup2(kept[i], i);
        prong_status status = prong_subprocess_run(
            say, &done, &(prong_subprocess_options){.capture = true, .input = "in ", .input_size = 3}, PRONG_FOREVER);
        int open = open_streams();
        for (int i = 0; i < 3; i++) dup2(kept[i], i);
        ok(status);
        equal(open, ~closed & 7);
        equal(done.out.size, 10);
        check(memcmp(done.out.data, "in to-out\n", 10) == 0);
        equal(done.err.size, 7);
        check(memcmp(done.err.data, "to-err\n", 7) == 0);
        prong_completed_clear(&done);
    }
}

TEST(a_file_of_a_program_is_none_of_the_closed_streams) {
    const char *const say[] = {"/bin/sh", "-c", "echo to-out; echo to-err >&2", NULL};
    char path[] = "/tmp/prong-test-XXXXXX", text[40] = {0};
    check(close(mkstemp(path)) == 0);
    close_streams();
    prong_popen *popen;
    int code;
    ok(prong_popen_open(&popen, say,
                        &(prong_popen_options){.in = {.kind = PRONG_STREAM_NULL},
                                               .out = {.kind = PRONG_STREAM_FILE, .path = path},
                                               .err = {.kind = PRONG_STREAM_STDOUT}}));
    ok(prong_popen_wait(popen, &code, PRONG_SECONDS(10)));
    ok(prong_popen_close(popen));
    equal(open_streams(), 0);
    FILE *file = fopen(path, "r");
    check(file && fread(text, 1, sizeof text - 1, file) == 14 && unlink(path) == 0);
    check(strcmp(text, "to-out\nto-err\n") == 0);
}

static int connect_and_send(void *argument, size_t size) {
    prong_link *link;
    (void)size;
    close_streams();
    if (prong_link_connect(&link, argument, NULL, PRONG_SECONDS(10)) < 0) return 1;
    if (prong_link_send_bytes(link, "hello", 5, PRONG_SECONDS(10)) < 0) return 2;
    int open = open_streams();
    prong_link_close(link);
    return STREAMS_OPEN + open;
}

METHOD_TEST(a_listener_and_its_links_leave_closed_streams_closed) {
    prong_listener *listener;
    prong_link *link;
    char address[200] = {0}, text[10];
    size_t size;
    close_streams();
    ok(prong_listener_open(&listener, "127.0.0.1:0", NULL));
    snprintf(address, sizeof address, "%s", prong_listener_address(listener));
    prong_process client = start_with(method, connect_and_send, address);
    ok(prong_listener_accept(listener, &link, PRONG_SECONDS(10)));
    ok(prong_link_recv_bytes_into(link, text, sizeof text, &size, PRONG_SECONDS(10)));
    equal(size, 5);
    equal(open_streams(), 0);
    equal(test_end(client), STREAMS_OPEN);
    prong_link_close(link);
    prong_listener_close(listener);
}

TEST(a_manager_leaves_closed_streams_closed) {
    prong_manager manager;
    prong_proxy dict;
    close_streams();
    ok(prong_manager_start(&manager, NULL));
    ok(prong_proxy_create(&dict, manager, "dict", PRONG_SECONDS(60), "()"));
    equal(open_streams(), 0);
    ok(prong_manager_shutdown(manager, PRONG_SECONDS(10)));
    equal(open_streams(), 0);
}

TEST(named_memory_leaves_closed_streams_closed) {
    prong_shared_memory memory;
    close_streams();
    ok(prong_shared_memory_create(&memory, NULL, 4096));
    equal(open_streams(), 0);
    ok(prong_shared_memory_unlink(memory.name));
    ok(prong_shared_memory_close(&memory));
}
