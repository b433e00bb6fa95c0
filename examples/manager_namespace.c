/* A Namespace: attributes that processes share. */
#include "example.h"

static int raise_score(void *argument, size_t size) {
    prong_proxy *space = argument;
    prong_document *document;
    prong_value value;
    int64_t score;
    (void)size;
    must(prong_document_open(&document, NULL));
    must(prong_proxy_call(*space, "__getattribute__", document, &value, PRONG_SECONDS(5), "(s)", "score"));
    must(prong_get_int(value, &score));
    must(prong_proxy_call(*space, "__setattr__", NULL, NULL, PRONG_SECONDS(5), "(sI)", "score", score + 1));
    must(prong_proxy_call(*space, "__setattr__", NULL, NULL, PRONG_SECONDS(5), "(ss)", "by", "child"));
    prong_document_close(document);
    return 0;
}

int main(int argc, char **argv) {
    example_begin(argc, argv);
    prong_manager manager;
    prong_proxy space;
    prong_document *document;
    prong_value value;
    must(prong_document_open(&document, NULL));
    must(prong_manager_start(&manager, NULL));
    must(prong_proxy_create(&space, manager, "Namespace", PRONG_SECONDS(5), "()"));
    must(prong_proxy_call(space, "__setattr__", NULL, NULL, PRONG_SECONDS(5), "(si)", "score", 41));
    prong_process child = example_start(raise_score, &space, sizeof space);
    must(prong_process_join(child, PRONG_SECONDS(10)));
    static const char *const names[] = {"score", "by"};
    for (int i = 0; i < 2; i++) {
        char text[50];
        must(prong_proxy_call(space, "__getattribute__", document, &value, PRONG_SECONDS(5), "(s)", names[i]));
        must(prong_value_repr(value, text, sizeof text, NULL));
        printf("%s = %s\n", names[i], text);
    }
    prong_status status =
        prong_proxy_call(space, "__getattribute__", document, &value, PRONG_SECONDS(5), "(s)", "colour");
    printf("%s: %s\n", prong_status_name(status), prong_error_message());
    must(prong_manager_shutdown(manager, PRONG_SECONDS(5)));
    prong_document_close(document);
}
