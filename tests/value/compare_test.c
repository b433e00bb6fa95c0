/* Equality, order and containment of every kind of value, as Python has them. */
#include "../support/test.h"
#include <math.h>

static prong_document *document;

static prong_value built(const char *format, const char *text) {
    prong_value value;
    ok(prong_build(document, &value, format, text));
    return value;
}

static prong_value complex_of(double real, double imaginary) {
    prong_value value;
    ok(prong_build(document, &value, "c", real, imaginary));
    return value;
}

static prong_value range_of(int start, int stop, int step) {
    prong_value value;
    ok(prong_build(document, &value, "r", prong_make_int(start), prong_make_int(stop), prong_make_int(step)));
    return value;
}

static prong_value handle_of(prong_queue queue) {
    prong_value value;
    ok(prong_build(document, &value, "h", "queue", &queue));
    return value;
}

static prong_value bytes_of(prong_kind kind, const char *data, size_t size) {
    prong_value value;
    if (kind == PRONG_KIND_BYTES)
        ok(prong_make_bytes(document, data, size, &value));
    else if (kind == PRONG_KIND_BYTEARRAY)
        ok(prong_build(document, &value, "Y", data, size));
    else
        ok(prong_make_buffer(document, (void *)(uintptr_t)data, size, true, &value));
    return value;
}

static void are_equal(prong_value a, prong_value b) {
    check(prong_value_equal(a, b) && prong_value_equal(b, a));
}

static void differ(prong_value a, prong_value b) {
    check(!prong_value_equal(a, b) && !prong_value_equal(b, a));
}

TEST(numbers_are_equal_across_their_kinds) {
    ok(prong_document_open(&document, NULL));
    are_equal(prong_make_int(1), prong_make_float(1));
    are_equal(prong_make_bool(true), prong_make_int(1));
    differ(prong_make_float(NAN), prong_make_float(NAN));
    are_equal(complex_of(1, 2), complex_of(1, 2));
    differ(complex_of(1, 2), complex_of(1, 3));
    differ(complex_of(1, 2), complex_of(0, 2));
    are_equal(complex_of(0.0, -0.0), complex_of(-0.0, 0.0));
    differ(built("D", "-340282366920938463463374607431768211456"), prong_make_float(-HUGE_VAL));
    are_equal(built("D", "340282366920938463463374607431768211456"), prong_make_float(0x1p128));
    are_equal(built("D", "-340282366920938463463374607431768211456"), prong_make_float(-0x1p128));
    differ(built("D", "340282366920938463463374607431768211457"), prong_make_float(0x1p128));
    prong_document_close(document);
}

static prong_value holding(prong_kind kind, prong_value item) {
    prong_value value;
    ok(prong_build(document, &value, kind == PRONG_KIND_LIST ? "[v]" : "(v)", item));
    return value;
}

/* As in Python, where nan != nan, but [nan] == [nan] and not [nan] < [nan]. */
TEST(a_nan_in_a_container_is_equal_to_itself) {
    ok(prong_document_open(&document, NULL));
    prong_value nan = prong_make_float(NAN), complex = complex_of(NAN, 1), pair, other;
    int order = 7;
    are_equal(holding(PRONG_KIND_LIST, nan), holding(PRONG_KIND_LIST, nan));
    are_equal(holding(PRONG_KIND_TUPLE, nan), holding(PRONG_KIND_TUPLE, nan));
    are_equal(holding(PRONG_KIND_LIST, complex), holding(PRONG_KIND_LIST, complex));
    differ(complex, complex);
    differ(holding(PRONG_KIND_LIST, complex), holding(PRONG_KIND_LIST, complex_of(NAN, 1)));
    ok(prong_build(document, &pair, "{sv}", "key", nan));
    ok(prong_build(document, &other, "{sv}", "key", nan));
    are_equal(pair, other);
    ok(prong_value_compare(holding(PRONG_KIND_LIST, nan), holding(PRONG_KIND_LIST, nan), &order));
    equal(order, 0);
    ok(prong_build(document, &pair, "(vi)", nan, 1));
    ok(prong_build(document, &other, "(vi)", nan, 2));
    ok(prong_value_compare(pair, other, &order));
    equal(order, -1);
    ok(prong_build(document, &other, "(di)", 1.0, 2));
    is(prong_value_compare(pair, other, &order), PRONG_INVALID);
    check(prong_value_contains(holding(PRONG_KIND_LIST, nan), nan));
    prong_document_close(document);
}

TEST(bytes_of_three_kinds_are_equal_and_ordered_by_what_is_in_them) {
    static const prong_kind kinds[] = {PRONG_KIND_BYTES, PRONG_KIND_BYTEARRAY, PRONG_KIND_BUFFER};
    int order;
    ok(prong_document_open(&document, NULL));
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            prong_value a = bytes_of(kinds[i], "ab\0d", 4), shorter = bytes_of(kinds[j], "ab\0", 3);
            are_equal(a, bytes_of(kinds[j], "ab\0d", 4));
            differ(a, bytes_of(kinds[j], "ab\0e", 4));
            differ(a, shorter);
            ok(prong_value_compare(a, bytes_of(kinds[j], "ab\0d", 4), &order));
            equal(order, 0);
            ok(prong_value_compare(a, shorter, &order));
            check(order > 0);
            ok(prong_value_compare(shorter, a, &order));
            check(order < 0);
            ok(prong_value_compare(a, bytes_of(kinds[j], "b", 1), &order));
            check(order < 0);
        }
    differ(bytes_of(PRONG_KIND_BYTES, "ab", 2), built("s", "ab"));
    is(prong_value_compare(bytes_of(PRONG_KIND_BYTES, "ab", 2), built("s", "ab"), &order), PRONG_INVALID);
    prong_document_close(document);
}

TEST(sets_ranges_and_objects_are_equal_by_what_they_hold) {
    prong_value items[2], set, frozen, other, one, two;
    ok(prong_document_open(&document, NULL));
    items[0] = prong_make_int(1), items[1] = built("s", "a");
    ok(prong_make_set(document, items, 2, &set));
    ok(prong_make_frozenset(document, items, 2, &frozen));
    ok(prong_make_set(document, items, 1, &other));
    are_equal(set, frozen);
    differ(set, other);
    differ(set, prong_make_int(1));
    ok(prong_make_list(document, items, 2, &one));
    ok(prong_make_tuple(document, items, 2, &two));
    differ(one, two);
    are_equal(range_of(0, 5, 2), range_of(0, 5, 2));
    differ(range_of(0, 5, 2), range_of(1, 5, 2));
    differ(range_of(0, 5, 2), range_of(0, 6, 2));
    differ(range_of(0, 5, 2), range_of(0, 5, 1));
    prong_object object = {.module = "m", .name = "C", .arguments = two, .has_state = true, .state = set};
    ok(prong_make_object(document, &object, &one));
    object.state = frozen;
    ok(prong_make_object(document, &object, &two));
    are_equal(one, two);
    object.state = other;
    ok(prong_make_object(document, &object, &two));
    differ(one, two);
    object.has_state = false;
    ok(prong_make_object(document, &object, &two));
    differ(one, two);
    prong_document_close(document);
}

TEST(handles_and_constants_are_equal_to_themselves) {
    prong_queue first, second;
    int order;
    ok(prong_document_open(&document, NULL));
    ok(prong_queue_create(&first, NULL));
    ok(prong_queue_create(&second, NULL));
    are_equal(handle_of(first), handle_of(first));
    differ(handle_of(first), handle_of(second));
    are_equal(prong_make_null(), prong_make_null());
    are_equal(prong_make_ellipsis(), prong_make_ellipsis());
    differ(prong_make_ellipsis(), prong_make_null());
    is(prong_value_compare(prong_make_null(), prong_make_null(), &order), PRONG_INVALID);
    /* as keys, and as copies in another document */
    prong_value dict, found, copy;
    prong_document *other;
    ok(prong_document_open(&other, NULL));
    ok(prong_make_dict(document, NULL, 0, &dict));
    ok(prong_dict_set(document, dict, handle_of(first), prong_make_int(1)));
    ok(prong_dict_set(document, dict, handle_of(second), prong_make_int(2)));
    ok(prong_dict_set(document, dict, prong_make_ellipsis(), prong_make_int(3)));
    ok(prong_dict_set(document, dict, complex_of(0, 1), prong_make_int(4)));
    ok(prong_dict_set(document, dict, complex_of(1, 0), prong_make_int(5)));
    ok(prong_value_copy(other, dict, &copy));
    are_equal(dict, copy);
    ok(prong_dict_get(copy, handle_of(second), &found));
    are_equal(found, prong_make_int(2));
    ok(prong_dict_get(copy, prong_make_ellipsis(), &found));
    are_equal(found, prong_make_int(3));
    ok(prong_dict_get(copy, complex_of(0, 1), &found));
    are_equal(found, prong_make_int(4));
    ok(prong_dict_get(copy, prong_make_int(1), &found)); /* 1 == 1+0j */
    are_equal(found, prong_make_int(5));
    prong_document_close(other);
    prong_document_close(document);
    ok(prong_queue_destroy(first));
    ok(prong_queue_destroy(second));
}

TEST(what_a_container_holds_is_found_and_removed) {
    prong_value items[3], list, tuple, set, dict;
    ok(prong_document_open(&document, NULL));
    for (int i = 0; i < 3; i++) items[i] = prong_make_int(i);
    items[2] = prong_make_float(NAN);
    ok(prong_make_list(document, items, 3, &list));
    ok(prong_make_tuple(document, items, 3, &tuple));
    ok(prong_make_set(document, items, 2, &set));
    check(prong_value_contains(list, prong_make_float(1)) && !prong_value_contains(list, prong_make_int(5)));
    check(prong_value_contains(tuple, prong_make_int(0)) && !prong_value_contains(tuple, prong_make_null()));
    check(prong_value_contains(list, items[2])); /* the very same, though it equals nothing */
    check(prong_value_contains(set, prong_make_int(1)) && !prong_value_contains(set, list));
    check(!prong_value_contains(prong_make_int(1), prong_make_int(1)));
    ok(prong_set_remove(set, prong_make_int(1)));
    check(!prong_value_contains(set, prong_make_int(1)));
    is(prong_set_remove(set, prong_make_int(1)), PRONG_NOT_FOUND);
    is(prong_set_remove(list, prong_make_int(1)), PRONG_INVALID);
    is(prong_set_add(document, list, prong_make_int(1)), PRONG_INVALID);
    ok(prong_make_dict(document, NULL, 0, &dict));
    is(prong_dict_remove(list, prong_make_int(1)), PRONG_INVALID);
    says("expected dict, found list");
    is(prong_dict_get(set, prong_make_int(1), &items[0]), PRONG_INVALID);
    is(prong_dict_set(document, list, prong_make_int(1), list), PRONG_INVALID);
    is(prong_dict_get_text(list, "a", &items[0]), PRONG_INVALID);
    is(prong_dict_set_text(document, set, "a", list), PRONG_INVALID);
    is(prong_list_append(document, dict, list), PRONG_INVALID);
    is(prong_list_insert(document, list, 4, list), PRONG_NOT_FOUND);
    is(prong_list_remove(dict, 0), PRONG_INVALID);
    equal(prong_value_size(bytes_of(PRONG_KIND_BYTEARRAY, "abc", 3)), 3);
    equal(prong_value_size(bytes_of(PRONG_KIND_BUFFER, "abcd", 4)), 4);
    equal(prong_value_size(prong_make_ellipsis()), 0);
    prong_document_close(document);
}

TEST(what_is_nested_too_deep_is_not_compared) {
    prong_value list, lists[2];
    int order;
    ok(prong_document_open(&document, NULL));
    for (int i = 0; i < 2; i++) {
        lists[i] = prong_make_int(1);
        for (int depth = 0; depth < PRONG_VALUE_DEPTH - 1; depth++) {
            ok(prong_make_list(document, &lists[i], 1, &list));
            lists[i] = list;
        }
    }
    check(prong_value_equal(lists[0], lists[1]));
    ok(prong_value_compare(lists[0], lists[1], &order));
    equal(order, 0);
    for (int i = 0; i < 2; i++) { /* each within itself */
        ok(prong_make_list(document, NULL, 0, &lists[i]));
        ok(prong_list_append(document, lists[i], lists[i]));
    }
    is(prong_value_compare(lists[0], lists[1], &order), PRONG_TOO_LONG);
    check(!prong_value_equal(lists[0], lists[1]));
    prong_document_close(document);
}
