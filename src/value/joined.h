/* A pickle and the buffers beside it in one piece, as Python processes send large arrays to each other in a family:
 *
 *     "\0prong5\n"  size of the pickle  count of buffers  (place, size) of each  the pickle  …  buffers
 *
 * Numbers are of 64 bits, in this machine's order; places count from the beginning. No pickle begins with a zero. */
#ifndef VALUE_JOINED_H
#define VALUE_JOINED_H

#include <prong/pickle.h>

struct joined {
    const void *pickle;
    size_t pickle_size;
    prong_pickle_buffer *buffers; /* in the document */
    size_t buffer_count;
};

bool is_joined(const void *data, size_t size);
/* The buffers are copied to the document, or refer to data. Errors: PRONG_INVALID, PRONG_NO_MEMORY. */
prong_status joined_read(prong_document *document, const void *data, size_t size, bool borrow, struct joined *joined);

#endif
