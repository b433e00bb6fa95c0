/* A storm from outside over queues and pipes: no message is lost, but in the hands of a process that died; none is doubled, none
 * is invented. */
#include "outside.h"

#include <unistd.h>

enum { SMALL, MIXED, JOINABLE, LARGE, RETURNED, QUEUES };
enum { WORKERS = 14, LARGEST = 300000, SENDERS = 256, ROUND_TRIPS = 300, ONE_WAY = 300 };

struct stage {
    prong_queue queues[QUEUES];
    int number, method;
};

static const size_t sizes[QUEUES] = {16, 5000, 200, LARGEST, 100};
static _Alignas(64) unsigned char memory[LARGEST];

static bool ended(prong_status status) {
    return status == PRONG_SHUTDOWN || status == PRONG_STALE;
}

/* --- queues --- */

static size_t any_size(int queue) {
    size_t least = sizeof(struct storm_message);
    return least + storm_random((unsigned)(sizes[queue] - least));
}

static prong_time any_wait(void) {
    return storm_random(4) ? PRONG_MS(storm_random(5)) : PRONG_NOWAIT;
}

static void put_copy(prong_queue queue, size_t size) {
    if (!storm_message(memory, size)) return;
    prong_status put = prong_queue_put(queue, memory, size, any_wait());
    storm_message_put(memory, put);
    storm_is(put, status == PRONG_OK || status == PRONG_FULL);
}

static void put_in_place(prong_queue queue, size_t size) {
    prong_message message;
    storm_ok(prong_message_reserve(&message, size));
    if (storm_message(message.data, size)) {
        memcpy(memory, message.data, sizeof(struct storm_message));
        prong_status put = prong_queue_commit(queue, &message, any_wait());
        storm_message_put(memory, put);
        if (!put) return;
        storm_is(put, status == PRONG_FULL);
    }
    storm_ok(prong_message_release(&message));
}

static void produce(struct stage *stage) {
    int queue = (int)storm_random(QUEUES);
    if (storm_random(2))
        put_copy(stage->queues[queue], any_size(queue));
    else
        put_in_place(stage->queues[queue], any_size(queue));
}

static bool take_copy(prong_queue queue, bool too_little) {
    size_t size;
    prong_status got = prong_queue_get(queue, memory, too_little ? 4 : sizeof memory, &size, any_wait());
    if (!got) storm_message_taken(memory, size);
    storm_is(got,
             status == PRONG_OK || status == PRONG_EMPTY || ended(status) || (status == PRONG_TOO_LONG && too_little));
    return !got;
}

static bool take_in_place(prong_queue queue) {
    prong_message message;
    prong_status got = prong_queue_receive(queue, &message, any_wait());
    storm_is(got, status == PRONG_OK || status == PRONG_EMPTY || ended(status));
    if (got) return false;
    storm_message_taken(message.data, message.size);
    storm_ok(prong_message_release(&message));
    return true;
}

/* What is received goes back to the same queue, unchanged. */
static void take_and_return(prong_queue queue) {
    prong_message message;
    prong_status got = prong_queue_receive(queue, &message, any_wait());
    storm_is(got, status == PRONG_OK || status == PRONG_EMPTY || ended(status));
    if (got) return;
    storm_is(got = prong_queue_commit(queue, &message, PRONG_MS(20)),
             status == PRONG_OK || status == PRONG_FULL || ended(status));
    if (!got) return;
    storm_message_taken(message.data, message.size);
    storm_ok(prong_message_release(&message));
}

static void consume(struct stage *stage) {
    int queue = (int)storm_random(QUEUES);
    storm_self->asking = 1 + queue;
    if (queue == RETURNED && storm_random(2))
        take_and_return(stage->queues[queue]);
    else if ((storm_random(2) ? take_in_place(stage->queues[queue])
                              : take_copy(stage->queues[queue], storm_random(50) == 0)) &&
             queue == JOINABLE)
        storm_ok(prong_queue_task_done(stage->queues[JOINABLE]));
    storm_self->asking = 0;
}

static void consume_for_good(struct stage *stage) {
    while (!storm->stop) consume(stage);
}

/* --- messages of one sender come in their order --- */

/* Two queues at once, by their readiness. */
static void wait_for_some(struct stage *stage) {
    prong_waitable items[] = {{.kind = PRONG_WAIT_QUEUE, .queue = stage->queues[SMALL]},
                              {.kind = PRONG_WAIT_QUEUE, .queue = stage->queues[MIXED]}};
    storm_is(prong_wait(items, 2, NULL, PRONG_MS(30)), status == PRONG_OK || status == PRONG_TIMEOUT);
    storm_self->asking = 1;
    for (int i = 0; i < 2; i++)
        if (items[i].ready) take_in_place(items[i].queue);
    storm_self->asking = 0;
}

/* --- pipes --- */

struct end {
    prong_connection connection;
    struct stage stage;
    long count;
    uint64_t slot; /* of the one that started this, with what it is to be told; and when it began */
    bool hand_on;
};

static bool is_over(prong_status status) {
    return status == PRONG_EOF || status == PRONG_BROKEN_PIPE;
}

static int echo(void *argument, size_t size) {
    struct end *end = argument;
    storm_begin();
    for (;;) {
        prong_status got =
            prong_connection_recv_bytes_into(end->connection, memory, sizeof memory, &size, storm_patience());
        if (is_over(got)) return 0;
        storm_ok(got);
        prong_status sent = prong_connection_send_bytes(end->connection, memory, size, storm_patience());
        if (is_over(sent)) return 0;
        storm_ok(sent);
    }
}

static void round_trips(prong_connection connection) {
    for (long i = 0; i < ROUND_TRIPS && !storm->stop; i++) {
        size_t length = 16 + storm_random(i % 10 ? 300 : 100000), size;
        long got[2];
        memcpy(memory, (long[]){i, (long)length}, sizeof got);
        prong_status status_ = prong_connection_send_bytes(connection, memory, length, storm_patience());
        if (!status_)
            status_ = prong_connection_recv_bytes_into(connection, memory, sizeof memory, &size, storm_patience());
        if (is_over(status_)) return;
        storm_ok(status_);
        memcpy(got, memory, sizeof got);
        storm_check(got[0] == i && got[1] == (long)length && size == length);
    }
}

/* Of a child that was struck before it came to its target: the end may have passed to it, and the pipe be gone. */
static void end_close(const struct end *end) {
    storm_is(prong_connection_close(end->connection),
             status == PRONG_OK || status == PRONG_SHUTDOWN || status == PRONG_STALE);
}

static prong_status end_start(prong_process *process, prong_target *target, const struct end *end, bool daemon) {
    return storm_start(process, &(prong_process_options){.target = target,
                                                         .argument = end,
                                                         .argument_size = sizeof *end,
                                                         .daemon = daemon ? PRONG_DAEMON_YES : PRONG_DAEMON_NO,
                                                         .method = (prong_start_method)end->stage.method});
}

static void two_way(struct stage *stage) {
    prong_connection ours;
    struct end theirs = {.stage = *stage};
    prong_process child;
    storm_ok(prong_pipe_create(&ours, &theirs.connection, NULL));
    bool started = !end_start(&child, echo, &theirs, storm_random(2));
    if (started)
        round_trips(ours);
    else
        end_close(&theirs);
    storm_ok(prong_connection_close(ours));
    if (started) storm_end(child, stage->method);
}

static int send_all(void *argument, size_t unused) {
    struct end *end = argument;
    (void)unused;
    storm_begin();
    for (long i = 0; i < ONE_WAY; i++) {
        size_t length = 16 + storm_random(i % 10 ? 300 : 100000);
        memcpy(memory, (long[]){i, (long)length}, 2 * sizeof(long));
        prong_status sent = prong_connection_send_bytes(end->connection, memory, length, storm_patience());
        if (sent == PRONG_BROKEN_PIPE) return 0;
        storm_ok(sent);
        storm->slots[end->slot].begun[0] = i + 1;
    }
    storm->slots[end->slot].done[0] = 1; /* all is sent */
    return 0;
}

/* The rest of the messages, in their order, without a gap: each gets here, and here alone. */
static int receive_all(void *argument, size_t size) {
    struct end *end = argument;
    storm_begin();
    for (;;) {
        long got[2];
        prong_status status_ =
            prong_connection_recv_bytes_into(end->connection, memory, sizeof memory, &size, storm_patience());
        if (status_ == PRONG_EOF) break;
        storm_ok(status_);
        memcpy(got, memory, sizeof got);
        storm_check(got[0] == end->count && got[1] == (long)size);
        end->count++;
        storm->slots[end->slot].received = end->count;
        if (!end->hand_on || end->count != ONE_WAY / 3) continue;
        prong_process child;
        end->hand_on = false;
        if (end_start(&child, receive_all, end, storm_random(2))) return 0;
        storm_ok(prong_connection_close(end->connection));
        storm_end(child, end->stage.method);
        return 0;
    }
    storm->slots[end->slot].done[1] = 1; /* the end was seen */
    return 0;
}

/* Both ends are handed over; this process holds none. */
static void one_way(struct stage *stage) {
    uint64_t slot = atomic_fetch_add(&storm->next_slot, 1);
    storm_check(slot < STORM_SLOTS);
    struct end receiver = {.stage = *stage, .slot = slot, .hand_on = storm_random(2)};
    struct end sender = receiver;
    prong_process sends, receives;
    storm_ok(prong_pipe_create(&receiver.connection, &sender.connection, &(prong_pipe_options){true, 200000}));
    bool one = !end_start(&sends, send_all, &sender, storm_random(2));
    if (!one) end_close(&sender);
    bool other = !end_start(&receives, receive_all, &receiver, storm_random(2));
    if (!other) end_close(&receiver);
    if (one) storm_end(sends, stage->method);
    if (other) storm_end(receives, stage->method);
    struct storm_slot *told = &storm->slots[slot];
    storm_check(told->received <= told->begun[0] + 1);
    if (told->done[0] && told->done[1]) storm_check(told->received == ONE_WAY);
}

/* --- families in the family --- */

static int work_a_while(void *argument, size_t size) {
    struct stage *stage = argument;
    (void)size;
    storm_begin();
    for (int64_t until = test_now() + PRONG_MS(200); test_now() < until && !storm->stop;)
        if (stage->number % 2)
            produce(stage);
        else
            consume(stage);
    return 0;
}

static void foster(struct stage *stage) {
    prong_process children[3];
    bool started[3];
    for (int i = 0; i < 3; i++) {
        struct stage theirs = *stage;
        theirs.number = i;
        started[i] =
            !storm_start(&children[i], &(prong_process_options){.target = work_a_while,
                                                                .argument = &theirs,
                                                                .argument_size = sizeof theirs,
                                                                .daemon = i ? PRONG_DAEMON_YES : PRONG_DAEMON_NO,
                                                                .method = (prong_start_method)stage->method});
    }
    for (int i = 0; i < 3; i++)
        if (started[i]) storm_end(children[i], stage->method);
}

static int work(void *argument, size_t size) {
    struct stage *stage = argument;
    (void)size;
    storm_begin();
    while (!storm->stop) switch (stage->number) {
        case 0:
        case 1:
        case 2:
        case 3: produce(stage); break;
        case 4:
        case 5:
        case 6:
        case 7: consume_for_good(stage); break;
        case 8: wait_for_some(stage); break;
        case 9:
        case 10: two_way(stage); break;
        case 11:
        case 12: one_way(stage); break;
        default: foster(stage);
        }
    return 0;
}

/* --- the whole --- */

static void drain(struct stage *stage) {
    storm_begin();
    for (int i = 0; i < QUEUES; i++) {
        ok(prong_queue_shutdown(stage->queues[i]));
        for (size_t left = 1; left;) {
            bool took = take_in_place(stage->queues[i]);
            if (took && i == JOINABLE) ok(prong_queue_task_done(stage->queues[i]));
            ok(prong_queue_size(stage->queues[i], &left, NULL));
        }
    }
    prong_status joined = prong_queue_join(stage->queues[JOINABLE], storm_patience());
    if (joined == PRONG_OWNER_DIED) joined = prong_queue_join(stage->queues[JOINABLE], storm_patience());
    ok(joined);
}

static void messages(int method) {
    static const size_t maxsizes[QUEUES] = {100, 1000, 20, 5, 30};
    struct stage stage = {.method = method};
    ok(prong_family_check(NULL));
    int descriptors = test_open_descriptors();
    for (int i = 0; i < QUEUES; i++)
        ok(prong_queue_create(&stage.queues[i], &(prong_queue_options){maxsizes[i], i == JOINABLE}));
    storm_crew(&(struct storm_crew){method, WORKERS, work, &stage, sizeof stage, &stage.number, NULL});
    storm_orphans_end(method);
    drain(&stage);
    check(storm_check_messages() > 0);
    for (int i = 0; i < QUEUES; i++) ok(prong_queue_destroy(stage.queues[i]));
    storm_check_remains(descriptors, 0);
}

LONG_METHOD_TEST(queues_and_pipes_survive_a_killer_from_outside, 900) {
    storm_outside(method, messages, NULL);
}
