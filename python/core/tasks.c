/* What a pool's tasks are called with, as bytes: all of one job's in one buffer. */
#include "codec.h"
#include "pool.h"

/* --- large buffers --- */

/* What is smaller is copied with its task: to make a share and a view of it takes about as long. */
enum { LARGE_LEAST = 256 << 10 };

static int tasks_use(struct tasks *tasks, PyObject *share) {
    if (!tasks->shares && !(tasks->shares = PyList_New(0))) return -1;
    return PyList_Append(tasks->shares, share);
}

/* The buffer in a share of its own. What two tasks have at one address is one buffer: none of them has gone meanwhile, and what is
 * pickled with its buffers apart must leave these as they are until they are sent (PEP 574). */
static PyObject *large_find(struct tasks *tasks, const Py_buffer *buffer) {
    for (size_t i = 0; i < tasks->large_count; i++) {
        const Py_buffer *known = PyMemoryView_GET_BUFFER(tasks->large[i].view);
        if (known->buf == buffer->buf && known->len == buffer->len) return tasks->large[i].share;
    }
    return NULL;
}

static PyObject *large_add(struct tasks *tasks, PyObject *view) {
    if (tasks->large_count == tasks->large_room) {
        size_t room = tasks->large_room * 2 + 4;
        struct task_large *more = PyMem_Realloc(tasks->large, room * sizeof *more);
        if (!more) return PyErr_NoMemory();
        tasks->large = more;
        tasks->large_room = room;
    }
    PyObject *share = share_of_buffer(PyMemoryView_GET_BUFFER(view));
    if (!share || tasks_use(tasks, share)) {
        Py_XDECREF(share);
        return NULL;
    }
    tasks->large[tasks->large_count++] = (struct task_large){new_reference(view), share};
    return share;
}

/* The share for the buffer, borrowed; None where it is to go with its task; NULL with an exception. */
static PyObject *large_share(struct tasks *tasks, PyObject *view) {
    const Py_buffer *buffer = PyMemoryView_GET_BUFFER(view);
    if (buffer->len < LARGE_LEAST) return Py_None;
    PyObject *share = large_find(tasks, buffer);
    return share ? share : large_add(tasks, view);
}

static PyObject *large_shares(struct tasks *tasks, PyObject *buffers) {
    PyObject *shared = PyList_New(PyList_GET_SIZE(buffers));
    for (Py_ssize_t i = 0; shared && i < PyList_GET_SIZE(buffers); i++) {
        PyObject *share = large_share(tasks, PyList_GET_ITEM(buffers, i));
        if (share)
            PyList_SET_ITEM(shared, i, new_reference(share));
        else
            Py_CLEAR(shared);
    }
    return shared;
}

/* The shares whose handles are in it live as long as the job. */
static int tasks_use_all(struct tasks *tasks, struct encoded *encoded) {
    for (Py_ssize_t i = 0; encoded->shares && i < PyList_GET_SIZE(encoded->shares); i++)
        if (tasks_use(tasks, PyList_GET_ITEM(encoded->shares, i))) return -1;
    Py_CLEAR(encoded->shares);
    return 0;
}

/* As encode, with large buffers in shares of their own; C functions, which go by name, know nothing of these. */
static int encode_of_task(struct tasks *tasks, PyObject *object, struct encoded *encoded) {
    if (encode(object, encoded)) return -1;
    int bad = tasks_use_all(tasks, encoded);
    if (!bad && encoded->buffers && !tasks->name) {
        encoded->shared = large_shares(tasks, encoded->buffers);
        if (encoded->shared) encoded->size = joined_size(encoded);
        bad = !encoded->shared;
    }
    if (bad) encoded_clear(encoded);
    return bad ? -1 : 0;
}

/* --- the function --- */

static struct {
    PyObject *function;
    const PyObject *inherited; /* not a reference */
    struct encoded encoded;
} last; /* the function submitted before */

static void copy_encoded(struct encoded *to, const struct encoded *from) {
    *to = *from;
    Py_XINCREF(to->chunks);
    Py_XINCREF(to->buffers);
    Py_XINCREF(to->shared);
    Py_XINCREF(to->posts);
    Py_XINCREF(to->shares);
}

/* The pickle of a function, which for one that goes by name is kept for the next time. Pickling a task's items may submit others. */
static bool is_last_function(const PyObject *function, const PyObject *inherited) {
    return function && last.function == function && last.inherited == inherited;
}

static int encode_function(struct tasks *tasks, PyObject *function, PyObject *inherited, struct encoded *encoded) {
    bool constant = function_is_constant(function);
    if (is_last_function(function, inherited)) {
        copy_encoded(encoded, &last.encoded);
        return 0;
    }
    if (encode_of_task(tasks, function, encoded)) return -1;
    if (constant && !encoded->by_value) {
        encoded_clear(&last.encoded);
        copy_encoded(&last.encoded, encoded);
        Py_XSETREF(last.function, new_reference(function));
        last.inherited = inherited;
    }
    return 0;
}

void tasks_forget(void) {
    Py_CLEAR(last.function);
    encoded_clear(&last.encoded);
}

/* --- the arguments --- */

/* One is kept for the next task: pickling it may submit others, which make their own. */
static struct task_buffer spare_buffer;

static void buffer_give(struct task_buffer *buffer) {
    enum { KEPT_MOST = 16 << 10 };
    if (spare_buffer.bytes || buffer->room > KEPT_MOST)
        PyMem_Free(buffer->bytes);
    else
        spare_buffer = *buffer;
}

/* Where `size` more bytes go, at the end; what comes after them is aligned to 8. */
static char *buffer_append(struct task_buffer *buffer, size_t size) {
    size_t end = buffer->size + ((size + 7) & ~(size_t)7);
    if (end > buffer->room) {
        char *bytes = PyMem_Realloc(buffer->bytes, end * 2);
        if (!bytes) {
            PyErr_NoMemory();
            return NULL;
        }
        buffer->bytes = bytes;
        buffer->room = end * 2;
    }
    char *at = buffer->bytes + buffer->size;
    buffer->size = end;
    return at;
}

/* A task's argument at the end of the buffer, with what it is called with, which is cleared; its size, or -1. */
static Py_ssize_t put_task(struct task_buffer *buffer, enum form form, const struct encoded *function,
                           struct encoded *data) {
    size_t data_at = (sizeof(struct task_head) + function->size + 7) & ~(size_t)7, size = data_at + data->size;
    char *at = buffer_append(buffer, size);
    if (at) {
        *(struct task_head *)(void *)at = (struct task_head){form, (uint32_t)function->size};
        encoded_write(function, at + sizeof(struct task_head));
        encoded_write(data, at + data_at);
    }
    encoded_clear(data);
    return at ? (Py_ssize_t)size : -1;
}

static Py_ssize_t add_task(struct tasks *tasks, enum form form, const struct encoded *function, PyObject *data) {
    struct encoded encoded;
    return encode_of_task(tasks, data, &encoded) ? -1 : put_task(&tasks->buffer, form, function, &encoded);
}

/* Of numbers no list is made: counting a reference to each would copy their memory, which is shared with forked workers. */
static Py_ssize_t add_chunk(struct tasks *tasks, enum form form, const struct encoded *function, Py_ssize_t begin,
                            Py_ssize_t end) {
    struct encoded encoded;
    PyObject *items = tasks->items;
    if ((PyList_CheckExact(items) || PyTuple_CheckExact(items)) &&
        encode_if_numbers(PySequence_Fast_ITEMS(items) + begin, end - begin, &encoded))
        return put_task(&tasks->buffer, form, function, &encoded);
    PyObject *chunk = PySequence_GetSlice(items, begin, end);
    Py_ssize_t size = chunk ? add_task(tasks, form, function, chunk) : -1;
    Py_XDECREF(chunk);
    return size;
}

/* (arguments, keywords) of a task in any form of one item. */
static PyObject *call_arguments(enum form form, PyObject *data) {
    if (form == FORM_CALL) return new_reference(data);
    PyObject *arguments = form == FORM_STAR ? PySequence_Tuple(data) : PyTuple_Pack(1, data);
    return arguments ? Py_BuildValue("(NO)", arguments, Py_None) : NULL;
}

/* The same for a task that is called by name. */
static Py_ssize_t add_call(struct tasks *tasks, enum form form, PyObject *data) {
    struct encoded encoded;
    PyObject *both = call_arguments(form, data);
    bool good = both && encode_of_task(tasks, both, &encoded) == 0;
    Py_XDECREF(both);
    if (!good) return -1;
    char *at = buffer_append(&tasks->buffer, encoded.size);
    if (at) encoded_write(&encoded, at);
    encoded_clear(&encoded);
    return at ? (Py_ssize_t)encoded.size : -1;
}

static Py_ssize_t add_one(struct tasks *tasks, enum form form, const struct encoded *function, size_t i) {
    if (tasks->chunk == 0) {
        if ((Py_ssize_t)i >= PySequence_Fast_GET_SIZE(tasks->items)) { /* by what pickling one of them did */
            PyErr_SetString(PyExc_RuntimeError, "the list of tasks was changed while it was read");
            return -1;
        }
        PyObject *data = new_reference(PySequence_Fast_GET_ITEM(tasks->items, (Py_ssize_t)i));
        Py_ssize_t size = function ? add_task(tasks, form, function, data) : add_call(tasks, form, data);
        Py_DECREF(data);
        return size;
    }
    Py_ssize_t begin = (Py_ssize_t)i * tasks->chunk, end = PySequence_Size(tasks->items);
    if (end > begin + tasks->chunk) end = begin + tasks->chunk;
    return add_chunk(tasks, form, function, begin, end);
}

static int add_tasks(struct tasks *tasks, enum form form, const struct encoded *function) {
    tasks->bytes = PyMem_Calloc(tasks->count + 1, sizeof *tasks->bytes);
    if (!tasks->bytes) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < tasks->count; i++) {
        Py_ssize_t size = add_one(tasks, form, function, i);
        if (size < 0) return -1;
        tasks->bytes[i].size = (size_t)size;
    }
    const char *at = tasks->buffer.bytes; /* which may have moved until now */
    for (size_t i = 0; i < tasks->count; i++) {
        tasks->bytes[i].data = at;
        at += (tasks->bytes[i].size + 7) & ~(size_t)7;
    }
    return 0;
}

int tasks_read(struct tasks *tasks, enum form form, PyObject *function, PyObject *inherited) {
    struct encoded encoded;
    if (tasks->name) return add_tasks(tasks, form, NULL);
    PyObject *before = travel_to(inherited);
    int bad = encode_function(tasks, function, inherited, &encoded);
    if (!bad) {
        bad = add_tasks(tasks, form, &encoded);
        encoded_clear(&encoded);
    }
    travel_to(before);
    return bad;
}

/* What a call is in the shortest form: *data is what goes with it, a new reference. */
static enum form call_form(PyObject *arguments, PyObject *keywords, PyObject **data) {
    bool plain = PyTuple_CheckExact(arguments) && PyDict_CheckExact(keywords) && PyDict_GET_SIZE(keywords) == 0;
    bool one = plain && PyTuple_GET_SIZE(arguments) == 1;
    *data = one     ? new_reference(PyTuple_GET_ITEM(arguments, 0))
            : plain ? new_reference(arguments)
                    : PyTuple_Pack(2, arguments, keywords);
    return one ? FORM_ITEM : plain ? FORM_STAR : FORM_CALL;
}

/* The data are encoded before, as that may submit others, of other functions. */
static Py_ssize_t put_call(struct tasks *tasks, enum form form, PyObject *function, PyObject *inherited,
                           struct encoded *data) {
    struct encoded encoded;
    if (is_last_function(function, inherited)) return put_task(&tasks->buffer, form, &last.encoded, data);
    if (encode_function(tasks, function, inherited, &encoded)) {
        encoded_unsent(data);
        encoded_clear(data);
        return -1;
    }
    Py_ssize_t size = put_task(&tasks->buffer, form, &encoded, data);
    encoded_clear(&encoded);
    return size;
}

static int read_call(struct tasks *tasks, PoolObject *pool, enum form form, PyObject *function, PyObject *data) {
    struct encoded encoded;
    if (pool->by_name) {
        tasks->name = PyUnicode_AsUTF8(function);
        tasks->one.size = tasks->name ? (size_t)add_call(tasks, form, data) : 0;
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *before = travel_to(pool->inherited);
    Py_ssize_t size =
        encode_of_task(tasks, data, &encoded) ? -1 : put_call(tasks, form, function, pool->inherited, &encoded);
    travel_to(before);
    tasks->one.size = (size_t)size;
    return size < 0 ? -1 : 0;
}

int tasks_read_call(struct tasks *tasks, PoolObject *pool, enum form form, PyObject *function, PyObject *data,
                    PyObject *keywords) {
    if (form == FORM_CALL)
        form = call_form(data, keywords, &data);
    else
        Py_INCREF(data);
    tasks->buffer = spare_buffer;
    tasks->buffer.size = 0;
    spare_buffer = (struct task_buffer){0};
    tasks->count = 1;
    int bad = data ? read_call(tasks, pool, form, function, data) : -1;
    Py_XDECREF(data);
    tasks->one.data = tasks->buffer.bytes;
    tasks->bytes = &tasks->one;
    return bad;
}

int tasks_take(struct tasks *tasks, PyObject *items, Py_ssize_t chunk) {
    tasks->chunk = chunk;
    tasks->items = chunk ? new_reference(items) : PySequence_Fast(items, "a sequence of tasks");
    Py_ssize_t count = tasks->items ? PySequence_Size(tasks->items) : -1;
    if (count < 0) return -1;
    tasks->count = (size_t)(chunk ? count / chunk + (count % chunk != 0) : count);
    return 0;
}

size_t tasks_large_size(const struct tasks *tasks) {
    size_t size = 0;
    for (size_t i = 0; i < tasks->large_count; i++) size += (size_t)PyMemoryView_GET_BUFFER(tasks->large[i].view)->len;
    return size;
}

void tasks_clear(struct tasks *tasks) {
    for (size_t i = 0; i < tasks->large_count; i++) {
        Py_DECREF(tasks->large[i].view);
        Py_DECREF(tasks->large[i].share);
    }
    PyMem_Free(tasks->large);
    Py_XDECREF(tasks->shares);
    if (tasks->bytes != &tasks->one) PyMem_Free(tasks->bytes);
    buffer_give(&tasks->buffer);
    Py_XDECREF(tasks->items);
}
