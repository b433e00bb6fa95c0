#include "value/text.h"
#include <string.h>

static bool text_continues(const unsigned char *at, size_t count) {
    for (size_t i = 1; i <= count; i++)
        if ((at[i] & 0xc0) != 0x80) return false;
    return true;
}

/* Bytes of the character at `at`, of `left`; 0: none starts here. */
static size_t text_character_size(const unsigned char *at, size_t left) {
    unsigned char first = at[0];
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first < 0xe0) return left >= 2 && text_continues(at, 1) ? 2 : 0;
    if (first >= 0xe0 && first < 0xf0)
        return left >= 3 && text_continues(at, 2) && !(first == 0xe0 && at[1] < 0xa0) ? 3 : 0;
    if (first >= 0xf0 && first < 0xf5)
        return left >= 4 && text_continues(at, 3) && !(first == 0xf0 && at[1] < 0x90) &&
                       !(first == 0xf4 && at[1] > 0x8f)
                   ? 4
                   : 0;
    return 0;
}

bool utf8_valid(const char *text, size_t size, size_t *bad) {
    const unsigned char *at = (const unsigned char *)text, *end = at + size;
    while (at < end) {
        uint64_t word;
        while (end - at >= 8 && (memcpy(&word, at, 8), !(word & 0x8080808080808080u))) at += 8;
        if (at == end) break;
        size_t length = text_character_size(at, (size_t)(end - at));
        if (!length) {
            if (bad) *bad = (size_t)(at - (const unsigned char *)text);
            return false;
        }
        at += length;
    }
    return true;
}

void utf8_repair(char *text) {
    for (size_t bad; !utf8_valid(text, strlen(text), &bad); text += bad + 1) text[bad] = '?';
}

size_t utf8_put(char *out, uint32_t c) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

uint32_t utf8_get(const char **text) {
    const unsigned char *at = (const unsigned char *)*text;
    uint32_t c = at[0];
    size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (more) c &= 0x3fu >> more;
    for (size_t i = 1; i <= more; i++) c = c << 6 | (at[i] & 0x3f);
    *text += more + 1;
    return c;
}
