/* Messages that take a server long to read: others are answered meanwhile. */
#include "small_server.h"

struct message {
    char *data;
    size_t size;
};

enum { MESSAGE_ROOM = 4 << 20 };

static void add_often(struct message *message, const char *data, size_t size, size_t times) {
    if (!message->data) message->data = malloc(MESSAGE_ROOM);
    check(message->data && message->size + size * times <= MESSAGE_ROOM);
    for (size_t i = 0; i < times; i++, message->size += size) memcpy(message->data + message->size, data, size);
}

static void add(struct message *message, const void *data, size_t size) {
    add_often(message, data, size, 1);
}

/* Two million empty dicts. */
static struct message many_values(void) {
    struct message message = {0};
    add(&message, "\x80\x04](", 4);
    add_often(&message, "}", 1, 2 << 20);
    add(&message, "e.", 2);
    return message;
}

/* frozenset() of a long list, again and again. */
static struct message many_calls(void) {
    static const char class[] = "cbuiltins\nfrozenset\n\x94"
                                "0(";
    struct message message = {0};
    add(&message, "\x80\x04](", 4);
    add_often(&message, "N", 1, 8192);
    add(&message,
        "e\x94"
        "0",
        3);
    add(&message, class, sizeof(class) - 1);
    add_often(&message, "h\1h\0\x85R", 6, 100000);
    add(&message, "l.", 2);
    return message;
}

/* Keys that have one hash: objects of one class, with a state each; in a dict, or handed to frozenset(). */
static struct message one_hash(bool by_call) {
    static const char class[] = "cm\nC\n\x94"
                                "0";
    struct message message = {0};
    add(&message, "\x80\x04", 2);
    add(&message, class, sizeof(class) - 1);
    add(&message, by_call ? "cbuiltins\nfrozenset\n](" : "}(", by_call ? 22 : 2);
    for (uint32_t i = 0; i < 100000; i++) {
        add(&message, "h\0)RJ", 5);
        add(&message, &i, 4);
        add(&message, "bN", by_call ? 1 : 2);
    }
    add(&message, by_call ? "e\x85R." : "u.", by_call ? 4 : 2);
    return message;
}

/* A key of a megabyte, a hundred thousand times. */
static struct message long_key(void) {
    static char key[1 << 20];
    struct message message = {0};
    uint32_t size = sizeof(key);
    memset(key, 'k', sizeof(key));
    add(&message, "\x80\x04X", 3);
    add(&message, &size, 4);
    add(&message, key, sizeof(key));
    add(&message,
        "\x94"
        "0}(",
        4);
    for (int i = 0; i < 20; i++) add(&message, (char[]){'K', (char)i, 'N'}, 3);
    add(&message, "u(", 2);
    add_often(&message, "h\0N", 3, 100000);
    add(&message, "u.", 2);
    return message;
}

static prong_link *introduced(const char *name, const prong_link_options *options) {
    prong_link *link;
    prong_value arguments, result;
    ok(prong_link_connect(&link, name, options, SOON));
    ok(prong_build(document, &arguments, "(s)", "one"));
    tell(link, NULL, "accept_connection", arguments);
    hear_return(link, &result);
    return link;
}

/* How often another was answered from when it was sent until its answer, which must say this. */
static int answered_meanwhile(prong_link *bomber, prong_link *other, const struct message *bomb, const char *says) {
    prong_value value;
    const char *kind, *text;
    int answers = 0;
    ok(prong_link_send_bytes(bomber, bomb->data, bomb->size, PRONG_SECONDS(60)));
    for (; prong_link_poll(bomber, PRONG_NOWAIT); answers++) {
        ok(prong_make_tuple(document, NULL, 0, &value));
        tell(other, NULL, "dummy", value);
        hear_return(other, &value);
        prong_document_reset(document);
    }
    ok(prong_link_recv_value(bomber, document, &value, NULL, SOON));
    ok(prong_scan(value, "(ss)", &kind, &text));
    if (!strstr(text, says)) test_failed(__FILE__, __LINE__, "%s", text);
    return answers;
}

/* A busy machine may run this process too late to ask ten times; a server that reads such a message in one go answers one
 * other, or two, in any of the tries. */
static bool others_are_answered(prong_link *bomber, prong_link *other, const struct message *bomb, const char *says) {
    for (int tries = 0; tries < 20; tries++)
        if (answered_meanwhile(bomber, other, bomb, says) >= 10) return true;
    return false;
}

LONG_TEST(a_message_that_takes_long_to_read_holds_up_nobody_else, 120) {
    prong_manager manager = started(PRONG_START_FORK);
    prong_manager_info info;
    ok(prong_manager_get_info(manager, &info));
    prong_link_options options = {.authkey = OPEN ? NULL : info.authkey, .authkey_size = info.authkey_size};
    prong_link *bomber = introduced(info.address, &options), *other = introduced(info.address, &options);
    struct {
        struct message message;
        const char *says;
    } bombs[] = {{many_values(), "expected tuple, found list"},
                 {many_calls(), "takes too long"},
                 {one_hash(false), "take too long"},
                 {one_hash(true), "takes too long"},
                 {long_key(), "take too long"}};
    for (size_t i = 0; i < sizeof(bombs) / sizeof(*bombs); i++) {
        if (!others_are_answered(bomber, other, &bombs[i].message, bombs[i].says))
            test_failed(__FILE__, __LINE__, "message %zu", i);
        free(bombs[i].message.data);
    }
    prong_link_close(bomber);
    prong_link_close(other);
    ended(manager);
}
