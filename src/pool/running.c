/* The task that runs, and the worker that runs it. */
#include "pool/running.h"

#include "family/member.h"

#include <prong/worker.h>

/* Of this process alone: a child that a task forks has a copy of it. */
static struct {
    uint32_t token;
    bool is_worker;
    uint64_t place;
    void *state;
    const struct job *job; /* of the task that runs, or NULL */
    uint64_t element;
} running;

static bool running_is_own(void) {
    return running.token && running.token == self_token();
}

void running_as_worker(uint64_t place) {
    running.token = self_token();
    running.is_worker = true;
    running.place = place;
    running.state = NULL;
    running.job = NULL;
}

void running_begin(const struct job *job, uint64_t element) {
    running.job = job;
    running.element = element;
}

void running_next(void) {
    running.element++;
}

void running_end(void) {
    running.job = NULL;
}

static const struct job *running_job(void) {
    return running_is_own() ? running.job : NULL;
}

/* --- what is asked --- */

const void *prong_task_context(size_t *size) {
    const struct job *job = running_job();
    if (size) *size = job ? job->context_size : 0;
    return job && job->context_size ? arena_at(job->context) : NULL;
}

uint64_t prong_task_seed(size_t element) {
    const struct job *job = running_job();
    return job ? prong_seed(job->seed, running.element + element) : 0;
}

void **prong_worker_state(void) {
    return running_is_own() && running.is_worker ? &running.state : NULL;
}

int prong_worker_place(void) {
    return running_is_own() && running.is_worker ? (int)running.place : -1;
}

/* --- seeds --- */

/* The finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): a bijection that mixes all
 * bits. */
static uint64_t seed_mix(uint64_t z) {
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* The seed is mixed first, so that neighbouring seeds do not share the seeds of their tasks. */
uint64_t prong_seed(uint64_t seed, uint64_t index) {
    const uint64_t step = 0x9e3779b97f4a7c15u;
    return seed_mix(seed_mix(seed + step) + (index + 1) * step);
}
