/* For tests written in Python: reads pickles and shows what it read, in the plain JSON notation of the recorded vectors.
 *
 *     loads FLAGS HEX [BUFFER-HEX:READONLY ...]   -> the value, or "error STATUS MESSAGE"
 *     dumps PROTOCOL FLAGS HEX                    -> reads, writes again with that protocol: hex
 *
 * one command a line. FLAGS: "any" allows all classes, else "-". */
#include <prong/prong.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char *from_hex(const char *hex, size_t *size) {
    *size = strlen(hex) / 2;
    unsigned char *bytes = malloc(*size + 1);
    for (size_t i = 0; i < *size; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (unsigned char)strtoul(digits, NULL, 16);
    }
    return bytes;
}

static void put_hex(const void *data, size_t size) {
    for (size_t i = 0; i < size; i++) printf("%02x", ((const unsigned char *)data)[i]);
}

static prong_pickle_buffer buffers[8];
static size_t buffer_count;

/* Nodes met, to show the second meeting as a reference. */
static const void *met[200000];
static size_t met_count;

static bool again(prong_value value) {
    prong_kind kind = prong_value_kind(value);
    bool plain = kind <= PRONG_KIND_FLOAT || kind == PRONG_KIND_STR || kind == PRONG_KIND_BYTES ||
                 kind == PRONG_KIND_ELLIPSIS || kind == PRONG_KIND_NOT_IMPLEMENTED || !value.pointer ||
                 kind == PRONG_KIND_CLASS || kind == PRONG_KIND_COMPLEX || kind == PRONG_KIND_BUFFER;
    if (plain) {
        printf("{");
        return false;
    }
    size_t from = met_count > 5000 ? met_count - 5000 : 0;
    for (size_t i = from; i < met_count; i++)
        if (met[i] == value.pointer) {
            printf("{\"ref\": %zu}", i + 1);
            return true;
        }
    if (met_count < sizeof(met) / sizeof(*met)) met[met_count++] = value.pointer;
    printf("{\"id\": %zu, ", met_count);
    return false;
}

static void show(prong_value value);

static void show_items(const char *name, prong_value value) {
    printf("\"%s\": [", name);
    size_t at = 0;
    prong_value item;
    for (bool first = true; prong_value_next(value, &at, NULL, &item); first = false) {
        if (!first) printf(", ");
        show(item);
    }
    printf("]");
}

static void show_pairs(const char *name, prong_value value) {
    printf("\"%s\": [", name);
    size_t at = 0;
    prong_value key, item;
    for (bool first = true; prong_value_next(value, &at, &key, &item); first = false) {
        printf(first ? "[" : ", [");
        show(key);
        printf(", ");
        show(item);
        printf("]");
    }
    printf("]");
}

static void show_double(double number) {
    unsigned long long bits;
    memcpy(&bits, &number, 8);
    printf("\"%016llx\"", bits);
}

static void show_object(prong_value value) {
    prong_object object;
    prong_get_object(value, &object);
    printf("\"%s\": [\"%s\", \"%s\"], ", object.by_new ? "new" : "call", object.module, object.name);
    show_items("args", object.arguments);
    if (prong_value_kind(object.keywords)) printf(", "), show_pairs("kwargs", object.keywords);
    if (prong_value_kind(object.items)) printf(", "), show_items("items", object.items);
    if (prong_value_kind(object.pairs)) printf(", "), show_pairs("pairs", object.pairs);
    if (object.has_state) {
        printf(", \"state\": ");
        show(object.state);
    }
}

static void show_text(prong_value value) {
    const char *text;
    size_t size;
    prong_get_str(value, &text, &size);
    printf("{\"str\": \"");
    put_hex(text, size);
    printf("\"}");
}

static void show_int(prong_value value) {
    size_t size;
    prong_value_repr(value, NULL, 0, &size);
    char *text = malloc(size + 1);
    prong_value_repr(value, text, size + 1, NULL);
    printf("{\"int\": \"%s\"}", text);
    free(text);
}

static void show_buffer(prong_value value) {
    const void *data;
    size_t size;
    prong_get_bytes(value, &data, &size);
    for (size_t i = 0; i < buffer_count; i++)
        if (buffers[i].data == data) printf("\"buffer\": %zu", i);
}

static void show(prong_value value) {
    const void *data;
    size_t size;
    prong_value range[3];
    double complex[2];
    const char *names[2];
    switch (prong_value_kind(value)) {
    case PRONG_KIND_NULL: printf("null"); return;
    case PRONG_KIND_BOOL: printf(value.integer ? "true" : "false"); return;
    case PRONG_KIND_INT: show_int(value); return;
    case PRONG_KIND_STR: show_text(value); return;
    default: break;
    }
    if (again(value)) return;
    switch (prong_value_kind(value)) {
    case PRONG_KIND_FLOAT:
        printf("\"float\": ");
        show_double(value.real);
        break;
    case PRONG_KIND_COMPLEX:
        if (prong_scan(value, "c", &complex[0], &complex[1]) < 0) exit(3);
        printf("\"complex\": [");
        show_double(complex[0]);
        printf(", ");
        show_double(complex[1]);
        printf("]");
        break;
    case PRONG_KIND_BYTES:
    case PRONG_KIND_BYTEARRAY:
        prong_get_bytes(value, &data, &size);
        printf("\"%s\": \"", prong_kind_name(prong_value_kind(value)));
        put_hex(data, size);
        printf("\"");
        break;
    case PRONG_KIND_LIST:
    case PRONG_KIND_TUPLE:
    case PRONG_KIND_SET:
    case PRONG_KIND_FROZENSET: show_items(prong_kind_name(prong_value_kind(value)), value); break;
    case PRONG_KIND_DICT: show_pairs("dict", value); break;
    case PRONG_KIND_RANGE:
        if (prong_scan(value, "r", &range[0], &range[1], &range[2]) < 0) exit(3);
        printf("\"call\": [\"builtins\", \"range\"], \"args\": [");
        for (int i = 0; i < 3; i++) {
            if (i) printf(", ");
            show(range[i]);
        }
        printf("]");
        break;
    case PRONG_KIND_ELLIPSIS: printf("\"global\": [\"builtins\", \"Ellipsis\"]"); break;
    case PRONG_KIND_NOT_IMPLEMENTED: printf("\"global\": [\"builtins\", \"NotImplemented\"]"); break;
    case PRONG_KIND_CLASS:
        if (prong_scan(value, "C", &names[0], &names[1]) < 0) exit(3);
        printf("\"global\": [\"%s\", \"%s\"]", names[0], names[1]);
        break;
    case PRONG_KIND_OBJECT: show_object(value); break;
    case PRONG_KIND_BUFFER: show_buffer(value); break;
    default: printf("\"kind\": %d", prong_value_kind(value)); break;
    }
    printf("}");
}

static void show_error(prong_status status) {
    printf("error %s %s\n", prong_status_name(status), prong_error_message());
}

static void obey(char *line) {
    char *verb = strtok(line, " "), *protocol = NULL;
    if (!strcmp(verb, "dumps")) protocol = strtok(NULL, " ");
    char *flags = strtok(NULL, " "), *hex = strtok(NULL, " ");
    size_t size;
    unsigned char *bytes = from_hex(hex ? hex : "", &size);
    buffer_count = met_count = 0;
    for (char *more; (more = strtok(NULL, " ")) && buffer_count < 8; buffer_count++) {
        char *read_only = strchr(more, ':');
        *read_only++ = 0;
        buffers[buffer_count].data = from_hex(more, &buffers[buffer_count].size);
        buffers[buffer_count].read_only = *read_only == '1';
    }
    prong_unpickle_options options = {
        .any_class = !strcmp(flags, "any"), .buffers = buffers, .buffer_count = buffer_count};
    prong_document *document;
    if (prong_document_open(&document, NULL) < 0) exit(3);
    prong_value value;
    prong_pickle pickle;
    prong_status status = prong_pickle_loads(document, bytes, size, &value, &options);
    if (status >= 0 && protocol) {
        prong_pickle_options writing = {.protocol = atoi(protocol) ? atoi(protocol) : PRONG_PICKLE_TEXT};
        status = prong_pickle_dumps(document, value, &pickle, &writing);
        if (status >= 0) put_hex(pickle.data, pickle.size);
    } else if (status >= 0) {
        show(value);
    }
    if (status < 0)
        show_error(status);
    else
        printf("\n");
    fflush(stdout);
    prong_document_close(document);
    free(bytes);
}

int main(void) {
    static char line[1 << 24];
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = 0;
        obey(line);
    }
    return 0;
}
