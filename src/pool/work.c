/* A prong_work as it was given: which function, what goes with it, and what makes no sense together. */
#include "base/error.h"
#include "pool/work.h"
#include "pool/submit.h"
#include "pool/values.h"

#include <string.h>

enum { JOURNAL_NAME_MAX = 300 };

static const prong_task_options no_options;

struct work_function {
    any_function *function;
    prong_form form;
};

static prong_status work_check_form(const prong_work *w, const struct work_function *given, unsigned count) {
    if (!count && !w->name) return fail(PRONG_INVALID, "pool: no function to run");
    if (count > 1) return fail(PRONG_INVALID, "pool: %u functions to run in place of one", count);
    if (count && w->name) return fail(PRONG_INVALID, "pool: both a function and a name ('%s')", w->name);
    if ((unsigned)w->form > PRONG_FORM_VALUES) return fail(PRONG_INVALID, "work: no such form (%d)", (int)w->form);
    if (!count && !w->form) return fail(PRONG_INVALID, "work: a name ('%s') and no form", w->name);
    if (count && w->form && w->form != given->form)
        return fail(PRONG_INVALID, "work: another form than its function's");
    return PRONG_OK;
}

static prong_status work_read_function(const prong_work *w, struct work_function *given) {
    unsigned count = 0;
    const struct work_function all[] = {{(any_function *)(void *)w->task, PRONG_FORM_TASK},
                                        {(any_function *)(void *)w->element, PRONG_FORM_ELEMENT},
                                        {(any_function *)(void *)w->range, PRONG_FORM_RANGE},
                                        {(any_function *)(void *)w->value_task, PRONG_FORM_VALUES}};
    *given = (struct work_function){NULL, w->form};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        if (!all[i].function) continue;
        *given = all[i];
        count++;
    }
    return work_check_form(w, given, count);
}

/* --- what goes with which form --- */

static prong_status work_check_array(const void *array, size_t size, size_t count, const char *what) {
    TRY(check_bytes(array, size ? count : 0, what));
    if (size && count > SIZE_MAX / 2 / size)
        return fail(PRONG_INVALID, "%s: %zu elements of %zu bytes are too many", what, count, size);
    return PRONG_OK;
}

static prong_status work_check_arguments(const prong_work *w) {
    for (size_t i = 0; i < w->count; i++)
        if (w->arguments[i].size && !w->arguments[i].data)
            return fail(PRONG_INVALID, "work: argument %zu has a size and no bytes", i);
    return PRONG_OK;
}

static prong_status work_check_inputs(const prong_work *w, prong_form form) {
    bool elements = form == PRONG_FORM_ELEMENT || form == PRONG_FORM_RANGE;
    if ((w->in != NULL) + (w->arguments != NULL) + (w->generator != NULL) > 1)
        return fail(PRONG_INVALID, "work: more than one of in, arguments and generator");
    if (elements && w->arguments)
        return fail(PRONG_INVALID, "work: elements and ranges take an array (in), not arguments");
    if (elements && !w->in_size && (w->count || w->generator)) return fail(PRONG_INVALID, "work: in_size is 0");
    if (w->arguments) return work_check_arguments(w);
    return w->generator ? PRONG_OK : work_check_array(w->in, w->in_size, w->count, "work: in");
}

static prong_status work_check_outputs(const prong_work *w, prong_form form, enum work_call call) {
    if (call == WORK_ITERATE)
        return w->out || w->sizes ? fail(PRONG_INVALID, "work: an iterator has no outputs") : PRONG_OK;
    if (w->sizes && form != PRONG_FORM_TASK) return fail(PRONG_INVALID, "work: sizes are a prong_task's");
    return work_check_array(w->out, w->out_size, w->count, "work: out");
}

static bool work_has_values(const prong_work *w) {
    return w->each || prong_value_kind(w->values) != PRONG_KIND_NULL ||
           prong_value_kind(w->keywords) != PRONG_KIND_NULL;
}

static prong_status work_check_values(const prong_work *w, enum work_call call) {
    if (w->in || w->in_size || w->out || w->out_size || w->sizes)
        return fail(PRONG_INVALID, "work: arrays go with another function than one of values");
    if ((w->arguments != NULL) + (w->generator != NULL) + work_has_values(w) > 1)
        return fail(PRONG_INVALID, "work: more than one of values, arguments and generator");
    if ((unsigned)w->each > PRONG_EACH_SPREAD) return fail(PRONG_INVALID, "work: no such each (%d)", (int)w->each);
    if (call != WORK_RUN && (w->result || w->document))
        return fail(PRONG_INVALID, "work: result and document are for prong_pool_run");
    if (w->result && !w->document) return fail(PRONG_INVALID, "work: a result, and no document for it to lie in");
    return w->arguments ? work_check_arguments(w) : PRONG_OK;
}

static prong_status work_check_members(const prong_work *w, prong_form form, enum work_call call) {
    if (w->generator && call != WORK_ITERATE) return fail(PRONG_INVALID, "work: a generator is for prong_pool_iterate");
    TRY(check_bytes(w->context, w->context_size, "work: context"));
    if (w->context_size > SIZE_MAX / 4) return fail(PRONG_NO_MEMORY, "work: a context of %zu bytes", w->context_size);
    if (form == PRONG_FORM_VALUES) return work_check_values(w, call);
    if (work_has_values(w) || w->document || w->result)
        return fail(PRONG_INVALID, "work: values go with a prong_value_task, or a name and PRONG_FORM_VALUES");
    TRY(work_check_inputs(w, form));
    return work_check_outputs(w, form, call);
}

static prong_status work_check_journal(const prong_task_options *o, enum work_call call) {
    if (!o->journal && o->journal_identity) return fail(PRONG_INVALID, "pool: journal_identity, and no journal");
    if (o->journal && call == WORK_SUBMIT)
        return fail(PRONG_INVALID, "pool: a journal is for prong_pool_run and prong_pool_iterate");
    if (o->journal && (o->callback || o->error_callback))
        return fail(PRONG_INVALID, "pool: a journal goes without callbacks");
    if (o->journal_identity && strlen(o->journal_identity) > JOURNAL_NAME_MAX)
        return fail(PRONG_INVALID, "pool: journal_identity has more than %d bytes", JOURNAL_NAME_MAX);
    return PRONG_OK;
}

/* Of an open job: what tells of its end would come when nobody expects it, and outputs are for the tasks that it begins with. */
static prong_status work_check_capacity(const struct submission *s, enum work_call call) {
    const prong_work *w = s->work;
    if (!s->options->capacity) return PRONG_OK;
    if (call != WORK_SUBMIT) return fail(PRONG_INVALID, "pool: a capacity is for prong_pool_submit");
    if (s->form != PRONG_FORM_TASK || s->values) return fail(PRONG_INVALID, "pool: a capacity goes with a prong_task");
    if (w->out || w->sizes) return fail(PRONG_INVALID, "pool: a job with a capacity has no outputs");
    if (s->options->error_callback || s->options->progress)
        return fail(PRONG_INVALID,
                    "pool: a job with a capacity takes callback, and neither error_callback nor progress");
    if (s->options->capacity >= w->count) return PRONG_OK;
    return fail(PRONG_INVALID, "pool: a capacity of %zu, for %zu tasks", s->options->capacity, w->count);
}

static prong_status work_check_options(const prong_task_options *o, enum work_call call) {
    CHECK_RESERVED(o, "pool: task options");
    TRY(work_check_journal(o, call));
    if (o->retries > 255) return fail(PRONG_INVALID, "pool: %u retries are more than 255", o->retries);
    if (o->priority > PRONG_PRIORITY_LOW)
        return fail(PRONG_INVALID, "pool: %llu is no priority", (unsigned long long)o->priority);
    if (o->time_limit < 0) return fail(PRONG_INVALID, "pool: a negative time limit");
    return PRONG_OK;
}

prong_status work_read(struct submission *s, prong_pool pool, const prong_work *work, const prong_task_options *options,
                       enum work_call call) {
    struct work_function given;
    if (!work) return fail(PRONG_INVALID, "pool: no work (NULL)");
    CHECK_RESERVED(work, "work");
    TRY(work_read_function(work, &given));
    TRY(work_check_members(work, given.form, call));
    *s = (struct submission){.pool = pool,
                             .work = work,
                             .options = options ? options : &no_options,
                             .form = given.form,
                             .function = given.function,
                             .name = work->name,
                             .count = work->count,
                             .capacity = work->count,
                             .timeout = PRONG_FOREVER};
    if (given.form == PRONG_FORM_VALUES) {
        s->form = PRONG_FORM_TASK;
        s->values = work->each || work->arguments ? VALUES_LIST : VALUES_ONE;
        s->function = (any_function *)(void *)call_task;
        s->name = NULL;
    }
    TRY(work_check_options(s->options, call));
    TRY(work_check_capacity(s, call));
    if (s->options->capacity) s->capacity = s->options->capacity;
    return PRONG_OK;
}
