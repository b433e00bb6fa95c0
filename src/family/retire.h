/* What object.c and retire.c need of each other. */
#ifndef FAMILY_RETIRE_H
#define FAMILY_RETIRE_H

#include "family/object.h"

/* Puts an object that this process is destroying on the list of those that wait to be freed. */
void object_retire(struct object *object);
/* Under the objects' guard: puts it back on the free list of its kind. */
void object_free_inside(struct object *object);

#endif
