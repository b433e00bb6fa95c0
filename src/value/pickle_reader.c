/* The reader's memory, and how it begins and ends. */
#include "value/pickle_reader.h"
#include "value/joined.h"
#include <stdlib.h>

enum {
    VALUES_MAX = 1 << 22, /* on the stack, unless the options say otherwise */
    STEPS_A_BYTE = 64
};

prong_status reader_grow(void *array, size_t *capacity, size_t unit, const void *fixed, size_t least) {
    void **at = array;
    size_t wanted = *capacity * 2 > least ? *capacity * 2 : least;
    void *larger = realloc(*at == fixed ? NULL : *at, wanted * unit);
    if (!larger) return fail(PRONG_NO_MEMORY, "no memory for %zu values at once", wanted);
    if (*at == fixed && fixed) memcpy(larger, fixed, *capacity * unit);
    *at = larger;
    *capacity = wanted;
    return PRONG_OK;
}

prong_status reader_grow_stack(struct reader *r) {
    if (r->count >= r->max_values) return fail(PRONG_TOO_LONG, "more than %zu values at once", r->max_values);
    return reader_grow(&r->stack, &r->capacity, sizeof(prong_value), r->fixed_stack, 0);
}

prong_status reader_underflow(const struct reader *r) {
    return r->mark_count ? malformed("too few values above the MARK") : malformed("the stack has too few values");
}

prong_status reader_too_much_work(void) {
    return fail_text(PRONG_TOO_LONG, "keys and calls take too long (max_steps)");
}

void reader_begin(struct reader *r, prong_document *document, const void *data, size_t size,
                  const prong_unpickle_options *options) {
    r->document = document;
    r->options = options;
    r->start = r->at = r->opcode = data;
    r->end = r->pause_at = r->at + size;
    r->protocol = 0;
    r->buffers = 0;
    r->max_depth = options && options->max_depth && options->max_depth < DEPTH_MAX ? options->max_depth : DEPTH_MAX;
    r->max_values = options && options->max_values ? options->max_values : VALUES_MAX;
    r->steps_left = options && options->max_steps ? options->max_steps : (size + 4096) * STEPS_A_BYTE;
    r->slice_end = SIZE_MAX;
    r->sliced = false;
    r->pending.from = r->pending.end = 0;
    r->stack = r->fixed_stack;
    r->marks = r->fixed_marks;
    r->memo = r->fixed_memo;
    r->capacity = FIXED_STACK;
    r->mark_capacity = FIXED_MARKS;
    r->memo_capacity = FIXED_MEMO;
    r->own = NULL;
    r->own_count = r->own_capacity = 0;
    r->count = r->floor = r->mark_count = r->memo_size = r->memo_entries = 0;
}

void reader_end(struct reader *r) {
    if (r->stack != r->fixed_stack) free(r->stack);
    if (r->marks != r->fixed_marks) free(r->marks);
    if (r->memo != r->fixed_memo) free(r->memo);
    free(r->own);
}

prong_status reader_take_apart(prong_document *document, const void **data, size_t *size,
                               prong_unpickle_options *options) {
    struct joined joined;
    if (options->buffers) return fail_text(PRONG_INVALID, "pickle: buffers are handed over, and others are in it");
    TRY(joined_read(document, *data, *size, options->borrow_bytes, &joined));
    options->buffers = joined.buffers;
    options->buffer_count = joined.buffer_count;
    *data = joined.pickle;
    *size = joined.pickle_size;
    return is_joined(*data, *size) ? fail_text(PRONG_INVALID, "pickle: one with buffers in another") : PRONG_OK;
}
