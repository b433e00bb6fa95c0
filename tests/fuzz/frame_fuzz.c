/* Fuzzes the reading of messages off a stream, by a link and by prong_stream_recv: bytes that come cut at any place. Both
 * must find just the messages that a plain reading of the whole finds, and the same end.
 *
 * The input: two bytes of choices, a byte with the number of cuts, that many lengths of pieces, and the stream. */
#include "fuzz.h"
#include "net/frame.h"
#include "net/link.h"
#include <prong/prong.h>
#include <prong/runtime.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE_MAX = 3000, STREAM_MAX = 60000, PIECES = 16 };

struct stream {
    const uint8_t *data;
    size_t size, at;
};

/* --- the plain reading --- */

/* The next message of the whole stream, or why there is none: PRONG_EOF, PRONG_INVALID, PRONG_TOO_LONG. */
static prong_status plain_next(struct stream *stream, size_t limit, const uint8_t **message, size_t *size) {
    const uint8_t *at = stream->data + stream->at;
    size_t left = stream->size - stream->at, header = 4;
    uint64_t length = 0;
    if (left == 0) return PRONG_EOF;
    if (left < header) return PRONG_INVALID;
    for (int i = 0; i < 4; i++) length = length << 8 | at[i];
    if (length == 0xffffffff) {
        header = 12;
        if (left < header) return PRONG_INVALID;
        length = 0;
        for (int i = 4; i < 12; i++) length = length << 8 | at[i];
        if (length >> 63) return PRONG_INVALID;
    } else if (length >> 31) {
        return PRONG_INVALID;
    }
    if (length > limit) return PRONG_TOO_LONG;
    if (left - header < length) return PRONG_INVALID;
    *message = at + header;
    *size = (size_t)length;
    stream->at += header + (size_t)length;
    return PRONG_OK;
}

static void is_plain(struct stream *plain, prong_status status, const void *message, size_t size) {
    const uint8_t *right;
    size_t right_size = 0;
    prong_status wanted = plain_next(plain, MESSAGE_MAX, &right, &right_size);
    must(status == wanted, "%s, not %s, at byte %zu", prong_status_name(status), prong_status_name(wanted), plain->at);
    if (status < 0) return;
    must(size == right_size && !memcmp(message, right, size), "a message of %zu bytes, not %zu", size, right_size);
}

/* --- by a link --- */

static void by_link(int ends[2], struct stream stream, const uint8_t *pieces, size_t count) {
    prong_link *link;
    prong_link_options options = {.max_message = MESSAGE_MAX};
    struct stream plain = stream;
    prong_status status = link_new(&link, ends[0], true, &options, "", NULL);
    must(status >= 0, "%s", prong_error_message());
    for (size_t i = 0; status >= 0 || status == PRONG_TIMEOUT; i++) {
        size_t piece = i < count ? pieces[i] : stream.size - stream.at;
        if (piece > stream.size - stream.at) piece = stream.size - stream.at;
        if (piece && send(ends[1], stream.data + stream.at, piece, MSG_NOSIGNAL) != (ssize_t)piece) abort();
        stream.at += piece;
        if (stream.at == stream.size) shutdown(ends[1], SHUT_WR);
        do {
            const void *message = NULL;
            size_t size = 0;
            while ((status = link_take(link, 0, &message, &size)) != PRONG_TIMEOUT) {
                is_plain(&plain, status, message, size);
                if (status < 0) break;
            }
        } while (status == PRONG_TIMEOUT && (status = link_fill(link)) == PRONG_OK);
        must(status != PRONG_TIMEOUT || stream.at < stream.size, "at the end it still waits");
    }
    prong_link_close(link);
    close(ends[1]);
}

/* --- by prong_stream_recv --- */

static void by_stream(int ends[2], struct stream stream, unsigned choice) {
    static uint8_t buffer[MESSAGE_MAX];
    struct stream plain = stream;
    if (stream.size && send(ends[1], stream.data, stream.size, MSG_NOSIGNAL) != (ssize_t)stream.size) abort();
    shutdown(ends[1], SHUT_WR);
    prong_time timeout = choice & 1 ? PRONG_NOWAIT : choice & 2 ? PRONG_SECONDS(20) : PRONG_FOREVER;
    prong_status status;
    do {
        size_t size = 0;
        status = prong_stream_recv(ends[0], buffer, sizeof(buffer), &size, timeout);
        is_plain(&plain, status, buffer, size);
    } while (status >= 0);
    close(ends[0]);
    close(ends[1]);
}

/* What is sent in parts is one message. */
static void by_parts(int ends[2], const struct stream *stream) {
    static uint8_t buffer[STREAM_MAX];
    size_t half = stream->size / 2, size = 0;
    prong_bytes parts[] = {{stream->data, half}, {stream->data + half, 0}, {stream->data + half, stream->size - half}};
    prong_status status = prong_stream_send(ends[1], parts, 3, PRONG_SECONDS(20));
    must(status >= 0, "send: %s", prong_error_message());
    status = prong_stream_recv(ends[0], buffer, sizeof(buffer), &size, PRONG_SECONDS(20));
    must(status >= 0 && size == stream->size && !memcmp(buffer, stream->data, size), "receive: %s",
         prong_error_message());
    close(ends[0]);
    close(ends[1]);
}

static void write_and_read(uint64_t size) {
    unsigned char header[FRAME_LONG];
    size_t length = frame_write(header, (size_t)size), header_size = 0, read_size = 0;
    for (size_t have = 0; have < length; have++)
        must(frame_read(header, have, &header_size, &read_size) == PRONG_TIMEOUT, "%zu bytes suffice", have);
    prong_status status = frame_read(header, length, &header_size, &read_size);
    must(size >> 63 ? status == PRONG_INVALID : status >= 0 && read_size == size && header_size == length, "%s",
         prong_status_name(status));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    unsigned how = input_byte(&input), choice = input_byte(&input);
    size_t count, ends_at;
    const uint8_t *pieces = input_bytes(&input, input_byte(&input) % PIECES, &count);
    const uint8_t *bytes = input_bytes(&input, STREAM_MAX, &ends_at);
    struct stream stream = {bytes, ends_at, 0};
    int ends[2];
    if (ends_at >= 8) {
        struct input number = {bytes, 8};
        write_and_read(input_number(&number, 8) >> (choice % 64));
    }
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return 0;
    if (how % 3 == 0)
        by_link(ends, stream, pieces, count);
    else if (how % 3 == 1)
        by_stream(ends, stream, choice);
    else
        by_parts(ends, &stream);
    return 0;
}
