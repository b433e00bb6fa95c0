/* Building values by format. */
#include "base/error.h"
#include "value/number.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { NESTING_MAX = 32 };

/* What is being built: values wait here until their bracket closes. */
struct builder {
    prong_document *document;
    const char *format, *at;
    prong_value fixed[32], *items;
    size_t count, capacity;
    size_t opened[NESTING_MAX]; /* how many values there were at each open bracket */
    char brackets[NESTING_MAX];
    int nesting;
};

static prong_status build_bad_format(const struct builder *builder, const char *what) {
    return fail(PRONG_INVALID, "build \"%.60s\": %s at position %td", builder->format, what,
                builder->at - builder->format);
}

static prong_status build_push(struct builder *builder, prong_value value) {
    if (builder->count == builder->capacity) {
        size_t capacity = builder->capacity * 2;
        prong_value *items =
            realloc(builder->items == builder->fixed ? NULL : builder->items, capacity * sizeof(value));
        if (!items) return fail_text(PRONG_NO_MEMORY, "build: the system has no memory left");
        if (builder->items == builder->fixed) memcpy(items, builder->fixed, sizeof(builder->fixed));
        builder->items = items;
        builder->capacity = capacity;
    }
    builder->items[builder->count++] = value;
    return PRONG_OK;
}

static prong_status build_open(struct builder *builder, char bracket) {
    if (builder->nesting == NESTING_MAX) return build_bad_format(builder, "too many brackets");
    builder->brackets[builder->nesting] = bracket;
    builder->opened[builder->nesting++] = builder->count;
    return PRONG_OK;
}

static prong_status build_close(struct builder *builder, char bracket) {
    static const char pairs[] = "()[]{}<>";
    if (!builder->nesting || strchr(pairs, builder->brackets[builder->nesting - 1])[1] != bracket)
        return build_bad_format(builder, "this bracket closes none");
    size_t from = builder->opened[--builder->nesting], count = builder->count - from;
    prong_value *items = builder->items + from, made;
    if (bracket == '}' && count % 2) return build_bad_format(builder, "a key without a value");
    prong_status status = bracket == ')'   ? prong_make_tuple(builder->document, items, count, &made)
                          : bracket == ']' ? prong_make_list(builder->document, items, count, &made)
                          : bracket == '>' ? prong_make_set(builder->document, items, count, &made)
                                           : prong_make_dict(builder->document, items, count / 2, &made);
    if (status < 0) return status;
    builder->count = from;
    return build_push(builder, made);
}

/* A va_list in a struct can be passed on by pointer. */
struct arguments {
    va_list list;
};

static prong_status build_sized(prong_document *document, char letter, struct arguments *given, prong_value *made) {
    const void *data = va_arg(given->list, const void *);
    size_t size = va_arg(given->list, size_t);
    if (letter == 'S') return prong_make_str(document, data, size, made);
    return letter == 'y' ? prong_make_bytes(document, data, size, made) : make_bytearray(document, data, size, made);
}

static prong_status build_range(prong_document *document, struct arguments *given, prong_value *made) {
    prong_value start = va_arg(given->list, prong_value), stop = va_arg(given->list, prong_value);
    return make_range(document, start, stop, va_arg(given->list, prong_value), made);
}

static prong_status build_complex(prong_document *document, struct arguments *given, prong_value *made) {
    double real = va_arg(given->list, double);
    return make_complex(document, real, va_arg(given->list, double), made);
}

/* A class by module and name, or a handle by type. */
static prong_status build_of_parts(prong_document *document, char letter, struct arguments *given, prong_value *made) {
    if (letter == 'c') return build_complex(document, given, made);
    if (letter == 'r') return build_range(document, given, made);
    const char *first = va_arg(given->list, const char *);
    const void *second = va_arg(given->list, const void *);
    return letter == 'C' ? make_class_named(document, first, second, made)
                         : make_handle_from(document, first, second, made);
}

static prong_status build_one(struct builder *builder, char letter, struct arguments *given) {
    prong_document *document = builder->document;
    prong_value made = prong_make_null();
    prong_status status = PRONG_OK;
    switch (letter) {
    case 'n': break;
    case 'b': made = prong_make_bool(va_arg(given->list, int) != 0); break;
    case 'i': made = prong_make_int(va_arg(given->list, int)); break;
    case 'l': made = prong_make_int(va_arg(given->list, long)); break;
    case 'I': made = prong_make_int(va_arg(given->list, int64_t)); break;
    case 'U': status = make_uint(document, va_arg(given->list, uint64_t), &made); break;
    case 'z': status = make_uint(document, va_arg(given->list, size_t), &made); break;
    case 'd': made = prong_make_float(va_arg(given->list, double)); break;
    case 'v': made = va_arg(given->list, prong_value); break;
    case 's': {
        const char *text = va_arg(given->list, const char *);
        if (text) status = prong_make_str(document, text, PRONG_TO_NUL, &made);
        break;
    }
    case 'D': status = make_int_from_digits(document, va_arg(given->list, const char *), &made); break;
    case 'S':
    case 'y':
    case 'Y': status = build_sized(document, letter, given, &made); break;
    case 'c':
    case 'r':
    case 'C':
    case 'h': status = build_of_parts(document, letter, given, &made); break;
    default: return build_bad_format(builder, "no such letter");
    }
    return status < 0 ? status : build_push(builder, made);
}

static prong_status build(struct builder *builder, struct arguments *given) {
    prong_status status = PRONG_OK;
    for (; *builder->at && status >= 0; builder->at++) {
        char c = *builder->at;
        if (strchr(" ,:\t\n", c)) continue;
        if (strchr("([{<", c))
            status = build_open(builder, c);
        else if (strchr(")]}>", c))
            status = build_close(builder, c);
        else
            status = build_one(builder, c, given);
    }
    if (status >= 0 && builder->nesting) return build_bad_format(builder, "an open bracket");
    return status;
}

/* Pair with build_end. */
static prong_status build_begin(struct builder *builder, prong_document *document, const char *format, va_list list) {
    *builder = (struct builder){.document = document, .format = format, .at = format, .capacity = 32};
    builder->items = builder->fixed;
    struct arguments given;
    va_copy(given.list, list);
    prong_status status = build(builder, &given);
    va_end(given.list);
    return status;
}

static void build_end(struct builder *builder) {
    if (builder->items != builder->fixed) free(builder->items);
}

prong_status value_build(prong_document *document, prong_value *value, const char *format, va_list list) {
    struct builder builder;
    prong_status status = build_begin(&builder, document, format, list);
    if (status >= 0 && builder.count != 1) status = build_bad_format(&builder, "not one value (bracket them)");
    if (status >= 0) *value = builder.items[0];
    build_end(&builder);
    return status;
}

static bool is_call(const struct builder *builder) {
    if (!builder->count || builder->count > 2 || value_kind(builder->items[0]) != PRONG_KIND_TUPLE) return false;
    prong_kind second = builder->count == 2 ? value_kind(builder->items[1]) : PRONG_KIND_NULL;
    return second == PRONG_KIND_DICT || second == PRONG_KIND_NULL;
}

prong_status value_build_call(prong_document *document, prong_value *arguments, prong_value *keywords,
                              const char *format, va_list list) {
    struct builder builder;
    prong_status status = build_begin(&builder, document, format, list);
    if (status >= 0 && !is_call(&builder))
        status = build_bad_format(&builder, "no tuple of arguments, or no dict of keywords after it,");
    if (status >= 0) {
        *arguments = builder.items[0];
        *keywords = builder.count == 2 ? builder.items[1] : prong_make_null();
    }
    build_end(&builder);
    return status;
}

prong_status prong_build(prong_document *document, prong_value *value, const char *format, ...) {
    va_list list;
    va_start(list, format);
    prong_status status = value_build(document, value, format, list);
    va_end(list);
    return status;
}
