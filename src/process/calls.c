#include "process/calls.h"

#include "base/error.h"
#include "base/local.h"
#include "process/runtime.h"
#include "value/classes.h"
#include "value/document.h"

#include <prong/process.h>
#include <string.h>

enum { CANNOT_READ = 125 };

prong_status call_identify(any_function *function, const char *name, struct function *identity) {
    if (function && name) return fail(PRONG_INVALID, "call: both a function and a name ('%s')", name);
    if (name) return function_by_name(name, identity);
    return function ? function_identify(function, identity) : fail_text(PRONG_INVALID, "call: no function (NULL)");
}

prong_status call_write(prong_document *scratch, const struct function *function, prong_value arguments,
                        prong_value keywords, void **bytes, size_t *size) {
    struct call_header header = {*function};
    prong_value both = {0};
    prong_pickle pickle;
    if (prong_value_kind(arguments) != PRONG_KIND_TUPLE)
        return fail(PRONG_INVALID, "call: the arguments must be a tuple, not %s",
                    prong_kind_name(prong_value_kind(arguments)));
    if (prong_value_kind(keywords) != PRONG_KIND_NULL && prong_value_kind(keywords) != PRONG_KIND_DICT)
        return fail(PRONG_INVALID, "call: the keywords must be a dict or None, not %s",
                    prong_kind_name(prong_value_kind(keywords)));
    prong_status status = prong_build(scratch, &both, "(vv)", arguments, keywords);
    if (status >= 0) status = prong_pickle_dumps(scratch, both, &pickle, NULL);
    if (status < 0) return status;
    *size = sizeof(header) + pickle.size;
    *bytes = document_take(scratch, *size);
    if (!*bytes) return PRONG_NO_MEMORY;
    memcpy(*bytes, &header, sizeof(header));
    memcpy((char *)*bytes + sizeof(header), pickle.data, pickle.size);
    return PRONG_OK;
}

/* Looking a function up takes longer than many a call. */
static prong_status call_resolve(const struct function *function, any_function **pointer) {
    static struct local_slot slot;
    struct called {
        struct function function;
        any_function *pointer;
    } *last = local_memory(&slot, sizeof *last);
    if (!last) return function_resolve(function, pointer);
    if (!last->pointer || memcmp(&last->function, function, sizeof *function) != 0) {
        prong_status status = function_resolve(function, &last->pointer);
        if (status < 0) return status;
        last->function = *function;
    }
    *pointer = last->pointer;
    return PRONG_OK;
}

prong_status call_read(prong_document *document, const void *bytes, size_t size, any_function **function,
                       prong_value *arguments, prong_value *keywords) {
    struct call_header header;
    prong_value both;
    if (size < sizeof(header)) return fail_text(PRONG_INVALID, "call: cut short");
    memcpy(&header, bytes, sizeof(header));
    prong_status status = call_resolve(&header.function, function);
    if (status >= 0)
        status = prong_pickle_loads(document, (const char *)bytes + sizeof(header), size - sizeof(header), &both,
                                    &ANY_CLASS);
    return status < 0 ? status : prong_scan(both, "(vv)", arguments, keywords);
}

const char *call_of_runtime(const void *bytes, size_t size, const void **pickle, size_t *pickle_size) {
    const struct call_header *header = bytes;
    if (!runtime.call || size < sizeof *header || header->function.place != FUNCTION_BY_NAME) return NULL;
    *pickle = header + 1;
    *pickle_size = size - sizeof *header;
    return header->function.path;
}

prong_status call_make(prong_document *scratch, any_function *function, const char *name, prong_value arguments,
                       prong_value keywords, void **bytes, size_t *size) {
    struct function identity;
    TRY(call_identify(function, name, &identity));
    if (prong_value_kind(arguments) == PRONG_KIND_NULL) TRY(prong_make_tuple(scratch, NULL, 0, &arguments));
    return call_write(scratch, &identity, arguments, keywords, bytes, size);
}

int call_target(void *argument, size_t size) {
    prong_document *document;
    prong_value arguments, keywords;
    any_function *function;
    const void *pickle;
    size_t pickle_size;
    const char *name = call_of_runtime(argument, size, &pickle, &pickle_size);
    if (name) return runtime.call(name, pickle, pickle_size, NULL);
    if (prong_document_open(&document, NULL) < 0) return CANNOT_READ;
    int code = CANNOT_READ;
    if (!call_read(document, argument, size, &function, &arguments, &keywords))
        code = ((prong_value_target *)function)(document, arguments, keywords);
    prong_document_close(document);
    return code;
}
