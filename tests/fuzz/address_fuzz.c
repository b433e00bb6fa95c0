/* Fuzzes addresses, as text and as Python's values, and the tokens and idents of managers. What is made from an address
 * and read again must be the same. The first byte chooses what the rest is. Built with -Wl,--wrap=getaddrinfo: no name is
 * looked up. */
#include "fuzz.h"
#include "manager/token.h"
#include "net/address.h"
#include <netdb.h>
#include <prong/prong.h>
#include <string.h>

int __real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found);

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found) {
    struct addrinfo numeric = *hints;
    numeric.ai_flags |= AI_NUMERICHOST;
    return __real_getaddrinfo(host, port, &numeric, found);
}

static void through_python(const char *text) {
    prong_document *document;
    prong_value value;
    char again[ADDRESS_TEXT];
    if (prong_document_open(&document, NULL) < 0) return;
    if (!address_to_value(document, text, &value)) {
        prong_status status = address_from_value(value, again);
        must(status >= 0, "\"%s\": %s", text, prong_error_message());
        must(address_same(text, again), "\"%s\" and \"%s\"", text, again);
    }
    struct token token;
    if (!token_to_value(document, "a type", text, 0x7f0000000010, &value)) {
        prong_status status = token_from_value(value, &token);
        must(status >= 0, "token: %s", prong_error_message());
        must(token.id == 0x7f0000000010 && !strcmp(token.type, "a type") && address_same(token.address, text),
             "\"%s\" and \"%s\"", token.address, text);
    }
    prong_document_close(document);
}

static void by_text(const char *text, bool listening) {
    struct address address, second;
    char printed[ADDRESS_TEXT];
    if (address_parse(text, listening, &address)) return;
    must(address.size <= sizeof(address.socket), "a socket's address of %u bytes", (unsigned)address.size);
    address_text(&address, printed);
    if (*printed == '@') { /* an abstract name may have a NUL in it, where text ends */
        through_python(printed);
        return;
    }
    prong_status status = address_parse(printed, listening, &second);
    must(status >= 0, "\"%s\" of \"%s\": %s", printed, text, prong_error_message());
    must(second.size == address.size && second.socket.ss_family == address.socket.ss_family, "\"%s\" and \"%s\"", text,
         printed);
    if (strlen(text) < ADDRESS_TEXT) through_python(text);
    through_python(printed);
}

static void by_value(const uint8_t *data, size_t size) {
    prong_document *document;
    prong_value value;
    char text[ADDRESS_TEXT];
    struct token token;
    struct address address;
    uint64_t id;
    prong_document_options limits = {.max_memory = 16 << 20};
    prong_unpickle_options options = {.any_class = true};
    if (prong_document_open(&document, &limits) < 0) return;
    if (prong_pickle_loads(document, data, size, &value, &options) >= 0) {
        if (!address_from_value(value, text)) {
            must(strlen(text) < ADDRESS_TEXT, "not ended");
            address_parse(text, false, &address);
        }
        if (!token_from_value(value, &token)) must(token.type && strlen(token.address) < ADDRESS_TEXT, "not ended");
        ident_from_value(value, &id);
    }
    prong_document_close(document);
}

static void by_ident(const char *text) {
    prong_document *document;
    prong_value value;
    uint64_t id, again;
    if (prong_document_open(&document, NULL) < 0) return;
    if (prong_make_str(document, text, PRONG_TO_NUL, &value) >= 0 && !ident_from_value(value, &id)) {
        prong_status status = ident_to_value(document, id, &value);
        if (status >= 0) status = ident_from_value(value, &again);
        must(status >= 0 && id == again, "%s", text);
    }
    prong_document_close(document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    unsigned how = input_byte(&input);
    if (how % 4 == 3) {
        by_value(input.at, input.left);
        return 0;
    }
    char *text = malloc(input.left + 1);
    if (!text) return 0;
    memcpy(text, input.at, input.left);
    text[input.left] = 0;
    if (how % 4 == 2)
        by_ident(text);
    else
        by_text(text, how % 4 == 1);
    free(text);
    return 0;
}
