/* Jobs in prong_wait, and their descriptors. */
#define _GNU_SOURCE
#include "../support/told.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

static prong_pool make(int method, unsigned processes) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = processes, .method = (prong_start_method)method}));
    return pool;
}

/* What a task does: it waits for a message, or naps; then ends as it is told. */
struct order {
    prong_queue start; /* not created: no waiting */
    int nap_ms, code;
    bool dies;
};

static int carry_out(void *argument, size_t size, prong_result *result) {
    const struct order *order = argument;
    (void)size;
    (void)result;
    if (order->start.generation) ok(prong_queue_get(order->start, &(char){0}, 1, NULL, PRONG_SECONDS(30)));
    test_sleep_ms(order->nap_ms);
    if (order->dies) raise(SIGKILL);
    return order->code;
}

static prong_job submit(prong_pool pool, struct order order) {
    prong_job job;
    ok(prong_pool_submit(pool, PRONG_TASK(carry_out, order), &job, NULL));
    return job;
}

static prong_queue make_queue(void) {
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    return queue;
}

static void put(prong_queue queue) {
    ok(prong_queue_put(queue, "x", 1, PRONG_FOREVER));
}

static prong_waitable job_item(prong_job job) {
    return (prong_waitable){.kind = PRONG_WAIT_JOB, .job = job};
}

METHOD_TEST(jobs_a_queue_an_event_and_a_process_are_waited_for_together) {
    prong_pool pool = make(method, 2);
    prong_queue start = make_queue(), queue = make_queue();
    prong_event event;
    prong_process self;
    size_t count;
    ok(prong_event_create(&event, NULL));
    prong_job job = submit(pool, (struct order){.start = start});
    prong_waitable items[] = {
        job_item(job), {.kind = PRONG_WAIT_QUEUE, .queue = queue}, {.kind = PRONG_WAIT_EVENT, .event = event}};
    is(prong_wait(items, 3, &count, PRONG_NOWAIT), PRONG_TIMEOUT);
    is(prong_wait(items, 3, &count, PRONG_MS(50)), PRONG_TIMEOUT);
    check(count == 0 && !items[0].ready && !items[1].ready && !items[2].ready);
    put(queue);
    ok(prong_wait(items, 3, &count, PRONG_SECONDS(10)));
    check(count == 1 && !items[0].ready && items[1].ready && !items[2].ready);
    ok(prong_queue_get(queue, &(char){0}, 1, NULL, PRONG_NOWAIT));
    put(start);
    ok(prong_wait(items, 3, &count, PRONG_SECONDS(10)));
    check(count == 1 && items[0].ready && !items[1].ready && !items[2].ready);
    ok(prong_job_wait(job, PRONG_NOWAIT));
    ok(prong_event_set(event));
    ok(prong_wait(items, 3, &count, PRONG_NOWAIT));
    check(count == 2 && items[0].ready && !items[1].ready && items[2].ready);
    ok(prong_job_destroy(job));
    ok(prong_current_process(&self));
    is(prong_wait(&(prong_waitable){.kind = PRONG_WAIT_PROCESS, .process = self}, 1, NULL, PRONG_NOWAIT),
       PRONG_NOT_CHILD);
    says("item 0");
    ok(prong_pool_destroy(pool));
}

/* The loop that <prong/wait.h> shows. */
METHOD_TEST(jobs_are_met_in_the_order_of_their_ends) {
    enum { COUNT = 12 };
    prong_pool pool = make(method, 4);
    prong_queue starts[COUNT];
    prong_job jobs[COUNT];
    prong_waitable items[COUNT];
    int met = 0;
    for (int i = 0; i < COUNT; i++) {
        starts[i] = make_queue();
        if (i >= 4) put(starts[i]);
        jobs[i] = submit(pool, (struct order){.start = starts[i], .code = i % 3 == 0, .dies = i == 7});
        items[i] = job_item(jobs[i]);
    }
    /* the first four occupy all workers; the third lets the others through, the others follow at the end */
    is(prong_wait(items, COUNT, NULL, PRONG_MS(50)), PRONG_TIMEOUT);
    put(starts[2]);
    for (size_t left = COUNT; left > 0;) {
        ok(prong_wait(items, left, NULL, PRONG_SECONDS(20)));
        check(left < COUNT || items[2].ready);
        for (size_t i = left; i-- > 0;) {
            if (!items[i].ready) continue;
            int which = 0;
            while (jobs[which].offset != items[i].job.offset) which++;
            is(prong_job_wait(items[i].job, PRONG_NOWAIT), which == 7       ? PRONG_WORKER_DIED
                                                           : which % 3 == 0 ? PRONG_TASK_FAILED
                                                                            : PRONG_OK);
            ok(prong_job_destroy(items[i].job));
            items[i] = items[--left];
            if (++met == COUNT - 3)
                for (int k = 0; k < 4; k++)
                    if (k != 2) put(starts[k]);
        }
    }
    ok(prong_pool_destroy(pool));
}

METHOD_TEST(the_first_of_several_jobs_wins_and_the_others_are_cancelled) {
    enum { COUNT = 3 };
    prong_pool pool = make(method, 3);
    prong_queue start = make_queue();
    prong_waitable items[COUNT];
    size_t count;
    int64_t before = test_now();
    for (int i = 0; i < COUNT; i++)
        items[i] = job_item(submit(pool, (struct order){.start = start, .nap_ms = i == 0 ? 10 : 30000}));
    for (int i = 0; i < COUNT; i++) put(start);
    ok(prong_wait(items, COUNT, &count, PRONG_SECONDS(10)));
    check(count == 1 && items[0].ready);
    for (int i = 0; i < COUNT; i++) {
        ok(prong_job_cancel(items[i].job, true));
        is(prong_job_wait(items[i].job, PRONG_SECONDS(10)), i == 0 ? PRONG_OK : PRONG_CANCELLED);
        ok(prong_job_destroy(items[i].job));
    }
    check(test_now() - before < PRONG_SECONDS(20));
    ok(prong_pool_destroy(pool));
}

static void *cancel_soon(void *job) {
    test_sleep_ms(60);
    ok(prong_job_cancel(*(prong_job *)job, true));
    return NULL;
}

static void *destroy_soon(void *job) {
    test_sleep_ms(60);
    ok(prong_job_destroy(*(prong_job *)job));
    return NULL;
}

METHOD_TEST(a_job_cancelled_or_destroyed_by_another_thread_ends_a_wait) {
    prong_pool pool = make(method, 2);
    prong_queue start = make_queue();
    pthread_t thread;
    size_t count;
    int fd;
    for (int destroyed = 0; destroyed < 2; destroyed++) {
        prong_job job = submit(pool, (struct order){.start = start}),
                  other = submit(pool, (struct order){.start = start});
        prong_waitable items[] = {job_item(job), job_item(other)};
        ok(prong_job_fileno(job, &fd));
        check(!readable(fd));
        check(pthread_create(&thread, NULL, destroyed ? destroy_soon : cancel_soon, &job) == 0);
        if (destroyed) test_sleep_ms(1);
        prong_status status = prong_wait(items, 2, &count, destroyed ? PRONG_MS(200) : PRONG_SECONDS(10));
        check(pthread_join(thread, NULL) == 0);
        if (destroyed) { /* it goes when its task has ended, which runs on */
            check(status == PRONG_TIMEOUT);
            put(start);
            put(start);
            ok(prong_wait(items, 2, &count, PRONG_SECONDS(10)));
            while (!items[0].ready || !items[1].ready) ok(prong_wait(items, 2, &count, PRONG_SECONDS(10)));
            while (prong_job_wait(job, PRONG_SECONDS(10)) != PRONG_STALE) {} /* it has ended, and is about to go */
        } else {
            ok(status);
            check(count == 1 && items[0].ready && readable(fd));
            is(prong_job_wait(job, PRONG_NOWAIT), PRONG_CANCELLED);
            ok(prong_job_destroy(job));
            put(start);
            put(start);
        }
        ok(prong_job_wait(other, PRONG_SECONDS(10)));
        ok(prong_job_destroy(other));
        /* before the wait, too */
        ok(prong_wait(items, 2, &count, PRONG_NOWAIT));
        check(count == 2 && items[0].ready && items[1].ready);
        while (prong_queue_get(start, &(char){0}, 1, NULL, PRONG_NOWAIT) == PRONG_OK) {}
    }
    ok(prong_pool_destroy(pool));
}

METHOD_TEST(more_jobs_than_stand_on_the_stack_are_waited_for) {
    enum { COUNT = 300 };
    prong_pool pool = make(method, 2);
    prong_waitable items[COUNT];
    for (int i = 0; i < COUNT; i++) items[i] = job_item(submit(pool, (struct order){.code = 0}));
    for (size_t left = COUNT; left > 0;) {
        ok(prong_wait(items, left, NULL, PRONG_SECONDS(20)));
        for (size_t i = left; i-- > 0;) {
            if (!items[i].ready) continue;
            ok(prong_job_wait(items[i].job, PRONG_NOWAIT));
            ok(prong_job_destroy(items[i].job));
            items[i] = items[--left];
        }
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- descriptors --- */

METHOD_TEST(a_jobs_descriptor_is_readable_exactly_when_it_has_ended) {
    prong_pool pool = make(method, 2);
    prong_queue start = make_queue();
    int fd, again;
    for (int i = 0; i < 10; i++) {
        prong_job job = submit(pool, (struct order){.start = start, .code = i % 2});
        if (i % 3 > 0) {
            ok(prong_job_fileno(job, &fd));
            check(!readable(fd));
            is(prong_job_wait(job, PRONG_NOWAIT), PRONG_TIMEOUT);
            check(!readable(fd));
        }
        put(start);
        if (i % 3 == 0) {
            is(prong_job_wait(job, PRONG_SECONDS(10)), i % 2 ? PRONG_TASK_FAILED : PRONG_OK);
            ok(prong_job_fileno(job, &fd));
            check(readable(fd));
        }
        check(becomes_readable(fd));
        check(test_job_has_ended(job));
        is(prong_job_wait(job, PRONG_NOWAIT), i % 2 ? PRONG_TASK_FAILED : PRONG_OK);
        ok(prong_job_fileno(job, &again));
        check(again == fd && readable(fd));
        ok(prong_job_destroy(job));
    }
    ok(prong_pool_destroy(pool));
}

TEST(an_ended_job_fires_in_epoll_by_level_and_once_by_edge) {
    prong_pool pool = make(0, 1);
    prong_queue start = make_queue();
    struct epoll_event seen;
    int fd, level = epoll_create1(0), edge = epoll_create1(0);
    prong_job job = submit(pool, (struct order){.start = start});
    ok(prong_job_fileno(job, &fd));
    check(epoll_ctl(level, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN}) == 0);
    check(epoll_ctl(edge, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN | EPOLLET}) == 0);
    equal(epoll_wait(level, &seen, 1, 0), 0);
    equal(epoll_wait(edge, &seen, 1, 0), 0);
    put(start);
    equal(epoll_wait(edge, &seen, 1, 10000), 1);
    equal(epoll_wait(edge, &seen, 1, 0), 0);
    equal(epoll_wait(level, &seen, 1, 0), 1);
    equal(epoll_wait(level, &seen, 1, 0), 1);
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
}

TEST(descriptors_and_memory_of_jobs_are_given_back) {
    prong_pool pool = make(0, 2);
    int fd, before = test_open_descriptors();
    for (int i = 0; i < 200; i++) {
        prong_job job = submit(pool, (struct order){.code = 0});
        ok(prong_job_fileno(job, &fd));
        if (i % 2) check(becomes_readable(fd));
        ok(prong_job_destroy(job));
        if (i % 2) is(prong_job_fileno(job, &fd), PRONG_STALE);
    }
    check(test_open_descriptors() <= before);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- other members --- */

struct watched {
    prong_job job;
    prong_queue replies;
    prong_status end; /* of the job's wait */
};

static int watch_a_job(void *argument, size_t size) {
    struct watched *w = argument;
    prong_waitable item = job_item(w->job);
    int fd;
    (void)size;
    ok(prong_job_fileno(w->job, &fd));
    check(!readable(fd));
    put(w->replies);
    ok(prong_wait(&item, 1, NULL, PRONG_SECONDS(20)));
    check(becomes_readable(fd));
    if (w->end == PRONG_STALE)
        while (prong_job_wait(w->job, PRONG_SECONDS(10)) != PRONG_STALE) {} /* it is about to be destroyed */
    else
        is(prong_job_wait(w->job, PRONG_NOWAIT), w->end);
    check(readable(fd));
    prong_job_destroy(w->job);
    return 0;
}

METHOD_TEST(any_member_waits_for_a_job_and_has_its_descriptor) {
    prong_pool pool = make(method, 2);
    prong_queue start = make_queue();
    struct watched w = {.replies = make_queue(), .end = PRONG_TASK_FAILED};
    w.job = submit(pool, (struct order){.start = start, .code = 3});
    prong_process child = start_with(method, watch_a_job, w);
    ok(prong_queue_get(w.replies, &(char){0}, 1, NULL, PRONG_SECONDS(10)));
    put(start);
    equal(test_end(child), 0);
    is(prong_job_wait(w.job, PRONG_NOWAIT), PRONG_STALE); /* destroyed by the child */
    ok(prong_pool_destroy(pool));
}

static int own_a_job(void *argument, size_t size) {
    struct watched w = {.replies = *(prong_queue *)argument};
    prong_pool pool = make(PRONG_START_FORK, 2);
    (void)size;
    w.job = submit(pool, (struct order){.start = make_queue()});
    ok(prong_queue_put(w.replies, &w.job, sizeof w.job, PRONG_FOREVER));
    pause();
    return 0;
}

METHOD_TEST(a_job_whose_submitter_is_killed_ends_for_those_that_wait_for_it) {
    struct watched w = {.replies = make_queue(), .end = PRONG_STALE};
    prong_process owner = start_with(PRONG_START_FORK, own_a_job, w.replies);
    ok(prong_queue_get(w.replies, &w.job, sizeof w.job, NULL, PRONG_SECONDS(10)));
    prong_process child = start_with(method, watch_a_job, w);
    ok(prong_queue_get(w.replies, &(char){0}, 1, NULL, PRONG_SECONDS(10)));
    test_sleep_ms(50);
    int pid = test_pid(owner);
    check(kill(pid, SIGKILL) == 0); /* its parent does not notice: the one that waits does */
    equal(test_end(child), 0);
    ok(prong_process_join(owner, PRONG_SECONDS(10)));
}

TEST(a_forked_child_has_its_parents_descriptor_of_a_job) {
    prong_pool pool = make(PRONG_START_FORK, 1);
    prong_queue start = make_queue(), replies = make_queue();
    prong_job job = submit(pool, (struct order){.start = start});
    int fd, again, status;
    ok(prong_job_fileno(job, &fd));
    pid_t child = fork();
    if (child == 0) {
        check(!readable(fd));
        put(replies);
        check(becomes_readable(fd));
        ok(prong_job_fileno(job, &again));
        _exit(again != fd);
    }
    ok(prong_queue_get(replies, &(char){0}, 1, NULL, PRONG_SECONDS(10)));
    put(start);
    check(waitpid(child, &status, 0) == child && status == 0);
    check(becomes_readable(fd));
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
}

static void kill_some_worker(prong_pool pool) {
    prong_worker workers[3];
    size_t count;
    ok(prong_pool_workers(pool, workers, 3, &count, NULL));
    int pid = workers[rand() % 3].pid;
    if (pid) kill(pid, SIGKILL);
}

/* Workers die in the middle of ending tasks and of ringing. */
LONG_METHOD_TEST(descriptors_of_jobs_are_right_while_workers_are_killed, 120) {
    enum { AT_ONCE = 6 };
    prong_pool pool = make(method, 3);
    for (int round = 0; round < 40; round++) {
        struct pollfd polls[AT_ONCE];
        prong_job jobs[AT_ONCE];
        struct order order = {.nap_ms = 0};
        prong_bytes arguments[20];
        for (int i = 0; i < 20; i++) arguments[i] = (prong_bytes){&order, sizeof order};
        for (int i = 0; i < AT_ONCE; i++) {
            prong_work work = {.task = carry_out, .arguments = arguments, .count = 20};
            ok(prong_pool_submit(pool, &work, &jobs[i], &(prong_task_options){.retries = 20}));
            polls[i].events = POLLIN;
            ok(prong_job_fileno(jobs[i], &polls[i].fd));
        }
        kill_some_worker(pool);
        for (int left = AT_ONCE; left > 0;) {
            check(poll(polls, AT_ONCE, 10000) > 0);
            for (int i = 0; i < AT_ONCE; i++) {
                if (polls[i].fd < 0 || !polls[i].revents) continue;
                prong_status status = prong_job_wait(jobs[i], PRONG_NOWAIT);
                if (status == PRONG_TIMEOUT) continue; /* taken back by a death: the wait has silenced it */
                ok(status);
                ok(prong_job_destroy(jobs[i]));
                polls[i].fd = -1;
                left--;
            }
        }
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}
