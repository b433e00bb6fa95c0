/* The list of a supervisor's children. Each link is one word, so a death leaves it whole. Anybody appends, under the lock;
 * only the driver takes a child out, under the lock as well; so the driver reads the list without it.
 *
 * `loose` is the block of a child that is being added, or was taken out and not yet freed. If a process dies meanwhile, the
 * next one that takes the lock finds it there: a block that is in the list has been added, another is freed. */
#include "pool/supervisor.h"

#include "base/error.h"
#include "base/periods.h"
#include "family/heap.h"

#include <string.h>

enum { CHILDREN_MOST = 10000 };

static void supervised_free_loose(struct supervisor *s) {
    KEEP_MESSAGE;
    process_plan_destroy(s->loose_plan);
    heap_free(s->loose, &s->loose);
}

static void supervised_settle_loose(struct supervisor *s) {
    if (!s->loose) return;
    EACH_CHILD(s, child)
    if (arena_offset(child) == s->loose) s->loose = 0;
    if (s->loose) supervised_free_loose(s);
}

prong_status supervisor_lock(struct supervisor *s) {
    char what[80];
    if (lock_acquire(&s->listing, self_token(), deadline_after(STOPPED_AT_MOST)) == LOCK_TIMED_OUT)
        return lock_refused(PRONG_TIMEOUT, object_describe(s, what, sizeof what));
    supervised_settle_loose(s);
    return PRONG_OK;
}

void supervisor_unlock(struct supervisor *s) {
    lock_release(&s->listing);
}

struct supervised *supervisor_find(struct supervisor *s, const char *name) {
    EACH_CHILD(s, child)
    if (strcmp(child->name, name) == 0) return child;
    return NULL;
}

static prong_status supervised_check(struct supervisor *s, const char *name) {
    int count = 0;
    if (supervisor_find(s, name)) return fail(PRONG_EXISTS, "supervisor: two children are named '%s'", name);
    EACH_CHILD(s, child) count++;
    if (count >= CHILDREN_MOST) return fail(PRONG_INVALID, "supervisor: more than %d children", CHILDREN_MOST);
    return PRONG_OK;
}

static prong_status supervised_append(struct supervisor *s, const struct supervised *made) {
    _Atomic uint64_t *link = &s->first;
    TRY(supervised_check(s, made->name));
    s->loose_plan = made->plan;
    TRY(heap_alloc(sizeof *made, 0, &s->loose, NULL));
    memcpy(arena_at(s->loose), made, sizeof *made);
    process_plan_keep(made->plan);
    EACH_CHILD(s, child) link = &child->next;
    atomic_store(link, s->loose);
    s->loose = 0;
    return PRONG_OK;
}

prong_status supervisor_append(struct supervisor *s, struct supervised *made) {
    prong_status status = supervisor_lock(s);
    if (status >= 0) {
        status = supervised_append(s, made);
        supervisor_unlock(s);
    }
    if (status < 0) process_plan_destroy(made->plan);
    return status;
}

void supervisor_drop(struct supervisor *s, struct supervised *dropped) {
    _Atomic uint64_t *link = &s->first;
    EACH_CHILD(s, child) {
        if (child == dropped) break;
        link = &child->next;
    }
    s->loose_plan = dropped->plan;
    s->loose = arena_offset(dropped);
    atomic_store(link, atomic_load(&dropped->next));
    supervised_free_loose(s);
}

void supervisor_free_list(struct supervisor *s) {
    supervised_settle_loose(s);
    while (atomic_load(&s->first)) supervisor_drop(s, child_at(&s->first));
}
