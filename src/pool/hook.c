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

static prong_status hook_keep_argument(struct hook *hook, const void *bytes, size_t size) {
    hook->size = size;
    prong_status status = size ? heap_alloc(size, 0, &hook->argument, NULL) : PRONG_OK;
    if (status >= 0 && size) memcpy(arena_at(hook->argument), bytes, size);
    return status;
}

static prong_status hook_keep_named(struct hook *hook, const struct hook_wish *wish) {
    prong_document *scratch;
    struct function function;
    prong_value values = wish->values;
    void *bytes;
    size_t size;
    TRY(function_by_name(wish->name, &function));
    hook->pointer = (any_function *)(void *)call_target;
    TRY(function_identify(hook->pointer, &hook->function));
    TRY(prong_document_open(&scratch, NULL));
    prong_status status = PRONG_OK;
    if (prong_value_kind(values) == PRONG_KIND_NULL) status = prong_build(scratch, &values, "()");
    if (status >= 0) status = call_write(scratch, &function, values, prong_make_null(), &bytes, &size);
    if (status >= 0) status = hook_keep_argument(hook, bytes, size);
    prong_document_close(scratch);
    return status;
}

prong_status hook_keep(struct hook *hook, const struct hook_wish *wish, bool forked) {
    if (wish->name) return hook_keep_named(hook, wish);
    hook->pointer = (any_function *)(void *)wish->target;
    if (wish->target && !forked) TRY(function_identify(hook->pointer, &hook->function));
    return hook_keep_argument(hook, wish->argument, wish->size);
}

int hook_run(const struct hook *hook) {
    any_function *function = hook->pointer;
    if (!function) return 0;
    if (hook->function.place != FUNCTION_FORKED && function_resolve(&hook->function, &function)) return HOOK_NOT_FOUND;
    return ((prong_target *)(void *)function)(hook->argument ? arena_at(hook->argument) : NULL, hook->size);
}

void hook_free(struct hook *hook) {
    if (hook->argument) heap_free(hook->argument, &hook->argument);
}
