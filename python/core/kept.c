/* What a pool's worker keeps of shares for its next tasks: the newest few objects that it has unpickled, and views of the memory of
 * tasks' buffers, whose pages need not be mapped again. Each is kept as long as tasks follow one another and no new one comes after the
 * share's maker has closed it. */
#include "codec.h"
#include "channel/share.h"

enum { KEPT = 8 };
static struct kept {
    prong_share share;
    PyObject *value; /* NULL: none */
    bool lent;       /* a view, which the task that runs has, and may write to */
} kept[KEPT];
static _Atomic bool kept_any;
static unsigned kept_next;
static bool keeps;

void shares_keep(void) {
    keeps = true;
}

bool shares_kept(void) {
    return kept_any;
}

/* What an object's end runs may keep others. */
void shares_give_up(void) {
    kept_any = false;
    for (int i = 0; i < KEPT; i++) Py_CLEAR(kept[i].value);
}

static struct kept *kept_find(prong_share share) {
    for (int i = 0; keeps && i < KEPT; i++)
        if (kept[i].value && kept[i].share.generation == share.generation && kept[i].share.offset == share.offset)
            return &kept[i];
    return NULL;
}

/* Nobody sends these any more. */
static void kept_give_up_left(void) {
    for (int i = 0; i < KEPT; i++)
        if (kept[i].value && share_is_left(kept[i].share)) Py_CLEAR(kept[i].value);
}

static void kept_add(prong_share share, PyObject *value, bool lent) {
    kept_give_up_left();
    unsigned i = kept_next++ % KEPT;
    PyObject *before = kept[i].value;
    kept[i] = (struct kept){share, new_reference(value), lent};
    kept_any = true;
    Py_XDECREF(before);
}

PyObject *kept_object(prong_share share) {
    struct kept *found = kept_find(share);
    if (found) return new_reference(found->value);
    PyObject *value = share_load(share);
    if (value && keeps) kept_add(share, value, false);
    return value;
}

/* Two arrays of one task have a view each. */
PyObject *kept_memory(prong_share share) {
    struct kept *found = kept_find(share);
    if (found && !found->lent) {
        found->lent = true;
        return new_reference(found->value);
    }
    PyObject *memory = share_memory(share, false);
    if (memory && keeps && !found && Py_IS_TYPE(memory, &Lent_type)) kept_add(share, memory, true);
    return memory;
}

void shares_end_task(void) {
    if (!kept_any) return;
    for (int i = 0; i < KEPT; i++) {
        PyObject *value = kept[i].value;
        if (!value || !kept[i].lent) continue;
        kept[i].lent = false;
        if (Py_REFCNT(value) > 1 || !lent_is_unwritten(value)) Py_CLEAR(kept[i].value);
    }
}
