/* Calls to servers. Each thread has a connection of its own to each manager it uses: so a call that waits does not
 * delay other threads, and locks belong to the thread that took them. A forked child makes connections of its own. */
#include "base/error.h"
#include "base/periods.h"
#include "channel/queue.h"
#include "family/member.h"
#include "manager/family_request.h"
#include "manager/client/caller.h"
#include "manager/token.h"
#include "net/link.h"
#include "os/os.h"
#include "process/process.h"
#include "value/classes.h"
#include "value/document.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const prong_time CONNECT_WITHIN = PRONG_SECONDS(20);

struct caller {
    struct caller *next;
    prong_manager manager;
    uint32_t member;     /* the token that this process had then, as a pid may be used again */
    prong_link *link;    /* or, in the family: */
    prong_queue mailbox; /* … */
    prong_queue requests;
    prong_process server;
    uint64_t pid_namespace;
    bool wanted; /* the mailbox was told to the server */
    prong_document *scratch;
};

static _Thread_local struct caller *callers;
static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool same_manager(prong_manager a, prong_manager b) {
    return a.offset == b.offset && a.generation == b.generation;
}

/* --- coming and going --- */

static struct family_request caller_header(const struct caller *caller) {
    return (struct family_request){
        .mailbox = caller->mailbox, .pid_namespace = caller->pid_namespace, .member = caller->member, .pid = getpid()};
}

/* The server then destroys the mailbox, unless it has died. */
static void say_leaving(const struct caller *caller) {
    struct family_request request = caller_header(caller);
    request.leaves = 1;
    if (!caller->wanted || !process_is_alive(caller->server) ||
        prong_queue_put(caller->requests, &request, sizeof(request), PRONG_NOWAIT) < 0)
        prong_queue_destroy(caller->mailbox);
}

static void caller_free(struct caller *caller) {
    bool own = caller->member == self_token();
    prong_link_close(caller->link);
    if (own && caller->mailbox.offset) say_leaving(caller);
    prong_document_close(caller->scratch);
    free(caller);
}

static void leave_all(void *first) {
    for (struct caller *caller = first, *next; caller; caller = next) {
        next = caller->next;
        caller_free(caller);
    }
    callers = NULL;
}

static void caller_make_key(void) {
    pthread_key_create(&at_exit, leave_all);
}

static void caller_forget(struct caller *caller) {
    struct caller **place = &callers;
    while (*place != caller) place = &(*place)->next;
    *place = caller->next;
    pthread_setspecific(at_exit, callers);
    caller_free(caller);
}

void manager_leave(prong_manager handle) {
    for (struct caller *caller = callers; caller; caller = caller->next)
        if (same_manager(caller->manager, handle)) {
            caller_forget(caller);
            return;
        }
}

void manager_drain(prong_queue requests) {
    struct family_request request;
    prong_message message;
    while (prong_queue_receive(requests, &message, PRONG_NOWAIT) >= 0) {
        if (message.size >= sizeof(request)) {
            memcpy(&request, message.data, sizeof(request));
            if (request.leaves) prong_queue_destroy(request.mailbox);
        }
        prong_message_release(&message);
    }
}

/* --- requests and replies --- */

static prong_status write_request(prong_document *scratch, const struct request_parts *parts, prong_pickle *pickle) {
    prong_value ident = prong_make_null(), request, keywords = parts->keywords;
    prong_pickle_options options = {.protocol = 4};
    prong_status status = PRONG_OK;
    if (!parts->to_server) status = ident_to_value(scratch, parts->id, &ident);
    if (status >= 0 && prong_value_kind(keywords) == PRONG_KIND_NULL)
        status = prong_make_dict(scratch, NULL, 0, &keywords);
    if (status >= 0)
        status = prong_build(scratch, &request, "(vsvv)", ident, parts->method, parts->arguments, keywords);
    return status < 0 ? status : prong_pickle_dumps(scratch, request, pickle, &options);
}

/* The status for an exception. */
static prong_status status_of(prong_value exception) {
    static const struct {
        const char *name;
        prong_status status;
    } known[] = {{"Empty", PRONG_EMPTY},
                 {"Full", PRONG_FULL},
                 {"KeyError", PRONG_NOT_FOUND},
                 {"IndexError", PRONG_NOT_FOUND},
                 {"AttributeError", PRONG_NOT_FOUND},
                 {"BrokenBarrierError", PRONG_BROKEN},
                 {"ShutDown", PRONG_SHUTDOWN},
                 {"MemoryError", PRONG_NO_MEMORY}};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (prong_value_is(exception, NULL, known[i].name)) return known[i].status;
    return PRONG_REMOTE_ERROR;
}

/* The last line of a traceback, which says what happened. */
static prong_status fail_by_traceback(const char *method, prong_value result) {
    const char *text = "";
    size_t size = 0;
    prong_get_str(result, &text, &size);
    while (size && text[size - 1] == '\n') size--;
    size_t from = size;
    while (from && text[from - 1] != '\n') from--;
    return fail(PRONG_REMOTE_ERROR, "%s: the server says: %.*s", method, (int)(size - from), text + from);
}

static prong_status fail_by_exception(const char *method, prong_value exception) {
    char text[400];
    prong_value_repr(exception, text, sizeof(text), NULL);
    return fail(status_of(exception), "%s: %s", method, text);
}

/* Exceptions of classes that a program defines are read as data. */
static prong_status read_reply(const char *method, const void *data, size_t size, prong_document *document,
                               prong_value *result) {
    prong_value reply;
    const char *kind = "";
    prong_status status = prong_pickle_loads(document, data, size, &reply, &ANY_CLASS);
    if (status >= 0) status = prong_scan(reply, "(sv)", &kind, result);
    if (status < 0) return fail_again(status, "%s: the server's reply", method);
    if (!strcmp(kind, "#RETURN") || !strcmp(kind, "#PROXY")) return PRONG_OK;
    return strcmp(kind, "#ERROR") ? fail_by_traceback(method, *result) : fail_by_exception(method, *result);
}

/* Memory for a short reply is allocated before the request is sent, so that after the server has acted the reply can be
 * read. */
static prong_status reserve_reply(prong_document *document) {
    enum { SHORT_REPLY = 512 };
    void *room = document_take(document, SHORT_REPLY);
    if (!room) return PRONG_NO_MEMORY;
    document_drop(document, room, SHORT_REPLY);
    return PRONG_OK;
}

static prong_status caller_exchange(prong_link *link, const struct request_parts *parts, prong_document *scratch,
                                    prong_document *document, prong_value *result, deadline_t deadline) {
    prong_pickle pickle;
    const void *data;
    size_t size;
    prong_status status = write_request(scratch, parts, &pickle);
    if (status >= 0) status = reserve_reply(document);
    if (status < 0) return status; /* nothing has been asked */
    status = prong_link_send_bytes(link, pickle.data, pickle.size, deadline_left(deadline));
    if (status >= 0) status = link_receive(link, 0, &data, &size, deadline_left(deadline));
    if (status < 0) {
        link->state = LINK_CUT; /* a reply may still come: nothing more can be asked here */
        return status;
    }
    return read_reply(parts->method, data, size, document, result);
}

/* --- by socket --- */

static prong_status link_to(const struct reach *reach, prong_link **link, deadline_t deadline) {
    prong_link_options options;
    prong_tls tls;
    reach_options(reach, &options, &tls);
    return link_connect(link, reach->address, &options, deadline_within(deadline, CONNECT_WITHIN), false);
}

/* The first time: the server may come up later. */
static prong_status link_to_new(const struct reach *reach, prong_link **link, deadline_t deadline) {
    prong_link_options options;
    prong_tls tls;
    reach_options(reach, &options, &tls);
    return link_connect(link, reach->address, &options, deadline, true);
}

/* A name that only this process has and nobody can guess: by it a prong server recognises the process's connections. A
 * forked child has the parent's secret, but is another process. */
static uint64_t own_identity(void) {
    static _Atomic uint64_t secret;
    uint64_t none = 0, drawn = os_random() | 1;
    if (!atomic_compare_exchange_strong(&secret, &none, drawn)) drawn = none;
    uint64_t process = (uint64_t)getpid() ^ os_pid_namespace() << 32;
    return drawn ^ process * 0x9e3779b97f4a7c15u ^ os_process_start_time(getpid()) * 0xd6e8feb86659fd93u;
}

/* Announces that calls of objects follow. Python's server takes the name for that of a thread. */
static prong_status caller_introduce(prong_link *link, prong_document *scratch, deadline_t deadline) {
    prong_value ignored;
    char name[40];
    struct request_parts hello = {.to_server = true, .method = "accept_connection"};
    snprintf(name, sizeof(name), CLIENT_NAME "%016llx", (unsigned long long)own_identity());
    TRY(prong_build(scratch, &hello.arguments, "(s)", name));
    return caller_exchange(link, &hello, scratch, scratch, &ignored, deadline);
}

prong_status manager_call_once(const struct reach *reach, const struct request_parts *request, bool *stateless,
                               prong_document *document, prong_value *result, deadline_t deadline) {
    prong_link *link;
    INTERRUPTIBLE;
    prong_status status = stateless ? link_to_new(reach, &link, deadline) : link_to(reach, &link, deadline);
    if (status < 0) return status;
    status = caller_exchange(link, request, document, document, result, deadline);
    prong_link_close(link);
    if (status < 0 || !stateless) return status;
    /* On a connection that calls objects a prong server answers the same request again; to Python's server it is a call
     * of an unknown object None. */
    status = link_to(reach, &link, deadline);
    if (status < 0) return status;
    status = caller_introduce(link, document, deadline);
    if (status >= 0) *stateless = caller_exchange(link, request, document, document, result, deadline) != PRONG_OK;
    prong_link_close(link);
    return status;
}

/* --- this thread's connection --- */

static prong_status open_caller(struct caller *caller, struct manager *manager, deadline_t deadline) {
    TRY(prong_document_open(&caller->scratch, NULL));
    if (manager->in_family) {
        caller->requests = manager->requests;
        caller->server = manager->process;
        caller->pid_namespace = os_pid_namespace();
        return queue_create_private(&caller->mailbox);
    }
    TRY(link_to(&manager->reach, &caller->link, deadline));
    return caller_introduce(caller->link, caller->scratch, deadline);
}

static prong_status find_caller(prong_manager handle, struct manager *manager, struct caller **found,
                                deadline_t deadline) {
    struct caller *caller = callers;
    TRY(family_enter());
    while (caller && !same_manager(caller->manager, handle)) caller = caller->next;
    if (caller && caller->member != self_token()) { /* it is the parent's */
        caller_forget(caller);
        caller = NULL;
    }
    *found = caller;
    if (caller) return PRONG_OK;
    pthread_once(&once, caller_make_key);
    caller = calloc(1, sizeof(*caller));
    if (!caller) return fail_text(PRONG_NO_MEMORY, "manager: no memory");
    caller->manager = handle;
    caller->member = self_token();
    prong_status status = open_caller(caller, manager, deadline);
    if (status < 0) {
        caller_free(caller);
        return status;
    }
    caller->next = callers;
    callers = caller;
    pthread_setspecific(at_exit, callers);
    *found = caller;
    return PRONG_OK;
}

/* --- in the family --- */

static prong_status put_request(struct caller *caller, const struct request_parts *parts) {
    struct family_request header = caller_header(caller);
    prong_pickle pickle;
    prong_message message;
    TRY(write_request(caller->scratch, parts, &pickle));
    TRY(prong_message_reserve(&message, sizeof(header) + pickle.size));
    memcpy(message.data, &header, sizeof(header));
    memcpy((char *)message.data + sizeof(header), pickle.data, pickle.size);
    prong_status status = prong_queue_commit(caller->requests, &message, PRONG_FOREVER);
    if (status < 0)
        prong_message_release(&message);
    else
        caller->wanted = true;
    return status;
}

/* A reply in the family. A short one is copied to in_line: that needs no allocation, which could fail after the server
 * has done what was asked. */
struct reply {
    char in_line[4096];
    prong_message message; /* or this one */
    const void *data;
    size_t size;
};

static prong_status take_reply(prong_queue mailbox, struct reply *reply, prong_time timeout) {
    prong_status status = prong_queue_get(mailbox, reply->in_line, sizeof(reply->in_line), &reply->size, timeout);
    reply->data = reply->in_line;
    if (status != PRONG_TOO_LONG) return status;
    status = prong_queue_receive(mailbox, &reply->message, PRONG_NOWAIT);
    reply->data = reply->message.data;
    reply->size = reply->message.size;
    return status;
}

static prong_status await_reply(struct caller *caller, const struct manager *manager, struct reply *reply,
                                deadline_t deadline) {
    for (;;) {
        prong_status status = take_reply(caller->mailbox, reply, deadline_left(deadline_within(deadline, DEAD_SERVER)));
        if (status != PRONG_EMPTY) return status;
        if (!process_is_alive(manager->process)) return fail_text(PRONG_BROKEN_PIPE, "the manager's server is gone");
        if (deadline_passed(deadline)) return fail_text(PRONG_TIMEOUT, "the manager's server did not answer in time");
        queue_sleep(caller->mailbox, deadline);
    }
}

static prong_status gone_or(prong_status status) {
    return status == PRONG_STALE || status == PRONG_SHUTDOWN
               ? fail_text(PRONG_BROKEN_PIPE, "the manager's server is gone")
               : status;
}

/* broken: a reply may still come, so that nothing more can be asked here. */
static prong_status call_in_family(struct caller *caller, struct manager *manager, const struct request_parts *request,
                                   prong_document *document, prong_value *result, deadline_t deadline, bool *broken) {
    struct reply reply;
    reply.message = (prong_message){0};
    prong_status status = reserve_reply(document);
    if (status >= 0) status = put_request(caller, request);
    *broken = status < 0 && status != PRONG_NO_MEMORY;
    if (status < 0) return gone_or(status);
    status = await_reply(caller, manager, &reply, deadline);
    *broken = status != PRONG_OK;
    if (status < 0) return gone_or(status);
    status = read_reply(request->method, reply.data, reply.size, document, result);
    if (reply.message.data) prong_message_release(&reply.message);
    return status;
}

prong_status manager_call(prong_manager handle, struct manager *manager, const struct request_parts *request,
                          prong_document *document, prong_value *result, deadline_t deadline) {
    if (request->to_server && manager->stateless)
        return manager_call_once(&manager->reach, request, NULL, document, result, deadline);
    struct caller *caller;
    bool broken = false;
    INTERRUPTIBLE;
    prong_status status = find_caller(handle, manager, &caller, deadline);
    if (status < 0) return status;
    if (caller->link) {
        status = caller_exchange(caller->link, request, caller->scratch, document, result, deadline);
        broken = caller->link->state == LINK_CUT;
    } else {
        status = call_in_family(caller, manager, request, document, result, deadline, &broken);
    }
    if (broken)
        caller_forget(caller); /* the server releases what this thread held */
    else
        prong_document_reset(caller->scratch);
    return status;
}
