/* Functions that workers run beside tasks: an initializer, and others. */
#include "pool/hook.h"

#include "base/error.h"
#include "family/heap.h"
#include "process/calls.h"

#include <string.h>

enum { HOOK_NOT_FOUND = 255 };

prong_status hook_check(const struct hook_wish *wish, const char *what) {
    if (wish->size && !wish->argument)
        return fail(PRONG_INVALID, "pool: %s_argument is NULL, and there are to be %zu", what, wish->size);
    if (wish->target && wish->name) return fail(PRONG_INVALID, "pool: both an %s and a name ('%s')", what, wish->name);
    return PRONG_OK;
}

static prong_status hook_prepare_named(struct hook *hook, const struct hook_wish *wish, prong_document *scratch,
                                       prong_bytes *argument) {
    struct function function;
    prong_value values = wish->values;
    void *bytes;
    TRY(function_by_name(wish->name, &function));
    hook->pointer = (any_function *)(void *)call_target;
    TRY(function_identify(hook->pointer, &hook->function));
    if (prong_value_kind(values) == PRONG_KIND_NULL) TRY(prong_build(scratch, &values, "()"));
    TRY(call_write(scratch, &function, values, prong_make_null(), &bytes, &argument->size));
    argument->data = bytes;
    return PRONG_OK;
}

prong_status hook_prepare(struct hook *hook, const struct hook_wish *wish, bool forked, prong_document *scratch,
                          prong_bytes *argument) {
    if (wish->name) return hook_prepare_named(hook, wish, scratch, argument);
    *argument = (prong_bytes){wish->argument, wish->size};
    hook->pointer = (any_function *)(void *)wish->target;
    return wish->target && !forked ? function_identify(hook->pointer, &hook->function) : PRONG_OK;
}

static prong_status hook_keep_argument(struct hook *hook, const prong_bytes *argument) {
    hook->size = argument->size;
    prong_status status = argument->size ? heap_alloc(argument->size, 0, &hook->argument, NULL) : PRONG_OK;
    if (status >= 0 && argument->size) memcpy(arena_at(hook->argument), argument->data, argument->size);
    return status;
}

prong_status hook_keep(struct hook *hook, const struct hook_wish *wish, bool forked) {
    prong_document *scratch = NULL;
    prong_bytes argument = {0};
    if (wish->name) TRY(prong_document_open(&scratch, NULL));
    prong_status status = hook_prepare(hook, wish, forked, scratch, &argument);
    if (status >= 0) status = hook_keep_argument(hook, &argument);
    prong_document_close(scratch);
    return status;
}

prong_status hook_find(const struct hook *hook, any_function **function) {
    *function = hook->pointer;
    return hook->function.place == FUNCTION_FORKED ? PRONG_OK : function_resolve(&hook->function, function);
}

int hook_call(const struct hook *hook, any_function *function) {
    return ((prong_target *)(void *)function)(hook->argument ? arena_at(hook->argument) : NULL, hook->size);
}

int hook_run(const struct hook *hook) {
    any_function *function;
    if (!hook->pointer) return 0;
    return hook_find(hook, &function) < 0 ? HOOK_NOT_FOUND : hook_call(hook, function);
}

void hook_free(struct hook *hook) {
    if (hook->argument) heap_free(hook->argument, &hook->argument);
}
