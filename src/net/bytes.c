#include "net/bytes.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { KEEP_BUFFER = 1 << 20 };

static bool bytes_are_lent(const struct bytes *bytes) {
    return bytes->buffer && atomic_load_explicit(&bytes->buffer->loan.holders, memory_order_acquire) > 1;
}

void bytes_clear(struct bytes *bytes) {
    if (bytes->buffer) loan_drop(&bytes->buffer->loan);
    *bytes = (struct bytes){0};
}

static prong_status bytes_no_memory(size_t capacity) {
    return fail(PRONG_NO_MEMORY, "link: no memory for %zu bytes", capacity);
}

/* Copies the bytes in use to a new buffer, and leaves the old one to the messages that are lent in it. */
static prong_status bytes_leave(struct bytes *bytes, size_t used, size_t capacity) {
    struct link_buffer *buffer = malloc(sizeof(*buffer) + capacity);
    if (!buffer) return bytes_no_memory(capacity);
    atomic_init(&buffer->loan.holders, 1);
    memcpy(buffer->data, bytes->data + bytes->start, used);
    bytes_clear(bytes);
    *bytes = (struct bytes){.buffer = buffer, .data = buffer->data, .end = used, .capacity = capacity};
    return PRONG_OK;
}

static prong_status bytes_grow(struct bytes *bytes, size_t capacity) {
    struct link_buffer *buffer = realloc(bytes->buffer, sizeof(*buffer) + capacity);
    if (!buffer) return bytes_no_memory(capacity);
    if (!bytes->buffer) atomic_init(&buffer->loan.holders, 1);
    bytes->buffer = buffer;
    bytes->data = buffer->data;
    bytes->capacity = capacity;
    return PRONG_OK;
}

prong_status bytes_reserve(struct bytes *bytes, size_t more) {
    bool lent = bytes_are_lent(bytes);
    size_t used = bytes->end - bytes->start;
    if (used == 0 && !lent) bytes->start = bytes->end = 0;
    if (more <= bytes->capacity - bytes->end) return PRONG_OK;
    if (lent) return bytes_leave(bytes, used, used + more);
    if (bytes->start) memmove(bytes->data, bytes->data + bytes->start, used);
    bytes->start = 0;
    bytes->end = used;
    if (more <= bytes->capacity - used) return PRONG_OK;
    return bytes_grow(bytes, bytes->capacity * 2 > used + more ? bytes->capacity * 2 : used + more);
}

void bytes_shrink(struct bytes *bytes) {
    if (bytes->start == bytes->end && bytes->capacity > KEEP_BUFFER) bytes_clear(bytes);
}
