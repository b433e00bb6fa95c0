/* Managers between C processes: in the family and by socket, in every start method; and what becomes of what the dead
 * held. What Python does with the same server is in interop.py. */
#define _GNU_SOURCE
#include "../support/test.h"
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static const prong_time SOON = PRONG_SECONDS(10);
#ifdef HAVE_OPENSSL
static const prong_link_options KEY = {.authkey = "secret", .authkey_size = 6};
enum { OPEN = false };
#else /* the library can then do without a key only */
static const prong_link_options KEY;
enum { OPEN = true };
#endif
static prong_document *document;

/* A manager of this family's own. */
static prong_manager started(int method) {
    prong_manager manager;
    prong_manager_options options = {.method = (prong_start_method)method, .server.open = OPEN};
    ok(prong_document_open(&document, NULL));
    ok(prong_manager_start(&manager, &options));
    return manager;
}

static void ended(prong_manager manager) {
    ok(prong_manager_shutdown(manager, SOON));
    prong_document_close(document);
    test_arena_is_clean(0);
}

/* The same server by socket: as another program would see it. */
static prong_manager by_socket(prong_manager manager) {
    char address[400];
    unsigned char key[256];
    prong_link_options options = {.authkey = OPEN ? NULL : key};
    prong_manager other;
    ok(prong_manager_address(manager, address, sizeof(address)));
    ok(prong_manager_authkey(manager, key, sizeof(key), &options.authkey_size));
    ok(prong_manager_connect(&other, address, &options, SOON));
    return other;
}

static void shows(prong_value value, const char *wanted) {
    char text[500];
    ok(prong_value_repr(value, text, sizeof(text), NULL));
    if (strcmp(text, wanted)) test_failed(__FILE__, __LINE__, "%s is not %s", text, wanted);
}

#define call(proxy, result, method, ...) prong_proxy_call(proxy, method, document, result, __VA_ARGS__)

/* --- what children do --- */

struct order {
    prong_proxy proxy, other;
    prong_queue said;
    int number;
};

static void say(struct order *order) {
    prong_queue_put(order->said, "x", 1, PRONG_FOREVER);
}
static void hear(struct order *order) {
    char heard[4];
    size_t size;
    ok(prong_queue_get(order->said, heard, sizeof(heard), &size, SOON));
}

static int change_dict(void *argument, size_t size) {
    struct order *order = argument;
    (void)size;
    if (prong_proxy_call(order->proxy, "__setitem__", NULL, NULL, SOON, "(si)", "child", order->number) < 0) return 1;
    return prong_proxy_call(order->other, "append", NULL, NULL, SOON, "(s)", "from child") != PRONG_OK;
}

METHOD_TEST(a_child_changes_dict_and_list) {
    prong_manager manager = started(method);
    struct order order = {.number = 42};
    prong_value result;
    ok(prong_proxy_create(&order.proxy, manager, "dict", SOON, "({s:i})", "a", 1));
    ok(prong_proxy_create(&order.other, manager, "list", SOON, "([i])", 1));
    equal(test_end(start_with(method, change_dict, order)), 0);
    ok(call(order.proxy, &result, "copy", SOON, "()"));
    shows(result, "{'a': 1, 'child': 42}");
    ok(call(order.other, &result, "__getitem__", SOON, "(i)", 1));
    shows(result, "'from child'");
    ended(manager);
}

METHOD_TEST(both_ways_lead_to_the_same_objects) {
    prong_manager manager = started(method), other = by_socket(manager);
    prong_proxy list, seen;
    prong_value value, result;
    ok(prong_proxy_create(&list, manager, "list", SOON, "()"));
    ok(prong_proxy_to_value(list, document, &value));
    ok(prong_proxy_from_value(&seen, other, value));
    ok(call(seen, NULL, "append", SOON, "(s)", "by socket"));
    ok(call(list, NULL, "append", SOON, "(s)", "in the family"));
    ok(call(seen, &result, "copy", SOON, "()"));
    shows(result, "['by socket', 'in the family']");
    size_t count;
    ok(prong_manager_count(other, &count, SOON));
    equal(count, 1);
    ok(prong_manager_destroy(other));
    is(call(seen, &result, "copy", SOON, "()"), PRONG_STALE);
    ended(manager);
}

TEST(making_an_object_ends_with_its_time) {
    prong_manager manager = started(PRONG_START_FORK);
    prong_proxy list;
    int pid;
    ok(prong_manager_pid(manager, &pid));
    check(kill(pid, SIGSTOP) == 0);
    is(prong_proxy_create(&list, manager, "list", PRONG_MS(100), "()"), PRONG_TIMEOUT);
    check(kill(pid, SIGCONT) == 0);
    ok(prong_proxy_create(&list, manager, "list", SOON, "()"));
    ok(prong_proxy_decref(list));
    ended(manager);
}

TEST(exceptions_are_statuses_with_the_exception) {
    prong_manager manager = started(PRONG_START_FORK);
    prong_proxy dict, list, queue;
    prong_value result;
    ok(prong_proxy_create(&dict, manager, "dict", SOON, "()"));
    is(call(dict, &result, "__getitem__", SOON, "(s)", "none"), PRONG_NOT_FOUND);
    says("KeyError('none')");
    check(prong_value_is(result, "builtins", "KeyError"));
    is(call(dict, &result, "__setitem__", SOON, "([]i)", 1), PRONG_REMOTE_ERROR);
    says("unhashable type: 'list'");
    is(call(dict, &result, "nonsense", SOON, "()"), PRONG_REMOTE_ERROR);
    says("'nonsense' of 'dict' object is not exposed");
    is(call(dict, &result, "get", SOON, "()"), PRONG_REMOTE_ERROR);
    says("missing required argument: 'key'");
    ok(prong_proxy_create(&list, manager, "list", SOON, "([ii])", 1, 2));
    is(call(list, &result, "__getitem__", SOON, "(i)", 7), PRONG_NOT_FOUND);
    says("list index out of range");
    is(prong_proxy_create(&queue, manager, "Teapot", SOON, "()"), PRONG_REMOTE_ERROR);
    says("'Teapot': there is no such type");
    is(prong_proxy_create(&queue, manager, "Semaphore", SOON, "(i)", -1), PRONG_REMOTE_ERROR);
    says("semaphore initial value must be >= 0");
    is(prong_proxy_create(&queue, manager, "dict", SOON, "[i]", 1), PRONG_INVALID);
    is(prong_proxy_call(dict, "copy", NULL, &result, SOON, "()"), PRONG_INVALID);
    says("a document to lie in");
    prong_proxy stale = list;
    stale.id += 16 * 1000;
    is(call(stale, &result, "pop", SOON, "()"), PRONG_REMOTE_ERROR);
    says("KeyError");
    ended(manager);
}

METHOD_TEST(queues_wait_and_time_out) {
    prong_manager manager = started(method);
    prong_proxy queue;
    prong_value item;
    ok(prong_proxy_create(&queue, manager, "Queue", SOON, "(i)", 1));
    is(prong_proxy_get(queue, document, &item, PRONG_NOWAIT), PRONG_EMPTY);
    is(prong_proxy_get(queue, document, &item, PRONG_MS(30)), PRONG_EMPTY);
    ok(prong_proxy_put(queue, prong_make_int(1), SOON));
    is(prong_proxy_put(queue, prong_make_int(2), PRONG_MS(30)), PRONG_FULL);
    ok(prong_proxy_get(queue, document, &item, SOON));
    shows(item, "1");
    ended(manager);
}

static int put_later(void *argument, size_t size) {
    struct order *order = argument;
    (void)size;
    test_sleep_ms(50);
    return prong_proxy_put(order->proxy, prong_make_int(7), SOON) != PRONG_OK;
}

METHOD_TEST(a_get_waits_for_a_put_of_another) {
    prong_manager manager = started(method);
    struct order order = {0};
    prong_value item;
    ok(prong_proxy_create(&order.proxy, manager, "Queue", SOON, "()"));
    prong_process child = start_with(method, put_later, order);
    ok(prong_proxy_get(order.proxy, document, &item, SOON));
    shows(item, "7");
    equal(test_end(child), 0);
    ended(manager);
}

/* --- death --- */

static int die_with_lock(void *argument, size_t size) {
    struct order *order = argument;
    (void)size;
    if (prong_proxy_acquire(order->proxy, SOON) < 0) return 1;
    say(order);
    pause();
    return 0;
}

static void kill_holder(int method, const char *type, bool socket) {
    prong_manager manager = started(method), way = socket ? by_socket(manager) : manager;
    struct order order = {0};
    ok(prong_queue_create(&order.said, NULL));
    ok(prong_proxy_create(&order.proxy, way, type, SOON, !strcmp(type, "BoundedSemaphore") ? "(i)" : "()", 1));
    prong_process child = start_with(method, die_with_lock, order);
    hear(&order);
    is(prong_proxy_acquire(order.proxy, PRONG_MS(30)), PRONG_TIMEOUT);
    ok(prong_process_kill(child));
    ok(prong_proxy_acquire(order.proxy, SOON));
    ok(prong_proxy_release(order.proxy));
    equal(test_end(child), -SIGKILL);
    if (socket) ok(prong_manager_destroy(way));
    ok(prong_queue_destroy(order.said));
    ended(manager);
}

METHOD_TEST(a_lock_comes_back_from_the_dead) {
    kill_holder(method, "Lock", false);
    kill_holder(method, "Lock", true);
}
METHOD_TEST(an_rlock_comes_back_from_the_dead) {
    kill_holder(method, "RLock", false);
    kill_holder(method, "RLock", true);
}
METHOD_TEST(a_bounded_semaphore_comes_back_from_the_dead) {
    kill_holder(method, "BoundedSemaphore", true);
}

static int wait_in_get(void *argument, size_t size) {
    struct order *order = argument;
    prong_value item;
    prong_document *own;
    (void)size;
    if (prong_document_open(&own, NULL) < 0) return 1;
    say(order);
    prong_proxy_get(order->proxy, own, &item, PRONG_FOREVER);
    return 0;
}

METHOD_TEST(an_item_is_not_lost_to_one_who_died_waiting) {
    for (int socket = 0; socket < 2; socket++) {
        prong_manager manager = started(method), way = socket ? by_socket(manager) : manager;
        struct order order = {0};
        prong_value item;
        ok(prong_queue_create(&order.said, NULL));
        ok(prong_proxy_create(&order.proxy, way, "Queue", SOON, "()"));
        prong_process child = start_with(method, wait_in_get, order);
        hear(&order);
        test_sleep_ms(50);
        ok(prong_process_kill(child));
        equal(test_end(child), -SIGKILL);
        test_sleep_ms(100); /* until the server has seen it */
        ok(prong_proxy_put(order.proxy, prong_make_int(5), SOON));
        ok(prong_proxy_get(order.proxy, document, &item, SOON));
        shows(item, "5");
        if (socket) ok(prong_manager_destroy(way));
        ok(prong_queue_destroy(order.said));
        ended(manager);
    }
}

static int wait_in_barrier(void *argument, size_t size) {
    struct order *order = argument;
    (void)size;
    say(order);
    prong_status status = prong_proxy_call(order->proxy, "wait", NULL, NULL, SOON, "()");
    return status == PRONG_BROKEN ? 7 : status;
}

METHOD_TEST(a_barrier_breaks_when_a_party_dies) {
    prong_manager manager = started(method);
    struct order order = {0};
    ok(prong_queue_create(&order.said, NULL));
    ok(prong_proxy_create(&order.proxy, manager, "Barrier", SOON, "(i)", 3));
    prong_process victim = start_with(method, wait_in_barrier, order);
    prong_process other = start_with(method, wait_in_barrier, order);
    hear(&order);
    hear(&order);
    test_sleep_ms(100);
    ok(prong_process_kill(victim));
    equal(test_end(victim), -SIGKILL);
    equal(test_end(other), 7);
    ok(prong_queue_destroy(order.said));
    ended(manager);
}

static int create_and_die(void *argument, size_t size) {
    struct order *order = argument;
    prong_proxy made;
    (void)size;
    for (int i = 0; i < 5; i++)
        if (prong_proxy_create(&made, order->proxy.manager, "dict", SOON, "()") < 0) return 1;
    if (prong_proxy_incref(order->proxy) < 0) return 2;
    say(order);
    pause();
    return 0;
}

METHOD_TEST(references_of_the_dead_return) {
    for (int socket = 0; socket < 2; socket++) {
        prong_manager manager = started(method), way = socket ? by_socket(manager) : manager;
        struct order order = {0};
        size_t count = 0;
        ok(prong_queue_create(&order.said, NULL));
        ok(prong_proxy_create(&order.proxy, way, "dict", SOON, "()"));
        prong_process child = start_with(method, create_and_die, order);
        hear(&order);
        ok(prong_manager_count(way, &count, SOON));
        equal(count, 6);
        ok(prong_process_kill(child));
        equal(test_end(child), -SIGKILL);
        for (int i = 0; i < 100 && count != 1; i++) {
            test_sleep_ms(20);
            ok(prong_manager_count(way, &count, SOON));
        }
        equal(count, 1);
        ok(prong_proxy_decref(order.proxy));
        ok(prong_manager_count(way, &count, SOON));
        equal(count, 0);
        is(prong_proxy_decref(order.proxy), PRONG_REMOTE_ERROR);
        if (socket) ok(prong_manager_destroy(way));
        ok(prong_queue_destroy(order.said));
        ended(manager);
    }
}

/* Tries to give up what another holds; then holds something itself. */
static int release_anothers(void *argument, size_t size) {
    struct order *order = argument;
    prong_proxy made;
    (void)size;
    if (prong_proxy_decref(order->proxy) != PRONG_REMOTE_ERROR) return 1;
    if (!strstr(prong_error_message(), "no reference")) return 2;
    for (int i = 0; i < 2; i++)
        if (prong_proxy_create(&made, order->proxy.manager, "dict", SOON, "()") < 0) return 3;
    say(order);
    pause();
    return 0;
}

METHOD_TEST(clients_by_tcp_of_one_computer_do_not_share_references) {
    prong_manager manager;
    prong_manager_options options = {
        .method = (prong_start_method)method,
        .server = {.address = "127.0.0.1:0", .link = KEY, .open = OPEN, .lease = PRONG_MS(100)}};
    struct order order = {0};
    size_t count = 0;
    ok(prong_document_open(&document, NULL));
    ok(prong_manager_start(&manager, &options));
    prong_manager way = by_socket(manager);
    ok(prong_queue_create(&order.said, NULL));
    ok(prong_proxy_create(&order.proxy, way, "list", SOON, "()"));
    prong_process child = start_with(method, release_anothers, order);
    hear(&order);
    ok(prong_manager_count(way, &count, SOON));
    equal(count, 3);
    ok(prong_process_kill(child));
    equal(test_end(child), -SIGKILL);
    for (int i = 0; i < 500 && count != 1; i++) { /* though this process is connected all the time */
        test_sleep_ms(20);
        ok(prong_manager_count(way, &count, SOON));
    }
    equal(count, 1);
    ok(call(order.proxy, NULL, "append", SOON, "(i)", 1));
    ok(prong_proxy_decref(order.proxy));
    ok(prong_manager_destroy(way));
    ok(prong_queue_destroy(order.said));
    ended(manager);
}

/* A process that is number 1 of a PID namespace of its own, and dies with this one's child that made it; 0: not permitted. */
static pid_t in_namespace(int (*run)(struct order *), struct order *order) {
    pid_t child = fork();
    if (child) return child;
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID)) _exit(77);
    pid_t inner = fork();
    if (inner == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(getpid() == 1 ? run(order) : 99);
    }
    int code;
    while (waitpid(inner, &code, 0) < 0) {}
    _exit(WIFEXITED(code) ? WEXITSTATUS(code) : 98);
}

static int hold_one(struct order *order) {
    if (prong_proxy_incref(order->proxy) < 0) return 1;
    say(order);
    pause();
    return 0;
}

static int release_one(struct order *order) {
    return prong_proxy_decref(order->proxy) == PRONG_REMOTE_ERROR && strstr(prong_error_message(), "no reference") ? 7
                                                                                                                   : 1;
}

TEST(members_of_two_pid_namespaces_are_two_clients) {
    prong_manager manager = started(PRONG_START_FORK);
    struct order order = {0};
    int code;
    char heard[4];
    size_t size;
    ok(prong_queue_create(&order.said, NULL));
    ok(prong_proxy_create(&order.proxy, manager, "list", SOON, "()"));
    pid_t holder = in_namespace(hold_one, &order);
    while (prong_queue_get(order.said, heard, sizeof(heard), &size, PRONG_MS(100)) == PRONG_EMPTY) {
        if (waitpid(holder, &code, WNOHANG) != holder) continue;
        equal(WEXITSTATUS(code), 77);
        printf("skipped: PID namespaces are not permitted\n");
        return;
    }
    pid_t other = in_namespace(release_one, &order); /* it has the same pid there */
    check(waitpid(other, &code, 0) == other);
    equal(WEXITSTATUS(code), 7);
    kill(holder, SIGKILL);
    check(waitpid(holder, &code, 0) == holder);
    ok(prong_proxy_decref(order.proxy));
    size_t count = 1;
    for (int i = 0; i < 500 && count; i++) { /* what it held is given up */
        test_sleep_ms(20);
        ok(prong_manager_count(manager, &count, SOON));
    }
    equal(count, 0);
    ok(prong_queue_destroy(order.said));
    ok(prong_manager_shutdown(manager, SOON));
    prong_document_close(document);
}

METHOD_TEST(a_server_that_is_killed_is_an_error_for_its_clients) {
    prong_manager manager = started(method), other = by_socket(manager);
    prong_proxy list, seen;
    prong_value value;
    int pid;
    ok(prong_proxy_create(&list, manager, "list", SOON, "()"));
    ok(prong_proxy_to_value(list, document, &value));
    ok(prong_proxy_from_value(&seen, other, value));
    ok(call(seen, NULL, "append", SOON, "(i)", 1));
    ok(prong_manager_pid(manager, &pid));
    kill(pid, SIGKILL);
    is(call(list, NULL, "append", SOON, "(i)", 1), PRONG_BROKEN_PIPE);
    prong_status status = call(seen, NULL, "append", SOON, "(i)", 1);
    check(status == PRONG_EOF || status == PRONG_BROKEN_PIPE);
    is(call(seen, NULL, "append", SOON, "(i)", 1), PRONG_NOT_FOUND);
    says("nobody listens");
    ok(prong_manager_destroy(other));
    ended(manager);
}

METHOD_TEST(a_server_lives_through_ctrl_c) {
    prong_manager manager = started(method);
    prong_proxy list;
    int pid;
    ok(prong_proxy_create(&list, manager, "list", SOON, "()"));
    ok(prong_manager_pid(manager, &pid));
    kill(pid, SIGINT);
    ok(call(list, NULL, "append", SOON, "(i)", 1));
    ended(manager);
}

METHOD_TEST(a_call_that_times_out_gives_its_lock_back) {
    prong_manager manager = started(method);
    struct order order = {0};
    ok(prong_queue_create(&order.said, NULL));
    ok(prong_proxy_create(&order.proxy, manager, "Lock", SOON, "()"));
    prong_process child = start_with(method, die_with_lock, order);
    hear(&order);
    is(prong_proxy_call(order.proxy, "acquire", NULL, NULL, PRONG_MS(50), "()"), PRONG_TIMEOUT);
    ok(prong_process_kill(child));
    equal(test_end(child), -SIGKILL);
    ok(prong_proxy_acquire(order.proxy, SOON)); /* not held by the call that nobody waited for */
    ok(prong_queue_destroy(order.said));
    ended(manager);
}

/* --- condition, and what is returned as an object --- */

static int wait_for_notification(void *argument, size_t size) {
    struct order *order = argument;
    prong_document *own;
    prong_value result;
    bool notified = false;
    (void)size;
    if (prong_document_open(&own, NULL) < 0 || prong_proxy_acquire(order->proxy, SOON) < 0) return 1;
    say(order);
    if (prong_proxy_call(order->proxy, "wait", own, &result, SOON, "(d)", 5.0) < 0) return 2;
    prong_get_bool(result, &notified);
    prong_document_close(own);
    return notified && prong_proxy_release(order->proxy) >= 0 ? 0 : 3;
}

METHOD_TEST(a_condition_wakes_those_that_wait) {
    prong_manager manager = started(method);
    struct order order = {0};
    ok(prong_queue_create(&order.said, NULL));
    ok(prong_proxy_create(&order.proxy, manager, "Condition", SOON, "()"));
    is(call(order.proxy, NULL, "notify", SOON, "()"), PRONG_REMOTE_ERROR);
    says("un-acquired lock");
    prong_process first = start_with(method, wait_for_notification, order);
    prong_process second = start_with(method, wait_for_notification, order);
    hear(&order);
    hear(&order);
    ok(prong_proxy_acquire(order.proxy, SOON));
    ok(call(order.proxy, NULL, "notify_all", SOON, "()"));
    ok(prong_proxy_release(order.proxy));
    equal(test_end(first), 0);
    equal(test_end(second), 0);
    ok(prong_queue_destroy(order.said));
    ended(manager);
}

TEST(an_iterator_is_a_proxy) {
    prong_manager manager = started(PRONG_START_FORK);
    prong_proxy dict, iterator;
    prong_value result;
    ok(prong_proxy_create(&dict, manager, "dict", SOON, "({s:i, s:i})", "a", 1, "b", 2));
    ok(call(dict, &result, "__iter__", SOON, "()"));
    ok(prong_proxy_from_value(&iterator, manager, result));
    ok(call(iterator, &result, "__next__", SOON, "()"));
    shows(result, "'a'");
    ok(call(iterator, &result, "__next__", SOON, "()"));
    is(call(iterator, &result, "__next__", SOON, "()"), PRONG_REMOTE_ERROR);
    check(prong_value_is(result, "builtins", "StopIteration"));
    ok(prong_proxy_decref(iterator));
    ended(manager);
}

TEST(a_nested_proxy_keeps_its_object) {
    prong_manager manager = started(PRONG_START_FORK);
    prong_proxy outer, inner, again;
    prong_value value, result;
    size_t count;
    ok(prong_proxy_create(&outer, manager, "dict", SOON, "()"));
    ok(prong_proxy_create(&inner, manager, "list", SOON, "([i])", 1));
    ok(prong_proxy_to_value(inner, document, &value));
    ok(call(outer, NULL, "__setitem__", SOON, "(s[v])", "nested", value));
    ok(prong_proxy_decref(inner));
    ok(prong_manager_count(manager, &count, SOON));
    equal(count, 2);
    ok(call(outer, &result, "__getitem__", SOON, "(s)", "nested"));
    ok(prong_list_get(result, 0, &value));
    ok(prong_proxy_from_value(&again, manager, value));
    ok(call(again, NULL, "append", SOON, "(i)", 2));
    ok(call(again, &result, "copy", SOON, "()"));
    shows(result, "[1, 2]");
    ok(call(outer, NULL, "clear", SOON, "()"));
    ok(prong_manager_count(manager, &count, SOON));
    equal(count, 1);
    ended(manager);
}

/* --- own types --- */

static prong_status adder_add(prong_call *c) {
    int64_t a, b;
    prong_status status = prong_scan(prong_call_arguments(c), "(II)", &a, &b);
    return status < 0 ? status : prong_call_return(c, prong_make_int(a + b + *(int *)prong_call_object(c)));
}
static const prong_method_entry adder_methods[] = {{"add", adder_add, NULL}, {0}};
static int bias = 100;

static int register_adder(prong_server *server, const void *argument, size_t size) {
    bias = size ? *(const int *)argument : 0;
    prong_type_options adder = {.name = "Adder", .object = &bias, .methods = adder_methods};
    if (prong_server_register(server, &adder) < 0) return 1;
    return prong_server_register(server, &adder) != PRONG_EXISTS;
}

METHOD_TEST(own_types_run_in_the_server) {
    int given = 1000;
    prong_manager manager;
    prong_proxy adder;
    prong_value result;
    prong_manager_options options = {.method = (prong_start_method)method,
                                     .server.open = OPEN,
                                     .setup = register_adder,
                                     .argument = &given,
                                     .argument_size = sizeof(given)};
    ok(prong_document_open(&document, NULL));
    ok(prong_manager_start(&manager, &options));
    ok(prong_proxy_create(&adder, manager, "Adder", SOON, "()"));
    ok(call(adder, &result, "add", SOON, "(ii)", 1, 2));
    shows(result, "1003");
    is(call(adder, &result, "add", SOON, "(is)", 1, "two"), PRONG_REMOTE_ERROR);
    says("expected int, found str");
    ended(manager);
}

static int fail_setup(prong_server *server, const void *argument, size_t size) {
    (void)server, (void)argument, (void)size;
    return 3;
}

METHOD_TEST(a_setup_that_fails_fails_the_start) {
    prong_manager manager;
    prong_manager_options options = {.method = (prong_start_method)method, .setup = fail_setup, .server.open = OPEN};
    is(prong_manager_start(&manager, &options), PRONG_START_FAILED);
    says("setup returned 3");
    options =
        (prong_manager_options){.server = {.address = "nonsense", .open = OPEN}, .method = (prong_start_method)method};
    is(prong_manager_start(&manager, &options), PRONG_INVALID);
    says("neither");
    prong_server *server;
    is(prong_server_open(&server, NULL), PRONG_INVALID);
    says("authkey");
    test_arena_is_clean(0);
}

/* --- limits, and peers that mean no good --- */

static prong_server *small_server(void) {
    prong_server *server;
    char name[60];
    snprintf(name, sizeof(name), "@prong-manager-test-%d", (int)getpid());
    prong_server_options options = {.address = name,
                                    .link = KEY,
                                    .open = OPEN,
                                    .max_memory = 1 << 20,
                                    .max_request = 16 << 20,
                                    .max_clients = 40,
                                    .max_objects = 20};
    options.link.max_message = 4 << 20;
    ok(prong_server_open(&server, &options));
    return server;
}

static int serve_small(void *argument, size_t size) {
    (void)size;
    prong_server *server;
    prong_server_options options = {.address = argument,
                                    .link = KEY,
                                    .open = OPEN,
                                    .max_memory = 1 << 20,
                                    .max_request = 16 << 20,
                                    .max_clients = 40,
                                    .max_objects = 20};
    options.link.max_message = 4 << 20;
    if (prong_server_open(&server, &options) < 0) return 1;
    prong_status status = prong_server_run(server, PRONG_SECONDS(30));
    prong_server_close(server);
    return status != PRONG_OK;
}

/* A small server in a process, connected to. */
static prong_manager small_manager(prong_process *process, char name[60]) {
    prong_manager manager;
    snprintf(name, 60, "@prong-small-test-%d", (int)getpid());
    ok(prong_document_open(&document, NULL));
    *process = test_start(PRONG_START_FORK, serve_small, name, 60, true);
    ok(prong_manager_connect(&manager, name, &KEY, SOON)); /* it waits for the server to come up */
    return manager;
}

static void small_ended(prong_manager manager, prong_process process) {
    ok(prong_manager_shutdown(manager, SOON));
    equal(test_end(process), 0);
    prong_document_close(document);
}

static char served[60];
static int serve_in_namespace(struct order *order) {
    (void)order;
    return serve_small(served, sizeof(served));
}

static bool kernel_names_peers(void) {
    struct utsname name;
    int major = 0, minor = 0;
    return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 9));
}

/* They have no pid for it. */
TEST(a_server_tells_clients_of_other_pid_namespaces_apart) {
    prong_manager manager;
    struct order order = {0};
    prong_status status = PRONG_NOT_FOUND;
    size_t count = 0;
    int code;
    if (!kernel_names_peers()) {
        printf("skipped: needs Linux 6.9\n");
        return;
    }
    ok(prong_document_open(&document, NULL));
    snprintf(served, sizeof(served), "@prong-small-test-%d", (int)getpid());
    pid_t server = in_namespace(serve_in_namespace, &order);
    for (int i = 0; i < 60 && (status == PRONG_NOT_FOUND || status == PRONG_TIMEOUT); i++) {
        status =
            prong_manager_connect(&manager, served, &KEY, PRONG_SECONDS(1)); /* it waits for the server to come up */
        if (status < 0 && waitpid(server, &code, WNOHANG) == server) {
            equal(WEXITSTATUS(code), 77);
            printf("skipped: PID namespaces are not permitted\n");
            return;
        }
    }
    ok(status);
    ok(prong_queue_create(&order.said, NULL));
    ok(prong_proxy_create(&order.proxy, manager, "list", SOON, "()"));
    prong_process child = start_with(PRONG_START_FORK, release_anothers, order);
    hear(&order);
    ok(prong_process_kill(child));
    equal(test_end(child), -SIGKILL);
    for (int i = 0; i < 500 && count != 1; i++) { /* it is seen to have died, too */
        test_sleep_ms(20);
        ok(prong_manager_count(manager, &count, SOON));
    }
    equal(count, 1);
    ok(prong_manager_shutdown(manager, SOON));
    check(waitpid(server, &code, 0) == server);
    equal(WEXITSTATUS(code), 0);
    ok(prong_queue_destroy(order.said));
    prong_document_close(document);
}

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
#endif

#ifdef HAVE_OPENSSL
/* A connection to which nothing could be sent kept all others out for a second. */
TEST(peers_that_hang_up_at_once_keep_nobody_out) {
    char name[60];
    prong_process process;
    prong_manager manager = small_manager(&process, name), other;
    int pid;
    ok(prong_process_pid(process, &pid));
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
    int pid;
    prong_manager manager;
    prong_manager_options options = {.method = (prong_start_method)method, .server.open = OPEN};
    prong_proxy list;
    prong_value result;
    ok(prong_document_open(&document, NULL));
    ok(prong_manager_start(&manager, &options));
    ok(prong_manager_pid(manager, &pid));
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
    ok(prong_manager_pid(manager, &pid));
    char address[400];
    unsigned char key[256];
    prong_link_options by_key = {.authkey = OPEN ? NULL : key};
    ok(prong_manager_address(manager, address, sizeof(address)));
    ok(prong_manager_authkey(manager, key, sizeof(key), &by_key.authkey_size));
    prong_status status = PRONG_OK;
    for (; status >= 0 && count < MANY; count += status >= 0) /* those that are served do not give way */
        status = prong_link_connect(&links[count], address, &by_key, PRONG_MS(500));
    check((status < 0 || OPEN) && count > 5); /* without a key, a connection is made before it is served */
    ok(prong_proxy_create(&list, manager, "list", SOON, "()")); /* members need none */
    ok(call(list, &result, "__len__", SOON, "()"));
    long before = ticks_of(pid), per_second = sysconf(_SC_CLK_TCK);
    test_sleep_ms(2000);
    check(ticks_of(pid) - before < per_second); /* it does not ask again and again */
    for (int i = 0; i < count; i++) prong_link_close(links[i]);
    ok(prong_manager_connect(&other, address, &by_key, SOON));
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

static void tell(prong_link *link, const char *ident, const char *method, prong_value arguments) {
    prong_value request, none;
    ok(prong_make_dict(document, NULL, 0, &none));
    if (ident)
        ok(prong_build(document, &request, "(ssvv)", ident, method, arguments, none));
    else
        ok(prong_build(document, &request, "(nsvv)", method, arguments, none));
    ok(prong_link_send_value(link, request, SOON));
}

static void hear_return(prong_link *link, prong_value *result) {
    prong_value reply;
    const char *kind;
    ok(prong_link_recv_value(link, document, &reply, NULL, PRONG_SECONDS(30)));
    ok(prong_scan(reply, "(sv)", &kind, result));
    if (strcmp(kind, "#RETURN")) shows(reply, "a #RETURN");
}

/* --- messages that take long to read --- */

struct message {
    char *data;
    size_t size;
};

enum { MESSAGE_ROOM = 4 << 20 };

static void add_often(struct message *message, const char *data, size_t size, size_t times) {
    if (!message->data) message->data = malloc(MESSAGE_ROOM);
    check(message->data && message->size + size * times <= MESSAGE_ROOM);
    for (size_t i = 0; i < times; i++, message->size += size) memcpy(message->data + message->size, data, size);
}

static void add(struct message *message, const void *data, size_t size) {
    add_often(message, data, size, 1);
}

/* Two million empty dicts. */
static struct message many_values(void) {
    struct message message = {0};
    add(&message, "\x80\x04](", 4);
    add_often(&message, "}", 1, 2 << 20);
    add(&message, "e.", 2);
    return message;
}

/* frozenset() of a long list, again and again. */
static struct message many_calls(void) {
    static const char class[] = "cbuiltins\nfrozenset\n\x94"
                                "0(";
    struct message message = {0};
    add(&message, "\x80\x04](", 4);
    add_often(&message, "N", 1, 8192);
    add(&message,
        "e\x94"
        "0",
        3);
    add(&message, class, sizeof(class) - 1);
    add_often(&message, "h\1h\0\x85R", 6, 100000);
    add(&message, "l.", 2);
    return message;
}

/* Keys that have one hash: objects of one class, with a state each; in a dict, or handed to frozenset(). */
static struct message one_hash(bool by_call) {
    static const char class[] = "cm\nC\n\x94"
                                "0";
    struct message message = {0};
    add(&message, "\x80\x04", 2);
    add(&message, class, sizeof(class) - 1);
    add(&message, by_call ? "cbuiltins\nfrozenset\n](" : "}(", by_call ? 22 : 2);
    for (uint32_t i = 0; i < 100000; i++) {
        add(&message, "h\0)RJ", 5);
        add(&message, &i, 4);
        add(&message, "bN", by_call ? 1 : 2);
    }
    add(&message, by_call ? "e\x85R." : "u.", by_call ? 4 : 2);
    return message;
}

/* A key of a megabyte, a hundred thousand times. */
static struct message long_key(void) {
    static char key[1 << 20];
    struct message message = {0};
    uint32_t size = sizeof(key);
    memset(key, 'k', sizeof(key));
    add(&message, "\x80\x04X", 3);
    add(&message, &size, 4);
    add(&message, key, sizeof(key));
    add(&message,
        "\x94"
        "0}(",
        4);
    for (int i = 0; i < 20; i++) add(&message, (char[]){'K', (char)i, 'N'}, 3);
    add(&message, "u(", 2);
    add_often(&message, "h\0N", 3, 100000);
    add(&message, "u.", 2);
    return message;
}

static prong_link *introduced(const char *name, const prong_link_options *options) {
    prong_link *link;
    prong_value arguments, result;
    ok(prong_link_connect(&link, name, options, SOON));
    ok(prong_build(document, &arguments, "(s)", "one"));
    tell(link, NULL, "accept_connection", arguments);
    hear_return(link, &result);
    return link;
}

/* How often another was answered from when it was sent until its answer. */
static int answered_meanwhile(prong_link *bomber, prong_link *other, const struct message *bomb) {
    prong_value none, result;
    int answers = 0;
    ok(prong_link_send_bytes(bomber, bomb->data, bomb->size, PRONG_SECONDS(60)));
    for (; prong_link_poll(bomber, PRONG_NOWAIT); answers++) {
        ok(prong_make_tuple(document, NULL, 0, &none));
        tell(other, NULL, "dummy", none);
        hear_return(other, &result);
        prong_document_reset(document);
    }
    return answers;
}

LONG_TEST(a_message_that_takes_long_to_read_holds_up_nobody_else, 120) {
    prong_manager manager = started(PRONG_START_FORK);
    char address[400];
    unsigned char key[256];
    prong_link_options options = {.authkey = OPEN ? NULL : key};
    ok(prong_manager_address(manager, address, sizeof(address)));
    ok(prong_manager_authkey(manager, key, sizeof(key), &options.authkey_size));
    prong_link *bomber = introduced(address, &options), *other = introduced(address, &options);
    struct {
        struct message message;
        const char *says;
    } bombs[] = {{many_values(), "expected tuple, found list"},
                 {many_calls(), "takes too long"},
                 {one_hash(false), "take too long"},
                 {one_hash(true), "takes too long"},
                 {long_key(), "take too long"}};
    for (size_t i = 0; i < sizeof(bombs) / sizeof(*bombs); i++) {
        prong_value reply;
        const char *kind, *text;
        int answers = answered_meanwhile(bomber, other, &bombs[i].message);
        ok(prong_link_recv_value(bomber, document, &reply, NULL, SOON));
        ok(prong_scan(reply, "(ss)", &kind, &text));
        if (!strstr(text, bombs[i].says)) test_failed(__FILE__, __LINE__, "%s", text);
        if (answers < 10) test_failed(__FILE__, __LINE__, "message %zu: %d answers for others", i, answers);
        free(bombs[i].message.data);
    }
    prong_link_close(bomber);
    prong_link_close(other);
    ended(manager);
}

/* --- killed again and again --- */

struct ring {
    prong_proxy lock, rlock, semaphore, queue, dict, condition;
    unsigned seed;
};

/* Locks, queues and dicts as they come, until killed. */
static int live_dangerously(void *argument, size_t size) {
    struct ring *ring = argument;
    prong_document *own;
    prong_value value;
    prong_proxy made;
    (void)size;
    srand(ring->seed);
    if (prong_document_open(&own, NULL) < 0) return 1;
    for (;;) {
        prong_proxy lock = rand() % 3 == 0 ? ring->lock : rand() % 2 ? ring->rlock : ring->semaphore;
        if (prong_proxy_acquire(lock, PRONG_MS(rand() % 20)) >= 0) {
            prong_proxy_call(ring->dict, "__setitem__", own, &value, SOON, "(ii)", rand() % 50, rand());
            prong_proxy_release(lock);
        }
        prong_proxy_put(ring->queue, prong_make_int(rand()), PRONG_MS(rand() % 5));
        prong_proxy_get(ring->queue, own, &value, PRONG_MS(rand() % 5));
        if (prong_proxy_acquire(ring->condition, PRONG_MS(20)) >= 0) {
            prong_proxy_call(ring->condition, rand() % 2 ? "notify" : "wait", NULL, NULL, SOON, "(i)", 0);
            prong_proxy_release(ring->condition);
        }
        if (prong_proxy_create(&made, ring->dict.manager, "list", SOON, "()") >= 0 && rand() % 2)
            prong_proxy_decref(made);
        prong_document_reset(own);
    }
}

static void storm(int method, bool socket) {
    enum { CLIENTS = 4, KILLS = 25 };
    prong_manager manager = started(method), way = socket ? by_socket(manager) : manager;
    struct ring ring = {.seed = 1};
    prong_process clients[CLIENTS];
    size_t count = 0;
    ok(prong_proxy_create(&ring.lock, way, "Lock", SOON, "()"));
    ok(prong_proxy_create(&ring.rlock, way, "RLock", SOON, "()"));
    ok(prong_proxy_create(&ring.semaphore, way, "BoundedSemaphore", SOON, "(i)", 2));
    ok(prong_proxy_create(&ring.queue, way, "Queue", SOON, "(i)", 3));
    ok(prong_proxy_create(&ring.dict, way, "dict", SOON, "()"));
    ok(prong_proxy_create(&ring.condition, way, "Condition", SOON, "()"));
    for (int i = 0; i < CLIENTS; i++, ring.seed++) clients[i] = start_with(method, live_dangerously, ring);
    for (int i = 0; i < KILLS; i++, ring.seed++) {
        test_sleep_ms(20);
        ok(prong_process_kill(clients[i % CLIENTS]));
        equal(test_end(clients[i % CLIENTS]), -SIGKILL);
        clients[i % CLIENTS] = start_with(method, live_dangerously, ring);
    }
    for (int i = 0; i < CLIENTS; i++) {
        ok(prong_process_kill(clients[i]));
        equal(test_end(clients[i]), -SIGKILL);
    }
    ok(prong_proxy_acquire(ring.lock, SOON)); /* all is free again */
    ok(prong_proxy_acquire(ring.rlock, SOON));
    ok(prong_proxy_acquire(ring.semaphore, SOON));
    ok(prong_proxy_acquire(ring.semaphore, SOON));
    ok(prong_proxy_acquire(ring.condition, SOON));
    for (int i = 0; i < 200 && count != 7; i++) { /* and only what is held here: the Condition has an RLock */
        test_sleep_ms(20);
        ok(prong_manager_count(way, &count, SOON));
    }
    equal(count, 7);
    if (socket) ok(prong_manager_destroy(way));
    ended(manager);
}

TEST_(clients_are_killed_at_random_by_socket, true, 60) {
    storm(method, true);
}
TEST_(clients_are_killed_at_random_in_the_family, true, 60) {
    storm(method, false);
}

/* --- a thousand at once --- */

enum { MANY = 1000 };
static prong_link *many[MANY];

/* Half of them wait in get while the others set and get; then all have their item. */
LONG_TEST(a_thousand_clients_at_once, 120) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < MANY + 100) test_failed(__FILE__, __LINE__, "needs %d descriptors", MANY + 100);
    prong_manager manager = started(PRONG_START_FORK);
    prong_proxy queue, dict;
    prong_value none, name, result;
    char address[400], queue_id[24], dict_id[24];
    unsigned char key[256];
    prong_link_options options = {.authkey = OPEN ? NULL : key};
    ok(prong_proxy_create(&queue, manager, "Queue", SOON, "()"));
    ok(prong_proxy_create(&dict, manager, "dict", SOON, "()"));
    snprintf(queue_id, sizeof(queue_id), "%llx", (unsigned long long)queue.id);
    snprintf(dict_id, sizeof(dict_id), "%llx", (unsigned long long)dict.id);
    ok(prong_manager_address(manager, address, sizeof(address)));
    ok(prong_manager_authkey(manager, key, sizeof(key), &options.authkey_size));
    ok(prong_make_tuple(document, NULL, 0, &none));
    ok(prong_build(document, &name, "(s)", "one of many"));
    for (int i = 0; i < MANY; i++) {
        ok(prong_link_connect(&many[i], address, &options, SOON));
        tell(many[i], NULL, "accept_connection", name);
        hear_return(many[i], &result);
    }
    for (int i = 0; i < MANY; i += 2) tell(many[i], queue_id, "get", none);
    for (int i = 1; i < MANY; i += 2) {
        prong_value pair;
        ok(prong_build(document, &pair, "(ii)", i, i * 2));
        tell(many[i], dict_id, "__setitem__", pair);
    }
    for (int i = 1; i < MANY; i += 2) hear_return(many[i], &result);
    for (int i = 0; i < MANY; i += 2) ok(prong_proxy_put(queue, prong_make_int(i), SOON));
    for (int i = 0; i < MANY; i += 2) hear_return(many[i], &result);
    ok(call(dict, &result, "__len__", SOON, "()"));
    shows(result, "500");
    for (int i = 0; i < MANY; i++) prong_link_close(many[i]);
    ended(manager);
}

static int ask_without_end(void *argument, size_t size) {
    struct order *order = argument;
    (void)size;
    say(order);
    while (prong_proxy_call(order->proxy, "__len__", NULL, NULL, SOON, "()") >= 0) {}
    return 0;
}

/* Nor does it hear that it is to end, while members always have something to ask. */
TEST(members_who_ask_without_end_hold_up_nobody_by_socket) {
    enum { ASKERS = 12, CALLS = 200 };
    prong_manager manager = started(PRONG_START_FORK), other = by_socket(manager);
    struct order order = {0};
    prong_process askers[ASKERS];
    prong_proxy seen;
    prong_value value, result;
    ok(prong_queue_create(&order.said, NULL));
    ok(prong_proxy_create(&order.proxy, manager, "dict", SOON, "()"));
    ok(prong_proxy_to_value(order.proxy, document, &value));
    ok(prong_proxy_from_value(&seen, other, value));
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = start_with(PRONG_START_FORK, ask_without_end, order);
        hear(&order);
    }
    for (int i = 0; i < CALLS; i++) ok(call(seen, &result, "__len__", SOON, "()"));
    ok(prong_manager_shutdown(manager, SOON));
    for (int i = 0; i < ASKERS; i++) equal(test_end(askers[i]), 0);
    ok(prong_queue_destroy(order.said));
    prong_document_close(document);
}

/* A proxy of the server that was at the address before is none of this one's objects. */
TEST(a_proxy_does_not_outlive_its_server) {
    char name[60];
    prong_process process;
    prong_proxy list, other;
    prong_manager manager = small_manager(&process, name);
    ok(prong_proxy_create(&list, manager, "list", SOON, "()"));
    ok(prong_process_kill(process));
    equal(test_end(process), -SIGKILL);
    prong_document_close(document);
    prong_manager again = small_manager(&process, name);
    for (int i = 0; i < 10; i++) {
        ok(prong_proxy_create(&other, again, "list", SOON, "()"));
        check(other.id != list.id);
    }
    prong_status status = call(list, NULL, "append", SOON, "(i)", 1);
    if (status == PRONG_EOF || status == PRONG_BROKEN_PIPE) status = call(list, NULL, "append", SOON, "(i)", 1);
    is(status, PRONG_REMOTE_ERROR);
    says("KeyError");
    ok(prong_manager_destroy(manager));
    small_ended(again, process);
}

TEST(a_server_serves_for_a_time_and_until_stopped) {
    prong_server *server = small_server();
    is(prong_server_run(server, PRONG_MS(20)), PRONG_TIMEOUT);
    prong_server_stop(server);
    ok(prong_server_run(server, PRONG_SECONDS(5)));
    prong_server_close(server);
}
