/* Barrier: rounds, actions, and how it breaks. */
#include "../support/sync.h"
#include "../support/test.h"

#include <signal.h>
#include <unistd.h>

struct shared {
    prong_barrier barrier;
    prong_shared_value count, actions;
    int rounds, arrive_once;
};

static struct shared make(unsigned parties) {
    struct shared s = {.rounds = 200};
    ok(prong_barrier_create(&s.barrier, parties, &(prong_barrier_options){.name = "phase"}));
    ok(prong_shared_value_create(&s.count, PRONG_TYPE_OF(int), 1, NULL, NULL));
    ok(prong_shared_value_create(&s.actions, PRONG_TYPE_OF(int), 1, NULL, NULL));
    return s;
}

static void end(struct shared *s) {
    ok(prong_barrier_destroy(s->barrier));
    ok(prong_shared_value_destroy(s->count));
    ok(prong_shared_value_destroy(s->actions));
    test_arena_is_clean(0);
}

static int value_of(prong_shared_value value) {
    int number;
    ok(prong_shared_value_get(value, 0, 1, &number, PRONG_SECONDS(5)));
    return number;
}

static void wait_until_waiting(struct shared *s, unsigned wanted) {
    for (int i = 0; i < 2000 && barrier_now(s->barrier).waiting != wanted; i++) test_sleep_ms(5);
    equal(barrier_now(s->barrier).waiting, wanted);
}

static int count_round(void *context) {
    struct shared *s = context;
    ok(prong_shared_value_add(s->actions, 0, 1, NULL));
    return 0;
}

/* In each round all add 1, meet, see the same sum, meet. */
static int go_through_rounds(void *argument, size_t size) {
    struct shared *s = argument;
    int parties = (int)barrier_now(s->barrier).parties;
    unsigned index;
    (void)size;
    for (int round = 1; round <= s->rounds; round++) {
        ok(prong_shared_value_add(s->count, 0, 1, NULL));
        ok(prong_barrier_wait(s->barrier, &index, &(prong_barrier_wait_options){.action = count_round, .context = s},
                              PRONG_SECONDS(20)));
        check(index < (unsigned)parties);
        equal(value_of(s->count), round * parties);
        ok(prong_barrier_wait(s->barrier, NULL, NULL, PRONG_SECONDS(20)));
    }
    return 0;
}

METHOD_TEST(all_parties_pass_together_round_after_round) {
    struct shared s = make(4);
    prong_process processes[4];
    for (int i = 0; i < 4; i++) processes[i] = start_with(method, go_through_rounds, s);
    for (int i = 0; i < 4; i++) equal(test_end(processes[i]), 0);
    equal(value_of(s.actions), s.rounds);
    check(!barrier_now(s.barrier).broken);
    end(&s);
}

static int arrive(void *argument, size_t size) {
    struct shared *s = argument;
    unsigned index;
    (void)size;
    prong_status status = prong_barrier_wait(s->barrier, &index, NULL, PRONG_SECONDS(10));
    if (status < 0) return 100 + (int)status;
    return (int)index;
}

METHOD_TEST(each_party_has_an_index_of_its_own) {
    struct shared s = make(3);
    prong_process processes[3];
    int seen = 0;
    for (int i = 0; i < 3; i++) processes[i] = start_with(method, arrive, s);
    for (int i = 0; i < 3; i++) seen |= 1 << test_end(processes[i]);
    equal(seen, 7);
    end(&s);
}

METHOD_TEST(a_timeout_breaks_it_for_all_and_reset_begins_anew) {
    struct shared s = make(3);
    prong_process other = start_with(method, arrive, s);
    wait_until_waiting(&s, 1);
    int64_t before = test_now();
    is(prong_barrier_wait(s.barrier, NULL, NULL, PRONG_MS(60)), PRONG_TIMEOUT);
    says("barrier 'phase': 2 of 3 parties came");
    check(test_now() - before >= PRONG_MS(60));
    equal(test_end(other), 100 + PRONG_BROKEN);
    check(barrier_now(s.barrier).broken);
    is(prong_barrier_wait(s.barrier, NULL, NULL, PRONG_SECONDS(1)), PRONG_BROKEN);
    says("waited for as long as it could");
    ok(prong_barrier_reset(s.barrier));
    check(!barrier_now(s.barrier).broken);
    prong_process processes[3];
    for (int i = 0; i < 3; i++) processes[i] = start_with(method, arrive, s);
    for (int i = 0; i < 3; i++) check(test_end(processes[i]) < 3);
    end(&s);
}

METHOD_TEST(abort_and_reset_send_off_those_that_wait) {
    struct shared s = make(2);
    for (int reset = 0; reset < 2; reset++) {
        prong_process waiter = start_with(method, arrive, s);
        wait_until_waiting(&s, 1);
        ok(reset ? prong_barrier_reset(s.barrier) : prong_barrier_abort(s.barrier));
        equal(test_end(waiter), 100 + PRONG_BROKEN);
        equal(barrier_now(s.barrier).broken, !reset);
        ok(prong_barrier_reset(s.barrier));
    }
    end(&s);
}

METHOD_TEST(a_party_that_dies_waiting_breaks_it_at_once) {
    struct shared s = make(3);
    prong_process dead = start_with(method, arrive, s), alive = start_with(method, arrive, s);
    wait_until_waiting(&s, 2);
    ok(prong_process_signal(dead, SIGKILL));
    equal(test_end(alive), 100 + PRONG_BROKEN); /* long before its ten seconds, and nobody joined the dead */
    is(prong_barrier_wait(s.barrier, NULL, NULL, PRONG_SECONDS(10)), PRONG_BROKEN);
    says("died");
    equal(test_end(dead), -SIGKILL);
    end(&s);
}

static int pass_once_and_stay(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(s->arrive_once ? prong_barrier_wait(s->barrier, NULL, NULL, PRONG_SECONDS(10))
                      : prong_barrier_enroll(s->barrier));
    ok(prong_shared_value_add(s->count, 0, 1, NULL));
    test_sleep_ms(20000);
    return 0;
}

static void wait_for_count(struct shared *s, int wanted) {
    for (int i = 0; i < 2000 && value_of(s->count) != wanted; i++) test_sleep_ms(5);
    equal(value_of(s->count), wanted);
}

METHOD_TEST(a_party_that_dies_between_rounds_breaks_the_next) {
    struct shared s = make(2);
    s.arrive_once = true;
    prong_process dead = start_with(method, pass_once_and_stay, s);
    ok(prong_barrier_wait(s.barrier, NULL, NULL, PRONG_SECONDS(10)));
    wait_for_count(&s, 1);
    ok(prong_process_signal(dead, SIGKILL));
    int64_t before = test_now();
    is(prong_barrier_wait(s.barrier, NULL, NULL, PRONG_SECONDS(8)), PRONG_BROKEN);
    check(test_now() - before < PRONG_SECONDS(4));
    equal(test_end(dead), -SIGKILL);
    end(&s);
}

METHOD_TEST(an_enrolled_party_that_dies_before_it_comes_breaks_it) {
    struct shared s = make(2);
    prong_process dead = start_with(method, pass_once_and_stay, s);
    wait_for_count(&s, 1);
    ok(prong_process_signal(dead, SIGKILL));
    is(prong_barrier_wait(s.barrier, NULL, NULL, PRONG_SECONDS(8)), PRONG_BROKEN);
    equal(test_end(dead), -SIGKILL);
    end(&s);
}

METHOD_TEST(a_party_that_ended_in_good_order_may_be_replaced) {
    struct shared s = make(2);
    for (int i = 0; i < 3; i++) {
        prong_process party = start_with(method, arrive, s);
        ok(prong_barrier_wait(s.barrier, NULL, NULL, PRONG_SECONDS(10)));
        check(test_end(party) < 2);
    }
    check(!barrier_now(s.barrier).broken);
    end(&s);
}

static int fail_action(void *context) {
    (void)context;
    return 3;
}

static int die_in_action(void *context) {
    (void)context;
    raise(SIGKILL);
    return 0;
}

static int arrive_last_and_die(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    return prong_barrier_wait(s->barrier, NULL, &(prong_barrier_wait_options){.action = die_in_action},
                              PRONG_SECONDS(10));
}

METHOD_TEST(an_action_that_fails_or_dies_breaks_it) {
    struct shared s = make(2);
    prong_process waiter = start_with(method, arrive, s);
    wait_until_waiting(&s, 1);
    is(prong_barrier_wait(s.barrier, NULL, &(prong_barrier_wait_options){.action = fail_action}, PRONG_SECONDS(10)),
       PRONG_BROKEN);
    says("had 3 from its action");
    equal(test_end(waiter), 100 + PRONG_BROKEN);
    ok(prong_barrier_reset(s.barrier));
    waiter = start_with(method, arrive, s);
    wait_until_waiting(&s, 1);
    prong_process last = start_with(method, arrive_last_and_die, s);
    equal(test_end(waiter), 100 + PRONG_BROKEN);
    equal(test_end(last), -SIGKILL);
    end(&s);
}

TEST(bad_parties_and_stale_handles) {
    prong_barrier barrier;
    is(prong_barrier_create(&barrier, 0, NULL), PRONG_INVALID);
    is(prong_barrier_create(&barrier, 2000000, NULL), PRONG_INVALID);
    ok(prong_barrier_create(&barrier, 1, NULL));
    for (int i = 0; i < 100; i++) ok(prong_barrier_wait(barrier, NULL, NULL, PRONG_NOWAIT));
    ok(prong_barrier_destroy(barrier));
    is(prong_barrier_wait(barrier, NULL, NULL, PRONG_NOWAIT), PRONG_STALE);
    prong_barrier_state state = {.parties = 1};
    is(prong_barrier_get_state(barrier, &state), PRONG_STALE);
    equal(state.parties, 0);
    test_arena_is_clean(0);
}
