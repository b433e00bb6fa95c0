/* Between object.c and retire.c. */
#ifndef FAMILY_RETIRE_H
#define FAMILY_RETIRE_H

#include "family/object.h"

/* Puts an object that this process is destroying on the list of those that wait to be freed. */
void object_retire(struct object *object);
/* Under the objects' guard: back to the free ones of its kind. */
void object_free_inside(struct object *object);

#endif
