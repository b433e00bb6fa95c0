/* Equality, order and hash, as Python's. */
#ifndef VALUE_EQUAL_H
#define VALUE_EQUAL_H

#include "value/node.h"

/* The very same value: the same object, or the same number of the same kind. Numbers are no objects here, so all NaNs are one
 * (a set has at most one): which bits a NaN has does not survive a text pickle. */
static inline bool value_same(prong_value a, prong_value b) {
    if (a.head != b.head) return false;
    return a.pointer == b.pointer || (value_kind(a) == PRONG_KIND_FLOAT && a.real != a.real && b.real != b.real);
}

#endif
