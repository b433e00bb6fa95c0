/* For tests written in Python: one end of a link.
 *
 *     listen ADDRESS KEY [md5]     prints the address, accepts one after another, echoes values until "stop"
 *     connect ADDRESS KEY [md5]    sends a few values, prints what comes back
 *     auth                         lines of: answer|verify KEY-HEX NONCE-HEX [ANSWER-HEX], printed: result */
#include <prong/prong.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static prong_link_options options_of(const char *key, bool md5) {
    return (prong_link_options){.authkey = *key ? key : NULL, .authkey_size = strlen(key), .allow_md5 = md5};
}

static int complain(const char *doing) {
    printf("error in %s: %s\n", doing, prong_error_message());
    fflush(stdout);
    return 1;
}

static bool echo(prong_link *link) {
    prong_document *document;
    bool stop = false;
    if (prong_document_open(&document, NULL) < 0) return true;
    for (prong_value value; prong_link_recv_value(link, document, &value, NULL, PRONG_SECONDS(20)) >= 0;) {
        const char *text;
        stop = prong_get_str(value, &text, NULL) >= 0 && !strcmp(text, "stop");
        if (stop || prong_link_send_value(link, value, PRONG_SECONDS(20)) < 0) break;
    }
    prong_document_close(document);
    return stop;
}

static int listen_there(const char *address, const char *key, bool md5) {
    prong_listener *listener;
    prong_link_options options = options_of(key, md5);
    if (prong_listener_open(&listener, address, &options) < 0) return complain("listen");
    printf("%s\n", prong_listener_address(listener));
    fflush(stdout);
    for (bool stop = false; !stop;) {
        prong_link *link;
        if (prong_listener_accept(listener, &link, PRONG_SECONDS(2)) < 0) {
            const char *reason;
            prong_listener_refused(listener, &reason);
            printf("refused: %s\n", reason);
            break;
        }
        stop = echo(link);
        prong_link_close(link);
    }
    prong_listener_close(listener);
    return 0;
}

static int connect_there(const char *address, const char *key, bool md5) {
    prong_link *link;
    prong_link_options options = options_of(key, md5);
    if (prong_link_connect(&link, address, &options, PRONG_SECONDS(10)) < 0) return complain("connect");
    prong_document *document;
    prong_value sent, back;
    static char large[3 << 20];
    if (prong_document_open(&document, NULL) < 0) return 1;
    for (int i = 0; i < 3; i++) {
        if (prong_build(document, &sent, "{s:i, s:[d,n,b], s:y}", "round", i, "list", 1.5, 1, "large", large,
                        i == 2 ? sizeof(large) : (size_t)i) < 0 ||
            prong_link_send_value(link, sent, PRONG_SECONDS(10)) ||
            prong_link_recv_value(link, document, &back, NULL, PRONG_SECONDS(10)))
            return complain("exchange");
        printf("%s\n", prong_value_equal(sent, back) ? "same" : "different");
    }
    prong_link_close(link);
    prong_document_close(document);
    return 0;
}

int main(int count, char **words) {
    prong_main(&count, &words);
    bool md5 = count > 4 && !strcmp(words[4], "md5");
    if (count < 4) return 2;
    return strcmp(words[1], "listen") ? connect_there(words[2], words[3], md5) : listen_there(words[2], words[3], md5);
}
