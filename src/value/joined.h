/* A pickle and the buffers beside it in one piece: see value/pickle_format.h. */
#ifndef VALUE_JOINED_H
#define VALUE_JOINED_H

#include <prong/pickle.h>

struct joined {
    const void *pickle;
    size_t pickle_size;
    prong_pickle_buffer *buffers; /* in the document */
    size_t buffer_count;
};

/* Of what is_joined. The buffers are copied to the document, or refer to data. Errors: PRONG_INVALID, PRONG_NO_MEMORY. */
prong_status joined_read(prong_document *document, const void *data, size_t size, bool borrow, struct joined *joined);

#endif
