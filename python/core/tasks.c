/* What a pool's tasks are called with, as bytes: all of one job's in one buffer. */
#include "pool.h"

static struct {
    PyObject *function;
    const PyObject *inherited; /* not a reference */
    struct encoded encoded;
} last; /* the function submitted before */

static void copy_encoded(struct encoded *to, const struct encoded *from) {
    *to = *from;
    Py_XINCREF(to->chunks);
    Py_XINCREF(to->buffers);
    Py_XINCREF(to->posts);
}

/* The pickle of a function, which for one that goes by name is kept for the next time. Pickling a task's items may submit others. */
static int encode_function(PyObject *function, PyObject *inherited, struct encoded *encoded) {
    bool constant = function_is_constant(function);
    if (constant && last.function == function && last.inherited == inherited) {
        copy_encoded(encoded, &last.encoded);
        return 0;
    }
    if (encode(function, encoded)) return -1;
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

static Py_ssize_t add_task(struct task_buffer *buffer, enum form form, const struct encoded *function, PyObject *data) {
    struct encoded encoded;
    return encode(data, &encoded) ? -1 : put_task(buffer, form, function, &encoded);
}

/* Of numbers no list is made: counting a reference to each would copy their memory, which is shared with forked workers. */
static Py_ssize_t add_chunk(struct task_buffer *buffer, enum form form, const struct encoded *function, PyObject *items,
                            Py_ssize_t begin, Py_ssize_t end) {
    struct encoded encoded;
    if ((PyList_CheckExact(items) || PyTuple_CheckExact(items)) &&
        encode_if_numbers(PySequence_Fast_ITEMS(items) + begin, end - begin, &encoded))
        return put_task(buffer, form, function, &encoded);
    PyObject *chunk = PySequence_GetSlice(items, begin, end);
    Py_ssize_t size = chunk ? add_task(buffer, form, function, chunk) : -1;
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
static Py_ssize_t add_call(struct task_buffer *buffer, enum form form, PyObject *data) {
    struct encoded encoded;
    PyObject *both = call_arguments(form, data);
    bool good = both && encode(both, &encoded) == 0;
    Py_XDECREF(both);
    if (!good) return -1;
    char *at = buffer_append(buffer, encoded.size);
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
        Py_ssize_t size =
            function ? add_task(&tasks->buffer, form, function, data) : add_call(&tasks->buffer, form, data);
        Py_DECREF(data);
        return size;
    }
    Py_ssize_t begin = (Py_ssize_t)i * tasks->chunk, end = PySequence_Size(tasks->items);
    if (end > begin + tasks->chunk) end = begin + tasks->chunk;
    return add_chunk(&tasks->buffer, form, function, tasks->items, begin, end);
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
    int bad = encode_function(function, inherited, &encoded);
    if (!bad) {
        bad = add_tasks(tasks, form, &encoded);
        encoded_clear(&encoded);
    }
    travel_to(before);
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

void tasks_clear(struct tasks *tasks) {
    PyMem_Free(tasks->bytes);
    PyMem_Free(tasks->buffer.bytes);
    Py_XDECREF(tasks->items);
}
