/* Proxies: objects made on a server, their calls, and proxies as values. */
#include "base/error.h"
#include "manager/client/caller.h"
#include "manager/token.h"
#include "value/node.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const prong_time CALL_WITHIN = PRONG_SECONDS(60), ANSWER_WITHIN = PRONG_SECONDS(10);

/* --- creating --- */

/* (type, *arguments), as the server's own method create() gets them. */
static prong_status with_type(prong_document *scratch, const char *type, prong_value *arguments) {
    prong_value all, one;
    TRY(prong_build(scratch, &all, "[s]", type));
    for (size_t at = 0; prong_value_next(*arguments, &at, NULL, &one);) TRY(prong_list_append(scratch, all, one));
    return prong_make_tuple(scratch, value_list(all)->items, value_list(all)->count, arguments);
}

prong_status prong_proxy_create(prong_proxy *proxy, prong_manager handle, const char *type, prong_time timeout,
                                const char *format, ...) {
    struct manager *manager;
    prong_document *scratch;
    prong_value result = {0}, ident = {0};
    struct request_parts request = {.to_server = true, .method = "create"};
    uint64_t id = 0;
    prong_status status = manager_find(handle, &manager);
    if (status >= 0 && strlen(type) >= sizeof(proxy->type))
        status = fail(PRONG_TOO_LONG, "type \"%.60s\": the name is too long", type);
    if (status >= 0) status = prong_document_open(&scratch, NULL);
    if (status < 0) return status;
    va_list list;
    va_start(list, format);
    status = value_build_call(scratch, &request.arguments, &request.keywords, format, list);
    va_end(list);
    if (status >= 0) status = with_type(scratch, type, &request.arguments);
    if (status >= 0) status = manager_call(handle, manager, &request, scratch, &result, deadline_after(timeout));
    if (status >= 0) status = prong_scan(result, "(v.)", &ident);
    if (status >= 0) status = ident_from_value(ident, &id);
    if (status >= 0) {
        *proxy = (prong_proxy){.manager = handle, .id = id};
        snprintf(proxy->type, sizeof(proxy->type), "%s", type);
    }
    prong_document_close(scratch);
    return status;
}

/* --- calls --- */

prong_status prong_proxy_call(prong_proxy proxy, const char *method, prong_document *document, prong_value *result,
                              prong_time timeout, const char *format, ...) {
    struct manager *manager;
    prong_document *own = NULL;
    prong_value ignored;
    struct request_parts request = {.id = proxy.id, .method = method};
    if (result && !document) return fail_text(PRONG_INVALID, "call: a result needs a document to lie in");
    TRY(manager_find(proxy.manager, &manager));
    if (!document) TRY(prong_document_open(&own, NULL));
    if (own) document = own;
    va_list list;
    va_start(list, format);
    prong_status status = value_build_call(document, &request.arguments, &request.keywords, format, list);
    va_end(list);
    if (status >= 0)
        status = manager_call(proxy.manager, manager, &request, document, result ? result : &ignored,
                              deadline_after(timeout));
    prong_document_close(own);
    return status;
}

static prong_status count_reference(prong_proxy proxy, const char *method) {
    struct manager *manager;
    prong_document *scratch;
    prong_value ignored;
    prong_value ident;
    struct request_parts request = {.to_server = true, .method = method};
    TRY(manager_find(proxy.manager, &manager));
    TRY(prong_document_open(&scratch, NULL));
    prong_status status = ident_to_value(scratch, proxy.id, &ident);
    if (status >= 0) status = prong_build(scratch, &request.arguments, "(v)", ident);
    if (status >= 0)
        status = manager_call(proxy.manager, manager, &request, scratch, &ignored, deadline_after(CALL_WITHIN));
    prong_document_close(scratch);
    return status;
}

prong_status prong_proxy_incref(prong_proxy proxy) {
    return count_reference(proxy, "incref");
}
prong_status prong_proxy_decref(prong_proxy proxy) {
    return count_reference(proxy, "decref");
}

/* --- what is called often --- */

/* The server waits for the timeout; the call waits a little longer, for the answer. */
static prong_time proxy_patience(prong_time timeout) {
    return timeout > PRONG_FOREVER - ANSWER_WITHIN ? PRONG_FOREVER : (timeout < 0 ? 0 : timeout) + ANSWER_WITHIN;
}

prong_status prong_proxy_acquire(prong_proxy lock, prong_time timeout) {
    prong_document *scratch;
    prong_value result;
    bool taken = false;
    prong_status status = prong_document_open(&scratch, NULL);
    if (status < 0) return status;
    if (timeout == PRONG_FOREVER)
        status = prong_proxy_call(lock, "acquire", scratch, &result, PRONG_FOREVER, "(b)", 1);
    else if (timeout <= 0)
        status = prong_proxy_call(lock, "acquire", scratch, &result, proxy_patience(0), "(b)", 0);
    else
        status = prong_proxy_call(lock, "acquire", scratch, &result, proxy_patience(timeout), "(bd)", 1,
                                  (double)timeout / 1e9);
    if (status >= 0) status = prong_get_bool(result, &taken);
    prong_document_close(scratch);
    if (status < 0 || taken) return status;
    return fail_text(PRONG_TIMEOUT, "the lock was not free in the time given");
}

prong_status prong_proxy_release(prong_proxy lock) {
    return prong_proxy_call(lock, "release", NULL, NULL, CALL_WITHIN, "()");
}

prong_status prong_proxy_put(prong_proxy queue, prong_value item, prong_time timeout) {
    if (timeout == PRONG_FOREVER) return prong_proxy_call(queue, "put", NULL, NULL, PRONG_FOREVER, "(v)", item);
    if (timeout <= 0) return prong_proxy_call(queue, "put", NULL, NULL, proxy_patience(0), "(vb)", item, 0);
    return prong_proxy_call(queue, "put", NULL, NULL, proxy_patience(timeout), "(vbd)", item, 1, (double)timeout / 1e9);
}

prong_status prong_proxy_get(prong_proxy queue, prong_document *document, prong_value *item, prong_time timeout) {
    if (timeout == PRONG_FOREVER) return prong_proxy_call(queue, "get", document, item, PRONG_FOREVER, "()");
    if (timeout <= 0) return prong_proxy_call(queue, "get", document, item, proxy_patience(0), "(b)", 0);
    return prong_proxy_call(queue, "get", document, item, proxy_patience(timeout), "(bd)", 1, (double)timeout / 1e9);
}

/* --- as values: RebuildProxy(class, Token(type, address, id), "pickle", {}) --- */

static const char *proxy_class(const char *type) {
    static const struct {
        const char *type, *class;
    } classes[] = {{"list", "ListProxy"},
                   {"dict", "DictProxy"},
                   {"Namespace", "NamespaceProxy"},
                   {"Lock", "AcquirerProxy"},
                   {"RLock", "AcquirerProxy"},
                   {"Semaphore", "AcquirerProxy"},
                   {"BoundedSemaphore", "AcquirerProxy"},
                   {"Condition", "ConditionProxy"},
                   {"Event", "EventProxy"},
                   {"Barrier", "BarrierProxy"},
                   {"Value", "ValueProxy"},
                   {"Array", "ArrayProxy"},
                   {"Iterator", "IteratorProxy"}};
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
        if (!strcmp(classes[i].type, type)) return classes[i].class;
    return "AutoProxy"; /* asks the server for the methods */
}

prong_status prong_proxy_to_value(prong_proxy proxy, prong_document *document, prong_value *value) {
    struct manager *manager;
    prong_value token, class;
    prong_status status = manager_find(proxy.manager, &manager);
    if (status >= 0) status = token_to_value(document, proxy.type, manager->reach.address, proxy.id, &token);
    if (status >= 0) status = prong_build(document, &class, "C", "multiprocessing.managers", proxy_class(proxy.type));
    prong_object rebuild = {.module = "multiprocessing.managers", .name = "RebuildProxy"};
    if (status >= 0) status = prong_build(document, &rebuild.arguments, "(vvs{})", class, token, "pickle");
    return status < 0 ? status : prong_make_object(document, &rebuild, value);
}

/* A token is in a proxy's arguments, or in a "#PROXY" reply: (exposed, token). */
static prong_status find_token(prong_value value, prong_value *token) {
    prong_object view;
    if (prong_value_is(value, "multiprocessing.managers", "RebuildProxy")) {
        prong_get_object(value, &view);
        return prong_list_get(view.arguments, 1, token);
    }
    if (prong_value_kind(value) == PRONG_KIND_TUPLE) return prong_scan(value, "(.v)", token);
    return expected("a proxy", value);
}

prong_status prong_proxy_from_value(prong_proxy *proxy, prong_manager handle, prong_value value) {
    struct manager *manager;
    prong_value named = {0};
    struct token token;
    prong_status status = manager_find(handle, &manager);
    if (status >= 0) status = find_token(value, &named);
    if (status >= 0) status = token_from_value(named, &token);
    if (status < 0) return fail_again(status, "proxy");
    if (!address_same(token.address, manager->reach.address))
        return fail(PRONG_INVALID, "proxy: it is of the server at %s, not of the one at %s", token.address,
                    manager->reach.address);
    if (strlen(token.type) >= sizeof(proxy->type))
        return fail(PRONG_TOO_LONG, "proxy: a type's name of %zu bytes", strlen(token.type));
    *proxy = (prong_proxy){.manager = handle, .id = token.id};
    snprintf(proxy->type, sizeof(proxy->type), "%s", token.type);
    return PRONG_OK;
}
