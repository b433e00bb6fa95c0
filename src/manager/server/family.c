/* Requests of the server's own family, through the arena: one queue to the server, and a mailbox (a queue for replies)
 * for each client thread. */
#include "base/error.h"
#include "channel/queue.h"
#include "manager/server/family.h"
#include "manager/server/server.h"
#include "os/os.h"
#include <string.h>
#include <unistd.h>

void server_join_family(prong_server *server, prong_queue requests) {
    server->requests = requests;
    server->in_family = true;
}

/* From now on the doorbell belongs to the queue; it rings only while the server is about to sleep: see arm. */
void family_requests_open(struct prong_server *server) {
    if (!server->in_family || server->watch.doorbell >= 0 || !watch_open(&server->watch, true)) return;
    os_poller_add(server->poller, server->watch.doorbell, OS_POLLER_IN, (uintptr_t)&server->requests);
}

void family_requests_close(struct prong_server *server) {
    watch_close(&server->watch);
    if (server->in_family) prong_queue_destroy(server->requests);
}

static struct session *session_of(struct prong_server *server, const struct family_request *request) {
    struct session *session = (struct session *)(uintptr_t)map_get(&server->mailboxes, request->mailbox.offset);
    if (session && session->mailbox.generation == request->mailbox.generation) return session;
    if (session) session_close(session);                 /* its mailbox is gone: another one is where it was */
    if (!queue_take_over(request->mailbox)) return NULL; /* it went with its maker */
    if (session_new_family(server, request, &session)) {
        prong_queue_destroy(request->mailbox);
        return NULL;
    }
    if (client_lives(session->client)) return session;
    session_close(session); /* it died before its request was read: nothing would release what the request acquires */
    return NULL;
}

static void family_handle(struct prong_server *server, const prong_message *message) {
    struct family_request request;
    if (message->size < sizeof(request)) return;
    memcpy(&request, message->data, sizeof(request));
    struct session *session = session_of(server, &request);
    if (!session) return;
    if (request.leaves) /* the thread ends: it no longer reads its mailbox */
        session_close(session);
    else if (!session->parked) /* a thread that gave up waiting and sends a new request has cancelled the old one */
        request_handle(session, (const char *)message->data + sizeof(request), message->size - sizeof(request));
}

static bool handle_one(struct prong_server *server) {
    prong_message message;
    if (prong_queue_receive(server->requests, &message, PRONG_NOWAIT) < 0) return false;
    family_handle(server, &message);
    prong_message_release(&message);
    prong_document_reset(server->scratch);
    return true;
}

bool family_requests_there(const struct prong_server *server) {
    return server->in_family && !queue_is_empty(server->requests);
}

bool family_requests_handle(struct prong_server *server) {
    enum { TURN = 64 };
    int turn = 0;
    for (; turn < TURN && family_requests_there(server); turn++) handle_one(server);
    return turn > 0;
}

/* Silences the doorbell before the queue is checked: a request that arrives then rings again. A doorbell left ringing
 * would end each spin at once, and the server would never sleep, nor call arm, which silences it otherwise. */
void family_requests_rung(struct prong_server *server) {
    watch_renew(&server->watch);
    family_requests_handle(server);
}

bool family_requests_may_not_ring(const struct prong_server *server) {
    return server->in_family && (server->watch.doorbell < 0 || watchers_are_deaf());
}

/* Deaths, too: a sender may die after it has taken it upon itself to ring, and before it does so. */
void family_requests_arm(struct prong_server *server) {
    struct channel *channel = server->in_family ? queue_channel(server->requests) : NULL;
    if (!channel) return;
    member_mark_if_needed();
    watch_renew(&server->watch);
    watch_add_signs(&server->watch, WATCH_DEATHS);
    watch_add(&server->watch, &channel->readable);
}

/* Ends its sessions, and releases what they hold. */
void family_member_gone(struct prong_server *server, const struct client *client) {
    for (struct session *session = server->sessions, *next; session; session = next) {
        next = session->next;
        if (!session->link && session->client == client) session_close(session);
    }
}
