/* Faults of those who use a manager: in the family, and by socket; and in its server. */
#include "faults.h"

static const prong_time SOON = PRONG_SECONDS(20);
#ifdef HAVE_OPENSSL
enum { OPEN = false };
#else
enum { OPEN = true };
#endif

static prong_manager started(void) {
    prong_manager manager;
    prong_manager_options options = {.method = PRONG_START_FORK, .server.open = OPEN};
    sure(prong_manager_start(&manager, &options));
    return manager;
}

static void use(prong_manager manager) {
    prong_proxy dict, list, queue, lock, copy;
    prong_document *document;
    prong_value value, result;
    size_t count;
    sure(prong_document_open(&document, NULL));
    sure(prong_proxy_create(&dict, manager, "dict", SOON, "({s:i})", "a", 1));
    sure(prong_proxy_create(&list, manager, "list", SOON, "()"));
    sure(prong_proxy_create(&queue, manager, "Queue", SOON, "()"));
    sure(prong_proxy_create(&lock, manager, "Lock", SOON, "()"));
    sure(prong_proxy_call(dict, "__setitem__", document, &result, SOON, "(si)", "b", 2));
    sure(prong_proxy_call(dict, "__len__", document, &result, SOON, "()"));
    must_hold(prong_value_equal(result, prong_make_int(2)));
    gives(prong_proxy_call(dict, "__getitem__", document, &result, SOON, "(s)", "none"), PRONG_NOT_FOUND);
    sure(prong_proxy_to_value(dict, document, &value));
    sure(prong_proxy_from_value(&copy, manager, value));
    sure(prong_proxy_incref(copy));
    sure(prong_proxy_decref(copy));
    sure(prong_proxy_put(queue, value, SOON));
    sure(prong_proxy_get(queue, document, &result, SOON));
    gives(prong_proxy_get(queue, document, &result, PRONG_MS(1)), PRONG_EMPTY);
    sure(prong_proxy_acquire(lock, SOON));
    sure(prong_proxy_release(lock));
    sure(prong_manager_count(manager, &count, SOON));
    sure(prong_proxy_decref(dict));
    sure(prong_proxy_decref(list));
    sure(prong_proxy_decref(queue));
    sure(prong_proxy_decref(lock));
    prong_document_close(document);
}

FAMILY_SCENARIO(a_manager_serves_its_family) {
    prong_manager manager = started();
    use(manager);
    sure(prong_manager_shutdown(manager, SOON));
}

WAITING_SCENARIO(a_manager_serves_by_socket) {
    prong_manager manager = started(), other;
    prong_manager_info info;
    sure(prong_manager_get_info(manager, &info));
    prong_link_options options = {.authkey = OPEN ? NULL : info.authkey, .authkey_size = info.authkey_size};
    sure(prong_manager_connect(&other, info.address, &options, SOON));
    use(other);
    sure(prong_manager_destroy(other));
    sure(prong_manager_shutdown(manager, SOON));
}
