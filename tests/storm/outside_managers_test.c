/* A storm from outside over managers, in the family and by socket: what a client holds when it is struck is free again, no
 * message is lost but with a client that took one, and nobody waits for a server that is gone. Two servers are spared (the
 * family's is stopped now and then), those that members start themselves are not. */
#include "outside.h"

#include <signal.h>
#include <unistd.h>

enum { SERVERS = 2, WORKERS = 10 };

struct stage {
    prong_manager managers[SERVERS];
    prong_proxy queues[SERVERS], locks[SERVERS], semaphores[SERVERS], dicts[SERVERS];
    int number, method;
};

static prong_document *document;

static long own_slot(void) {
    return storm_self - storm->slots + 1;
}

/* --- the servers that are spared --- */

static void put(prong_proxy queue) {
    unsigned char bytes[200];
    size_t size = sizeof(struct storm_message) + storm_random(100);
    prong_value value;
    if (!storm_message(bytes, size)) return;
    storm_ok(prong_make_bytes(document, bytes, size, &value));
    prong_status done = prong_proxy_put(queue, value, PRONG_MS(storm_random(10)));
    storm_message_put(bytes, done);
    storm_is(done, status == PRONG_OK || status == PRONG_FULL);
}

static void take(prong_proxy queue) {
    prong_value value;
    const void *bytes;
    size_t size;
    storm_self->asking = 1;
    prong_status got = prong_proxy_get(queue, document, &value, PRONG_MS(storm_random(10)));
    storm_is(got, status == PRONG_OK || status == PRONG_EMPTY);
    if (!got) {
        storm_ok(prong_get_bytes(value, &bytes, &size));
        storm_message_taken(bytes, size);
    }
    storm_self->asking = 0;
}

/* Whoever was inside is dead, or on its way. */
static void use_lock(prong_proxy lock, int server) {
    _Atomic long *owner = &storm->shared[server];
    storm_ok(prong_proxy_acquire(lock, storm_patience()));
    long before = atomic_exchange(owner, own_slot());
    if (before && !storm_slot_died(&storm->slots[before - 1]))
        storm_wrong(__FILE__, __LINE__, "process %d is inside", storm->slots[before - 1].pid);
    if (storm_random(4) == 0) usleep(storm_random(3000)); /* time to die in */
    storm_check(*owner == own_slot());
    storm_check(atomic_exchange(owner, 0) == own_slot());
    storm_ok(prong_proxy_release(lock));
}

static void use_semaphore(prong_proxy semaphore) {
    storm_ok(prong_proxy_acquire(semaphore, storm_patience()));
    if (storm_random(4) == 0) usleep(storm_random(3000));
    storm_ok(prong_proxy_release(semaphore));
}

static void use_dict(prong_proxy dict) {
    prong_value value;
    int64_t got;
    long number = storm_random(1000000);
    storm_ok(prong_proxy_call(dict, "__setitem__", NULL, NULL, storm_patience(), "(ii)", (int)own_slot(), (int)number));
    storm_ok(prong_proxy_call(dict, "pop", document, &value, storm_patience(), "(i)", (int)own_slot()));
    storm_ok(prong_get_int(value, &got));
    storm_check(got == number);
}

/* An object of its own on a server, which goes with it. */
static void use_own_object(prong_manager manager) {
    prong_proxy list;
    prong_value value;
    int64_t got;
    storm_ok(prong_proxy_create(&list, manager, "list", PRONG_SECONDS(60), "([ii])", 1, (int)own_slot()));
    storm_ok(prong_proxy_call(list, "__getitem__", document, &value, storm_patience(), "(i)", 1));
    storm_ok(prong_get_int(value, &got));
    storm_check(got == own_slot());
    if (storm_random(2)) storm_ok(prong_proxy_decref(list));
}

static void use_server(struct stage *stage) {
    int i = (int)storm_random(SERVERS);
    prong_document_reset(document);
    switch (storm_random(9)) {
    case 0:
    case 1:
    case 2: put(stage->queues[i]); break;
    case 3:
    case 4: take(stage->queues[i]); break;
    case 5: use_lock(stage->locks[i], i); break;
    case 6: use_semaphore(stage->semaphores[i]); break;
    case 7: use_dict(stage->dicts[i]); break;
    default: use_own_object(stage->managers[i]);
    }
}

/* --- servers that are struck --- */

static bool server_is_gone(prong_status status) {
    return status == PRONG_BROKEN_PIPE || status == PRONG_EOF;
}

static void use_own_server(struct stage *stage) {
    prong_manager manager;
    prong_proxy list;
    prong_manager_options options = {.server.open = true, .method = (prong_start_method)stage->method};
    storm_self->begun[0] = 1;
    prong_status called = prong_manager_start(&manager, &options);
    if (called == PRONG_START_FAILED || server_is_gone(called)) return;
    storm_ok(called);
    called = prong_proxy_create(&list, manager, "list", PRONG_SECONDS(60), "()");
    for (int i = 0; i < 300 && !called; i++)
        called = prong_proxy_call(list, "append", NULL, NULL, storm_patience(), "(i)", i);
    storm_is(called, status == PRONG_OK || server_is_gone(status));
    storm_is(prong_manager_shutdown(manager, storm_patience()), status == PRONG_OK || server_is_gone(status));
}

/* --- all --- */

static int work(void *argument, size_t size) {
    struct stage *stage = argument;
    (void)size;
    storm_begin();
    storm_ok(prong_document_open(&document, NULL));
    while (!storm->stop)
        if (stage->number < 2)
            use_own_server(stage);
        else if (stage->number < 4)
            take(stage->queues[stage->number - 2]);
        else
            use_server(stage);
    return 0;
}

static prong_manager connect_stranger(void) {
    prong_manager manager;
    prong_status connected;
    for (int i = 0; (connected = prong_manager_connect(&manager, storm->text, NULL, PRONG_SECONDS(10))) && i < 500; i++)
        test_sleep_ms(20);
    ok(connected);
    return manager;
}

static void drain(struct stage *stage, int i) {
    int64_t left = 1;
    while (left > 0) {
        prong_value value;
        prong_document_reset(document);
        take(stage->queues[i]);
        ok(prong_proxy_call(stage->queues[i], "qsize", document, &value, storm_patience(), "()"));
        ok(prong_get_int(value, &left));
    }
}

/* References and locks of the dead are gone, a moment after. */
static void check_server(struct stage *stage, int i) {
    size_t count = 0;
    drain(stage, i);
    use_lock(stage->locks[i], i);
    for (int j = 0; j < 2; j++) ok(prong_proxy_acquire(stage->semaphores[i], storm_patience()));
    is(prong_proxy_acquire(stage->semaphores[i], PRONG_NOWAIT), PRONG_TIMEOUT);
    for (int64_t until = test_now() + storm_patience(); count != 4 && test_now() < until; test_sleep_ms(10))
        ok(prong_manager_count(stage->managers[i], &count, storm_patience()));
    equal(count, 4);
}

static void managers(int method) {
    struct stage stage = {.method = method};
    prong_manager_info info;
    ok(prong_manager_start(&stage.managers[0], NULL)); /* what stays open after the first use */
    ok(prong_manager_shutdown(stage.managers[0], storm_patience()));
    prong_stop_forkserver();
    int descriptors = test_open_descriptors();
    /* a server that a fork server started would end with that */
    prong_start_method by = method == PRONG_START_FORKSERVER ? PRONG_START_SPAWN : (prong_start_method)method;
    ok(prong_manager_start(&stage.managers[0], &(prong_manager_options){.server.open = true, .method = by}));
    ok(prong_manager_get_info(stage.managers[0], &info));
    storm->spared = info.pid;
    stage.managers[1] = connect_stranger();
    for (int i = 0; i < SERVERS; i++) {
        ok(prong_proxy_create(&stage.queues[i], stage.managers[i], "Queue", PRONG_SECONDS(60), "(i)", 100));
        ok(prong_proxy_create(&stage.locks[i], stage.managers[i], "Lock", PRONG_SECONDS(60), "()"));
        ok(prong_proxy_create(&stage.semaphores[i], stage.managers[i], "BoundedSemaphore", PRONG_SECONDS(60), "(i)",
                              2));
        ok(prong_proxy_create(&stage.dicts[i], stage.managers[i], "dict", PRONG_SECONDS(60), "()"));
    }
    ok(prong_document_open(&document, NULL));
    storm_crew(&(struct storm_crew){method, WORKERS, work, &stage, sizeof stage, &stage.number, NULL});
    storm_begin();
    for (int i = 0; i < SERVERS; i++) check_server(&stage, i);
    prong_document_close(document);
    check(storm_check_messages() > 0);
    ok(prong_manager_shutdown(stage.managers[0], storm_patience()));
    ok(prong_manager_destroy(stage.managers[1]));
    storm_orphans_end(method);
    /* a handle whose starter dies stays, with its server's queue and the starter's mailbox */
    long own_servers = 0;
    for (uint32_t i = 0; i < storm->next_slot; i++) own_servers += storm->slots[i].begun[0];
    storm_check_remains(descriptors, 3 * own_servers);
}

LONG_METHOD_TEST(managers_survive_a_killer_from_outside, 900) {
    storm_outside(method, managers, storm_serve_stranger);
}
