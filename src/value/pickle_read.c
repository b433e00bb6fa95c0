/* Reading pickles: the opcodes, and the whole. */
#include "value/document.h"
#include "value/number.h"
#include "value/pickle_reader.h"
#include "value/reader.h"
#include "value/text.h"
#include <stdlib.h>

enum {
    MEMO_LEAST = 1 << 16, /* memo indices that are allowed in any pickle; else not beyond its length */
    BORROW_LEAST = 64,
    /* A slice ends after so many bytes, or steps of work; no opcode takes more than so many steps. */
    SLICE_BYTES = 16384,
    SLICE_STEPS = 1 << 15,
    OPCODE_STEPS = 1 << 22
};

/* --- numbers --- */

static prong_status read_long(struct reader *r, size_t width) {
    const unsigned char *bytes;
    size_t size;
    prong_value value = prong_make_int(0);
    if (width == 4 && r->end - r->at >= 4 && r->at[3] & 0x80) return malformed("an int of negative length");
    TRY(reader_take_counted(r, width, &bytes, &size));
    if (size) TRY(make_int(r->document, bytes, size, &value));
    return reader_push(r, value);
}

static inline prong_status read_binfloat(struct reader *r) {
    const unsigned char *bytes;
    TRY(reader_take(r, 8, &bytes));
    return reader_push(r, prong_make_float(pickle_float_at(bytes)));
}

static inline prong_status read_binint(struct reader *r) {
    uint64_t word;
    TRY(reader_take_number(r, 4, &word));
    return reader_push(r, prong_make_int((int32_t)(uint32_t)word));
}

/* --- text and bytes --- */

static inline prong_status read_counted_text(struct reader *r, size_t width) {
    const unsigned char *bytes;
    size_t size;
    prong_value value;
    TRY(reader_take_counted(r, width, &bytes, &size));
    char *copy = reader_copy_ascii(r, bytes, size);
    if (__builtin_expect(copy != NULL, 1)) return reader_push_new(r, value_of_kind(PRONG_KIND_STR, size, copy));
    if (!utf8_valid((const char *)bytes, size, NULL)) return malformed("text that is not UTF-8");
    TRY(make_text(r->document, PRONG_KIND_STR, bytes, size, &value));
    return reader_push_new(r, value);
}

static inline prong_status read_counted_bytes(struct reader *r, size_t width) {
    const unsigned char *bytes;
    size_t size;
    prong_value value;
    TRY(reader_take_counted(r, width, &bytes, &size));
    if (size >= BORROW_LEAST && r->options && r->options->borrow_bytes)
        value = value_of_kind(PRONG_KIND_BYTES, size, bytes);
    else
        TRY(make_text(r->document, PRONG_KIND_BYTES, bytes, size, &value));
    return reader_push(r, value);
}

static prong_status read_bytearray(struct reader *r) {
    const unsigned char *bytes;
    size_t size;
    prong_value value;
    TRY(reader_take_counted(r, 8, &bytes, &size));
    TRY(make_bytearray(r->document, bytes, size, &value));
    return reader_push(r, value);
}

/* --- the memo --- */

static bool reader_is_lost(prong_value value) {
    return value_kind(value) == PRONG_KIND_OBJECT && !value_object(value)->node.index;
}

/* To as many entries as the whole pickle has, if the rest is like what was read; but not much larger at once than what is
 * used, since the rest may be different. */
static prong_status memo_grow(struct reader *r, size_t least) {
    size_t length = (size_t)(r->end - r->start), done = (size_t)(r->at - r->start);
    size_t expected = r->memo_capacity * (length / done + 1), most = r->memo_capacity * 16;
    if (expected > most) expected = most;
    return reader_grow(&r->memo, &r->memo_capacity, sizeof(prong_value), r->fixed_memo,
                       least > expected ? least : expected);
}

static prong_status memo_put(struct reader *r, uint64_t index) {
    TRY(reader_has(r, 1));
    reader_note_kept(*reader_top(r));
    size_t length = (size_t)(r->end - r->start);
    if (index >= (length > MEMO_LEAST ? length : MEMO_LEAST))
        return fail(PRONG_TOO_LONG, "memo index %llu in a pickle of %zu bytes", (unsigned long long)index, length);
    if (index >= r->memo_capacity) TRY(memo_grow(r, index + 1));
    while (r->memo_size <= index) r->memo[r->memo_size++].head = UNSET;
    if (r->memo[index].head == UNSET) r->memo_entries++;
    r->memo[index] = *reader_top(r);
    return PRONG_OK;
}

static inline prong_status memo_add(struct reader *r) {
    size_t index = r->memo_entries;
    if (__builtin_expect(index == r->memo_size && index < r->memo_capacity && r->count > r->floor, 1)) {
        reader_note_kept(*reader_top(r));
        r->memo[index] = *reader_top(r);
        r->memo_size++;
        r->memo_entries++;
        return PRONG_OK;
    }
    return memo_put(r, index);
}

static inline prong_status memo_get(struct reader *r, uint64_t index) {
    if (index >= r->memo_size || r->memo[index].head == UNSET)
        return fail(PRONG_INVALID, "nothing is stored in the memo at %llu", (unsigned long long)index);
    return reader_push(r, r->memo[index]);
}

/* A call dropped from the stack is one made for what it does, which is nothing here. */
static prong_status read_pop(struct reader *r) {
    if (r->count == r->floor && r->mark_count) {
        r->floor = r->marks[--r->mark_count];
        return PRONG_OK;
    }
    TRY(reader_has(r, 1));
    r->count--;
    return reader_is_lost(r->stack[r->count]) ? malformed("the result of a call is dropped") : PRONG_OK;
}

static prong_status read_pop_mark(struct reader *r) {
    const prong_value *items;
    size_t count;
    TRY(reader_close_mark(r, &items, &count));
    for (size_t i = 0; i < count; i++)
        if (reader_is_lost(items[i])) return malformed("the result of a call is dropped");
    return PRONG_OK;
}

/* --- tuples, and what is empty --- */

/* The last `count` values become a tuple. */
static inline prong_status read_tuple(struct reader *r, size_t count) {
    TRY(reader_has(r, count));
    prong_value value;
    TRY(make_tuple(r->document, reader_top(r) + 1 - count, count, &value));
    TRY(reader_check_depth(r, value));
    r->count -= count - 1;
    *reader_top(r) = value;
    return PRONG_OK;
}

static prong_status read_marked_tuple(struct reader *r) {
    const prong_value *items;
    size_t count;
    prong_value value;
    TRY(reader_close_mark(r, &items, &count));
    TRY(make_tuple(r->document, items, count, &value));
    TRY(reader_check_depth(r, value));
    return reader_push(r, value);
}

static inline prong_status read_empty(struct reader *r, prong_kind kind) {
    struct node *node;
    TRY(make_node(r->document, kind == PRONG_KIND_LIST ? sizeof(struct list_node) : sizeof(struct table_node), &node));
    return reader_push_new(r, value_of_kind(kind, 0, node));
}

/* --- buffers beside the pickle --- */

static prong_status read_buffer(struct reader *r) {
    prong_value value;
    if (!r->options || r->buffers >= r->options->buffer_count)
        return fail(PRONG_INVALID, "buffer %zu was not handed over", r->buffers);
    const prong_pickle_buffer *buffer = &r->options->buffers[r->buffers++];
    TRY(make_bytes_node(r->document, PRONG_KIND_BUFFER, buffer->data, buffer->size, buffer->read_only, &value));
    return reader_push(r, value);
}

static prong_status read_readonly(struct reader *r) {
    TRY(reader_has(r, 1));
    prong_value from = *reader_top(r);
    if (value_kind(from) == PRONG_KIND_BYTES) return PRONG_OK;
    if (value_kind(from) != PRONG_KIND_BUFFER && value_kind(from) != PRONG_KIND_BYTEARRAY)
        return expected("a buffer", from);
    return make_bytes_node(r->document, PRONG_KIND_BUFFER, value_bytes(from)->data, value_bytes(from)->size, true,
                           reader_top(r));
}

/* --- all opcodes --- */

static prong_status read_frame(struct reader *r) {
    uint64_t size;
    TRY(reader_take_number(r, 8, &size));
    return size > (size_t)(r->end - r->at) ? malformed("a frame goes past the end") : PRONG_OK;
}

static prong_status read_protocol(struct reader *r) {
    uint64_t protocol;
    TRY(reader_take_number(r, 1, &protocol));
    if (protocol > PRONG_PICKLE_PROTOCOL) return fail(PRONG_INVALID, "unsupported protocol %d", (int)protocol);
    r->protocol = (int)protocol;
    return PRONG_OK;
}

static prong_status read_other(struct reader *r, enum opcode opcode) {
    uint64_t number;
    switch (opcode) {
    case OP_PROTO: return read_protocol(r);
    case OP_FRAME: return read_frame(r);
    case OP_POP: return read_pop(r);
    case OP_POP_MARK: return read_pop_mark(r);
    case OP_DUP: TRY(reader_has(r, 1)); return reader_push(r, *reader_top(r));
    case OP_INT: return read_int_line(r);
    case OP_LONG: return read_long_line(r);
    case OP_FLOAT: return read_float_line(r);
    case OP_STRING: return read_quoted_line(r);
    case OP_BINSTRING: return read_binstring(r, 4);
    case OP_SHORT_BINSTRING: return read_binstring(r, 1);
    case OP_UNICODE: return read_unicode_line(r);
    case OP_LIST: return read_marked_list(r);
    case OP_DICT: return read_marked_table(r, PRONG_KIND_DICT);
    case OP_FROZENSET: return read_marked_table(r, PRONG_KIND_FROZENSET);
    case OP_GET: TRY(read_index_line(r, &number)); return memo_get(r, number);
    case OP_PUT: TRY(read_index_line(r, &number)); return memo_put(r, number);
    case OP_GLOBAL: return read_global(r);
    case OP_STACK_GLOBAL: return read_stack_global(r);
    case OP_REDUCE: return read_call(r, false);
    case OP_NEWOBJ: return read_call(r, true);
    case OP_NEWOBJ_EX: return read_call_keywords(r);
    case OP_INST: return read_call_marked(r, true);
    case OP_OBJ: return read_call_marked(r, false);
    case OP_BUILD: return read_state(r);
    case OP_BYTEARRAY8: return read_bytearray(r);
    case OP_NEXT_BUFFER: return read_buffer(r);
    case OP_READONLY_BUFFER: return read_readonly(r);
    case OP_PERSID:
    case OP_BINPERSID: return malformed("persistent ids are not read");
    case OP_EXT1:
    case OP_EXT2:
    case OP_EXT4: return malformed("the extension registry is not read");
    default: return fail(PRONG_INVALID, "no opcode is %#04x", (unsigned)opcode);
    }
}

prong_status read_opcode(struct reader *r, enum opcode opcode) {
    uint64_t number;
    switch (opcode) {
    case OP_MARK: return reader_open_mark(r);
    case OP_NONE: return reader_push(r, prong_make_null());
    case OP_NEWTRUE: return reader_push(r, prong_make_bool(true));
    case OP_NEWFALSE: return reader_push(r, prong_make_bool(false));
    case OP_BININT1: TRY(reader_take_number(r, 1, &number)); return reader_push(r, prong_make_int((int64_t)number));
    case OP_BININT2: TRY(reader_take_number(r, 2, &number)); return reader_push(r, prong_make_int((int64_t)number));
    case OP_BININT: return read_binint(r);
    case OP_LONG1: return read_long(r, 1);
    case OP_LONG4: return read_long(r, 4);
    case OP_BINFLOAT: return read_binfloat(r);
    case OP_SHORT_BINUNICODE: return read_counted_text(r, 1);
    case OP_BINUNICODE: return read_counted_text(r, 4);
    case OP_BINUNICODE8: return read_counted_text(r, 8);
    case OP_SHORT_BINBYTES: return read_counted_bytes(r, 1);
    case OP_BINBYTES: return read_counted_bytes(r, 4);
    case OP_BINBYTES8: return read_counted_bytes(r, 8);
    case OP_MEMOIZE: return memo_add(r);
    case OP_BINPUT: TRY(reader_take_number(r, 1, &number)); return memo_put(r, number);
    case OP_LONG_BINPUT: TRY(reader_take_number(r, 4, &number)); return memo_put(r, number);
    case OP_BINGET: TRY(reader_take_number(r, 1, &number)); return memo_get(r, number);
    case OP_LONG_BINGET: TRY(reader_take_number(r, 4, &number)); return memo_get(r, number);
    case OP_EMPTY_TUPLE: return reader_push(r, value_of_kind(PRONG_KIND_TUPLE, 0, NULL));
    case OP_TUPLE1: return read_tuple(r, 1);
    case OP_TUPLE2: return read_tuple(r, 2);
    case OP_TUPLE3: return read_tuple(r, 3);
    case OP_TUPLE: return read_marked_tuple(r);
    case OP_EMPTY_LIST: return read_empty(r, PRONG_KIND_LIST);
    case OP_EMPTY_DICT: return read_empty(r, PRONG_KIND_DICT);
    case OP_EMPTY_SET: return read_empty(r, PRONG_KIND_SET);
    case OP_APPEND: return read_append(r);
    case OP_SETITEM: return read_setitem(r);
    case OP_APPENDS:
    case OP_SETITEMS:
    case OP_ADDITEMS: return read_extend(r, opcode);
    default: return read_other(r, opcode);
    }
}

/* With so many steps of work, which the reader then has less. */
static prong_status reader_run(struct reader *r, prong_value *value, size_t steps) {
    size_t before = value_work.done, limit = value_work.limit;
    if (limit > before && limit - before > steps) value_work.limit = before + steps;
    prong_status status = r->pending.from < r->pending.end ? read_pending(r) : PRONG_OK;
    if (status >= 0) status = read_all(r, value);
    value_work.limit = limit;
    size_t took = value_work.done - before;
    r->steps_left -= took < r->steps_left ? took : r->steps_left;
    if (status < 0 && status != PRONG_TIMEOUT)
        fail_again(status, "pickle: at byte %td of %td", r->opcode - r->start, r->end - r->start);
    return status;
}

prong_status prong_pickle_loads(prong_document *document, const void *data, size_t size, prong_value *value,
                                const prong_unpickle_options *options) {
    struct reader r;
    prong_unpickle_options with;
    TRY(check_bytes(data, size, "pickle: data"));
    CHECK_RESERVED(options, "pickle: options");
    if (is_joined(data, size)) {
        with = options ? *options : (prong_unpickle_options){0};
        options = &with;
        TRY(reader_take_apart(document, &data, &size, &with));
    }
    reader_begin(&r, document, data, size, options);
    prong_status status = reader_run(&r, value, r.steps_left);
    reader_end(&r);
    return status;
}

/* --- slice by slice --- */

struct pickle_reader {
    prong_unpickle_options options;
    struct reader reader;
};

prong_status pickle_reader_open(struct pickle_reader **reader, prong_document *document, const void *data, size_t size,
                                const prong_unpickle_options *options) {
    struct pickle_reader *made = malloc(sizeof(*made));
    if (!made) return fail_text(PRONG_NO_MEMORY, "pickle: no memory for a reader");
    made->options = options ? *options : (prong_unpickle_options){0};
    prong_status status = is_joined(data, size) ? reader_take_apart(document, &data, &size, &made->options) : PRONG_OK;
    if (status < 0) {
        free(made);
        return status;
    }
    reader_begin(&made->reader, document, data, size, &made->options);
    made->reader.sliced = true;
    *reader = made;
    return PRONG_OK;
}

prong_status pickle_reader_go(struct pickle_reader *reader, prong_value *value) {
    struct reader *r = &reader->reader;
    size_t left = (size_t)(r->end - r->at);
    r->pause_at = r->at + (left < SLICE_BYTES ? left : SLICE_BYTES);
    r->slice_end = value_work.done + SLICE_STEPS;
    return reader_run(r, value, r->steps_left < OPCODE_STEPS ? r->steps_left : OPCODE_STEPS);
}

void pickle_reader_close(struct pickle_reader *reader) {
    if (!reader) return;
    reader_end(&reader->reader);
    free(reader);
}
