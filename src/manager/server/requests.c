/* Requests: (ident, method, args, kwds). Without an ident they go to the server itself, else to an object. */
#include "base/error.h"
#include "manager/server/server.h"
#include "manager/token.h"
#include "value/document.h"
#include "value/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
    prong_value ident, args, kwds;
    const char *method;
};

void reply_traceback(struct session *session, const char *exception, const char *text) {
    prong_value message;
    char lines[1600];
    snprintf(lines, sizeof(lines), "Traceback (most recent call last):\n  in the prong server\n%.100s: %.1200s\n",
             exception, text);
    utf8_repair(lines);
    if (prong_make_str(session->server->scratch, lines, PRONG_TO_NUL, &message) < 0)
        session->lost = true;
    else
        session_reply(session, "#TRACEBACK", message);
}

struct managed *object_of_proxy(struct prong_server *server, prong_value value) {
    prong_object view;
    prong_value named;
    struct token token;
    if (!prong_value_is(value, "multiprocessing.managers", "RebuildProxy") || prong_get_object(value, &view) < 0)
        return NULL;
    if (prong_list_get(view.arguments, 1, &named) < 0 || token_from_value(named, &token)) return NULL;
    if (!address_same(token.address, server->address)) return NULL;
    struct managed *object = object_by_id(server, token.id);
    return object && !strcmp(token.type, object->type->given.name) ? object : NULL;
}

/* --- what the server itself does --- */

static prong_status exposed_methods(struct prong_server *server, const struct type *type, prong_value *tuple) {
    prong_value list;
    prong_status status = prong_make_list(server->scratch, NULL, 0, &list);
    for (const prong_method_entry *entry = type->given.methods; status >= 0 && entry->name; entry++) {
        prong_value name;
        status = prong_make_str(server->scratch, entry->name, PRONG_TO_NUL, &name);
        if (status >= 0) status = prong_list_append(server->scratch, list, name);
    }
    if (status < 0) return status;
    return prong_make_tuple(server->scratch, value_list(list)->items, value_list(list)->count, tuple);
}

/* Nothing that lies in the scratch document is needed any more: it may be full. */
static void reply_failed(struct session *session, prong_status status, const char *exception) {
    prong_document_reset(session->server->scratch);
    reply_traceback(session, status == PRONG_NO_MEMORY ? "MemoryError" : exception, prong_error_message());
}

/* The text of an exception that a constructor raised. */
static void reply_raised(struct session *session, prong_value exception) {
    char text[1000];
    prong_value_repr(exception, text, sizeof(text), NULL);
    prong_object view;
    prong_value message;
    const char *said = text;
    if (prong_get_object(exception, &view) >= 0 && prong_list_get(view.arguments, 0, &message) >= 0)
        prong_get_str(message, &said, NULL);
    reply_traceback(session, view.name, said);
}

static prong_status make_state(prong_call *call) {
    struct managed *object = call->inner->object;
    const struct type *type = object->type;
    if (type->make) return type->make(call, object);
    if (type->given.create) return type->given.create(call, &object->state);
    object->state = type->given.object;
    return PRONG_OK;
}

prong_status fill_object(prong_call *call) {
    prong_status status = make_state(call);
    return call->inner->outcome == CALL_UNRAISED ? PRONG_NO_MEMORY : status;
}

/* Returns (ident, exposed methods) of an object to which the client has been given a reference. */
static void reply_created(struct session *session, struct managed *object) {
    struct prong_server *server = session->server;
    prong_value ident, exposed, reply = {0};
    prong_status status = client_hold(session->client, object->id);
    if (status >= 0) {
        status = ident_to_value(server->scratch, object->id, &ident);
        if (status >= 0) status = exposed_methods(server, object->type, &exposed);
        if (status >= 0) status = prong_build(server->scratch, &reply, "(vv)", ident, exposed);
        if (status >= 0) {
            session_reply(session, "#RETURN", reply);
            return;
        }
        client_unhold(session->client, object->id);
    }
    reply_failed(session, status, "RuntimeError");
    object_release(server, object);
}

/* The type and its arguments are part of the request. */
static void request_create(struct session *session, const struct request *request) {
    struct prong_server *server = session->server;
    size_t count = prong_value_size(request->args);
    prong_value first;
    const char *name = "";
    if (prong_list_get(request->args, 0, &first) < 0 || prong_get_str(first, &name, NULL) < 0) {
        reply_traceback(session, "TypeError", "create() needs a typeid");
        return;
    }
    const struct type *type = type_by_name(server, name);
    if (!type || type->hidden) {
        char text[160];
        snprintf(text, sizeof(text), "'%.80s': there is no such type on this server", name);
        reply_traceback(session, "KeyError", text);
        return;
    }
    if (type->shared) {
        object_retain(type->shared);
        reply_created(session, type->shared);
        return;
    }
    struct prong_call_inner inner = {.server = server, .session = session};
    size_t all;
    const prong_value *items = value_items(request->args, &all);
    prong_value arguments;
    prong_status status = prong_make_tuple(server->scratch, items + 1, count - 1, &arguments);
    if (status >= 0) status = object_new(server, type, &inner.object);
    if (status < 0) {
        reply_failed(session, status, "RuntimeError");
        return;
    }
    struct managed *object = inner.object;
    object->refs = 1; /* the client's, from now on */
    prong_call call = call_begin(&inner, name, arguments, request->kwds);
    status = fill_object(&call);
    if (status >= 0 && inner.outcome != CALL_RAISED) {
        reply_created(session, object);
        return;
    }
    if (inner.outcome == CALL_RAISED)
        reply_raised(session, inner.result);
    else
        reply_failed(session, status, "TypeError");
    object_release(server, object);
}

static struct managed *object_named(struct session *session, const struct request *request) {
    prong_value ident;
    uint64_t id = 0;
    if (prong_list_get(request->args, 0, &ident) < 0 || ident_from_value(ident, &id)) {
        reply_traceback(session, "TypeError", "an ident is needed");
        return NULL;
    }
    struct managed *object = object_by_id(session->server, id);
    if (!object) {
        char text[64];
        snprintf(text, sizeof(text), "'%llx'", (unsigned long long)id);
        reply_traceback(session, "KeyError", text);
    }
    return object;
}

static void request_incref(struct session *session, const struct request *request) {
    struct managed *object = object_named(session, request);
    if (!object) return;
    prong_status status = client_hold(session->client, object->id);
    if (status < 0) {
        reply_failed(session, status, "RuntimeError");
        return;
    }
    object_retain(object);
    object->grace = 0;
    session_reply(session, "#RETURN", prong_make_null());
}

static void request_decref(struct session *session, const struct request *request) {
    struct managed *object = object_named(session, request);
    if (!object) return;
    if (!client_unhold(session->client, object->id)) {
        reply_traceback(session, "AssertionError", "this client has no reference to the object");
        return;
    }
    session_reply(session, "#RETURN", prong_make_null());
    object_release(session->server, object);
}

static void get_methods(struct session *session, const struct request *request) {
    prong_value named, exposed;
    struct token token;
    prong_status status = prong_list_get(request->args, 0, &named);
    if (status >= 0) status = token_from_value(named, &token);
    struct managed *object = status ? NULL : object_by_id(session->server, token.id);
    if (!object || exposed_methods(session->server, object->type, &exposed))
        reply_traceback(session, "KeyError", "get_methods(): no such object");
    else
        session_reply(session, "#RETURN", exposed);
}

static void request_describe(const struct managed *object, prong_document *scratch, char *text, size_t size) {
    prong_value value = {0};
    *text = 0;
    if (object->type->describe) {
        object->type->describe(object, text, size);
        return;
    }
    prong_status status = PRONG_INVALID;
    if (object->type->value)
        status = object->type->value((struct managed *)(uintptr_t)object, scratch, &value);
    else if (object->type->given.represent)
        status = object->type->given.represent(object->state, scratch, &value);
    if (status < 0)
        snprintf(text, size, "<%s object at 0x%llx>", object->type->given.name, (unsigned long long)object->id);
    else
        prong_value_repr(value, text, size, NULL);
}

static void debug_info(struct session *session) {
    struct prong_server *server = session->server;
    prong_value text;
    char whole[8192] = "";
    size_t used = 0;
    for (size_t i = 0; i < server->object_slots; i++)
        for (struct managed *object = server->objects[i]; object && used < sizeof(whole) - 200; object = object->next) {
            char about[76];
            request_describe(object, server->scratch, about, sizeof(about));
            used += (size_t)snprintf(whole + used, sizeof(whole) - used, "%s  %llx:       refcount=%llu\n    %s",
                                     used ? "\n" : "", (unsigned long long)object->id, (unsigned long long)object->refs,
                                     about);
        }
    utf8_repair(whole);
    prong_status status = prong_make_str(server->scratch, whole, PRONG_TO_NUL, &text);
    if (status < 0)
        reply_failed(session, status, "RuntimeError");
    else
        session_reply(session, "#RETURN", text);
}

/* A C program identifies its process by its name; the names of other programs are for people. */
static void accept_connection(struct session *session, const struct request *request) {
    static const char prefix[] = CLIENT_NAME;
    prong_value first;
    const char *name = "";
    session->state = SESSION_SERVING;
    if (prong_list_get(request->args, 0, &first) >= 0) prong_get_str(first, &name, NULL);
    if (!strncmp(name, prefix, sizeof(prefix) - 1)) {
        uint64_t identity = strtoull(name + sizeof(prefix) - 1, NULL, 16);
        struct client *named = identity ? client_named(session->server, session->client, identity) : session->client;
        if (!named) {
            session->lost = true;
            return;
        }
        session->client = named;
    }
    session_reply(session, "#RETURN", prong_make_null());
}

static void shutdown_server(struct session *session) {
    session_reply(session, "#RETURN", prong_make_null());
    session->server->stopped = true;
}

/* A connection makes one of these requests and is closed, as with Python's server. After accept_connection it makes any
 * number of calls of objects, and, with this server only, of these. */
static void request_serve(struct session *session, const struct request *request) {
    bool closing = session->state == SESSION_FRESH;
    if (!strcmp(request->method, "accept_connection")) {
        accept_connection(session, request);
        closing = false;
    } else if (!strcmp(request->method, "create")) {
        request_create(session, request);
    } else if (!strcmp(request->method, "incref")) {
        request_incref(session, request);
    } else if (!strcmp(request->method, "decref")) {
        request_decref(session, request);
    } else if (!strcmp(request->method, "dummy")) {
        session_reply(session, "#RETURN", prong_make_null());
    } else if (!strcmp(request->method, "get_methods")) {
        get_methods(session, request);
    } else if (!strcmp(request->method, "number_of_objects")) {
        session_reply(session, "#RETURN", prong_make_int(objects_in_use(session->server)));
    } else if (!strcmp(request->method, "debug_info")) {
        debug_info(session);
    } else if (!strcmp(request->method, "shutdown")) {
        shutdown_server(session);
    } else {
        char text[120];
        snprintf(text, sizeof(text), "'%.80s' unrecognized", request->method);
        reply_traceback(session, "AssertionError", text);
    }
    if (closing) session->state = SESSION_CLOSING;
}

/* --- calls of objects --- */

/* Makes a proxy for a new object that a method returned. */
static void reply_proxy(prong_call *call) {
    struct prong_server *server = call->inner->server;
    const struct type *type = type_by_name(server, call->inner->returns);
    struct managed *made = NULL;
    prong_value exposed, token, pair;
    prong_status status = type ? object_new(server, type, &made)
                               : fail(PRONG_INVALID, "method %s returns a type %s, which is not registered",
                                      call->method, call->inner->returns);
    if (status < 0) {
        reply_failed(call->inner->session, status, "RuntimeError");
        return;
    }
    made->state = call->inner->made;
    made->refs = 1;
    status = exposed_methods(server, type, &exposed);
    if (status >= 0)
        status = token_to_value(server->scratch, made->type->given.name, server->address, made->id, &token);
    if (status >= 0) status = prong_build(server->scratch, &pair, "(vv)", exposed, token);
    if (status >= 0) status = client_hold(call->inner->session->client, made->id);
    if (status < 0) {
        reply_failed(call->inner->session, status, "RuntimeError");
        object_release(server, made);
        return;
    }
    session_reply(call->inner->session, "#PROXY", pair);
}

static void finish_call(prong_call *call, prong_status status) {
    struct session *session = call->inner->session;
    if (call->inner->outcome == CALL_PARKED) return;
    if (call->inner->outcome == CALL_OPEN && status < 0) {
        const char *name = status == PRONG_NO_MEMORY                                             ? "MemoryError"
                           : status == PRONG_INVALID && !call->inner->object->type->given.create ? "TypeError"
                                                                                                 : "RuntimeError";
        char text[400];
        snprintf(text, sizeof(text), "%s", prong_error_message());
        call_raise(call, name, "%s", text);
    }
    if (call->inner->outcome == CALL_PROXY)
        reply_proxy(call);
    else if (call->inner->outcome == CALL_RAISED)
        session_reply(session, "#ERROR", call->inner->result);
    else if (call->inner->outcome == CALL_UNRAISED)
        reply_failed(session, PRONG_NO_MEMORY, NULL);
    else
        session_reply(session, "#RETURN",
                      call->inner->outcome == CALL_RETURNED ? call->inner->result : prong_make_null());
}

/* Methods that every object has, although they are not exposed. */
static bool request_fallback(prong_call *call) {
    struct managed *object = call->inner->object;
    prong_document *scratch = call->document;
    prong_status status = PRONG_OK;
    if (!strcmp(call->method, "#GETVALUE")) {
        prong_value value = prong_make_null();
        if (object->type->value)
            status = object->type->value(object, scratch, &value);
        else if (object->type->given.represent)
            status = object->type->given.represent(object->state, scratch, &value);
        else if (object->type->describe)
            status = fail(PRONG_INVALID, "cannot pickle '%s' object", object->type->given.name);
        if (status < 0)
            reply_traceback(call->inner->session, "TypeError", prong_error_message());
        else
            session_reply(call->inner->session, "#RETURN", value);
        return true;
    }
    if (strcmp(call->method, "__str__") && strcmp(call->method, "__repr__")) return false;
    enum { TEXT_MAX = 65536 }; /* longer texts are cut */
    char *text = document_take(scratch, TEXT_MAX);
    prong_value value;
    if (text) {
        request_describe(object, scratch, text, TEXT_MAX);
        utf8_repair(text);
    }
    status = text ? prong_make_str(scratch, text, PRONG_TO_NUL, &value) : PRONG_NO_MEMORY;
    if (status < 0)
        reply_failed(call->inner->session, status, "RuntimeError");
    else
        session_reply(call->inner->session, "#RETURN", value);
    return true;
}

static void not_exposed(struct session *session, const struct managed *object, const char *method) {
    char text[160];
    snprintf(text, sizeof(text), "method '%.60s' of '%.40s' object is not exposed", method, object->type->given.name);
    reply_traceback(session, "AttributeError", text);
}

static void call_object(struct session *session, const struct request *request) {
    struct prong_server *server = session->server;
    uint64_t id = 0;
    struct managed *object = ident_from_value(request->ident, &id) ? NULL : object_by_id(server, id);
    if (!object) {
        char text[80];
        prong_value_repr(request->ident, text, sizeof(text), NULL);
        reply_traceback(session, "KeyError", text);
        return;
    }
    struct prong_call_inner inner = {.server = server, .session = session, .object = object};
    prong_call call = call_begin(&inner, request->method, request->args, request->kwds);
    const prong_method_entry *entry = object->type->given.methods;
    while (entry->name && strcmp(entry->name, request->method)) entry++;
    object_retain(object); /* a method may drop the last other reference */
    if (entry->name) {
        inner.returns = entry->returns;
        finish_call(&call, entry->method(&call));
    } else if (!request_fallback(&call)) {
        not_exposed(session, object, request->method);
    }
    object_release(server, object);
}

/* --- all --- */

static prong_status read_request(prong_value message, struct request *request) {
    prong_status status =
        prong_scan(message, "(vsvv)", &request->ident, &request->method, &request->args, &request->kwds);
    prong_kind args = prong_value_kind(request->args);
    if (status >= 0 && (args != PRONG_KIND_TUPLE || prong_value_kind(request->kwds) != PRONG_KIND_DICT))
        return fail_text(PRONG_INVALID, "a request is (ident, method, args, kwds)");
    return status;
}

static void request_failed(struct session *session, prong_status status) {
    reply_failed(session, status, "UnpicklingError");
    if (session->state == SESSION_FRESH) session->state = SESSION_CLOSING;
}

void request_do(struct session *session, prong_status status, prong_value message) {
    struct request request = {.method = ""};
    if (status >= 0) status = read_request(message, &request);
    if (status < 0)
        request_failed(session, status);
    else if (prong_value_kind(request.ident) == PRONG_KIND_NULL || session->state == SESSION_FRESH)
        request_serve(session, &request);
    else
        call_object(session, &request);
}

void request_handle(struct session *session, const void *data, size_t size) {
    struct prong_server *server = session->server;
    prong_value message;
    if (session->link && size > READ_AT_ONCE) {
        prong_status status = decoding_begin(session, data, size);
        if (status < 0) request_failed(session, status);
        return;
    }
    prong_unpickle_options options = request_options(server, size);
    prong_status status = prong_pickle_loads(server->scratch, data, size, &message, &options);
    request_do(session, status, message);
}
