/* Writing pickles: what protocols below the newest write, which lack an opcode. */
#include "value/number.h"
#include "value/pickle_writer.h"
#include "value/text.h"
#include <stdio.h>
#include <stdlib.h>

prong_status write_old_put(struct writer *w, uint32_t index) {
    TRY(writer_room(w, 16));
    if (w->protocol == 0) {
        w->at += sprintf(w->at, "p%u\n", index);
    } else if (index < 256) {
        writer_put_byte(w, OP_BINPUT);
        writer_put_byte(w, (int)index);
    } else {
        writer_put_byte(w, OP_LONG_BINPUT);
        writer_put_number(w, index, 4);
    }
    return PRONG_OK;
}

prong_status write_text_get(struct writer *w, uint32_t index) {
    TRY(writer_room(w, 16));
    w->at += sprintf(w->at, "g%u\n", index);
    return PRONG_OK;
}

prong_status save_int_text(struct writer *w, prong_value value) {
    if (!value_is_big(value)) {
        char text[24];
        bool small = value.integer == (int32_t)value.integer;
        int size = snprintf(text, sizeof(text), "%lld%s", (long long)value.integer, small ? "" : "L");
        return writer_line(w, small ? OP_INT : OP_LONG, text, (size_t)size);
    }
    if (value_size(value) > DIGITS_MAX / 3)
        return fail(PRONG_TOO_LONG, "pickle: an int of %zu bytes is too long for protocol %d", value_size(value),
                    w->protocol);
    char *digits = int_to_text(value);
    if (!digits) return fail_text(PRONG_NO_MEMORY, "pickle: no memory for an int's digits");
    size_t size = strlen(digits);
    digits[size] = 'L';
    prong_status status = writer_line(w, OP_LONG, digits, size + 1);
    free(digits);
    return status;
}

/* raw-unicode-escape: what is above 255, and what would end the line or be taken for an escape, is written as one. */
prong_status write_raw_unicode(struct writer *w, const char *text, size_t size) {
    TRY(writer_room(w, size * 6 + 16));
    writer_put_byte(w, OP_UNICODE);
    for (const char *at = text, *end = text + size; at < end;) {
        uint32_t c = utf8_get(&at);
        if (c > 0xffff)
            w->at += sprintf(w->at, "\\U%08x", c);
        else if (c > 0xff || c == '\\' || c == 0 || c == '\n' || c == '\r' || c == 0x1a)
            w->at += sprintf(w->at, "\\u%04x", c);
        else
            writer_put_byte(w, (int)c);
    }
    writer_put_byte(w, '\n');
    return PRONG_OK;
}

/* The text whose characters are these bytes, for protocols that have no bytes. */
static prong_status write_latin1(struct writer *w, const unsigned char *data, size_t size) {
    char *text = malloc(size * 2 + 1), *out = text;
    if (!text) return fail_text(PRONG_NO_MEMORY, "pickle: no memory for bytes as text");
    for (size_t i = 0; i < size; i++) out += utf8_put(out, data[i]);
    prong_status status = write_text(w, text, (size_t)(out - text));
    free(text);
    return status;
}

prong_status save_old_bytes(struct writer *w, const char *module, const char *name, const char *encoding,
                            const void *data, size_t size) {
    if (size == 0 && strcmp(name, PICKLE_ENCODE) == 0) return save_call(w, PICKLE_BUILTINS, PICKLE_BYTES, NULL, 0, 0);
    TRY(save_class(w, module, name));
    if (writer_needs_mark(w, 2)) TRY(writer_byte(w, OP_MARK));
    TRY(write_latin1(w, data, size));
    TRY(write_text(w, encoding, strlen(encoding)));
    TRY(writer_tuple(w, 2));
    return writer_byte(w, OP_REDUCE);
}

/* Below protocol 4: made from a list, that is of one's own. */
prong_status save_old_set(struct writer *w, prong_value value, unsigned depth) {
    const struct table *table = value_table(value);
    TRY(save_class(w, PICKLE_BUILTINS, value_kind(value) == PRONG_KIND_SET ? PICKLE_SET : PICKLE_FROZENSET));
    if (writer_needs_mark(w, 1)) TRY(writer_byte(w, OP_MARK));
    TRY(writer_empty(w, OP_EMPTY_LIST, OP_LIST));
    size_t at = 0;
    for (struct entry *entry = table_next(table, &at); entry; entry = table_next(table, &at)) {
        TRY(save_value(w, entry->key, depth));
        TRY(writer_byte(w, OP_APPEND));
    }
    TRY(writer_tuple(w, 1));
    TRY(writer_byte(w, OP_REDUCE));
    if (writer_has_met(w, node_of(value))) { /* met within itself */
        TRY(writer_byte(w, OP_POP));
        return writer_get(w, node_of(value)->index);
    }
    return writer_memoize(w, node_of(value));
}
