/* What becomes of what the dead held of a manager's objects, and of clients whose server dies. */
#include "small_server.h"

#include <signal.h>
#include <unistd.h>

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
    ok(prong_process_signal(child, SIGKILL));
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
        ok(prong_process_signal(child, SIGKILL));
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
    ok(prong_process_signal(victim, SIGKILL));
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
        ok(prong_process_signal(child, SIGKILL));
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

METHOD_TEST(a_server_that_is_killed_is_an_error_for_its_clients) {
    prong_manager manager = started(method), other = by_socket(manager);
    prong_proxy list, seen;
    prong_value value;
    ok(prong_proxy_create(&list, manager, "list", SOON, "()"));
    ok(prong_proxy_to_value(list, document, &value));
    ok(prong_proxy_from_value(&seen, other, value));
    ok(call(seen, NULL, "append", SOON, "(i)", 1));
    int pid = server_pid(manager);
    kill(pid, SIGKILL);
    is(call(list, NULL, "append", SOON, "(i)", 1), PRONG_BROKEN_PIPE);
    prong_status status = call(seen, NULL, "append", SOON, "(i)", 1);
    check(status == PRONG_EOF || status == PRONG_BROKEN_PIPE);
    is(call(seen, NULL, "append", SOON, "(i)", 1), PRONG_NOT_FOUND);
    says("nobody listens");
    ok(prong_manager_destroy(other));
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
    ok(prong_process_signal(child, SIGKILL));
    equal(test_end(child), -SIGKILL);
    ok(prong_proxy_acquire(order.proxy, SOON)); /* not held by the call that nobody waited for */
    ok(prong_queue_destroy(order.said));
    ended(manager);
}

/* A proxy of the server that was at the address before is none of this one's objects. */
TEST(a_proxy_does_not_outlive_its_server) {
    char name[60];
    prong_process process;
    prong_proxy list, other;
    prong_manager manager = small_manager(&process, name);
    ok(prong_proxy_create(&list, manager, "list", SOON, "()"));
    ok(prong_process_signal(process, SIGKILL));
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
        ok(prong_process_signal(clients[i % CLIENTS], SIGKILL));
        equal(test_end(clients[i % CLIENTS]), -SIGKILL);
        clients[i % CLIENTS] = start_with(method, live_dangerously, ring);
    }
    for (int i = 0; i < CLIENTS; i++) {
        ok(prong_process_signal(clients[i], SIGKILL));
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
