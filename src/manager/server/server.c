/* The server's loop: one poller over its socket, its sessions, its clients' processes and what stops it. */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/periods.h"
#include "manager/server/server.h"
#include "net/listener.h"
#include "os/os.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const prong_time LOOK_EVERY = PRONG_SECONDS(1); /* for what no event tells of */

enum { CLIENTS = 4096, OBJECTS = 1000000, FIRST_SLOTS = 64 };
static const size_t MESSAGE_MAX = 256 << 20;

/* --- opening and closing --- */

static size_t half_of_memory(void) {
    return (size_t)sysconf(_SC_PHYS_PAGES) / 2 * (size_t)sysconf(_SC_PAGESIZE);
}

/* "@prong-…": a unique name, of which nothing is left behind. */
static void own_address(char address[ADDRESS_TEXT]) {
    snprintf(address, ADDRESS_TEXT, "@prong-%d-%016llx", (int)getpid(), (unsigned long long)os_random());
}

static void set_defaults(prong_server *server) {
    prong_server_options *o = &server->options;
    if (!o->max_memory) o->max_memory = half_of_memory();
    if (!o->max_request) o->max_request = half_of_memory() / 4;
    if (!o->max_clients) o->max_clients = CLIENTS;
    if (!o->max_objects) o->max_objects = OBJECTS;
    if (!o->link.max_message) o->link.max_message = MESSAGE_MAX;
}

static prong_status server_watch_descriptor(prong_server *server, int descriptor, void *what) {
    uint64_t tag = (uintptr_t)what;
    if (os_poller_add(server->poller, descriptor, OS_POLLER_IN, tag) < 0) return fail_errno("server: poller");
    return PRONG_OK;
}

static prong_status open_descriptors(prong_server *server) {
    server->poller = os_poller_create();
    server->stopper = os_wakeup_create();
    if (server->poller < 0 || server->stopper < 0) return fail_errno("server: poller");
    char address[ADDRESS_TEXT];
    own_address(address);
    int backlog = server->options.link.backlog ? server->options.link.backlog : 1024;
    prong_status status = listen_at(server->options.address ? server->options.address : address, backlog,
                                    &server->socket, server->address, server->path);
    if (status >= 0) status = server_watch_descriptor(server, server->socket, &server->socket);
    if (status >= 0) status = server_watch_descriptor(server, server->stopper, &server->stopper);
    server->accepting = true;
    return status;
}

prong_status prong_server_open(prong_server **server, const prong_server_options *options) {
    if (!options || (!options->link.authkey && !options->open))
        return fail_text(PRONG_INVALID, "server: an authkey is needed (or `open`, for all who can connect)");
    CHECK_RESERVED(options, "server: options");
    TRY(link_check_options(&options->link, "server: link options", "server: authkey"));
    prong_server *made = calloc(1, sizeof(*made));
    if (!made) return fail_text(PRONG_NO_MEMORY, "server: no memory");
    made->socket = made->poller = made->stopper = made->watch.doorbell = made->notifier.socket = -1;
    made->notifier.watchdog = PRONG_FOREVER;
    made->look_pause = LOOK_EVERY;
    made->options = *options;
    made->options.link.authkey = NULL; /* until there is a copy: closing frees it */
    /* Random, so that an ident of an earlier server at this address is not taken for one of this server's. It looks
     * like Python's. */
    made->next_id = 7ull << 44 | (os_random() >> 20 & ~15ull);
    made->last_decoding = &made->decodings;
    made->spin.span = SPIN_LONGEST;
    made->objects = calloc(FIRST_SLOTS, sizeof(*made->objects));
    made->object_slots = FIRST_SLOTS;
    prong_status status = made->objects ? keep_options(&made->options.link, &options->link)
                                        : fail_text(PRONG_NO_MEMORY, "server: no memory");
    set_defaults(made);
    prong_document_options scratch = {.max_memory = made->options.max_request};
    if (status >= 0) status = prong_document_open(&made->scratch, &scratch);
    if (status >= 0) status = tls_context_new(&made->tls, options->link.tls, true);
    if (status >= 0) status = open_descriptors(made);
    if (status < 0) {
        prong_server_close(made);
        return status;
    }
    *server = made;
    return PRONG_OK;
}

static void close_descriptor(int descriptor) {
    if (descriptor >= 0) close(descriptor);
}

prong_status prong_server_close(prong_server *server) {
    if (!server) return PRONG_OK;
    while (server->sessions) session_close(server->sessions);
    sessions_sweep(server);
    clients_free(server);
    objects_free(server);
    family_requests_close(server);
    notify_end(&server->notifier);
    close_descriptor(server->socket);
    close_descriptor(server->poller);
    close_descriptor(server->stopper);
    prong_status status = remove_path(server->path);
    for (struct type *type = server->types, *next; type; type = next) {
        next = type->next;
        free((char *)(uintptr_t)type->given.name);
        free(type);
    }
    prong_document_close(server->scratch);
    tls_context_free(server->tls);
    drop_options(&server->options.link);
    free(server->heap);
    map_free(&server->mailboxes);
    free(server);
    return status;
}

const char *prong_server_address(const prong_server *server) {
    return server->address;
}

void prong_server_stop(prong_server *server) {
    os_wakeup_set(server->stopper);
}

prong_status prong_server_register(prong_server *server, const prong_type_options *given) {
    if (!given->name || !*given->name || !given->methods)
        return fail_text(PRONG_INVALID, "type: a name and methods are needed");
    if (strlen(given->name) >= sizeof(((prong_proxy *)0)->type))
        return fail(PRONG_INVALID, "type \"%.60s\": the name is too long", given->name);
    CHECK_RESERVED(given, "type");
    for (const prong_method_entry *entry = given->methods; entry->name; entry++) CHECK_RESERVED(entry, "type: methods");
    if (type_by_name(server, given->name)) return fail(PRONG_EXISTS, "type \"%s\": there is one already", given->name);
    struct type *type = calloc(1, sizeof(*type));
    char *name = strdup(given->name);
    if (!type || !name) {
        free(type);
        free(name);
        return fail_text(PRONG_NO_MEMORY, "type: no memory");
    }
    type->given = *given;
    type->given.name = name;
    if (!given->create) type->given.destroy = NULL; /* the one object is the program's own */
    type->next = server->types;
    server->types = type;
    return PRONG_OK;
}

static prong_status make_shared(prong_server *server, const struct type *type, const char *format, va_list list,
                                struct managed **object) {
    struct prong_call_inner inner = {.server = server};
    prong_value arguments, keywords;
    prong_status status = value_build_call(server->scratch, &arguments, &keywords, format, list);
    if (status >= 0) status = object_new(server, type, &inner.object);
    if (status < 0) return status;
    inner.object->refs = 1; /* the server's own */
    prong_call call = call_begin(&inner, type->given.name, arguments, keywords);
    status = fill_object(&call);
    if (status >= 0 && inner.outcome == CALL_RAISED) {
        char text[300];
        prong_value_repr(inner.result, text, sizeof(text), NULL);
        status = fail(PRONG_INVALID, "%s", text);
    }
    if (status < 0)
        object_release(server, inner.object);
    else
        *object = inner.object;
    return status;
}

prong_status prong_server_share(prong_server *server, const char *name, const char *type_name, const char *format,
                                ...) {
    const struct type *type = type_by_name(server, type_name);
    if (!type || type->hidden || type->shared)
        return fail(PRONG_NOT_FOUND, "share: there is no type \"%s\"", type_name);
    prong_type_options alias = {.name = name, .methods = type->given.methods};
    TRY(prong_server_register(server, &alias));
    va_list list;
    va_start(list, format);
    prong_status status = make_shared(server, type, format, list, &server->types->shared);
    va_end(list);
    prong_document_reset(server->scratch);
    if (status >= 0) return PRONG_OK;
    struct type *registered = server->types;
    server->types = registered->next;
    free((char *)(uintptr_t)registered->given.name);
    free(registered);
    return fail_again(status, "share \"%s\"", name);
}

/* --- serving --- */

static void stop_accepting(prong_server *server) {
    if (!server->accepting) return;
    os_poller_remove(server->poller, server->socket);
    server->accepting = false;
}

/* Of the sessions that are not authenticated yet, the one that has taken longest. */
static bool drop_a_handshake(prong_server *server) {
    struct session *oldest = NULL;
    for (struct session *session = server->sessions; session; session = session->next)
        if (session->state == SESSION_HANDSHAKE && (!oldest || session->deadline < oldest->deadline)) oldest = session;
    if (oldest) session_close(oldest);
    return oldest != NULL;
}

static void accept_all(prong_server *server) {
    enum { TURN = 64 };
    for (int turn = 0; turn < TURN; turn++) {
        prong_link *link;
        struct session *session;
        if (server->session_count >= server->options.max_clients && !drop_a_handshake(server)) {
            stop_accepting(server);
            return;
        }
        prong_status status = accept_at(server->socket, &server->options.link, server->tls, &link);
        if (status == PRONG_TIMEOUT) return;
        if (status == PRONG_BROKEN_PIPE) continue; /* it has hung up */
        if (status == PRONG_NO_DESCRIPTORS && drop_a_handshake(server)) continue;
        if (status < 0) {
            stop_accepting(server); /* until a session ends, or a second has passed */
            return;
        }
        if (!session_new(server, link, &session)) session_progress(session);
    }
}

static void accept_again(prong_server *server) {
    if (server->accepting || server->session_count >= server->options.max_clients) return;
    server->accepting = server_watch_descriptor(server, server->socket, &server->socket) == PRONG_OK;
}

static void drain_stopper(prong_server *server) {
    if (os_wakeup_take(server->stopper)) server->stopped = true;
}

static void handle_event(prong_server *server, const struct os_poller_event *event) {
    void *what = (void *)(uintptr_t)(event->tag & ~(uint64_t)1);
    if (what == &server->socket) {
        accept_all(server);
    } else if (what == &server->stopper) {
        drain_stopper(server);
    } else if (what == &server->requests) {
        family_requests_rung(server);
    } else if (event->tag & 1) {
        client_ended(server, what);
    } else {
        struct session *session = what;
        if (session->closed) return;
        if (session->parked && event->events & (OS_POLLER_ENDED | OS_POLLER_BROKEN)) session->lost = true;
        if (session->decoding && event->events & OS_POLLER_BROKEN) session->lost = true;
        session_progress(session);
    }
}

static void run_runnable(prong_server *server) {
    struct session *list = server->runnable;
    server->runnable = NULL;
    for (struct session *session = list, *next; session; session = next) {
        next = session->next_runnable;
        session->runnable = false;
        if (session->closed) continue;
        if (session->link)
            session_progress(session);
        else if (session->lost)
            session_close(session);
    }
}

/* Whether something may be over of which no event tells. */
static bool server_looks(const prong_server *server) {
    return server->limbo || !server->accepting || server->looks_at_clients || family_requests_may_not_ring(server);
}

/* Without that, a server of a family looks all the same, for a request whose sender was the first that could not ring, for lack of
 * a descriptor or of buffers: the longer nothing has happened, the more seldom. */
static prong_time server_look_pause(const prong_server *server) {
    if (server_looks(server)) return LOOK_EVERY;
    return server->look_pause < LOOKOUT_NAP_MOST ? 2 * server->look_pause : LOOKOUT_NAP_MOST;
}

static void look_in(prong_server *server, prong_time pause) {
    server->look_pause = pause;
    server->look_at = deadline_after(pause);
}

static void look_around(prong_server *server, bool is_idle) {
    if (server->look_pause > LOOK_EVERY && (!is_idle || server_looks(server))) look_in(server, LOOK_EVERY);
    if (!deadline_passed(server->look_at)) return;
    objects_look(server);
    clients_look(server);
    accept_again(server);
    look_in(server, is_idle ? server_look_pause(server) : LOOK_EVERY);
}

/* What was swept since the last look may have left something to look for. */
static void look_soon_if_needed(prong_server *server) {
    if (server->look_pause > LOOK_EVERY && server_looks(server)) look_in(server, LOOK_EVERY);
}

static int how_long(const prong_server *server, deadline_t deadline) {
    if (server->runnable || server->decodings || server->stopped) return 0;
    if (server->heap_count && server->heap[0]->deadline < deadline) deadline = server->heap[0]->deadline;
    bool looks = server->in_family || server_looks(server);
    if (looks && server->look_at < deadline) deadline = server->look_at;
    if (server->notifier.watchdog < deadline) deadline = server->notifier.watchdog;
    if (server->in_family) deadline = watch_within(&server->watch, deadline);
    return deadline_poll_ms(deadline);
}

/* Whether anything has come, by socket or in the family. */
static bool server_event_has_come(void *context) {
    prong_server *server = context;
    if (family_requests_there(server)) return true;
    server->event_count = os_poller_wait(server->poller, server->events, SERVER_EVENTS, 0);
    return server->event_count != 0;
}

/* Waits for something to do; the sockets' events are in server->events. Sockets are checked in each round: members of
 * the family that send requests without a pause must not delay all others, nor a request to stop. */
static prong_status server_await_events(prong_server *server, deadline_t deadline) {
    server->event_count = 0;
    look_soon_if_needed(server);
    int wait = how_long(server, deadline);
    if (wait && spin(&server->spin, server_event_has_come, server)) wait = 0;
    if (wait) family_requests_arm(server);
    if (family_requests_there(server)) wait = 0;
    if (server->event_count == 0)
        server->event_count = os_poller_wait(server->poller, server->events, SERVER_EVENTS, wait);
    if (server->event_count < 0 && errno != EINTR) return fail_errno("server: poller");
    return PRONG_OK;
}

/* It listens since it was opened. */
static prong_status server_tell_ready(prong_server *server) {
    if (!server->options.notify || server->notifies) return PRONG_OK;
    TRY(notify_begin(&server->notifier));
    server->notifies = true;
    notify_send(&server->notifier, "READY=1\nSTATUS=serves at %s", server->address);
    return PRONG_OK;
}

prong_status prong_server_run(prong_server *server, prong_time timeout) {
    deadline_t deadline = deadline_after(timeout);
    TRY(server_tell_ready(server));
    family_requests_open(server);
    while (!server->stopped) {
        prong_status status = server_await_events(server, deadline);
        if (status < 0) return status;
        bool is_idle = server->event_count <= 0;
        for (int i = 0; i < server->event_count; i++) handle_event(server, &server->events[i]);
        if (server->in_family && family_requests_handle(server)) is_idle = false;
        run_runnable(server);
        decodings_go(server);
        server_deadlines(server);
        look_around(server, is_idle);
        sessions_sweep(server);
        clients_sweep(server);
        prong_document_reset(server->scratch);
        notify_watchdog(&server->notifier);
        if (deadline_passed(deadline) && !server->stopped) return fail_text(PRONG_TIMEOUT, "the server's time is up");
    }
    notify_send(&server->notifier, "STOPPING=1");
    return PRONG_OK;
}
