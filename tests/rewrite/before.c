/* Calls of 0.1, for tools/rewrite: after.c is what it makes of them. */
// clang-format off
#include <prong/prong.h>

enum { UNITS = 3 };

int calls_of_before(prong_manager manager, prong_link *link, prong_document *document);

int calls_of_before(prong_manager manager, prong_link *link, prong_document *document) {
    prong_rlock lock; /* prong_rlock is not rewritten here, */
    const char *text = "nor prong_rlock_create(&lock, NULL) here";
    prong_semaphore semaphore;
    prong_joinable_queue queue;
    prong_shared_value value;
    prong_proxy dict;
    prong_value found;
    long content = (text[0] == ' ') + PRONG_SEMAPHORE_MOST;
    if (prong_rlock_create(&lock, NULL) < 0 || prong_rlock_acquire(lock, PRONG_SECONDS(1)) < 0) return 1;
    if (prong_bounded_semaphore_create(&semaphore, UNITS, NULL) < 0) return 1;
    if (prong_joinable_queue_create(&queue, (size_t)content) < 0) return 1;
    if (prong_shared_value_get(value = (prong_shared_value){1, 2}, &content, PRONG_NOWAIT) < 0) return 1;
    if (prong_shared_value_add(value, content, NULL) < 0 || prong_queue_close(queue) < 0) return 1;
    if (prong_link_recv(link, document, &found, NULL, PRONG_SECONDS(1)) < 0) return 1;
    if (prong_manager_create(manager, &dict, "dict", "()") < 0) return 1;
    if (prong_proxy_call(dict, document, &found, "get", PRONG_SECONDS(1), "(si)", "a", 1) < 0) return 1;
    if (prong_proxy_release(dict) < 0) return 1;
    return prong_rlock_release(lock) < 0;
}

int programs_of_before(prong_process process, prong_value_target *target, prong_value given);

int programs_of_before(prong_process process, prong_value_target *target, prong_value given) {
    const char *const argv[] = {"true", NULL};
    prong_run_options options = {.check = true};
    prong_completed done;
    prong_popen *popen;
    int code;
    if (prong_process_create_value(&process, target, given, prong_null(), NULL) < 0) return 1;
    if (prong_process_terminate(process) < 0 || prong_process_kill(process) < 0) return 1;
    if (prong_process_close(process) < 0) return 1;
    if (prong_subprocess_run(argv, &options, &done) < 0 || prong_subprocess_check_call(argv, NULL) < 0) return 1;
    if (prong_popen_start(&popen, argv, NULL) < 0 || prong_popen_send_signal(popen, 15) < 0) return 1;
    if (prong_popen_kill(popen) < 0) return 1;
    if (prong_popen_stop(popen, NULL, &code) < 0 || prong_popen_fileno(popen, 1) >= 0) return 1;
    return prong_popen_close(popen) < 0;
}

int values_of_before(prong_document *document, prong_queue queue);

int values_of_before(prong_document *document, prong_queue queue) {
    prong_value big, dict, text, handle, found;
    unsigned char bytes[9] = {0};
    double real, imaginary;
    int64_t number;
    if (prong_make_int(document, bytes, sizeof(bytes), &big) < 0 || prong_make_dict(document, &dict) < 0) return 1;
    if (prong_make_text(document, "key", &text) < 0 || prong_make_uint(document, UINT64_MAX, &big) < 0) return 1;
    if (prong_make_complex(document, 1, -2, &found) < 0 || prong_dict_put(document, dict, "number", big) < 0) return 1;
    if (prong_make_handle(document, "queue", &queue, &handle) < 0 || prong_dict_set(document, dict, text, handle) < 0) return 1;
    if (prong_value_get_complex(found, &real, &imaginary) < 0 || prong_value_get_handle(handle, "queue", &queue) < 0) return 1;
    if (prong_value_get(dict, "key", &found) < 0 || prong_value_find(dict, prong_int(3), &found) < 0) return 1;
    return prong_value_item(prong_null(), 0, &found) < 0 || prong_value_get_int(found, &number) < 0;
}

int messages_of_before(prong_queue queue, prong_connection connection, prong_pool pool);

int messages_of_before(prong_queue queue, prong_connection connection, prong_pool pool) {
    prong_message message;
    prong_worker workers[4];
    size_t count, size = 4;
    uint64_t deaths;
    if (prong_queue_size(queue, &count) < 0 || prong_queue_reserve(queue, 3 * size, &message) < 0) return 1;
    if (prong_queue_commit(queue, &message, PRONG_NOWAIT) < 0) return 1;
    if (prong_connection_reserve(connection, sizeof(count), &message) < 0) return 1;
    if (prong_connection_commit(connection, &message, PRONG_NOWAIT) < 0) return 1;
    return prong_pool_workers(pool, workers, size, &count) < 0 || prong_pool_deaths(pool, &deaths) < 0;
}
