/* Who holds references: a process, watched by a pidfd, or a computer that is reached by TCP. */
#include "base/error.h"
#include "manager/server.h"
#include "os/os.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* "host" of "host:port"; a Unix socket's client without a pid is one of "local". */
static void host_of(const char *address, char host[64]) {
    const char *end = strrchr(address, ':');
    snprintf(host, 64, "%.*s", end ? (int)(end - address) : 5, end ? address : "local");
}

static void watch_process(struct prong_server *server, struct client *client) {
    client->pidfd = client->pid ? os_pidfd_open(client->pid) : -1;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)(uintptr_t)client | 1};
    if (client->pidfd >= 0) epoll_ctl(server->epoll, EPOLL_CTL_ADD, client->pidfd, &event);
}

struct client *client_of(struct prong_server *server, const char *address, int pid) {
    char host[64] = "";
    if (!pid) host_of(address, host);
    struct client *client = server->clients;
    while (client && (client->pid != pid || strcmp(client->host, host))) client = client->next;
    if (!client) {
        client = calloc(1, sizeof(*client));
        if (!client) return NULL;
        client->pid = pid;
        client->pidfd = -1;
        memcpy(client->host, host, sizeof(host));
        client->next = server->clients;
        server->clients = client;
        watch_process(server, client);
    }
    client->sessions++;
    return client;
}

static void give_up(struct prong_server *server, struct client *client) {
    for (size_t i = 0; i < client->held_count; i++) {
        struct managed *object = object_by_id(server, client->held[i].id);
        for (uint64_t n = client->held[i].count; object && n > 0; n--) {
            bool last = object->refs == 1;
            object->grace = 0;
            object_release(server, object);
            if (last) break;
        }
    }
    client->held_count = 0;
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
        free(client->held);
        free(client);
    }
    server->closed_clients = NULL;
}

/* A session ends. Without pidfd a process counts as gone when its last session is. */
void client_leave(struct prong_server *server, struct client *client) {
    if (--client->sessions) return;
    if (client->pid && client->pidfd < 0) { /* also what came after it was seen to be dead goes back */
        give_up(server, client);
        client_free(server, client);
        return;
    }
    client->lease_end = server->options.lease ? deadline_after(server->options.lease) : PRONG_FOREVER;
    if (client->held_count == 0 && !client->holds) client_free(server, client);
}

/* The process has died; what sessions it has will be closed as their sockets end. */
void client_ended(struct prong_server *server, struct client *client) {
    if (client->closed) return;
    family_member_gone(server, client->pid);
    if (client->closed) return;
    close(client->pidfd);
    client->pidfd = -1;
    client->lease_end = 0;
    give_up(server, client);
    if (client->sessions == 0) client_free(server, client);
}

void clients_look(struct prong_server *server) {
    for (struct client *client = server->clients, *next; client; client = next) {
        next = client->next;
        if (client->sessions || client->pidfd >= 0 || !deadline_passed(client->lease_end)) continue;
        give_up(server, client);
        client_free(server, client);
        next = server->clients;
    }
}

void clients_free(struct prong_server *server) {
    while (server->clients) {
        give_up(server, server->clients);
        client_free(server, server->clients);
    }
    clients_sweep(server);
}

static struct held *find_held(struct client *client, uint64_t id) {
    for (size_t i = client->held_count; i-- > 0;) /* what is given up is mostly what was taken last */
        if (client->held[i].id == id) return &client->held[i];
    return NULL;
}

prong_status client_hold(struct client *client, uint64_t id) {
    struct held *held = find_held(client, id);
    if (!held && client->held_count == client->held_capacity) {
        size_t capacity = client->held_capacity ? client->held_capacity * 2 : 8;
        struct held *larger = realloc(client->held, capacity * sizeof(*larger));
        if (!larger) return fail_text(PRONG_NO_MEMORY, "no memory to note a reference");
        client->held = larger;
        client->held_capacity = capacity;
    }
    if (!held) {
        held = &client->held[client->held_count++];
        *held = (struct held){id, 0};
    }
    held->count++;
    return PRONG_OK;
}

bool client_unhold(struct client *client, uint64_t id) {
    struct held *held = find_held(client, id);
    if (!held) return false;
    if (--held->count == 0) *held = client->held[--client->held_count];
    return true;
}
