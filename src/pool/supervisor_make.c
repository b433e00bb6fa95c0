/* A supervisor's child: its options are checked and kept, as a plan of the process that it is to be. */
#include "pool/supervisor.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const prong_time GRACE_USUAL = PRONG_SECONDS(5), START_USUAL = PRONG_SECONDS(60);

static bool child_has_target(const prong_process_options *o) {
    return o->target || o->value_target || o->target_name;
}

static prong_status child_check_program(const prong_child_options *o, const char *name) {
    if (!o->program && (o->environment || o->directory || o->end_descendants))
        return fail(PRONG_INVALID, "child '%s': environment, directory and end_descendants are of a program", name);
    if (!o->program) return PRONG_OK;
    if (!o->program[0] || !o->program[0][0]) return fail(PRONG_INVALID, "child '%s': a program without a name", name);
    if (o->process.program || o->process.environment || o->process.argument || o->process.argument_size)
        return fail(PRONG_INVALID, "child '%s': of process, only method is for a program", name);
    for (const char *const *entry = o->environment; entry && *entry; entry++)
        if (**entry == '=' || !strchr(*entry, '='))
            return fail(PRONG_INVALID, "child '%s': '%.60s' in its environment is not of the form NAME=value", name,
                        *entry);
    return PRONG_OK;
}

static prong_status child_check(const prong_child_options *o, const char *name) {
    CHECK_RESERVED(o, "supervisor create: child");
    CHECK_RESERVED(&o->process, "supervisor create: child's process");
    if (child_has_target(&o->process) == (o->program != NULL))
        return fail(PRONG_INVALID, "child '%s': %s", name,
                    o->program ? "a target, and a program" : "neither a target nor a program");
    if (o->process.name || o->process.daemon)
        return fail(PRONG_INVALID, "child '%s': process.name and process.daemon are the supervisor's to set", name);
    if ((unsigned)o->restart > PRONG_RESTART_TEMPORARY)
        return fail(PRONG_INVALID, "child '%s': restart %d is none of prong_restart", name, (int)o->restart);
    if (o->grace < 0) return fail(PRONG_INVALID, "child '%s': its grace is below 0", name);
    return child_check_program(o, name);
}

static prong_status child_plan(const struct supervisor *s, struct supervised *child, const prong_child_options *o) {
    unsigned ways = s->stop_on_signals ? PROCESS_UNBLOCKS : 0;
    prong_process_options process = o->process;
    void *argument = NULL;
    if (o->end_descendants) ways |= PROCESS_ENDS_ITSELF;
    if (o->program) ways |= PROCESS_TELLS_BEGUN;
    process.name = child->name;
    process.daemon = PRONG_DAEMON_YES;
    if (o->program) {
        TRY(guard_argument(o, child->grace, &argument, &process.argument_size));
        process.target = guard_main;
        process.argument = argument;
    }
    prong_status status = process_plan_create(&child->plan, &process, ways);
    free(argument);
    if (status < 0) return fail_again(status, "child '%s'", child->name);
    process_plan_notify(child->plan, s->wake);
    return PRONG_OK;
}

prong_status supervised_make(struct supervisor *s, struct supervised *child, const prong_child_options *o) {
    uint64_t number = atomic_fetch_add(&s->named, 1) + 1;
    if (o->name && strlen(o->name) >= sizeof child->name)
        return fail(PRONG_INVALID, "child %d: the name '%.60s' has more than %zu bytes", (int)number, o->name,
                    sizeof child->name - 1);
    if (o->name)
        snprintf(child->name, sizeof child->name, "%s", o->name);
    else
        snprintf(child->name, sizeof child->name, "Child-%d", (int)number);
    TRY(child_check(o, child->name));
    child->restart = o->restart;
    child->is_program = o->program != NULL;
    child->grace = o->grace ? o->grace : GRACE_USUAL;
    child->exitcode = PRONG_NO_RETURNCODE;
    child->start_within = o->process.start_timeout > 0 ? o->process.start_timeout : START_USUAL;
    return child_plan(s, child, o);
}
