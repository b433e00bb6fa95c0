/* Reading pickles, inside: a stack machine whose opcodes only make values. Values below the newest MARK are out of reach.
 *
 * pickle_read_all.c has the loop, pickle_read.c the opcodes that make values, pickle_read_text.c those that are lines of
 * text, pickle_read_containers.c what goes into containers, pickle_read_objects.c classes and objects. */
#ifndef VALUE_PICKLE_READER_H
#define VALUE_PICKLE_READER_H

#include "base/error.h"
#include "value/node.h"
#include "value/pickle_format.h"
#include <prong/pickle.h>

enum { FIXED_STACK = 128, FIXED_MEMO = 64, FIXED_MARKS = 32 };

/* A value that the program's own function has made, and the object it stands for. */
struct own_object {
    prong_value value, object;
    const prong_class *class;
};

struct reader {
    prong_document *document;
    const prong_unpickle_options *options;
    const unsigned char *start, *at, *end, *opcode; /* opcode: where the one that is done began */
    int protocol;
    size_t buffers, max_depth, max_values;

    /* Reading in slices: it stops where it has got to pause_at; `end`, when it reads all at once. */
    const unsigned char *pause_at;
    bool sliced;
    size_t steps_left, slice_end; /* of work: for all that is still to be read; where the slice has had enough */
    struct {
        prong_value to;
        size_t from, end; /* places on the stack, above its end */
        bool push;        /* `to` is not on the stack yet */
    } pending;            /* what is being put into a table; from == end: nothing */

    prong_value *stack;
    size_t count, capacity, floor; /* floor: the newest MARK's place; nothing below it can be taken */
    size_t *marks;
    size_t mark_count, mark_capacity;
    prong_value *memo;
    size_t memo_size, memo_capacity, memo_entries;
    struct own_object *own; /* what functions of the program have made */
    size_t own_count, own_capacity;

    prong_value fixed_stack[FIXED_STACK], fixed_memo[FIXED_MEMO];
    size_t fixed_marks[FIXED_MARKS];
};

/* What no value is: a memo entry that is not set. */
enum { UNSET = 0xfe };

/* A macro, so that the compiler sees that it is a failure. */
#define malformed(what) (fail_text(PRONG_INVALID, what), PRONG_INVALID)

/* --- pickle_reader.c: what is rare --- */

/* Doubles an array that begins as a fixed one within the reader. */
prong_status reader_grow(void *array, size_t *capacity, size_t unit, const void *fixed, size_t least);
prong_status reader_grow_stack(struct reader *r);
/* Fail. */
prong_status reader_underflow(const struct reader *r);
prong_status reader_too_much_work(void);

void reader_begin(struct reader *r, prong_document *document, const void *data, size_t size,
                  const prong_unpickle_options *options);
void reader_end(struct reader *r);
/* Of a pickle with its buffers beside it: the pickle alone, and options with the buffers. */
prong_status reader_take_apart(prong_document *document, const void **data, size_t *size,
                               prong_unpickle_options *options);

/* --- the stack --- */

static inline prong_status reader_push(struct reader *r, prong_value value) {
    if (__builtin_expect(r->count == r->capacity, 0)) TRY(reader_grow_stack(r));
    r->stack[r->count++] = value;
    return PRONG_OK;
}

/* A new value; the MEMOIZE, which follows most of them, is done at once. */
static inline prong_status reader_push_new(struct reader *r, prong_value value) {
    if (r->at < r->pause_at && *r->at == OP_MEMOIZE && r->memo_entries == r->memo_size &&
        r->memo_size < r->memo_capacity) {
        r->at++;
        r->memo[r->memo_size++] = value;
        r->memo_entries++;
    }
    return reader_push(r, value);
}

/* An object in the memo may be dropped from the stack: it was made to be referred to. */
static inline void reader_note_kept(prong_value value) {
    if (value_kind(value) == PRONG_KIND_OBJECT) value_object(value)->node.index = 1;
}

/* There are `count` values to take; *top is the last of them. */
static inline prong_status reader_has(const struct reader *r, size_t count) {
    return __builtin_expect(r->count - r->floor < count, 0) ? reader_underflow(r) : PRONG_OK;
}
static inline prong_value *reader_top(const struct reader *r) {
    return r->stack + r->count - 1;
}

static inline prong_status reader_open_mark(struct reader *r) {
    if (r->mark_count == r->mark_capacity)
        TRY(reader_grow(&r->marks, &r->mark_capacity, sizeof(size_t), r->fixed_marks, 0));
    r->marks[r->mark_count++] = r->floor;
    r->floor = r->count;
    return PRONG_OK;
}

/* The values above the newest MARK, which is gone then; they are still where they were, above the stack's end. */
static inline prong_status reader_close_mark(struct reader *r, const prong_value **items, size_t *count) {
    if (__builtin_expect(!r->mark_count, 0)) return malformed("no MARK");
    *items = r->stack + r->floor;
    *count = r->count - r->floor;
    r->count = r->floor;
    r->floor = r->marks[--r->mark_count];
    return PRONG_OK;
}

static inline prong_status reader_check_depth(const struct reader *r, prong_value value) {
    if (__builtin_expect(height_of(value) > r->max_depth, 0))
        return fail(PRONG_TOO_LONG, "values are nested deeper than %zu", r->max_depth);
    return PRONG_OK;
}

/* What keys and calls take is limited; see struct value_work. */
static inline prong_status reader_check_steps(struct reader *r) {
    if (__builtin_expect(value_work.done > value_work.limit, 0)) return reader_too_much_work();
    if (__builtin_expect(value_work.done > r->slice_end, 0)) r->pause_at = r->at;
    return PRONG_OK;
}

/* --- bytes --- */

static inline prong_status reader_take(struct reader *r, size_t size, const unsigned char **bytes) {
    if (__builtin_expect(size > (size_t)(r->end - r->at), 0)) return malformed("cut short");
    *bytes = r->at;
    r->at += size;
    return PRONG_OK;
}

/* An unsigned number of 1, 2, 4 or 8 bytes. */
static inline prong_status reader_take_number(struct reader *r, size_t size, uint64_t *number) {
    const unsigned char *bytes;
    TRY(reader_take(r, size, &bytes));
    *number = pickle_number_at(bytes, size);
    return PRONG_OK;
}

/* A count of 1, 4 or 8 bytes, and so many bytes. */
static inline prong_status reader_take_counted(struct reader *r, size_t width, const unsigned char **bytes,
                                               size_t *size) {
    uint64_t count;
    TRY(reader_take_number(r, width, &count));
    *size = (size_t)count;
    return reader_take(r, *size, bytes);
}

static inline prong_status reader_take_line(struct reader *r, const char **line, size_t *size) {
    const unsigned char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
    if (!newline) return malformed("a line is cut short");
    *line = (const char *)r->at;
    *size = (size_t)(newline - r->at);
    r->at = newline + 1;
    return PRONG_OK;
}

/* Copies and checks in one pass, a word at a time. NULL: it has other characters, or the document's newest chunk has not
 * enough room; nothing was taken then. */
static inline char *reader_copy_ascii(struct reader *r, const unsigned char *text, size_t size) {
    prong_document *document = r->document;
    if (!document || size >= (size_t)(document->end - document->at)) return NULL;
    char *copy = document->at;
    uint64_t word, all = 0;
    if (size >= 8) {
        for (size_t i = 0; i < size - 8; i += 8) {
            memcpy(&word, text + i, 8);
            memcpy(copy + i, &word, 8);
            all |= word;
        }
        memcpy(&word, text + size - 8, 8); /* the last 8, of which some may have been copied before */
        memcpy(copy + size - 8, &word, 8);
        all |= word;
    } else if ((size_t)(r->end - text) >= 8) {
        memcpy(&word, text, 8);
        all = word & (((uint64_t)1 << 8 * size) - 1);
        memcpy(copy, &all, 8);
    } else {
        for (size_t i = 0; i < size; i++) all |= (unsigned char)(copy[i] = (char)text[i]);
    }
    if (all & 0x8080808080808080u) return NULL;
    copy[size] = 0;
    document->at += (size + 8) & ~(size_t)7;
    return copy;
}

/* --- pickle_read_all.c --- */

/* To the end. PRONG_TIMEOUT: to where a slice ends. */
prong_status read_all(struct reader *r, prong_value *value);

/* --- pickle_read.c --- */

/* Any opcode but STOP; the reader is behind it already. */
prong_status read_opcode(struct reader *r, enum opcode opcode);

/* --- pickle_read_text.c: opcodes of protocol 0, and Python 2's strings --- */

prong_status read_int_line(struct reader *r);
prong_status read_long_line(struct reader *r);
prong_status read_float_line(struct reader *r);
prong_status read_quoted_line(struct reader *r);
prong_status read_unicode_line(struct reader *r);
/* With a count of `width` bytes. */
prong_status read_binstring(struct reader *r, size_t width);
/* Of the memo; nothing is pushed. */
prong_status read_index_line(struct reader *r, uint64_t *index);

/* --- pickle_read_containers.c --- */

prong_status read_marked_list(struct reader *r);
prong_status read_marked_table(struct reader *r, prong_kind kind);
prong_status read_append(struct reader *r);
prong_status read_setitem(struct reader *r);
/* The opcodes that take what is above the MARK into what is below it. */
prong_status read_extend(struct reader *r, enum opcode opcode);
/* Goes on with what is pending. PRONG_TIMEOUT: the slice has had enough, and some are left. */
prong_status read_pending(struct reader *r);

/* --- pickle_read_objects.c --- */

prong_status read_global(struct reader *r);
prong_status read_stack_global(struct reader *r);
/* OP_REDUCE; by_new: OP_NEWOBJ. */
prong_status read_call(struct reader *r, bool by_new);
prong_status read_call_keywords(struct reader *r);
/* OP_INST, whose class is named in it; else OP_OBJ. */
prong_status read_call_marked(struct reader *r, bool named);
prong_status read_state(struct reader *r);

#endif
