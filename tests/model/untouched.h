/* For models in which slabs of objects have no part: all of them count as touched. */
#ifndef MODEL_UNTOUCHED_H
#define MODEL_UNTOUCHED_H

#include "family/object.h"

static union {
    struct touched_map map;
    uint64_t space;
} touched_all = {.space = UINT64_MAX << 32};
struct touched_map *_Atomic touched_map = &touched_all.map;

void object_touch_slow(struct object *object) {
    (void)object;
}

#endif
