/* For tests written in Python: a client of a manager's server.
 *     client_tool ADDRESS KEY [md5]     uses every type, and a registered Gen if there is one; prints what it sees */
#include <prong/prong.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static prong_document *document;
static prong_manager manager;
static const prong_time SOON = PRONG_SECONDS(10);

static void show(const char *what, prong_status status, prong_value value) {
    char text[500];
    if (status < 0) {
        printf("%s: %s\n", what, prong_status_name(status));
        return;
    }
    prong_value_repr(value, text, sizeof(text), NULL);
    printf("%s: %s\n", what, text);
}

static prong_proxy make(const char *type, prong_status status, prong_proxy proxy) {
    if (status >= 0) return proxy;
    printf("no %s: %s\n", type, prong_error_message());
    exit(1);
}
#define create(type, ...)                                                                                              \
    ({                                                                                                                 \
        prong_proxy made_;                                                                                             \
        prong_status status_ = prong_proxy_create(&made_, manager, type, SOON, __VA_ARGS__);                           \
        make(type, status_, made_);                                                                                    \
    })
#define call(proxy, method, ...)                                                                                       \
    do {                                                                                                               \
        prong_value result_ = prong_make_null();                                                                       \
        prong_status status_ = prong_proxy_call(proxy, method, document, &result_, SOON, __VA_ARGS__);                 \
        show(method, status_, result_);                                                                                \
    } while (0)

int main(int count, char **words) {
    prong_main(&count, &words);
    if (count < 3) return 2;
    prong_link_options options = {.authkey = words[2], .authkey_size = strlen(words[2])};
    options.allow_md5 = count > 3 && !strcmp(words[3], "md5");
    if (prong_document_open(&document, NULL) < 0 || prong_manager_connect(&manager, words[1], &options, SOON) < 0) {
        printf("error: %s\n", prong_error_message());
        return 1;
    }
    prong_proxy dict = create("dict", "({s:i})", "a", 1), list = create("list", "([iii])", 3, 1, 2);
    call(dict, "__setitem__", "(s[i,n,d])", "b", 1, 2.5);
    call(dict, "__getitem__", "(s)", "b");
    call(dict, "__getitem__", "(s)", "none");
    call(dict, "keys", "()");
    call(dict, "__len__", "()");
    call(list, "sort", "()");
    call(list, "__getitem__", "(i)", -1);
    call(list, "pop", "(i)", 0);
    call(list, "__getitem__", "(i)", 99);
    prong_proxy queue = create("Queue", "(i)", 1);
    call(queue, "put", "(s)", "job");
    call(queue, "put", "(sbd)", "job", 1, 0.05);
    call(queue, "get", "()");
    call(queue, "get", "(b)", 0);
    prong_proxy name = create("Namespace", "()");
    call(name, "__setattr__", "(si)", "x", 5);
    call(name, "__getattribute__", "(s)", "x");
    call(name, "__getattribute__", "(s)", "y");
    prong_proxy lock = create("Lock", "()"), rlock = create("RLock", "()"), event = create("Event", "()");
    printf("acquire: %s\n", prong_status_name(prong_proxy_acquire(lock, SOON)));
    printf("acquire again: %s\n", prong_status_name(prong_proxy_acquire(lock, PRONG_MS(20))));
    printf("unlock: %s\n", prong_status_name(prong_proxy_release(lock)));
    printf("unlock again: %s\n", prong_status_name(prong_proxy_release(lock)));
    printf("rlock: %s\n", prong_status_name(prong_proxy_acquire(rlock, SOON)));
    printf("rlock again: %s\n", prong_status_name(prong_proxy_acquire(rlock, SOON)));
    call(event, "wait", "(d)", 0.02);
    call(event, "set", "()");
    call(event, "is_set", "()");
    prong_proxy value = create("Value", "(si)", "i", 7), array = create("Array", "(s[iii])", "i", 1, 2, 3);
    call(value, "set", "(i)", 8);
    call(value, "get", "()");
    call(array, "__getitem__", "(i)", 1);
    prong_proxy semaphore = create("BoundedSemaphore", "(i)", 1);
    printf("semaphore: %s\n", prong_status_name(prong_proxy_release(semaphore)));
    printf("semaphore: %s\n", prong_status_name(prong_proxy_acquire(semaphore, SOON)));
    prong_proxy barrier = create("Barrier", "(i)", 1);
    call(barrier, "wait", "()");
    prong_proxy gen;
    if (prong_proxy_create(&gen, manager, "Gen", SOON, "()") >= 0) {
        call(gen, "echo", "(is)", 1, "two");
        call(gen, "boom", "(i)", 0);
    }
    prong_value nested, back;
    prong_proxy seen = list;
    if (prong_proxy_to_value(list, document, &nested) >= 0) {
        call(dict, "__setitem__", "(sv)", "nested", nested);
        prong_status status = prong_proxy_call(dict, "__getitem__", document, &back, SOON, "(s)", "nested");
        if (status >= 0) status = prong_proxy_from_value(&seen, manager, back);
        if (status < 0) printf("nested: %s\n", prong_error_message());
        call(seen, "append", "(s)", "through nested");
        call(list, "__getitem__", "(i)", -1);
    }
    size_t objects = 0;
    prong_manager_count(manager, &objects, SOON);
    prong_proxy_decref(queue);
    size_t fewer = 0;
    prong_manager_count(manager, &fewer, SOON);
    printf("released: %d\n", (int)(objects - fewer));
    printf("shutdown: %s\n", prong_status_name(prong_manager_shutdown(manager, SOON)));
    return 0;
}
