/* Calls of 0.1, for tools/rewrite: after.c is what it makes of them. */
// clang-format off
#include <prong/prong.h>

enum { UNITS = 3 };

int calls_of_before(prong_manager manager, prong_link *link, prong_document *document);

int calls_of_before(prong_manager manager, prong_link *link, prong_document *document) {
    prong_lock lock; /* prong_rlock is not rewritten here, */
    const char *text = "nor prong_rlock_create(&lock, NULL) here";
    prong_semaphore semaphore;
    prong_queue queue;
    prong_shared_value value;
    prong_proxy dict;
    prong_value found;
    long content = (text[0] == ' ') + PRONG_SEMAPHORE_MAX;
    if (prong_lock_create(&lock, &(prong_lock_options){.recursive = true}) < 0 || prong_lock_acquire(lock, PRONG_SECONDS(1)) < 0) return 1;
    if (prong_semaphore_create(&semaphore, UNITS, &(prong_semaphore_options){.bounded = true}) < 0) return 1;
    if (prong_queue_create(&queue, &(prong_queue_options){.maxsize = (size_t)content, .joinable = true}) < 0) return 1;
    if (prong_shared_value_get(value = (prong_shared_value){1, 2}, 0, 1, &content, PRONG_NOWAIT) < 0) return 1;
    if (prong_shared_value_add(value, 0, content, NULL) < 0 || prong_queue_shutdown(queue) < 0) return 1;
    if (prong_link_recv_value(link, document, &found, NULL, PRONG_SECONDS(1)) < 0) return 1;
    if (prong_proxy_create(&dict, manager, "dict", PRONG_SECONDS(60), "()") < 0) return 1;
    if (prong_proxy_call(dict, "get", document, &found, PRONG_SECONDS(1), "(si)", "a", 1) < 0) return 1;
    if (prong_proxy_decref(dict) < 0) return 1;
    return prong_lock_release(lock) < 0;
}

int programs_of_before(prong_process process, prong_value_target *target, prong_value given);

int programs_of_before(prong_process process, prong_value_target *target, prong_value given) {
    const char *const argv[] = {"true", NULL};
    prong_subprocess_options options = {.check = true};
    prong_completed done;
    prong_popen *popen;
    int code;
    if (prong_process_create(&process, &(prong_process_options){.value_target = target, .values = given, .keywords = prong_make_null()}) < 0) return 1;
    if (prong_process_signal(process, SIGTERM) < 0 || prong_process_signal(process, SIGKILL) < 0) return 1;
    if (prong_process_destroy(process) < 0) return 1;
    if (prong_subprocess_run(argv, &done, &options, PRONG_FOREVER) < 0 || prong_subprocess_run(argv, NULL, &(prong_subprocess_options){.check = true}, PRONG_FOREVER) < 0) return 1;
    if (prong_popen_open(&popen, argv, NULL) < 0 || prong_popen_signal(popen, 15) < 0) return 1;
    if (prong_popen_signal(popen, SIGKILL) < 0) return 1;
    if (prong_popen_stop(popen, &code, NULL) < 0 || prong_popen_pipe(popen, 1) >= 0) return 1;
    return prong_popen_close(popen) < 0;
}

int values_of_before(prong_document *document, prong_queue queue);

int values_of_before(prong_document *document, prong_queue queue) {
    prong_value big, dict, text, handle, found;
    unsigned char bytes[9] = {0};
    double real, imaginary;
    int64_t number;
    if (prong_make_big_int(document, bytes, sizeof(bytes), &big) < 0 || prong_make_dict(document, NULL, 0, &dict) < 0) return 1;
    if (prong_make_str(document, "key", PRONG_TO_NUL, &text) < 0 || prong_build(document, &big, "U", (uint64_t)(UINT64_MAX)) < 0) return 1;
    if (prong_build(document, &found, "c", (double)(1), (double)(-2)) < 0 || prong_dict_set_text(document, dict, "number", big) < 0) return 1;
    if (prong_build(document, &handle, "h", "queue", &queue) < 0 || prong_dict_set(document, dict, text, handle) < 0) return 1;
    if (prong_scan(found, "c", &real, &imaginary) < 0 || prong_scan(handle, "h", "queue", &queue) < 0) return 1;
    if (prong_dict_get_text(dict, "key", &found) < 0 || prong_dict_get(dict, prong_make_int(3), &found) < 0) return 1;
    return prong_list_get(prong_make_null(), 0, &found) < 0 || prong_get_int(found, &number) < 0;
}

int messages_of_before(prong_queue queue, prong_connection connection, prong_pool pool);

int messages_of_before(prong_queue queue, prong_connection connection, prong_pool pool) {
    prong_message message;
    prong_worker workers[4];
    size_t count, size = 4;
    uint64_t deaths;
    if (prong_queue_size(queue, &count, NULL) < 0 || prong_message_reserve(&message, 3 * size) < 0) return 1;
    if (prong_queue_commit(queue, &message, PRONG_NOWAIT) < 0) return 1;
    if (prong_message_reserve(&message, sizeof(count)) < 0) return 1;
    if (prong_connection_commit(connection, &message, PRONG_NOWAIT) < 0) return 1;
    return prong_pool_workers(pool, workers, size, &count, NULL) < 0 || prong_pool_workers(pool, NULL, 0, NULL, &deaths) < 0;
}
