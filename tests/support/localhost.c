/* For tests on a machine without /etc/hosts, loaded before other libraries: "localhost" has its address without a look-up. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    __typeof__(getaddrinfo) *next = dlsym(RTLD_NEXT, "getaddrinfo");
    if (name && strcmp(name, "localhost") == 0) name = hints && hints->ai_family == AF_INET6 ? "::1" : "127.0.0.1";
    return next(name, service, hints, found);
}
