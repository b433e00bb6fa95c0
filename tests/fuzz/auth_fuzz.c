/* Fuzzes the handshake, from both sides: one or two links of one side, with one key, talk with a peer that the input
 * controls. A peer without the key must never get a link open, though it may pass on to each what the other has sent; a
 * peer that has the key and answers correctly gets in.
 *
 * The input: a byte of choices, and steps: each a byte that says what to send to which link. */
#define _GNU_SOURCE
#include "fuzz.h"
#include "net/frame.h"
#include "net/link.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <prong/prong.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SAID_MAX = 2048, LINKS = 2, STEPS = 64 };
static const char KEY[] = "the key of both";

enum choice { LISTENS = 1, HAS_KEY = 2, ALLOW_MD5 = 4, TWO_LINKS = 8 };

/* A link, and the other end of its socket. */
struct side {
    prong_link *link;
    int end;
    prong_status status;
    unsigned char said[SAID_MAX]; /* the last message of the link */
    size_t said_size;
};

static void side_open(struct side *side, unsigned choices) {
    int ends[2];
    prong_link_options options = {
        .authkey = KEY, .authkey_size = sizeof(KEY) - 1, .allow_md5 = choices & ALLOW_MD5, .max_message = SAID_MAX};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) abort();
    prong_status status = link_new(&side->link, ends[0], choices & LISTENS, &options, "", NULL);
    must(status >= 0, "%s", prong_error_message());
    side->end = ends[1];
    side->status = PRONG_TIMEOUT;
}

static void side_close(struct side *side) {
    prong_link_close(side->link);
    close(side->end);
}

/* --- what comes from the link --- */

static void side_hear(struct side *side) {
    unsigned char header[FRAME_LONG];
    size_t length, size;
    while (recv(side->end, header, FRAME_SHORT, MSG_DONTWAIT) == FRAME_SHORT) {
        prong_status status = frame_read(header, FRAME_SHORT, &length, &size);
        must(status >= 0 && size <= SAID_MAX, "it sends a message of %zu bytes", size);
        ssize_t got = recv(side->end, side->said, size, MSG_DONTWAIT);
        must(got == (ssize_t)size, "%zd of %zu bytes", got, size);
        side->said_size = size;
    }
}

/* --- what goes to the link --- */

static void side_write(const struct side *side, const void *data, size_t size) {
    if (size && send(side->end, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return; /* it has hung up */
}

static void side_send(const struct side *side, const void *data, size_t size) {
    unsigned char header[FRAME_LONG];
    side_write(side, header, frame_write(header, size));
    side_write(side, data, size);
}

static void side_send_text(const struct side *side, const char *text) {
    side_send(side, text, strlen(text));
}

static void send_challenge(const struct side *side, struct input *input) {
    static const char *const prefixes[] = {"{sha256}", "{md5}", "{sha384}", "{sha3_256}",
                                           "",         "{",     "{sha1}",   "{sha3_384}"};
    size_t size;
    const char *prefix = prefixes[input_byte(input) % 8];
    const uint8_t *nonce = input_bytes(input, input_byte(input) % 80, &size);
    char message[256] = "#CHALLENGE#";
    strcat(message, prefix);
    size_t before = strlen(message);
    memcpy(message + before, nonce, size);
    side_send(side, message, before + size);
}

/* A right answer to the last challenge, by any digest, if it has the key. */
static void send_answer(const struct side *side, struct input *input, unsigned choices) {
    static const char *const names[] = {"sha256", "md5", "sha384", "sha3_256", "sha3_384", "md5"};
    const EVP_MD *const digests[] = {EVP_sha256(), EVP_md5(), EVP_sha384(), EVP_sha3_256(), EVP_sha3_384(), EVP_md5()};
    unsigned which = input_byte(input) % 6, damage = input_byte(input), size = 0;
    const char *key = choices & HAS_KEY ? KEY : "another";
    unsigned char message[256] = "";
    if (side->said_size < 11) return;
    size_t before = 0;
    if (which < 5) before = (size_t)snprintf((char *)message, sizeof(message), "{%s}", names[which]);
    if (!HMAC(digests[which], key, (int)strlen(key), side->said + 11, side->said_size - 11, message + before, &size))
        return; /* this OpenSSL does without MD5 */
    if (damage & 0x80) message[damage % (before + size)] ^= (unsigned char)(1 + input_byte(input) % 255);
    side_send(side, message, before + size);
}

static void send_damaged(const struct side *to, const struct side *from, struct input *input) {
    unsigned char message[SAID_MAX];
    size_t size = from->said_size;
    memcpy(message, from->said, size);
    if (size) message[input_byte(input) % size] ^= (unsigned char)input_byte(input);
    side_send(to, message, size);
}

static void step(struct side *sides, unsigned count, struct input *input, unsigned choices) {
    unsigned what = input_byte(input);
    struct side *side = &sides[what >> 7 & (count - 1)], *other = &sides[what >> 6 & (count - 1)];
    size_t size;
    const uint8_t *bytes;
    switch (what % 10) {
    case 0: send_answer(side, input, choices); break;
    case 1: side_send_text(side, "#WELCOME#"); break;
    case 2: send_challenge(side, input); break;
    case 3: side_send_text(side, "#FAILURE#"); break;
    case 4: side_send(side, other->said, other->said_size); break; /* what it or the other said, back */
    case 5: send_damaged(side, other, input); break;
    case 6:
        bytes = input_bytes(input, input_byte(input), &size);
        side_send(side, bytes, size);
        break;
    case 7: /* no whole message, perhaps */
        bytes = input_bytes(input, input_byte(input) % 32, &size);
        side_write(side, bytes, size);
        break;
    case 8: shutdown(side->end, SHUT_WR); break;
    default: break;
    }
    if (side->status == PRONG_TIMEOUT) side->status = link_advance(side->link);
    if (side->status == PRONG_OK && side->link->state == LINK_AUTH) side->status = PRONG_TIMEOUT;
    side_hear(side);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    struct side sides[LINKS] = {0};
    unsigned choices = input_byte(&input), count = choices & TWO_LINKS ? 2 : 1;
    for (unsigned i = 0; i < count; i++) {
        side_open(&sides[i], choices);
        side_hear(&sides[i]);
    }
    for (int i = 0; i < STEPS && input.left; i++) step(sides, count, &input, choices);
    for (unsigned i = 0; i < count; i++) {
        must(choices & HAS_KEY || sides[i].link->state != LINK_OPEN, "it lets in who does not have the key");
        must(sides[i].status != PRONG_OK || sides[i].link->state == LINK_OPEN, "done, but not open");
        side_close(&sides[i]);
    }
    return 0;
}
