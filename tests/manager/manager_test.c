/* Managers between C processes: in the family and by socket, in every start method. What Python does with the same server is in
 * interop.py. */
#include "small_server.h"
#include "../support/service.h"

#include <signal.h>
#include <unistd.h>

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
    int pid = server_pid(manager);
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

METHOD_TEST(a_server_lives_through_ctrl_c) {
    prong_manager manager = started(method);
    prong_proxy list;
    ok(prong_proxy_create(&list, manager, "list", SOON, "()"));
    int pid = server_pid(manager);
    kill(pid, SIGINT);
    ok(call(list, NULL, "append", SOON, "(i)", 1));
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

TEST(a_format_may_have_keywords_after_the_arguments) {
    prong_manager manager = started(PRONG_START_FORK);
    prong_proxy dict, list;
    prong_value arguments, keywords, result;
    ok(prong_proxy_create(&dict, manager, "dict", SOON, "([(si)]) {s:i}", "a", 1, "b", 2));
    ok(call(dict, &result, "copy", SOON, "()"));
    shows(result, "{'a': 1, 'b': 2}");
    ok(prong_proxy_create(&list, manager, "list", SOON, "([iii])", 1, 3, 2));
    ok(call(list, NULL, "sort", SOON, "(){s:b}", "reverse", 1));
    ok(prong_build(document, &arguments, "(si)", "c", 3));
    ok(prong_build(document, &keywords, "{s:i}", "d", 4));
    ok(call(dict, NULL, "__setitem__", SOON, "v", arguments));
    ok(call(dict, NULL, "update", SOON, "()v", keywords));
    ok(call(dict, &result, "copy", SOON, "()n"));
    shows(result, "{'a': 1, 'b': 2, 'c': 3, 'd': 4}");
    ok(call(list, &result, "__getitem__", SOON, "(i)", 0));
    shows(result, "3");
    ended(manager);
}

TEST(a_format_that_makes_no_call_is_invalid) {
    prong_manager manager = started(PRONG_START_FORK);
    prong_proxy list;
    is(prong_proxy_create(&list, manager, "list", SOON, ""), PRONG_INVALID);
    is(prong_proxy_create(&list, manager, "list", SOON, "i", 1), PRONG_INVALID);
    is(prong_proxy_create(&list, manager, "list", SOON, "(){}()"), PRONG_INVALID);
    ok(prong_proxy_create(&list, manager, "list", SOON, "()"));
    is(call(list, NULL, "append", SOON, "()[i]", 1), PRONG_INVALID);
    is(call(list, NULL, "append", SOON, "[i]", 1), PRONG_INVALID);
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
    prong_status status = prong_scan(c->arguments, "(II)", &a, &b);
    return status < 0 ? status : prong_call_return(c, prong_make_int(a + b + *(int *)c->object));
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

static prong_server *small_server(void) {
    prong_server *server;
    char name[60];
    snprintf(name, sizeof(name), "@prong-manager-test-%d", (int)getpid());
    ok(small_server_open(&server, name));
    return server;
}

TEST(a_server_serves_for_a_time_and_until_stopped) {
    prong_server *server = small_server();
    is(prong_server_run(server, PRONG_MS(20)), PRONG_TIMEOUT);
    prong_server_stop(server);
    ok(prong_server_run(server, PRONG_SECONDS(5)));
    prong_server_close(server);
}

TEST(a_server_tells_the_service_manager_when_it_is_to) {
    prong_server *server;
    int service = service_begin("100000");
    ok(prong_server_open(&server, &(prong_server_options){.open = true, .notify = true}));
    check(service_hears_nothing(service));
    is(prong_server_run(server, PRONG_MS(300)), PRONG_TIMEOUT);
    service_expects(service, "READY=1\nSTATUS=serves at ");
    check(strcmp(service_hears(service), "WATCHDOG=1") == 0);
    prong_server_stop(server);
    ok(prong_server_run(server, PRONG_SECONDS(5)));
    service_expects(service, "STOPPING=1");
    prong_server_close(server);
}

METHOD_TEST(a_managers_own_process_tells_the_service_manager) {
    prong_manager manager;
    int service = service_begin(NULL);
    ok(prong_manager_start(&manager,
                           &(prong_manager_options){.method = (prong_start_method)method, .server = {.notify = true}}));
    service_expects(service, "READY=1\n");
    ok(prong_manager_shutdown(manager, PRONG_SECONDS(10)));
    service_expects(service, "STOPPING=1");
}
