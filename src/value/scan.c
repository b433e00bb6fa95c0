/* Taking values apart by format, and finding them by path. */
#include "base/error.h"
#include "value/number.h"
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scanner {
    const char *format, *at;
    va_list given;
    char path[128]; /* where in the value: ".size[1]" */
    size_t path_size;
};

static prong_status scan_bad_format(const struct scanner *scanner, const char *what) {
    return fail(PRONG_INVALID, "scan \"%.60s\": %s at position %td", scanner->format, what,
                scanner->at - scanner->format);
}

static prong_status scan_at_path(const struct scanner *scanner, prong_status status) {
    return scanner->path_size ? fail_again(status, "in %s", scanner->path) : status;
}

/* Goes one step down; the return value is what to give back to path_back. */
static size_t path_into(struct scanner *scanner, const char *key, size_t index) {
    size_t before = scanner->path_size, room = sizeof(scanner->path) - before;
    int size = key ? snprintf(scanner->path + before, room, ".%.40s", key)
                   : snprintf(scanner->path + before, room, "[%zu]", index);
    if (size > 0 && (size_t)size < room) scanner->path_size += (size_t)size;
    return before;
}
static void path_back(struct scanner *scanner, size_t before) {
    scanner->path_size = before;
    scanner->path[before] = 0;
}

static char scan_next_letter(struct scanner *scanner) {
    scanner->at += strspn(scanner->at, " ,:\t\n");
    return *scanner->at ? *scanner->at++ : 0;
}
static char scan_peek_letter(struct scanner *scanner) {
    scanner->at += strspn(scanner->at, " ,:\t\n");
    return *scanner->at;
}

static prong_status scan_value(struct scanner *scanner, char letter, const prong_value *value);

static prong_status scan_int(struct scanner *scanner, char letter, prong_value value) {
    int64_t number;
    prong_status status = prong_get_int(value, &number);
    if (status < 0) return status;
    if (letter == 'i' && (number < INT_MIN || number > INT_MAX))
        return fail(PRONG_TOO_LONG, "%lld does not fit in an int", (long long)number);
    if (letter == 'i')
        *va_arg(scanner->given, int *) = (int)number;
    else if (letter == 'l')
        *va_arg(scanner->given, long *) = (long)number;
    else
        *va_arg(scanner->given, int64_t *) = number;
    return PRONG_OK;
}

static prong_status scan_parts(struct scanner *scanner, char letter, prong_value value) {
    void *first = va_arg(scanner->given, void *), *second = va_arg(scanner->given, void *);
    switch (letter) {
    case 'c': return to_complex(value, first, second);
    case 'r': return range_parts(value, first, second, va_arg(scanner->given, prong_value *));
    case 'C': return class_names(value, first, second);
    default: return handle_parts(value, first, second);
    }
}

static prong_status scan_leaf(struct scanner *scanner, char letter, prong_value value) {
    prong_status status = PRONG_OK;
    switch (letter) {
    case '.': return PRONG_OK;
    case 'n': return value_kind(value) == PRONG_KIND_NULL ? PRONG_OK : expected("None", value);
    case 'b': return prong_get_bool(value, va_arg(scanner->given, bool *));
    case 'i':
    case 'l':
    case 'I': return scan_int(scanner, letter, value);
    case 'U': return to_uint(value, va_arg(scanner->given, uint64_t *));
    case 'z': {
        uint64_t number = 0;
        size_t *size = va_arg(scanner->given, size_t *);
        status = to_uint(value, &number);
        if (status >= 0) *size = (size_t)number;
        return status;
    }
    case 'd': return prong_get_float(value, va_arg(scanner->given, double *));
    case 's': return prong_get_str(value, va_arg(scanner->given, const char **), NULL);
    case 'S': {
        const char **text = va_arg(scanner->given, const char **);
        return prong_get_str(value, text, va_arg(scanner->given, size_t *));
    }
    case 'y': {
        const void **data = va_arg(scanner->given, const void **);
        return prong_get_bytes(value, data, va_arg(scanner->given, size_t *));
    }
    case 'v': *va_arg(scanner->given, prong_value *) = value; return PRONG_OK;
    case 'c':
    case 'r':
    case 'C':
    case 'h': return scan_parts(scanner, letter, value);
    default: return scan_bad_format(scanner, "no such letter");
    }
}

/* Goes past what would go to an absent value, and past its arguments. */
static prong_status scan_skip_one(struct scanner *scanner, char letter) {
    switch (letter) {
    case '.':
    case 'n': return PRONG_OK;
    case 'r': (void)va_arg(scanner->given, void *); /* fall through */
    case 'c':
    case 'C':
    case 'h':
    case 'S':
    case 'y': (void)va_arg(scanner->given, void *); /* fall through */
    case 'b':
    case 'i':
    case 'l':
    case 'I':
    case 'U':
    case 'z':
    case 'd':
    case 's':
    case 'v': (void)va_arg(scanner->given, void *); return PRONG_OK;
    case '(':
    case '[':
    case '{': {
        char closing = letter == '(' ? ')' : letter == '[' ? ']' : '}';
        for (char c = scan_next_letter(scanner); c != closing; c = scan_next_letter(scanner)) {
            prong_status status = !c                     ? scan_bad_format(scanner, "an open bracket")
                                  : c == '*' || c == '?' ? PRONG_OK
                                                         : scan_skip_one(scanner, c);
            if (status < 0) return status;
        }
        return PRONG_OK;
    }
    default: return scan_bad_format(scanner, "no such letter");
    }
}

static prong_status scan_items(struct scanner *scanner, prong_value value, char closing) {
    prong_kind wanted = closing == ')' ? PRONG_KIND_TUPLE : PRONG_KIND_LIST;
    if (value_kind(value) != wanted) return expected(prong_kind_name(wanted), value);
    size_t count, index = 0;
    const prong_value *items = value_items(value, &count);
    for (char letter = scan_next_letter(scanner); letter != closing; letter = scan_next_letter(scanner), index++) {
        if (!letter) return scan_bad_format(scanner, "an open bracket");
        if (letter == '*') {
            if (scan_next_letter(scanner) != closing) return scan_bad_format(scanner, "something after '*'");
            return PRONG_OK;
        }
        if (index >= count) return fail(PRONG_INVALID, "only %zu items", count);
        size_t before = path_into(scanner, NULL, index);
        prong_status status = scan_value(scanner, letter, &items[index]);
        if (status < 0) return status;
        path_back(scanner, before);
    }
    return index == count ? PRONG_OK : fail(PRONG_INVALID, "%zu items where %zu were expected", count, index);
}

static prong_status scan_dict(struct scanner *scanner, prong_value value) {
    if (value_kind(value) != PRONG_KIND_DICT) return expected("dict", value);
    for (char letter = scan_next_letter(scanner); letter != '}'; letter = scan_next_letter(scanner)) {
        if (letter != 's') return scan_bad_format(scanner, "a dict's keys are to be 's'");
        const char *key = va_arg(scanner->given, const char *);
        bool optional = scan_peek_letter(scanner) == '?' && scan_next_letter(scanner);
        prong_value found;
        prong_status status = prong_dict_get_text(value, key, &found);
        letter = scan_next_letter(scanner);
        if (status == PRONG_NOT_FOUND && optional) {
            status = scan_skip_one(scanner, letter);
            if (status < 0) return status;
            continue;
        }
        if (status < 0) return status;
        size_t before = path_into(scanner, key, 0);
        status = scan_value(scanner, letter, &found);
        if (status < 0) return status;
        path_back(scanner, before);
    }
    return PRONG_OK;
}

static prong_status scan_value(struct scanner *scanner, char letter, const prong_value *value) {
    if (letter == '(') return scan_items(scanner, *value, ')');
    if (letter == '[') return scan_items(scanner, *value, ']');
    if (letter == '{') return scan_dict(scanner, *value);
    return scan_leaf(scanner, letter, *value);
}

prong_status prong_scan(prong_value value, const char *format, ...) {
    struct scanner scanner = {.format = format, .at = format};
    va_start(scanner.given, format);
    prong_status status = scan_value(&scanner, scan_next_letter(&scanner), &value);
    if (status < 0)
        status = scan_at_path(&scanner, status);
    else if (scan_next_letter(&scanner))
        status = scan_bad_format(&scanner, "something after the value");
    va_end(scanner.given);
    return status;
}

/* --- paths --- */

static prong_status path_unreadable(const char *path, const char *at) {
    return fail(PRONG_INVALID, "path \"%.60s\": cannot be read at position %td", path, at - path);
}

static prong_status path_step_by_key(prong_value value, const char *key, size_t size, prong_value *found) {
    if (value_kind(value) != PRONG_KIND_DICT) return expected("dict", value);
    return dict_find_text(value, key, size, found);
}

static prong_status path_step_by_index(prong_value value, long index, prong_value *found) {
    if (value_kind(value) == PRONG_KIND_DICT) return prong_dict_get(value, prong_make_int(index), found);
    if (index < 0) index += (long)prong_value_size(value);
    if (index < 0) return fail_text(PRONG_NOT_FOUND, "index is out of range");
    return prong_list_get(value, (size_t)index, found);
}

/* One step: .name, name, [3], ['a.b']; *at goes past it. */
static prong_status path_step(const char *path, const char **at, prong_value value, prong_value *found) {
    const char *from = *at;
    if (*from != '[') {
        if (*from == '.') from++;
        size_t size = strcspn(from, ".[");
        *at = from + size;
        return size ? path_step_by_key(value, from, size, found) : path_unreadable(path, from);
    }
    char quote = *++from;
    if (quote == '\'' || quote == '"') {
        const char *end = strchr(++from, quote);
        if (!end || end[1] != ']') return path_unreadable(path, from);
        *at = end + 2;
        return path_step_by_key(value, from, (size_t)(end - from), found);
    }
    char *end;
    long index = strtol(from, &end, 10);
    if (end == from || *end != ']') return path_unreadable(path, from);
    *at = end + 1;
    return path_step_by_index(value, index, found);
}

prong_status prong_value_at(prong_value value, const char *path, prong_value *found) {
    for (const char *at = path; *at;) {
        prong_status status = path_step(path, &at, value, &value);
        if (status < 0) return fail_again(status, "path \"%.60s\", before position %td", path, at - path);
    }
    *found = value;
    return PRONG_OK;
}
