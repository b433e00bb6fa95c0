/* Reading pickles: the loop. The opcodes that come again and again are done in it, with the reader's place, the top of
 * its stack and the memo in registers; all others, and any of these that needs room or is wrong, by read_opcode. */
#include "value/pickle_reader.h"

enum { OPCODE_SIZE_MAX = 9 }; /* of those that are done here, with what belongs to them; but texts may be longer */

/* While this is used, the reader's own fields are behind. */
struct cursor {
    const unsigned char *at, *stop;
    prong_value *top, *full; /* the stack's next place, and its end */
    prong_value *memo;
    size_t known, room; /* entries of the memo; as many as there may be without anything special */
};

static inline struct cursor cursor_begin(const struct reader *r) {
    size_t left = (size_t)(r->end - r->at);
    const unsigned char *stop = left < OPCODE_SIZE_MAX ? r->at : r->end - OPCODE_SIZE_MAX + 1;
    return (struct cursor){.at = r->at,
                           .stop = stop < r->pause_at ? stop : r->pause_at,
                           .top = r->stack + r->count,
                           .full = r->stack + r->capacity,
                           .memo = r->memo,
                           .known = r->memo_size,
                           .room = r->memo_entries == r->memo_size ? r->memo_capacity : 0};
}

static inline void cursor_end(struct cursor c, struct reader *r) {
    r->at = c.at;
    r->count = (size_t)(c.top - r->stack);
    r->memo_entries += c.known - r->memo_size;
    r->memo_size = c.known;
}

/* The opcode is `size` bytes long with what belongs to it. */
static inline bool cursor_push(struct cursor *c, size_t size, prong_value value) {
    c->at += size;
    *c->top++ = value;
    return true;
}

static inline bool cursor_get(struct cursor *c, size_t size, uint64_t index) {
    return index < c->known && c->memo[index].head != UNSET && cursor_push(c, size, c->memo[index]);
}

static inline bool cursor_memoize(struct cursor *c, const struct reader *r) {
    if (c->known >= c->room || c->top == r->stack + r->floor) return false;
    reader_note_kept(c->top[-1]);
    c->memo[c->known++] = c->top[-1];
    c->at++;
    return true;
}

/* A new value; the MEMOIZE, which follows most of them, is done at once: read from the stack, the value would have to wait
 * until it is written there. */
static inline bool cursor_push_new(struct cursor *c, size_t size, prong_value value) {
    cursor_push(c, size, value);
    if (c->at < c->stop && *c->at == OP_MEMOIZE && c->known < c->room) {
        c->memo[c->known++] = value;
        c->at++;
    }
    return true;
}

static inline bool cursor_text(struct cursor *c, struct reader *r) {
    const unsigned char *text = c->at + 2;
    size_t size = c->at[1];
    if (size > (size_t)(r->end - text)) return false;
    char *copy = reader_copy_ascii(r, text, size);
    return copy && cursor_push_new(c, 2 + size, value_of_kind(PRONG_KIND_STR, size, copy));
}

static inline bool cursor_empty(struct cursor *c, struct reader *r, prong_kind kind, size_t size) {
    struct node *node;
    return make_node(r->document, size, &node) >= 0 && cursor_push_new(c, 1, value_of_kind(kind, 0, node));
}

static inline bool cursor_mark(struct cursor *c, struct reader *r) {
    if (r->mark_count == r->mark_capacity) return false;
    r->marks[r->mark_count++] = r->floor;
    r->floor = (size_t)(c->top - r->stack);
    c->at++;
    return true;
}

/* False: nothing was done; this is for read_opcode. */
static inline bool cursor_step(struct cursor *c, struct reader *r) {
    const unsigned char *at = c->at;
    switch (*at) {
    case OP_NONE: return cursor_push(c, 1, prong_make_null());
    case OP_NEWTRUE: return cursor_push(c, 1, prong_make_bool(true));
    case OP_NEWFALSE: return cursor_push(c, 1, prong_make_bool(false));
    case OP_BININT1: return cursor_push(c, 2, prong_make_int(at[1]));
    case OP_BININT2: return cursor_push(c, 3, prong_make_int((int64_t)pickle_number_at(at + 1, 2)));
    case OP_BININT: return cursor_push(c, 5, prong_make_int((int32_t)(uint32_t)pickle_number_at(at + 1, 4)));
    case OP_BINFLOAT: return cursor_push(c, 9, prong_make_float(pickle_float_at(at + 1)));
    case OP_SHORT_BINUNICODE: return cursor_text(c, r);
    case OP_BINGET: return cursor_get(c, 2, at[1]);
    case OP_LONG_BINGET: return cursor_get(c, 5, pickle_number_at(at + 1, 4));
    case OP_MEMOIZE: return cursor_memoize(c, r);
    case OP_MARK: return cursor_mark(c, r);
    case OP_EMPTY_LIST: return cursor_empty(c, r, PRONG_KIND_LIST, sizeof(struct list_node));
    case OP_EMPTY_DICT: return cursor_empty(c, r, PRONG_KIND_DICT, sizeof(struct table_node));
    default: return false;
    }
}

static prong_status read_stop(struct reader *r, prong_value *value) {
    if (r->mark_count) return malformed("a MARK is left at the end");
    TRY(reader_has(r, 1));
    if (r->count != 1) return fail(PRONG_INVALID, "%zu values are left at the end", r->count);
    if (r->at != r->end) return fail(PRONG_INVALID, "%td bytes follow the end", r->end - r->at);
    *value = *reader_top(r);
    return PRONG_OK;
}

prong_status read_all(struct reader *r, prong_value *value) {
    for (;;) {
        struct cursor c = cursor_begin(r);
        while (c.at < c.stop && c.top < c.full && cursor_step(&c, r)) {}
        cursor_end(c, r);
        if (__builtin_expect(r->at >= r->pause_at, 0)) {
            bool pending = r->pending.from < r->pending.end;
            if (pending || r->at < r->end) return PRONG_TIMEOUT; /* it is read in slices */
            r->opcode = r->at;
            return malformed("cut short");
        }
        r->opcode = r->at;
        enum opcode opcode = *r->at++;
        if (opcode == OP_STOP) return read_stop(r, value);
        TRY(read_opcode(r, opcode));
    }
}
