/* Waits for several jobs and a queue at once: each job is handled when it ends, not in the order of submission. Then a
 * race: the first answer wins, the others are cancelled. */
#include "example.h"

enum { JOBS = 3, STEPS = 4 };

struct order {
    prong_queue news;
    prong_event finish; /* the example decides on the order of the ends */
    int number;
};

static int work_in_steps(void *argument, size_t size, prong_result *result) {
    const struct order *order = argument;
    int square = order->number * order->number;
    (void)size;
    for (int i = 0; i < STEPS; i++) must(prong_queue_put(order->news, &order->number, sizeof(int), PRONG_FOREVER));
    must(prong_event_wait(order->finish, PRONG_SECONDS(30)));
    return prong_result_set(result, &square, sizeof square);
}

static void print_result(prong_job job) {
    prong_outcome outcome;
    must(prong_job_wait(job, PRONG_NOWAIT));
    must(prong_job_outcome(job, 0, &outcome, PRONG_NOWAIT));
    printf("a job has ended: %d\n", *(int *)outcome.data);
    must(prong_job_destroy(job));
}

static void meet_all(prong_pool pool, struct order *orders, prong_queue news) {
    prong_waitable items[JOBS + 1];
    int heard = 0, number;
    for (int i = 0; i < JOBS; i++) {
        items[i] = (prong_waitable){.kind = PRONG_WAIT_JOB};
        must(prong_pool_submit(pool, PRONG_TASK(work_in_steps, orders[i]), &items[i].job, NULL));
    }
    for (size_t left = JOBS; left > 0 || heard < JOBS * STEPS;) {
        items[left] = (prong_waitable){.kind = PRONG_WAIT_QUEUE, .queue = news};
        must(prong_wait(items, left + 1, NULL, PRONG_SECONDS(30)));
        while (prong_queue_get(news, &number, sizeof number, NULL, PRONG_NOWAIT) == PRONG_OK)
            if (++heard == JOBS * STEPS) must(prong_event_set(orders[JOBS - 1].finish));
        for (size_t i = left; i-- > 0;) {
            if (!items[i].ready) continue;
            print_result(items[i].job);
            items[i] = items[--left];
            if (left > 0) must(prong_event_set(orders[left - 1].finish));
        }
    }
    printf("news: %d\n", heard);
}

static int answer_after(void *argument, size_t size, prong_result *result) {
    int milliseconds = *(int *)argument;
    (void)size;
    usleep((unsigned)milliseconds * 1000);
    return prong_result_set(result, &milliseconds, sizeof milliseconds);
}

static void race(prong_pool pool) {
    const int milliseconds[JOBS] = {25000, 10, 28000};
    prong_waitable items[JOBS];
    for (int i = 0; i < JOBS; i++) {
        items[i] = (prong_waitable){.kind = PRONG_WAIT_JOB};
        must(prong_pool_submit(pool, PRONG_TASK(answer_after, milliseconds[i]), &items[i].job, NULL));
    }
    must(prong_wait(items, JOBS, NULL, PRONG_SECONDS(20)));
    for (int i = 0; i < JOBS; i++) {
        prong_outcome outcome;
        if (!items[i].ready) must(prong_job_cancel(items[i].job, true));
        must(prong_job_outcome(items[i].job, 0, &outcome, PRONG_SECONDS(10)));
        printf("%d ms: %s\n", milliseconds[i], outcome.status == PRONG_CANCELLED ? "cancelled" : "the first");
        must(prong_job_destroy(items[i].job));
    }
}

int main(int argc, char **argv) {
    prong_pool pool;
    struct order orders[JOBS];
    prong_queue news;
    example_begin(argc, argv);
    must(prong_pool_create(&pool, &(prong_pool_options){.processes = JOBS}));
    must(prong_queue_create(&news, NULL));
    for (int i = 0; i < JOBS; i++) {
        orders[i] = (struct order){.news = news, .number = i + 1};
        must(prong_event_create(&orders[i].finish, NULL));
    }
    meet_all(pool, orders, news);
    race(pool);
    must(prong_pool_destroy(pool));
}
