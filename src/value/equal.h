/* Equality, order and hash, as Python's. */
#ifndef VALUE_EQUAL_H
#define VALUE_EQUAL_H

#include "value/node.h"

/* The very same value: the same object, or the same number of the same kind. */
static inline bool value_same(prong_value a, prong_value b) {
    return a.head == b.head && a.pointer == b.pointer;
}

#endif
