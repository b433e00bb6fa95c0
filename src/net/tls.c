#include "net/tls.h"
#include "base/error.h"
#include "os/os.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_OPENSSL
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

struct tls {
    SSL *ssl;
};
struct tls_context {
    SSL_CTX *ctx;
    bool checks_name;
    char name[256];
};

static prong_status openssl_failed(const char *doing) {
    char text[160];
    unsigned long code = ERR_get_error();
    ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    return fail(PRONG_INVALID, "TLS: %s: %s", doing, code ? text : "failed");
}

static prong_status load_certificate(SSL_CTX *ctx, const prong_tls *options) {
    if (!options->certificate) return PRONG_OK;
    const char *key = options->key ? options->key : options->certificate;
    if (SSL_CTX_use_certificate_chain_file(ctx, options->certificate) != 1) return openssl_failed(options->certificate);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) return openssl_failed(key);
    return PRONG_OK;
}

static prong_status load_authority(SSL_CTX *ctx, const prong_tls *options, bool listening) {
    if (options->authority && SSL_CTX_load_verify_locations(ctx, options->authority, NULL) != 1)
        return openssl_failed(options->authority);
    if (!options->authority && !listening) SSL_CTX_set_default_verify_paths(ctx);
    int mode = listening ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER;
    SSL_CTX_set_verify(ctx, options->authority || !listening ? mode : SSL_VERIFY_NONE, NULL);
    return PRONG_OK;
}

prong_status tls_context_new(struct tls_context **context, const prong_tls *options, bool listening) {
    *context = NULL;
    if (!options) return PRONG_OK;
    if (listening && !options->certificate) return fail_text(PRONG_INVALID, "TLS: a listener needs a certificate");
    struct tls_context *made = calloc(1, sizeof(*made));
    if (!made) return fail_text(PRONG_NO_MEMORY, "TLS: no memory");
    made->ctx = SSL_CTX_new(TLS_method());
    prong_status status = made->ctx ? PRONG_OK : openssl_failed("context");
    if (status >= 0) {
        SSL_CTX_set_min_proto_version(made->ctx, TLS1_2_VERSION);
        SSL_CTX_set_num_tickets(made->ctx,
                                0); /* data that a client has not read when it closes would reset the connection */
        SSL_CTX_set_mode(made->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        status = load_certificate(made->ctx, options);
    }
    if (status >= 0) status = load_authority(made->ctx, options, listening);
    if (status >= 0 && options->name) {
        strncpy(made->name, options->name, sizeof(made->name) - 1);
        made->checks_name = true;
    }
    if (status < 0) {
        tls_context_free(made);
        return status;
    }
    *context = made;
    return PRONG_OK;
}

void tls_context_free(struct tls_context *context) {
    if (!context) return;
    SSL_CTX_free(context->ctx);
    free(context);
}

/* --- the socket: like OpenSSL's own, but writing to a closed connection raises no SIGPIPE --- */

static int socket_of(BIO *bio) {
    return (int)(intptr_t)BIO_get_data(bio);
}

static int socket_moved(BIO *bio, ssize_t moved, int retry) {
    BIO_clear_retry_flags(bio);
    if (moved < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_flags(bio, retry);
    return (int)moved;
}

static int socket_read(BIO *bio, char *data, int size) {
    errno = 0;
    return socket_moved(bio, recv(socket_of(bio), data, (size_t)size, 0), BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
}

/* A record that was not sent in full cannot be withdrawn: so a shortage of kernel memory is waited out here. */
static int socket_write(BIO *bio, const char *data, int size) {
    ssize_t sent;
    int looks = 0;
    errno = 0;
    do sent = send(socket_of(bio), data, (size_t)size, MSG_NOSIGNAL);
    while (sent < 0 && os_passes_soon(&looks));
    return socket_moved(bio, sent, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY);
}

/* Of OpenSSL's requests only a flush needs an answer: nothing is buffered here. 0 means that a request is not known. */
static long socket_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static pthread_once_t socket_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *socket_method;

static void socket_method_make(void) {
    socket_method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "socket");
    if (!socket_method) return;
    BIO_meth_set_read(socket_method, socket_read);
    BIO_meth_set_write(socket_method, socket_write);
    BIO_meth_set_ctrl(socket_method, socket_control);
}

static bool socket_attach(SSL *ssl, int socket) {
    pthread_once(&socket_once, socket_method_make);
    BIO *bio = socket_method ? BIO_new(socket_method) : NULL;
    if (!bio) return false;
    BIO_set_data(bio, (void *)(intptr_t)socket);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return true;
}

prong_status tls_new(struct tls **tls, struct tls_context *context, int socket, bool listens, const char *host) {
    struct tls *made = calloc(1, sizeof(*made));
    if (!made) return fail_text(PRONG_NO_MEMORY, "TLS: no memory");
    made->ssl = SSL_new(context->ctx);
    if (!made->ssl || !socket_attach(made->ssl, socket)) {
        tls_free(made, false);
        return openssl_failed("connection");
    }
    if (context->checks_name) host = context->name;
    if (listens) {
        SSL_set_accept_state(made->ssl);
    } else {
        SSL_set_connect_state(made->ssl);
        if (host && *host) {
            SSL_set_tlsext_host_name(made->ssl, host);
            SSL_set1_host(made->ssl, host);
        }
    }
    *tls = made;
    return PRONG_OK;
}

void tls_free(struct tls *tls, bool goodbye) {
    if (!tls) return;
    if (goodbye && tls->ssl && SSL_is_init_finished(tls->ssl)) SSL_shutdown(tls->ssl);
    SSL_free(tls->ssl);
    free(tls);
}

/* Turns the result of an SSL call into -1 with errno. */
static ssize_t io_failed(struct tls *tls, int result, bool *wants_write) {
    int why = SSL_get_error(tls->ssl, result), system = errno;
    ERR_clear_error();
    if (wants_write) *wants_write = why == SSL_ERROR_WANT_WRITE;
    if (why == SSL_ERROR_ZERO_RETURN) return 0;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN
            : why == SSL_ERROR_SYSCALL && system                      ? system
                                                                      : ECONNRESET;
    return -1;
}

bool tls_heard(const struct tls *tls) {
    return BIO_number_read(SSL_get_rbio(tls->ssl)) > 0;
}

/* The errors that OpenSSL reports for bytes that are not a TLS record. */
static bool is_no_tls(int reason) {
    return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
           reason == SSL_R_PACKET_LENGTH_TOO_LONG || reason == SSL_R_UNKNOWN_PROTOCOL ||
           reason == SSL_R_BAD_PACKET_LENGTH;
}

/* OpenSSL 3 reports the end of the connection in this way. */
static bool is_eof(int why) {
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return true;
#endif
    return why == SSL_ERROR_SYSCALL;
}

prong_status tls_handshake(struct tls *tls, bool *wants_write) {
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    *wants_write = false;
    if (result == 1) return PRONG_OK;
    int why = SSL_get_error(tls->ssl, result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        *wants_write = why == SSL_ERROR_WANT_WRITE;
        return PRONG_TIMEOUT;
    }
    long verdict = SSL_get_verify_result(tls->ssl);
    if (verdict != X509_V_OK)
        return fail(PRONG_PERMISSION, "TLS: the other side's certificate: %s", X509_verify_cert_error_string(verdict));
    if (is_eof(why)) return fail_text(PRONG_EOF, "TLS: the other side hung up during the handshake");
    if (is_no_tls(ERR_GET_REASON(ERR_peek_error()))) {
        ERR_clear_error();
        return fail_text(PRONG_PERMISSION, "TLS: the other side does not speak TLS");
    }
    prong_status status = openssl_failed("handshake");
    return status == PRONG_INVALID ? PRONG_PERMISSION : status;
}

ssize_t tls_read(struct tls *tls, void *data, size_t size, bool *wants_write) {
    ERR_clear_error();
    errno = 0;
    int got = SSL_read(tls->ssl, data, size > 1 << 30 ? 1 << 30 : (int)size);
    *wants_write = false;
    return got > 0 ? got : io_failed(tls, got, wants_write);
}

ssize_t tls_write(struct tls *tls, const void *data, size_t size) {
    ERR_clear_error();
    errno = 0;
    int put = SSL_write(tls->ssl, data, size > 1 << 30 ? 1 << 30 : (int)size);
    return put > 0 ? put : io_failed(tls, put, NULL);
}

#else

prong_status tls_context_new(struct tls_context **context, const prong_tls *options, bool listening) {
    (void)listening;
    *context = NULL;
    return options ? fail_text(PRONG_SYSTEM, "TLS: this library was built without OpenSSL") : PRONG_OK;
}
void tls_context_free(struct tls_context *context) {
    (void)context;
}
prong_status tls_new(struct tls **tls, struct tls_context *context, int socket, bool listens, const char *host) {
    (void)tls, (void)context, (void)socket, (void)listens, (void)host;
    return PRONG_SYSTEM;
}
void tls_free(struct tls *tls, bool goodbye) {
    (void)tls, (void)goodbye;
}
bool tls_heard(const struct tls *tls) {
    (void)tls;
    return true;
}
prong_status tls_handshake(struct tls *tls, bool *wants_write) {
    (void)tls, (void)wants_write;
    return PRONG_SYSTEM;
}
ssize_t tls_read(struct tls *tls, void *data, size_t size, bool *wants_write) {
    (void)tls, (void)data, (void)size, (void)wants_write;
    errno = ENOSYS;
    return -1;
}
ssize_t tls_write(struct tls *tls, const void *data, size_t size) {
    (void)tls, (void)data, (void)size;
    errno = ENOSYS;
    return -1;
}
#endif
