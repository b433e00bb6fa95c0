/* What clients of a server wait for: times, states, and queues that are shut down. */
#include "types_test.h"

TEST(times_that_are_no_numbers_are_refused) {
    prong_proxy proxy;
    const char *const waiting[] = {"Event", "Barrier", "Condition", "Lock", "RLock", "Semaphore"};
    begin();
    cannot_make("Barrier", "a timeout must be a number", "(ins)", 2, "soon");
    cannot_make("Barrier", "parties must be > 0", "(i)", 0);
    cannot_make("Barrier", "indices must be integers", "(s)", "two");
    cannot_make("Barrier", "runs no code that it is sent", "(is)", 2, "action");
    for (size_t i = 0; i < sizeof waiting / sizeof *waiting; i++) {
        bool is_lock = i > 2;
        make(&proxy, waiting[i], i == 1 || i == 5 ? "(i)" : "()", 2);
        if (i == 2) returns(proxy, "True", "acquire", "()");
        if (is_lock)
            raises(proxy, "a timeout must be a number, not str", "acquire", "(bs)", 1, "soon");
        else
            raises(proxy, "a timeout must be a number, not str", "wait", "(s)", "soon");
    }
    make(&proxy, "Queue", "()");
    raises(proxy, "a timeout must be a number, not str", "get", "(bs)", 1, "soon");
    raises(proxy, "'timeout' must be a non-negative number", "get", "(bd)", 1, -1.0);
    raises(proxy, "'timeout' must be a non-negative number", "put", "(ibd)", 1, 1, -1.0);
    ended(manager);
}

TEST(the_text_of_what_waits_tells_its_state) {
    prong_proxy event, barrier;
    prong_value text;
    const char *shown;
    begin();
    make(&event, "Event", "()");
    make(&barrier, "Barrier", "(in)", 3);
    ok(call(event, &text, "__str__", SOON, "()"));
    ok(prong_get_str(text, &shown, NULL));
    check(strstr(shown, "unset"));
    returns(event, "None", "set", "()");
    ok(call(event, &text, "__repr__", SOON, "()"));
    ok(prong_get_str(text, &shown, NULL));
    check(strstr(shown, "set") && !strstr(shown, "unset"));
    ok(call(barrier, &text, "__str__", SOON, "()"));
    ok(prong_get_str(text, &shown, NULL));
    check(strstr(shown, "waiters=0/3"));
    returns(barrier, "None", "abort", "()");
    ok(call(barrier, &text, "__str__", SOON, "()"));
    ok(prong_get_str(text, &shown, NULL));
    check(strstr(shown, "broken"));
    raises(barrier, "BrokenBarrierError", "wait", "()");
    raises(barrier, "has no attribute 'colour'", "__getattribute__", "(s)", "colour");
    raises(barrier, "cannot pickle 'Barrier' object", "#GETVALUE", "()");
    ended(manager);
}

TEST(a_condition_takes_a_lock_of_the_same_server) {
    prong_proxy lock, list, condition;
    prong_value value, none;
    begin();
    make(&lock, "Lock", "()");
    make(&list, "list", "()");
    ok(prong_proxy_to_value(list, document, &none));
    ok(prong_proxy_to_value(lock, document, &value));
    make(&condition, "Condition", "(v)", value);
    raises(condition, "cannot wait on un-acquired lock", "wait", "()");
    ok(prong_proxy_acquire(condition, SOON));
    returns(lock, "True", "locked", "()");
    returns(condition, "False", "wait", "(d)", 0.001);
    raises(condition, "a timeout must be a number", "wait", "(s)", "soon");
    ok(prong_proxy_release(condition));
    returns(lock, "False", "locked", "()");
    cannot_make("Condition", "must be a Lock or RLock of the same manager", "(v)", none);
    cannot_make("Condition", "must be a Lock or RLock of the same manager", "(i)", 1);
    ended(manager);
}

TEST(what_is_true_is_so_by_pythons_rules) {
    prong_proxy queue;
    prong_value item;
    begin();
    make(&queue, "Queue", "()");
    const char *const nothing[] = {"(b)", "(n)", "(i)", "([])", "(())", "({})", "(<>)"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) { /* so it does not block */
        is(call(queue, &item, "get", SOON, nothing[i], 0), PRONG_EMPTY);
        returns(queue, "None", "put", "(i)", 1);
        returns(queue, "1", "get", nothing[i], 0);
    }
    is(call(queue, &item, "get", SOON, "(s)", ""), PRONG_EMPTY);
    is(call(queue, &item, "get", SOON, "(y)", "", (size_t)0), PRONG_EMPTY);
    is(call(queue, &item, "get", SOON, "(Y)", "", (size_t)0), PRONG_EMPTY);
    is(call(queue, &item, "get", SOON, "(d)", 0.0), PRONG_EMPTY);
    /* it would wait, but for no time at all */
    is(call(queue, &item, "get", SOON, "(Di)", "100000000000000000000000", 0), PRONG_EMPTY);
    is(call(queue, &item, "get", SOON, "(ri)", prong_make_int(0), prong_make_int(0), prong_make_int(1), 0),
       PRONG_EMPTY);
    ended(manager);
}

static int get_until_shut(void *argument, size_t size) {
    struct order *order = argument;
    prong_document *own;
    prong_value item;
    (void)size;
    if (prong_document_open(&own, NULL) < 0) return 1;
    say(order);
    prong_status status = order->number == 0 ? prong_proxy_get(order->proxy, own, &item, PRONG_SECONDS(15))
                          : order->number == 1
                              ? prong_proxy_put(order->proxy, prong_make_int(2), PRONG_SECONDS(15))
                              : prong_proxy_call(order->proxy, "join", own, &item, PRONG_SECONDS(15), "()");
    prong_document_close(own);
    return status != (order->number == 2 ? PRONG_OK : PRONG_SHUTDOWN);
}

/* Whether they came to wait before or not: they end. */
METHOD_TEST(a_queue_that_is_shut_down_ends_all_waits) {
    static const int items[] = {0, 1, 1};
    manager = started(method);
    for (int number = 0; number < 3; number++) {
        struct order order = {.number = number};
        ok(prong_queue_create(&order.said, NULL));
        make(&order.proxy, "JoinableQueue", "(i)", 1);
        for (int i = 0; i < items[number]; i++) returns(order.proxy, "None", "put", "(i)", 1);
        prong_process child = start_with(method, get_until_shut, order);
        hear(&order);
        test_sleep_ms(20);
        returns(order.proxy, "None", "shutdown", "(b)", 1);
        equal(test_end(child), 0);
        raises(order.proxy, "ShutDown", "put", "(i)", 1);
        raises(order.proxy, "ShutDown", "get", "()");
        returns(order.proxy, "0", "qsize", "()");
        raises(order.proxy, "called too many times", "task_done", "()");
        ok(prong_queue_destroy(order.said));
    }
    ended(manager);
}
