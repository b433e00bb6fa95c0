/* The server's types: what their methods return and raise, as Python's own do. What a real Python does with them is in interop.py. */
#include "types_test.h"

#include <stdint.h>

static const int64_t NONE = INT64_MIN + 1;

static prong_value number_or_none(int64_t number) {
    return number == NONE ? prong_make_null() : prong_make_int(number);
}

static prong_value slice_of(prong_value start, prong_value stop, prong_value step) {
    prong_object slice = {.module = "builtins", .name = "slice"};
    prong_value made;
    ok(prong_build(document, &slice.arguments, "(vvv)", start, stop, step));
    ok(prong_make_object(document, &slice, &made));
    return made;
}

static prong_value slice(int64_t start, int64_t stop, int64_t step) {
    return slice_of(number_or_none(start), number_or_none(stop), number_or_none(step));
}

static prong_value array_of(const char *code, const void *bytes, size_t size) {
    prong_object array = {.module = "array", .name = "array"};
    prong_value made;
    ok(prong_build(document, &array.arguments, "(sy)", code, bytes, size));
    ok(prong_make_object(document, &array, &made));
    return made;
}

/* --- list --- */

TEST(a_list_is_indexed_and_sliced_from_both_ends) {
    prong_proxy list;
    begin();
    make(&list, "list", "([iiiii])", 0, 1, 2, 3, 4);
    returns(list, "4", "__getitem__", "(i)", -1);
    raises(list, "list index out of range", "__getitem__", "(i)", -6);
    raises(list, "indices must be integers, not str", "__getitem__", "(s)", "a");
    returns(list, "[3, 4]", "__getitem__", "(v)", slice(-2, NONE, NONE));
    returns(list, "[0, 1, 2]", "__getitem__", "(v)", slice(-100, -2, NONE));
    returns(list, "[4, 2, 0]", "__getitem__", "(v)", slice(NONE, NONE, -2));
    returns(list, "[3, 2]", "__getitem__", "(v)", slice(3, 1, -1));
    returns(list, "[]", "__getitem__", "(v)", slice(3, 1, NONE));
    returns(list, "[4]", "__getitem__", "(v)", slice(100, NONE, INT64_MIN)); /* a step that has no opposite */
    returns(list, "[0]", "__getitem__", "(v)", slice(NONE, 100, INT64_MAX));
    raises(list, "slice step cannot be zero", "__getitem__", "(v)", slice(NONE, NONE, 0));
    prong_value text, none = prong_make_null();
    ok(prong_make_str(document, "a", PRONG_TO_NUL, &text));
    raises(list, "indices must be integers, not str", "__getitem__", "(v)", slice_of(text, none, none));
    raises(list, "indices must be integers, not str", "__getitem__", "(v)", slice_of(none, text, none));
    raises(list, "indices must be integers, not str", "__getitem__", "(v)", slice_of(none, none, text));
    ended(manager);
}

TEST(a_lists_slices_are_replaced_and_deleted) {
    prong_proxy list;
    begin();
    make(&list, "list", "([iiiii])", 0, 1, 2, 3, 4);
    returns(list, "None", "__setitem__", "(v[ss])", slice(1, 4, NONE), "a", "b");
    values(list, "[0, 'a', 'b', 4]");
    returns(list, "None", "__setitem__", "(v[ii])", slice(NONE, NONE, 2), 10, 20);
    values(list, "[10, 'a', 20, 4]");
    raises(list, "attempt to assign sequence of size 1 to extended slice of size 2", "__setitem__", "(v[i])",
           slice(NONE, NONE, 2), 7);
    raises(list, "slice step cannot be zero", "__setitem__", "(v[i])", slice(NONE, NONE, 0), 7);
    raises(list, "'int' object is not iterable", "__setitem__", "(vi)", slice(0, 1, NONE), 7);
    raises(list, "list assignment index out of range", "__setitem__", "(ii)", 4, 7);
    values(list, "[10, 'a', 20, 4]"); /* what raised changed nothing */
    returns(list, "None", "__setitem__", "(v[])", slice(1, 2, NONE));
    values(list, "[10, 20, 4]");
    returns(list, "None", "__setitem__", "(vs)", slice(3, 3, NONE), "x\xc3\xa4y"); /* characters, not bytes */
    values(list, "[10, 20, 4, 'x', '\xc3\xa4', 'y']");
    returns(list, "None", "__delitem__", "(v)", slice(NONE, NONE, -2));
    values(list, "[10, 4, '\xc3\xa4']");
    raises(list, "slice step cannot be zero", "__delitem__", "(v)", slice(NONE, NONE, 0));
    raises(list, "list assignment index out of range", "__delitem__", "(i)", 3);
    returns(list, "None", "__delitem__", "(i)", -1);
    returns(list, "None", "__delitem__", "(v)", slice(1, NONE, NONE));
    values(list, "[10]");
    ended(manager);
}

TEST(a_list_takes_whatever_python_iterates_over) {
    prong_proxy list, other;
    prong_value value;
    begin();
    make(&list, "list", "()");
    returns(list, "None", "extend", "(y)", "\x01\xff", (size_t)2);
    returns(list, "None", "extend", "(Y)", "\x02", (size_t)1);
    returns(list, "None", "extend", "({s:i})", "key", 1);
    returns(list, "None", "extend", "(<i>)", 9);
    values(list, "[1, 255, 2, 'key', 9]");
    returns(list, "None", "clear", "()");
    returns(list, "None", "extend", "(r)", prong_make_int(5), prong_make_int(0), prong_make_int(-2));
    returns(list, "None", "extend", "(r)", prong_make_int(0), prong_make_int(INT64_MAX),
            prong_make_int(INT64_MAX / 2 + 2)); /* whose next number would be above all int64_t */
    values(list, "[5, 3, 1, 0, 4611686018427387905]");
    make(&other, "list", "([i])", 1);
    ok(prong_proxy_to_value(list, document, &value));
    returns(other, "None", "extend", "(v)", value);
    values(other, "[1, 5, 3, 1, 0, 4611686018427387905]");
    returns(other, "[1, 5, 3, 1, 0, 4611686018427387905, 5, 3, 1, 0, 4611686018427387905]", "__add__", "(v)", value);
    raises(other, "'float' object is not iterable", "extend", "(d)", 1.5);
    raises(other, "can only concatenate list (not \"tuple\") to list", "__add__", "((i))", 1);
    cannot_make("list", "'int' object is not iterable", "(i)", 1);
    cannot_make("list", "takes at most 1 arguments (2 given)", "([][])");
    ended(manager);
}

TEST(a_list_is_searched_sorted_and_repeated) {
    prong_proxy list;
    begin();
    make(&list, "list", "([iiii])", 3, 1, 2, 1);
    returns(list, "3", "index", "(ii)", 1, 2);
    returns(list, "1", "index", "(iii)", 1, -100, 100);
    returns(list, "3", "index", "(ii)", 1, -1);
    raises(list, "1 is not in list", "index", "(iii)", 1, 0, 1);
    raises(list, "indices must be integers", "index", "(is)", 1, "a");
    returns(list, "2", "count", "(i)", 1);
    returns(list, "True", "__contains__", "(d)", 2.0);
    raises(list, "x not in list", "remove", "(i)", 7);
    returns(list, "None", "remove", "(i)", 1);
    values(list, "[3, 2, 1]");
    returns(list, "None", "sort", "()");
    returns(list, "None", "insert", "(ii)", 100, 9);
    returns(list, "None", "insert", "(ii)", -100, 0);
    values(list, "[0, 1, 2, 3, 9]");
    raises(list, "indices must be integers", "insert", "(si)", "a", 0);
    returns(list, "None", "sort", "(nb)", 1);
    values(list, "[9, 3, 2, 1, 0]");
    raises(list, "sort() with a key function is not possible on this server", "sort", "(s)", "key");
    raises(list, "pop index out of range", "pop", "(i)", 5);
    returns(list, "9", "pop", "(i)", 0);
    returns(list, "None", "append", "(s)", "a");
    raises(list, "", "sort", "()"); /* a str and an int have no order: the list is as it was */
    values(list, "[3, 2, 1, 0, 'a']");
    returns(list, "[3, 2, 1, 0, 'a', 3, 2, 1, 0, 'a']", "__mul__", "(i)", 2);
    returns(list, "[]", "__rmul__", "(i)", -1);
    raises(list, "indices must be integers", "__imul__", "(s)", "a");
    raises(list, "the list would be too long", "__imul__", "(I)", INT64_MAX);
    returns(list, "[]", "__imul__", "(i)", 0);
    returns(list, "[]", "__imul__", "(i)", 100);
    returns(list, "None", "sort", "()");
    returns(list, "None", "reverse", "()");
    raises(list, "pop from empty list", "pop", "()");
    ended(manager);
}

/* --- dict, Namespace --- */

TEST(a_dict_is_made_of_dicts_proxies_and_pairs) {
    prong_proxy dict, other;
    prong_value value, ordered;
    prong_object object = {.module = "collections", .name = "OrderedDict"};
    begin();
    make(&dict, "dict", "([(si)[si]])", "a", 1, "b", 2);
    ok(prong_proxy_to_value(dict, document, &value));
    make(&other, "dict", "(v)", value);
    returns(other, "None", "update", "({s:i})", "c", 3);
    values(other, "{'a': 1, 'b': 2, 'c': 3}");
    ok(prong_make_tuple(document, NULL, 0, &object.arguments));
    ok(prong_build(document, &object.pairs, "{s:i}", "d", 4));
    ok(prong_make_object(document, &object, &ordered));
    returns(other, "None", "update", "(v)", ordered);
    returns(other, "{'a': 1, 'b': 2, 'c': 3, 'd': 4}", "__ior__", "([])");
    returns(dict, "{'a': 9, 'b': 2}", "__or__", "({s:i})", "a", 9);
    returns(dict, "{'a': 1, 'b': 2}", "__ror__", "({s:i})", "a", 9);
    raises(dict, "unsupported operand type(s) for |: 'dict' and 'list'", "__or__", "([])");
    raises(dict, "unsupported operand type(s) for |: 'dict' and 'int'", "__ror__", "(i)", 1);
    raises(dict, "element #1 has length 3; 2 is required", "update", "([(ss)(sss)])", "x", "y", "a", "b", "c");
    raises(dict, "element #0 has length", "__ior__", "([s])", "x");
    raises(dict, "update expected at most 1 argument, got 2", "update", "({}{})");
    raises(dict, "is not iterable", "update", "(i)", 1);
    cannot_make("dict", "unhashable type: 'list'", "([([]i)])", 1);
    returns(dict, "{'x': 0, 'y': 0}", "fromkeys", "(si)", "xy", 0);
    returns(dict, "{'x': None}", "fromkeys", "([s])", "x");
    raises(dict, "is not iterable", "fromkeys", "(i)", 1);
    ended(manager);
}

TEST(a_dicts_keys_are_found_or_named) {
    prong_proxy dict, iterator;
    prong_value made;
    begin();
    make(&dict, "dict", "({s:i s:i})", "a", 1, "b", 2);
    returns(dict, "1", "setdefault", "(si)", "a", 9);
    returns(dict, "None", "setdefault", "(s)", "c");
    returns(dict, "7", "get", "(si)", "none", 7);
    returns(dict, "7", "pop", "(si)", "none", 7);
    returns(dict, "('c', None)", "popitem", "()");
    raises(dict, "KeyError('none')", "pop", "(s)", "none");
    raises(dict, "KeyError('none')", "__delitem__", "(s)", "none");
    const char *const takes_key[] = {"__getitem__", "__delitem__", "get", "setdefault", "pop", "__contains__"};
    for (size_t i = 0; i < sizeof takes_key / sizeof *takes_key; i++)
        raises(dict, "unhashable type: 'list'", takes_key[i], "([])");
    raises(dict, "takes at most 2 arguments (3 given)", "get", "(sss)", "a", "b", "c");
    ok(call(dict, &made, "__reversed__", SOON, "()"));
    ok(prong_proxy_from_value(&iterator, manager, made));
    returns(iterator, "'b'", "__next__", "()");
    raises(iterator, "iterates by itself", "__iter__", "()");
    returns(iterator, "None", "close", "()");
    raises(iterator, "StopIteration", "__next__", "()");
    returns(dict, "None", "clear", "()");
    raises(dict, "dictionary is empty", "popitem", "()");
    ok(call(dict, &made, "__reversed__", SOON, "()"));
    ok(prong_proxy_from_value(&iterator, manager, made));
    returns(dict, "None", "update", "({s:i})", "a", 1);
    raises(iterator, "StopIteration", "__next__", "()"); /* it was at its end before */
    ended(manager);
}

TEST(a_namespace_has_attributes_with_names) {
    prong_proxy names;
    begin();
    make(&names, "Namespace", "()");
    returns(names, "None", "__setattr__", "(si)", "a", 1);
    returns(names, "1", "__getattribute__", "(s)", "a");
    raises(names, "attribute name must be string, not 'int'", "__getattribute__", "(i)", 1);
    raises(names, "attribute name must be string, not 'int'", "__setattr__", "(ii)", 1, 1);
    raises(names, "attribute name must be string, not 'int'", "__delattr__", "(i)", 1);
    returns(names, "None", "__delattr__", "(s)", "a");
    raises(names, "'a'", "__getattribute__", "(s)", "a");
    raises(names, "'a'", "__delattr__", "(s)", "a");
    ended(manager);
}

/* --- set --- */

TEST(a_sets_methods_take_iterables_and_its_operators_sets) {
    prong_proxy set, other;
    prong_value value;
    begin();
    make(&set, "set", "([iii])", 1, 2, 3);
    make(&other, "set", "()");
    ok(prong_proxy_to_value(set, document, &value));
    returns(other, "None", "update", "(v[i])", value, 4);
    returns(other, "{1, 2, 3, 4}", "copy", "()");
    returns(set, "{1}", "intersection", "([ii])", 1, 9);
    returns(set, "{1, 3}", "__sub__", "(<i>)", 2);
    returns(set, "{9}", "__rsub__", "(<ii>)", 1, 9);
    returns(set, "True", "__contains__", "(i)", 1);
    returns(set, "False", "__contains__", "(<i>)", 1); /* a set is looked for as a frozenset */
    returns(set, "None", "discard", "(<i>)", 1);
    raises(set, "KeyError", "remove", "(<i>)", 1);
    const char *const take_one[] = {"add", "remove", "discard", "__contains__"};
    for (size_t i = 0; i < sizeof take_one / sizeof *take_one; i++)
        raises(set, "unhashable type: 'list'", take_one[i], "([])");
    raises(set, "missing required argument", "remove", "()");
    raises(set, "missing required argument", "discard", "()");
    raises(set, "missing required argument", "__contains__", "()");
    returns(set, "NotImplemented", "__or__", "([i])", 1);
    returns(set, "NotImplemented", "__ior__", "([i])", 1);
    returns(set, "NotImplemented", "__le__", "([i])", 1);
    raises(set, "takes exactly one argument (2 given)", "__or__", "(<i><i>)", 1, 2);
    raises(set, "takes exactly one argument (0 given)", "symmetric_difference", "()");
    raises(set, "unhashable type: 'list'", "union", "([[]])");
    raises(set, "unhashable type: 'list'", "update", "([[]])");
    raises(set, "is not iterable", "difference", "(i)", 1);
    raises(set, "is not iterable", "issubset", "(i)", 1);
    cannot_make("set", "is not iterable", "(i)", 1);
    cannot_make("set", "unhashable type: 'list'", "([[]])");
    returns(set, "None", "intersection_update", "([])");
    raises(set, "pop from an empty set", "pop", "()");
    ended(manager);
}

TEST(keywords_that_a_method_does_not_know_are_refused) {
    prong_proxy set, list;
    prong_value none, keywords, result;
    begin();
    make(&set, "set", "()");
    make(&list, "list", "([ii])", 2, 1);
    ok(prong_make_tuple(document, NULL, 0, &none));
    ok(prong_build(document, &keywords, "{s:i}", "reverse", 1));
    ok(prong_proxy_call(list, "sort", document, &result, SOON, "vv", none, keywords));
    is(prong_proxy_call(list, "pop", document, &result, SOON, "vv", none, keywords), PRONG_REMOTE_ERROR);
    says("pop() got an unexpected keyword argument");
    is(prong_proxy_call(set, "union", document, &result, SOON, "vv", none, keywords), PRONG_REMOTE_ERROR);
    says("union() takes no keyword arguments");
    ended(manager);
}

/* --- Value, Array --- */

TEST(an_array_holds_what_its_typecode_can) {
    prong_proxy array;
    begin();
    make(&array, "Array", "(s[iii])", "i", 1, -2, 3);
    returns(array, "-2", "__getitem__", "(i)", 1);
    raises(array, "array index out of range", "__getitem__", "(i)", 3);
    raises(array, "array assignment index out of range", "__setitem__", "(ii)", -4, 0);
    raises(array, "value out of range for an array of type 'i'", "__setitem__", "(iI)", 0, INT64_C(1) << 31);
    raises(array, "'str' object cannot be interpreted as an integer", "__setitem__", "(is)", 0, "a");
    raises(array, "'float' object cannot be interpreted as an integer", "__setitem__", "(id)", 0, 1.5);
    returns(array, "None", "__setitem__", "(ib)", 0, 1);
    returns(array, "\"array('i', [True, -2, 3])\"", "__str__", "()");
    make(&array, "Array", "(s[UU])", "Q", UINT64_MAX, (uint64_t)0);
    returns(array, "18446744073709551615", "__getitem__", "(i)", 0);
    raises(array, "out of range", "__setitem__", "(ii)", 0, -1);
    make(&array, "Array", "(s[dd])", "f", 0.1, 2.0);
    returns(array, "2.0", "__getitem__", "(i)", 1);
    returns(array, "0.10000000149011612", "__getitem__", "(i)", 0); /* rounded as a float is */
    raises(array, "must be real number, not str", "__setitem__", "(is)", 0, "a");
    make(&array, "Array", "(s[])", "d");
    returns(array, "\"array('d')\"", "__str__", "()");
    returns(array, "0", "__len__", "()");
    cannot_make("Array", "bad typecode", "(s[])", "ii");
    cannot_make("Array", "bad typecode", "(s[])", "x");
    cannot_make("Array", "bad typecode", "(i[])", 1);
    cannot_make("Array", "must be real number, not str", "(s[s])", "d", "a");
    cannot_make("Array", "is not iterable", "(si)", "i", 1);
    ended(manager);
}

TEST(an_arrays_elements_of_text_are_single_characters) {
    prong_proxy array;
    prong_value result;
    const wchar_t written[] = {L'y', 0xe4};
    begin();
    make(&array, "Array", "(ss)", "u", "ab\xc3\xa4");
    returns(array, "'\xc3\xa4'", "__getitem__", "(i)", 2);
    raises(array, "array item must be a unicode character, not int", "__setitem__", "(ii)", 0, 1);
    raises(array, "array item must be a unicode character", "__setitem__", "(is)", 0, "two");
    raises(array, "array item must be a unicode character", "__setitem__", "(is)", 0, "");
    returns(array, "None", "__setitem__", "(is)", 0, "\xc3\xb6");
    returns(array, "None", "__setitem__", "(vv)", slice(1, 3, NONE), array_of("u", written, sizeof written));
    returns(array, "\"array('u', ['\xc3\xb6', 'y', '\xc3\xa4'])\"", "__str__", "()");
    ok(call(array, &result, "#GETVALUE", SOON, "()"));
    check(prong_value_is(result, "array", "array"));
    ended(manager);
}

TEST(an_arrays_slices_are_replaced_as_a_whole) {
    prong_proxy array;
    const int16_t numbers[] = {-1, 2};
    const float real[] = {0.5f, -2};
    const double wide[] = {0.25, 4};
    const uint64_t large[] = {UINT64_MAX, 1};
    begin();
    make(&array, "Array", "(s[iii])", "h", 7, 8, 9);
    returns(array, "None", "__setitem__", "(v[ii])", slice(NONE, NONE, 2), 1, 3);
    returns(array, "\"array('h', [1, 8, 3])\"", "__str__", "()");
    returns(array, "None", "__setitem__", "(vv)", slice(1, 3, NONE), array_of("h", numbers, sizeof numbers));
    returns(array, "\"array('h', [1, -1, 2])\"", "__str__", "()");
    raises(array, "a shared array cannot change its size", "__setitem__", "(v[i])", slice(0, 2, NONE), 1);
    raises(array, "out of range", "__setitem__", "(v[ii])", slice(0, 2, NONE), 5, 40000);
    raises(array, "is not iterable", "__setitem__", "(vi)", slice(0, 2, NONE), 5);
    raises(array, "slice step cannot be zero", "__setitem__", "(v[i])", slice(NONE, NONE, 0), 5);
    raises(array, "slice step cannot be zero", "__getitem__", "(v)", slice(NONE, NONE, 0));
    returns(array, "\"array('h', [1, -1, 2])\"", "__str__", "()"); /* what raised changed nothing */
    make(&array, "Array", "(s[ii])", "d", 0, 0);
    returns(array, "None", "__setitem__", "(vv)", slice(NONE, NONE, NONE), array_of("f", real, sizeof real));
    returns(array, "\"array('d', [0.5, -2.0])\"", "__str__", "()");
    returns(array, "None", "__setitem__", "(vv)", slice(NONE, NONE, -1), array_of("d", wide, sizeof wide));
    returns(array, "\"array('d', [4.0, 0.25])\"", "__str__", "()");
    make(&array, "Array", "(s[ii])", "Q", 0, 0);
    returns(array, "None", "__setitem__", "(vv)", slice(NONE, NONE, NONE), array_of("Q", large, sizeof large));
    returns(array, "\"array('Q', [18446744073709551615, 1])\"", "__str__", "()");
    raises(array, "cannot change its size", "__setitem__", "(vv)", slice(NONE, NONE, NONE), array_of("?", large, 2));
    ended(manager);
}

TEST(a_shared_value_says_what_it_is) {
    prong_proxy value;
    begin();
    make(&value, "Value", "(si)", "i", 7);
    returns(value, "\"Value('i', 7)\"", "__str__", "()");
    returns(value, "None", "set", "([i])", 8);
    returns(value, "[8]", "get", "()");
    ended(manager);
}
