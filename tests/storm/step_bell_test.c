/* Death at every instruction of what rings, silences, makes and takes down the bell of a queue or an event: once the dead one is
 * buried, each descriptor is readable exactly if there is something to take, or the event is set. */
#define _GNU_SOURCE
#include "step.h"

#include <poll.h>

static int bell;

static bool readable(void) {
    struct pollfd one = {.fd = bell, .events = POLLIN};
    return poll(&one, 1, 0) == 1;
}

static void put_one(struct stage *stage) {
    prong_queue_put(stage->queue, "x", 1, PRONG_NOWAIT);
}

static void get_one(struct stage *stage) {
    char byte;
    prong_queue_get(stage->queue, &byte, 1, NULL, PRONG_NOWAIT);
}

static void hang_bell(struct stage *stage) {
    ok(prong_queue_fileno(stage->queue, &bell));
}

static void hang_bell_and_put(struct stage *stage) {
    hang_bell(stage);
    put_one(stage);
}

static void hang_no_bell(struct stage *stage) {
    (void)stage;
}

static void verify_bell(struct stage *stage) {
    size_t count;
    ok(prong_queue_fileno(stage->queue, &bell));
    ok(prong_queue_size(stage->queue, &count, NULL));
    equal(readable(), count > 0);
    while (count-- > 0) get_one(stage);
    check(!readable());
    for (int i = 0; i < 2; i++) {
        put_one(stage);
        check(readable());
        get_one(stage);
        check(!readable());
    }
}

LONG_TEST(put_that_rings, 240) {
    kill_everywhere(&(struct operation){hang_bell, join_family, put_one, verify_bell, 13});
}

LONG_TEST(get_that_silences, 240) {
    kill_everywhere(&(struct operation){hang_bell_and_put, join_family, get_one, verify_bell, 13});
}

LONG_TEST(get_in_vain, 240) {
    kill_everywhere(&(struct operation){hang_bell, join_family, get_one, verify_bell, 37});
}

static void open_bell(struct stage *stage) {
    int descriptor;
    prong_queue_fileno(stage->queue, &descriptor);
}

LONG_TEST(fileno_that_makes_the_bell, 240) {
    kill_everywhere(&(struct operation){hang_no_bell, join_family, open_bell, verify_bell, 61});
}

static void open_put_and_get(struct stage *stage) {
    open_bell(stage);
    put_one(stage);
    get_one(stage);
}

LONG_TEST(fileno_put_and_get, 240) {
    kill_everywhere(&(struct operation){hang_no_bell, join_family, open_put_and_get, verify_bell, 127});
}

static void destroy(struct stage *stage) {
    prong_queue_destroy(stage->queue);
}

static void verify_destroyed(struct stage *stage) {
    size_t count;
    bool there = prong_queue_size(stage->queue, &count, NULL) == PRONG_OK;
    equal(readable(), !there);
    prong_queue_destroy(stage->queue);
    ok(prong_queue_create(&stage->queue, NULL));
}

LONG_TEST(destroy_of_what_has_a_bell, 240) {
    kill_everywhere(&(struct operation){hang_bell, join_family, destroy, verify_destroyed, 61});
}

/* --- an event --- */

static void make_event(struct stage *stage) {
    ok(prong_event_create(&stage->event, NULL));
}

static void hang_bell_of_event(struct stage *stage) {
    make_event(stage);
    ok(prong_event_fileno(stage->event, &bell));
}

static void hang_bell_of_event_and_set(struct stage *stage) {
    hang_bell_of_event(stage);
    ok(prong_event_set(stage->event));
}

static void verify_event(struct stage *stage) {
    ok(prong_event_fileno(stage->event, &bell));
    equal(readable(), prong_event_is_set(stage->event));
    ok(prong_event_clear(stage->event));
    check(!readable());
    for (int i = 0; i < 2; i++) {
        ok(prong_event_set(stage->event));
        check(readable());
        ok(prong_event_clear(stage->event));
        check(!readable());
    }
    ok(prong_event_destroy(stage->event));
}

static void set_event(struct stage *stage) {
    prong_event_set(stage->event);
}

static void clear_event(struct stage *stage) {
    prong_event_clear(stage->event);
}

LONG_TEST(set_that_rings, 240) {
    kill_everywhere(&(struct operation){hang_bell_of_event, join_family, set_event, verify_event, 13});
}

LONG_TEST(clear_that_silences, 240) {
    kill_everywhere(&(struct operation){hang_bell_of_event_and_set, join_family, clear_event, verify_event, 13});
}

static void open_set_and_clear(struct stage *stage) {
    int descriptor;
    prong_event_fileno(stage->event, &descriptor);
    prong_event_set(stage->event);
    prong_event_clear(stage->event);
}

LONG_TEST(fileno_set_and_clear, 240) {
    kill_everywhere(&(struct operation){make_event, join_family, open_set_and_clear, verify_event, 127});
}

static void destroy_event(struct stage *stage) {
    prong_event_destroy(stage->event);
}

static void verify_destroyed_event(struct stage *stage) {
    int fd;
    bool there = prong_event_fileno(stage->event, &fd) == PRONG_OK;
    equal(readable(), !there);
    prong_event_destroy(stage->event);
}

LONG_TEST(destroy_of_an_event_that_has_a_bell, 240) {
    kill_everywhere(&(struct operation){hang_bell_of_event, join_family, destroy_event, verify_destroyed_event, 61});
}
