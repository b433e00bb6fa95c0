/* Fuzzes the pickle reader, and what works on the values it makes. What was read must be written and read again as the
 * same. The first byte chooses the protocol to write and whether all classes are allowed. */
#include "fuzz.h"
#include <prong/prong.h>
#include <string.h>

static void use(prong_document *document, prong_value value, int protocol, bool any) {
    static char text[4096];
    prong_value copy, again;
    prong_pickle pickle;
    prong_value_repr(value, text, sizeof(text), NULL);
    prong_value_json(value, text, sizeof(text), NULL);
    prong_value_equal(value, value);
    if (prong_value_copy(document, value, &copy) < 0) return;
    prong_pickle_options writing = {.protocol = protocol ? protocol : PRONG_PICKLE_TEXT};
    if (prong_pickle_dumps(document, copy, &pickle, &writing) < 0) return;
    prong_unpickle_options reading = {.any_class = any};
    prong_status status = prong_pickle_loads(document, pickle.data, pickle.size, &again, &reading);
    if (status == PRONG_NO_MEMORY || status == PRONG_TOO_LONG) return;
    must(status >= 0, "what was written is not read: %s", prong_error_message());
    static char text_again[sizeof(text)];
    size_t size = 0, size_again = 0;
    if (prong_value_repr(copy, text, sizeof(text), &size) < 0) return;
    prong_value_repr(again, text_again, sizeof(text_again), &size_again);
    must(size == size_again && !strcmp(text, text_again), "what was read again is another:\n%s\n%s", text, text_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    prong_document *document;
    prong_document_options limits = {.max_memory = 64 << 20};
    if (prong_document_open(&document, &limits) < 0) return 0;
    bool any = data[0] & 8;
    prong_unpickle_options options = {.any_class = any};
    prong_value value;
    if (prong_pickle_loads(document, data + 1, size - 1, &value, &options) >= 0) use(document, value, data[0] % 6, any);
    prong_document_close(document);
    return 0;
}
