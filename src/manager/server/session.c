/* Sessions: connections of clients. Each has at most one request at a time. The next one is read when the reply to the
 * last has been sent, so that the server never stores more than one reply for a client. */
#include "base/error.h"
#include "manager/family_request.h"
#include "manager/server/server.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const prong_time SESSION_HANDSHAKE_WITHIN = PRONG_SECONDS(10);

/* --- deadlines: a binary heap of the sessions that have one --- */

static void heap_put(struct prong_server *server, size_t place, struct session *session) {
    server->heap[place] = session;
    session->heap_place = place + 1;
}

static void sift_up(struct prong_server *server, size_t place) {
    struct session *session = server->heap[place];
    while (place && server->heap[(place - 1) / 2]->deadline > session->deadline) {
        heap_put(server, place, server->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    heap_put(server, place, session);
}

static void sift_down(struct prong_server *server, size_t place) {
    struct session *session = server->heap[place];
    for (size_t below; (below = place * 2 + 1) < server->heap_count; place = below) {
        if (below + 1 < server->heap_count && server->heap[below + 1]->deadline < server->heap[below]->deadline)
            below++;
        if (server->heap[below]->deadline >= session->deadline) break;
        heap_put(server, place, server->heap[below]);
    }
    heap_put(server, place, session);
}

/* There is room in the heap for every session: see session_list. */
void deadline_set(struct session *session, deadline_t deadline) {
    struct prong_server *server = session->server;
    deadline_clear(session);
    session->deadline = deadline;
    if (deadline == PRONG_FOREVER) return;
    heap_put(server, server->heap_count++, session);
    sift_up(server, server->heap_count - 1);
}

void deadline_clear(struct session *session) {
    struct prong_server *server = session->server;
    if (!session->heap_place) return;
    size_t place = session->heap_place - 1;
    session->heap_place = 0;
    struct session *last = server->heap[--server->heap_count];
    if (last == session) return;
    heap_put(server, place, last);
    sift_up(server, place);
    sift_down(server, last->heap_place - 1);
}

void server_deadlines(struct prong_server *server) {
    while (server->heap_count && deadline_passed(server->heap[0]->deadline)) {
        struct session *session = server->heap[0];
        deadline_clear(session);
        if (session->parked)
            session->timed_out(session);
        else
            session_close(session); /* its handshake took too long */
    }
}

/* --- making and closing --- */

static bool heap_has_room(struct prong_server *server) {
    if (server->session_count < server->heap_capacity) return true;
    size_t capacity = server->heap_capacity ? server->heap_capacity * 2 : 64;
    struct session **heap = realloc(server->heap, capacity * sizeof(*heap));
    if (!heap) return false;
    server->heap = heap;
    server->heap_capacity = capacity;
    return true;
}

static struct session *session_list(struct prong_server *server) {
    struct session *session = heap_has_room(server) ? calloc(1, sizeof(*session)) : NULL;
    if (!session) {
        fail_text(PRONG_NO_MEMORY, "server: no memory for a connection");
        return NULL;
    }
    session->server = server;
    session->next = server->sessions;
    session->place = &server->sessions;
    if (session->next) session->next->place = &session->next;
    server->sessions = session;
    server->session_count++;
    return session;
}

prong_status session_new(struct prong_server *server, prong_link *link, struct session **made) {
    struct session *session = session_list(server);
    if (!session) {
        prong_link_close(link);
        return PRONG_NO_MEMORY;
    }
    session->link = link;
    session->state = SESSION_HANDSHAKE;
    deadline_set(session, deadline_after(server->options.link.handshake_timeout ? server->options.link.handshake_timeout
                                                                                : SESSION_HANDSHAKE_WITHIN));
    session->watched = OS_POLLER_IN;
    if (os_poller_add(server->poller, link->source.descriptor, OS_POLLER_IN, (uintptr_t)session) < 0) {
        prong_status status = fail_errno("server: poller"); /* its events would not be noticed */
        session_close(session);
        return status;
    }
    *made = session;
    return PRONG_OK;
}

prong_status session_new_family(struct prong_server *server, const struct family_request *request,
                                struct session **made) {
    struct session *session = session_list(server);
    if (!session) return PRONG_NO_MEMORY;
    session->mailbox = request->mailbox;
    session->state = SESSION_SERVING;
    session->client = client_of_member(server, request);
    if (!session->client || !map_set(&server->mailboxes, session->mailbox.offset, (uintptr_t)session)) {
        session_close(session);
        return PRONG_NO_MEMORY;
    }
    *made = session;
    return PRONG_OK;
}

/* Removes it from what it waited for, and releases what it held. */
void session_close(struct session *session) {
    struct prong_server *server = session->server;
    if (session->closed) return;
    session->closed = true;
    deadline_clear(session);
    decoding_drop(session);
    if (session->parked) {
        waiter_remove(session);
        session->parked = false;
        if (session->gone) session->gone(session);
        object_release(server, session->object);
    }
    bool process_lives = session->client && client_lives(session->client);
    holds_give_back(server, &session->holds, process_lives ? session->client : NULL);
    if (session->client) client_leave(server, session->client);
    *session->place = session->next;
    if (session->next) session->next->place = session->place;
    server->session_count--;
    if (session->link) prong_link_close(session->link);
    if (!session->link && session->mailbox.offset) {
        map_remove(&server->mailboxes, session->mailbox.offset);
        prong_queue_destroy(session->mailbox);
    }
    session->next = server->closed_sessions;
    server->closed_sessions = session;
}

/* Frees closed sessions, after everything that may still refer to them has been handled. */
void sessions_sweep(struct prong_server *server) {
    for (struct session **place = &server->runnable; *place;)
        if ((*place)->closed)
            *place = (*place)->next_runnable;
        else
            place = &(*place)->next_runnable;
    for (struct session *session = server->closed_sessions, *next; session; session = next) {
        next = session->next;
        free(session);
    }
    server->closed_sessions = NULL;
}

/* --- replies --- */

void session_run_later(struct session *session) {
    if (session->runnable) return;
    session->runnable = true;
    session->next_runnable = session->server->runnable;
    session->server->runnable = session;
}

static void session_watch(struct session *session) {
    uint32_t events = OS_POLLER_IN;
    if (link_unwritten(session->link)) events = OS_POLLER_OUT; /* first the reply */
    if (session->link->wants_write) events |= OS_POLLER_OUT;
    if (session->parked) events = OS_POLLER_ENDED; /* its next request can wait; its end cannot */
    if (session->decoding) events = 0;             /* it may have ended its side, but not be gone */
    if (events == session->watched) return;
    session->watched = events;
    os_poller_change(session->server->poller, session->link->source.descriptor, events, (uintptr_t)session);
}

static bool session_deliver(struct session *session, prong_pickle pickle) {
    prong_status status = session->link ? link_put(session->link, pickle.data, pickle.size)
                                        : prong_queue_put(session->mailbox, pickle.data, pickle.size, PRONG_NOWAIT);
    if (status < 0 && status != PRONG_TIMEOUT) session->lost = true;
    return !session->lost;
}

bool session_reply(struct session *session, const char *kind, prong_value value) {
    prong_document *scratch = session->server->scratch;
    prong_value reply;
    prong_pickle pickle;
    prong_pickle_options options = {.protocol = 4};
    prong_status status = prong_build(scratch, &reply, "(sv)", kind, value);
    if (status >= 0) status = prong_pickle_dumps(scratch, reply, &pickle, &options);
    if (status < 0) { /* a reply that cannot be sent is replaced by its error */
        char text[300];
        snprintf(text, sizeof(text), "Traceback: the reply cannot be written: %s\n", prong_error_message());
        status = prong_build(scratch, &reply, "(ss)", "#UNSERIALIZABLE", text);
        if (status >= 0) status = prong_pickle_dumps(scratch, reply, &pickle, &options);
    }
    if (status >= 0) return session_deliver(session, pickle);
    session->lost = true;
    return false;
}

/* --- going on --- */

static void session_enter(struct session *session) {
    session->state = SESSION_FRESH;
    deadline_clear(session);
    session->client = client_of_link(session->server, session->link);
    if (!session->client) session->lost = true;
}

/* Handles one message, if a whole one is there; false: not now, or never again. */
static bool one_request(struct session *session) {
    const void *data;
    size_t size;
    if (session->lost || session->parked || session->decoding || session->state == SESSION_CLOSING ||
        link_unwritten(session->link))
        return false;
    prong_status status = link_take(session->link, 0, &data, &size);
    if (status < 0) {
        session->lost = status != PRONG_TIMEOUT;
        return false;
    }
    request_handle(session, data, size);
    prong_document_reset(session->server->scratch);
    return !session->decoding;
}

/* Reads once: the poller, or the next round, sees what is left. */
static void read_more(struct session *session) {
    if (session->lost || session->parked || session->decoding || link_unwritten(session->link)) return;
    prong_status status = link_fill(session->link);
    if (status < 0 && status != PRONG_TIMEOUT) session->lost = true;
}

static void shake_hands(struct session *session) {
    prong_status status = link_advance(session->link);
    if (status >= 0 && session->link->state == LINK_OPEN) session_enter(session);
    if (status < 0 && status != PRONG_TIMEOUT) session->lost = true;
}

/* After some requests of a session, others have their turn. */
void session_progress(struct session *session) {
    enum { TURN = 4 };
    if (!session->link) return;
    if (session->state == SESSION_HANDSHAKE) shake_hands(session);
    if (!session->lost && link_unwritten(session->link)) {
        prong_status status = link_flush(session->link);
        if (status < 0 && status != PRONG_TIMEOUT) session->lost = true;
    }
    bool more = session->state != SESSION_HANDSHAKE;
    if (more) read_more(session);
    for (int turn = 0; more && turn < TURN; turn++) more = one_request(session);
    if (session->state == SESSION_CLOSING && !link_unwritten(session->link)) session->lost = true;
    if (session->lost)
        session_close(session);
    else if (more)
        session_run_later(session);
    else
        session_watch(session);
}
