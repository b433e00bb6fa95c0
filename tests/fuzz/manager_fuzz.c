/* Fuzzes a manager's server with sequences of requests: some clients, by socket pairs, create objects, call their methods
 * with values of any kind, wait, and leave. Each reply must be a message and a pickle of (kind, value). Nothing waits here:
 * a request that has to is parked, and the next goes on.
 *
 * The input: steps, each a byte that says what to do and by whom; see step(). Requests are built from bytes, by the methods
 * that the object has; or are the input's own bytes, as a pickle or as no message at all. */
#define _GNU_SOURCE
#pragma GCC diagnostic ignored "-Wunused-result" /* made starts as null */
#include "fuzz.h"
#include "manager/server/server.h"
#include "manager/token.h"
#include "net/frame.h"
#include <poll.h>
#include <prong/prong.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 3, STEPS = 60, ROUNDS = 40, REPLY_MAX = 4 << 20, REQUEST_MAX = 40000, OBJECTS = 200 };
struct client_end {
    struct session *session; /* NULL: it is gone */
    int socket;
    unsigned char *come; /* of replies, not yet a whole one */
    size_t come_size;
};

struct run {
    struct prong_server *server;
    uint64_t first_id; /* idents begin after it */
    struct client_end clients[CLIENTS];
    struct input input;
    prong_document *document; /* of requests and replies */
};

/* --- clients --- */

static void client_open(struct run *run, struct client_end *client) {
    int ends[2];
    prong_link *link;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) abort();
    prong_link_options options = {.max_message = REQUEST_MAX};
    if (link_new(&link, ends[0], true, &options, "", NULL) || session_new(run->server, link, &client->session)) abort();
    client->socket = ends[1];
    client->come_size = 0;
}

static bool is_open(const struct run *run, const struct client_end *client) {
    for (const struct session *session = run->server->sessions; session; session = session->next)
        if (session == client->session) return true;
    return false;
}

static void client_close(struct client_end *client) {
    if (client->socket >= 0) close(client->socket);
    client->socket = -1;
    client->session = NULL;
}

/* --- replies --- */

static void check_reply(struct run *run, const void *data, size_t size) {
    static const char *const kinds[] = {"#RETURN", "#ERROR", "#TRACEBACK", "#PROXY", "#UNSERIALIZABLE"};
    prong_value reply, value;
    const char *kind;
    prong_unpickle_options any = {.any_class = true};
    prong_document_reset(run->document);
    prong_status status = prong_pickle_loads(run->document, data, size, &reply, &any);
    must(status >= 0, "a reply: %s", prong_error_message());
    status = prong_scan(reply, "(sv)", &kind, &value);
    must(status >= 0, "a reply: %s", prong_error_message());
    bool known = false;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) known |= !strcmp(kind, kinds[i]);
    must(known, "a reply of kind %s", kind);
}

/* All whole replies; false: nothing came. */
static bool client_hear(struct run *run, struct client_end *client) {
    if (client->socket < 0) return false;
    ssize_t got = recv(client->socket, client->come + client->come_size, REPLY_MAX - client->come_size, MSG_DONTWAIT);
    if (got <= 0) return false;
    client->come_size += (size_t)got;
    size_t at = 0, header, size;
    while (!frame_read(client->come + at, client->come_size - at, &header, &size)) {
        must(header + size <= REPLY_MAX, "a reply of %zu bytes", size);
        if (client->come_size - at - header < size) break;
        check_reply(run, client->come + at + header, size);
        at += header + size;
    }
    memmove(client->come, client->come + at, client->come_size -= at);
    return true;
}

/* As the loop is told by epoll. */
static void see_end(struct session *session) {
    struct pollfd one = {.fd = session->link->source.descriptor, .events = POLLRDHUP};
    if (session->parked && poll(&one, 1, 0) > 0) session->lost = true;
    if (session->decoding && poll(&one, 1, 0) > 0 && one.revents & (POLLHUP | POLLERR)) session->lost = true;
}

/* What prong_server_run does in its rounds, for all until there is nothing more to do. */
static void serve(struct run *run) {
    struct prong_server *server = run->server;
    bool more = true;
    for (int round = 0; more && round < ROUNDS; round++) {
        more = false;
        for (struct session *session = server->sessions, *next; session; session = next) {
            next = session->next;
            see_end(session);
            session_progress(session);
        }
        decodings_go(server);
        server->runnable = NULL; /* each has its turn in the next round anyway */
        for (struct session *session = server->sessions; session; session = session->next) {
            more |= session->runnable;
            session->runnable = false;
        }
        more |= server->decodings != NULL;
        for (int i = 0; i < CLIENTS; i++) more |= client_hear(run, &run->clients[i]);
        server_deadlines(server);
        objects_look(server);
        sessions_sweep(server);
        clients_sweep(server);
        prong_document_reset(server->scratch);
    }
    for (int i = 0; i < CLIENTS; i++)
        if (run->clients[i].session && !is_open(run, &run->clients[i])) client_close(&run->clients[i]);
}

static void client_write(struct client_end *client, const void *data, size_t size) {
    if (size && client->socket >= 0 && send(client->socket, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
        shutdown(client->socket, SHUT_WR); /* its end, in the middle of a message */
}

static void client_send(struct client_end *client, const void *data, size_t size) {
    unsigned char header[FRAME_LONG];
    client_write(client, header, frame_write(header, size));
    client_write(client, data, size);
}

/* --- values --- */

static struct managed *some_object(struct run *run) {
    unsigned which = input_byte(&run->input);
    return object_by_id(run->server, run->first_id + 16 * (1 + which % OBJECTS));
}

static prong_value some_proxy(struct run *run) {
    struct managed *object = some_object(run);
    prong_value token, value;
    prong_object made = {.module = "multiprocessing.managers", .name = "RebuildProxy"};
    if (!object || token_to_value(run->document, object->type->given.name, run->server->address, object->id, &token) ||
        prong_build(run->document, &made.arguments, "(nvs{})", token, "pickle") < 0 ||
        prong_make_object(run->document, &made, &value) < 0)
        return prong_make_null();
    return value;
}

static const char *some_word(struct input *input) {
    static const char *const words[] = {"a",   "b",     "",  "i",     "d",       "c", "B",        "q",
                                        "key", "value", "x", "block", "timeout", "n", "\xc3\xa9", "_x"};
    return words[input_byte(input) % (sizeof(words) / sizeof(*words))];
}

static prong_value some_value(struct run *run, int depth);

static prong_value some_items(struct run *run, unsigned kind, int depth) {
    prong_value items[8], made = prong_make_null();
    size_t count = depth > 3 ? 0 : input_byte(&run->input) % 5;
    for (size_t i = 0; i < count; i++) items[i] = some_value(run, depth + 1);
    prong_status status = kind == 0   ? prong_make_list(run->document, items, count, &made)
                          : kind == 1 ? prong_make_tuple(run->document, items, count, &made)
                          : kind == 2 ? prong_make_set(run->document, items, count, &made)
                                      : prong_make_dict(run->document, NULL, 0, &made);
    for (size_t i = 0; kind == 3 && status >= 0 && i + 1 < count; i += 2)
        prong_dict_set(run->document, made, items[i], items[i + 1]);
    return status < 0 ? prong_make_null() : made;
}

static prong_value some_slice(struct run *run, int depth) {
    prong_object slice = {.module = "builtins", .name = "slice"};
    prong_value parts[3], made;
    for (int i = 0; i < 3; i++) parts[i] = some_value(run, depth + 2);
    if (prong_make_tuple(run->document, parts, 3, &slice.arguments) < 0 ||
        prong_make_object(run->document, &slice, &made) < 0)
        return prong_make_null();
    return made;
}

static prong_value some_value(struct run *run, int depth) {
    struct input *input = &run->input;
    unsigned what = input_byte(input);
    prong_value made = prong_make_null();
    size_t size;
    const uint8_t *bytes;
    if (depth > 4) return prong_make_int((int8_t)what);
    switch (what % 18) {
    case 0: return prong_make_null();
    case 1: return prong_make_bool(what & 0x80);
    case 2:
    case 3: return prong_make_int((int8_t)input_byte(input));
    case 4: return prong_make_int((int64_t)input_number(input, 8));
    case 5: return prong_make_float((int8_t)input_byte(input) / 4.0);
    case 6:
    case 7: prong_make_str(run->document, some_word(input), PRONG_TO_NUL, &made); break;
    case 8:
        bytes = input_bytes(input, input_byte(input) % 20, &size);
        prong_make_bytes(run->document, bytes, size, &made);
        break;
    case 9: return some_items(run, 0, depth);
    case 10: return some_items(run, 1, depth);
    case 11: return some_items(run, 2, depth);
    case 12: return some_items(run, 3, depth);
    case 13: return some_slice(run, depth);
    case 14: return some_proxy(run);
    case 15:
        prong_build(run->document, &made, "r", some_value(run, 5), some_value(run, 5), prong_make_int(1 + (what >> 6)));
        break;
    case 16:
        bytes = input_bytes(input, input_byte(input) % 24, &size);
        prong_make_big_int(run->document, bytes, size, &made);
        break;
    default: {
        uint64_t bits = input_number(input, 8);
        double real;
        memcpy(&real, &bits, sizeof(real));
        return prong_make_float(real);
    }
    }
    return made;
}

/* --- requests --- */

static void send_request(struct run *run, struct client_end *client, prong_value ident, const char *method,
                         prong_value arguments) {
    prong_value request, keywords = prong_make_null();
    prong_pickle pickle;
    prong_pickle_options options = {.protocol = 4};
    if (input_byte(&run->input) % 8 == 7)
        keywords = some_items(run, 3, 0);
    else if (prong_make_dict(run->document, NULL, 0, &keywords) < 0)
        return;
    if (prong_build(run->document, &request, "(vsvv)", ident, method, arguments, keywords) < 0) return;
    if (prong_pickle_dumps(run->document, request, &pickle, &options) >= 0)
        client_send(client, pickle.data, pickle.size);
}

static const char *some_type(struct input *input) {
    static const char *const types[] = {
        "list",      "dict",          "set",     "Namespace", "Value",     "Array",
        "Queue",     "JoinableQueue", "Lock",    "RLock",     "Semaphore", "BoundedSemaphore",
        "Condition", "Event",         "Barrier", "Iterator",  "shared",    "no such type"};
    return types[input_byte(input) % (sizeof(types) / sizeof(*types))];
}

static void ask_create(struct run *run, struct client_end *client) {
    prong_value items[4];
    size_t count = 1 + input_byte(&run->input) % 3;
    prong_value arguments;
    if (prong_make_str(run->document, some_type(&run->input), PRONG_TO_NUL, &items[0]) < 0) return;
    for (size_t i = 1; i < count; i++) items[i] = some_value(run, 0);
    if (prong_make_tuple(run->document, items, count, &arguments) >= 0)
        send_request(run, client, prong_make_null(), "create", arguments);
}

static void ask_server(struct run *run, struct client_end *client) {
    static const char *const methods[] = {
        "incref",        "decref", "dummy", "get_methods", "number_of_objects", "debug_info", "accept_connection",
        "no such method"};
    struct managed *object = some_object(run);
    prong_value arguments = some_proxy(run);
    const char *method = methods[input_byte(&run->input) % 8];
    if (object && *method != 'g') ident_to_value(run->document, object->id, &arguments);
    if (*method == 'g') { /* the token of a proxy */
        prong_object view;
        if (prong_get_object(arguments, &view) < 0 || prong_list_get(view.arguments, 1, &arguments) < 0) return;
    }
    if (prong_make_tuple(run->document, &arguments, 1, &arguments) >= 0)
        send_request(run, client, prong_make_null(), method, arguments);
}

static const char *some_method(struct input *input, const struct managed *object) {
    static const char *const of_all[] = {"#GETVALUE", "__repr__", "__str__", "no such method"};
    size_t count = 0;
    while (object->type->given.methods[count].name) count++;
    size_t which = input_byte(input) % (count + 4);
    return which < count ? object->type->given.methods[which].name : of_all[which - count];
}

static void ask_object(struct run *run, struct client_end *client) {
    struct managed *object = some_object(run);
    prong_value ident, items[4], arguments;
    if (!object || ident_to_value(run->document, object->id, &ident)) return;
    const char *method = some_method(&run->input, object);
    size_t count = input_byte(&run->input) % 4;
    for (size_t i = 0; i < count; i++) items[i] = some_value(run, 0);
    if (prong_make_tuple(run->document, items, count, &arguments) >= 0)
        send_request(run, client, ident, method, arguments);
}

static void ask_anything(struct run *run, struct client_end *client, bool whole) {
    size_t size;
    const uint8_t *bytes = input_bytes(&run->input, input_byte(&run->input), &size);
    if (whole)
        client_send(client, bytes, size);
    else
        client_write(client, bytes, size);
}

static void accept_connection(struct run *run, struct client_end *client) {
    prong_value arguments;
    if (prong_make_tuple(run->document, NULL, 0, &arguments) >= 0)
        send_request(run, client, prong_make_null(), "accept_connection", arguments);
}

static void step(struct run *run) {
    unsigned what = input_byte(&run->input);
    struct client_end *client = &run->clients[(what >> 6) % CLIENTS];
    prong_document_reset(run->document);
    if (!client->session) {
        client_open(run, client);
        if (what % 16 < 14) accept_connection(run, client);
        serve(run);
        if (!client->session) return;
        prong_document_reset(run->document);
    }
    switch (what % 16) {
    case 0:
    case 1:
    case 2: ask_create(run, client); break;
    case 3: ask_server(run, client); break;
    case 12: ask_anything(run, client, true); break;
    case 13: ask_anything(run, client, false); break;
    case 14: ask_server(run, client); break;
    case 15: client_close(client); break;
    default: ask_object(run, client); break;
    }
    if (!(what & 0x20)) serve(run); /* else the next request comes close behind */
}

static void run_steps(struct run *run) {
    for (int i = 0; i < STEPS && run->input.left; i++) step(run);
    serve(run);
    for (int i = 0; i < CLIENTS; i++) client_close(&run->clients[i]);
    serve(run);
    struct session *session = run->server->sessions;
    must(!session, "a connection outlives its client: state %d, parked %d, lost %d", session->state, session->parked,
         session->lost);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static unsigned char come[CLIENTS][REPLY_MAX];
    struct run run = {.input = {data, size}};
    prong_server_options options = {.open = true, .max_memory = 1 << 20, .max_request = 1 << 20, .max_objects = 100};
    prong_document_options limits = {.max_memory = 64 << 20};
    if (prong_server_open(&run.server, &options) < 0) return 0;
    run.first_id = run.server->next_id;
    if (prong_document_open(&run.document, &limits) >= 0) {
        for (int i = 0; i < CLIENTS; i++) run.clients[i] = (struct client_end){NULL, -1, come[i], 0};
        if (prong_server_share(run.server, "shared", "list", "([ii])", 1, 2) >= 0) run_steps(&run);
        prong_document_close(run.document);
    }
    prong_server_close(run.server);
    return 0;
}
