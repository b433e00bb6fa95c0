/* dumps_* and loads_*: documents that CPython has made (bench/cpython.py) and pickled into BENCH_DOCUMENTS. The peer
 * msgpack writes and reads the same document as msgpack. */
#include "bench.h"

#include <string.h>
#ifdef HAVE_MSGPACK
#include <msgpack.h>
#endif

double bench_now(void);
void bench_die(const char *what);

static char *pickle;
static size_t pickle_size;

static void read_document(const char *kind) {
    char path[500];
    const char *directory = getenv("BENCH_DOCUMENTS");
    snprintf(path, sizeof path, "%s/%s.pickle", directory ? directory : ".", kind);
    FILE *file = fopen(path, "rb");
    pickle = malloc(8 << 20);
    if (!file || !pickle) bench_die(path);
    pickle_size = fread(pickle, 1, 8 << 20, file);
    fclose(file);
}

static long rounds(void) {
    return pickle_size < 1000 ? 40000 : pickle_size < 20000 ? 2000 : 20;
}

/* The best of a few spans: microseconds for each document. */
static void best_of(void (*once)(void)) {
    double best = 1e30;
    long count = rounds();
    once();
    for (int span = 0; span < 5; span++) {
        double start = bench_now();
        for (long i = 0; i < count; i++) once();
        double took = (bench_now() - start) * 1e6 / (double)count;
        if (took < best) best = took;
    }
    bench_result(best);
}

static prong_document *scratch;
static prong_value document;

static void loads(void) {
    prong_value value;
    prong_document_reset(scratch);
    must(prong_pickle_loads(scratch, pickle, pickle_size, &value, NULL));
}

static void dumps(void) {
    prong_pickle made;
    prong_document_reset(scratch);
    must(prong_pickle_dumps(scratch, document, &made, NULL));
}

#ifdef HAVE_MSGPACK
static msgpack_sbuffer buffer;

static void pack(msgpack_packer *packer, prong_value value) {
    const char *text;
    const void *data;
    size_t size, at = 0;
    int64_t number;
    double real;
    bool truth;
    prong_value key, item;
    switch (prong_value_kind(value)) {
    case PRONG_KIND_BOOL:
        prong_get_bool(value, &truth);
        truth ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
        break;
    case PRONG_KIND_INT:
        must(prong_get_int(value, &number));
        msgpack_pack_int64(packer, number);
        break;
    case PRONG_KIND_FLOAT:
        prong_get_float(value, &real);
        msgpack_pack_double(packer, real);
        break;
    case PRONG_KIND_STR:
        prong_get_str(value, &text, &size);
        msgpack_pack_str(packer, size);
        msgpack_pack_str_body(packer, text, size);
        break;
    case PRONG_KIND_BYTES:
        prong_get_bytes(value, &data, &size);
        msgpack_pack_bin(packer, size);
        msgpack_pack_bin_body(packer, data, size);
        break;
    case PRONG_KIND_LIST:
    case PRONG_KIND_TUPLE:
        msgpack_pack_array(packer, prong_value_size(value));
        while (prong_value_next(value, &at, NULL, &item)) pack(packer, item);
        break;
    case PRONG_KIND_DICT:
        msgpack_pack_map(packer, prong_value_size(value));
        while (prong_value_next(value, &at, &key, &item)) {
            pack(packer, key);
            pack(packer, item);
        }
        break;
    default: msgpack_pack_nil(packer); break;
    }
}

static void msgpack_dumps(void) {
    msgpack_sbuffer_clear(&buffer);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    pack(&packer, document);
}

static void msgpack_loads(void) {
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, buffer.data, buffer.size, NULL) != MSGPACK_UNPACK_SUCCESS) bench_die("msgpack");
    msgpack_unpacked_destroy(&unpacked);
}
#endif

static void with_msgpack(bool writes) {
#ifdef HAVE_MSGPACK
    msgpack_sbuffer_init(&buffer);
    msgpack_dumps();
    best_of(writes ? msgpack_dumps : msgpack_loads);
#else
    (void)writes;
    puts("-");
#endif
}

/* Every byte is read once and written once, whatever it means. */
static void copy(void) {
    static char *to;
    if (!to) to = malloc(pickle_size);
    memcpy(to, pickle, pickle_size);
    __asm__ volatile("" : : "r"(to) : "memory"); /* made, although nothing reads it */
}

bool bench_value(const char *name, const char *peer) {
    bool writes = !strncmp(name, "dumps_", 6);
    if (!writes && strncmp(name, "loads_", 6)) return false;
    prong_document *own;
    read_document(name + 6);
    must(prong_document_open(&scratch, NULL));
    must(prong_document_open(&own, NULL));
    must(prong_pickle_loads(own, pickle, pickle_size, &document, NULL));
    if (!strcmp(peer, "limit_copy"))
        best_of(copy);
    else if (strcmp(peer, "prong"))
        with_msgpack(writes);
    else
        best_of(writes ? dumps : loads);
    return true;
}
