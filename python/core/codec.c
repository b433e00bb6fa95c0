/* Objects as bytes and back: pickle. What is small and plain is written and read here, as pickle too; the rest by the
 * pickle module with ForkingPickler's reducers. Large buffers (protocol 5) lie beside the pickle in the message, and the
 * receiver's objects use them in place.
 *
 * A message with buffers begins with a header that no pickle begins with; one without is a plain pickle. */
#include "core.h"
#include "family/arena.h"

#include <string.h>
#include <unistd.h>

_Thread_local bool travelling;

/* VIEW_LEAST: a copy of what is smaller takes no longer than to make a view of it. */
enum { BUFFER_LEAST = 16 << 10, VIEW_LEAST = 64 << 10, ALIGNMENT = 64 };
static const char MAGIC[8] = {'\0', 'p', 'r', 'o', 'n', 'g', '5', '\n'};

/* PROTO 4, EMPTY_LIST, MARK; and how much a number takes at most. */
static const char NUMBERS_BEGIN[] = "\x80\x04](";
enum { NUMBERS_BEGIN_SIZE = 4, NUMBERS_LEAST = 32, NUMBER_MOST = 11 };

struct header {
    char magic[8];
    uint64_t pickle_size, buffer_count;
    uint64_t place[]; /* offset and size, for each buffer; the pickle follows */
};

static PyObject *pickler, *loads, *copyreg_table, *extra_reducers, *complete_reducers, *keyword_names, *table_name,
    *dump_name, *buffers_name;

/* ------------------------------------------------ writing plain objects ------------------------------------------------ */

struct writer {
    char *at, *end;
};

static bool room(const struct writer *w, size_t size) {
    return (size_t)(w->end - w->at) >= size;
}

static bool write_byte(struct writer *w, int byte) {
    if (!room(w, 1)) return false;
    *w->at++ = (char)byte;
    return true;
}

static bool write_sized(struct writer *w, int short_code, int code, const char *data, size_t size) {
    if (!room(w, size + 5)) return false;
    if (size < 256) {
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

/* Where there is room for the longest: what is written beyond a number's end is written over by what comes next. */
static inline void write_small_int(struct writer *w, int32_t value) {
    bool is_byte = value >= 0 && value < 256, is_short = value >= 0 && value < 65536;
    *w->at++ = is_byte ? 'K' : is_short ? 'M' : 'J';
    memcpy(w->at, &value, 4);
    w->at += is_byte ? 1 : is_short ? 2 : 4;
}

static bool write_int(struct writer *w, PyObject *object) {
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow || !room(w, NUMBER_MOST)) return false;
    if (value >= INT32_MIN && value <= INT32_MAX) {
        write_small_int(w, (int32_t)value);
    } else {
        *w->at++ = (char)0x8a; /* LONG1 */
        *w->at++ = 8;
        memcpy(w->at, &value, 8);
        w->at += 8;
    }
    return true;
}

static bool write_float(struct writer *w, PyObject *object) {
    double value = PyFloat_AS_DOUBLE(object);
    uint64_t bits;
    if (!room(w, 9)) return false;
    memcpy(&bits, &value, 8);
    bits = __builtin_bswap64(bits);
    *w->at++ = 'G';
    memcpy(w->at, &bits, 8);
    w->at += 8;
    return true;
}

static bool write_text(struct writer *w, PyObject *object) {
    Py_ssize_t size;
    if (PyUnicode_GET_LENGTH(object) > SMALL) return false;
    const char *data = PyUnicode_AsUTF8AndSize(object, &size);
    if (!data) { /* a lone surrogate: the pickle module knows how */
        PyErr_Clear();
        return false;
    }
    return write_sized(w, 0x8c, 'X', data, (size_t)size);
}

static bool write_plain(struct writer *w, PyObject *object, int depth);

/* Lists and dicts only at the top: further down, two references to one would become two objects. */
static bool write_tuple(struct writer *w, PyObject *object, int depth) {
    Py_ssize_t size = PyTuple_GET_SIZE(object);
    if (size == 0) return write_byte(w, ')');
    if (size > 3 && !write_byte(w, '(')) return false;
    for (Py_ssize_t i = 0; i < size; i++)
        if (!write_plain(w, PyTuple_GET_ITEM(object, i), depth + 1)) return false;
    return write_byte(w, size > 3 ? 't' : 0x84 + (int)size);
}

static bool write_list(struct writer *w, PyObject *object) {
    if (!write_byte(w, ']')) return false;
    if (PyList_GET_SIZE(object) == 0) return true;
    if (!write_byte(w, '(')) return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(object); i++)
        if (!write_plain(w, PyList_GET_ITEM(object, i), 1)) return false;
    return write_byte(w, 'e');
}

static bool write_dict(struct writer *w, PyObject *object) {
    Py_ssize_t at = 0;
    PyObject *key, *value;
    if (!write_byte(w, '}')) return false;
    if (PyDict_GET_SIZE(object) == 0) return true;
    if (!write_byte(w, '(')) return false;
    while (PyDict_Next(object, &at, &key, &value))
        if (!write_plain(w, key, 1) || !write_plain(w, value, 1)) return false;
    return write_byte(w, 'u');
}

static bool write_plain(struct writer *w, PyObject *object, int depth) {
    PyTypeObject *type = Py_TYPE(object);
    if (type == &PyLong_Type) return write_int(w, object);
    if (type == &PyUnicode_Type) return write_text(w, object);
    if (type == &PyBytes_Type) {
        size_t size = (size_t)PyBytes_GET_SIZE(object);
        return size < SMALL && write_sized(w, 'C', 'B', PyBytes_AS_STRING(object), size);
    }
    if (type == &PyFloat_Type) return write_float(w, object);
    if (object == Py_None) return write_byte(w, 'N');
    if (object == Py_True || object == Py_False) return write_byte(w, object == Py_True ? 0x88 : 0x89);
    if (depth > 0 && type != &PyTuple_Type) return false;
    if (type == &PyTuple_Type) return PyTuple_GET_SIZE(object) < 32 && depth < 2 && write_tuple(w, object, depth);
    if (type == &PyList_Type) return write_list(w, object);
    if (type == &PyDict_Type) return write_dict(w, object);
    return false;
}

static bool encode_plain(PyObject *object, struct encoded *encoded) {
    struct writer w = {encoded->small, encoded->small + SMALL};
    *w.at++ = (char)0x80;
    *w.at++ = 4;
    if (!write_plain(&w, object, 0) || !write_byte(&w, '.')) return false;
    encoded->size = encoded->pickle_size = (size_t)(w.at - encoded->small);
    return true;
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

static inline bool write_number(struct writer *w, PyObject *object) {
    int32_t value;
    if (!PyLong_CheckExact(object)) return PyFloat_CheckExact(object) && write_float(w, object);
    if (!is_small_int(object, &value)) return write_int(w, object);
    write_small_int(w, value);
    return true;
}

/* A long list of numbers, as pools are given: one MARK, all items, APPENDS. */
static int encode_numbers(PyObject *const *items, Py_ssize_t count, struct encoded *encoded) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, count * NUMBER_MOST + 8);
    if (!bytes) return -1;
    struct writer w = {PyBytes_AS_STRING(bytes), PyBytes_AS_STRING(bytes) + PyBytes_GET_SIZE(bytes)};
    memcpy(w.at, NUMBERS_BEGIN, NUMBERS_BEGIN_SIZE);
    w.at += NUMBERS_BEGIN_SIZE;
    bool good = true;
    for (Py_ssize_t i = 0; good && i < count; i++) good = write_number(&w, items[i]);
    good = good && write_byte(&w, 'e') && write_byte(&w, '.');
    encoded->size = encoded->pickle_size = (size_t)(w.at - PyBytes_AS_STRING(bytes));
    if (good && _PyBytes_Resize(&bytes, (Py_ssize_t)encoded->size) == 0) encoded->chunks = Py_BuildValue("[O]", bytes);
    Py_XDECREF(bytes);
    return encoded->chunks ? 0 : -1;
}

/* ------------------------------------------------ writing by the pickle module ------------------------------------------------ */

/* What the pickler writes to: keeps the pieces, so that large bytes are not copied before they are in the arena. */
typedef struct {
    PyObject_HEAD PyObject *chunks, *buffers;
    size_t size;
} Sink;

static PyObject *sink_write(PyObject *object, PyObject *piece) {
    Sink *self = (Sink *)object;
    PyObject *bytes = PyBytes_CheckExact(piece) ? new_reference(piece) : PyBytes_FromObject(piece);
    if (!bytes) return NULL;
    int failed = PyList_Append(self->chunks, bytes);
    self->size += (size_t)PyBytes_GET_SIZE(bytes);
    Py_DECREF(bytes);
    if (failed) return NULL;
    Py_RETURN_NONE;
}

/* The pickler's buffer_callback: true keeps the buffer in the pickle. */
static PyObject *sink_buffer(PyObject *object, PyObject *buffer) {
    Sink *self = (Sink *)object;
    const Py_buffer *view = PyPickleBuffer_GetBuffer(buffer);
    if (!view) return NULL;
    if (view->len < BUFFER_LEAST || !PyBuffer_IsContiguous(view, 'A')) Py_RETURN_TRUE;
    if (!self->buffers && !(self->buffers = PyList_New(0))) return NULL;
    PyObject *own = PyMemoryView_FromObject(buffer); /* which nobody releases before it is written */
    int failed = own ? PyList_Append(self->buffers, own) : -1;
    Py_XDECREF(own);
    if (failed) return NULL;
    Py_RETURN_FALSE;
}

static void sink_dealloc(PyObject *object) {
    Sink *self = (Sink *)object;
    Py_XDECREF(self->chunks);
    Py_XDECREF(self->buffers);
    PyObject_Free(self);
}

static PyMethodDef sink_methods[] = {{"write", sink_write, METH_O, NULL}, {"buffer", sink_buffer, METH_O, NULL}, {0}};
static PyTypeObject Sink_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core._Sink",
                                 .tp_basicsize = sizeof(Sink), .tp_flags = Py_TPFLAGS_DEFAULT,
                                 .tp_dealloc = sink_dealloc, .tp_methods = sink_methods};

/* prong._impl.pickling gives us the tables: it is imported for the first message that needs them. */
static int need_tables(void) {
    PyObject *done = NULL;
    if (!copyreg_table)
        done = PyImport_ImportModule("prong._impl.pickling");
    else if (complete_reducers)
        done = PyObject_CallNoArgs(complete_reducers);
    else
        return 0;
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* The tables may grow at any time by a register(), so they are joined for each message; they are small. */
static PyObject *new_pickler(Sink *sink, bool family) {
    PyObject *callback = PyObject_GetAttrString((PyObject *)sink, "buffer"), *made = NULL;
    PyObject *table = PyDict_Copy(copyreg_table), *five = PyLong_FromLong(5);
    PyObject *arguments[] = {(PyObject *)sink, five, callback};
    if (callback && table && five && PyDict_Update(table, extra_reducers) == 0)
        made = PyObject_Vectorcall(pickler, arguments, family ? 2 : 1, family ? keyword_names : NULL);
    if (made && PyObject_SetAttr(made, table_name, table)) Py_CLEAR(made);
    Py_XDECREF(callback);
    Py_XDECREF(table);
    Py_XDECREF(five);
    return made;
}

static int dump(Sink *sink, PyObject *object, bool family) {
    PyObject *made = new_pickler(sink, family);
    PyObject *result = made ? PyObject_CallMethodObjArgs(made, dump_name, object, NULL) : NULL;
    Py_XDECREF(made);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static size_t aligned(size_t offset) {
    return (offset + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static size_t size_with_buffers(const struct encoded *encoded) {
    size_t count = (size_t)PyList_GET_SIZE(encoded->buffers);
    size_t at = sizeof(struct header) + 16 * count + encoded->pickle_size;
    for (size_t i = 0; i < count; i++)
        at = aligned(at) + (size_t)PyMemoryView_GET_BUFFER(PyList_GET_ITEM(encoded->buffers, (Py_ssize_t)i))->len;
    return at;
}

/* family: for a member of it, with buffers beside the pickle, and handles in it. */
static int encode_by_pickle(PyObject *object, struct encoded *encoded, bool family) {
    if (need_tables()) return -1;
    Sink *sink = PyObject_New(Sink, &Sink_type);
    if (!sink) return -1;
    sink->size = 0;
    sink->buffers = NULL;
    sink->chunks = PyList_New(0);
    bool before = travelling;
    PyObject *begun = posts_begin();
    travelling = family;
    int failed = sink->chunks ? dump(sink, object, family) : -1;
    travelling = before;
    encoded->posts = posts_end(begun);
    if (failed) encoded_unsent(encoded);
    if (!failed) {
        encoded->chunks = new_reference(sink->chunks);
        Py_XINCREF(sink->buffers);
        encoded->buffers = sink->buffers;
        encoded->size = encoded->pickle_size = sink->size;
        if (encoded->buffers) encoded->size = size_with_buffers(encoded);
    }
    Py_DECREF(sink);
    return failed;
}

bool encode_if_numbers(PyObject *const *items, Py_ssize_t count, struct encoded *encoded) {
    encoded->chunks = encoded->buffers = encoded->posts = NULL;
    if (count < NUMBERS_LEAST) return false;
    if (encode_numbers(items, count, encoded) == 0) return true;
    PyErr_Clear(); /* something else is in it */
    return false;
}

static int encode_for(PyObject *object, struct encoded *encoded, bool family) {
    encoded->chunks = encoded->buffers = encoded->posts = NULL;
    if (encode_plain(object, encoded)) return 0;
    if (PyList_CheckExact(object) && encode_if_numbers(PySequence_Fast_ITEMS(object), PyList_GET_SIZE(object), encoded))
        return 0;
    return encode_by_pickle(object, encoded, family);
}

int encode(PyObject *object, struct encoded *encoded) {
    return encode_for(object, encoded, true);
}

int encode_for_strangers(PyObject *object, struct encoded *encoded) {
    return encode_for(object, encoded, false);
}

static void write_pickle(const struct encoded *encoded, char *to) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(encoded->chunks); i++) {
        PyObject *chunk = PyList_GET_ITEM(encoded->chunks, i);
        memcpy(to, PyBytes_AS_STRING(chunk), (size_t)PyBytes_GET_SIZE(chunk));
        to += PyBytes_GET_SIZE(chunk);
    }
}

static void write_with_buffers(const struct encoded *encoded, char *to) {
    struct header *header = (struct header *)(void *)to;
    size_t count = (size_t)PyList_GET_SIZE(encoded->buffers);
    size_t at = sizeof *header + 16 * count;
    memcpy(header->magic, MAGIC, sizeof MAGIC);
    header->pickle_size = encoded->pickle_size;
    header->buffer_count = count;
    write_pickle(encoded, to + at);
    at += encoded->pickle_size;
    for (size_t i = 0; i < count; i++) {
        const Py_buffer *view = PyMemoryView_GET_BUFFER(PyList_GET_ITEM(encoded->buffers, (Py_ssize_t)i));
        at = aligned(at);
        header->place[2 * i] = at;
        header->place[2 * i + 1] = (uint64_t)view->len;
        memcpy(to + at, view->buf, (size_t)view->len);
        at += (size_t)view->len;
    }
}

void encoded_write(const struct encoded *encoded, void *to) {
    if (encoded->buffers)
        write_with_buffers(encoded, to);
    else if (encoded->chunks)
        write_pickle(encoded, to);
    else
        memcpy(to, encoded->small, encoded->size);
}

void encoded_clear(struct encoded *encoded) {
    Py_CLEAR(encoded->chunks);
    Py_CLEAR(encoded->buffers);
    Py_CLEAR(encoded->posts);
}

void encoded_unsent(struct encoded *encoded) {
    if (encoded->posts) posts_undo(encoded->posts);
    Py_CLEAR(encoded->posts);
}

/* ------------------------------------------------ reading plain objects ------------------------------------------------ */

enum { STACK = 128 };

struct reader {
    const uint8_t *at, *end;
    PyObject *stack[STACK];
    int top, mark;
};

static bool push(struct reader *r, PyObject *object) {
    if (object && r->top < STACK) {
        r->stack[r->top++] = object;
        return true;
    }
    Py_XDECREF(object);
    PyErr_Clear();
    return false;
}

static bool read_sized(struct reader *r, int length_size, bool text) {
    uint32_t size = 0;
    if (r->end - r->at < length_size) return false;
    memcpy(&size, r->at, (size_t)length_size);
    r->at += length_size;
    if ((size_t)(r->end - r->at) < size) return false;
    const char *data = (const char *)r->at;
    r->at += size;
    return push(r, text ? PyUnicode_DecodeUTF8(data, (Py_ssize_t)size, "surrogatepass")
                        : PyBytes_FromStringAndSize(data, (Py_ssize_t)size));
}

/* Of the number, with its code, that stands there as a whole; 0: none does. */
static inline size_t number_size(const uint8_t *at, const uint8_t *end) {
    size_t size = 0;
    switch (*at) {
    case 'K': size = 2; break;
    case 'M': size = 3; break;
    case 'J': size = 5; break;
    case 'G': size = 9; break;
    case 0x8a: size = 10; break;
    default: break;
    }
    if ((size_t)(end - at) < size || (*at == 0x8a && at[1] != 8)) return 0;
    return size;
}

static inline PyObject *number_at(const uint8_t *at) {
    int32_t value;
    uint16_t word;
    int64_t large;
    uint64_t bits;
    double real;
    switch (*at++) {
    case 'K': return PyLong_FromLong(*at);
    case 'M': memcpy(&word, at, 2); return PyLong_FromLong(word);
    case 'J': memcpy(&value, at, 4); return PyLong_FromLong(value);
    case 'G':
        memcpy(&bits, at, 8);
        bits = __builtin_bswap64(bits);
        memcpy(&real, &bits, 8);
        return PyFloat_FromDouble(real);
    default: memcpy(&large, at + 1, 8); return PyLong_FromLongLong(large);
    }
}

static inline bool read_numeric(struct reader *r) {
    const uint8_t *at = r->at - 1; /* its code has been read */
    size_t size = number_size(at, r->end);
    r->at = at + size;
    return size && push(r, number_at(at));
}

/* The topmost `count` objects become a tuple. */
static bool gather(struct reader *r, int count) {
    if (count > r->top) return false;
    PyObject *tuple = PyTuple_New(count);
    if (!tuple) return push(r, NULL);
    r->top -= count;
    for (int i = 0; i < count; i++) PyTuple_SET_ITEM(tuple, i, r->stack[r->top + i]);
    return push(r, tuple);
}

static bool read_appends(struct reader *r) {
    int count = r->top - r->mark, at = r->mark;
    if (r->mark < 1 || count < 0 || !PyList_CheckExact(r->stack[at - 1])) return false;
    PyObject *list = r->stack[at - 1];
    for (int i = 0; i < count; i++)
        if (PyList_Append(list, r->stack[at + i])) return push(r, NULL);
    while (r->top > at) Py_DECREF(r->stack[--r->top]);
    r->mark = -1;
    return true;
}

static bool read_setitems(struct reader *r) {
    int count = r->top - r->mark, at = r->mark;
    if (r->mark < 1 || count < 0 || count % 2 || !PyDict_CheckExact(r->stack[at - 1])) return false;
    PyObject *dict = r->stack[at - 1];
    for (int i = 0; i < count; i += 2)
        if (PyDict_SetItem(dict, r->stack[at + i], r->stack[at + i + 1])) return push(r, NULL);
    while (r->top > at) Py_DECREF(r->stack[--r->top]);
    r->mark = -1;
    return true;
}

/* One mark at a time is all that encode_plain writes, but for a tuple in a list: its mark ends first. */
static bool read_tuple(struct reader *r, int outer) {
    int count = r->top - r->mark;
    if (r->mark < 0 || count < 0) return false;
    r->mark = outer;
    return gather(r, count);
}

/* NULL without an exception: something that is for the pickle module. */
static PyObject *decode_plain(const void *data, size_t size) {
    struct reader r = {.at = data, .end = (const uint8_t *)data + size, .top = 0, .mark = -1};
    int outer = -1;
    bool good = size > 2 && r.at[0] == 0x80;
    r.at += 2;
    while (good && r.at < r.end) {
        switch (*r.at++) {
        case 0x8c: good = read_sized(&r, 1, true); break;
        case 'X': good = read_sized(&r, 4, true); break;
        case 'C': good = read_sized(&r, 1, false); break;
        case 'B': good = read_sized(&r, 4, false); break;
        case 'N': good = push(&r, new_reference(Py_None)); break;
        case 0x88: good = push(&r, new_reference(Py_True)); break;
        case 0x89: good = push(&r, new_reference(Py_False)); break;
        case ')': good = gather(&r, 0); break;
        case 0x85: good = gather(&r, 1); break;
        case 0x86: good = gather(&r, 2); break;
        case 0x87: good = gather(&r, 3); break;
        case ']': good = push(&r, PyList_New(0)); break;
        case '}': good = push(&r, PyDict_New()); break;
        case '(':
            good = outer < 0;
            outer = r.mark;
            r.mark = r.top;
            break;
        case 't':
            good = read_tuple(&r, outer);
            outer = -1;
            break;
        case 'e': good = read_appends(&r); break;
        case 'u': good = read_setitems(&r); break;
        case '.':
            if (r.top == 1) return r.stack[0];
            good = false;
            break;
        default: good = read_numeric(&r);
        }
    }
    while (r.top > 0) Py_DECREF(r.stack[--r.top]);
    return NULL;
}

/* How many numbers there are up to the end "e."; -1: something else is among them. */
static Py_ssize_t count_numbers(const uint8_t *at, const uint8_t *end) {
    Py_ssize_t count = 0;
    while (end - at > 2) {
        size_t size = number_size(at, end);
        if (!size) return -1;
        at += size;
        count++;
    }
    return end - at == 2 && at[0] == 'e' && at[1] == '.' ? count : -1;
}

/* What encode_numbers wrote. NULL without an exception: something that is for the pickle module. */
static PyObject *decode_numbers(const void *data, size_t size) {
    const uint8_t *at = (const uint8_t *)data + NUMBERS_BEGIN_SIZE, *end = (const uint8_t *)data + size;
    Py_ssize_t count = count_numbers(at, end);
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

/* ------------------------------------------------ reading by the pickle module ------------------------------------------------ */

/* A message that objects still use. They may be written to, and are this process's own as any others are: a child that it forks
 * writes to a copy, and so does this process, whose view of the message is copied page by page as it is written to. */
typedef struct {
    PyObject_HEAD prong_message message;
    void *view;
    uint64_t forks;
    long owner;
} Lent;

static int lent_buffer(PyObject *object, Py_buffer *view, int flags) {
    Lent *self = (Lent *)object;
    return PyBuffer_FillInfo(view, object, self->view, (Py_ssize_t)self->message.size, 0, flags);
}

static prong_status release_block(uint64_t block, uint64_t size) {
    prong_message message = {.data = prong_memory_at(block), .size = size, .block = block};
    return prong_message_release(&message);
}

/* A child forked meanwhile may look into it too. */
static void lent_dealloc(PyObject *object) {
    Lent *self = (Lent *)object;
    struct handle handle = {self->message.block, self->message.size + 1, self->forks, self->owner, false};
    arena_end_view(self->view, self->message.size);
    if (self->owner == own_pid && self->forks == fork_count)
        prong_message_release(&self->message);
    else
        handle_drop(&handle, release_block);
    PyObject_Free(self);
}

static PyBufferProcs lent_buffer_procs = {lent_buffer, NULL};
PyTypeObject Lent_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Message",
                          .tp_doc = PyDoc_STR("A message received, which arrays use in place."),
                          .tp_basicsize = sizeof(Lent),
                          .tp_flags = Py_TPFLAGS_DEFAULT,
                          .tp_dealloc = lent_dealloc,
                          .tp_as_buffer = &lent_buffer_procs};

/* NULL without an exception: it is to be copied. */
static PyObject *lend(prong_message *message) {
    if (message->size < VIEW_LEAST) return NULL;
    void *view = arena_view(prong_memory_offset(message->data), message->size);
    Lent *self = view ? PyObject_New(Lent, &Lent_type) : NULL;
    if (!self) {
        if (view) arena_end_view(view, message->size);
        PyErr_Clear();
        return NULL;
    }
    self->message = *message;
    self->view = view;
    self->forks = fork_count;
    self->owner = own_pid;
    *message = (prong_message){0};
    return (PyObject *)self;
}

static PyObject *slice(PyObject *whole, uint64_t offset, uint64_t size) {
    PyObject *view = PyMemoryView_FromObject(whole);
    PyObject *part = view ? PySequence_GetSlice(view, (Py_ssize_t)offset, (Py_ssize_t)(offset + size)) : NULL;
    Py_XDECREF(view);
    return part;
}

static PyObject *load(PyObject *view, PyObject *buffers) {
    PyObject *arguments[] = {view, buffers};
    return PyObject_Vectorcall(loads, arguments, 1, buffers ? buffers_name : NULL);
}

static bool places_fit(const struct header *header, size_t size) {
    size_t most = (size - sizeof *header) / 16;
    if (header->buffer_count > most) return false;
    size_t start = sizeof *header + 16 * header->buffer_count;
    if (header->pickle_size > size - start) return false;
    for (size_t i = 0; i < header->buffer_count; i++)
        if (header->place[2 * i] > size || header->place[2 * i + 1] > size - header->place[2 * i]) return false;
    return true;
}

static PyObject *load_with_buffers(const struct header *header, PyObject *whole) {
    PyObject *buffers = PyList_New(0), *object = NULL;
    size_t start = sizeof *header + 16 * header->buffer_count;
    PyObject *pickle = slice(whole, start, header->pickle_size);
    bool good = buffers && pickle;
    for (size_t i = 0; good && i < header->buffer_count; i++) {
        PyObject *part = slice(whole, header->place[2 * i], header->place[2 * i + 1]);
        good = part && PyList_Append(buffers, part) == 0;
        Py_XDECREF(part);
    }
    if (good) object = load(pickle, buffers);
    Py_XDECREF(buffers);
    Py_XDECREF(pickle);
    return object;
}

static PyObject *decode_with_buffers(const void *data, size_t size, prong_message *message) {
    const struct header *header = data;
    if (size < sizeof *header || !places_fit(header, size)) {
        PyErr_SetString(PyExc_ValueError, "a message with buffers is cut short");
        return NULL;
    }
    PyObject *whole = message ? lend(message) : NULL;
    if (!whole) whole = PyByteArray_FromStringAndSize(data, (Py_ssize_t)size);
    PyObject *object = whole ? load_with_buffers(header, whole) : NULL;
    Py_XDECREF(whole);
    return object;
}

PyObject *decode_pickle(const void *data, size_t size) {
    PyObject *object = NULL;
    if (size < SMALL)
        object = decode_plain(data, size);
    else if (memcmp(data, NUMBERS_BEGIN, NUMBERS_BEGIN_SIZE) == 0)
        object = decode_numbers(data, size);
    if (object) return object;
    PyObject *view = PyMemoryView_FromMemory((char *)(uintptr_t)data, (Py_ssize_t)size, PyBUF_READ);
    object = view ? load(view, NULL) : NULL;
    Py_XDECREF(view);
    return object;
}

PyObject *decode(const void *data, size_t size, prong_message *message) {
    bool with_buffers = size >= sizeof MAGIC && memcmp(data, MAGIC, sizeof MAGIC) == 0;
    PyObject *object = with_buffers ? decode_with_buffers(data, size, message) : decode_pickle(data, size);
    if (message && message->block) prong_message_release(message);
    return object;
}

/* ------------------------------------------------ setting up ------------------------------------------------ */

/* (copyreg's table, further reducers, what to call before they are used or None) */
int codec_set_reducers(PyObject *arguments) {
    PyObject *table, *reducers, *complete;
    if (!PyArg_ParseTuple(arguments, "O!O!O", &PyDict_Type, &table, &PyDict_Type, &reducers, &complete)) return -1;
    Py_XSETREF(copyreg_table, new_reference(table));
    Py_XSETREF(extra_reducers, new_reference(reducers));
    Py_XSETREF(complete_reducers, complete == Py_None ? NULL : new_reference(complete));
    return 0;
}

int codec_init(void) {
    PyObject *pickle = PyImport_ImportModule("_pickle");
    if (!pickle) return -1;
    pickler = PyObject_GetAttrString(pickle, "Pickler");
    loads = PyObject_GetAttrString(pickle, "loads");
    Py_DECREF(pickle);
    keyword_names = Py_BuildValue("(s)", "buffer_callback");
    buffers_name = Py_BuildValue("(s)", "buffers");
    table_name = PyUnicode_InternFromString("dispatch_table");
    dump_name = PyUnicode_InternFromString("dump");
    if (PyType_Ready(&Sink_type) || PyType_Ready(&Lent_type)) return -1;
    return pickler && loads && keyword_names && buffers_name && table_name && dump_name ? 0 : -1;
}
