/* A task queue that two programs share over TCP, C and Python, either as server (task_queue.py is the other).
 *     task_queue serve            prints its address; hands out tasks, and prints the results
 *     task_queue work ADDRESS     takes tasks until there are none
 * A task is a dict; a result is a tuple of the worker's name and the sum. */
#include "example.h"

static const prong_link_options KEY = {.authkey = "tasks", .authkey_size = 5, .allow_md5 = true};
enum { TASKS = 3 };

static prong_proxy ask(prong_manager manager, const char *name) {
    prong_proxy queue;
    must(prong_proxy_create(&queue, manager, name, PRONG_SECONDS(5), "()"));
    return queue;
}

/* In the server's process: one queue under each name, which all clients share. */
static int share_queues(prong_server *server, const void *argument, size_t size) {
    (void)argument, (void)size;
    must(prong_server_share(server, "get_tasks", "Queue", "()"));
    must(prong_server_share(server, "get_results", "Queue", "()"));
    return 0;
}

static void hand_out(prong_proxy tasks, prong_proxy results) {
    prong_document *document;
    prong_value task, result;
    must(prong_document_open(&document, NULL));
    for (int i = 1; i <= TASKS; i++) {
        must(prong_build(document, &task, "{s:i, s:[i,i,i]}", "number", i, "add", i, i, i));
        must(prong_proxy_put(tasks, task, PRONG_SECONDS(10)));
    }
    must(prong_proxy_put(tasks, prong_make_null(), PRONG_SECONDS(10)));
    for (int i = 1; i <= TASKS; i++) {
        const char *who;
        int sum;
        must(prong_proxy_get(results, document, &result, PRONG_SECONDS(30)));
        must(prong_scan(result, "(si)", &who, &sum));
        printf("task %d: %d, by %s\n", i, sum, who);
    }
    prong_document_close(document);
}

static void work(prong_proxy tasks, prong_proxy results) {
    prong_document *document;
    prong_value task, add, item, result;
    must(prong_document_open(&document, NULL));
    for (;;) {
        int64_t sum = 0, number;
        prong_status status = prong_proxy_get(tasks, document, &task, PRONG_SECONDS(30));
        if (status == PRONG_EOF || status == PRONG_BROKEN_PIPE) break; /* the server has all that it wanted */
        must(status);
        if (prong_value_kind(task) == PRONG_KIND_NULL) break;
        must(prong_dict_get_text(task, "add", &add));
        for (size_t at = 0; prong_value_next(add, &at, NULL, &item); sum += number) must(prong_get_int(item, &number));
        must(prong_build(document, &result, "(sI)", "C", sum));
        must(prong_proxy_put(results, result, PRONG_SECONDS(10)));
    }
    prong_document_close(document);
}

int main(int argc, char **argv) {
    prong_main(&argc, &argv);
    prong_manager manager;
    if (argc > 1 && strcmp(argv[1], "serve") == 0) {
        prong_manager_info info;
        prong_manager_options options = {.server = {.address = "127.0.0.1:0", .link = KEY}, .setup = share_queues};
        must(prong_manager_start(&manager, &options));
        must(prong_manager_get_info(manager, &info));
        puts(info.address);
        fflush(stdout);
        hand_out(ask(manager, "get_tasks"), ask(manager, "get_results"));
        must(prong_manager_shutdown(manager, PRONG_SECONDS(5)));
        return 0;
    }
    if (argc < 3) return 2;
    must(prong_manager_connect(&manager, argv[2], &KEY, PRONG_SECONDS(10)));
    work(ask(manager, "get_tasks"), ask(manager, "get_results"));
    return 0;
}
