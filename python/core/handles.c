/* Who destroys a shared object. Python's wrappers come and go in many processes; the object goes with the wrapper of the
 * process that made it, unless another process may know it: one forked since, or one it was sent to. Then it stays until
 * nobody else is left in the family. */
#include "core.h"

#include "base/fork.h"

#include <stdlib.h>
#include <unistd.h>

uint64_t fork_count;
long own_pid;

struct late {
    uint64_t offset, generation;
    destroy_function *destroy;
};
static struct late *late;
static size_t late_count, late_room;
static size_t look_at = 16; /* how many are worth a look at the family */

static void forked_in_parent(void) {
    fork_count++;
}

static void forked_in_child(void) {
    fork_count++;
    own_pid = getpid();
    late_count = 0; /* the parent's to destroy */
}

int handles_init(void) {
    own_pid = getpid();
    fork_runtime = (struct fork_row){NULL, forked_in_parent, forked_in_child};
    return PyType_Ready(&Shared_type);
}

void handle_made(struct handle *handle) {
    handle->forks = fork_count;
    handle->made_by = own_pid;
    handle->travelled = false;
}

static void destroy_late(void) {
    if (prong_family_count() == 1) {
        for (size_t i = 0; i < late_count; i++) late[i].destroy(late[i].offset, late[i].generation);
        late_count = 0;
    }
    look_at = late_count * 2 < 16 ? 16 : late_count * 2;
}

void handles_look(void) {
    if (late_count) destroy_late();
}

static void destroy_postpone(const struct handle *handle, destroy_function *destroy) {
    if (late_count == late_room) {
        size_t room = late_room ? late_room * 2 : 16;
        struct late *more = realloc(late, room * sizeof *more);
        if (!more) return; /* it stays until the family ends */
        late = more;
        late_room = room;
    }
    late[late_count++] = (struct late){handle->offset, handle->generation, destroy};
    if (late_count >= look_at) destroy_late();
}

void handle_drop(struct handle *handle, destroy_function *destroy) {
    if (!handle->generation || handle->made_by != own_pid) return;
    if (handle->travelled || handle->forks != fork_count)
        destroy_postpone(handle, destroy);
    else
        destroy(handle->offset, handle->generation);
    handle->generation = 0;
}

int handle_parse(PyObject *pair, struct handle *handle) {
    *handle = (struct handle){0};
    unsigned long long offset, generation;
    if (!PyArg_ParseTuple(pair, "KK;a handle is two numbers", &offset, &generation)) return -1;
    handle->offset = offset;
    handle->generation = generation;
    return 0;
}

PyObject *handle_build(struct handle *handle) {
    handle->travelled = true;
    return Py_BuildValue("(KK)", (unsigned long long)handle->offset, (unsigned long long)handle->generation);
}

/* --- the base of the types --- */

int shared_made(SharedObject *self, prong_status status, uint64_t offset, uint64_t generation,
                destroy_function *destroy) {
    if (status < 0) {
        raise_status(status);
        return -1;
    }
    self->handle.offset = offset;
    self->handle.generation = generation;
    self->destroy = destroy;
    handle_made(&self->handle);
    return 0;
}

void shared_dealloc(PyObject *object) {
    SharedObject *self = (SharedObject *)object;
    if (self->destroy) handle_drop(&self->handle, self->destroy);
    Py_TYPE(object)->tp_free(object);
}

static PyObject *shared_handle(PyObject *object, PyObject *unused) {
    (void)unused;
    return handle_build(&((SharedObject *)object)->handle);
}

/* Whoever else knows it: for who knows that nobody needs it any longer. */
static PyObject *shared_destroy(PyObject *object, PyObject *unused) {
    SharedObject *self = (SharedObject *)object;
    destroy_function *destroy = self->handle.made_by == own_pid ? self->destroy : NULL;
    (void)unused;
    self->destroy = NULL;
    if (destroy) destroy(self->handle.offset, self->handle.generation);
    Py_RETURN_NONE;
}

static PyMethodDef shared_methods[] = {
    {"_handle", shared_handle, METH_NOARGS,
     DOC("_handle($self, /)", "(offset, generation): what the object is to all members of the family.")},
    {"_destroy", shared_destroy, METH_NOARGS,
     DOC("_destroy($self, /)", "Frees it, whoever else knows it: nobody needs it any longer.")},
    {0}};

PyTypeObject Shared_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core._Shared",
                            .tp_doc = PyDoc_STR("What all shared objects have in common."),
                            .tp_basicsize = sizeof(SharedObject),
                            .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                            .tp_dealloc = shared_dealloc,
                            .tp_methods = shared_methods};
