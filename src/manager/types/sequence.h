/* Arguments that are iterated over, indices and slices. */
#ifndef MANAGER_TYPES_SEQUENCE_H
#define MANAGER_TYPES_SEQUENCE_H

#include "manager/types/type.h"

/* All items of an iterable, in order; raises TypeError for what Python would not iterate over. */
prong_status iterate(prong_call *call, prong_value from, prong_value *list);
/* A proxy of an object of this server that has a value becomes that value; anything else stays. */
prong_status see_through(prong_call *call, prong_value *value);

/* As slice.indices(): where it begins, and how many there are. */
struct slice {
    int64_t start, stop, step;
    size_t count;
};
bool is_slice(prong_value value);
prong_status read_slice(prong_call *call, prong_value value, size_t size, struct slice *slice);

prong_status list_out_of_range(prong_call *call, const char *what);
/* The place of an index that may be negative; false: raised. */
bool list_place(prong_call *call, prong_value index, size_t size, const char *what, size_t *place);
/* Stores all of a list's items at the end, or none. */
prong_status items_extend(prong_call *call, struct items *items, prong_value list);
/* Returns a new iterator over these, of the call's object. */
prong_status iterator_return(prong_call *call, prong_value list);

#endif
