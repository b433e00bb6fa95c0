/* Reading slice by slice gives what reading at once gives: values, and errors at every place. */
#include "../support/test.h"
#include "value/reader.h"
#include <prong/pickle.h>

static prong_document *document;

/* By slices; how many there were. */
static prong_status read_slowly(const void *data, size_t size, prong_value *value, int *slices,
                                const prong_unpickle_options *options) {
    struct pickle_reader *reader;
    prong_status status = pickle_reader_open(&reader, document, data, size, options);
    if (status < 0) return status;
    *slices = 0;
    do {
        status = pickle_reader_go(reader, value);
        ++*slices;
    } while (status == PRONG_TIMEOUT);
    pickle_reader_close(reader);
    return status;
}

static void both_ways(const void *data, size_t size, int least) {
    prong_value at_once, slowly;
    prong_unpickle_options any = {.any_class = true};
    int slices;
    ok(prong_pickle_loads(document, data, size, &at_once, &any));
    ok(read_slowly(data, size, &slowly, &slices, &any));
    check(prong_value_equal(at_once, slowly));
    equal(prong_value_kind(slowly), prong_value_kind(at_once));
    equal(prong_value_size(slowly), prong_value_size(at_once));
    if (slices < least) test_failed(__FILE__, __LINE__, "%d slices, not %d", slices, least);
}

static void fails_alike(const void *data, size_t size, const prong_unpickle_options *options) {
    char message[400];
    prong_value value;
    int slices;
    prong_status status = prong_pickle_loads(document, data, size, &value, options);
    check(status);
    snprintf(message, sizeof(message), "%s", prong_error_message());
    is(read_slowly(data, size, &value, &slices, options), status);
    says(message);
}

enum { MANY = 100000 };

/* Containers of many items, as protocol 4 writes them, and a bit of all that there is. */
static prong_value many(prong_kind kind) {
    prong_value container = {0}, *items = calloc(MANY, sizeof(*items));
    check(items);
    for (int i = 0; i < MANY; i++) items[i] = prong_make_int(i * 7);
    if (kind == PRONG_KIND_SET) ok(prong_make_set(document, items, MANY, &container));
    if (kind == PRONG_KIND_FROZENSET) ok(prong_make_frozenset(document, items, MANY, &container));
    if (kind == PRONG_KIND_LIST) ok(prong_make_list(document, items, MANY, &container));
    if (kind == PRONG_KIND_TUPLE) ok(prong_make_tuple(document, items, MANY, &container));
    if (kind == PRONG_KIND_DICT) {
        ok(prong_make_dict(document, NULL, 0, &container));
        for (int i = 0; i < MANY; i++) ok(prong_dict_set(document, container, items[i], prong_make_float(i)));
    }
    free(items);
    return container;
}

TEST(slices_make_the_same_values) {
    static const prong_kind kinds[] = {PRONG_KIND_DICT, PRONG_KIND_SET, PRONG_KIND_FROZENSET, PRONG_KIND_LIST,
                                       PRONG_KIND_TUPLE};
    ok(prong_document_open(&document, NULL));
    for (int protocol = 2; protocol <= 5; protocol++)
        for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
            prong_pickle pickle;
            prong_pickle_options options = {.protocol = protocol};
            prong_value nested;
            ok(prong_build(document, &nested, "[vsv]", many(kinds[i]), "between", many(kinds[i])));
            ok(prong_pickle_dumps(document, nested, &pickle, &options));
            both_ways(pickle.data, pickle.size, 10);
            prong_document_reset(document);
        }
    both_ways("\x80\x04N.", 4, 1);
    prong_document_close(document);
}

/* All the items of a table above one MARK. */
static size_t one_mark(char *pickle, const char *before, const char *after, bool pairs, int items) {
    size_t size = (size_t)sprintf(pickle, "%s", before);
    for (int i = 0; i < items; i++) {
        pickle[size++] = 'J';
        memcpy(pickle + size, &i, 4);
        size += 4;
        if (pairs) pickle[size++] = 'N';
    }
    return size + (size_t)sprintf(pickle + size, "%s", after);
}

TEST(one_opcode_with_many_items_is_read_in_slices) {
    static char pickle[MANY * 6 + 100];
    ok(prong_document_open(&document, NULL));
    both_ways(pickle, one_mark(pickle, "(", "d.", true, MANY), MANY * 6 / 16384 + MANY * 2 / 8192);
    both_ways(pickle, one_mark(pickle, "(", "\x91.", false, MANY), MANY * 5 / 16384 + MANY / 8192);
    both_ways(pickle, one_mark(pickle, "}(", "u.", true, MANY), MANY * 6 / 16384 + MANY * 2 / 8192);
    both_ways(pickle, one_mark(pickle, "\x8f(", "\x90.", false, MANY), MANY * 5 / 16384 + MANY / 8192);
    fails_alike(pickle, one_mark(pickle, "(N", "d.", true, MANY), NULL);
    fails_alike(pickle, one_mark(pickle, "}(", "u", true, MANY), NULL);
    fails_alike(pickle, one_mark(pickle, "](", "u.", true, MANY), NULL);
    fails_alike(pickle, one_mark(pickle, "}(", "}Nsu.", true, MANY), NULL);
    prong_document_close(document);
}

TEST(slices_fail_where_reading_at_once_does) {
    prong_pickle pickle;
    prong_pickle_options options = {.protocol = 4};
    prong_value value;
    ok(prong_document_open(&document, NULL));
    ok(prong_build(document, &value, "[vsv]", many(PRONG_KIND_DICT), "between", many(PRONG_KIND_SET)));
    ok(prong_pickle_dumps(document, value, &pickle, &options));
    for (size_t cut = 0; cut < pickle.size; cut += 1 + pickle.size / 37) fails_alike(pickle.data, cut, NULL);
    fails_alike(pickle.data, pickle.size, &(prong_unpickle_options){.max_values = 500});
    prong_document_close(document);
}

TEST(work_is_limited_as_a_whole_and_in_one_opcode) {
    enum { LONG = 1 << 20 };
    static char pickle[LONG + 100000];
    uint32_t length = LONG;
    size_t size = 0;
    prong_value value;
    int slices;
    ok(prong_document_open(&document, NULL));
    memcpy(pickle, "\x80\x04X", 3);
    memcpy(pickle + 3, &length, 4);
    memset(pickle + 7, 'k', LONG);
    size = 7 + LONG;
    size += (size_t)sprintf(pickle + size, "\x94"
                                           "0}(");
    for (int i = 0; i < 20; i++) {
        memcpy(pickle + size, (char[]){'K', (char)(i + 1), 'N'}, 3);
        size += 3;
    }
    size += (size_t)sprintf(pickle + size, "u(");
    for (int i = 0; i < 60; i++, size += 3) memcpy(pickle + size, "h\0N", 3); /* hashed sixty times */
    size += (size_t)sprintf(pickle + size, "u.");
    ok(prong_pickle_loads(document, pickle, size, &value, NULL)); /* 33 million steps are allowed for a megabyte */
    prong_unpickle_options few = {.max_steps = 1 << 20};
    is(prong_pickle_loads(document, pickle, size, &value, &few), PRONG_TOO_LONG);
    says("max_steps");
    is(read_slowly(pickle, size, &value, &slices, &few), PRONG_TOO_LONG);
    says("max_steps");
    ok(prong_pickle_loads(document, pickle, size, &value, NULL)); /* what one has done is not counted for the next */
    /* frozenset of a list of two and a half million: more than one opcode may take, unless all is read at once */
    static char calls[2500100];
    size = (size_t)sprintf(calls, "cbuiltins\nfrozenset\n](");
    memset(calls + size, 'N', 2500000);
    size += 2500000;
    size += (size_t)sprintf(calls + size, "e\x85R.");
    prong_unpickle_options any = {.any_class = true};
    ok(prong_pickle_loads(document, calls, size, &value, &any));
    equal(prong_value_size(value), 1);
    is(read_slowly(calls, size, &value, &slices, &any), PRONG_TOO_LONG);
    says("too long");
    prong_document_close(document);
}
