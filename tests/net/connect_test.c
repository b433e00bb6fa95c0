/* A client's socket that the system gives the very port to which it connects: the linker puts __wrap_connect in front of
 * connect, which binds it so. */
#include "../support/test.h"

#include <netinet/in.h>
#include <sys/socket.h>

static int connected_with_itself;

int __real_connect(int socket, const struct sockaddr *to, socklen_t size);
int __wrap_connect(int socket, const struct sockaddr *to, socklen_t size);

int __wrap_connect(int socket, const struct sockaddr *to, socklen_t size) {
    int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (to->sa_family == AF_INET && bind(socket, to, size) == 0) connected_with_itself++;
    return __real_connect(socket, to, size);
}

TEST(a_client_is_not_connected_with_itself) {
    prong_listener *listener;
    prong_link *link;
    char at[400];
    ok(prong_listener_open(&listener, "127.0.0.1:0", NULL));
    snprintf(at, sizeof(at), "%s", prong_listener_address(listener));
    prong_listener_close(listener);
    is(prong_link_connect(&link, at, NULL, PRONG_MS(20)), PRONG_NOT_FOUND);
    says("nobody listens there");
    check(connected_with_itself > 0);
}
