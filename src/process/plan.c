/* Plans: a process object that is never started, from which processes are made that run the same. */
#include "base/error.h"
#include "family/heap.h"
#include "process/object.h"

#include <string.h>

/* A forked child has its parent's addresses, but the process that copies the plan may be another image. */
static void plan_identify(struct process *plan) {
    if (plan->pointer && function_identify(plan->pointer, &plan->function) < 0)
        memset(&plan->function, 0, sizeof plan->function);
}

prong_status process_plan_create(prong_process *handle, const prong_process_options *options, unsigned ways) {
    struct process *plan;
    TRY(prong_process_create(handle, options));
    TRY(process_find(*handle, &plan));
    plan->ways = ways;
    plan_identify(plan);
    return PRONG_OK;
}

void process_plan_keep(prong_process handle) {
    struct process *plan;
    if (process_find(handle, &plan) >= 0) plan->plan = 1;
}

void process_plan_notify(prong_process handle, prong_event begun) {
    struct process *plan;
    if (process_find(handle, &plan) >= 0) plan->begun = begun;
}

void process_plan_destroy(prong_process handle) {
    KEEP_MESSAGE;
    ignore_status(object_destroy_handle(KIND_PROCESS, handle.offset, handle.generation));
}

static prong_status plan_copy_block(uint64_t from, uint64_t *into) {
    if (!from) return PRONG_OK;
    uint64_t size = heap_header(from)->wanted;
    TRY(heap_alloc(size, 0, into, NULL));
    memcpy(arena_at(*into), arena_at(from), size);
    return PRONG_OK;
}

/* The pointer of another image is not one of this. */
static prong_status plan_copy_function(const struct process *plan, struct process *p) {
    p->function = plan->function;
    p->pointer = plan->pointer;
    if (!plan->pointer || plan->creator == self_token()) return PRONG_OK;
    if (plan->function.place == FUNCTION_FORKED)
        return fail(PRONG_NO_FUNCTION,
                    "process '%s': its function is in no object file, and so only its creator has it", plan->name);
    return function_resolve(&plan->function, &p->pointer);
}

static prong_status plan_copy(const struct process *plan, struct process *p) {
    p->creator = self_token();
    p->method = plan->method;
    p->daemon = plan->daemon;
    p->start_timeout = plan->start_timeout;
    p->no_wait = plan->no_wait;
    p->ways = plan->ways;
    p->begun = plan->begun;
    p->argument_size = plan->argument_size;
    memcpy(p->name, plan->name, sizeof p->name);
    TRY(plan_copy_function(plan, p));
    TRY(plan_copy_block(plan->program, &p->program));
    TRY(plan_copy_block(plan->environment, &p->environment));
    return plan_copy_block(plan->argument, &p->argument);
}

prong_status process_create_planned(prong_process handle, prong_process *process) {
    struct process *plan, *p;
    TRY(process_find(handle, &plan));
    TRY(object_create(KIND_PROCESS, (void **)&p));
    prong_status status = plan_copy(plan, p);
    if (status < 0) {
        object_destroy(p, object_generation(p));
        return status;
    }
    *process = process_handle(p);
    object_publish(p);
    return PRONG_OK;
}
