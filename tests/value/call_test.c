/* Pickles by hand that make values by calls: with the arguments that Python gives, and with others. */
#include "../support/test.h"
#include <prong/pickle.h>

static prong_document *document;

/* A call of module.name by protocol 0; arguments: the opcodes that put them on the stack. */
static prong_status call(const char *module, const char *name, const char *arguments, prong_value *value) {
    char pickle[512];
    int size = snprintf(pickle, sizeof pickle, "c%s\n%s\n(%stR.", module, name, arguments);
    return prong_pickle_loads(document, pickle, (size_t)size, value, NULL);
}

static prong_value made(const char *module, const char *name, const char *arguments) {
    prong_value value;
    ok(call(module, name, arguments, &value));
    return value;
}

static void refused(const char *module, const char *name, const char *arguments) {
    prong_value value;
    char message[100];
    is(call(module, name, arguments, &value), PRONG_INVALID);
    snprintf(message, sizeof message, "%s.%s is not made from such arguments", module, name);
    says(message);
}

TEST(sets_and_lists_are_made_from_what_holds_items) {
    prong_value one_and_two, set;
    ok(prong_document_open(&document, NULL));
    ok(prong_build(document, &one_and_two, "<i,i>", 1, 2));
    equal(prong_value_size(made("builtins", "set", "")), 0);
    check(prong_value_equal(made("builtins", "set", "(lI1\naI2\na"), one_and_two));
    check(prong_value_equal(made("builtins", "frozenset", "(I1\nI2\nI1\nt"), one_and_two));
    set = made("builtins", "frozenset", "cbuiltins\nset\n((I1\nI2\nttR");
    equal(prong_value_kind(set), PRONG_KIND_FROZENSET);
    check(prong_value_equal(set, one_and_two));
    check(prong_value_equal(made("builtins", "set", "cbuiltins\nfrozenset\n((I2\nI1\nttR"), one_and_two));
    equal(prong_value_kind(made("builtins", "list", "")), PRONG_KIND_LIST);
    equal(prong_value_size(made("builtins", "list", "(I1\nI2\nt")), 2);
    refused("builtins", "set", "I1\n");
    refused("builtins", "set", "(l(l");
    refused("builtins", "frozenset", "N");
    refused("builtins", "list", "I1\n");
    refused("builtins", "list", "(l(l");
    prong_document_close(document);
}

TEST(bytes_are_made_from_text_in_latin_1) {
    const void *data;
    size_t size;
    prong_value value;
    ok(prong_document_open(&document, NULL));
    ok(prong_get_bytes(made("_codecs", "encode", "Va\\u00e9\nVlatin1\n"), &data, &size));
    check(size == 2 && !memcmp(data, "a\xe9", 2));
    equal(prong_value_size(made("builtins", "bytes", "")), 0);
    value = made("builtins", "bytearray", "Vab\nVlatin-1\n");
    equal(prong_value_kind(value), PRONG_KIND_BYTEARRAY);
    equal(prong_value_size(value), 2);
    is(call("_codecs", "encode", "V\\u0100\nVlatin1\n", &value), PRONG_INVALID);
    says("character above 255");
    refused("_codecs", "encode", "Va\n");
    refused("_codecs", "encode", "Va\nVutf-8\n");
    refused("builtins", "bytes", "I3\n");
    refused("builtins", "bytearray", "Va\nI1\n");
    refused("builtins", "bytes", "I1\nVlatin1\n");
    prong_document_close(document);
}

TEST(numbers_and_ranges_are_made_from_numbers) {
    prong_value value, expected;
    ok(prong_document_open(&document, NULL));
    ok(prong_build(document, &expected, "c", 1.5, -2.0));
    check(prong_value_equal(made("builtins", "complex", "F1.5\nF-2\n"), expected));
    refused("builtins", "complex", "F1.5\n");
    refused("builtins", "complex", "I1\nF2\n");
    refused("builtins", "complex", "F1\nVa\n");
    ok(prong_build(document, &expected, "r", prong_make_int(1), prong_make_int(9), prong_make_int(1)));
    check(prong_value_equal(made("builtins", "range", "I1\nI9\n"), expected));
    check(prong_value_equal(made("builtins", "range", "I1\nI9\nI1\n"), expected));
    refused("builtins", "range", "I1\n");
    refused("builtins", "range", "I1\nI2\nI3\nI4\n");
    is(call("builtins", "range", "I1\nVa\n", &value), PRONG_INVALID);
    is(call("builtins", "range", "F1\nI2\n", &value), PRONG_INVALID);
    is(call("builtins", "range", "I1\nI2\nN", &value), PRONG_INVALID);
    says("range: start, stop and step must be ints");
    is(call("builtins", "range", "I1\nI2\nI0\n", &value), PRONG_INVALID);
    prong_document_close(document);
}

TEST(handles_are_made_from_a_type_and_two_numbers) {
    prong_queue queue, back;
    char arguments[100];
    ok(prong_document_open(&document, NULL));
    ok(prong_queue_create(&queue, NULL));
    snprintf(arguments, sizeof arguments, "Vqueue\nL%lluL\nL%lluL\n", (unsigned long long)queue.offset,
             (unsigned long long)queue.generation);
    ok(prong_scan(made("prong", "Handle", arguments), "h", "queue", &back));
    ok(prong_queue_put(back, "x", 1, PRONG_NOWAIT));
    refused("prong", "Handle", "Vqueue\nI1\n");
    refused("prong", "Handle", "I1\nI2\nI3\n");
    refused("prong", "Handle", "Vteapot\nI2\nI3\n");
    refused("prong", "Handle", "Vqueue\nI-2\nI3\n");
    refused("prong", "Handle", "Vqueue\nI2\nVx\n");
    ok(prong_queue_destroy(queue));
    prong_document_close(document);
}

TEST(objects_are_made_by_new_with_and_without_keywords) {
    prong_object object;
    prong_value value;
    ok(prong_document_open(&document, NULL));
    ok(prong_get_object(made("copyreg", "__newobj__", "cuuid\nUUID\nI1\n"), &object));
    check(object.by_new && !strcmp(object.name, "UUID") && prong_value_size(object.arguments) == 1);
    ok(prong_get_object(made("copyreg", "__newobj_ex__", "cuuid\nUUID\n(I1\nt(Vkey\nI2\nd"), &object));
    check(object.by_new && prong_value_size(object.arguments) == 1 && prong_value_size(object.keywords) == 1);
    refused("copyreg", "__newobj__", "");
    refused("copyreg", "__newobj__", "I1\n");
    refused("copyreg", "__newobj_ex__", "cuuid\nUUID\n(t");
    refused("copyreg", "__newobj_ex__", "cuuid\nUUID\nI1\n(d");
    refused("copyreg", "__newobj_ex__", "cuuid\nUUID\n(tI1\n");
    is(call("os", "system", "Vtrue\n", &value), PRONG_PERMISSION);
    says("os.system");
    prong_document_close(document);
}

/* Few bytes that ask for much. */
TEST(calls_that_take_too_long_are_ended) {
    static char pickle[3000];
    prong_value value;
    ok(prong_document_open(&document, NULL));
    char *at = pickle + sprintf(pickle, "(lp0\n");
    for (int i = 0; i < 100; i++) at += sprintf(at, "I%d\na", i);
    at += sprintf(at, "0(l");
    for (int i = 0; i < 60; i++) at += sprintf(at, "cbuiltins\nlist\n(g0\ntRa");
    at += sprintf(at, ".");
    ok(prong_pickle_loads(document, pickle, (size_t)(at - pickle), &value, NULL));
    equal(prong_value_size(value), 60);
    is(prong_pickle_loads(document, pickle, (size_t)(at - pickle), &value, &(prong_unpickle_options){.max_steps = 50}),
       PRONG_TOO_LONG);
    prong_document_close(document);
}

TEST(what_a_protocol_cannot_say_is_refused_when_it_is_written) {
    prong_value value, arguments, keywords;
    prong_pickle pickle;
    prong_pickle_options old = {.protocol = 2};
    ok(prong_document_open(&document, NULL));
    ok(prong_build(document, &value, "C", "__builtin__", "unicode")); /* Python 2's str, in that protocol */
    is(prong_pickle_dumps(document, value, &pickle, &old), PRONG_INVALID);
    says("would be read as builtins.str");
    ok(prong_build(document, &value, "C", "module\nname", "name"));
    is(prong_pickle_dumps(document, value, &pickle, &old), PRONG_INVALID);
    says("a class's name has a line end");
    is(prong_build(document, &value, "C", "", "name"), PRONG_INVALID);
    is(prong_build(document, &value, "C", "module", ""), PRONG_INVALID);
    ok(prong_make_tuple(document, NULL, 0, &arguments));
    ok(prong_build(document, &keywords, "{s:i}", "key", 1));
    prong_object object = {.module = "m", .name = "C", .arguments = arguments, .keywords = keywords};
    ok(prong_make_object(document, &object, &value));
    is(prong_pickle_dumps(document, value, &pickle, NULL), PRONG_INVALID);
    says("is called with keywords, which only objects made by __new__ can have");
    object.keywords = arguments;
    is(prong_make_object(document, &object, &value), PRONG_INVALID);
    says("keywords must be a dict or None, not tuple");
    prong_document_close(document);
}

TEST(what_occurs_twice_is_written_once_and_read_as_one) {
    prong_value class, twice, back, items[2];
    prong_pickle pickle;
    ok(prong_document_open(&document, NULL));
    for (int protocol = 1; protocol <= 5; protocol++) {
        prong_pickle_options options = {.protocol = protocol};
        prong_unpickle_options any = {.any_class = true};
        ok(prong_build(document, &class, "C", "some.module", "Class"));
        ok(prong_build(document, &twice, "[v,v]", class, class));
        ok(prong_pickle_dumps(document, twice, &pickle, &options));
        ok(prong_pickle_loads(document, pickle.data, pickle.size, &back, &any));
        for (size_t i = 0; i < 2; i++) ok(prong_list_get(back, i, &items[i]));
        check(prong_value_equal(items[0], class) && items[0].pointer == items[1].pointer);
    }
    prong_document_close(document);
}
