/* Values: making, reading, changing, comparing, printing. */
#include "../support/test.h"
#include <math.h>

static prong_document *document;

static void begin(void) {
    ok(prong_document_open(&document, NULL));
}

static void shows(prong_value value, const char *wanted) {
    char text[4096];
    ok(prong_value_repr(value, text, sizeof(text), NULL));
    if (strcmp(text, wanted)) test_failed(__FILE__, __LINE__, "%s is not %s", text, wanted);
}

static void is_json(prong_value value, const char *wanted) {
    char text[4096];
    ok(prong_value_json(value, text, sizeof(text), NULL));
    if (strcmp(text, wanted)) test_failed(__FILE__, __LINE__, "%s is not %s", text, wanted);
}

TEST(what_is_built_is_shown_as_python_would) {
    begin();
    prong_value v;
    ok(prong_build(document, &v, "{s:i, s:[d,n,b,b], s:(s), s:y, s:()}", "a", -3, "b", 2.5, 1, 0, "c", "it's", "d",
                   "\x00z'", (size_t)3, "e"));
    shows(v, "{'a': -3, 'b': [2.5, None, True, False], 'c': (\"it's\",), 'd': b\"\\x00z'\", 'e': ()}");
    ok(prong_build(document, &v, "[S, Y, U, z, <i>]", "h\xc3\xa9\n", (size_t)4, "ab", (size_t)2, UINT64_MAX, (size_t)7,
                   1));
    shows(v, "['h\xc3\xa9\\n', bytearray(b'ab'), 18446744073709551615, 7, {1}]");
    ok(prong_build(document, &v, "c", 1.5, -2.0));
    shows(v, "(1.5-2j)");
    ok(prong_build(document, &v, "r", prong_make_int(0), prong_make_int(5), prong_make_int(1)));
    shows(v, "range(0, 5)");
    shows(prong_make_float(1e100), "1e+100");
    shows(prong_make_float(0.1), "0.1");
    shows(prong_make_float(1e16), "1e+16");
    shows(prong_make_float(123456789012345680), "1.2345678901234568e+17");
    shows(prong_make_float(0.0001), "0.0001");
    shows(prong_make_float(5e-324), "5e-324");
    shows(prong_make_float(-INFINITY), "-inf");
    prong_document_close(document);
}

TEST(what_is_looked_at_is_of_that_kind_alone) {
    begin();
    int64_t number;
    double real;
    bool truth;
    const void *data;
    size_t size;
    prong_value buffer;
    ok(prong_get_int(prong_make_int(-7), &number));
    equal(number, -7);
    ok(prong_get_int(prong_make_bool(true), &number));
    equal(number, 1);
    is(prong_get_int(prong_make_float(1), &number), PRONG_INVALID);
    says("expected int, found float");
    ok(prong_get_float(prong_make_float(0.5), &real));
    check(real == 0.5);
    ok(prong_get_float(prong_make_int(1), &real));
    check(real == 1);
    is(prong_get_float(prong_make_null(), &real), PRONG_INVALID);
    says("expected float, found NoneType");
    ok(prong_get_bool(prong_make_bool(true), &truth));
    is(prong_get_bool(prong_make_int(1), &truth), PRONG_INVALID);
    ok(prong_make_buffer(document, "abc", 3, true, &buffer));
    ok(prong_get_bytes(buffer, &data, &size));
    check(size == 3 && !memcmp(data, "abc", 3));
    ok(prong_make_bytes(document, "ab", 2, &buffer));
    ok(prong_get_bytes(buffer, &data, &size));
    equal(size, 2);
    prong_document_close(document);
}

TEST(an_int_of_any_size_is_looked_at_as_bytes) {
    begin();
    prong_value big;
    int64_t number;
    uint64_t whole;
    unsigned char bytes[10];
    size_t needed;
    ok(prong_build(document, &big, "U", UINT64_MAX));
    is(prong_get_int(big, &number), PRONG_TOO_LONG);
    ok(prong_scan(big, "U", &whole));
    check(whole == UINT64_MAX);
    is(prong_get_big_int(big, bytes, 8, &needed), PRONG_TOO_LONG);
    equal(needed, 9);
    ok(prong_get_big_int(big, bytes, 10, NULL));
    check(bytes[0] == 0xff && bytes[7] == 0xff && bytes[8] == 0 && bytes[9] == 0);
    ok(prong_make_big_int(document, bytes, 9, &big));
    ok(prong_scan(big, "U", &whole));
    check(whole == UINT64_MAX);
    is(prong_scan(prong_make_int(-1), "U", &whole), PRONG_TOO_LONG);
    prong_document_close(document);
}

TEST(what_is_made_of_parts_is_built_and_scanned) {
    begin();
    prong_value v, start, stop, step;
    double real, imaginary;
    const char *module, *name;
    prong_queue queue = {3, 4}, back;
    int64_t after;
    ok(prong_build(document, &v, "(c, r, C, h, i)", 1.5, -2.0, prong_make_int(1), prong_make_int(9), prong_make_int(2),
                   "builtins", "int", "queue", &queue, 7));
    ok(prong_scan(v, "(crChI)", &real, &imaginary, &start, &stop, &step, &module, &name, "queue", &back, &after));
    check(real == 1.5 && imaginary == -2 && start.integer == 1 && stop.integer == 9 && step.integer == 2);
    check(!strcmp(module, "builtins") && !strcmp(name, "int"));
    check(back.offset == 3 && back.generation == 4 && after == 7);
    ok(prong_scan(prong_make_int(3), "c", &real, &imaginary));
    check(real == 3 && imaginary == 0);
    is(prong_scan(prong_make_null(), "c", &real, &imaginary), PRONG_INVALID);
    is(prong_scan(prong_make_null(), "r", &start, &stop, &step), PRONG_INVALID);
    says("expected range");
    is(prong_scan(prong_make_null(), "C", &module, &name), PRONG_INVALID);
    is(prong_scan(prong_make_null(), "h", "queue", &back), PRONG_INVALID);
    is(prong_build(document, &v, "C", "builtins", NULL), PRONG_INVALID);
    is(prong_build(document, &v, "C", "builtins", "\xff"), PRONG_INVALID);
    is(prong_build(document, &v, "h", "queue", NULL), PRONG_INVALID);
    is(prong_build(document, &v, "D", NULL), PRONG_INVALID);
    ok(prong_build(document, &v, "{s:i}", "here", 7));
    ok(prong_scan(v, "{s?:(cChr), s:I}", "a", &real, &imaginary, &module, &name, "queue", &back, &start, &stop, &step,
                  "here", &after)); /* goes past the arguments of what is absent */
    equal(after, 7);
    prong_document_close(document);
}

TEST(a_dict_is_made_of_pairs) {
    begin();
    prong_value v, list, pairs[6] = {prong_make_int(1), prong_make_null(), prong_make_int(2),
                                     prong_make_null(), prong_make_int(1), prong_make_bool(true)};
    ok(prong_make_dict(document, pairs, 3, &v));
    shows(v, "{1: True, 2: None}");
    ok(prong_make_dict(document, NULL, 0, &v));
    shows(v, "{}");
    ok(prong_make_list(document, NULL, 0, &list));
    pairs[2] = list;
    is(prong_make_dict(document, pairs, 3, &v), PRONG_INVALID);
    shows(v, "{}");
    prong_document_close(document);
}

TEST(json_says_what_json_can_and_names_what_it_cannot) {
    begin();
    prong_value v;
    ok(prong_build(document, &v, "{s:[i,n,b], s:s, i:d}", "a", 1, 1, "q\"", "x\n\x01", 3, 0.5));
    is_json(v, "{\"a\": [1, null, true], \"q\\\"\": \"x\\n\\u0001\", \"3\": 0.5}");
    ok(prong_build(document, &v, "{s:[i,y]}", "a", 1, "b", (size_t)1));
    char text[100];
    is(prong_value_json(v, text, sizeof(text), NULL), PRONG_INVALID);
    says(".a: [1]: JSON has no way to say this bytes");
    is(prong_value_json(prong_make_float(NAN), text, sizeof(text), NULL), PRONG_INVALID);
    prong_document_close(document);
}

TEST(repr_is_cut_to_the_buffer_and_tells_its_length) {
    begin();
    char text[6];
    size_t size;
    prong_value v;
    ok(prong_build(document, &v, "[iii]", 100, 200, 300));
    ok(prong_value_repr(v, text, sizeof(text), &size));
    equal(size, 15);
    check(!strcmp(text, "[100,"));
    ok(prong_value_repr(v, NULL, 0, &size));
    equal(size, 15);
    prong_document_close(document);
}

TEST(scan_takes_apart_and_says_where_it_fails) {
    begin();
    prong_value v, rest;
    ok(prong_build(document, &v, "{s:s, s:[i,d,s], s:(I,b)}", "name", "n", "size", 640, 1.5, "px", "t", INT64_MAX, 1));
    const char *name, *unit;
    int width, absent = 9;
    double scale;
    int64_t large;
    bool truth;
    ok(prong_scan(v, "{s:s, s:[i,d,s], s:(I,b), s?:i}", "name", &name, "size", &width, &scale, &unit, "t", &large,
                  &truth, "none", &absent));
    check(!strcmp(name, "n") && width == 640 && scale == 1.5 && !strcmp(unit, "px") && large == INT64_MAX && truth);
    equal(absent, 9);
    ok(prong_scan(v, "{s:[v*]}", "size", &rest));
    is(prong_scan(v, "{s:[i,i,s]}", "size", &width, &width, &unit), PRONG_INVALID);
    says("in .size[1]: expected int, found float");
    is(prong_scan(v, "{s:[i,d]}", "size", &width, &scale), PRONG_INVALID);
    is(prong_scan(v, "{s:i}", "nothing", &width), PRONG_NOT_FOUND);
    is(prong_scan(v, "{s:(i,b)}", "t", &width, &truth), PRONG_TOO_LONG);
    is(prong_scan(v, "{s:q}", "name", &width), PRONG_INVALID);
    says("no such letter");
    is(prong_build(document, &v, "[i", 1), PRONG_INVALID);
    is(prong_build(document, &v, "{s}", "a"), PRONG_INVALID);
    prong_document_close(document);
}

TEST(paths_find_and_say_where_they_end) {
    begin();
    prong_value v, found;
    int64_t number;
    ok(prong_build(document, &v, "{s:[{s:i},{s:i}], s:{s:i}}", "servers", "port", 1, "port", 2, "a.b", "c", 3));
    ok(prong_value_at(v, "servers[-1].port", &found));
    ok(prong_get_int(found, &number));
    equal(number, 2);
    ok(prong_value_at(v, "['a.b'].c", &found));
    is(prong_value_at(v, "servers[5].port", &found), PRONG_NOT_FOUND);
    is(prong_value_at(v, "servers.port", &found), PRONG_INVALID);
    is(prong_value_at(v, "servers[x]", &found), PRONG_INVALID);
    says("cannot be read at position");
    prong_document_close(document);
}

TEST(a_key_that_is_no_text_is_refused) {
    begin();
    prong_value v, found;
    int number;
    ok(prong_build(document, &v, "{s:i}", "name", 1));
    is(prong_dict_get_text(v, "na\xc3", &found), PRONG_INVALID);
    says("not UTF-8 at byte 2");
    is(prong_value_at(v, "['\xf4']", &found), PRONG_INVALID);
    is(prong_value_at(v, "\xe0\xff", &found), PRONG_INVALID);
    is(prong_scan(v, "{s:i}", "\xff", &number), PRONG_INVALID);
    says("not UTF-8 at byte 0");
    prong_document_close(document);
}

TEST(keys_are_equal_as_in_python) {
    begin();
    prong_value dict, found, big;
    ok(prong_make_dict(document, NULL, 0, &dict));
    ok(prong_dict_set(document, dict, prong_make_int(1), prong_make_int(10)));
    ok(prong_dict_set(document, dict, prong_make_float(1.0), prong_make_int(20)));
    ok(prong_dict_set(document, dict, prong_make_bool(true), prong_make_int(30)));
    shows(dict, "{1: 30}");
    ok(prong_build(document, &big, "D", "18446744073709551616"));
    ok(prong_dict_set(document, dict, big, prong_make_int(1)));
    ok(prong_dict_get(dict, prong_make_float(18446744073709551616.0), &found));
    is(prong_dict_get(dict, prong_make_float(18446744073709551616.0 * 2), &found), PRONG_NOT_FOUND);
    prong_value list;
    ok(prong_make_list(document, NULL, 0, &list));
    is(prong_dict_set(document, dict, list, prong_make_int(1)), PRONG_INVALID);
    says("unhashable type: 'list'");
    prong_document_close(document);
}

TEST(large_dicts_keep_order_through_removals) {
    begin();
    prong_value dict;
    char key[32];
    ok(prong_make_dict(document, NULL, 0, &dict));
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 5000; i++) {
            snprintf(key, sizeof(key), "key %d", i);
            ok(prong_dict_set_text(document, dict, key, prong_make_int(i)));
        }
        for (int i = 0; i < 5000; i += 2) {
            prong_value text;
            snprintf(key, sizeof(key), "key %d", i);
            ok(prong_make_str(document, key, PRONG_TO_NUL, &text));
            ok(prong_dict_remove(dict, text));
            is(prong_dict_remove(dict, text), PRONG_NOT_FOUND);
        }
        equal(prong_value_size(dict), 2500);
    }
    size_t at = 0;
    int64_t number, last = -1;
    for (prong_value value; prong_value_next(dict, &at, NULL, &value); last = number) {
        ok(prong_get_int(value, &number));
        check(number > last && number % 2 == 1);
    }
    prong_document_close(document);
}

TEST(a_stack_by_set_and_remove_does_not_grow_or_hang) {
    begin();
    prong_value dict;
    ok(prong_make_dict(document, NULL, 0, &dict));
    for (int i = 0; i < 100; i++) ok(prong_dict_set(document, dict, prong_make_int(i), prong_make_null()));
    size_t before = prong_document_memory(document);
    for (int i = 0; i < 100000; i++) {
        ok(prong_dict_set(document, dict, prong_make_int(1000 + i), prong_make_null()));
        ok(prong_dict_remove(dict, prong_make_int(1000 + i)));
    }
    equal(prong_value_size(dict), 100);
    check(prong_document_memory(document) <= before + 65536);
    prong_document_close(document);
}

TEST(lists_change_in_place_and_are_shared) {
    begin();
    prong_value list, twice;
    ok(prong_build(document, &list, "[iii]", 1, 2, 3));
    ok(prong_build(document, &twice, "[vv]", list, list));
    ok(prong_list_insert(document, list, 0, prong_make_int(0)));
    ok(prong_list_append(document, list, prong_make_int(4)));
    ok(prong_list_set(list, 2, prong_make_int(9)));
    ok(prong_list_remove(list, 1));
    shows(twice, "[[0, 9, 3, 4], [0, 9, 3, 4]]");
    is(prong_list_set(list, 4, prong_make_null()), PRONG_NOT_FOUND);
    is(prong_list_insert(document, list, 9, prong_make_null()), PRONG_NOT_FOUND);
    is(prong_list_append(document, prong_make_int(1), prong_make_null()), PRONG_INVALID);
    prong_document_close(document);
}

TEST(order_is_pythons) {
    begin();
    prong_value a, b;
    int order;
    ok(prong_build(document, &a, "(is)", 1, "b"));
    ok(prong_build(document, &b, "(ds)", 1.0, "c"));
    ok(prong_value_compare(a, b, &order));
    equal(order, -1);
    ok(prong_value_compare(prong_make_float(9007199254740992.0), prong_make_int(9007199254740993), &order));
    equal(order, -1);
    is(prong_value_compare(prong_make_int(1), a, &order), PRONG_INVALID);
    is(prong_value_compare(prong_make_float(NAN), prong_make_int(1), &order), PRONG_INVALID);
    prong_document_close(document);
}

TEST(what_refers_to_itself_is_copied_and_shown) {
    begin();
    prong_document *other;
    prong_value list, copy, inner;
    ok(prong_document_open(&other, NULL));
    ok(prong_build(document, &list, "[i]", 1));
    ok(prong_list_append(document, list, list));
    ok(prong_value_copy(other, list, &copy));
    prong_document_close(document);
    shows(copy, "[1, [...]]");
    ok(prong_list_get(copy, 1, &inner));
    check(inner.pointer == copy.pointer);
    prong_document_close(other);
}

TEST(deep_values_are_errors_not_crashes) {
    begin();
    prong_value v = prong_make_int(1), copy;
    for (int i = 0; i < 50000; i++) ok(prong_make_list(document, &v, 1, &v));
    prong_pickle pickle;
    char text[100];
    is(prong_value_copy(document, v, &copy), PRONG_TOO_LONG);
    is(prong_pickle_dumps(document, v, &pickle, NULL), PRONG_TOO_LONG);
    is(prong_value_repr(v, text, sizeof(text), NULL), PRONG_TOO_LONG);
    for (int i = 0; i < 50000; i++) ok(prong_make_tuple(document, &v, 1, &v));
    prong_value dict;
    ok(prong_make_dict(document, NULL, 0, &dict));
    is(prong_dict_set(document, dict, v, prong_make_null()), PRONG_TOO_LONG);
    prong_document_close(document);
}

TEST(values_that_hold_each_other_many_times_take_no_time) {
    begin();
    prong_value a = prong_make_int(1), b = prong_make_int(1), dict;
    for (int i = 0; i < 60; i++) {
        prong_value two[2] = {a, a}, others[2] = {b, b};
        ok(prong_make_tuple(document, two, 2, &a));
        ok(prong_make_tuple(document, others, 2, &b));
    }
    ok(prong_make_dict(document, NULL, 0, &dict));
    ok(prong_dict_set(document, dict, a, prong_make_int(1)));
    check(!prong_value_equal(a, b)); /* it gives up, in bounded time */
    check(prong_value_equal(a, a));
    char text[100];
    is(prong_value_repr(a, text, sizeof(text), NULL), PRONG_TOO_LONG);
    prong_document_close(document);
}

TEST(a_document_has_a_limit_and_can_be_reset) {
    prong_document_options options = {.max_memory = 100000};
    prong_value v;
    char data[1000] = {0};
    ok(prong_document_open(&document, &options));
    prong_status status = PRONG_OK;
    for (int i = 0; i < 1000 && status >= 0; i++) status = prong_make_bytes(document, data, sizeof(data), &v);
    is(status, PRONG_NO_MEMORY);
    says("limit of 100000");
    check(prong_document_memory(document) <= 100000);
    prong_document_reset(document);
    ok(prong_make_bytes(document, data, sizeof(data), &v));
    prong_document_close(document);
    prong_document_close(NULL);
}

TEST(bad_text_is_refused_and_surrogates_are_not) {
    begin();
    prong_value v;
    is(prong_make_str(document, "a\xff", 2, &v), PRONG_INVALID);
    says("byte 1");
    is(prong_make_str(document, "a\xff", PRONG_TO_NUL, &v), PRONG_INVALID);
    is(prong_make_str(document, NULL, PRONG_TO_NUL, &v), PRONG_INVALID);
    says("no text");
    ok(prong_make_str(document, "abc", PRONG_TO_NUL, &v));
    equal(prong_value_size(v), 3);
    ok(prong_make_str(document, "\xed\xb2\x80", 3, &v));
    shows(v, "'\\udc80'");
    is(prong_build(document, &v, "D", "12x"), PRONG_INVALID);
    is(prong_build(document, &v, "r", prong_make_int(0), prong_make_int(1), prong_make_int(0)), PRONG_INVALID);
    prong_document_close(document);
}

TEST(objects_and_handles_are_read_back) {
    begin();
    prong_value v, arguments;
    prong_object view;
    ok(prong_build(document, &arguments, "(s)", "why"));
    prong_object error = {.module = "builtins", .name = "KeyError", .arguments = arguments};
    ok(prong_make_object(document, &error, &v));
    check(prong_value_is(v, "builtins", "KeyError") && !prong_value_is(v, "builtins", "ValueError"));
    ok(prong_get_object(v, &view));
    shows(v, "KeyError('why')");
    prong_object bad = {.module = "m", .name = "C", .arguments = prong_make_int(1)};
    is(prong_make_object(document, &bad, &v), PRONG_INVALID);
    prong_queue queue, back;
    ok(prong_queue_create(&queue, NULL));
    ok(prong_build(document, &v, "h", "queue", &queue));
    ok(prong_scan(v, "h", "queue", &back));
    check(back.offset == queue.offset && back.generation == queue.generation);
    is(prong_scan(v, "h", "lock", &back), PRONG_INVALID);
    is(prong_build(document, &v, "h", "teapot", &queue), PRONG_INVALID);
    prong_document_close(document);
}
