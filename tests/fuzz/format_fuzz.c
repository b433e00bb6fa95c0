/* Fuzzes the formats of prong_build and prong_scan, and the paths of prong_value_at. A format's letters must match the
 * arguments that follow, which the input cannot know: so each letter that takes one becomes the next of a fixed order, and
 * all else of the format (brackets, signs, letters that are none) is the input's. scan takes pointers alone: each points to
 * memory that can be read as a key and written as anything. */
#include "fuzz.h"
#include <prong/prong.h>
#include <stdbool.h>
#include <string.h>

enum { LEAVES = 36, FORMAT_MAX = 400, SLOTS = 40 };

/* --- building --- */

/* The order of letters, twice, and the arguments for it. */
static const char ORDER[] = "isSdvyYblIUzvcCrhD";
enum { IN_ORDER = sizeof(ORDER) - 1 };
#define ARGUMENTS(number, text, item)                                                                                  \
    (int)(number), text, text, (size_t)2, (double)(number), item, text, (size_t)3, text, (size_t)1, (int)((number)&1), \
        (long)(number), (int64_t)(number), (uint64_t)(number), (size_t)(number), item, (double)(number), 0.5, text,    \
        "name", prong_make_int(number), prong_make_int(9), prong_make_int(2), "queue", &some_queue,                    \
        "-12345678901234567890"
static const prong_queue some_queue = {1, 2};

/* What of the input is a format. *leaves: letters that take arguments. */
static void make_format(struct input *input, char format[FORMAT_MAX + 1]) {
    size_t size = 0, leaves = 0;
    while (input->left && size < FORMAT_MAX) {
        char c = (char)input_byte(input);
        if (c == 0) break;
        if (strchr(ORDER, c)) {
            if (leaves == LEAVES) break;
            c = ORDER[leaves++ % IN_ORDER];
        }
        format[size++] = c;
    }
    format[size] = 0;
}

/* What was built by a format without sets, dicts, bytearrays and digits is taken apart by it. */
static bool scans_too(const char *format) {
    return !strpbrk(format, "<{YD");
}

/* Pointers that scan takes for a letter. */
static size_t pointers_of(char letter) {
    if (letter == 'r') return 3;
    return strchr("SycCh", letter) ? 2 : strchr(ORDER, letter) != NULL;
}

/* A slot for each pointer: a key, and then whatever is written. */
struct slot {
    _Alignas(16) char bytes[32];
};

#define S8(slots) &(slots)[0], &(slots)[1], &(slots)[2], &(slots)[3], &(slots)[4], &(slots)[5], &(slots)[6], &(slots)[7]
#define ALL_SLOTS(slots) S8(slots), S8((slots) + 8), S8((slots) + 16), S8((slots) + 24), S8((slots) + 32)

static prong_status scan(prong_value value, const char *format) {
    static const char *const keys[] = {"a", "name", "", "b"};
    struct slot slots[SLOTS];
    for (int i = 0; i < SLOTS; i++) {
        memset(&slots[i], 0, sizeof(slots[i]));
        strcpy(slots[i].bytes, keys[i % 4]);
    }
    return prong_scan(value, format, ALL_SLOTS(slots));
}

static void build(prong_document *document, struct input *input) {
    static char text[2048];
    char format[FORMAT_MAX + 1];
    int64_t number = (int64_t)input_number(input, 1 + (int)(input_byte(input) % 8));
    prong_value item, value;
    if (prong_build(document, &item, "(is)", 1, "a") < 0) return;
    make_format(input, format);
    prong_status status = prong_build(document, &value, format, ARGUMENTS(number, "a\xc3\xa9\0\0", item),
                                      ARGUMENTS(~number, "name", item));
    must(status != PRONG_SYSTEM, "%s", prong_error_message());
    if (status < 0) return;
    prong_value_repr(value, text, sizeof(text), NULL);
    size_t pointers = 0;
    for (const char *at = format; *at; at++) pointers += pointers_of(*at);
    if (!scans_too(format) || pointers > SLOTS) return;
    status = scan(value, format);
    /* 'U' and 'z' take no negative number, 'i' none that is not an int's, and 'n' is None alone */
    must(status >= 0 || status == PRONG_TOO_LONG || status == PRONG_INVALID, "%s", prong_error_message());
}

/* --- scanning and paths --- */

/* Some value to take apart, mostly one that the format fits. */
static prong_status some_value(prong_document *document, unsigned which, prong_value *value) {
    switch (which % 6) {
    case 0: return prong_build(document, value, "(isdnb)", 1, "text", 2.5, 1);
    case 1: return prong_build(document, value, "[i[s(y)]{s:i}]", -1, "x", "abc", (size_t)3, "a", 7);
    case 2: return prong_build(document, value, "{s:i, s:s, s:[ii], s:{s:n}}", "a", 1, "name", "b", "", 3, 4, "b", "a");
    case 3: return prong_build(document, value, "D", "-123456789012345678901234567890");
    case 4: return prong_build(document, value, "U", UINT64_MAX);
    default: return prong_build(document, value, "((((((((i))))))))", 1);
    }
}

/* A key takes a slot, too. */
static bool has_slots(const char *format) {
    size_t count = 0;
    for (; *format; format++) count += pointers_of(*format);
    return count <= SLOTS;
}

static void take_apart(prong_document *document, struct input *input, bool by_path) {
    char text[FORMAT_MAX + 1];
    prong_value value, found;
    if (some_value(document, input_byte(input), &value)) return;
    size_t size;
    const uint8_t *bytes = input_bytes(input, FORMAT_MAX, &size);
    memcpy(text, bytes, size);
    text[size] = 0;
    if (by_path)
        must(prong_value_at(value, text, &found) != PRONG_SYSTEM, "%s", prong_error_message());
    else if (has_slots(text))
        must(scan(value, text) != PRONG_SYSTEM, "%s", prong_error_message());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    prong_document *document;
    prong_document_options limits = {.max_memory = 16 << 20};
    if (prong_document_open(&document, &limits) < 0) return 0;
    unsigned how = input_byte(&input) % 3;
    if (how == 0)
        build(document, &input);
    else
        take_apart(document, &input, how == 2);
    prong_document_close(document);
    return 0;
}
