/* Faults in the calls that one process makes: of the family, of channels, locks, shared values, memory, values. */
#include "../support/sync.h"
#include "faults.h"
#include "inject.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_THE_BEGINNING = TRY_ONCE | TRY_TO_THE_END | EACH_ERROR | WITHOUT_FAMILY };

SCENARIO_(a_family_begins_when_it_is_told_to, AT_THE_BEGINNING) {
    void *memory;
    sure(prong_family_create(&(prong_family_options){.arena_size = 128 << 20}));
    gives(prong_family_create(&(prong_family_options){.arena_size = 128 << 20}), PRONG_ALREADY_STARTED);
    sure(prong_memory_alloc(100, &memory));
    sure(prong_memory_free(memory));
}

/* Where there is no memory for an arena of the usual size, it is smaller. */
SCENARIO_(a_family_begins_with_the_first_call, AT_THE_BEGINNING) {
    prong_queue queue;
    char text[8];
    sure(prong_queue_create(&queue, NULL));
    sure(prong_queue_put(queue, "first", 6, PRONG_NOWAIT));
    sure(prong_queue_get(queue, text, sizeof(text), NULL, PRONG_NOWAIT));
    must_hold(!strcmp(text, "first"));
    sure(prong_queue_destroy(queue));
}

/* All of them live at once: each needs a row of its own. */
static void *call_in_a_thread(void *depth) {
    static prong_event event;
    pthread_t next;
    intptr_t left = (intptr_t)depth;
    if (!event.generation) sure(prong_event_create(&event, NULL));
    sure(prong_event_set(event));
    must_hold(prong_event_is_set(event));
    if (left > 0 && pthread_create(&next, NULL, call_in_a_thread, (void *)(left - 1)) != 0) abort();
    if (left > 0) pthread_join(next, NULL);
    return NULL;
}

SCENARIO(threads_begin_with_any_call) {
    call_in_a_thread((void *)100);
}

SCENARIO(the_arena_gives_and_takes_memory) {
    void *memory[20];
    for (int i = 0; i < 20; i++) sure(prong_memory_alloc((size_t)1 << i, &memory[i]));
    for (int i = 0; i < 20; i++) sure(prong_memory_free(memory[i]));
    sure(prong_family_trim());
    sure(prong_family_check(NULL));
    char text[100];
    sure(prong_family_report(text, sizeof(text), NULL, NULL));
    prong_member members[2];
    size_t count;
    sure(prong_family_members(members, 2, &count));
    must_hold(count == 1);
}

SCENARIO(queues_carry_messages) {
    prong_queue queue;
    char text[64], *large = calloc(1, 300000);
    size_t size;
    int descriptor;
    prong_message message;
    sure(prong_queue_create(&queue, &(prong_queue_options){.maxsize = 3}));
    sure(prong_queue_put(queue, "one", 4, PRONG_NOWAIT));
    sure(prong_queue_put(queue, large, 300000, PRONG_NOWAIT));
    sure(prong_message_reserve(&message, 100));
    sure(prong_queue_commit(queue, &message, PRONG_NOWAIT));
    gives(prong_queue_put(queue, "four", 5, PRONG_MS(1)), PRONG_FULL);
    sure(prong_queue_get(queue, text, sizeof(text), &size, PRONG_NOWAIT));
    must_hold(size == 4 && !strcmp(text, "one"));
    gives(prong_queue_get(queue, text, sizeof(text), &size, PRONG_NOWAIT), PRONG_TOO_LONG);
    sure(prong_queue_receive(queue, &message, PRONG_NOWAIT));
    must_hold(message.size == 300000);
    sure(prong_message_release(&message));
    sure(prong_queue_fileno(queue, &descriptor));
    sure(prong_queue_receive(queue, &message, PRONG_NOWAIT));
    must_hold(message.size == 100);
    sure(prong_message_release(&message));
    gives(prong_queue_get(queue, text, sizeof(text), &size, PRONG_MS(1)), PRONG_EMPTY);
    for (int i = 0; i < 40; i++) {
        sure(prong_queue_put(queue, &i, sizeof(i), PRONG_NOWAIT));
        sure(prong_queue_get(queue, text, sizeof(text), &size, PRONG_NOWAIT));
        int got;
        memcpy(&got, text, sizeof(got));
        must_hold(got == i);
    }
    sure(prong_queue_shutdown(queue));
    gives(prong_queue_put(queue, "x", 1, PRONG_NOWAIT), PRONG_SHUTDOWN);
    sure(prong_queue_destroy(queue));
    free(large);
}

/* Another process, which has no faults, holds a descriptor of the queue until it is killed. */
static pid_t start_holder(prong_queue queue) {
    struct fault_plan *plan = fault_plan;
    int ready[2], descriptor;
    char byte;
    if (pipe(ready)) abort();
    fault_plan = NULL;
    pid_t pid = fork();
    if (pid == 0) {
        if (prong_queue_fileno(queue, &descriptor) < 0 || write(ready[1], "", 1) != 1) _exit(1);
        for (;;) pause();
    }
    fault_plan = plan;
    if (read(ready[0], &byte, 1) != 1) abort();
    for (int i = 0; i < 2; i++) close(ready[i]);
    return pid;
}

SCENARIO_(a_descriptor_is_shared_with_another_process, TRY_ONCE | EACH_ERROR) {
    prong_queue queue;
    int descriptor;
    sure(prong_queue_create(&queue, NULL));
    pid_t holder = start_holder(queue);
    sure(prong_queue_fileno(queue, &descriptor));
    struct pollfd one = {.fd = descriptor, .events = POLLIN};
    must_hold(poll(&one, 1, 0) == 0);
    sure(prong_queue_put(queue, "x", 1, PRONG_NOWAIT));
    must_hold(poll(&one, 1, 10000) == 1); /* by the pipe that both have open, or by its address */
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    sure(prong_queue_destroy(queue));
}

SCENARIO(an_unlimited_queue_grows) {
    prong_queue queue;
    int got;
    size_t size;
    sure(prong_queue_create(&queue, &(prong_queue_options){.joinable = true}));
    for (int i = 0; i < 400; i++) sure(prong_queue_put(queue, &i, sizeof(i), PRONG_NOWAIT));
    for (int i = 0; i < 400; i++) {
        sure(prong_queue_get(queue, &got, sizeof(got), &size, PRONG_NOWAIT));
        must_hold(got == i);
        sure(prong_queue_task_done(queue));
    }
    sure(prong_queue_join(queue, PRONG_NOWAIT));
    sure(prong_queue_destroy(queue));
}

SCENARIO(pipes_carry_messages) {
    prong_connection first, second;
    char text[64], *large = calloc(1, 300000);
    size_t size;
    int descriptor;
    prong_message message;
    sure(prong_pipe_create(&first, &second, NULL));
    sure(prong_connection_send_bytes(first, "there", 6, PRONG_NOWAIT));
    sure(prong_connection_send_bytes(second, "back", 5, PRONG_NOWAIT));
    sure(prong_connection_send_bytes(first, large, 300000, PRONG_SECONDS(5)));
    sure(prong_connection_poll(second, PRONG_NOWAIT));
    sure(prong_connection_recv_bytes_into(second, text, sizeof(text), &size, PRONG_NOWAIT));
    must_hold(size == 6 && !strcmp(text, "there"));
    sure(prong_connection_recv_bytes(second, 0, &message, PRONG_NOWAIT));
    must_hold(message.size == 300000);
    sure(prong_message_release(&message));
    sure(prong_connection_fileno(second, &descriptor));
    sure(prong_message_reserve(&message, 1000));
    sure(prong_connection_commit(first, &message, PRONG_NOWAIT));
    sure(prong_connection_recv_bytes(second, 0, &message, PRONG_NOWAIT));
    sure(prong_message_release(&message));
    gives(prong_connection_poll(second, PRONG_MS(1)), PRONG_TIMEOUT);
    sure(prong_connection_close(second));
    gives(prong_connection_send_bytes(first, "x", 1, PRONG_NOWAIT), PRONG_BROKEN_PIPE);
    sure(prong_connection_recv_bytes_into(first, text, sizeof(text), &size, PRONG_NOWAIT));
    must_hold(!strcmp(text, "back"));
    gives(prong_connection_recv_bytes_into(first, text, sizeof(text), &size, PRONG_NOWAIT), PRONG_EOF);
    sure(prong_connection_close(first));
    free(large);
}

SCENARIO(values_go_through_channels) {
    prong_queue queue;
    prong_connection first, second;
    prong_document *document;
    prong_value value, got;
    sure(prong_document_open(&document, NULL));
    sure(prong_build(document, &value, "{s:[iiis], s:(dy), s:v}", "a", 1, 2, 3, "text", "b", 2.5, "bytes", (size_t)5,
                     "c", prong_make_bool(true)));
    sure(prong_queue_create(&queue, NULL));
    sure(prong_queue_put_value(queue, value, PRONG_NOWAIT));
    sure(prong_queue_get_value(queue, document, &got, PRONG_NOWAIT));
    must_hold(prong_value_equal(value, got));
    sure(prong_pipe_create(&first, &second, NULL));
    sure(prong_connection_send_value(first, value, PRONG_NOWAIT));
    sure(prong_connection_recv_value(second, document, &got, NULL, PRONG_NOWAIT));
    must_hold(prong_value_equal(value, got));
    sure(prong_connection_close(first));
    sure(prong_connection_close(second));
    sure(prong_queue_destroy(queue));
    prong_document_close(document);
}

SCENARIO(locks_are_taken_and_released) {
    prong_lock lock;
    prong_lock rlock;
    sure(prong_lock_create(&lock, &(prong_lock_options){.name = "lock"}));
    sure(prong_lock_create(&rlock, &(prong_lock_options){.recursive = true}));
    for (int i = 0; i < 2; i++) {
        sure(prong_lock_acquire(lock, PRONG_SECONDS(5)));
        gives(prong_lock_acquire(lock, PRONG_MS(1)), PRONG_TIMEOUT);
        sure(prong_lock_acquire(rlock, PRONG_SECONDS(5)));
        sure(prong_lock_acquire(rlock, PRONG_NOWAIT));
        sure(prong_lock_release(rlock));
        sure(prong_lock_release(rlock));
        sure(prong_lock_release(lock));
    }
    gives(prong_lock_release(lock), PRONG_NOT_OWNER);
    sure(prong_lock_destroy(lock));
    sure(prong_lock_destroy(rlock));
}

SCENARIO(semaphores_events_conditions_and_barriers_work) {
    prong_semaphore semaphore, bounded;
    prong_event event;
    prong_condition condition;
    prong_barrier barrier;
    unsigned number;
    sure(prong_semaphore_create(&semaphore, 1, &(prong_semaphore_options){.recover = true}));
    sure(prong_semaphore_create(&bounded, 1, &(prong_semaphore_options){.bounded = true}));
    sure(prong_semaphore_acquire(semaphore, PRONG_NOWAIT));
    gives(prong_semaphore_acquire(semaphore, PRONG_MS(1)), PRONG_TIMEOUT);
    sure(prong_semaphore_release(semaphore));
    must_hold(prong_semaphore_value(semaphore) == 1);
    sure(prong_semaphore_acquire(bounded, PRONG_NOWAIT));
    sure(prong_semaphore_release(bounded));
    sure(prong_event_create(&event, NULL));
    gives(prong_event_wait(event, PRONG_MS(1)), PRONG_TIMEOUT);
    sure(prong_event_set(event));
    sure(prong_event_wait(event, PRONG_NOWAIT));
    sure(prong_event_clear(event));
    sure(prong_condition_create(&condition, NULL));
    sure(prong_lock_acquire(condition_lock(condition), PRONG_NOWAIT));
    gives(prong_condition_wait(condition, PRONG_MS(1)), PRONG_TIMEOUT);
    sure(prong_condition_notify(condition, 1));
    sure(prong_condition_notify(condition, PRONG_ALL));
    sure(prong_lock_release(condition_lock(condition)));
    sure(prong_barrier_create(&barrier, 1, NULL));
    sure(prong_barrier_wait(barrier, &number, NULL, PRONG_NOWAIT));
    sure(prong_barrier_enroll(barrier));
    sure(prong_barrier_reset(barrier));
    sure(prong_semaphore_destroy(semaphore));
    sure(prong_semaphore_destroy(bounded));
    sure(prong_event_destroy(event));
    sure(prong_condition_destroy(condition));
    sure(prong_barrier_destroy(barrier));
}

SCENARIO(shared_values_are_read_and_changed) {
    prong_shared_value value;
    prong_shared_value array;
    int64_t number = 5, before;
    double many[100] = {0};
    sure(prong_shared_value_create(&value, PRONG_TYPE_OF(int64_t), 1, &number, NULL));
    sure(prong_shared_value_get(value, 0, 1, &number, PRONG_SECONDS(5)));
    must_hold(number == 5);
    number = 6;
    sure(prong_shared_value_set(value, 0, 1, &number, PRONG_SECONDS(5)));
    sure(prong_shared_value_add(value, 0, 1, &before));
    must_hold(before == 6);
    prong_lock lock;
    sure(prong_shared_value_get_lock(value, &lock));
    sure(prong_lock_acquire(lock, PRONG_NOWAIT));
    sure(prong_lock_release(lock));
    sure(prong_shared_value_create(&array, PRONG_TYPE_DOUBLE, 100, NULL, NULL));
    sure(prong_shared_value_set(array, 0, 100, many, PRONG_SECONDS(5)));
    sure(prong_shared_value_get(array, 50, 50, many, PRONG_SECONDS(5)));
    sure(prong_shared_value_destroy(value));
    sure(prong_shared_value_destroy(array));
}

SCENARIO(a_share_is_made_and_read) {
    prong_share share, committed;
    prong_message message;
    const void *data;
    sure(prong_share_create(&share, "table", 6, NULL));
    sure(prong_message_reserve(&message, 100000));
    sure(prong_share_commit(&committed, &message, NULL));
    sure(prong_share_open(share, &data, NULL));
    sure(prong_share_close(share));
    sure(prong_share_close(share));
    sure(prong_share_close(committed));
}

SCENARIO(shared_memory_has_a_name_or_a_handle) {
    prong_shared_value block;
    prong_shared_memory made, attached;
    void *data;
    size_t size;
    sure(prong_shared_value_create(&block, PRONG_TYPE_UCHAR, 100000, NULL,
                                   &(prong_shared_value_options){.unlocked = true}));
    sure(prong_shared_value_data(block, &data, &size));
    must_hold(size == 100000);
    sure(prong_shared_value_destroy(block));
    sure(prong_shared_memory_create(&made, NULL, 10000));
    memcpy(made.data, "in it", 6);
    sure(prong_shared_memory_open(&attached, made.name));
    must_hold(!strcmp(attached.data, "in it"));
    sure(prong_shared_memory_close(&attached));
    sure(prong_shared_memory_unlink(made.name));
    sure(prong_shared_memory_close(&made));
}

SCENARIO(what_is_waited_for_is_found) {
    prong_queue queue;
    prong_event event;
    prong_connection first, second;
    sure(prong_queue_create(&queue, NULL));
    sure(prong_event_create(&event, NULL));
    sure(prong_pipe_create(&first, &second, NULL));
    int ends[2];
    if (pipe(ends)) abort();
    prong_waitable items[] = {{.kind = PRONG_WAIT_QUEUE, .queue = queue},
                              {.kind = PRONG_WAIT_CONNECTION, .connection = second},
                              {.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = ends[0]}};
    size_t ready = 0;
    gives(prong_wait(items, 3, &ready, PRONG_MS(1)), PRONG_TIMEOUT);
    sure(prong_connection_send_bytes(first, "x", 1, PRONG_NOWAIT));
    sure(prong_wait(items, 3, &ready, PRONG_SECONDS(5)));
    must_hold(ready == 1 && items[1].ready);
    sure(prong_queue_put(queue, "x", 1, PRONG_NOWAIT));
    if (write(ends[1], "x", 1) != 1) abort();
    sure(prong_wait(items, 3, &ready, PRONG_SECONDS(5)));
    must_hold(ready == 3);
    close(ends[0]);
    close(ends[1]);
    sure(prong_connection_close(first));
    sure(prong_connection_close(second));
    sure(prong_event_destroy(event));
    sure(prong_queue_destroy(queue));
}

SCENARIO(values_are_made_copied_and_pickled) {
    prong_document *document, *other;
    prong_value list, dict, value, copy, big, set;
    prong_pickle pickle;
    char text[4000];
    sure(prong_document_open(&document, NULL));
    sure(prong_document_open(&other, NULL));
    sure(prong_make_list(document, NULL, 0, &list));
    sure(prong_make_dict(document, NULL, 0, &dict));
    for (int i = 0; i < 40; i++) {
        sure(prong_list_append(document, list, prong_make_int(i)));
        sure(prong_dict_set(document, dict, prong_make_int(i), list));
        must_hold(prong_value_size(list) == (size_t)i + 1 && prong_value_size(dict) == (size_t)i + 1);
    }
    sure(prong_dict_set_text(document, dict, "text", prong_make_float(0.5)));
    sure(prong_build(document, &big, "D", "123456789012345678901234567890123456789012345678901234567890"));
    sure(prong_make_set(document, &big, 1, &set));
    sure(prong_build(document, &value, "(vvvsSyYIUzdb<i>)", list, dict, set, "text", "str", (size_t)3, "bytes",
                     (size_t)5, "array", (size_t)5, (int64_t)-1, UINT64_MAX, (size_t)1, 0.25, 1, 7));
    sure(prong_value_copy(other, value, &copy));
    must_hold(prong_value_equal(value, copy));
    sure(prong_value_repr(value, text, sizeof(text), NULL));
    sure(prong_value_json(list, text, sizeof(text), NULL));
    for (int protocol = 1; protocol <= 5; protocol++) {
        prong_pickle_options options = {.protocol = protocol};
        prong_value read;
        sure(prong_pickle_dumps(document, value, &pickle, &options));
        sure(prong_pickle_loads(other, pickle.data, pickle.size, &read, NULL));
        must_hold(prong_value_equal(value, read));
    }
    prong_document_reset(other);
    prong_object object = {.module = "some", .name = "Class", .by_new = true, .has_state = true, .state = dict};
    sure(prong_make_object(document, &object, &copy));
    prong_document_close(other);
    prong_document_close(document);
}
