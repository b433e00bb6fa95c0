/* Reading pickles: a stack machine whose opcodes only make values. Values below the newest MARK are out of reach. */
#include "base/error.h"
#include "value/classes.h"
#include "value/document.h"
#include "value/joined.h"
#include "value/number.h"
#include "value/opcodes.h"
#include "value/reader.h"
#include "value/text.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIXED_STACK = 128,
    FIXED_MEMO = 64,
    FIXED_MARKS = 32,
    VALUES_MAX = 1 << 22, /* on the stack, unless the options say otherwise */
    MEMO_LEAST = 1 << 16, /* memo indices that are allowed in any pickle; else not beyond its length */
    BORROW_LEAST = 64,
    STEPS_A_BYTE = 64,
    /* A slice ends after so many bytes, items put into a table, or steps of work, which are looked at between some items; no
     * opcode takes more than so many steps. */
    SLICE_BYTES = 16384,
    SLICE_ITEMS = 8192,
    ITEMS_AT_ONCE = 4,
    SLICE_STEPS = 1 << 15,
    OPCODE_STEPS = 1 << 22
};

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

/* Doubles an array that begins as a fixed one within the reader. */
static prong_status double_array(void *array, size_t *capacity, size_t unit, const void *fixed, size_t least) {
    void **at = array;
    size_t wanted = *capacity * 2 > least ? *capacity * 2 : least;
    void *larger = realloc(*at == fixed ? NULL : *at, wanted * unit);
    if (!larger) return fail(PRONG_NO_MEMORY, "no memory for %zu values at once", wanted);
    if (*at == fixed && fixed) memcpy(larger, fixed, *capacity * unit);
    *at = larger;
    *capacity = wanted;
    return PRONG_OK;
}

/* --- the stack --- */

static prong_status grow_stack(struct reader *r) {
    if (r->count >= r->max_values) return fail(PRONG_TOO_LONG, "more than %zu values at once", r->max_values);
    return double_array(&r->stack, &r->capacity, sizeof(prong_value), r->fixed_stack, 0);
}

static inline prong_status push(struct reader *r, prong_value value) {
    if (__builtin_expect(r->count == r->capacity, 0)) TRY(grow_stack(r));
    r->stack[r->count++] = value;
    return PRONG_OK;
}

static prong_status underflow(const struct reader *r) {
    return r->mark_count ? malformed("too few values above the MARK") : malformed("the stack has too few values");
}

/* There are `count` values to take; *top is the last of them. */
static inline prong_status has(const struct reader *r, size_t count) {
    return __builtin_expect(r->count - r->floor < count, 0) ? underflow(r) : PRONG_OK;
}
static inline prong_value *top(const struct reader *r) {
    return r->stack + r->count - 1;
}

static prong_status open_mark(struct reader *r) {
    if (r->mark_count == r->mark_capacity)
        TRY(double_array(&r->marks, &r->mark_capacity, sizeof(size_t), r->fixed_marks, 0));
    r->marks[r->mark_count++] = r->floor;
    r->floor = r->count;
    return PRONG_OK;
}

/* The values above the newest MARK, which is gone then; they are still where they were, above the stack's end. */
static inline prong_status close_mark(struct reader *r, const prong_value **items, size_t *count) {
    if (__builtin_expect(!r->mark_count, 0)) return malformed("no MARK");
    *items = r->stack + r->floor;
    *count = r->count - r->floor;
    r->count = r->floor;
    r->floor = r->marks[--r->mark_count];
    return PRONG_OK;
}

static inline prong_status check_depth(const struct reader *r, prong_value value) {
    if (__builtin_expect(height_of(value) > r->max_depth, 0))
        return fail(PRONG_TOO_LONG, "values are nested deeper than %zu", r->max_depth);
    return PRONG_OK;
}

/* What keys and calls take is limited; see struct value_work. */
static prong_status too_much_work(void) {
    return fail_text(PRONG_TOO_LONG, "keys and calls take too long (max_steps)");
}
static inline prong_status check_steps(struct reader *r) {
    if (__builtin_expect(value_work.done > value_work.limit, 0)) return too_much_work();
    if (__builtin_expect(value_work.done > r->slice_end, 0)) r->pause_at = r->at;
    return PRONG_OK;
}

/* --- bytes --- */

static inline prong_status take(struct reader *r, size_t size, const unsigned char **bytes) {
    if (__builtin_expect(size > (size_t)(r->end - r->at), 0)) return malformed("cut short");
    *bytes = r->at;
    r->at += size;
    return PRONG_OK;
}

/* An unsigned number of 1 to 8 bytes. */
static inline prong_status take_number(struct reader *r, size_t size, uint64_t *number) {
    const unsigned char *bytes;
    TRY(take(r, size, &bytes));
    *number = 0;
    memcpy(number, bytes, size);
    return PRONG_OK;
}

/* A count of 1, 4 or 8 bytes, and so many bytes. */
static inline prong_status take_counted(struct reader *r, size_t width, const unsigned char **bytes, size_t *size) {
    uint64_t count;
    TRY(take_number(r, width, &count));
    *size = (size_t)count;
    return take(r, *size, bytes);
}

static prong_status take_line(struct reader *r, const char **line, size_t *size) {
    const unsigned char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
    if (!newline) return malformed("a line is cut short");
    *line = (const char *)r->at;
    *size = (size_t)(newline - r->at);
    r->at = newline + 1;
    return PRONG_OK;
}

/* --- numbers --- */

static prong_status push_long(struct reader *r, size_t width) {
    const unsigned char *bytes;
    size_t size;
    prong_value value = prong_int(0);
    if (width == 4 && r->end - r->at >= 4 && r->at[3] & 0x80) return malformed("an int of negative length");
    TRY(take_counted(r, width, &bytes, &size));
    if (size) TRY(make_int(r->document, bytes, size, &value));
    return push(r, value);
}

static bool has_leading_zero(const char *digits, size_t size) {
    if (size && *digits == '-') {
        if (size == 2 && digits[1] == '0') return true;
        digits++, size--;
    }
    return size > 1 && *digits == '0';
}

/* As picklers write them: no plus, no leading zero, no blanks. */
static prong_status push_digits(struct reader *r, const char *digits, size_t size) {
    prong_value value;
    prong_status status;
    if (!size || *digits == '+' || has_leading_zero(digits, size) ||
        !int_from_text(r->document, digits, size, &value, &status))
        return malformed("an int that is none");
    return status < 0 ? status : push(r, value);
}

static prong_status push_int_line(struct reader *r) {
    const char *line;
    size_t size;
    TRY(take_line(r, &line, &size));
    if (size == 2 && line[0] == '0' && (line[1] == '0' || line[1] == '1')) return push(r, prong_bool(line[1] == '1'));
    return push_digits(r, line, size);
}

static prong_status push_long_line(struct reader *r) {
    const char *line;
    size_t size;
    TRY(take_line(r, &line, &size));
    if (size && line[size - 1] == 'L') size--;
    return push_digits(r, line, size);
}

static prong_status push_float_line(struct reader *r) {
    const char *line;
    size_t size;
    double number;
    TRY(take_line(r, &line, &size));
    if (!float_from_text(line, size, &number)) return malformed("a float that is none");
    if (isinf(number) && !memchr(line, 'i', size) && !memchr(line, 'I', size)) return malformed("a float out of range");
    return push(r, prong_float(number));
}

static inline prong_status push_binfloat(struct reader *r) {
    uint64_t word;
    double number;
    TRY(take_number(r, 8, &word));
    word = __builtin_bswap64(word);
    memcpy(&number, &word, 8);
    return push(r, prong_float(number));
}

static inline prong_status push_binint(struct reader *r) {
    uint64_t word;
    TRY(take_number(r, 4, &word));
    return push(r, prong_int((int32_t)(uint32_t)word));
}

/* --- text and bytes --- */

static inline prong_status push_text(struct reader *r, size_t width) {
    const unsigned char *bytes;
    size_t size;
    prong_value value;
    TRY(take_counted(r, width, &bytes, &size));
    if (__builtin_expect(!utf8_valid((const char *)bytes, size, NULL), 0)) return malformed("text that is not UTF-8");
    TRY(make_text(r->document, PRONG_KIND_STR, bytes, size, &value));
    return push(r, value);
}

static inline prong_status push_bytes(struct reader *r, size_t width) {
    const unsigned char *bytes;
    size_t size;
    prong_value value;
    TRY(take_counted(r, width, &bytes, &size));
    if (size >= BORROW_LEAST && r->options && r->options->borrow_bytes)
        value = value_of(PRONG_KIND_BYTES, size, bytes);
    else
        TRY(make_text(r->document, PRONG_KIND_BYTES, bytes, size, &value));
    return push(r, value);
}

static prong_status push_bytearray(struct reader *r) {
    const unsigned char *bytes;
    size_t size;
    prong_value value;
    TRY(take_counted(r, 8, &bytes, &size));
    TRY(prong_make_bytearray(r->document, bytes, size, &value));
    return push(r, value);
}

/* Python 2's str: text here, and only ASCII. */
static prong_status push_ascii(struct reader *r, const unsigned char *bytes, size_t size) {
    prong_value value;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] & 0x80) return malformed("a Python 2 string that is not ASCII");
    TRY(make_text(r->document, PRONG_KIND_STR, bytes, size, &value));
    return push(r, value);
}

static prong_status push_binstring(struct reader *r, size_t width) {
    const unsigned char *bytes;
    size_t size;
    if (width == 4 && r->end - r->at >= 4 && r->at[3] & 0x80) return malformed("a string of negative length");
    TRY(take_counted(r, width, &bytes, &size));
    return push_ascii(r, bytes, size);
}

/* So many hexadecimal digits. */
static bool hex(const char *at, size_t left, size_t digits, uint32_t *number) {
    *number = 0;
    if (left < digits) return false;
    for (size_t i = 0; i < digits; i++) {
        char c = at[i];
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : (uint32_t)((c | 0x20) - 'a' + 10);
        if (digit > 15 || (c > '9' && (c | 0x20) < 'a')) return false;
        *number = *number << 4 | digit;
    }
    return true;
}

/* One backslash escape of a quoted string, from *at (behind the backslash) on. */
static bool unescape(const char **at, const char *end, char **out) {
    static const char letters[] = "\\'\"abfnrtv", codes[] = "\\'\"\a\b\f\n\r\t\v";
    uint32_t number;
    if (*at == end) return false;
    char c = *(*at)++;
    const char *known = strchr(letters, c);
    if (c && known) {
        *(*out)++ = codes[known - letters];
    } else if (c == 'x') {
        if (!hex(*at, (size_t)(end - *at), 2, &number)) return false;
        *at += 2;
        *(*out)++ = (char)number;
    } else if (c >= '0' && c <= '7') {
        number = (uint32_t)(c - '0');
        for (int i = 0; i < 2 && *at < end && **at >= '0' && **at <= '7'; i++)
            number = number * 8 + (uint32_t)(*(*at)++ - '0');
        *(*out)++ = (char)number;
    } else {
        *(*out)++ = '\\';
        *(*out)++ = c;
    }
    return true;
}

static prong_status push_quoted_line(struct reader *r) {
    const char *line;
    size_t size;
    TRY(take_line(r, &line, &size));
    if (size < 2 || (*line != '\'' && *line != '"') || line[size - 1] != *line)
        return malformed("a string without its quotes");
    char *text = document_take(r->document, size), *out = text;
    if (!text) return PRONG_NO_MEMORY;
    for (const char *at = line + 1, *end = line + size - 1; at < end;) {
        if (*at != '\\')
            *out++ = *at++;
        else if (at++, !unescape(&at, end, &out))
            return malformed("a string with a bad escape");
    }
    return push_ascii(r, (unsigned char *)text, (size_t)(out - text));
}

/* raw-unicode-escape: \u and \U behind an odd number of backslashes; other bytes are characters themselves. */
static prong_status push_unicode_line(struct reader *r) {
    const char *line;
    size_t size, backslashes = 0;
    TRY(take_line(r, &line, &size));
    char *text = document_take(r->document, size * 2 + 4), *out = text;
    if (!text) return PRONG_NO_MEMORY;
    for (const char *at = line, *end = line + size; at < end;) {
        char c = *at++;
        if ((c == 'u' || c == 'U') && backslashes % 2) {
            uint32_t character;
            size_t digits = c == 'u' ? 4 : 8;
            if (!hex(at, (size_t)(end - at), digits, &character) || character > 0x10ffff)
                return malformed("text with a bad escape");
            at += digits;
            out += utf8_put(out - 1, character) - 1; /* in place of the backslash */
            backslashes = 0;
            continue;
        }
        backslashes = c == '\\' ? backslashes + 1 : 0;
        out += utf8_put(out, (unsigned char)c);
    }
    prong_value value;
    TRY(make_text(r->document, PRONG_KIND_STR, text, (size_t)(out - text), &value));
    return push(r, value);
}

/* --- the memo --- */

/* An object in the memo may be dropped from the stack: it was made to be referred to. */
static inline void note_kept(prong_value value) {
    if (kind_of(value) == PRONG_KIND_OBJECT) object_of(value)->node.index = 1;
}
static bool is_lost(prong_value value) {
    return kind_of(value) == PRONG_KIND_OBJECT && !object_of(value)->node.index;
}

static prong_status memo_put(struct reader *r, uint64_t index) {
    TRY(has(r, 1));
    note_kept(*top(r));
    size_t length = (size_t)(r->end - r->start);
    if (index >= (length > MEMO_LEAST ? length : MEMO_LEAST))
        return fail(PRONG_TOO_LONG, "memo index %llu in a pickle of %zu bytes", (unsigned long long)index, length);
    if (index >= r->memo_capacity)
        TRY(double_array(&r->memo, &r->memo_capacity, sizeof(prong_value), r->fixed_memo, index + 1));
    while (r->memo_size <= index) r->memo[r->memo_size++].head = UNSET;
    if (r->memo[index].head == UNSET) r->memo_entries++;
    r->memo[index] = *top(r);
    return PRONG_OK;
}

static inline prong_status memoize(struct reader *r) {
    size_t index = r->memo_entries;
    if (__builtin_expect(index == r->memo_size && index < r->memo_capacity && r->count > r->floor, 1)) {
        note_kept(*top(r));
        r->memo[index] = *top(r);
        r->memo_size++;
        r->memo_entries++;
        return PRONG_OK;
    }
    return memo_put(r, index);
}

static inline prong_status memo_get(struct reader *r, uint64_t index) {
    if (index >= r->memo_size || r->memo[index].head == UNSET)
        return fail(PRONG_INVALID, "nothing is stored in the memo at %llu", (unsigned long long)index);
    return push(r, r->memo[index]);
}

static prong_status take_index_line(struct reader *r, uint64_t *index) {
    const char *line;
    size_t size;
    TRY(take_line(r, &line, &size));
    *index = 0;
    if (!size || size > 18) return malformed("a memo index that is none");
    for (size_t i = 0; i < size; i++) {
        if (line[i] < '0' || line[i] > '9') return malformed("a memo index that is none");
        *index = *index * 10 + (uint64_t)(line[i] - '0');
    }
    return PRONG_OK;
}

/* --- containers --- */

/* The last `count` values become a tuple. */
static inline prong_status fold_tuple(struct reader *r, size_t count) {
    TRY(has(r, count));
    prong_value value;
    TRY(make_tuple(r->document, top(r) + 1 - count, count, &value));
    TRY(check_depth(r, value));
    r->count -= count - 1;
    *top(r) = value;
    return PRONG_OK;
}

static prong_status push_marked_tuple(struct reader *r) {
    const prong_value *items;
    size_t count;
    prong_value value;
    TRY(close_mark(r, &items, &count));
    TRY(make_tuple(r->document, items, count, &value));
    TRY(check_depth(r, value));
    return push(r, value);
}

static prong_status push_marked_list(struct reader *r) {
    const prong_value *items;
    size_t count;
    prong_value value;
    TRY(close_mark(r, &items, &count));
    TRY(make_list(r->document, items, count, &value));
    TRY(check_depth(r, value));
    return push(r, value);
}

static prong_status record_grows(const struct object_node *object) {
    return object->has_state ? malformed("an object grows after it got its state") : PRONG_OK;
}

/* Items for a list, or for an object that is one. */
static prong_status append(struct reader *r, prong_value to, const prong_value *items, size_t count) {
    prong_value list = to;
    if (kind_of(to) == PRONG_KIND_OBJECT) {
        struct object_node *object = object_of(to);
        TRY(record_grows(object));
        if (!count) return PRONG_OK; /* an object without items has none */
        if (kind_of(object->items) == PRONG_KIND_NULL) TRY(make_list(r->document, NULL, 0, &object->items));
        list = object->items;
    }
    if (kind_of(list) != PRONG_KIND_LIST) return expected("a list to append to", to);
    TRY(list_extend(r->document, list, items, count));
    if (kind_of(to) == PRONG_KIND_OBJECT && height_of(list) >= height_of(to))
        object_of(to)->node.height = height_of(list) + 1;
    return check_depth(r, to);
}

static prong_status set_pairs(struct reader *r, prong_value to, const prong_value *items, size_t count) {
    prong_value dict = to;
    if (count % 2) return malformed("a key without a value");
    if (kind_of(to) == PRONG_KIND_OBJECT) {
        struct object_node *object = object_of(to);
        TRY(record_grows(object));
        if (!count) return PRONG_OK;
        if (kind_of(object->pairs) == PRONG_KIND_NULL) TRY(make_table(r->document, PRONG_KIND_DICT, &object->pairs));
        dict = object->pairs;
    }
    if (kind_of(dict) != PRONG_KIND_DICT) return expected("a dict to set in", to);
    if (count > 16) TRY(table_reserve(r->document, table_of(dict), table_of(dict)->count + count / 2));
    for (size_t i = 0; i < count; i += 2) {
        TRY(table_put(r->document, dict, items[i], items[i + 1]));
        TRY(check_steps(r));
    }
    if (kind_of(to) == PRONG_KIND_OBJECT && height_of(dict) >= height_of(to))
        object_of(to)->node.height = height_of(dict) + 1;
    return check_depth(r, to);
}

static prong_status add_members(struct reader *r, prong_value set, const prong_value *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        TRY(table_put(r->document, set, items[i], prong_null()));
        TRY(check_steps(r));
    }
    return check_depth(r, set);
}

static prong_status put_items(struct reader *r, prong_value to, const prong_value *items, size_t count) {
    if (kind_of(to) == PRONG_KIND_SET || kind_of(to) == PRONG_KIND_FROZENSET) return add_members(r, to, items, count);
    return set_pairs(r, to, items, count);
}

/* PRONG_TIMEOUT: the slice has had enough, and some are left. */
static prong_status put_pending(struct reader *r) {
    size_t stop = r->pending.end - r->pending.from > SLICE_ITEMS ? r->pending.from + SLICE_ITEMS : r->pending.end;
    while (r->pending.from < stop && value_work.done <= r->slice_end) {
        size_t count = stop - r->pending.from < ITEMS_AT_ONCE ? stop - r->pending.from : ITEMS_AT_ONCE;
        TRY(put_items(r, r->pending.to, r->stack + r->pending.from, count));
        r->pending.from += count;
    }
    if (r->pending.from < r->pending.end) return PRONG_TIMEOUT;
    return r->pending.push ? push(r, r->pending.to) : PRONG_OK;
}

/* Into a table. Many items are put slice by slice; they stay where they are, above the stack's end, until no other opcode is
 * done before that. push: the table comes onto the stack afterwards. */
static prong_status put_all(struct reader *r, prong_value to, const prong_value *items, size_t count, bool push_it) {
    if (!r->sliced || count <= ITEMS_AT_ONCE) {
        TRY(put_items(r, to, items, count));
        return push_it ? push(r, to) : PRONG_OK;
    }
    r->pending.to = to;
    r->pending.from = (size_t)(items - r->stack);
    r->pending.end = r->pending.from + count;
    r->pending.push = push_it;
    prong_status status = put_pending(r);
    if (status != PRONG_TIMEOUT) return status;
    r->pause_at = r->at;
    return PRONG_OK;
}

/* The opcodes that take what is above the MARK into what is below it. */
static inline prong_status extend_marked(struct reader *r, enum opcode opcode) {
    const prong_value *items;
    size_t count;
    TRY(close_mark(r, &items, &count));
    TRY(has(r, 1));
    prong_value to = *top(r);
    if (opcode == APPENDS) return append(r, to, items, count);
    if (opcode == SETITEMS && kind_of(to) != PRONG_KIND_DICT && kind_of(to) != PRONG_KIND_OBJECT)
        return expected("a dict to set in", to);
    if (opcode == ADDITEMS && kind_of(to) != PRONG_KIND_SET) return expected("a set to add to", to);
    return put_all(r, to, items, count, false);
}

static prong_status push_marked_table(struct reader *r, prong_kind kind) {
    const prong_value *items;
    size_t count;
    prong_value value;
    TRY(close_mark(r, &items, &count));
    TRY(make_table(r->document, kind, &value));
    return put_all(r, value, items, count, true);
}

static prong_status append_one(struct reader *r) {
    TRY(has(r, 2));
    r->count--;
    return append(r, *top(r), top(r) + 1, 1);
}

static prong_status set_one(struct reader *r) {
    TRY(has(r, 3));
    r->count -= 2;
    return set_pairs(r, *top(r), top(r) + 1, 2);
}

static inline prong_status push_empty(struct reader *r, prong_kind kind) {
    prong_value value;
    TRY(kind == PRONG_KIND_LIST ? make_list(r->document, NULL, 0, &value) : make_table(r->document, kind, &value));
    return push(r, value);
}

/* --- classes and objects --- */

static prong_status push_class(struct reader *r, const char *module, const char *name) {
    prong_value value;
    if (!*module || !*name) return malformed("a class without a name");
    if (!work_add(work_of_hashing(strlen(module) + strlen(name)))) return too_much_work();
    if (r->protocol < 3) class_modernize(&module, &name);
    if (!strcmp(module, "builtins")) {
        if (!strcmp(name, "Ellipsis")) return push(r, prong_ellipsis());
        if (!strcmp(name, "NotImplemented")) return push(r, value_of(PRONG_KIND_NOT_IMPLEMENTED, 0, NULL));
    }
    bool any = r->options && r->options->any_class;
    if (!class_is_usual(module, name) && !class_registered(r->options, module, name) && !any)
        return fail(PRONG_PERMISSION, "%.100s.%.100s is not on the list of what may be read", module, name);
    TRY(prong_make_class(r->document, module, name, &value));
    return push(r, value);
}

/* A line as a terminated string that is text. */
static prong_status take_name(struct reader *r, const char **name) {
    const char *line;
    size_t size;
    prong_value value;
    TRY(take_line(r, &line, &size));
    if (!utf8_valid(line, size, NULL) || memchr(line, 0, size)) return malformed("a class's name that is no text");
    TRY(make_text(r->document, PRONG_KIND_STR, line, size, &value));
    *name = value.pointer;
    return PRONG_OK;
}

static prong_status push_global(struct reader *r) {
    const char *module, *name;
    TRY(take_name(r, &module));
    TRY(take_name(r, &name));
    return push_class(r, module, name);
}

static prong_status push_stack_global(struct reader *r) {
    TRY(has(r, 2));
    r->count -= 2;
    const prong_value *names = r->stack + r->count;
    for (int i = 0; i < 2; i++)
        if (kind_of(names[i]) != PRONG_KIND_STR || strlen(names[i].pointer) != size_of(names[i]))
            return malformed("a class's module and name must be str");
    return push_class(r, names[0].pointer, names[1].pointer);
}

/* Asks the program's own function, if it has given one, for the value in place of an object. */
static prong_status build_own(struct reader *r, prong_value object, prong_value *value) {
    prong_object view;
    prong_value_get_object(object, &view);
    const prong_class *class = class_registered(r->options, view.module, view.name);
    *value = object;
    if (!class || !class->build) return PRONG_OK;
    if (r->own_count == r->own_capacity) TRY(double_array(&r->own, &r->own_capacity, sizeof(*r->own), NULL, 8));
    TRY(class->build(r->document, &view, value, class->context));
    r->own[r->own_count++] = (struct own_object){*value, object, class};
    return PRONG_OK;
}

/* The state of what a function of the program has made goes to that function. */
static prong_status give_own_state(struct reader *r, prong_value target, prong_value state) {
    for (size_t i = r->own_count; i-- > 0;) {
        struct own_object *own = &r->own[i];
        if (i % 16 == 0 && !work_add(1)) return too_much_work();
        if (own->value.head != target.head || own->value.pointer != target.pointer) continue;
        prong_object view;
        prong_value_get_object(own->object, &view);
        view.has_state = true;
        view.state = state;
        return own->class->build(r->document, &view, &own->value, own->class->context);
    }
    return expected("an object to give a state to", target);
}

static prong_status make_called(struct reader *r, prong_value class, prong_value arguments, prong_value keywords,
                                bool by_new, prong_value *value) {
    bool done = false;
    if (kind_of(class) != PRONG_KIND_CLASS) return malformed("what is called is no class");
    if (kind_of(arguments) != PRONG_KIND_TUPLE) return malformed("the arguments of a call are no tuple");
    if (!by_new) TRY(class_call(r->document, class, arguments, &done, value));
    if (!done) {
        TRY(make_object(r->document, class, arguments, by_new, value));
        object_of(*value)->keywords = keywords;
        TRY(build_own(r, *value, value));
    }
    TRY(check_steps(r));
    return check_depth(r, *value);
}

static prong_status call(struct reader *r, bool by_new) {
    TRY(has(r, 2));
    r->count--;
    prong_value value;
    TRY(make_called(r, *top(r), top(r)[1], prong_null(), by_new, &value));
    *top(r) = value;
    return PRONG_OK;
}

static prong_status call_with_keywords(struct reader *r) {
    TRY(has(r, 3));
    prong_value *from = top(r) - 2, value;
    if (kind_of(from[2]) != PRONG_KIND_DICT) return malformed("the keywords of a call are no dict");
    size_t at = 0;
    for (prong_value key; prong_value_next(from[2], &at, &key, NULL);)
        if (kind_of(key) != PRONG_KIND_STR) return malformed("a keyword that is no str");
    prong_value keywords = prong_value_size(from[2]) ? from[2] : prong_null();
    TRY(make_called(r, from[0], from[1], keywords, true, &value));
    r->count -= 2;
    *top(r) = value;
    return PRONG_OK;
}

/* OBJ: the class is the first above the MARK; INST: it is named in the opcode. Both call it with what else is there. */
static prong_status call_marked(struct reader *r, bool named) {
    const prong_value *items;
    size_t count;
    prong_value class, arguments, value;
    if (named) {
        TRY(push_global(r));
        class = r->stack[--r->count];
        TRY(close_mark(r, &items, &count));
    } else {
        TRY(close_mark(r, &items, &count));
        if (!count) return underflow(r);
        class = *items++;
        count--;
    }
    TRY(make_tuple(r->document, items, count, &arguments));
    TRY(make_called(r, class, arguments, prong_null(), false, &value));
    return push(r, value);
}

static prong_status set_state(struct reader *r) {
    TRY(has(r, 2));
    prong_value state = r->stack[--r->count], *target = top(r);
    if (kind_of(*target) != PRONG_KIND_OBJECT) return give_own_state(r, *target, state);
    struct object_node *object = object_of(*target);
    if (object->has_state) return malformed("an object gets its state twice");
    object->has_state = true;
    object->state = state;
    if (height_of(state) >= object->node.height) object->node.height = height_of(state) + 1;
    return check_depth(r, *target);
}

/* A call dropped from the stack is one made for what it does, which is nothing here. */
static prong_status drop(struct reader *r) {
    if (r->count == r->floor && r->mark_count) {
        r->floor = r->marks[--r->mark_count];
        return PRONG_OK;
    }
    TRY(has(r, 1));
    r->count--;
    return is_lost(r->stack[r->count]) ? malformed("the result of a call is dropped") : PRONG_OK;
}

static prong_status drop_marked(struct reader *r) {
    const prong_value *items;
    size_t count;
    TRY(close_mark(r, &items, &count));
    for (size_t i = 0; i < count; i++)
        if (is_lost(items[i])) return malformed("the result of a call is dropped");
    return PRONG_OK;
}

/* --- buffers beside the pickle --- */

static prong_status push_buffer(struct reader *r) {
    prong_value value;
    if (!r->options || r->buffers >= r->options->buffer_count)
        return fail(PRONG_INVALID, "buffer %zu was not handed over", r->buffers);
    const prong_pickle_buffer *buffer = &r->options->buffers[r->buffers++];
    TRY(make_bytes_node(r->document, PRONG_KIND_BUFFER, buffer->data, buffer->size, buffer->read_only, &value));
    return push(r, value);
}

static prong_status make_read_only(struct reader *r) {
    TRY(has(r, 1));
    prong_value from = *top(r);
    if (kind_of(from) == PRONG_KIND_BYTES) return PRONG_OK;
    if (kind_of(from) != PRONG_KIND_BUFFER && kind_of(from) != PRONG_KIND_BYTEARRAY) return expected("a buffer", from);
    return make_bytes_node(r->document, PRONG_KIND_BUFFER, bytes_of(from)->data, bytes_of(from)->size, true, top(r));
}

/* --- all opcodes --- */

static prong_status begin_frame(struct reader *r) {
    uint64_t size;
    TRY(take_number(r, 8, &size));
    return size > (size_t)(r->end - r->at) ? malformed("a frame goes past the end") : PRONG_OK;
}

static prong_status set_protocol(struct reader *r) {
    uint64_t protocol;
    TRY(take_number(r, 1, &protocol));
    if (protocol > PRONG_PICKLE_PROTOCOL) return fail(PRONG_INVALID, "unsupported protocol %d", (int)protocol);
    r->protocol = (int)protocol;
    return PRONG_OK;
}

static prong_status do_other(struct reader *r, enum opcode opcode) {
    uint64_t number;
    switch (opcode) {
    case PROTO: return set_protocol(r);
    case FRAME: return begin_frame(r);
    case POP: return drop(r);
    case POP_MARK: return drop_marked(r);
    case DUP: TRY(has(r, 1)); return push(r, *top(r));
    case INT: return push_int_line(r);
    case LONG: return push_long_line(r);
    case FLOAT: return push_float_line(r);
    case STRING: return push_quoted_line(r);
    case BINSTRING: return push_binstring(r, 4);
    case SHORT_BINSTRING: return push_binstring(r, 1);
    case UNICODE: return push_unicode_line(r);
    case LIST: return push_marked_list(r);
    case DICT: return push_marked_table(r, PRONG_KIND_DICT);
    case FROZENSET: return push_marked_table(r, PRONG_KIND_FROZENSET);
    case GET: TRY(take_index_line(r, &number)); return memo_get(r, number);
    case PUT: TRY(take_index_line(r, &number)); return memo_put(r, number);
    case GLOBAL: return push_global(r);
    case STACK_GLOBAL: return push_stack_global(r);
    case REDUCE: return call(r, false);
    case NEWOBJ: return call(r, true);
    case NEWOBJ_EX: return call_with_keywords(r);
    case INST: return call_marked(r, true);
    case OBJ: return call_marked(r, false);
    case BUILD: return set_state(r);
    case BYTEARRAY8: return push_bytearray(r);
    case NEXT_BUFFER: return push_buffer(r);
    case READONLY_BUFFER: return make_read_only(r);
    case PERSID:
    case BINPERSID: return malformed("persistent ids are not read");
    case EXT1:
    case EXT2:
    case EXT4: return malformed("the extension registry is not read");
    default: return fail(PRONG_INVALID, "no opcode is %#04x", (unsigned)opcode);
    }
}

/* The frequent opcodes; the others by do_other. */
static prong_status do_opcode(struct reader *r, enum opcode opcode) {
    uint64_t number;
    switch (opcode) {
    case MARK: return open_mark(r);
    case NONE: return push(r, prong_null());
    case NEWTRUE: return push(r, prong_bool(true));
    case NEWFALSE: return push(r, prong_bool(false));
    case BININT1: TRY(take_number(r, 1, &number)); return push(r, prong_int((int64_t)number));
    case BININT2: TRY(take_number(r, 2, &number)); return push(r, prong_int((int64_t)number));
    case BININT: return push_binint(r);
    case LONG1: return push_long(r, 1);
    case LONG4: return push_long(r, 4);
    case BINFLOAT: return push_binfloat(r);
    case SHORT_BINUNICODE: return push_text(r, 1);
    case BINUNICODE: return push_text(r, 4);
    case BINUNICODE8: return push_text(r, 8);
    case SHORT_BINBYTES: return push_bytes(r, 1);
    case BINBYTES: return push_bytes(r, 4);
    case BINBYTES8: return push_bytes(r, 8);
    case MEMOIZE: return memoize(r);
    case BINPUT: TRY(take_number(r, 1, &number)); return memo_put(r, number);
    case LONG_BINPUT: TRY(take_number(r, 4, &number)); return memo_put(r, number);
    case BINGET: TRY(take_number(r, 1, &number)); return memo_get(r, number);
    case LONG_BINGET: TRY(take_number(r, 4, &number)); return memo_get(r, number);
    case EMPTY_TUPLE: return push(r, value_of(PRONG_KIND_TUPLE, 0, NULL));
    case TUPLE1: return fold_tuple(r, 1);
    case TUPLE2: return fold_tuple(r, 2);
    case TUPLE3: return fold_tuple(r, 3);
    case TUPLE: return push_marked_tuple(r);
    case EMPTY_LIST: return push_empty(r, PRONG_KIND_LIST);
    case EMPTY_DICT: return push_empty(r, PRONG_KIND_DICT);
    case EMPTY_SET: return push_empty(r, PRONG_KIND_SET);
    case APPEND: return append_one(r);
    case SETITEM: return set_one(r);
    case APPENDS:
    case SETITEMS:
    case ADDITEMS: return extend_marked(r, opcode);
    default: return do_other(r, opcode);
    }
}

static prong_status finish(struct reader *r, prong_value *value) {
    if (r->mark_count) return malformed("a MARK is left at the end");
    TRY(has(r, 1));
    if (r->count != 1) return fail(PRONG_INVALID, "%zu values are left at the end", r->count);
    if (r->at != r->end) return fail(PRONG_INVALID, "%td bytes follow the end", r->end - r->at);
    *value = *top(r);
    return PRONG_OK;
}

static prong_status read_all(struct reader *r, prong_value *value) {
    for (;;) {
        if (__builtin_expect(r->at >= r->pause_at, 0)) {
            bool pending = r->pending.from < r->pending.end;
            if (pending || r->at < r->end) return PRONG_TIMEOUT; /* it is read in slices */
            r->opcode = r->at;
            return malformed("cut short");
        }
        r->opcode = r->at;
        enum opcode opcode = *r->at++;
        if (opcode == STOP) return finish(r, value);
        TRY(do_opcode(r, opcode));
    }
}

static void reader_begin(struct reader *r, prong_document *document, const void *data, size_t size,
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

/* With so many steps of work, which the reader then has less. */
static prong_status reader_run(struct reader *r, prong_value *value, size_t steps) {
    size_t before = value_work.done, limit = value_work.limit;
    if (limit > before && limit - before > steps) value_work.limit = before + steps;
    prong_status status = r->pending.from < r->pending.end ? put_pending(r) : PRONG_OK;
    if (status >= 0) status = read_all(r, value);
    value_work.limit = limit;
    size_t took = value_work.done - before;
    r->steps_left -= took < r->steps_left ? took : r->steps_left;
    if (status < 0 && status != PRONG_TIMEOUT)
        fail_again(status, "pickle: at byte %td of %td", r->opcode - r->start, r->end - r->start);
    return status;
}

static void reader_end(struct reader *r) {
    if (r->stack != r->fixed_stack) free(r->stack);
    if (r->marks != r->fixed_marks) free(r->marks);
    if (r->memo != r->fixed_memo) free(r->memo);
    free(r->own);
}

/* One with its buffers beside it: the pickle alone, and options with the buffers. */
static prong_status take_apart(prong_document *document, const void **data, size_t *size,
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

prong_status prong_pickle_loads(prong_document *document, const void *data, size_t size, prong_value *value,
                                const prong_unpickle_options *options) {
    struct reader r;
    prong_unpickle_options with;
    TRY(check_bytes(data, size, "pickle: data"));
    CHECK_RESERVED(options, "pickle: options");
    if (is_joined(data, size)) {
        with = options ? *options : (prong_unpickle_options){0};
        options = &with;
        TRY(take_apart(document, &data, &size, &with));
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
    prong_status status = is_joined(data, size) ? take_apart(document, &data, &size, &made->options) : PRONG_OK;
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
