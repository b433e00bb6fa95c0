/* The task that runs, and the worker that runs it. */
#include "pool/running.h"

#include "base/local.h"
#include "family/member.h"

#include <prong/worker.h>

static struct {
    struct running running;
    void *state;
} worker;

/* In a thread that runs a task of a pool without workers: the innermost. */
static QUICK_LOCAL struct running *inlined;

static struct running *running_here(void) {
    return inlined ? inlined : &worker.running;
}

void running_as_worker(uint64_t place) {
    worker.state = NULL;
    worker.running = (struct running){.token = self_token(), .place = place, .state = &worker.state};
}

void running_enter(struct running *running, uint64_t place, void **state) {
    *running = (struct running){.token = self_token(), .place = place, .state = state, .outer = inlined};
    inlined = running;
}

void running_leave(const struct running *running) {
    inlined = running->outer;
}

void running_begin(const struct job *job, uint64_t element) {
    struct running *here = running_here();
    here->job = job;
    here->element = element;
}

void running_next(void) {
    running_here()->element++;
}

void running_end(void) {
    running_here()->job = NULL;
}

/* --- what is asked --- */

/* NULL in a process that is not its own: a child that a task forks has a copy of it. */
static const struct running *running_own(void) {
    const struct running *here = running_here();
    return here->token && here->token == self_token() ? here : NULL;
}

static const struct job *running_job(void) {
    const struct running *own = running_own();
    return own ? own->job : NULL;
}

const void *prong_task_context(size_t *size) {
    const struct job *job = running_job();
    if (size) *size = job ? job->context_size : 0;
    return job && job->context_size ? arena_at(job->context) : NULL;
}

uint64_t prong_task_seed(size_t element) {
    const struct job *job = running_job();
    return job ? prong_seed(job->seed, running_here()->element + element) : 0;
}

void **prong_worker_state(void) {
    const struct running *own = running_own();
    return own ? own->state : NULL;
}

int prong_worker_place(void) {
    const struct running *own = running_own();
    return own ? (int)own->place : -1;
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
