/* Bytes on their way in or out, in memory of this process that messages may be lent in. */
#ifndef NET_BYTES_H
#define NET_BYTES_H

#include "channel/source.h"

#include <prong/status.h>
#include <stddef.h>

/* One of its holders is the struct bytes, messages lent in it are the others: while there are any, nothing in it moves. */
struct link_buffer {
    struct loan loan;
    char data[];
};

/* All zero: none. */
struct bytes {
    struct link_buffer *buffer;  /* NULL: none so far; messages may be lent in it */
    char *data;                  /* the buffer's */
    size_t start, end, capacity; /* data[start] up to data[end] is there */
};

/* Makes room for `more` bytes at the end. What was taken at the front goes first. PRONG_NO_MEMORY. */
prong_status bytes_reserve(struct bytes *bytes, size_t more);
/* Gives memory back that a large message needed, once nothing is in it. */
void bytes_shrink(struct bytes *bytes);
void bytes_clear(struct bytes *bytes);

#endif
