/* Making a process: its options are checked, and what its child needs is kept in the arena. */
#include "base/error.h"
#include "family/heap.h"
#include "process/calls.h"
#include "process/object.h"
#include "process/strings.h"

#include <stdio.h>
#include <string.h>

static _Atomic unsigned created; /* those without a name are numbered */

/* --- options --- */

static prong_start_method options_method(const prong_process_options *o) {
    return o->program ? PRONG_START_SPAWN : o->method ? o->method : prong_get_start_method();
}

static bool options_has_value(prong_value value) {
    return prong_value_kind(value) != PRONG_KIND_NULL;
}

static prong_status options_check_target(const prong_process_options *o) {
    int targets = (o->target != NULL) + (o->value_target != NULL) + (o->target_name != NULL);
    if (targets == 0) return fail_text(PRONG_INVALID, "process: neither target, value_target nor target_name is set");
    if (targets > 1)
        return fail_text(PRONG_INVALID, "process: more than one of target, value_target and target_name is set");
    if (o->argument_size && !o->argument) return fail(PRONG_INVALID, "process: argument_size without an argument");
    if (o->argument && !o->target)
        return fail_text(PRONG_INVALID, "process: an argument of bytes for a target that is called with values");
    if (o->target && (options_has_value(o->values) || options_has_value(o->keywords)))
        return fail_text(PRONG_INVALID, "process: values for a target that is called with bytes; see value_target");
    return PRONG_OK;
}

static prong_status options_check(const prong_process_options *o) {
    if (!o) return fail_text(PRONG_INVALID, "process: no options, and so no target");
    CHECK_RESERVED(o, "process: options");
    TRY(options_check_target(o));
    if (o->name && strlen(o->name) >= MEMBER_NAME_SIZE)
        return fail(PRONG_INVALID, "process: the name '%.60s' has more than %d bytes", o->name, MEMBER_NAME_SIZE - 1);
    if ((unsigned)o->method > PRONG_START_FORKSERVER)
        return fail(PRONG_INVALID, "process: start method %d is none of prong_start_method", (int)o->method);
    if ((unsigned)o->daemon > PRONG_DAEMON_NO)
        return fail(PRONG_INVALID, "process: daemon %d is none of prong_daemon", (int)o->daemon);
    if (o->program && o->method && o->method != PRONG_START_SPAWN)
        return fail(PRONG_INVALID, "process: a program of its own is started by spawn, not by %s",
                    prong_start_method_name(o->method));
    if (o->environment && !o->program && options_method(o) != PRONG_START_SPAWN)
        return fail(PRONG_INVALID, "process: an environment of its own is for spawn, not for %s",
                    prong_start_method_name(options_method(o)));
    return PRONG_OK;
}

static bool options_inherit_daemon(void) {
    struct process *process = process_of_self();
    return process && process->daemon;
}

/* What its child calls: a call with values is a target with bytes, too. */
struct process_call {
    prong_target *target;
    const void *argument;
    size_t size;
};

/* Fills in the object. Under fork the pointer is enough; identity is for images that load elsewhere. */
static prong_status process_fill(struct process *p, const prong_process_options *o, const struct process_call *call) {
    any_function *target = (any_function *)(void *)call->target;
    p->creator = self_token();
    p->start_timeout = o->start_timeout > 0 ? (uint64_t)o->start_timeout : 0;
    p->method = options_method(o);
    p->no_wait = o->no_wait;
    p->daemon = o->daemon ? o->daemon == PRONG_DAEMON_YES : options_inherit_daemon();
    if (o->name)
        snprintf(p->name, sizeof p->name, "%s", o->name);
    else
        snprintf(p->name, sizeof p->name, "Process-%u", atomic_fetch_add(&created, 1) + 1);
    if (p->method == PRONG_START_FORK)
        p->pointer = target;
    else
        TRY(function_identify(target, &p->function));
    if (o->program) TRY(program_keep(o->program, &p->program));
    if (o->environment) TRY(environment_keep(o->environment, &p->environment));
    p->argument_size = call->size;
    if (!call->size) return PRONG_OK;
    TRY(heap_alloc(call->size, 0, &p->argument, NULL));
    memcpy(arena_at(p->argument), call->argument, call->size);
    return PRONG_OK;
}

static prong_status process_make(prong_process *handle, const prong_process_options *o,
                                 const struct process_call *call) {
    struct process *process;
    TRY(family_enter());
    TRY(object_create(KIND_PROCESS, (void **)&process));
    prong_status status = process_fill(process, o, call);
    if (status < 0) {
        object_destroy(process, object_generation(process));
        return status;
    }
    *handle = process_handle(process);
    object_publish(process);
    return PRONG_OK;
}

static prong_status process_make_with_values(prong_process *handle, const prong_process_options *o) {
    struct process_call call = {.target = call_target};
    prong_document *scratch;
    void *bytes;
    TRY(prong_document_open(&scratch, NULL));
    prong_status status =
        call_make(scratch, (any_function *)o->value_target, o->target_name, o->values, o->keywords, &bytes, &call.size);
    if (status >= 0) call.argument = bytes;
    if (status >= 0) status = process_make(handle, o, &call);
    prong_document_close(scratch);
    return status;
}

prong_status prong_process_create(prong_process *handle, const prong_process_options *options) {
    if (!handle) return fail(PRONG_INVALID, "process: no place for the handle");
    TRY(options_check(options));
    if (!options->target) return process_make_with_values(handle, options);
    struct process_call call = {options->target, options->argument, options->argument_size};
    return process_make(handle, options, &call);
}
