/* Reading pickles: opcodes that are lines of text, as protocol 0 has them, and Python 2's strings. */
#include "value/document.h"
#include "value/number.h"
#include "value/pickle_reader.h"
#include "value/text.h"
#include <math.h>

/* --- numbers --- */

static bool read_has_leading_zero(const char *digits, size_t size) {
    if (size && *digits == '-') {
        if (size == 2 && digits[1] == '0') return true;
        digits++, size--;
    }
    return size > 1 && *digits == '0';
}

/* As picklers write them: no plus, no leading zero, no blanks. */
static prong_status read_digits(struct reader *r, const char *digits, size_t size) {
    prong_value value;
    prong_status status;
    if (!size || *digits == '+' || read_has_leading_zero(digits, size) ||
        !int_from_text(r->document, digits, size, &value, &status))
        return malformed("an int that is none");
    return status < 0 ? status : reader_push(r, value);
}

prong_status read_int_line(struct reader *r) {
    const char *line;
    size_t size;
    TRY(reader_take_line(r, &line, &size));
    if (size == 2 && line[0] == '0' && (line[1] == '0' || line[1] == '1'))
        return reader_push(r, prong_make_bool(line[1] == '1'));
    return read_digits(r, line, size);
}

prong_status read_long_line(struct reader *r) {
    const char *line;
    size_t size;
    TRY(reader_take_line(r, &line, &size));
    if (size && line[size - 1] == 'L') size--;
    return read_digits(r, line, size);
}

prong_status read_float_line(struct reader *r) {
    const char *line;
    size_t size;
    double number;
    TRY(reader_take_line(r, &line, &size));
    if (!float_from_text(line, size, &number)) return malformed("a float that is none");
    if (isinf(number) && !memchr(line, 'i', size) && !memchr(line, 'I', size)) return malformed("a float out of range");
    return reader_push(r, prong_make_float(number));
}

prong_status read_index_line(struct reader *r, uint64_t *index) {
    const char *line;
    size_t size;
    TRY(reader_take_line(r, &line, &size));
    *index = 0;
    if (!size || size > 18) return malformed("a memo index that is none");
    for (size_t i = 0; i < size; i++) {
        if (line[i] < '0' || line[i] > '9') return malformed("a memo index that is none");
        *index = *index * 10 + (uint64_t)(line[i] - '0');
    }
    return PRONG_OK;
}

/* --- text --- */

/* Python 2's str: text here, and only ASCII. */
static prong_status read_ascii(struct reader *r, const unsigned char *bytes, size_t size) {
    prong_value value;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] & 0x80) return malformed("a Python 2 string that is not ASCII");
    TRY(make_text(r->document, PRONG_KIND_STR, bytes, size, &value));
    return reader_push(r, value);
}

prong_status read_binstring(struct reader *r, size_t width) {
    const unsigned char *bytes;
    size_t size;
    if (width == 4 && r->end - r->at >= 4 && r->at[3] & 0x80) return malformed("a string of negative length");
    TRY(reader_take_counted(r, width, &bytes, &size));
    return read_ascii(r, bytes, size);
}

/* So many hexadecimal digits. */
static bool read_hex_digits(const char *at, size_t left, size_t digits, uint32_t *number) {
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
static bool read_escape(const char **at, const char *end, char **out) {
    static const char letters[] = "\\'\"abfnrtv", codes[] = "\\'\"\a\b\f\n\r\t\v";
    uint32_t number;
    if (*at == end) return false;
    char c = *(*at)++;
    const char *known = strchr(letters, c);
    if (c && known) {
        *(*out)++ = codes[known - letters];
    } else if (c == 'x') {
        if (!read_hex_digits(*at, (size_t)(end - *at), 2, &number)) return false;
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

prong_status read_quoted_line(struct reader *r) {
    const char *line;
    size_t size;
    TRY(reader_take_line(r, &line, &size));
    if (size < 2 || (*line != '\'' && *line != '"') || line[size - 1] != *line)
        return malformed("a string without its quotes");
    char *text = document_take(r->document, size), *out = text;
    if (!text) return PRONG_NO_MEMORY;
    for (const char *at = line + 1, *end = line + size - 1; at < end;) {
        if (*at != '\\')
            *out++ = *at++;
        else if (at++, !read_escape(&at, end, &out))
            return malformed("a string with a bad escape");
    }
    return read_ascii(r, (unsigned char *)text, (size_t)(out - text));
}

/* raw-unicode-escape: \u and \U behind an odd number of backslashes; other bytes are characters themselves. */
prong_status read_unicode_line(struct reader *r) {
    const char *line;
    size_t size, backslashes = 0;
    TRY(reader_take_line(r, &line, &size));
    char *text = document_take(r->document, size * 2 + 4), *out = text;
    if (!text) return PRONG_NO_MEMORY;
    for (const char *at = line, *end = line + size; at < end;) {
        char c = *at++;
        if ((c == 'u' || c == 'U') && backslashes % 2) {
            uint32_t character;
            size_t digits = c == 'u' ? 4 : 8;
            if (!read_hex_digits(at, (size_t)(end - at), digits, &character) || character > 0x10ffff)
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
    return reader_push(r, value);
}
