/* Work: what a pool runs, with its inputs and outputs, as data (a prong_work).
 * prong_pool_run, prong_pool_submit and prong_pool_iterate all take one.
 *
 * For arrays, and for one argument and one result, macros make it, with sizes
 * that cannot be wrong (see <prong/work_macros.h>):
 *
 *     prong_pool_run(pool, PRONG_MAP(square, in, out), NULL, PRONG_FOREVER);
 *     prong_pool_run(pool, PRONG_APPLY(cube, x, cubed), NULL, PRONG_FOREVER);
 */
#ifndef PRONG_WORK_H
#define PRONG_WORK_H

#include <prong/export.h>
#include <prong/status.h>
#include <prong/value.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

/* --- functions that tasks run --- */

typedef struct prong_result prong_result;

/* Bytes in, bytes out. Returns 0, or a code with which the task fails
 * (PRONG_TASK_FAILED). argument is aligned to 8 and writable; it is freed when
 * the task ends. */
typedef int prong_task(void *argument, size_t size, prong_result *result);

/* One element in, one element out; a task calls it for a chunk of elements.
 * Returns 0, or a code with which its chunk fails. */
typedef int prong_element(const void *in, void *out);

/* The same for all count elements of a chunk in one call. */
typedef int prong_range(const void *in, void *out, size_t count);

/* Values in (a tuple; and a dict, or None), a value out. All lie in document.
 * A status below 0 fails the task: PRONG_TASK_FAILED, the status as its code,
 * prong_error_message() as its text. */
typedef prong_status prong_value_task(prong_document *document,
                                      prong_value arguments,
                                      prong_value keywords,
                                      prong_value *result);

/* In a prong_task: sets its result to a copy of size bytes; or its error text,
 * if the task then fails. Errors: PRONG_NO_MEMORY, PRONG_INVALID. */
PRONG_API prong_status prong_result_set(prong_result *result, const void *data,
                                        size_t size);

/* In a prong_task: memory of size bytes in which to make the result, without a
 * further copy. Errors: PRONG_NO_MEMORY. */
PRONG_CHECKED prong_status prong_result_reserve(prong_result *result,
                                                size_t size, void **data);

/* In a task, or in a thread that it has started: the work's context, one copy
 * for all its tasks, aligned to 8, to be read until the task ends; *size (may
 * be NULL) is its length. NULL and 0 where there is none. Thread- and
 * signal-safe. */
PRONG_API const void *prong_task_context(size_t *size);

/* --- work --- */

/* Bytes that belong to the caller. */
typedef struct prong_bytes {
    const void *data;
    size_t size;
} prong_bytes;

/* Gives the next argument and returns true, or returns false at the end. The
 * bytes are copied before it is called again. It is called by the thread that
 * calls prong_iterator_next, within that call and outside its timeout. It may
 * make any call, of the same pool as well, but none with this iterator. */
typedef bool prong_generator(prong_bytes *argument, void *context);

typedef enum prong_form {
    PRONG_FORM_DEFAULT = 0, /* the function's own; not with a name */
    PRONG_FORM_TASK,        /* a prong_task */
    PRONG_FORM_ELEMENT,     /* a prong_element */
    PRONG_FORM_RANGE,       /* a prong_range */
    PRONG_FORM_VALUES,      /* a prong_value_task, or a function of Python's */
} prong_form;

typedef enum prong_each {
    PRONG_ONCE = 0, /* one task: function(*values, **keywords) */
    PRONG_EACH,     /* a task an item of values: function(item, **keywords) */
    PRONG_EACH_SPREAD, /* the same, each a tuple: function(*item, **keywords) */
} prong_each;

/* Members that are not used are zero. The call that takes the work copies what
 * it points to, but for outputs, and for what prong_pool_iterate says. */
typedef struct prong_work {
    /* One function, of the program or of a library … */
    prong_task *task;
    prong_element *element;
    prong_range *range;
    prong_value_task *value_task;
    /* … or its name for the workers to find, up to 215 bytes, and its form:
     * "LIBRARY.so:SYMBOL", as dlopen and dlsym take them, the worker's program
     * itself without a library; in a worker that is Python "MODULE:NAME", as
     * PRONG_FORM_VALUES alone. A name that is not found fails its tasks:
     * PRONG_NO_FUNCTION, or PRONG_TASK_FAILED with values. */
    const char *name;
    prong_form form;

    /* Inputs: an array of count elements of in_size bytes each. A prong_task
     * runs once for each; of one, count is 1 (in may be NULL, in_size 0). An
     * array in the arena (prong_memory_alloc) is used in place by elements and
     * ranges … */
    const void *in;
    size_t in_size;
    size_t count;
    /* … or an argument of its own for each of count tasks (with values: its
     * pickle of (arguments, keywords)) … */
    const prong_bytes *arguments;
    /* … or one a call; for prong_pool_iterate alone … */
    prong_generator *generator;
    void *generator_context;
    /* … or values: a tuple, or with an `each` a list or tuple of items. */
    prong_value values, keywords;
    prong_each each;

    /* Outputs, an array of count elements of out_size bytes each. However the
     * run ends, it has the results of all tasks that succeeded; where one did
     * not, it is left as it was (in place: as the function left it). A
     * prong_task's result may be shorter than out_size, its length is in
     * sizes[i]; one that is longer is not copied, and the run is
     * PRONG_TOO_LONG. Each may be NULL. */
    void *out;
    size_t out_size;
    size_t *sizes;
    /* With values, for prong_pool_run alone: the result, or the list of them,
     * which lies in document. */
    prong_document *document;
    prong_value *result;

    /* What all tasks share: see prong_task_context. */
    const void *context;
    size_t context_size;
    void *reserved[8]; /* zero */
} prong_work;

PRONG_END_DECLS

#include <prong/work_macros.h>

#endif
