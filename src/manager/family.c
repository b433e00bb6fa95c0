/* Requests of the server's own family, through the arena: one queue to the server, a mailbox for each of the clients'
 * threads. The server answers them between its rounds, and looks for the next a moment longer than it must. */
#include "base/error.h"
#include "family/waitq.h"
#include "manager/family.h"
#include "manager/server.h"
#include <string.h>
#include <sys/epoll.h>

/* After a request the next is often near: this long the queue is looked at before anything else. */
static const prong_time SPIN_AFTER = PRONG_US(200);

void server_join_family(prong_server *server, prong_queue requests) {
    server->requests = requests;
    server->in_family = true;
}

void family_requests_open(struct prong_server *server) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &server->requests};
    if (!server->in_family || server->doorbell >= 0) return;
    if (prong_queue_fileno(server->requests, &server->doorbell)) return;
    epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->doorbell, &event);
}

void family_requests_close(struct prong_server *server) {
    if (server->in_family) prong_queue_destroy(server->requests);
}

static struct session *session_of(struct prong_server *server, const struct family_request *request) {
    for (struct session *session = server->sessions; session; session = session->next)
        if (!session->link && session->mailbox.offset == request->mailbox.offset &&
            session->mailbox.generation == request->mailbox.generation)
            return session;
    struct session *session = NULL;
    session_new_family(server, request->pid, request->mailbox, &session);
    return session;
}

/* A thread's last word: its mailbox is no longer looked at. */
static void handle(struct prong_server *server, const prong_message *message) {
    struct family_request request;
    if (message->size < sizeof(request)) return;
    memcpy(&request, message->data, sizeof(request));
    struct session *session = session_of(server, &request);
    if (!session) return;
    if (request.leaves)
        session_close(session);
    else if (!session->parked) /* one that gave up waiting and asks again has cancelled before: see cancel */
        request_handle(session, (const char *)message->data + sizeof(request), message->size - sizeof(request));
}

bool family_requests_handle(struct prong_server *server) {
    enum { TURN = 64 };
    prong_message message;
    int turn = 0;
    while (turn < TURN && !prong_queue_receive(server->requests, &message, PRONG_NOWAIT)) {
        handle(server, &message);
        prong_message_release(&message);
        prong_document_reset(server->scratch);
        turn++;
    }
    if (turn) server->last_family = clock_now();
    return turn > 0;
}

static bool requests_there(void *queue) {
    return !prong_queue_empty(*(prong_queue *)queue);
}

bool family_requests_spin(struct prong_server *server) {
    if (!server->in_family || clock_now() - server->last_family > SPIN_AFTER) return false;
    while (spin_until(requests_there, &server->requests))
        if (!family_requests_handle(server) || server->stopped || server->runnable) return true;
    return false;
}

/* Its sessions end, and what they hold is given back. */
void family_member_gone(struct prong_server *server, int pid) {
    for (struct session *session = server->sessions, *next; session; session = next) {
        next = session->next;
        if (!session->link && session->client && session->client->pid == pid) session_close(session);
    }
}
