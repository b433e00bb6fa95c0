/* Clients, which hold references: a process, watched by a pidfd or as a member of the family; by TCP, a process by the
 * name that it gives itself, or all processes of a computer that give none. */
#include "base/error.h"
#include "family/member.h"
#include "manager/family_request.h"
#include "manager/server/server.h"
#include "os/os.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "host" of "host:port"; a Unix socket's client without a pid is one of "local". */
static void client_host(const char *address, char host[64]) {
    const char *end = strrchr(address, ':');
    snprintf(host, 64, "%.*s", end ? (int)(end - address) : 5, end ? address : "local");
}

/* What is known about the other end; the pidfd is given to the client, or closed. */
struct peer {
    int pid, pidfd;
    uint32_t member;
    uint64_t identity;
    char host[64];
};

/* A pid identifies the process of a client that is watched, until that process ends. */
static bool client_is(const struct client *client, const struct peer *peer) {
    if (client->ended || client->pid != peer->pid) return false;
    if (peer->pid) return client->pidfd < 0 || !os_pidfd_ended(client->pidfd);
    return client->member == peer->member && client->identity == peer->identity && !strcmp(client->host, peer->host);
}

static void client_watch(struct prong_server *server, struct client *client) {
    uint64_t tag = (uintptr_t)client | 1; /* so that the loop tells it from a session */
    if (client->pidfd < 0 || os_poller_add(server->poller, client->pidfd, OS_POLLER_IN, tag) == 0) return;
    close(client->pidfd); /* its end would not be noticed: it counts as one that cannot be watched */
    client->pidfd = -1;
}

static struct client *client_new(struct prong_server *server, const struct peer *peer) {
    struct client *client = calloc(1, sizeof(*client));
    if (!client) return NULL;
    client->pid = peer->pid;
    client->pidfd = peer->pidfd;
    client->member = peer->member;
    client->identity = peer->identity;
    memcpy(client->host, peer->host, sizeof(client->host));
    client->next = server->clients;
    server->clients = client;
    server->looks_at_clients = true;
    client_watch(server, client);
    return client;
}

/* The client of a peer, with one more session. A peer that has died already gets a client for this connection only. */
static struct client *client_of(struct prong_server *server, const struct peer *peer) {
    struct client *client = server->clients;
    bool died = peer->pidfd >= 0 && os_pidfd_ended(peer->pidfd);
    while (client && (died || !client_is(client, peer))) client = client->next;
    if (client && client->pidfd < 0 && peer->pidfd >= 0) { /* there was no descriptor to be had before */
        client->pidfd = peer->pidfd;
        client_watch(server, client);
    } else if (client) {
        if (peer->pidfd >= 0) close(peer->pidfd);
    } else {
        client = client_new(server, peer);
    }
    if (client) client->sessions++;
    return client;
}

/* For a Unix socket the kernel reports the process; whether it has a pid here depends on its PID namespace. */
struct client *client_of_link(struct prong_server *server, const prong_link *link) {
    struct peer peer = {.pid = link->peer_pid, .pidfd = os_pidfd_of_peer(link->source.descriptor)};
    bool no_descriptor = peer.pidfd < 0 && (errno == EMFILE || errno == ENFILE);
    if (peer.pidfd < 0 && peer.pid && !no_descriptor) peer.pidfd = os_pidfd_open(peer.pid);
    if (!peer.pid) {
        peer.identity = os_pidfd_identity(peer.pidfd);
        if (peer.identity == 0) client_host(link->address, peer.host);
    }
    struct client *client = client_of(server, &peer);
    if (!client || client->pidfd >= 0 || !no_descriptor) return client;
    client_leave(server, client); /* it would lose its references with its connection */
    return NULL;
}

/* A pid of another namespace identifies nothing here: then only the token does. */
struct client *client_of_member(struct prong_server *server, const struct family_request *request) {
    bool here = request->pid_namespace == os_pid_namespace();
    struct peer peer = {.member = request->member, .pidfd = -1};
    if (here) {
        peer.pid = request->pid;
        peer.pidfd = os_pidfd_open(request->pid);
    }
    struct client *client = client_of(server, &peer);
    if (client) client->member = request->member;
    return client;
}

struct client *client_named(struct prong_server *server, struct client *client, uint64_t identity) {
    struct peer peer = {.pidfd = -1, .identity = identity};
    if (client->pid || client->pidfd >= 0 || client->member || client->identity) return client;
    memcpy(peer.host, client->host, sizeof(peer.host));
    struct client *named = client_of(server, &peer);
    if (named) client_leave(server, client);
    return named;
}

bool client_lives(const struct client *client) {
    if (client->ended) return false;
    return client->member ? member_alive(client->member) : client->pidfd >= 0;
}

static void release_held(struct prong_server *server, const struct map_slot *held) {
    struct managed *object = object_by_id(server, held->key);
    for (uint64_t n = held->value; object && n > 0; n--) {
        bool last = object->refs == 1;
        object->grace = 0;
        object_release(server, object);
        if (last) break;
    }
}

static void give_up(struct prong_server *server, struct client *client) {
    size_t at = 0;
    for (const struct map_slot *held = map_next(&client->held, &at); held; held = map_next(&client->held, &at))
        release_held(server, held);
    map_free(&client->held);
    holds_give_back(server, &client->holds, NULL);
}

static void client_free(struct prong_server *server, struct client *client) {
    struct client **place = &server->clients;
    while (*place != client) place = &(*place)->next;
    *place = client->next;
    if (client->pidfd >= 0) close(client->pidfd);
    client->pidfd = -1;
    client->closed = true;
    client->next = server->closed_clients;
    server->closed_clients = client;
}

/* As sessions_sweep. */
void clients_sweep(struct prong_server *server) {
    for (struct client *client = server->closed_clients, *next; client; client = next) {
        next = client->next;
        map_free(&client->held);
        free(client);
    }
    server->closed_clients = NULL;
}

/* A session ends. A process without a pidfd counts as dead when its last session has ended. */
void client_leave(struct prong_server *server, struct client *client) {
    if (--client->sessions) return;
    bool unseen = client->pid && client->pidfd < 0 && !client->member;
    if (client->ended || unseen) { /* also releases what it got after it was found dead */
        give_up(server, client);
        client_free(server, client);
        return;
    }
    client->lease_end = server->options.lease ? deadline_after(server->options.lease) : PRONG_FOREVER;
    server->looks_at_clients = true;
    if (client->held.count == 0 && !client->holds) client_free(server, client);
}

/* The process has died; its sessions will be closed when their sockets end. */
void client_ended(struct prong_server *server, struct client *client) {
    if (client->closed || client->ended) return;
    client->ended = true;
    client->sessions++; /* it is not freed in here */
    family_member_gone(server, client);
    if (client->pidfd >= 0) close(client->pidfd);
    client->pidfd = -1;
    give_up(server, client);
    client_leave(server, client);
}

/* Whether the client is to be given up now. Members in other PID namespaces, which nothing else watches, are checked
 * here. */
static bool client_is_over(const struct client *client) {
    if (client->ended || client->pidfd >= 0) return false;
    if (client->member) return !member_alive(client->member);
    return client->sessions == 0 && deadline_passed(client->lease_end);
}

/* Whether no event would tell when that client is over. */
static bool client_needs_looks(const struct client *client) {
    if (client->ended || client->pidfd >= 0) return false;
    return client->member || (client->sessions == 0 && client->lease_end != PRONG_FOREVER);
}

void clients_look(struct prong_server *server) {
    bool looks = false;
    for (struct client *client = server->clients, *next; client; client = next) {
        next = client->next;
        looks |= client_needs_looks(client);
        if (!client_is_over(client)) continue;
        client_ended(server, client);
        next = server->clients;
    }
    server->looks_at_clients = looks;
}

void clients_free(struct prong_server *server) {
    while (server->clients) {
        give_up(server, server->clients);
        client_free(server, server->clients);
    }
    clients_sweep(server);
}

prong_status client_hold(struct client *client, uint64_t id) {
    if (map_set(&client->held, id, map_get(&client->held, id) + 1)) return PRONG_OK;
    return fail_text(PRONG_NO_MEMORY, "no memory to note a reference");
}

bool client_unhold(struct client *client, uint64_t id) {
    uint64_t count = map_get(&client->held, id);
    if (count > 1) return map_set(&client->held, id, count - 1);
    map_remove(&client->held, id);
    return count > 0;
}
