/* Messages of links: as bytes of the socket, as memory lent, and where there is too little room for them. */
#include "link_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

/* Without a key: bytes as they come, and what the other end makes of them. */
static prong_link *fed_with(const char *bytes, size_t size, bool then_ends) {
    listen_with(NULL, NULL);
    int fd = raw_client();
    check(write(fd, bytes, size) == (ssize_t)size);
    prong_link *link = accepted();
    if (then_ends)
        close(fd);
    else
        fcntl(fd, F_DUPFD_CLOEXEC, 100);
    return link;
}

TEST(framing_is_read_as_python_writes_it) {
    prong_link *link = fed_with("\0\0\0\3abc\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\2xy", 25, true);
    ok(receive(link, PRONG_SECONDS(1)));
    check(lent.size == 3 && !memcmp(lent.data, "abc", 3));
    ok(receive(link, PRONG_SECONDS(1)));
    equal(lent.size, 0);
    ok(receive(link, PRONG_SECONDS(1)));
    check(lent.size == 2 && !memcmp(lent.data, "xy", 2));
    is(receive(link, PRONG_SECONDS(1)), PRONG_EOF);
    unfeed(link);
}

TEST(what_is_no_message_is_an_error) {
    static const struct {
        const char *bytes;
        size_t size;
        const char *what;
    } cases[] = {{"\0\0", 2, "end of file during message"},
                 {"\0\0\0\5ab", 6, "end of file during message"},
                 {"\xff\xff\xff\xff\0\0", 6, "end of file during message"},
                 {"\xff\xff\xff\xfe"
                  "abc",
                  7, "bad message length"},
                 {"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 12, "bad message length"},
                 {"\x7f\xff\xff\xff"
                  "abc",
                  7, "a message of 2147483647 bytes"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        prong_link *link = fed_with(cases[i].bytes, cases[i].size, true);
        prong_status status = receive(link, PRONG_SECONDS(1));
        check(status == PRONG_INVALID || status == PRONG_TOO_LONG);
        says(cases[i].what);
        unfeed(link);
    }
}

TEST(a_part_of_a_message_waits_for_the_rest) {
    prong_link *link = fed_with("\0\0\0\5ab", 6, false);
    is(receive(link, PRONG_MS(50)), PRONG_TIMEOUT);
    check(write(100, "cde", 3) == 3);
    ok(prong_link_poll(link, PRONG_SECONDS(1)));
    ok(receive(link, PRONG_SECONDS(1)));
    check(lent.size == 5 && !memcmp(lent.data, "abcde", 5));
    is(prong_link_poll(link, PRONG_NOWAIT), PRONG_TIMEOUT);
    close(100);
    unfeed(link);
}

TEST(a_buffer_that_is_too_small_leaves_the_message) {
    char buffer[8];
    size_t size;
    prong_link *link = fed_with("\0\0\0\5abcde\0\0\0\1x", 14, false);
    is(prong_link_recv_bytes_into(link, buffer, 4, &size, PRONG_SECONDS(1)), PRONG_TOO_LONG);
    equal(size, 5);
    ok(prong_link_recv_bytes_into(link, buffer, 8, &size, PRONG_SECONDS(1)));
    check(!memcmp(buffer, "abcde", 5));
    ok(prong_link_recv_bytes(link, 1, &lent, PRONG_SECONDS(1)));
    close(100);
    unfeed(link);
}

static char block_sent[3 << 20];

static void *send_block(void *link) {
    ok(prong_link_send_bytes(link, block_sent, sizeof(block_sent), PRONG_SECONDS(10)));
    return NULL;
}

TEST(a_message_is_lent_until_its_release_whatever_the_link_does) {
    enum { ROUNDS = 200 };
    prong_message held[ROUNDS], large;
    prong_link *link, *other;
    prong_waitable item = {.kind = PRONG_WAIT_LINK};
    listen_with(NULL, NULL);
    ok(prong_link_connect(&link, address, NULL, PRONG_SECONDS(10)));
    other = item.link = accepted();
    for (int i = 0; i < ROUNDS; i++) {
        size_t size = (size_t)i * 131;
        memset(block_sent, 'a' + i % 26, size);
        ok(prong_link_send_bytes(link, block_sent, size, PRONG_SECONDS(10)));
        if (i % 3 == 0) ok(prong_link_send_bytes(link, "behind", 6, PRONG_SECONDS(10))); /* two in one buffer */
        ok(prong_link_recv_bytes(other, 0, &held[i], PRONG_SECONDS(10)));
        equal(held[i].size, size);
        if (i % 3) continue;
        ok(prong_wait(&item, 1, NULL, PRONG_SECONDS(10)));
        ok(prong_link_poll(other, PRONG_SECONDS(10)));
        ok(receive(other, PRONG_SECONDS(10)));
        check(lent.size == 6 && !memcmp(lent.data, "behind", 6));
    }
    pthread_t thread; /* more than the socket holds */
    check(pthread_create(&thread, NULL, send_block, link) == 0);
    ok(prong_link_recv_bytes(other, 0, &large, PRONG_SECONDS(10)));
    pthread_join(thread, NULL);
    prong_link_close(link);
    unfeed(other);
    check(large.size == sizeof(block_sent) && !memcmp(large.data, block_sent, large.size));
    ok(prong_message_release(&large));
    for (int i = 0; i < ROUNDS; i++) {
        const char *text = held[i].data;
        for (size_t j = 0; j < held[i].size; j++) check(text[j] == 'a' + i % 26);
        ok(prong_message_release(&held[i]));
        is(prong_message_release(&held[i]), PRONG_STALE);
    }
}

TEST(a_message_of_a_link_goes_to_no_queue_or_connection) {
    prong_queue queue;
    prong_connection ours, theirs;
    ok(prong_queue_create(&queue, NULL));
    ok(prong_pipe_create(&ours, &theirs, NULL));
    prong_link *link = fed_with("\0\0\0\3abc", 7, true);
    ok(receive(link, PRONG_SECONDS(1)));
    is(prong_queue_commit(queue, &lent, PRONG_NOWAIT), PRONG_INVALID);
    says("a link has lent");
    is(prong_connection_commit(ours, &lent, PRONG_NOWAIT), PRONG_INVALID);
    check(lent.size == 3 && !memcmp(lent.data, "abc", 3)); /* it is still the caller's */
    ok(prong_message_release(&lent));
    unfeed(link);
    ok(prong_queue_destroy(queue));
}

TEST(a_message_that_is_too_long_tells_its_length) {
    prong_link *link = fed_with("\0\0\0\5abcde", 9, false);
    is(prong_link_recv_bytes(link, 4, &lent, PRONG_SECONDS(1)), PRONG_TOO_LONG);
    equal(lent.size, 5);
    check(!lent.data);
    is(prong_link_recv_bytes(link, 0, &lent, PRONG_SECONDS(1)), PRONG_BROKEN);
    close(100);
    unfeed(link);
}

TEST(values_received_own_their_bytes) {
    static char text[1000];
    prong_document *document;
    prong_value sent, first, second;
    const void *bytes;
    size_t size;
    prong_link *link, *other;
    prong_unpickle_options borrow = {.borrow_bytes = true};
    listen_with(NULL, NULL);
    ok(prong_document_open(&document, NULL));
    ok(prong_link_connect(&link, address, NULL, PRONG_SECONDS(10)));
    other = accepted();
    for (int i = 0; i < 2; i++) {
        memset(text, 'x' + i, sizeof(text));
        ok(prong_make_bytes(document, text, sizeof(text), &sent));
        ok(prong_link_send_value(link, sent, PRONG_SECONDS(10)));
        ok(prong_link_recv_value(other, document, i ? &second : &first, &borrow, PRONG_SECONDS(10)));
    }
    prong_link_close(link);
    unfeed(other);
    ok(prong_get_bytes(first, &bytes, &size));
    memset(text, 'x', sizeof(text));
    check(size == sizeof(text) && !memcmp(bytes, text, size));
    prong_document_close(document);
}

TEST(wait_sees_what_was_read_already) {
    size_t count;
    prong_link *link = fed_with("\0\0\0\1a\0\0\0\1b", 10, false);
    ok(receive(link, PRONG_SECONDS(1)));
    prong_waitable items[] = {{.kind = PRONG_WAIT_LISTENER, .listener = listener},
                              {.kind = PRONG_WAIT_LINK, .link = link}};
    ok(prong_wait(items, 2, &count, PRONG_SECONDS(1)));
    check(count == 1 && items[1].ready);
    ok(receive(link, PRONG_NOWAIT));
    is(prong_wait(items, 2, &count, PRONG_MS(30)), PRONG_TIMEOUT);
    int fd = raw_client();
    ok(prong_wait(items, 2, &count, PRONG_SECONDS(1)));
    check(items[0].ready && !items[1].ready);
    close(fd);
    close(100);
    unfeed(link);
}

TEST(a_send_that_finds_no_room_times_out_and_says_what_is_left) {
    static char large[8 << 20];
    listen_with(NULL, NULL);
    int fd = raw_client();
    prong_link *link = accepted();
    is(prong_link_send_bytes(link, large, sizeof(large), PRONG_MS(50)), PRONG_TIMEOUT);
    says("the link is cut");
    is(prong_link_send_bytes(link, "a", 1, PRONG_MS(50)), PRONG_BROKEN);
    close(fd);
    unfeed(link);
}

/* Nothing of a message that found no room has left: those before it arrive, and those after. */
TEST(a_send_without_room_leaves_the_link_as_it_was) {
    char block[1000] = {0}, last[] = "last";
    size_t sent = 0;
    prong_status status = PRONG_OK;
    listen_with(NULL, NULL);
    prong_link *link, *other;
    ok(prong_link_connect(&link, address, NULL, PRONG_SECONDS(10)));
    other = accepted();
    for (; status >= 0; sent += status >= 0) status = prong_link_send_bytes(link, block, sizeof(block), PRONG_NOWAIT);
    is(status, PRONG_TIMEOUT);
    bool cut = prong_link_send_bytes(link, block, sizeof(block), PRONG_NOWAIT) == PRONG_BROKEN;
    check(!cut); /* a Unix socket takes a small message whole, or not */
    for (size_t i = 0; i < sent; i++) {
        ok(receive(other, PRONG_SECONDS(10)));
        equal(lent.size, sizeof(block));
    }
    ok(prong_link_send_bytes(link, last, sizeof(last), PRONG_SECONDS(10)));
    ok(receive(other, PRONG_SECONDS(10)));
    check(lent.size == sizeof(last) && !memcmp(lent.data, last, lent.size));
    prong_link_close(link);
    unfeed(other);
}
