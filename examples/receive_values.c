/* Reads what Python's Connection.send has sent, and answers: receive_values listens, send_values.py connects. */
#include "example.h"

int main(int argc, char **argv) {
    prong_main(&argc, &argv);
    prong_listener *listener;
    prong_link *link;
    prong_document *document;
    prong_value value;
    prong_link_options options = {.authkey = "values", .authkey_size = 6, .allow_md5 = true};
    must(prong_listener_open(&listener, "127.0.0.1:0", &options));
    must(prong_document_open(&document, NULL));
    puts(prong_listener_address(listener));
    fflush(stdout);
    must(prong_listener_accept(listener, &link, PRONG_SECONDS(20)));
    prong_status status;
    while ((status = prong_link_recv_value(link, document, &value, NULL, PRONG_SECONDS(20))) >= 0) {
        char text[300];
        must(prong_value_repr(value, text, sizeof text, NULL));
        puts(text);
        must(prong_link_send_value(link, prong_make_int((int64_t)prong_value_size(value)), PRONG_SECONDS(20)));
    }
    printf("then %s\n", prong_status_name(status));
    prong_link_close(link);
    prong_listener_close(listener);
    prong_document_close(document);
}
