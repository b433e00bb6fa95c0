/* Calls: arguments, results, exceptions, and waiting. */
#include "base/error.h"
#include "manager/server/server.h"
#include "value/text.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

prong_call call_begin(struct prong_call_inner *inner, const char *method, prong_value arguments, prong_value keywords) {
    return (prong_call){.object = inner->object ? inner->object->state : NULL,
                        .arguments = arguments,
                        .keywords = keywords,
                        .document = inner->server->scratch,
                        .method = method,
                        .inner = inner};
}

/* --- results --- */

prong_status prong_call_return(prong_call *call, prong_value value) {
    call->inner->outcome = CALL_RETURNED;
    call->inner->result = value;
    return PRONG_OK;
}

prong_status prong_call_return_object(prong_call *call, void *object) {
    if (!call->inner->returns)
        return fail(PRONG_INVALID, "method %s is not registered to return an object", call->method);
    call->inner->outcome = CALL_PROXY;
    call->inner->made = object;
    return PRONG_OK;
}

prong_status call_return_none(prong_call *call) {
    return prong_call_return(call, prong_make_null());
}
prong_status call_return_bool(prong_call *call, bool truth) {
    return prong_call_return(call, prong_make_bool(truth));
}
prong_status call_return_item(prong_call *call, prong_value item) {
    return prong_call_return(call, item_value(item));
}

prong_status make_exception(prong_document *document, const char *module, const char *name, prong_value arguments,
                            prong_value *exception) {
    prong_object object = {.module = module, .name = name, .arguments = arguments};
    return prong_make_object(document, &object, exception);
}

/* Whatever the method returns then, its call does not look as if it had gone well. */
static prong_status call_raised(prong_call *call, prong_status status) {
    if (status >= 0)
        call->inner->outcome = CALL_RAISED;
    else if (status == PRONG_NO_MEMORY)
        call->inner->outcome = CALL_UNRAISED;
    return status;
}

prong_status prong_call_raise(prong_call *call, const char *module, const char *name, prong_value arguments) {
    return call_raised(call, make_exception(call->document, module, name, arguments, &call->inner->result));
}

prong_status call_raise_value(prong_call *call, const char *name, prong_value argument) {
    prong_value arguments;
    prong_status status = prong_make_tuple(call->document, &argument, 1, &arguments);
    if (status < 0) return call_raised(call, status);
    return prong_call_raise(call, "builtins", name, arguments);
}

prong_status call_raise(prong_call *call, const char *name, const char *format, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    prong_value message;
    utf8_repair(text);
    prong_status status = prong_make_str(call->document, text, PRONG_TO_NUL, &message);
    if (status < 0) return call_raised(call, status);
    return call_raise_value(call, name, message);
}

/* --- arguments --- */

/* The next name of a list: returns its length, and moves *at behind it. */
static size_t next_name(const char **at, const char **name, bool *optional) {
    *at += strspn(*at, " ");
    if (**at == '=') *optional = true, (*at)++;
    *name = *at;
    size_t size = strcspn(*at, " ");
    *at += size;
    return size;
}

prong_status call_bind(prong_call *call, const char *names, prong_value *values) {
    size_t given = prong_value_size(call->arguments), used = 0, count = 0;
    const char *at = names, *name;
    bool optional = false;
    for (size_t size; (size = next_name(&at, &name, &optional)) > 0; count++) {
        values[count].head = 0xfd;
        if (count < given) {
            ignore_status(prong_list_get(call->arguments, count, &values[count])); /* count < given */
            continue;
        }
        char key[32];
        snprintf(key, sizeof(key), "%.*s", (int)size, name);
        bool found = prong_value_kind(call->keywords) == PRONG_KIND_DICT && prong_value_size(call->keywords) &&
                     prong_dict_get_text(call->keywords, key, &values[count]) >= 0;
        used += found;
        if (!found && !optional) {
            call_raise(call, "TypeError", "%s() missing required argument: '%s'", call->method, key);
            return PRONG_REMOTE_ERROR;
        }
    }
    if (given > count) {
        call_raise(call, "TypeError", "%s() takes at most %zu arguments (%zu given)", call->method, count, given);
        return PRONG_REMOTE_ERROR;
    }
    if (prong_value_size(call->keywords) > used) {
        call_raise(call, "TypeError", "%s() got an unexpected keyword argument", call->method);
        return PRONG_REMOTE_ERROR;
    }
    return PRONG_OK;
}

/* As Python's truth. */
bool is_true(prong_value value) {
    switch (prong_value_kind(value)) {
    case PRONG_KIND_NULL: return false;
    case PRONG_KIND_BOOL: return value.integer != 0;
    case PRONG_KIND_INT: return value_is_big(value) || value.integer != 0;
    case PRONG_KIND_FLOAT: return value.real != 0;
    case PRONG_KIND_STR:
    case PRONG_KIND_BYTES:
    case PRONG_KIND_BYTEARRAY:
    case PRONG_KIND_LIST:
    case PRONG_KIND_TUPLE:
    case PRONG_KIND_DICT:
    case PRONG_KIND_SET:
    case PRONG_KIND_FROZENSET: return prong_value_size(value) > 0;
    default: return true;
    }
}

prong_status call_timeout(prong_call *call, prong_value timeout, deadline_t *deadline) {
    double seconds;
    *deadline = PRONG_FOREVER;
    if (is_absent(timeout) || prong_value_kind(timeout) == PRONG_KIND_NULL) return PRONG_OK;
    if (prong_get_float(timeout, &seconds) < 0 || isnan(seconds)) {
        call_raise(call, "TypeError", "a timeout must be a number, not %s", prong_kind_name(prong_value_kind(timeout)));
        return PRONG_REMOTE_ERROR;
    }
    if (seconds < 1e9) *deadline = deadline_after(PRONG_SECONDS(seconds < 0 ? 0 : seconds));
    return PRONG_OK;
}

prong_status call_index(prong_call *call, prong_value value, int64_t *index) {
    if (prong_get_int(value, index) >= 0) return PRONG_OK;
    call_raise(call, "TypeError", "indices must be integers, not %s", prong_kind_name(prong_value_kind(value)));
    return PRONG_REMOTE_ERROR;
}

/* --- waiting --- */

void waiters_init(struct waiters *waiters) {
    waiters->first = NULL;
    waiters->last = &waiters->first;
}

void waiter_add(struct waiters *waiters, struct session *session) {
    struct served_waiter *waiter = &session->waiter;
    waiter->next = NULL;
    waiter->place = waiters->last;
    *waiters->last = waiter;
    waiters->last = &waiter->next;
    session->in = waiters;
}

void waiter_remove(struct session *session) {
    struct served_waiter *waiter = &session->waiter;
    if (!session->in) return;
    *waiter->place = waiter->next;
    if (waiter->next)
        waiter->next->place = waiter->place;
    else
        session->in->last = waiter->place;
    session->in = NULL;
}

struct session *waiters_first(struct waiters *waiters) {
    return (struct session *)waiters->first; /* a waiter is first in its session */
}

prong_status call_park(prong_call *call, struct waiters *waiters, deadline_t deadline,
                       void (*timed_out)(struct session *), void (*gone)(struct session *)) {
    struct session *session = call->inner->session;
    session->parked = true;
    session->object = call->inner->object;
    object_retain(call->inner->object);
    session->timed_out = timed_out;
    session->gone = gone;
    waiter_add(waiters, session);
    deadline_set(session, deadline);
    call->inner->outcome = CALL_PARKED;
    return PRONG_OK;
}

static void session_unpark(struct session *session) {
    waiter_remove(session);
    deadline_clear(session);
    session->parked = false;
    session->gone = NULL;
    struct managed *object = session->object;
    session->object = NULL;
    object_release(session->server, object);
}

bool session_resume(struct session *session, prong_value result) {
    session_unpark(session);
    bool delivered = session_reply(session, "#RETURN", result);
    session_run_later(session);
    return delivered;
}

void session_resume_raise(struct session *session, const char *module, const char *name) {
    prong_value exception;
    session_unpark(session);
    if (make_exception(session->server->scratch, module, name, prong_make_null(), &exception))
        reply_traceback(session, "MemoryError", "no memory to say what is wrong");
    else
        session_reply(session, "#ERROR", exception);
    session_run_later(session);
}

/* --- what sessions hold --- */

static struct hold **find_hold(struct hold **holds, const struct managed *object) {
    while (*holds && (*holds)->object != object) holds = &(*holds)->next;
    return holds;
}

static void add_hold(struct hold **holds, struct managed *object, uint64_t count) {
    struct hold **place = find_hold(holds, object);
    if (!*place) {
        *place = calloc(1, sizeof(**place));
        if (!*place) return; /* it is then not given back if the client vanishes */
        (*place)->object = object;
        object_retain(object);
    }
    (*place)->count += count;
}

static bool take_hold(struct prong_server *server, struct hold **holds, struct managed *object, uint64_t count) {
    struct hold **place = find_hold(holds, object), *hold = *place;
    if (!hold) return false;
    hold->count -= count < hold->count ? count : hold->count;
    if (hold->count) return true;
    *place = hold->next;
    free(hold);
    object_release(server, object);
    return true;
}

void session_hold(struct session *session, struct managed *object, uint64_t count) {
    add_hold(&session->holds, object, count);
}

/* Releases the caller's first; else that of any other session that has it. */
void server_unhold(struct session *session, struct managed *object, uint64_t count) {
    struct prong_server *server = session->server;
    if (take_hold(server, &session->holds, object, count)) return;
    for (struct session *other = server->sessions; other; other = other->next)
        if (take_hold(server, &other->holds, object, count)) return;
    for (struct client *client = server->clients; client; client = client->next)
        if (take_hold(server, &client->holds, object, count)) return;
}

void holds_give_back(struct prong_server *server, struct hold **holds, struct client *keeper) {
    while (*holds) {
        struct hold *hold = *holds;
        *holds = hold->next;
        if (keeper && hold->object->type->held_by_process)
            add_hold(&keeper->holds, hold->object, hold->count);
        else if (hold->object->type->give_back)
            hold->object->type->give_back(hold->object, hold->count);
        object_release(server, hold->object);
        free(hold);
    }
}

void call_resume_false(struct session *session) {
    session_resume(session, prong_make_bool(false));
}
