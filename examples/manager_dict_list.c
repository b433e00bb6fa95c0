/* A dict and a list on a manager's server, changed by a child. */
#include "example.h"

struct shared {
    prong_proxy dict, list;
};

static int change(void *argument, size_t size) {
    struct shared *shared = argument;
    (void)size;
    must(prong_proxy_call(shared->dict, "__setitem__", NULL, NULL, PRONG_SECONDS(5), "(si)", "1", 1));
    must(prong_proxy_call(shared->dict, "__setitem__", NULL, NULL, PRONG_SECONDS(5), "(id)", 2, 2.5));
    must(prong_proxy_call(shared->dict, "__setitem__", NULL, NULL, PRONG_SECONDS(5), "(nb)", 1));
    must(prong_proxy_call(shared->list, "reverse", NULL, NULL, PRONG_SECONDS(5), "()"));
    return 0;
}

static void show(prong_document *document, prong_proxy proxy) {
    char text[200];
    prong_value value;
    must(prong_proxy_call(proxy, "copy", document, &value, PRONG_SECONDS(5), "()"));
    must(prong_value_repr(value, text, sizeof text, NULL));
    puts(text);
}

int main(int argc, char **argv) {
    example_begin(argc, argv);
    prong_manager manager;
    prong_document *document;
    struct shared shared;
    must(prong_document_open(&document, NULL));
    must(prong_manager_start(&manager, NULL));
    must(prong_proxy_create(&shared.dict, manager, "dict", PRONG_SECONDS(5), "()"));
    must(prong_proxy_create(&shared.list, manager, "list", PRONG_SECONDS(5), "([iiii])", 0, 1, 2, 3));
    prong_process child = example_start(change, &shared, sizeof shared);
    must(prong_process_join(child, PRONG_SECONDS(10)));
    show(document, shared.dict);
    show(document, shared.list);
    must(prong_manager_shutdown(manager, PRONG_SECONDS(5)));
    prong_document_close(document);
}
