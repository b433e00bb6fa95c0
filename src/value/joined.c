#include "value/joined.h"

#include "base/error.h"
#include "value/document.h"

#include <stdint.h>
#include <string.h>

enum { MAGIC_SIZE = 8, HEADER_SIZE = 24, PLACE_SIZE = 16 };
static const char magic[MAGIC_SIZE] = {'\0', 'p', 'r', 'o', 'n', 'g', '5', '\n'};

static uint64_t word_at(const char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

bool is_joined(const void *data, size_t size) {
    return size >= HEADER_SIZE && memcmp(data, magic, MAGIC_SIZE) == 0;
}

static prong_status bad_place(const char *what) {
    return fail(PRONG_INVALID, "pickle with buffers: %s lies outside", what);
}

static prong_status read_buffer(prong_document *document, const char *data, size_t size, const char *place, bool borrow,
                                prong_pickle_buffer *buffer) {
    uint64_t at = word_at(place), length = word_at(place + 8);
    if (at > size || length > size - at) return bad_place("a buffer");
    *buffer = (prong_pickle_buffer){.data = (void *)(uintptr_t)(data + at), .size = length, .read_only = true};
    if (borrow || length == 0) return PRONG_OK;
    void *copy = document_take(document, length);
    if (!copy) return PRONG_NO_MEMORY;
    buffer->data = memcpy(copy, data + at, length);
    return PRONG_OK;
}

prong_status joined_read(prong_document *document, const void *bytes, size_t size, bool borrow, struct joined *joined) {
    const char *data = bytes;
    uint64_t pickle_size = word_at(data + 8), count = word_at(data + 16);
    if (count > (size - HEADER_SIZE) / PLACE_SIZE) return bad_place("the list of buffers");
    size_t start = HEADER_SIZE + PLACE_SIZE * count;
    if (pickle_size > size - start) return bad_place("the pickle");
    prong_pickle_buffer *buffers = document_take(document, (count + 1) * sizeof *buffers);
    if (!buffers) return PRONG_NO_MEMORY;
    for (uint64_t i = 0; i < count; i++)
        TRY(read_buffer(document, data, size, data + HEADER_SIZE + PLACE_SIZE * i, borrow, &buffers[i]));
    *joined = (struct joined){data + start, pickle_size, buffers, count};
    return PRONG_OK;
}
