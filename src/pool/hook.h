/* Functions that workers run beside tasks, with an argument of bytes, as the pool in the arena keeps them. */
#ifndef POOL_HOOK_H
#define POOL_HOOK_H

#include "process/function.h"

#include <prong/target.h>
#include <prong/work.h>
#include <stdbool.h>

/* All zero: there is none. */
struct hook {
    struct function function;
    any_function *pointer; /* in workers that are forked from the owner's image */
    uint64_t argument, size;
};

/* What a caller has asked for: a target and its argument, or a name and its values; or neither. */
struct hook_wish {
    prong_target *target;
    const void *argument;
    size_t size;
    const char *name;
    prong_value values; /* a tuple, or null */
};

/* What makes no sense together. what: "initializer", for messages. Errors: PRONG_INVALID. */
prong_status hook_check(const struct hook_wish *wish, const char *what);
/* forked: the workers are copies of this image. A hook that was kept in part is freed by hook_free. Errors: PRONG_INVALID,
 * PRONG_NO_MEMORY, PRONG_NO_FUNCTION; as prong_pickle_dumps. */
prong_status hook_keep(struct hook *hook, const struct hook_wish *wish, bool forked);
/* Fills in the function; the argument is for the caller to keep: it is the wish's, or lies in scratch. */
prong_status hook_prepare(struct hook *hook, const struct hook_wish *wish, bool forked, prong_document *scratch,
                          prong_bytes *argument);
/* In a worker. Errors: as function_resolve. */
prong_status hook_find(const struct hook *hook, any_function **function);
int hook_call(const struct hook *hook, any_function *function);
/* Runs it. What it returns; 0 where there is none, 255 where it is not found here. */
int hook_run(const struct hook *hook);
void hook_free(struct hook *hook);

#endif
