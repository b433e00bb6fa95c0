#include "net/address.h"
#include "base/error.h"
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static prong_status parse_unix(const char *text, struct address *address) {
    struct sockaddr_un *un = (struct sockaddr_un *)&address->socket;
    size_t size = strlen(text);
    bool abstract = *text == '@';
    if (size + (abstract ? 0 : 1) > sizeof(un->sun_path))
        return fail(PRONG_INVALID, "address \"%.60s…\": longer than a Unix socket's may be (%zu bytes)", text,
                    sizeof(un->sun_path) - 1);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, text, size);
    if (abstract) un->sun_path[0] = 0;
    address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (abstract ? 0 : 1));
    return PRONG_OK;
}

/* The port; -1: the text is none. strtol alone would accept blanks and a sign, too. */
static long port_number(const char *text) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits]) return -1;
    long number = strtol(text, NULL, 10);
    return number <= 65535 ? number : -1;
}

/* "host:port" or "[host]:port", taken apart in place. */
static bool split_host(char *text, char **host, char **port) {
    char *colon = strrchr(text, ':');
    if (!colon) return false;
    *colon = 0;
    *port = colon + 1;
    *host = text;
    if (*text == '[' && colon[-1] == ']') {
        colon[-1] = 0;
        *host = text + 1;
    } else if (strchr(text, ':')) {
        return false;
    }
    return port_number(*port) >= 0;
}

static prong_status parse_tcp(const char *text, bool listening, struct address *address) {
    char copy[ADDRESS_TEXT], *host, *port;
    if (strlen(text) >= sizeof(copy)) return fail(PRONG_INVALID, "address \"%.60s…\": too long", text);
    strcpy(copy, text);
    if (!split_host(copy, &host, &port))
        return fail(PRONG_INVALID, "address \"%s\": neither \"/path\", \"@name\" nor \"host:port\"", text);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | (listening ? AI_PASSIVE : 0)};
    struct addrinfo *found;
    int problem = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (problem) return fail(PRONG_NOT_FOUND, "address \"%s\": %s", text, gai_strerror(problem));
    memcpy(&address->socket, found->ai_addr, found->ai_addrlen);
    address->size = found->ai_addrlen;
    freeaddrinfo(found);
    return PRONG_OK;
}

prong_status address_parse(const char *text, bool listening, struct address *address) {
    memset(address, 0, sizeof(*address));
    if (!text || !*text) return fail_text(PRONG_INVALID, "address: there is none");
    return *text == '/' || *text == '@' ? parse_unix(text, address) : parse_tcp(text, listening, address);
}

void address_text(const struct address *address, char text[ADDRESS_TEXT]) {
    *text = 0;
    if (address->socket.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&address->socket;
        size_t size = address->size - offsetof(struct sockaddr_un, sun_path);
        if (address->size <= offsetof(struct sockaddr_un, sun_path)) return; /* a client's has no name */
        if (un->sun_path[0] == 0)
            snprintf(text, ADDRESS_TEXT, "@%.*s", (int)size - 1, un->sun_path + 1);
        else
            snprintf(text, ADDRESS_TEXT, "%.*s", (int)size, un->sun_path);
        return;
    }
    char host[256] = "?", port[16] = "?";
    getnameinfo((const struct sockaddr *)&address->socket, address->size, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(text, ADDRESS_TEXT, address->socket.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

const char *address_path(const struct address *address) {
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->socket;
    return address->socket.ss_family == AF_UNIX && un->sun_path[0] ? un->sun_path : NULL;
}

prong_status address_to_value(prong_document *document, const char *text, prong_value *value) {
    if (*text == '/') return prong_make_str(document, text, PRONG_TO_NUL, value);
    if (*text == '@') {
        char name[ADDRESS_TEXT];
        size_t size = strlen(text);
        memcpy(name, text, size);
        name[0] = 0;
        return prong_make_bytes(document, name, size, value);
    }
    char copy[ADDRESS_TEXT], *host, *port;
    snprintf(copy, sizeof(copy), "%s", text);
    if (!split_host(copy, &host, &port)) return fail(PRONG_INVALID, "address \"%s\" cannot be given to Python", text);
    return prong_build(document, value, "(si)", host, atoi(port));
}

prong_status address_from_value(prong_value value, char text[ADDRESS_TEXT]) {
    const char *name;
    const void *data;
    size_t size;
    int port;
    if (prong_get_str(value, &name, &size) >= 0) {
        data = name;
    } else if (prong_value_kind(value) == PRONG_KIND_TUPLE) {
        prong_status status = prong_scan(value, "(si)", &name, &port);
        if (status >= 0) snprintf(text, ADDRESS_TEXT, strchr(name, ':') ? "[%.250s]:%d" : "%.250s:%d", name, port);
        return status;
    } else {
        prong_status status = prong_get_bytes(value, &data, &size);
        if (status < 0) return fail_again(status, "a manager's address");
    }
    if (size >= ADDRESS_TEXT || size == 0) return fail(PRONG_INVALID, "a manager's address of %zu bytes", size);
    memcpy(text, data, size);
    text[size] = 0;
    if (text[0] == 0) text[0] = '@';
    return PRONG_OK;
}

static bool is_local(const char *text) {
    return *text == '/' || *text == '@';
}

bool address_same(const char *a, const char *b) {
    if (is_local(a) || is_local(b)) return !strcmp(a, b);
    const char *port_a = strrchr(a, ':'), *port_b = strrchr(b, ':');
    return port_a && port_b && port_number(port_a + 1) == port_number(port_b + 1);
}
