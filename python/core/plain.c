/* Pickles of what is small and plain, and of long lists of numbers, written and read without the pickle module. What is
 * written is a pickle like any other, which a reader need not know of. */
#include "codec.h"
#include "value/pickle_format.h"

/* Every Python that prong runs on reads it, and writes it by default. */
enum { PLAIN_PROTOCOL = 4 };

/* What a list of numbers begins with, and how much a number takes at most: what is written beyond its end counts, too. */
static const unsigned char NUMBERS_BEGIN[] = {OP_PROTO, PLAIN_PROTOCOL, OP_EMPTY_LIST, OP_MARK};
enum { NUMBER_MOST = PICKLE_LONG8_SIZE + 1 };

/* --- writing --- */

struct plain_writer {
    char *at, *end;
    bool family;     /* shares may go into it */
    bool has_dict;   /* an empty one is in it, further down */
    PyObject *share; /* the one that is in it, borrowed; NULL: none */
};

static bool plain_room(const struct plain_writer *w, size_t size) {
    return (size_t)(w->end - w->at) >= size;
}

static bool plain_write_byte(struct plain_writer *w, int byte) {
    if (!plain_room(w, 1)) return false;
    *w->at++ = (char)byte;
    return true;
}

static bool plain_write_sized(struct plain_writer *w, int short_code, int code, const char *data, size_t size) {
    if (!plain_room(w, size + 5)) return false;
    if (size <= PICKLE_SHORT_MAX) {
        *w->at++ = (char)short_code;
        *w->at++ = (char)size;
    } else {
        uint32_t length = (uint32_t)size;
        *w->at++ = (char)code;
        memcpy(w->at, &length, 4); /* little-endian, as the machines are that we run on */
        w->at += 4;
    }
    memcpy(w->at, data, size);
    w->at += size;
    return true;
}

static bool plain_write_int(struct plain_writer *w, PyObject *object) {
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow || !plain_room(w, NUMBER_MOST)) return false;
    bool small = value >= INT32_MIN && value <= INT32_MAX;
    w->at = small ? pickle_put_int(w->at, (int32_t)value) : pickle_put_long(w->at, value, 8);
    return true;
}

static bool plain_write_float(struct plain_writer *w, PyObject *object) {
    if (!plain_room(w, PICKLE_FLOAT_SIZE)) return false;
    w->at = pickle_put_float(w->at, PyFloat_AS_DOUBLE(object));
    return true;
}

static bool plain_write_text(struct plain_writer *w, PyObject *object) {
    Py_ssize_t size;
    if (PyUnicode_GET_LENGTH(object) > SMALL) return false;
    const char *data = PyUnicode_AsUTF8AndSize(object, &size);
    if (!data) { /* a lone surrogate: the pickle module knows how */
        PyErr_Clear();
        return false;
    }
    return plain_write_sized(w, OP_SHORT_BINUNICODE, OP_BINUNICODE, data, (size_t)size);
}

/* A share, as its __reduce__ has it: a call of prong.Handle("share", offset, generation, prong._core._open_share). */
static const struct __attribute__((packed)) share_pickle {
    char before[24];
    char offset_code[2];
    uint64_t offset;
    char generation_code[2];
    uint64_t generation;
    char after[30]; /* begins with the sign of the generation */
} SHARE_PICKLE = {.before = "\x8c\x05prong\x8c\x06Handle\x93(\x8c\x05share",
                  .offset_code = "\x8a\x08",
                  .generation_code = "\x8a\x09",
                  .after = "\x00\x8c\x0bprong._core\x8c\x0b_open_share\x93tR"};

/* Only one, as two references to one would become two objects. */
static bool plain_write_share(struct plain_writer *w, PyObject *object) {
    struct share_pickle pickle = SHARE_PICKLE;
    struct handle handle = share_handle_of(object);
    if (!w->family || w->share || !handle.generation || !plain_room(w, sizeof pickle)) return false;
    pickle.offset = handle.offset;
    pickle.generation = handle.generation;
    memcpy(w->at, &pickle, sizeof pickle);
    w->at += sizeof pickle;
    w->share = object;
    return true;
}

static bool plain_write(struct plain_writer *w, PyObject *object, int depth);

/* As the keywords of nearly all tasks are; only one, for the same reason. */
static bool plain_write_empty_dict(struct plain_writer *w) {
    if (w->has_dict) return false;
    w->has_dict = true;
    return plain_write_byte(w, OP_EMPTY_DICT);
}

/* Lists and dicts only at the top: further down, two references to one would become two objects. */
static bool plain_write_tuple(struct plain_writer *w, PyObject *object, int depth) {
    Py_ssize_t size = PyTuple_GET_SIZE(object);
    if (size == 0) return plain_write_byte(w, OP_EMPTY_TUPLE);
    if (size > 3 && !plain_write_byte(w, OP_MARK)) return false;
    for (Py_ssize_t i = 0; i < size; i++)
        if (!plain_write(w, PyTuple_GET_ITEM(object, i), depth + 1)) return false;
    return plain_write_byte(w, size > 3 ? OP_TUPLE : OP_TUPLE1 - 1 + (int)size);
}

static bool plain_write_list(struct plain_writer *w, PyObject *object) {
    if (!plain_write_byte(w, OP_EMPTY_LIST)) return false;
    if (PyList_GET_SIZE(object) == 0) return true;
    if (!plain_write_byte(w, OP_MARK)) return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(object); i++)
        if (!plain_write(w, PyList_GET_ITEM(object, i), 1)) return false;
    return plain_write_byte(w, OP_APPENDS);
}

static bool plain_write_dict(struct plain_writer *w, PyObject *object) {
    Py_ssize_t at = 0;
    PyObject *key, *value;
    if (!plain_write_byte(w, OP_EMPTY_DICT)) return false;
    if (PyDict_GET_SIZE(object) == 0) return true;
    if (!plain_write_byte(w, OP_MARK)) return false;
    while (PyDict_Next(object, &at, &key, &value))
        if (!plain_write(w, key, 1) || !plain_write(w, value, 1)) return false;
    return plain_write_byte(w, OP_SETITEMS);
}

static bool plain_write(struct plain_writer *w, PyObject *object, int depth) {
    PyTypeObject *type = Py_TYPE(object);
    if (type == &PyLong_Type) return plain_write_int(w, object);
    if (type == &PyUnicode_Type) return plain_write_text(w, object);
    if (type == &PyBytes_Type) {
        size_t size = (size_t)PyBytes_GET_SIZE(object);
        return size < SMALL && plain_write_sized(w, OP_SHORT_BINBYTES, OP_BINBYTES, PyBytes_AS_STRING(object), size);
    }
    if (type == &PyFloat_Type) return plain_write_float(w, object);
    if (object == Py_None) return plain_write_byte(w, OP_NONE);
    if (object == Py_True || object == Py_False)
        return plain_write_byte(w, object == Py_True ? OP_NEWTRUE : OP_NEWFALSE);
    if (type->tp_base == &Share_type) return plain_write_share(w, object);
    if (depth > 0 && type == &PyDict_Type && PyDict_GET_SIZE(object) == 0) return plain_write_empty_dict(w);
    if (depth > 0 && type != &PyTuple_Type) return false;
    if (type == &PyTuple_Type) return PyTuple_GET_SIZE(object) < 32 && depth < 2 && plain_write_tuple(w, object, depth);
    if (type == &PyList_Type) return plain_write_list(w, object);
    if (type == &PyDict_Type) return plain_write_dict(w, object);
    return false;
}

bool encode_plain(PyObject *object, struct encoded *encoded, bool family) {
    struct plain_writer w = {encoded->small, encoded->small + SMALL, family, false, NULL};
    *w.at++ = (char)OP_PROTO;
    *w.at++ = PLAIN_PROTOCOL;
    if (!plain_write(&w, object, 0) || !plain_write_byte(&w, OP_STOP)) return false;
    encoded->size = encoded->pickle_size = (size_t)(w.at - encoded->small);
    if (w.share) encoded->shares = Py_BuildValue("[O]", w.share);
    if (!w.share || encoded->shares) return true;
    PyErr_Clear();
    return false;
}

/* The value of an int of one digit, which most are, without a call. */
static inline bool is_small_int(PyObject *object, int32_t *value) {
#if PY_VERSION_HEX >= 0x030c0000
    const PyLongObject *number = (const PyLongObject *)object;
    if (!PyUnstable_Long_IsCompact(number)) return false;
    *value = (int32_t)PyUnstable_Long_CompactValue(number);
#else
    Py_ssize_t digits = Py_SIZE(object);
    if (digits < -1 || digits > 1) return false;
    *value = digits * (int32_t)((PyLongObject *)object)->ob_digit[0];
#endif
    return true;
}

static inline bool plain_write_number(struct plain_writer *w, PyObject *object) {
    int32_t value;
    if (!PyLong_CheckExact(object)) return PyFloat_CheckExact(object) && plain_write_float(w, object);
    if (!is_small_int(object, &value)) return plain_write_int(w, object);
    w->at = pickle_put_int(w->at, value);
    return true;
}

/* A long list of numbers, as pools are given: one MARK, all items, APPENDS. */
int encode_numbers(PyObject *const *items, Py_ssize_t count, struct encoded *encoded) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, count * NUMBER_MOST + 8);
    if (!bytes) return -1;
    struct plain_writer w = {PyBytes_AS_STRING(bytes), PyBytes_AS_STRING(bytes) + PyBytes_GET_SIZE(bytes), false, false,
                             NULL};
    memcpy(w.at, NUMBERS_BEGIN, sizeof NUMBERS_BEGIN);
    w.at += sizeof NUMBERS_BEGIN;
    bool good = true;
    for (Py_ssize_t i = 0; good && i < count; i++) good = plain_write_number(&w, items[i]);
    good = good && plain_write_byte(&w, OP_APPENDS) && plain_write_byte(&w, OP_STOP);
    encoded->size = encoded->pickle_size = (size_t)(w.at - PyBytes_AS_STRING(bytes));
    if (good && _PyBytes_Resize(&bytes, (Py_ssize_t)encoded->size) == 0) encoded->chunks = Py_BuildValue("[O]", bytes);
    Py_XDECREF(bytes);
    return encoded->chunks ? 0 : -1;
}

/* --- reading --- */

enum { PLAIN_STACK = 128 };

struct plain_reader {
    const uint8_t *at, *end;
    PyObject *stack[PLAIN_STACK];
    int top, mark;
};

static bool plain_push(struct plain_reader *r, PyObject *object) {
    if (object && r->top < PLAIN_STACK) {
        r->stack[r->top++] = object;
        return true;
    }
    Py_XDECREF(object);
    PyErr_Clear();
    return false;
}

static bool plain_read_sized(struct plain_reader *r, int length_size, bool text) {
    uint32_t size = 0;
    if (r->end - r->at < length_size) return false;
    memcpy(&size, r->at, (size_t)length_size);
    r->at += length_size;
    if ((size_t)(r->end - r->at) < size) return false;
    const char *data = (const char *)r->at;
    r->at += size;
    return plain_push(r, text ? PyUnicode_DecodeUTF8(data, (Py_ssize_t)size, "surrogatepass")
                              : PyBytes_FromStringAndSize(data, (Py_ssize_t)size));
}

/* As plain_write_share wrote it; false: it is something else. */
static bool plain_read_share(struct plain_reader *r, bool *good) {
    struct share_pickle pickle;
    const uint8_t *at = r->at - 1; /* its code has been read */
    if ((size_t)(r->end - at) < sizeof pickle) return false;
    memcpy(&pickle, at, sizeof pickle);
    if (memcmp(pickle.before, SHARE_PICKLE.before, offsetof(struct share_pickle, offset)) != 0 ||
        memcmp(pickle.after, SHARE_PICKLE.after, sizeof pickle.after) != 0)
        return false;
    r->at = at + sizeof pickle;
    *good = plain_push(r, kept_object((prong_share){pickle.offset, pickle.generation}));
    return true;
}

/* Of the number, with its code, that stands there as a whole; 0: none does. */
static inline size_t number_size(const uint8_t *at, const uint8_t *end) {
    size_t size = 0;
    switch (*at) {
    case OP_BININT1: size = 2; break;
    case OP_BININT2: size = 3; break;
    case OP_BININT: size = PICKLE_INT_SIZE; break;
    case OP_BINFLOAT: size = PICKLE_FLOAT_SIZE; break;
    case OP_LONG1: size = PICKLE_LONG8_SIZE; break;
    default: break;
    }
    if ((size_t)(end - at) < size || (*at == OP_LONG1 && at[1] != 8)) return 0;
    return size;
}

static inline PyObject *number_at(const uint8_t *at) {
    int32_t value;
    uint16_t word;
    int64_t large;
    switch (*at++) {
    case OP_BININT1: return PyLong_FromLong(*at);
    case OP_BININT2: memcpy(&word, at, 2); return PyLong_FromLong(word);
    case OP_BININT: memcpy(&value, at, 4); return PyLong_FromLong(value);
    case OP_BINFLOAT: return PyFloat_FromDouble(pickle_float_at(at));
    default: memcpy(&large, at + 1, 8); return PyLong_FromLongLong(large);
    }
}

static inline bool plain_read_number(struct plain_reader *r) {
    const uint8_t *at = r->at - 1; /* its code has been read */
    size_t size = number_size(at, r->end);
    r->at = at + size;
    return size && plain_push(r, number_at(at));
}

/* The topmost `count` objects become a tuple. */
static bool plain_gather(struct plain_reader *r, int count) {
    if (count > r->top) return false;
    PyObject *tuple = PyTuple_New(count);
    if (!tuple) return plain_push(r, NULL);
    r->top -= count;
    for (int i = 0; i < count; i++) PyTuple_SET_ITEM(tuple, i, r->stack[r->top + i]);
    return plain_push(r, tuple);
}

static bool plain_read_appends(struct plain_reader *r) {
    int count = r->top - r->mark, at = r->mark;
    if (r->mark < 1 || count < 0 || !PyList_CheckExact(r->stack[at - 1])) return false;
    PyObject *list = r->stack[at - 1];
    for (int i = 0; i < count; i++)
        if (PyList_Append(list, r->stack[at + i])) return plain_push(r, NULL);
    while (r->top > at) Py_DECREF(r->stack[--r->top]);
    r->mark = -1;
    return true;
}

static bool plain_read_setitems(struct plain_reader *r) {
    int count = r->top - r->mark, at = r->mark;
    if (r->mark < 1 || count < 0 || count % 2 || !PyDict_CheckExact(r->stack[at - 1])) return false;
    PyObject *dict = r->stack[at - 1];
    for (int i = 0; i < count; i += 2)
        if (PyDict_SetItem(dict, r->stack[at + i], r->stack[at + i + 1])) return plain_push(r, NULL);
    while (r->top > at) Py_DECREF(r->stack[--r->top]);
    r->mark = -1;
    return true;
}

/* One mark at a time is all that encode_plain writes, but for a tuple in a list: its mark ends first. */
static bool plain_read_tuple(struct plain_reader *r, int outer) {
    int count = r->top - r->mark;
    if (r->mark < 0 || count < 0) return false;
    r->mark = outer;
    return plain_gather(r, count);
}

PyObject *decode_plain(const void *data, size_t size) {
    struct plain_reader r = {.at = data, .end = (const uint8_t *)data + size, .top = 0, .mark = -1};
    int outer = -1;
    bool good = size > 2 && r.at[0] == OP_PROTO && r.at[1] <= PRONG_PICKLE_PROTOCOL;
    r.at += 2;
    while (good && r.at < r.end) {
        switch (*r.at++) {
        case OP_SHORT_BINUNICODE:
            if (!plain_read_share(&r, &good)) good = plain_read_sized(&r, 1, true);
            break;
        case OP_BINUNICODE: good = plain_read_sized(&r, 4, true); break;
        case OP_SHORT_BINBYTES: good = plain_read_sized(&r, 1, false); break;
        case OP_BINBYTES: good = plain_read_sized(&r, 4, false); break;
        case OP_NONE: good = plain_push(&r, new_reference(Py_None)); break;
        case OP_NEWTRUE: good = plain_push(&r, new_reference(Py_True)); break;
        case OP_NEWFALSE: good = plain_push(&r, new_reference(Py_False)); break;
        case OP_EMPTY_TUPLE: good = plain_gather(&r, 0); break;
        case OP_TUPLE1: good = plain_gather(&r, 1); break;
        case OP_TUPLE2: good = plain_gather(&r, 2); break;
        case OP_TUPLE3: good = plain_gather(&r, 3); break;
        case OP_EMPTY_LIST: good = plain_push(&r, PyList_New(0)); break;
        case OP_EMPTY_DICT: good = plain_push(&r, PyDict_New()); break;
        case OP_MARK:
            good = outer < 0;
            outer = r.mark;
            r.mark = r.top;
            break;
        case OP_TUPLE:
            good = plain_read_tuple(&r, outer);
            outer = -1;
            break;
        case OP_APPENDS: good = plain_read_appends(&r); break;
        case OP_SETITEMS: good = plain_read_setitems(&r); break;
        case OP_STOP:
            if (r.top == 1) return r.stack[0];
            good = false;
            break;
        default: good = plain_read_number(&r);
        }
    }
    while (r.top > 0) Py_DECREF(r.stack[--r.top]);
    return NULL;
}

/* How many numbers there are up to the end, OP_APPENDS and OP_STOP; -1: something else is among them. */
static Py_ssize_t numbers_count(const uint8_t *at, const uint8_t *end) {
    Py_ssize_t count = 0;
    while (end - at > 2) {
        size_t size = number_size(at, end);
        if (!size) return -1;
        at += size;
        count++;
    }
    return end - at == 2 && at[0] == OP_APPENDS && at[1] == OP_STOP ? count : -1;
}

PyObject *decode_numbers(const void *data, size_t size) {
    if (size < sizeof NUMBERS_BEGIN || memcmp(data, NUMBERS_BEGIN, sizeof NUMBERS_BEGIN)) return NULL;
    const uint8_t *at = (const uint8_t *)data + sizeof NUMBERS_BEGIN, *end = (const uint8_t *)data + size;
    Py_ssize_t count = numbers_count(at, end);
    PyObject *list = count >= 0 ? PyList_New(count) : NULL;
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *number = number_at(at);
        at += number_size(at, end);
        if (number)
            PyList_SET_ITEM(list, i, number);
        else
            Py_CLEAR(list);
    }
    PyErr_Clear();
    return list;
}
