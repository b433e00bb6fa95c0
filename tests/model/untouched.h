/* For models in which slabs of objects have no part: all of them count as touched. */
#ifndef MODEL_UNTOUCHED_H
#define MODEL_UNTOUCHED_H

#include "family/object.h"

static _Atomic uint8_t touched_all[TOUCHED_NUMBERS] = {[0 ... TOUCHED_NUMBERS - 1] = 1};
_Atomic uint8_t *_Atomic touched_map = touched_all;

void object_touch_slow(struct object *object) {
    (void)object;
}

#endif
