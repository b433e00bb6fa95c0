#include "value/joined.h"

#include "base/error.h"
#include "value/document.h"
#include "value/pickle_format.h"

static prong_status joined_outside(const char *what) {
    return fail(PRONG_INVALID, "pickle with buffers: %s lies outside", what);
}

static prong_status joined_read_buffer(prong_document *document, const char *data, struct joined_place place,
                                       bool borrow, prong_pickle_buffer *buffer) {
    *buffer =
        (prong_pickle_buffer){.data = (void *)(uintptr_t)(data + place.at), .size = place.size, .read_only = true};
    if (borrow || place.size == 0) return PRONG_OK;
    void *copy = document_take(document, place.size);
    if (!copy) return PRONG_NO_MEMORY;
    buffer->data = memcpy(copy, data + place.at, place.size);
    return PRONG_OK;
}

prong_status joined_read(prong_document *document, const void *data, size_t size, bool borrow, struct joined *joined) {
    struct joined_header header;
    struct joined_place place;
    const char *outside = joined_read_header(data, size, &header);
    if (outside) return joined_outside(outside);
    prong_pickle_buffer *buffers = document_take(document, (header.buffer_count + 1) * sizeof *buffers);
    if (!buffers) return PRONG_NO_MEMORY;
    for (uint64_t i = 0; i < header.buffer_count; i++) {
        if (!joined_read_place(data, size, i, &place)) return joined_outside("a buffer");
        TRY(joined_read_buffer(document, data, place, borrow, &buffers[i]));
    }
    const void *pickle = (const char *)data + joined_pickle_at(header.buffer_count);
    *joined = (struct joined){pickle, header.pickle_size, buffers, header.buffer_count};
    return PRONG_OK;
}
