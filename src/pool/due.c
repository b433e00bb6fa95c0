/* The heap: each owner's `due_place` is its place in the array + 1; 0: it is not in it. */
#include "pool/due.h"
#include "pool/owner_entry.h"

#include <stdlib.h>

bool due_make_room(struct due_pools *due, size_t count) {
    if (count <= due->room) return true;
    size_t room = due->room ? due->room * 2 : 8;
    struct owner **more = realloc(due->owners, (room < count ? count : room) * sizeof(struct owner *));
    if (!more) return false;
    due->owners = more;
    due->room = room < count ? count : room;
    return true;
}

static void due_put(struct due_pools *due, size_t i, struct owner *o) {
    due->owners[i] = o;
    o->due_place = i + 1;
}

/* Puts it where it belongs, from the free place i on. */
static void due_settle(struct due_pools *due, size_t i, struct owner *o) {
    for (size_t above; i > 0 && due->owners[above = (i - 1) / 2]->due > o->due; i = above)
        due_put(due, i, due->owners[above]);
    for (size_t below; (below = 2 * i + 1) < due->count; i = below) {
        if (below + 1 < due->count && due->owners[below + 1]->due < due->owners[below]->due) below++;
        if (due->owners[below]->due >= o->due) break;
        due_put(due, i, due->owners[below]);
    }
    due_put(due, i, o);
}

static void due_take_off(struct due_pools *due, struct owner *o) {
    size_t i = o->due_place - 1;
    struct owner *last = due->owners[--due->count];
    o->due_place = 0;
    if (last != o) due_settle(due, i, last);
}

void due_set(struct due_pools *due, struct owner *o, deadline_t at) {
    if (o->due_place && at == o->due) return;
    if (o->due_place) due_take_off(due, o);
    o->due = at;
    if (at != PRONG_FOREVER) due_settle(due, due->count++, o);
}

struct owner *due_first(const struct due_pools *due) {
    return due->count ? due->owners[0] : NULL;
}

deadline_t due_at(const struct due_pools *due) {
    return due->count ? due->owners[0]->due : PRONG_FOREVER;
}
