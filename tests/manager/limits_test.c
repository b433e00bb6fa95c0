/* Limits of a server, and peers that mean no good. */
#include "small_server.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

TEST(limits_hold_and_what_was_there_stays) {
    static char large[600000], huge[5 << 20];
    char name[60];
    prong_process process;
    prong_manager manager = small_manager(&process, name);
    prong_proxy dict, list[30];
    prong_value result;
    prong_status status = PRONG_OK;
    ok(prong_proxy_create(&dict, manager, "dict", SOON, "()"));
    ok(call(dict, NULL, "__setitem__", SOON, "(sy)", "a", large, sizeof(large)));
    is(call(dict, NULL, "__setitem__", SOON, "(sy)", "b", large, sizeof(large)), PRONG_NO_MEMORY);
    says("limit of 1048576");
    ok(call(dict, NULL, "__setitem__", SOON, "(sy)", "a", large, sizeof(large)));
    ok(call(dict, &result, "__len__", SOON, "()"));
    shows(result, "1");
    status = call(dict, NULL, "__setitem__", SOON, "(sy)", "c", huge, sizeof(huge));
    check(status == PRONG_EOF || status == PRONG_BROKEN_PIPE); /* too long a message: the server hangs up */
    ok(call(dict, &result, "__len__", SOON, "()"));
    status = PRONG_OK;
    for (int i = 0; i < 30 && status >= 0; i++) status = prong_proxy_create(&list[i], manager, "list", SOON, "()");
    is(status, PRONG_REMOTE_ERROR);
    says("limit of 20 objects");
    is(call(list[0], NULL, "__mul__", SOON, "(I)", INT64_MAX), PRONG_OK); /* empty, however often */
    ok(call(list[0], NULL, "append", SOON, "(i)", 1));
    is(call(list[0], NULL, "__imul__", SOON, "(I)", INT64_MAX), PRONG_NO_MEMORY);
    small_ended(manager, process);
}

#ifdef HAVE_OPENSSL /* without authentication each connection counts at once */
static int connect_to(const char *name) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path + 1, name + 1, strlen(name) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(connect(fd, (struct sockaddr *)&to, (socklen_t)(sizeof(to.sun_family) + strlen(name))) == 0);
    return fd;
}

TEST(half_open_connections_give_way) {
    char name[60];
    prong_process process;
    prong_manager manager = small_manager(&process, name), other;
    int silent[200];
    for (int i = 0; i < 200; i++) {
        silent[i] = connect_to(name);
        if (i % 2) check(write(silent[i], "\x7f\xff\xff\xff#CHALLENGE#", 15) > 0);
    }
    ok(prong_manager_connect(&other, name, &KEY, SOON));
    ok(prong_manager_destroy(other));
    for (int i = 0; i < 200; i++) close(silent[i]);
    small_ended(manager, process);
}

/* A connection to which nothing could be sent kept all others out for a second. */
TEST(peers_that_hang_up_at_once_keep_nobody_out) {
    char name[60];
    prong_process process;
    prong_manager manager = small_manager(&process, name), other;
    int pid = test_pid(process);
    for (int i = 0; i < 40; i++) {
        kill(pid, SIGSTOP); /* so that it sees the connection when that has ended */
        close(connect_to(name));
        kill(pid, SIGCONT);
        ok(prong_manager_connect(&other, name, &KEY, SOON));
        ok(prong_manager_destroy(other));
    }
    small_ended(manager, process);
}
#endif

/* The processor time that a process has taken, in ticks. */
static long ticks_of(int pid) {
    char path[40], text[1000];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    check(file && fgets(text, sizeof(text), file));
    fclose(file);
    equal(sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system), 2);
    return (long)(user + system);
}

METHOD_TEST(a_server_sleeps_once_its_family_asks_no_more) {
    prong_manager manager;
    prong_manager_options options = {.method = (prong_start_method)method, .server.open = OPEN};
    prong_proxy list;
    prong_value result;
    ok(prong_document_open(&document, NULL));
    ok(prong_manager_start(&manager, &options));
    int pid = server_pid(manager);
    ok(prong_proxy_create(&list, manager, "list", SOON, "()"));
    for (int round = 0; round < 20; round++) { /* each after it slept: its doorbell rings, and it learns to spin */
        for (int i = 0; i < 100; i++) ok(call(list, &result, "__len__", SOON, "()"));
        test_sleep_ms(10);
    }
    long before = ticks_of(pid), per_second = sysconf(_SC_CLK_TCK);
    test_sleep_ms(1000);
    check(ticks_of(pid) - before < per_second / 2);
    ended(manager);
}

/* It may have as many descriptors as it has, and `more`. */
static int few_descriptors(prong_server *server, const void *argument, size_t size) {
    struct rlimit limit;
    int next = dup(0);
    (void)server, (void)size;
    close(next);
    if (getrlimit(RLIMIT_NOFILE, &limit)) return 1;
    limit.rlim_cur = (rlim_t)(next + *(const int *)argument);
    return setrlimit(RLIMIT_NOFILE, &limit) != 0;
}

METHOD_TEST(a_server_without_descriptors_serves_those_it_has) {
    enum { MANY = 30 };
    int more = 20, pid, count = 0;
    prong_manager manager, other;
    prong_manager_options options = {.method = (prong_start_method)method,
                                     .server.open = OPEN,
                                     .setup = few_descriptors,
                                     .argument = &more,
                                     .argument_size = sizeof(more)};
    prong_link *links[MANY] = {0};
    prong_proxy list;
    prong_value result;
    ok(prong_document_open(&document, NULL));
    ok(prong_manager_start(&manager, &options));
    pid = server_pid(manager);
    prong_manager_info info;
    ok(prong_manager_get_info(manager, &info));
    prong_link_options by_key = {.authkey = OPEN ? NULL : info.authkey, .authkey_size = info.authkey_size};
    prong_status status = PRONG_OK;
    for (; status >= 0 && count < MANY; count += status >= 0) /* those that are served do not give way */
        status = prong_link_connect(&links[count], info.address, &by_key, PRONG_MS(500));
    check((status < 0 || OPEN) && count > 5); /* without a key, a connection is made before it is served */
    ok(prong_proxy_create(&list, manager, "list", SOON, "()")); /* members need none */
    ok(call(list, &result, "__len__", SOON, "()"));
    long before = ticks_of(pid), per_second = sysconf(_SC_CLK_TCK);
    test_sleep_ms(2000);
    check(ticks_of(pid) - before < per_second); /* it does not ask again and again */
    for (int i = 0; i < count; i++) prong_link_close(links[i]);
    ok(prong_manager_connect(&other, info.address, &by_key, SOON));
    ok(prong_manager_destroy(other));
    ended(manager);
}

/* One that has the key, and sends bytes that are no request. */
TEST(bad_requests_are_answered_and_harm_nobody) {
    static const char *const bad[] = {
        "", "\x80\x04N.", "nonsense", "\x80\x04]\x94.", "\x80\x04(NX\x01\0\0\0xNNt.", "cos\nsystem\n(S'x'\ntR."};
    char name[60];
    prong_process process;
    prong_manager manager = small_manager(&process, name);
    prong_proxy dict;
    prong_value reply, result;
    ok(prong_proxy_create(&dict, manager, "dict", SOON, "()"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        prong_link *link;
        const char *kind;
        ok(prong_link_connect(&link, name, &KEY, SOON));
        size_t size = i == 1 ? 4 : i == 3 ? 5 : i == 4 ? 13 : strlen(bad[i]);
        ok(prong_link_send_bytes(link, bad[i], size, SOON));
        ok(prong_link_recv_value(link, document, &reply, NULL, SOON));
        ok(prong_scan(reply, "(sv)", &kind, &result));
        check(!strcmp(kind, "#TRACEBACK"));
        prong_link_close(link);
    }
    ok(call(dict, &result, "__len__", SOON, "()"));
    small_ended(manager, process);
}

/* A message of a megabyte that would need eighty. */
TEST(a_request_that_needs_too_much_is_refused) {
    enum { LISTS = 1 << 20 };
    static char bomb[LISTS * 2 + 10];
    char name[60];
    prong_process process;
    prong_manager manager = small_manager(&process, name);
    prong_link *link;
    prong_value reply;
    const char *kind, *text;
    size_t size = 0;
    memcpy(bomb, "\x80\x04](", 4);
    size = 4;
    for (int i = 0; i < LISTS; i++) bomb[size++] = '}';
    bomb[size++] = 'e';
    bomb[size++] = '.';
    ok(prong_link_connect(&link, name, &KEY, SOON));
    ok(prong_link_send_bytes(link, bomb, size, SOON));
    ok(prong_link_recv_value(link, document, &reply, NULL, SOON));
    ok(prong_scan(reply, "(ss)", &kind, &text));
    check(!strcmp(kind, "#TRACEBACK") && strstr(text, "MemoryError"));
    prong_link_close(link);
    small_ended(manager, process);
}
