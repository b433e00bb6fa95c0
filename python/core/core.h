/* The CPython extension prong._core: what its files share. All functions are called with the GIL held. */
#ifndef CORE_H
#define CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <prong/prong.h>
#include <pythread.h>
#include <stdbool.h>

/* The docstring of a method, function or type: "name(arguments)" as inspect.signature reads it, and what it does. */
#define DOC(signature, text) PyDoc_STR(signature "\n--\n\n" text)

/* --- errors.c: statuses as exceptions, and waits --- */

extern PyObject *ProcessError, *BufferTooShort, *PoolBroken, *Deadlock, *OwnerDiedWarning,
    *SupervisorGaveUp; /* set by prong.errors */
/* Raises what the status stands for, with the library's message; returns NULL. */
PyObject *raise_status(prong_status status);
/* The message of the thread's last error; bytes in it that are no UTF-8, as of a name that was cut, are replaced. */
PyObject *error_message(void);
/* None, or what raise_status does. */
PyObject *none_or_raise(prong_status status);
/* What was raised, as an object; NULL: it is no Exception, and stays raised. */
PyObject *exception_taken(void);
/* Of a wait: True, False when its time was up, or what raise_status does; NULL with the exception of a signal's handler. */
PyObject *true_in_time(prong_status status);
int raise_closed(void); /* OSError("handle is closed"); -1 */

/* A call that may wait runs without the GIL; a signal's handler that raises ends the wait, and the exception is set. What the call
 * runs of Python (a barrier's action, hooks around a fork) may wait in turn. */
PyThreadState *wait_begin(void);
void wait_end(PyThreadState *outer);
#define WAITING(call)                                                                                                  \
    __extension__({                                                                                                    \
        PyThreadState *outer = wait_begin();                                                                           \
        status = (call);                                                                                               \
        wait_end(outer);                                                                                               \
    })
void waits_install(prong_runtime *runtime);
void waits_after_fork(void);

/* --- arguments.c: what calls are given --- */

/* None is forever, less than zero is now; seconds as int or float. */
int parse_timeout(PyObject *timeout, prong_time *span);
/* As prong_task_options has it: None is as long as it takes. */
int parse_room_timeout(PyObject *timeout, prong_time *room);
/* A task's: None is none. */
int parse_limit(PyObject *timeout, prong_time *limit);
/* block=True, timeout=None, of which either may be NULL: not given. */
int parse_wait(PyObject *block, PyObject *timeout, prong_time *span);
/* Those of a fast call, by place or by name; values[0] … [most - 1] stay as they are where none is given. */
int parse_fast(const char *call, PyObject *const *arguments, Py_ssize_t count, PyObject *names,
               const char *const *known, Py_ssize_t most, PyObject **values);
/* The same of a call with just block=True, timeout=None. */
int parse_fast_wait(const char *call, PyObject *const *arguments, Py_ssize_t count, PyObject *names, prong_time *span);
/* A member of the type bool, for tables of members: the closure is its offset. */
PyObject *get_flag(PyObject *object, void *offset);

/* --- handles.c: who destroys a shared object --- */

/* An object of the family as its Python wrapper sees it. */
struct handle {
    uint64_t offset, generation;
    uint64_t forks; /* of this process when it was made; what is older may be known to a child */
    long made_by;   /* pid; 0: got from another process */
    bool travelled; /* to another process */
};
typedef prong_status destroy_function(uint64_t offset, uint64_t generation);
void handle_made(struct handle *handle);
/* The wrapper goes: destroys the object if nobody else can know it, now or when nobody else is left. */
void handle_drop(struct handle *handle, destroy_function *destroy);
/* Destroys what could not be when its wrapper went, if nobody else is left. */
void handles_look(void);
extern uint64_t fork_count; /* forks of this process so far */
extern long own_pid;
int handles_init(void);

/* Reads "(KK)" given by a wrapper's _handle() in another process. */
int handle_parse(PyObject *pair, struct handle *handle);
PyObject *handle_build(struct handle *handle);

/* What the types for shared objects have in common: _handle(), and how they go. */
typedef struct {
    PyObject_HEAD struct handle handle;
    destroy_function *destroy; /* NULL: not made here */
} SharedObject;
extern PyTypeObject Shared_type;
void shared_dealloc(PyObject *object);
/* After making it: takes its handle, or raises. For a tp_init. */
int shared_made(SharedObject *self, prong_status status, uint64_t offset, uint64_t generation,
                destroy_function *destroy);

/* --- codec.c: objects as bytes --- */

enum { SMALL = 512 };
struct encoded {
    size_t size;       /* of the whole */
    PyObject *chunks;  /* bytes objects to be written one after another; NULL: all is in small */
    PyObject *buffers; /* large buffers that go beside the pickle; NULL: none */
    PyObject *shared;  /* of each buffer: the share that it is in, or None; NULL: all are in the message */
    PyObject *posts;   /* connections whose ends are posted in it; NULL: none */
    PyObject *shares;  /* whose handles are in it; NULL: none */
    size_t pickle_size;
    bool by_value; /* something in it may be another the next time, though it is the same object */
    char small[SMALL];
};
int encode(PyObject *object, struct encoded *encoded);
/* The same for a list of these items; false, with nothing to clear, if they are few, or other than numbers. */
bool encode_if_numbers(PyObject *const *items, Py_ssize_t count, struct encoded *encoded);
/* For who may be of no family, and no prong: a plain pickle, of the protocol that this Python writes by itself. */
int encode_for_strangers(PyObject *object, struct encoded *encoded);
PyObject *decode_pickle(const void *data, size_t size);
void encoded_write(const struct encoded *encoded, void *to);
void encoded_clear(struct encoded *encoded);
/* It was not sent: connections in it are posted to nobody. */
void encoded_unsent(struct encoded *encoded);
/* message: what the bytes lie in, NULL when they are to be copied. It is taken over: released, or kept while buffers are
 * in use; and cleared. */
PyObject *decode(const void *data, size_t size, prong_message *message);
int codec_set_reducers(PyObject *arguments);
int codec_init(void);
extern PyTypeObject Lent_type;
/* Whether a pickle is being made for another member of the family: handles may go into it. */
extern _Thread_local bool travelling;

/* --- travel.c --- */

/* What is encoded now in this thread is for processes that have inherited these names of the main module (not a new reference);
 * NULL: for any. Returns what was before. */
PyObject *travel_to(PyObject *inherited);
/* This process answers programs in C, which read what goes by name as data: nothing goes by value any more. */
void travel_by_name(void);
/* What may go by name is to be looked up again. */
void travel_forget(void);
int add_travel(PyObject *module);

/* --- counting: that it is the core that does the work --- */
enum { COUNT_LOCK, COUNT_SYNC, COUNT_QUEUE, COUNT_CONNECTION, COUNT_PROCESS, COUNT_POOL, COUNT_MEMORY, COUNTS };
extern uint64_t counts[COUNTS];

/* --- types --- */
int add_locks(PyObject *module);
int add_conditions(PyObject *module);
int add_queue(PyObject *module);
int add_connection(PyObject *module);
int add_pipe(PyObject *module);
int add_wait(PyObject *module);
int add_memory(PyObject *module);
int add_process(PyObject *module);
int add_pool(PyObject *module);
int add_notify(PyObject *module);
int add_supervisor(PyObject *module);
int add_type(PyObject *module, const char *name, PyTypeObject *type);
/* Gives a type methods of its own from the core's type that it inherits from: an interpreter specializes the call of a C
 * method only where the object is of just the type that the method was made for, not of a subclass of it. */
int own_methods(PyTypeObject *type);

typedef struct {
    SharedObject shared;
    uint64_t count; /* times that this process holds it */
    unsigned long thread;
    PyObject *owner_died; /* what the last acquire took it over from */
} LockObject;
extern PyTypeObject Lock_type, RLock_type;
/* OWNER_DIED: notes it, warns. Returns -1 when the warning raises. */
int note_owner_died(PyObject **text);

/* A message received lies in `place`, in `small`, in bytes, in the connection's scratch memory, or in a message that was
 * lent; `data` says where. */
struct received {
    size_t most; /* a longer message is PRONG_TOO_LONG, and is not received */
    void *place; /* of the caller: for a message that has up to `room` bytes; NULL: none */
    size_t room;
    bool for_bytes; /* it is to become bytes */
    const void *data;
    size_t size;
    PyObject *bytes;
    void *scratch;
    size_t scratch_size;
    prong_message message;
    char small[SMALL];
};
typedef struct ConnectionObject ConnectionObject;
/* What a connection does; the arguments are checked by then. One that fails may have set its own exception. */
struct connection_kind {
    int (*encode)(PyObject *object, struct encoded *encoded);
    PyObject *(*decode)(struct received *received);
    prong_status (*send)(ConnectionObject *self, const void *data, size_t size);
    prong_status (*send_encoded)(ConnectionObject *self, const struct encoded *encoded);
    prong_status (*receive)(ConnectionObject *self, struct received *received);
    void (*give_back)(ConnectionObject *self, struct received *received); /* its scratch memory */
    prong_status (*poll)(ConnectionObject *self, prong_time span);
    prong_status (*fileno)(ConnectionObject *self, int *descriptor);
    prong_status (*close)(ConnectionObject *self);
};
struct ConnectionObject {
    PyObject_HEAD const struct connection_kind *kind;
    bool readable, writable, closed;
    struct handle handle; /* an end of a pipe's */
    int descriptor;       /* any other's; -1: closed */
    int users;            /* threads that wait for the descriptor: the last of them closes it */
    void *scratch;        /* memory for the next message, of scratch_size bytes; NULL: none */
    size_t scratch_size;
    PyObject *weak, *attributes;
};
extern PyTypeObject Connection_type, PipeConnection_type; /* the second is a subtype of the first */
ConnectionObject *connection_make(PyTypeObject *type, const struct connection_kind *kind, bool readable, bool writable);
/* The type's tp_new and tp_init, of descriptor.c. */
PyObject *descriptor_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords);
int descriptor_init(PyObject *self, PyObject *arguments, PyObject *keywords);
/* Or the exception is set. */
bool connection_may_read(ConnectionObject *self);
static inline prong_connection connection_of(const ConnectionObject *self) {
    return (prong_connection){self->handle.offset, self->handle.generation};
}
extern PyTypeObject Queue_type;
/* Whether it is a queue, and which. */
bool queue_known(PyObject *object, prong_queue *queue);
/* OSError when this process has closed the queue for getting. */
int queue_check_reader(PyObject *queue);
/* All ends of pipes that are open in this process, for a fork; and whether there may be any. */
PyObject *connections_open(void);
bool connections_any(void);
/* Around the making of a message: posts_end gives the connections that were posted meanwhile, NULL: none; posts_undo takes them back,
 * whatever exception is set. */
PyObject *posts_begin(void);
PyObject *posts_end(PyObject *begun);
void posts_undo(PyObject *posts);

/* --- share.c: shares, which processes read in place --- */

extern PyTypeObject Share_type;
/* A share with a copy of a buffer, of a task's. It may be an earlier one, which is still in use. */
PyObject *share_of_buffer(const Py_buffer *buffer);
/* Its offset and generation. */
struct handle share_handle_of(PyObject *share);
/* As posts_begin and posts_end: the shares whose handles were pickled meanwhile. */
PyObject *shares_begin(void);
PyObject *shares_end(PyObject *begun);
/* They go to other processes in a message: then nobody here knows when they are of no more use. */
void shares_travel(PyObject *shares);
/* A tuple or dict of arguments that were inherited, not pickled: with the objects of those that are shares. A new reference. */
PyObject *shares_resolve(PyObject *arguments);
int add_share(PyObject *module);

/* --- kept.c: what a pool's worker keeps of shares --- */

/* What is read of a share from now on is kept for the next task. */
void shares_keep(void);
/* A task is over: what it has written to, or uses further, is no longer kept. */
void shares_end_task(void);
/* Whether there is anything kept, without the GIL; and gives it up. */
bool shares_kept(void);
void shares_give_up(void);

/* pool.c, for the runtime: the pool's thread has run its callbacks */
void pool_give_gil(void);
/* process.c, for pool.c */
int call_in_child(PyObject *function, const void *bytes, size_t size);
extern PyObject *worker_run; /* of prong._impl.image: called with a payload */
/* worker.c, for the runtime: a worker has no task */
bool worker_idle(bool give_back);
/* pool.c, for the runtime: a call by name, see prong_runtime */
int call_by_name(const char *name, const void *pickle, size_t size, prong_result *result);

/* As threading.get_ident(), without a call where the C library makes it the thread pointer. */
static inline unsigned long this_thread(void) {
#if defined(__GLIBC__) && defined(__x86_64__)
    unsigned long pointer;
    __asm__("mov %%fs:0, %0" : "=r"(pointer));
    return pointer;
#else
    return PyThread_get_thread_ident();
#endif
}

static inline PyObject *new_reference(PyObject *object) {
    Py_INCREF(object);
    return object;
}

#endif
