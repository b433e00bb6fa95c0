/* Large requests are decoded in slices, in turn, while others are served. Small ones are decoded at once. */
#include "base/error.h"
#include "manager/server/server.h"
#include "value/document.h"
#include "value/reader.h"
#include <stdlib.h>

struct decoding {
    struct decoding *next;
    struct session *session;
    struct pickle_reader *reader;
    prong_document *document;
};

static void decoding_free(struct decoding *decoding) {
    pickle_reader_close(decoding->reader);
    prong_document_close(decoding->document);
    free(decoding);
}

prong_unpickle_options request_options(const struct prong_server *server, size_t size) {
    size_t steps = server->options.max_steps ? server->options.max_steps : STEPS_LEAST + size * STEPS_A_BYTE;
    return (prong_unpickle_options){.any_class = true, .max_steps = steps};
}

prong_status decoding_begin(struct session *session, const void *data, size_t size) {
    struct prong_server *server = session->server;
    prong_unpickle_options options = request_options(server, size);
    prong_document_options limit = {.max_memory = server->options.max_request};
    struct decoding *made = calloc(1, sizeof(*made));
    if (!made) return fail_text(PRONG_NO_MEMORY, "server: no memory to read a request");
    prong_status status = prong_document_open(&made->document, &limit);
    if (status >= 0) status = pickle_reader_open(&made->reader, made->document, data, size, &options);
    if (status < 0) {
        decoding_free(made);
        return status;
    }
    made->session = session;
    session->decoding = made;
    *server->last_decoding = made;
    server->last_decoding = &made->next;
    return PRONG_OK;
}

/* The place in the list of the server's that points to it. */
static void decoding_take_out(struct prong_server *server, struct decoding **place) {
    struct decoding *decoding = *place;
    *place = decoding->next;
    if (server->last_decoding == &decoding->next) server->last_decoding = place;
    decoding->next = NULL;
}

void decoding_drop(struct session *session) {
    struct decoding **place = &session->server->decodings;
    if (!session->decoding) return;
    while (*place != session->decoding) place = &(*place)->next;
    decoding_take_out(session->server, place);
    decoding_free(session->decoding);
    session->decoding = NULL;
}

/* The request's document also serves for its call: what is made for the reply is in it, too. */
static void decoding_end(struct prong_server *server, struct decoding *decoding, prong_status status,
                         prong_value message) {
    struct session *session = decoding->session;
    prong_document *scratch = server->scratch;
    session->decoding = NULL;
    server->scratch = decoding->document;
    request_do(session, status, message);
    server->scratch = scratch;
    decoding_free(decoding);
    session_run_later(session);
}

/* All requests that are being decoded, but the one that uses the most memory, may together use as much as the limit of
 * one; beyond that they wait for that one. So none waits forever, and many at once need no more memory than two. */
static bool may_go_on(const struct prong_server *server, const struct decoding *decoding) {
    size_t all = 0, most = 0;
    const struct decoding *largest = NULL;
    for (const struct decoding *one = server->decodings; one; one = one->next) {
        all += one->document->taken;
        if (largest && one->document->taken <= most) continue;
        largest = one;
        most = one->document->taken;
    }
    return decoding == largest || all - most <= server->options.max_request;
}

void decodings_go(struct prong_server *server) {
    struct decoding *decoding = server->decodings;
    prong_value message = prong_make_null();
    if (!decoding) return;
    prong_status status = may_go_on(server, decoding) ? pickle_reader_go(decoding->reader, &message) : PRONG_TIMEOUT;
    decoding_take_out(server, &server->decodings);
    if (status != PRONG_TIMEOUT) {
        decoding_end(server, decoding, status, message);
        return;
    }
    *server->last_decoding = decoding;
    server->last_decoding = &decoding->next;
}
