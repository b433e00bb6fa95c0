/* Ints beyond 64 bits are kept as minimal two's complement, least significant byte first, as pickle has them. */
#define _GNU_SOURCE
#include "value/number.h"
#include "base/error.h"
#include "value/document.h"
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- ints --- */

static bool int_is_negative(const unsigned char *bytes, size_t size) {
    return size && bytes[size - 1] & 0x80;
}

/* The length without bytes that only repeat the sign. */
static size_t int_minimal_size(const unsigned char *bytes, size_t size) {
    while (size > 1) {
        unsigned char top = bytes[size - 1], next = bytes[size - 2];
        if (!((top == 0 && !(next & 0x80)) || (top == 0xff && next & 0x80))) break;
        size--;
    }
    return size;
}

static int64_t int_of_few_bytes(const unsigned char *bytes, size_t size) {
    uint64_t word = int_is_negative(bytes, size) ? ~(uint64_t)0 : 0;
    memcpy(&word, bytes, size); /* the machines are little-endian, as os.h demands */
    return (int64_t)word;
}

prong_status make_int(prong_document *document, const unsigned char *bytes, size_t size, prong_value *value) {
    size = int_minimal_size(bytes, size);
    if (size <= 8) {
        *value = prong_make_int(int_of_few_bytes(bytes, size));
        return PRONG_OK;
    }
    return make_text(document, PRONG_KIND_INT, bytes, size, value);
}

static int int_compare_big(const unsigned char *a, size_t size_a, const unsigned char *b, size_t size_b) {
    bool minus = int_is_negative(a, size_a);
    if (minus != int_is_negative(b, size_b)) return minus ? -1 : 1;
    if (size_a != size_b) return (size_a > size_b) != minus ? 1 : -1;
    for (size_t i = size_a; i-- > 0;)
        if (a[i] != b[i]) return a[i] > b[i] ? 1 : -1;
    return 0;
}

size_t integral_bytes(double whole, unsigned char *bytes) {
    memset(bytes, 0, INTEGRAL_MAX);
    int exponent;
    double fraction = frexp(fabs(whole), &exponent); /* fraction in [0.5, 1) */
    uint64_t mantissa = (uint64_t)ldexp(fraction, 53);
    int shift = exponent - 53;
    if (shift < 0) mantissa >>= -shift, shift = 0;
    for (int i = 0; i < 64; i++)
        if (mantissa >> i & 1) bytes[(shift + i) / 8] |= (unsigned char)(1 << (shift + i) % 8);
    if (whole < 0) {
        unsigned carry = 1;
        for (size_t i = 0; i < INTEGRAL_MAX; i++) {
            carry += (unsigned char)~bytes[i];
            bytes[i] = (unsigned char)carry;
            carry >>= 8;
        }
    }
    return int_minimal_size(bytes, INTEGRAL_MAX);
}

/* The bytes of any int; of a small one, in `room`. */
static const unsigned char *int_bytes(prong_value number, unsigned char room[8], size_t *size) {
    if (value_is_big(number)) {
        *size = value_size(number);
        return number.pointer;
    }
    memcpy(room, &number.integer, 8);
    *size = int_minimal_size(room, 8);
    return room;
}

static int int_compare_float(prong_value whole, double real) {
    if (isnan(real)) return UNORDERED;
    if (isinf(real)) return real > 0 ? -1 : 1;
    unsigned char room[8], bytes[INTEGRAL_MAX];
    size_t size;
    const unsigned char *of_int = int_bytes(whole, room, &size);
    double floored = floor(real);
    size_t of_real = integral_bytes(floored, bytes);
    int order = int_compare_big(of_int, size, bytes, of_real);
    return order == 0 && floored != real ? -1 : order;
}

int number_compare(prong_value a, prong_value b) {
    bool real_a = value_kind(a) == PRONG_KIND_FLOAT, real_b = value_kind(b) == PRONG_KIND_FLOAT;
    if (real_a && real_b) {
        if (isnan(a.real) || isnan(b.real)) return UNORDERED;
        return (a.real > b.real) - (a.real < b.real);
    }
    if (real_b) return int_compare_float(a, b.real);
    if (real_a) {
        int order = int_compare_float(b, a.real);
        return order == UNORDERED ? order : -order;
    }
    if (!value_is_big(a) && !value_is_big(b)) return (a.integer > b.integer) - (a.integer < b.integer);
    unsigned char room_a[8], room_b[8];
    size_t size_a, size_b;
    const unsigned char *bytes_a = int_bytes(a, room_a, &size_a), *bytes_b = int_bytes(b, room_b, &size_b);
    return int_compare_big(bytes_a, size_a, bytes_b, size_b);
}

double int_to_double(prong_value number) {
    if (!value_is_big(number)) return (double)number.integer;
    const unsigned char *bytes = number.pointer;
    size_t size = value_size(number);
    if (size > INTEGRAL_MAX) return int_is_negative(bytes, size) ? -HUGE_VAL : HUGE_VAL;
    /* The top 8 bytes round once if what is below them is kept as a sticky last bit. */
    int64_t top = int_of_few_bytes(bytes + size - 8, 8);
    for (size_t i = 0; i < size - 8; i++)
        if (bytes[i]) {
            top |= 1;
            break;
        }
    return ldexp((double)top, (int)(size - 8) * 8);
}

/* Divides by 10^9 again and again; 4,300 digits take some 100,000 steps. */
char *int_to_text(prong_value number) {
    size_t words = value_size(number) / 4 + 1;
    bool minus = int_is_negative(number.pointer, value_size(number));
    uint32_t *magnitude = malloc(words * sizeof(uint32_t));
    char *text = malloc(words * 10 + 12), *at = text;
    if (!magnitude || !text) {
        free(magnitude);
        free(text);
        return NULL;
    }
    memset(magnitude, minus ? 0xff : 0, words * sizeof(uint32_t));
    memcpy(magnitude, number.pointer, value_size(number));
    uint64_t carry = 1;
    for (size_t i = 0; minus && i < words; i++) {
        carry += (uint32_t)~magnitude[i];
        magnitude[i] = (uint32_t)carry;
        carry >>= 32;
    }
    while (words) {
        uint64_t rest = 0;
        for (size_t i = words; i-- > 0;) {
            rest = rest << 32 | magnitude[i];
            magnitude[i] = (uint32_t)(rest / 1000000000);
            rest %= 1000000000;
        }
        while (words && magnitude[words - 1] == 0) words--;
        for (int i = 0; i < 9 && (words || rest); i++, rest /= 10) *at++ = (char)('0' + rest % 10);
    }
    if (minus) *at++ = '-';
    *at = 0;
    for (char *a = text, *b = at - 1; a < b; a++, b--) {
        char c = *a;
        *a = *b;
        *b = c;
    }
    free(magnitude);
    return text;
}

static prong_status int_from_digits(prong_document *document, const char *digits, size_t count, bool minus,
                                    prong_value *value) {
    uint32_t words[DIGITS_MAX / 9 + 2] = {0};
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t carry = (uint64_t)(digits[i] - '0');
        for (size_t w = 0; w < used || carry; w++) {
            carry += (uint64_t)words[w] * 10;
            words[w] = (uint32_t)carry;
            carry >>= 32;
            if (w == used) used++;
        }
    }
    uint64_t carry = 1;
    for (size_t w = 0; minus && w <= used; w++) {
        carry += (uint32_t)~words[w];
        words[w] = (uint32_t)carry;
        carry >>= 32;
    }
    return make_int(document, (unsigned char *)words, (used + 1) * 4, value);
}

bool int_from_text(prong_document *document, const char *text, size_t size, prong_value *value, prong_status *status) {
    bool minus = size && *text == '-';
    if (minus || (size && *text == '+')) text++, size--;
    if (!size) return false;
    int64_t number = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        if (i < 18) number = number * 10 + (text[i] - '0');
    }
    *status = PRONG_OK;
    if (size <= 18)
        *value = prong_make_int(minus ? -number : number);
    else if (size > DIGITS_MAX)
        *status = fail(PRONG_TOO_LONG, "an int of %zu digits passes the limit of %d", size, DIGITS_MAX);
    else
        *status = int_from_digits(document, text, size, minus, value);
    return true;
}

prong_status prong_make_big_int(prong_document *document, const void *bytes, size_t size, prong_value *value) {
    TRY(check_bytes(bytes, size, "int: bytes"));
    if (size) return make_int(document, bytes, size, value);
    *value = prong_make_int(0);
    return PRONG_OK;
}

prong_status make_int_from_digits(prong_document *document, const char *digits, prong_value *value) {
    prong_status status;
    if (!digits) return fail_text(PRONG_INVALID, "int: no digits (NULL)");
    if (!int_from_text(document, digits, strlen(digits), value, &status))
        return fail(PRONG_INVALID, "\"%.40s\" is no int", digits);
    return status == PRONG_TOO_LONG ? PRONG_INVALID : status;
}

prong_status make_uint(prong_document *document, uint64_t number, prong_value *value) {
    unsigned char bytes[9] = {0};
    memcpy(bytes, &number, 8);
    return make_int(document, bytes, 9, value);
}

prong_status prong_get_big_int(prong_value value, void *bytes, size_t size, size_t *needed) {
    if (value_kind(value) != PRONG_KIND_INT && value_kind(value) != PRONG_KIND_BOOL) return expected("int", value);
    unsigned char room[8];
    size_t length;
    const unsigned char *of_int = int_bytes(value, room, &length);
    if (needed) *needed = length;
    TRY(check_bytes(bytes, size, "int: bytes"));
    if (length > size) return fail(PRONG_TOO_LONG, "an int of %zu bytes does not fit in %zu", length, size);
    memset(bytes, int_is_negative(of_int, length) ? 0xff : 0, size);
    memcpy(bytes, of_int, length);
    return PRONG_OK;
}

/* --- floats as text --- */

/* The C locale, whatever the program has set: a decimal comma is no number. */
static locale_t float_locale(void) {
    static locale_t made;
    locale_t locale = __atomic_load_n(&made, __ATOMIC_ACQUIRE), none = (locale_t)0;
    if (locale) return locale;
    locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (__atomic_compare_exchange_n(&made, &none, locale, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return locale;
    freelocale(locale);
    return none;
}

/* "d.ddde+XX" with the fewest digits that read back the same. */
static int float_shortest(double number, char text[FLOAT_TEXT]) {
    locale_t before = uselocale(float_locale());
    int digits = 0;
    int least =
        fabs(number) < DBL_MIN ? 0 : 14; /* up to 15 digits are unique, and end in zeros; but not so near to 0 */
    for (int precision = least; precision <= 16; precision++) {
        digits = snprintf(text, FLOAT_TEXT, "%.*e", precision, number);
        if (strtod(text, NULL) == number) break;
    }
    uselocale(before);
    return digits;
}

size_t float_to_text(double number, char text[FLOAT_TEXT]) {
    if (isnan(number)) return (size_t)snprintf(text, FLOAT_TEXT, "nan");
    if (isinf(number)) return (size_t)snprintf(text, FLOAT_TEXT, number < 0 ? "-inf" : "inf");
    char scientific[FLOAT_TEXT], digits[FLOAT_TEXT] = "", *out = text;
    float_shortest(number, scientific);
    char *at = scientific, *e = strchr(scientific, 'e');
    int exponent = atoi(e + 1), count = 0;
    if (*at == '-') *out++ = *at++;
    for (; at < e; at++)
        if (*at != '.') digits[count++] = *at;
    while (count > 1 && digits[count - 1] == '0') count--;
    bool scaled = exponent < -4 || exponent >= 16;
    int point = scaled ? 1 : exponent + 1; /* digits before it */
    if (point <= 0) {
        *out++ = '0';
        *out++ = '.';
    }
    for (int i = point; i < 0; i++) *out++ = '0';
    for (int i = 0; i < count || i < point; i++) {
        if (i && i == point) *out++ = '.';
        *out++ = i < count ? digits[i] : '0';
    }
    size_t room = FLOAT_TEXT - (size_t)(out - text);
    *out = 0;
    if (scaled)
        out += snprintf(out, room, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    else if (count <= point)
        out += snprintf(out, room, ".0");
    return (size_t)(out - text);
}

/* Digits, a point, an exponent; or inf, infinity, nan in any case. strtod would also take hexadecimal. */
static bool float_looks_like_one(const char *text, size_t size) {
    size_t at = 0, digits = 0;
    if (at < size && (text[at] == '+' || text[at] == '-')) at++;
    for (; at < size && ((text[at] >= '0' && text[at] <= '9') || text[at] == '.'); at++) digits += text[at] != '.';
    if (!digits) {
        char word[9] = {0};
        for (size_t i = 0; at + i < size && i < 9; i++) word[i < 8 ? i : 7] = (char)(text[at + i] | 0x20);
        return at + strlen(word) == size && (!strcmp(word, "inf") || !strcmp(word, "infinity") || !strcmp(word, "nan"));
    }
    if (at < size && (text[at] | 0x20) == 'e') {
        at++;
        if (at < size && (text[at] == '+' || text[at] == '-')) at++;
        for (digits = 0; at < size && text[at] >= '0' && text[at] <= '9'; at++) digits++;
        if (!digits) return false;
    }
    return at == size;
}

bool float_from_text(const char *text, size_t size, double *number) {
    char copy[512], *end;
    if (size >= sizeof(copy) || !float_looks_like_one(text, size)) return false;
    memcpy(copy, text, size);
    copy[size] = 0;
    *number = strtod_l(copy, &end, float_locale());
    return end == copy + size;
}
