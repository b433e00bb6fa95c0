/* A buffer for bytes on their way in or out, in memory of this process in which messages may be lent. */
#ifndef NET_BYTES_H
#define NET_BYTES_H

#include "channel/source.h"

#include <prong/status.h>
#include <stddef.h>

/* Its holders are the struct bytes and the messages that are lent in it. While there are such messages, nothing in it
 * moves. */
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

/* Makes room for `more` bytes at the end; first reuses what was taken at the front. PRONG_NO_MEMORY. */
prong_status bytes_reserve(struct bytes *bytes, size_t more);
/* Frees the memory that a large message needed, once the buffer is empty. */
void bytes_shrink(struct bytes *bytes);
void bytes_clear(struct bytes *bytes);

#endif
