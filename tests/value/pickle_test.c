/* Pickle: what the recorded vectors do not show. */
#include "../support/test.h"

static prong_document *document;

static void begin(void) {
    ok(prong_document_open(&document, NULL));
}

static prong_value round_trip(prong_value value, int protocol) {
    prong_pickle pickle;
    prong_pickle_options options = {.protocol = protocol};
    prong_value back;
    ok(prong_pickle_dumps(document, value, &pickle, &options));
    ok(prong_pickle_loads(document, pickle.data, pickle.size, &back, NULL));
    return back;
}

TEST(all_protocols_bring_back_what_went_in) {
    begin();
    prong_value v, back, big;
    ok(prong_build(document, &big, "D", "-123456789012345678901234567890"));
    ok(prong_build(document, &v, "{s:[i,I,U,v], s:(d,b,n), s:[s,S], s:y, s:Y, s:<i,s>}", "ints", -1, INT64_MIN,
                   UINT64_MAX, big, "t", 0.1, 1, "strs", "h\xc3\xa9\\n", "a\0b", (size_t)3, "bytes", "\x00\xff",
                   (size_t)2, "array", "xy", (size_t)2, "set", 1, "one"));
    const int protocols[] = {PRONG_PICKLE_TEXT, 1, 2, 3, 4, 5};
    for (int i = 0; i < 6; i++) {
        back = round_trip(v, protocols[i]);
        check(prong_value_equal(v, back));
    }
    prong_document_close(document);
}

TEST(handles_cross_in_a_pickle) {
    begin();
    prong_queue queue, back;
    prong_value v;
    ok(prong_queue_create(&queue, NULL));
    ok(prong_build(document, &v, "h", "queue", &queue));
    ok(prong_scan(round_trip(v, 4), "h", "queue", &back));
    ok(prong_queue_put(back, "x", 1, PRONG_NOWAIT));
    prong_document_close(document);
}

TEST(buffers_go_beside_the_pickle_when_asked) {
    begin();
    static char large[100000];
    prong_value v, back, item;
    prong_pickle pickle;
    prong_pickle_buffer buffers[2];
    size_t count;
    prong_pickle_options beside = {.buffers = buffers, .buffer_capacity = 2, .buffer_count = &count};
    ok(prong_make_buffer(document, large, sizeof(large), true, &v));
    ok(prong_build(document, &v, "[v,i]", v, 1));
    ok(prong_pickle_dumps(document, v, &pickle, &beside));
    equal(count, 1);
    check(pickle.size < 100 && buffers[0].data == large && buffers[0].read_only);
    prong_unpickle_options given = {.buffers = buffers, .buffer_count = 1};
    ok(prong_pickle_loads(document, pickle.data, pickle.size, &back, &given));
    ok(prong_list_get(back, 0, &item));
    const void *data;
    size_t size;
    ok(prong_get_bytes(item, &data, &size));
    check(data == large && size == sizeof(large));
    is(prong_pickle_loads(document, pickle.data, pickle.size, &back, NULL), PRONG_INVALID);
    says("buffer 0 was not handed over");
    ok(prong_pickle_dumps(document, v, &pickle, NULL));
    check(pickle.size > sizeof(large));
    prong_document_close(document);
}

TEST(borrowed_bytes_stay_where_they_are) {
    begin();
    static char large[1000];
    prong_value v, back;
    prong_pickle pickle;
    const void *data;
    size_t size;
    prong_unpickle_options borrow = {.borrow_bytes = true};
    ok(prong_make_bytes(document, large, sizeof(large), &v));
    ok(prong_pickle_dumps(document, v, &pickle, NULL));
    ok(prong_pickle_loads(document, pickle.data, pickle.size, &back, &borrow));
    ok(prong_get_bytes(back, &data, &size));
    check((const char *)data > (const char *)pickle.data &&
          (const char *)data < (const char *)pickle.data + pickle.size);
    prong_document_close(document);
}

static prong_status build_point(prong_document *d, const prong_object *object, prong_value *value, void *context) {
    (void)context;
    if (!object->has_state) return prong_make_list(d, NULL, 0, value);
    prong_value x, y;
    prong_status status = prong_scan(object->state, "{s:v, s:v}", "x", &x, "y", &y);
    if (status >= 0) status = prong_list_append(d, *value, x);
    return status < 0 ? status : prong_list_append(d, *value, y);
}

TEST(own_classes_are_built_by_their_functions_and_others_refused) {
    begin();
    prong_value state, v, back;
    prong_pickle pickle;
    ok(prong_build(document, &state, "{s:i, s:i}", "x", 3, "y", 4));
    prong_object point = {.module = "geometry", .name = "Point", .by_new = true, .has_state = true, .state = state};
    ok(prong_make_object(document, &point, &v));
    ok(prong_build(document, &v, "[vv]", v, v));
    ok(prong_pickle_dumps(document, v, &pickle, NULL));
    is(prong_pickle_loads(document, pickle.data, pickle.size, &back, NULL), PRONG_PERMISSION);
    says("geometry.Point");
    prong_class classes[] = {{"geometry", "*", build_point, NULL}};
    prong_unpickle_options options = {.classes = classes, .class_count = 1};
    ok(prong_pickle_loads(document, pickle.data, pickle.size, &back, &options));
    char text[100];
    ok(prong_value_repr(back, text, sizeof(text), NULL));
    check(!strcmp(text, "[[3, 4], [3, 4]]"));
    prong_document_close(document);
}

TEST(every_cut_of_a_pickle_is_an_error) {
    begin();
    prong_value v, back;
    prong_pickle pickle;
    ok(prong_build(document, &v, "{s:[i,d,s], s:(y,n), i:<i>}", "a", 100000, 0.5, "text", "b", "bytes", (size_t)5, 7,
                   8));
    for (int protocol = 1; protocol <= 5; protocol++) {
        prong_pickle_options options = {.protocol = protocol};
        ok(prong_pickle_dumps(document, v, &pickle, &options));
        for (size_t size = 0; size < pickle.size; size++) {
            char *copy = malloc(size + 1); /* so that a read beyond is seen by the sanitizer */
            memcpy(copy, pickle.data, size);
            check(prong_pickle_loads(document, copy, size, &back, NULL) != PRONG_OK);
            free(copy);
        }
    }
    prong_document_close(document);
}

TEST(every_changed_byte_of_a_pickle_is_a_value_or_an_error) {
    begin();
    prong_value v, back;
    prong_pickle pickle;
    ok(prong_build(document, &v, "[{s:[i,d,s], s:(y,n), i:<i>}]", "a", 100000, 0.5, "text", "b", "bytes", (size_t)5, 7,
                   8));
    for (int protocol = 1; protocol <= 5; protocol++) {
        prong_pickle_options options = {.protocol = protocol};
        prong_document_reset(document);
        ok(prong_build(document, &v, "[{s:[i,d,s], s:(y,n), i:<i>}]", "a", 100000, 0.5, "text", "b", "bytes", (size_t)5,
                       7, 8));
        ok(prong_pickle_dumps(document, v, &pickle, &options));
        for (size_t i = 0; i < pickle.size; i++)
            for (int byte = 0; byte < 256; byte++) {
                prong_document *own;
                ok(prong_document_open(&own, NULL));
                char *copy = malloc(pickle.size);
                memcpy(copy, pickle.data, pickle.size);
                copy[i] = (char)byte;
                prong_pickle_loads(own, copy, pickle.size, &back, NULL);
                free(copy);
                prong_document_close(own);
            }
    }
    prong_document_close(document);
}

TEST(keys_that_take_for_ever_to_compare_are_refused_in_time) {
    begin();
    /* two towers of tuples that hold the same twice, equal and not the same; then each as a key, again and again */
    char data[4096];
    size_t n = 0;
    data[n++] = '}';
    data[n++] = '(';
    for (int tower = 0; tower < 2; tower++) {
        data[n++] = ')';
        for (int i = 0; i < 100; i++) {
            data[n++] = '2';
            data[n++] = (char)0x86;
        }
        data[n++] = 'q';
        data[n++] = (char)tower;
        data[n++] = 'N';
    }
    for (int i = 0; i < 500; i++) {
        data[n++] = 'h';
        data[n++] = (char)(i % 2);
        data[n++] = 'N';
    }
    data[n++] = 'u';
    data[n++] = '.';
    prong_value back;
    int64_t before = test_now();
    prong_status status = prong_pickle_loads(document, data, n, &back, NULL);
    check(status == PRONG_TOO_LONG || status == PRONG_OK);
    check(test_now() - before < PRONG_SECONDS(10));
    prong_document_close(document);
}

TEST(bad_options_are_named) {
    begin();
    prong_pickle pickle;
    prong_pickle_options options = {.protocol = 6};
    is(prong_pickle_dumps(document, prong_make_null(), &pickle, &options), PRONG_INVALID);
    says("protocol 6");
    prong_value back;
    prong_unpickle_options shallow = {.max_depth = 3};
    is(prong_pickle_loads(document, "]]]]aaa.", 8, &back, &shallow), PRONG_TOO_LONG);
    ok(prong_pickle_loads(document, "]]]aa.", 6, &back, &shallow));
    prong_document_close(document);
}

TEST(a_name_of_python_2_is_not_written_where_it_means_another) {
    begin();
    static const char old_name[] = "\x80\x04"
                                   "cQueue\nQueue\n.";
    prong_unpickle_options all = {.any_class = true};
    prong_value class;
    prong_pickle pickle;
    prong_pickle_options two = {.protocol = 2}, three = {.protocol = 3};
    ok(prong_pickle_loads(document, old_name, sizeof(old_name) - 1, &class, &all));
    is(prong_pickle_dumps(document, class, &pickle, &two), PRONG_INVALID);
    says("Queue.Queue would be read as queue.Queue");
    ok(prong_pickle_dumps(document, class, &pickle, &three));
    prong_document_close(document);
}

/* As a Python process sends a large bytearray: its header, the pickle, and the buffer at 64. */
static size_t joined(char *bytes, const char *pickle, size_t pickle_size, uint64_t place, uint64_t size) {
    uint64_t words[] = {pickle_size, 1, place, size};
    memset(bytes, 0, 200);
    memcpy(bytes, "\0prong5\n", 8);
    memcpy(bytes + 8, words, sizeof words);
    memcpy(bytes + 40, pickle, 4);
    memcpy(bytes + 64, "in the buffer", 13);
    return 77;
}

TEST(a_pickle_may_have_its_buffers_beside_it) {
    begin();
    static const char pickle[] = "\x80\x05\x97.";
    char bytes[200];
    prong_value back;
    const void *data;
    size_t size, length = joined(bytes, pickle, 4, 64, 13);
    ok(prong_pickle_loads(document, bytes, length, &back, NULL));
    ok(prong_get_bytes(back, &data, &size));
    memset(bytes + 64, 'x', 13); /* it is a copy */
    check(size == 13 && memcmp(data, "in the buffer", 13) == 0);
    prong_unpickle_options borrow = {.borrow_bytes = true};
    ok(prong_pickle_loads(document, bytes, length, &back, &borrow));
    ok(prong_get_bytes(back, &data, &size));
    check(data == bytes + 64);
    const uint64_t bad[][2] = {{64, 14}, {78, 0}, {UINT64_MAX, 1}, {64, UINT64_MAX}, {0, 78}};
    for (int i = 0; i < 5; i++) {
        length = joined(bytes, pickle, 4, bad[i][0], bad[i][1]);
        is(prong_pickle_loads(document, bytes, length, &back, NULL), PRONG_INVALID);
        says("a buffer lies outside");
    }
    length = joined(bytes, pickle, 1000, 64, 13);
    is(prong_pickle_loads(document, bytes, length, &back, NULL), PRONG_INVALID);
    says("the pickle lies outside");
    for (size_t cut = 8; cut < 44; cut++) {
        length = joined(bytes, pickle, 4, 64, 13);
        is(prong_pickle_loads(document, bytes, cut, &back, NULL), PRONG_INVALID);
    }
    prong_document_close(document);
}

/* It took minutes when each batch had the whole table copied and hashed again. */
TEST(a_dict_that_comes_in_many_small_batches_is_read_in_time) {
    enum { BATCHES = 20000, PAIRS = 9 };
    begin();
    static char pickle[BATCHES * (PAIRS * 6 + 2) + 10];
    size_t size = 0;
    prong_value back;
    memcpy(pickle, "\x80\x04}", 3);
    size += 3;
    for (uint32_t key = 0; key < BATCHES * PAIRS;) {
        pickle[size++] = '(';
        for (int i = 0; i < PAIRS; i++, key++) {
            pickle[size++] = 'J';
            memcpy(pickle + size, &key, 4);
            size += 4;
            pickle[size++] = 'N';
        }
        pickle[size++] = 'u';
    }
    pickle[size++] = '.';
    ok(prong_pickle_loads(document, pickle, size, &back, NULL));
    equal(prong_value_size(back), BATCHES * PAIRS);
    prong_document_close(document);
}

/* Texts of all lengths up to that, ASCII but for one character (in bytes: `wide`, 0: none) at each place, at the end of the
 * pickle and before other opcodes. */
enum { TEXT_MAX = 40 };

static void text_is_read(const char *text, size_t size, const char *behind) {
    char pickle[TEXT_MAX + 20];
    prong_value back;
    size_t length = (size_t)sprintf(pickle, "\x80\x04\x8c%c", (int)size);
    length = size ? length : 4; /* a NUL is no character for sprintf */
    memcpy(pickle + length, text, size);
    length += size + (size_t)sprintf(pickle + length + size, "%s.", behind);
    prong_document_reset(document);
    ok(prong_pickle_loads(document, pickle, length, &back, NULL));
    const char *got;
    size_t got_size;
    ok(prong_get_str(back, &got, &got_size));
    equal(got_size, size);
    check(memcmp(got, text, size) == 0 && got[size] == 0);
}

TEST(texts_of_any_length_and_place_are_read) {
    begin();
    for (size_t size = 0; size <= TEXT_MAX; size++) {
        char text[TEXT_MAX + 1];
        for (size_t i = 0; i < size; i++) text[i] = (char)('a' + i % 26);
        text_is_read(text, size, "");
        text_is_read(text, size, "\x94");
        text_is_read(text, size, "\x94N0N0N0");
        for (size_t at = 0; at + 2 <= size; at++) {
            memcpy(text + at, "\xc3\xa9", 2);
            text_is_read(text, size, "");
            text_is_read(text, size, "\x94N0N0N0");
            text[at] = text[at + 1] = 'x';
        }
    }
    prong_document_close(document);
}

TEST(a_byte_that_is_not_utf8_is_found_at_each_place_of_a_text) {
    begin();
    for (size_t size = 1; size <= TEXT_MAX; size++) {
        for (size_t at = 0; at < size; at++) {
            char pickle[TEXT_MAX + 20] = "\x8c";
            prong_value back;
            pickle[1] = (char)size;
            memset(pickle + 2, 'a', size);
            pickle[2 + at] = (char)0xff;
            pickle[2 + size] = '.';
            is(prong_pickle_loads(document, pickle, size + 3, &back, NULL), PRONG_INVALID);
            says("text that is not UTF-8");
        }
    }
    prong_document_close(document);
}

/* Small dicts are read in another way than larger ones, those with other keys than text, and those with a key twice. */
TEST(small_dicts_keep_order_and_the_last_of_equal_keys) {
    begin();
    for (int pairs = 1; pairs <= 12; pairs++) {
        for (int same = -1; same < pairs - 1; same++) { /* the last key is this one once more */
            char pickle[100] = "}(";
            size_t size = 2;
            prong_value back, item;
            for (int i = 0; i < pairs; i++) {
                int key = i == pairs - 1 && same >= 0 ? same : i;
                size += (size_t)sprintf(pickle + size, "\x8c\x02k%cK%c", 'a' + key, 'A' + i);
            }
            size += (size_t)sprintf(pickle + size, "u.");
            ok(prong_pickle_loads(document, pickle, size, &back, NULL));
            equal(prong_value_size(back), (size_t)(same < 0 ? pairs : pairs - 1));
            ok(prong_dict_get_text(back, same < 0 ? "ka" : (char[]){'k', (char)('a' + same), 0}, &item));
            check(prong_value_equal(item, prong_make_int(same < 0 ? 'A' : 'A' + pairs - 1)));
            ok(prong_dict_set_text(document, back, "more", item));
            equal(prong_value_size(back), (size_t)(same < 0 ? pairs : pairs - 1) + 1);
        }
    }
    prong_document_close(document);
}

TEST(a_memo_of_many_entries_gives_each_back) {
    enum { TEXTS = 5000 };
    begin();
    static char pickle[TEXTS * 20];
    prong_value back, item;
    size_t size = 0;
    pickle[size++] = '(';
    for (uint32_t i = 0; i < TEXTS; i++) size += (size_t)sprintf(pickle + size, "\x8c\x05%05u\x94", i);
    for (uint32_t i = 0; i < TEXTS; i++) {
        pickle[size++] = 'j';
        memcpy(pickle + size, &i, 4);
        size += 4;
    }
    size += (size_t)sprintf(pickle + size, "l.");
    ok(prong_pickle_loads(document, pickle, size, &back, NULL));
    equal(prong_value_size(back), 2 * TEXTS);
    for (size_t i = 0; i < 2 * TEXTS; i++) {
        char wanted[10];
        const char *text;
        ok(prong_list_get(back, i, &item));
        ok(prong_get_str(item, &text, NULL));
        sprintf(wanted, "%05zu", i % TEXTS);
        check(strcmp(text, wanted) == 0);
    }
    prong_document_close(document);
}
