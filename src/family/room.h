/* Memory control groups: a process that takes more than they allow is killed, in a container the whole family. So the
 * limit is checked before memory is taken. */
#ifndef FAMILY_ROOM_H
#define FAMILY_ROOM_H

#include <prong/status.h>
#include <stdint.h>

/* PRONG_NO_MEMORY, with the limit and its file in the message, when that many more bytes would come too close to the
 * limit. *left: how much may be taken in all. Reads files, which takes some 70 microseconds. */
prong_status room_for(uint64_t size, uint64_t *left);

#endif
