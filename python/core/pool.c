/* Pool: the core's pool, whose tasks are calls of Python functions. */
#include "pool.h"

#include "pool/load.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <structmember.h>

static bool left_is_over(const struct left_job *left) {
    prong_progress progress;
    if (left->owner != own_pid) return false;
    prong_status status = prong_job_progress(left->job, &progress);
    return status == PRONG_STALE || (status >= 0 && progress.ended);
}

/* Much memory may hang on shares: they are looked at again at the next occasion. */
static bool pool_left_shares(const PoolObject *self) {
    for (size_t i = 0; i < self->left_count; i++)
        if (self->left[i].shares && self->left[i].owner == own_pid) return true;
    return false;
}

/* Each is out of the list before its shares go: that may run Python, which may come here as well. */
void pool_sweep_left(PoolObject *self, bool all) {
    for (size_t i = 0; i < self->left_count;) {
        struct left_job left = self->left[i];
        if (!all && !left_is_over(&left)) {
            i++;
            continue;
        }
        self->left[i] = self->left[--self->left_count];
        prong_job_destroy(left.job);
        Py_XDECREF(left.shares);
    }
    self->sweep_at = pool_left_shares(self) ? 0 : self->left_count * 2 < 64 ? 64 : self->left_count * 2;
}

void pool_add_job(PoolObject *self, JobObject *job) {
    job->next = self->jobs;
    job->link = &self->jobs;
    if (job->next) job->next->link = &job->next;
    self->jobs = job;
    job->pool = new_reference((PyObject *)self);
    job->open = true;
}

void pool_leave_job(PoolObject *self, prong_job job, PyObject *shares) {
    if (job_is_over(job)) {
        prong_job_destroy(job);
        Py_XDECREF(shares);
        return;
    }
    if (self->left_count >= self->sweep_at) pool_sweep_left(self, false);
    if (self->left_count == self->left_room) {
        size_t room = self->left_room ? self->left_room * 2 : 64;
        struct left_job *more = realloc(self->left, room * sizeof *more);
        if (!more) return; /* it stays until the family ends */
        self->left = more;
        self->left_room = room;
    }
    self->left[self->left_count++] = (struct left_job){own_pid, job, shares};
    if (shares) self->sweep_at = 0;
}

void pool_leave_job_object(PoolObject *self, JobObject *object) {
    *object->link = object->next;
    if (object->next) object->next->link = object->link;
    if (self->owner != own_pid) return; /* a forked child's copy */
    pool_leave_job(self, object->job, object->shares);
    object->shares = NULL;
}

int pool_made(PoolObject *self, const prong_pool_options *options) {
    prong_status status;
    self->owner = own_pid;
    self->limited = options->maxbytes != 0;
    counts[COUNT_POOL]++;
    WAITING(prong_pool_create(&self->pool, options));
    if (status < 0) raise_status(status);
    return status < 0 ? -1 : 0;
}

/* What a worker's target is called with; it begins with the setup. PyMem_Free. */
static char *pool_argument(PyObject *setup, const char *payload, Py_ssize_t size) {
    char *bytes = PyMem_Malloc(sizeof setup + (size_t)size);
    if (!bytes) return (char *)PyErr_NoMemory();
    memcpy(bytes, &setup, sizeof setup);
    memcpy(bytes + sizeof setup, payload, (size_t)size);
    return bytes;
}

/* Pool(processes, method, name, maxtasksperchild, setup or None, payload, around or None) */
static int pool_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    PoolObject *self = (PoolObject *)object;
    const char *payload;
    Py_ssize_t maxtasks, size;
    PyObject *setup, *given;
    struct around_options around = {0};
    int method;
    prong_pool_options options = {.initializer = worker_target};
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "IisnOy#O", &options.processes, &method, &options.name, &maxtasks, &setup,
                          &payload, &size, &given))
        return -1;
    self->setup = setup == Py_None ? NULL : new_reference(setup);
    options.method = (prong_start_method)method;
    options.maxtasksperchild = (size_t)maxtasks;
    options.initializer_size = sizeof setup + (size_t)size;
    char *bytes = pool_argument(self->setup, payload, size);
    options.initializer_argument = bytes;
    int bad = !bytes || around_read(&around, given);
    around_set(&around, &options);
    bad = bad || pool_made(self, &options);
    around_clear(&around);
    PyMem_Free(bytes);
    return bad ? -1 : 0;
}

static PyObject *pool_destroy(PyObject *object, PyObject *unused) {
    PoolObject *self = (PoolObject *)object;
    prong_status status;
    (void)unused;
    if (self->pool.generation && self->owner == own_pid) {
        prong_pool pool = self->pool;
        self->pool.generation = 0;
        blocks_close(self);
        WAITING(prong_pool_destroy(pool));
        if (status == PRONG_DEADLOCK)
            prong_pool_terminate(pool); /* in a callback of its own: the rest is for the exit */
        pool_sweep_left(self, true);
    }
    Py_RETURN_NONE;
}

#if PY_VERSION_HEX < 0x030d0000
#define Py_IsFinalizing _Py_IsFinalizing
#endif

/* What workers have inherited may be a list that has the pool in it. */
static int pool_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(((PoolObject *)object)->setup);
    Py_VISIT(((PoolObject *)object)->inherited);
    return 0;
}

static int pool_clear(PyObject *object) {
    if (((PoolObject *)object)->inherited) { /* which are told apart by where they lie */
        travel_forget();
        tasks_forget();
    }
    Py_CLEAR(((PoolObject *)object)->inherited);
    return 0;
}

static void pool_dealloc(PyObject *object) {
    PyObject *type, *value, *traceback;
    PyObject_GC_UnTrack(object);
    PyErr_Fetch(&type, &value, &traceback);
    if (!Py_IsFinalizing()) Py_XDECREF(pool_destroy(object, NULL)); /* what is left then, a callback is still using */
    PyErr_Restore(type, value, traceback);
    Py_XDECREF(((PoolObject *)object)->setup);
    pool_clear(object);
    free(((PoolObject *)object)->left);
    Py_TYPE(object)->tp_free(object);
}

/* --- submitting --- */

/* A pool's thread keeps its thread state from one callback to the next, and the GIL until it has run all that are due: either
 * costs more than the callback. */
static _Thread_local struct {
    PyThreadState *state;
    bool held;
} owner;
static pthread_key_t owner_ends;
static _Thread_local bool telling; /* a job that has ended has its callback called by this thread */

bool pool_tell_here(bool here) {
    bool before = telling;
    telling = here;
    return before;
}

void pool_take_gil(void) {
    if (telling || owner.held) return;
    if (owner.state)
        PyEval_RestoreThread(owner.state);
    else {
        PyGILState_Ensure();
        pthread_setspecific(owner_ends, &owner);
    }
    owner.held = true;
}

void pool_give_gil(void) {
    if (!owner.held) return;
    owner.held = false;
    owner.state = PyEval_SaveThread();
}

static void owner_thread_ends(void *unused) {
    (void)unused;
    if (!owner.state || !Py_IsInitialized()) return;
    PyEval_RestoreThread(owner.state);
    PyThreadState_Clear(owner.state);
    PyThreadState_DeleteCurrent();
}

/* waiting: what to call, and the job, which is its argument. */
static void job_finished(PyObject *waiting) {
    pool_take_gil();
    PyObject *done = PyTuple_GET_ITEM(waiting, 0);
    PyObject *result = PyObject_CallOneArg(done, PyTuple_GET_ITEM(waiting, 1));
    if (!result) PyErr_WriteUnraisable(done);
    Py_XDECREF(result);
    Py_DECREF(waiting);
}

static void job_finished_well(prong_job job, void *waiting) {
    (void)job;
    job_finished(waiting);
}

static void job_finished_badly(prong_job job, prong_status status, const char *message, void *waiting) {
    (void)job;
    (void)status;
    (void)message;
    job_finished(waiting);
}

int pool_tell_job(JobObject *job, PyObject *done) {
    PyObject *waiting = PyTuple_Pack(2, done, job);
    if (!waiting) return -1;
    bool outer = pool_tell_here(true);
    prong_status status = prong_job_set_callback(job->job, job_finished_well, job_finished_badly, waiting);
    pool_tell_here(outer);
    if (status >= 0) return 0;
    Py_DECREF(waiting);
    raise_status(status);
    return -1;
}

/* About what its job takes of the pool's room. */
static uint64_t tasks_load(const struct tasks *tasks, const prong_task_options *options) {
    enum { A_TASK = 256 };
    return tasks->buffer.size + tasks->count * A_TASK + options->beside;
}

/* It is submitted under the GIL: until its object has the job, no callback of it is called. */
prong_status pool_submit_work(PoolObject *self, const prong_work *work, prong_job *job, const struct tasks *tasks,
                              prong_task_options *options) {
    if (!self->limited) return prong_pool_submit(self->pool, work, job, options);
    prong_time left = options->room_timeout ? options->room_timeout : PRONG_FOREVER;
    options->room_timeout = -1;
    options->beside = tasks_large_size(tasks);
    for (uint64_t load = tasks_load(tasks, options);; load *= 2) {
        prong_status status = prong_pool_submit(self->pool, work, job, options);
        if (status != PRONG_FULL) return status;
        WAITING(load_wait_for(self->pool, load, &left));
        if (status < 0) return status;
    }
}

PyObject *job_not_submitted(prong_status status) {
    if (PyErr_Occurred()) return exception_taken(); /* by a signal's handler, while it waited */
    if (status == PRONG_FULL) Py_RETURN_FALSE;
    if (status != PRONG_NOT_RUNNING && status != PRONG_STALE) return raise_status(status);
    Py_RETURN_NONE;
}

static PyObject *pool_start_job(PoolObject *self, const struct tasks *tasks, prong_task_options *options,
                                PyObject *done) {
    JobObject *job = (JobObject *)PyType_GenericNew(&Job_type, NULL, NULL);
    PyObject *waiting = job && done != Py_None ? PyTuple_Pack(2, done, job) : NULL;
    if (!job || (done != Py_None && !waiting)) {
        Py_XDECREF(job);
        return NULL;
    }
    if (waiting) {
        options->callback = job_finished_well;
        options->error_callback = job_finished_badly;
        options->context = waiting;
    }
    counts[COUNT_POOL] += tasks->count;
    prong_work work = {.name = tasks->name, .arguments = tasks->bytes, .count = tasks->count};
    if (tasks->name)
        work.form = PRONG_FORM_VALUES;
    else
        work.task = worker_task;
    prong_status status = pool_submit_work(self, &work, &job->job, tasks, options);
    if (status < 0) {
        Py_XDECREF(waiting);
        Py_DECREF(job);
        return job_not_submitted(status);
    }
    job->count = tasks->count;
    pool_add_job(self, job);
    Py_XINCREF(tasks->shares);
    job->shares = tasks->shares;
    return (PyObject *)job;
}

/* submit(function, form, items, chunk, time limit or None, retries, priority, room timeout, done): a task is called with
 * an item or, if chunk is not 0, with so many of them; done is None, or called with the job when it has ended -> Job; None when the
 * pool is not running, False when it had no room in time */
static PyObject *pool_submit(PyObject *object, PyObject *arguments) {
    PyObject *function, *items, *limit, *room, *done, *job = NULL;
    int form;
    unsigned priority;
    Py_ssize_t chunk;
    prong_task_options options = {0};
    struct tasks tasks = {0};
    if (!PyArg_ParseTuple(arguments, "OiOnOIIOO", &function, &form, &items, &chunk, &limit, &options.retries, &priority,
                          &room, &done) ||
        parse_limit(limit, &options.time_limit) || parse_room_timeout(room, &options.room_timeout))
        return NULL;
    options.priority = priority;
    if (((PoolObject *)object)->sweep_at == 0) pool_sweep_left((PoolObject *)object, false);
    blocks_close((PoolObject *)object);
    bool good = tasks_take(&tasks, items, chunk) == 0;
    if (good && ((PoolObject *)object)->by_name) good = (tasks.name = PyUnicode_AsUTF8(function)) != NULL;
    if (good && tasks_read(&tasks, (enum form)form, function, ((PoolObject *)object)->inherited) == 0)
        job = pool_start_job((PoolObject *)object, &tasks, &options, done);
    tasks_clear(&tasks);
    return job;
}

/* --- the end --- */

static PyObject *pool_close(PyObject *object, PyObject *unused) {
    (void)unused;
    prong_pool_shutdown(((PoolObject *)object)->pool); /* of one that is gone there is nothing left to shut down */
    Py_RETURN_NONE;
}

static PyObject *pool_terminate(PyObject *object, PyObject *unused) {
    prong_status status;
    (void)unused;
    WAITING(prong_pool_terminate(((PoolObject *)object)->pool));
    if (PyErr_Occurred()) return NULL;
    (void)status;
    Py_RETURN_NONE;
}

static PyObject *pool_join(PyObject *object, PyObject *timeout) {
    prong_time span;
    prong_status status;
    if (parse_timeout(timeout, &span)) return NULL;
    WAITING(prong_pool_join(((PoolObject *)object)->pool, span));
    if (PyErr_Occurred()) return NULL;
    if (status == PRONG_TIMEOUT) Py_RETURN_FALSE;
    if (status < 0 && status != PRONG_STALE) return raise_status(status);
    Py_RETURN_TRUE;
}

/* Whatever has not begun: nothing is freed meanwhile, as this holds the GIL. */
static PyObject *pool_cancel(PyObject *object, PyObject *unused) {
    PoolObject *self = (PoolObject *)object;
    (void)unused;
    if (self->owner != own_pid) Py_RETURN_NONE; /* a forked child's copy */
    for (JobObject *job = self->jobs; job; job = job->next)
        if (!job_is_over(job->job)) prong_job_cancel(job->job, false);
    for (TaskBlock *block = self->blocks; block; block = block->next) prong_job_cancel(block->job, false);
    for (size_t i = 0; i < self->left_count; i++) prong_job_cancel(self->left[i].job, false);
    Py_RETURN_NONE;
}

/* [(pid, busy, tasks), …] */
static PyObject *pool_workers(PyObject *object, PyObject *unused) {
    prong_worker workers[2048];
    size_t count = 0;
    (void)unused;
    prong_status status = prong_pool_workers(((PoolObject *)object)->pool, workers, 2048, &count, NULL);
    if (status < 0) count = 0;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count && i < 2048; i++) {
        PyObject *worker = Py_BuildValue("(iNK)", workers[i].pid, PyBool_FromLong(workers[i].busy),
                                         (unsigned long long)workers[i].tasks);
        if (!worker || PyList_Append(list, worker)) Py_CLEAR(list);
        Py_XDECREF(worker);
    }
    return list;
}

static PyObject *pool_deaths(PyObject *object, PyObject *unused) {
    uint64_t deaths = 0;
    (void)unused;
    prong_status status = prong_pool_workers(((PoolObject *)object)->pool, NULL, 0, NULL, &deaths);
    return status < 0 ? raise_status(status) : PyLong_FromUnsignedLongLong(deaths);
}

static PyMethodDef pool_methods[] = {
    {"submit", pool_submit, METH_VARARGS,
     DOC("submit($self, function, form, items, chunk, timeout, retries, priority, room_timeout, done, /)",
         "Submits tasks of a function: their Job; None when the pool does not run, False when it had no room.\n"
         "\n"
         "A task is called with an item or, if chunk is not 0, with so many of them. done: None, or called "
         "with the job when\n"
         "it has ended.")},
    {"call", (PyCFunction)(void (*)(void))pool_call, METH_FASTCALL,
     DOC("call($self, cls, pool, function, form, data, kwargs, options, /)",
         "Submits a single task: an instance of cls, a subclass of Task, or None when the pool does not run.\n"
         "\n"
         "pool: its _pool. kwargs: of CALL, whose data are the arguments. options: (timeout, retries, priority,\n"
         "room_timeout).")},
    {"close", pool_close, METH_NOARGS, DOC("close($self, /)", "No more tasks: the workers end when all are done.")},
    {"terminate", pool_terminate, METH_NOARGS,
     DOC("terminate($self, /)", "Ends the workers at once; what is not done is cancelled.")},
    {"cancel", pool_cancel, METH_NOARGS,
     DOC("cancel($self, /)", "Tasks that have not begun will not, whosever they are.")},
    {"join", pool_join, METH_O,
     DOC("join($self, timeout, /)", "Waits for the workers' end: whether they have ended within timeout seconds.")},
    {"destroy", pool_destroy, METH_NOARGS, DOC("destroy($self, /)", "Ends the pool, and frees it.")},
    {"everywhere", pool_everywhere, METH_VARARGS,
     DOC("everywhere($self, function, timeout, /)", "Calls function() once in each worker, those that come later as "
                                                    "well: None, or (status, message). It returns 0.")},
    {"resize", pool_resize, METH_O, DOC("resize($self, processes, /)", "So many workers from now on.")},
    {"replace_workers", pool_replace_workers, METH_O,
     DOC("replace_workers($self, timeout, /)",
         "Others take the workers' places: whether all have, within timeout seconds.")},
    {"workers", pool_workers, METH_NOARGS,
     DOC("workers($self, /)", "[(pid, whether it runs a task, tasks done), …] of the workers.")},
    {"deaths", pool_deaths, METH_NOARGS, DOC("deaths($self, /)", "How many workers have died while they ran.")},
    {0}};
static PyMemberDef pool_members[] = {
    {"inherited", T_OBJECT, offsetof(PoolObject, inherited), 0,
     PyDoc_STR("What forked workers have of the main module (prong._impl.inherited); None: they are new images.")},
    {0}};
PyTypeObject Pool_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Pool",
                          .tp_doc = DOC("Pool(processes, method, name, maxtasksperchild, setup, payload, around, /)",
                                        "A pool whose workers run Python functions."),
                          .tp_basicsize = sizeof(PoolObject),
                          .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                          .tp_new = PyType_GenericNew,
                          .tp_init = pool_init,
                          .tp_dealloc = pool_dealloc,
                          .tp_traverse = pool_traverse,
                          .tp_clear = pool_clear,
                          .tp_members = pool_members,
                          .tp_methods = pool_methods};

int add_pool(PyObject *module) {
    static const struct {
        const char *name;
        long value;
    } constants[] = {{"CALL", FORM_CALL},
                     {"ITEM", FORM_ITEM},
                     {"STAR", FORM_STAR},
                     {"MAP", FORM_MAP},
                     {"STARMAP", FORM_STARMAP},
                     {"OK", PRONG_OK},
                     {"TASK_FAILED", PRONG_TASK_FAILED},
                     {"WORKER_DIED", PRONG_WORKER_DIED},
                     {"TASK_TIMEOUT", PRONG_TASK_TIMEOUT},
                     {"TASK_MEMORY", PRONG_TASK_MEMORY},
                     {"CANCELLED", PRONG_CANCELLED},
                     {"NO_FUNCTION", PRONG_NO_FUNCTION},
                     {"NOT_RUNNING", PRONG_NOT_RUNNING},
                     {"POOL_BROKEN", PRONG_POOL_BROKEN},
                     {"TIMEOUT", PRONG_TIMEOUT},
                     {"NO_MEMORY_TO_DESCRIBE", CODE_NO_MEMORY_TO_DESCRIBE}};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value)) return -1;
    if (pthread_key_create(&owner_ends, owner_thread_ends)) return -1;
    if (add_type(module, "Job", &Job_type) || add_type(module, "Pool", &Pool_type) || add_task_type(module)) return -1;
    return add_native_pool(module) || add_inline(module) || add_journal(module) || add_worker(module) ||
           add_around(module);
}
