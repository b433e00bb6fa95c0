/* Creating and waiting, for all objects of this layer. */
#include "base/error.h"
#include "base/periods.h"
#include "sync/sync.h"

#include <string.h>

prong_status sync_create(uint32_t kind, const void *handle, const char *name, void **object) {
    if (!handle) return fail(PRONG_INVALID, "%s create: no place for the handle", object_types[kind]->name);
    TRY(family_enter());
    TRY(object_create(kind, object));
    prong_status status = object_label(*object, name);
    if (status < 0) object_destroy(*object, object_generation(*object));
    return status;
}

void sync_publish(void *object, void *handle) {
    const uint64_t words[2] = {arena_offset(object), object_generation(object)};
    memcpy(handle, words, sizeof words);
    object_publish(object);
}

bool sync_enter(void *object, struct guard *guard, uint64_t generation) {
    if (!guard_enter(guard, PRONG_FOREVER)) return false;
    if (__builtin_expect(object_generation(object) == generation, 1)) return true;
    guard_leave(guard);
    return false;
}

bool sync_wait(struct waitq *queue, bool (*ready)(void *), void *context, void *object, void (*look)(void *object),
               deadline_t deadline) {
    if (ready(context)) return true;
    if (deadline == PRONG_NOWAIT) return false;
    if (spin_until(ready, context)) return true;
    struct waiter *waiter = waiter_begin(object);
    bool is_ready;
    while (!(is_ready = ready(context)) && !deadline_passed(deadline))
        if (!waitq_sleep(queue, ready, context, family_nap(deadline, DEAD_HOLDER)) && look) look(object);
    waiter_end(waiter);
    return is_ready;
}
