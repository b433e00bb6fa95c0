/* Requests as bytes of the protocol: those that make no sense, clients that do not read or leave in the middle, a server's options, and what
 * happens when its memory is used up. */
#include "small_server.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Sends (ident, method, arguments, keywords) by a connection of its own, and returns what kind of reply comes. */
static const char *answer(prong_link *link, prong_value ident, const char *method, prong_value arguments,
                          prong_value keywords, prong_value *result) {
    prong_value request, reply;
    const char *kind;
    ok(prong_build(document, &request, "(vsvv)", ident, method, arguments, keywords));
    ok(prong_link_send_value(link, request, SOON));
    ok(prong_link_recv_value(link, document, &reply, NULL, SOON));
    ok(prong_scan(reply, "(sv)", &kind, result));
    return kind;
}

static void answers(const char *address, prong_value ident, const char *method, prong_value arguments,
                    prong_value keywords, const char *wanted) {
    prong_link *link;
    prong_value result;
    ok(prong_link_connect(&link, address, &KEY, SOON));
    answer(link, ident, method, arguments, keywords, &result);
    char text[600];
    ok(prong_value_repr(result, text, sizeof text, NULL));
    if (!strstr(text, wanted)) test_failed(__FILE__, __LINE__, "%s is answered %s, not %s", method, text, wanted);
    prong_link_close(link);
}

TEST(requests_that_make_no_sense_are_answered_with_what_is_wrong) {
    char name[60];
    prong_process process;
    prong_manager manager = small_manager(&process, name);
    prong_value null = prong_make_null(), none, number, text, ident, empty, named, broken_token;
    prong_object token = {.module = "multiprocessing.managers", .name = "Token", .by_new = true, .has_state = true};
    ok(prong_make_tuple(document, NULL, 0, &none));
    ok(prong_make_dict(document, NULL, 0, &empty));
    ok(prong_build(document, &number, "(i)", 7));
    ok(prong_build(document, &text, "(s)", "x y"));
    ok(prong_build(document, &ident, "(s)", "7f00"));
    ok(prong_build(document, &token.state, "(sss)", "list", name, "7f00"));
    ok(prong_make_object(document, &token, &named));
    ok(prong_build(document, &named, "(v)", named));
    ok(prong_build(document, &token.state, "(sss)", "list", name, "x y"));
    ok(prong_make_object(document, &token, &broken_token));
    ok(prong_build(document, &broken_token, "(v)", broken_token));
    answers(name, null, "create", none, empty, "create() needs a typeid");
    answers(name, null, "create", number, empty, "create() needs a typeid");
    for (int i = 0; i < 2; i++) {
        const char *counts = i ? "incref" : "decref";
        answers(name, null, counts, none, empty, "an ident is needed");
        answers(name, null, counts, number, empty, "an ident is needed");
        answers(name, null, counts, text, empty, "an ident is needed");
        answers(name, null, counts, ident, empty, "KeyError");
    }
    answers(name, null, "get_methods", none, empty, "no such object");
    answers(name, null, "get_methods", number, empty, "no such object");
    answers(name, null, "get_methods", named, empty, "no such object");
    answers(name, null, "get_methods", broken_token, empty, "no such object");
    answers(name, null, "dance", none, empty, "'dance' unrecognized");
    answers(name, null, "dummy", null, empty, "a request is (ident, method, args, kwds)");
    answers(name, null, "dummy", none, none, "a request is (ident, method, args, kwds)");
    answers(name, number, "append", none, empty, "unrecognized"); /* of an object, before accept_connection */
    small_ended(manager, process);
}

TEST(a_connection_that_was_accepted_goes_on_after_bad_requests) {
    char name[60];
    prong_process process;
    prong_manager manager = small_manager(&process, name);
    prong_link *link;
    prong_value null = prong_make_null(), none, number, empty, names, result;
    ok(prong_make_tuple(document, NULL, 0, &none));
    ok(prong_make_dict(document, NULL, 0, &empty));
    ok(prong_build(document, &number, "(i)", 7));
    ok(prong_build(document, &names, "(s)", "somebody"));
    ok(prong_link_connect(&link, name, &KEY, SOON));
    check(!strcmp(answer(link, null, "accept_connection", names, empty, &result), "#RETURN"));
    check(!strcmp(answer(link, number, "append", none, empty, &result), "#TRACEBACK"));
    check(!strcmp(answer(link, names, "append", none, empty, &result), "#TRACEBACK"));
    check(!strcmp(answer(link, null, "dance", none, empty, &result), "#TRACEBACK"));
    check(!strcmp(answer(link, null, "number_of_objects", none, empty, &result), "#RETURN"));
    shows(result, "0");
    prong_link_close(link);
    small_ended(manager, process);
}

/* Objects that look like proxies and are none are values as any other. */
TEST(what_looks_like_a_proxy_is_kept_as_it_is) {
    static const char *const tokens[] = {"(siss)", "(ssis)", "()"};
    char name[60];
    prong_process process;
    prong_manager manager = small_manager(&process, name);
    prong_proxy list, other;
    prong_value value, result;
    prong_object proxy = {.module = "multiprocessing.managers", .name = "RebuildProxy"};
    ok(prong_proxy_create(&list, manager, "list", SOON, "()"));
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        ok(i == 0   ? prong_build(document, &proxy.arguments, tokens[i], "a", 1, "b", "c")
           : i == 1 ? prong_build(document, &proxy.arguments, tokens[i], "a", "b", 1, "c")
                    : prong_build(document, &proxy.arguments, tokens[i]));
        ok(prong_make_object(document, &proxy, &value));
        ok(call(list, &result, "append", SOON, "(v)", value));
        is(prong_proxy_create(&other, manager, "list", SOON, "(v)", value), PRONG_REMOTE_ERROR);
        says("is not iterable");
    }
    ok(call(list, &result, "__len__", SOON, "()"));
    shows(result, "3");
    small_ended(manager, process);
}

/* --- clients that do not read, or leave --- */

TEST(replies_wait_for_a_client_that_does_not_read_yet) {
    enum { REPLIES = 30, LENGTH = 300000 };
    char name[60];
    static char text[LENGTH + 1];
    prong_process process;
    prong_manager manager = small_manager(&process, name);
    prong_link *link;
    prong_proxy list, other;
    prong_value none, empty, names, result, ident, token;
    prong_document *own;
    memset(text, 'x', LENGTH);
    ok(prong_proxy_create(&list, manager, "list", SOON, "([s])", text));
    ok(prong_make_tuple(document, NULL, 0, &none));
    ok(prong_make_dict(document, NULL, 0, &empty));
    ok(prong_build(document, &names, "(s)", "somebody"));
    ok(prong_proxy_to_value(list, document, &token));
    char id[24];
    snprintf(id, sizeof id, "%llx", (unsigned long long)list.id);
    ok(prong_make_str(document, id, PRONG_TO_NUL, &ident));
    ok(prong_link_connect(&link, name, &KEY, SOON));
    check(!strcmp(answer(link, prong_make_null(), "accept_connection", names, empty, &result), "#RETURN"));
    ok(prong_build(document, &result, "(vsvv)", ident, "copy", none, empty));
    for (int i = 0; i < REPLIES; i++) ok(prong_link_send_value(link, result, SOON));
    ok(prong_proxy_create(&other, manager, "dict", SOON, "()")); /* others are served meanwhile */
    ok(prong_document_open(&own, NULL));
    for (int i = 0; i < REPLIES; i++) {
        prong_value reply;
        const char *kind, *got;
        size_t size;
        prong_document_reset(own);
        ok(prong_link_recv_value(link, own, &reply, NULL, SOON));
        ok(prong_scan(reply, "(s[S])", &kind, &got, &size));
        equal(size, LENGTH);
    }
    for (int i = 0; i < REPLIES; i++) ok(prong_link_send_value(link, result, SOON));
    prong_link_close(link); /* with replies on their way */
    ok(prong_proxy_decref(other));
    prong_document_close(own);
    small_ended(manager, process);
}

/* A request of megabytes is read in slices. */
TEST(a_client_that_leaves_while_its_request_is_read_harms_nobody) {
    enum { LISTS = 1 << 20 };
    static char bytes[LISTS * 2];
    char name[60];
    prong_process process;
    prong_manager manager = small_manager(&process, name);
    prong_proxy dict;
    prong_value result;
    ok(prong_proxy_create(&dict, manager, "dict", SOON, "()"));
    size_t size = 0;
    bytes[size++] = (char)0x80, bytes[size++] = 4, bytes[size++] = '(';
    while (size + 1 < sizeof bytes) bytes[size++] = 'N', bytes[size++] = '0'; /* None, and away with it */
    for (int i = 0; i < 8; i++) {
        prong_link *link;
        ok(prong_link_connect(&link, name, &KEY, SOON));
        ok(prong_link_send_bytes(link, bytes, size, SOON));
        prong_link_close(link);
        ok(call(dict, &result, "__len__", SOON, "()"));
    }
    small_ended(manager, process);
}

/* --- options --- */

struct limited {
    char name[60];
    prong_server_options options;
};

static int serve_limited(void *argument, size_t size) {
    struct limited *limited = argument;
    prong_server *server;
    (void)size;
    limited->options.address = limited->name;
    limited->options.open = true;
    if (prong_server_open(&server, &limited->options) < 0) return 1;
    prong_status status = prong_server_run(server, PRONG_SECONDS(60));
    prong_server_close(server);
    return status != PRONG_OK;
}

static prong_manager limited_manager(struct limited *limited, prong_process *process) {
    prong_manager manager;
    snprintf(limited->name, sizeof limited->name, "@prong-limited-test-%d", (int)getpid());
    ok(prong_document_open(&document, NULL));
    *process = test_start(PRONG_START_FORK, serve_limited, limited, sizeof *limited, true);
    ok(prong_manager_connect(&manager, limited->name, NULL, SOON));
    return manager;
}

static int connected(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path + 1, name + 1, length - 1);
    check(client >= 0 && connect(client, (struct sockaddr *)&address,
                                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) == 0);
    return client;
}

/* Keys are steps: those of one request must not keep the server from others. */
TEST(a_request_of_too_many_steps_is_refused) {
    struct limited limited = {.options = {.max_steps = 2000}};
    prong_process process;
    prong_manager manager = limited_manager(&limited, &process);
    prong_proxy dict;
    prong_value numbers, result;
    ok(prong_proxy_create(&dict, manager, "dict", SOON, "()"));
    ok(prong_make_dict(document, NULL, 0, &numbers));
    for (int i = 0; i < 20000; i++) ok(prong_dict_set(document, numbers, prong_make_int(i), prong_make_int(i)));
    check(call(dict, &result, "update", SOON, "(v)", numbers) < 0);
    says("keys take too long to hash");
    ok(call(dict, &result, "__len__", SOON, "()"));
    shows(result, "0");
    small_ended(manager, process);
}

TEST(a_server_that_is_full_takes_the_next_when_one_leaves) {
    struct limited limited = {.options = {.max_clients = 3, .link.backlog = 5}};
    prong_process process;
    prong_manager manager = limited_manager(&limited, &process);
    prong_link *link[3];
    prong_value none, empty, names, result;
    ok(prong_make_tuple(document, NULL, 0, &none));
    ok(prong_make_dict(document, NULL, 0, &empty));
    ok(prong_build(document, &names, "(s)", "somebody"));
    for (int i = 0; i < 3; i++) {
        ok(prong_link_connect(&link[i], limited.name, NULL, SOON));
        check(!strcmp(answer(link[i], prong_make_null(), "accept_connection", names, empty, &result), "#RETURN"));
    }
    int next = connected(limited.name); /* waits in the kernel's list */
    test_sleep_ms(50);
    prong_link_close(link[0]);
    close(next);
    ok(prong_link_connect(&link[0], limited.name, NULL, SOON));
    check(!strcmp(answer(link[0], prong_make_null(), "accept_connection", names, empty, &result), "#RETURN"));
    for (int i = 0; i < 3; i++) prong_link_close(link[i]);
    small_ended(manager, process);
}

#ifdef HAVE_OPENSSL
static int serve_hasty(void *argument, size_t size) {
    prong_server *server;
    (void)size;
    prong_server_options options = {.address = argument, .link = KEY};
    options.link.handshake_timeout = PRONG_MS(100);
    if (prong_server_open(&server, &options) < 0) return 1;
    prong_status status = prong_server_run(server, PRONG_SECONDS(60));
    prong_server_close(server);
    return status != PRONG_OK;
}

TEST(a_handshake_that_takes_too_long_is_ended) {
    char name[60], bytes[256];
    prong_manager manager;
    snprintf(name, sizeof name, "@prong-hasty-test-%d", (int)getpid());
    ok(prong_document_open(&document, NULL));
    prong_process process = test_start(PRONG_START_FORK, serve_hasty, name, sizeof name, true);
    ok(prong_manager_connect(&manager, name, &KEY, SOON));
    int silent = connected(name);
    while (recv(silent, bytes, sizeof bytes, 0) > 0) {} /* its challenge, and then the end */
    close(silent);
    small_ended(manager, process);
}
#endif

/* --- memory --- */

static const int64_t TOO_MANY = INT64_C(1) << 40;

#define no_memory(call)                                                                                                \
    do {                                                                                                               \
        check((call) < 0);                                                                                             \
        says("MemoryError");                                                                                           \
    } while (0)

TEST(what_cannot_be_stored_raises_and_changes_nothing) {
    enum { FILL = 700000, LARGE = 400000 };
    static char fill[FILL + 1], large[LARGE + 1];
    static const char *const types[] = {"list", "dict", "set", "Namespace", "Queue"};
    static const char *const kept[] = {"[1, 2, 3]", "{'a': 1}", "{1}", "1", "0"};
    char name[60];
    prong_process process;
    prong_manager manager = small_manager(&process, name);
    prong_proxy of[5], value, filler;
    prong_value result, start, slice_value;
    prong_object slice = {.module = "builtins", .name = "slice"};
    memset(fill, 'f', FILL);
    memset(large, 'l', LARGE);
    ok(prong_build(document, &slice.arguments, "(iin)", 0, 2));
    ok(prong_make_object(document, &slice, &slice_value));
    ok(prong_make_str(document, large, PRONG_TO_NUL, &start));
    ok(prong_proxy_create(&of[0], manager, types[0], SOON, "([iii])", 1, 2, 3));
    ok(prong_proxy_create(&of[1], manager, types[1], SOON, "({s:i})", "a", 1));
    ok(prong_proxy_create(&of[2], manager, types[2], SOON, "([i])", 1));
    ok(prong_proxy_create(&of[3], manager, types[3], SOON, "()"));
    ok(prong_proxy_create(&of[4], manager, types[4], SOON, "()"));
    ok(prong_proxy_create(&value, manager, "Value", SOON, "(si)", "i", 1));
    ok(call(of[3], &result, "__setattr__", SOON, "(si)", "a", 1));
    ok(prong_proxy_create(&filler, manager, "list", SOON, "([s])", fill));
    no_memory(call(of[0], &result, "append", SOON, "(v)", start));
    no_memory(call(of[0], &result, "insert", SOON, "(iv)", 0, start));
    no_memory(call(of[0], &result, "extend", SOON, "([iv])", 1, start));
    no_memory(call(of[0], &result, "__setitem__", SOON, "(iv)", 0, start));
    no_memory(call(of[0], &result, "__setitem__", SOON, "(v[iv])", slice_value, 1, start));
    no_memory(call(of[1], &result, "__setitem__", SOON, "(sv)", "a", start));
    no_memory(call(of[1], &result, "__setitem__", SOON, "(sv)", "b", start));
    no_memory(call(of[1], &result, "__setitem__", SOON, "(vi)", start, 1));
    no_memory(call(of[1], &result, "setdefault", SOON, "(sv)", "b", start));
    no_memory(call(of[1], &result, "update", SOON, "({s:v})", "b", start));
    no_memory(call(of[1], &result, "update", SOON, "([(sv)])", "b", start));
    no_memory(call(of[1], &result, "__ior__", SOON, "({s:v})", "b", start));
    no_memory(call(of[2], &result, "add", SOON, "(v)", start));
    no_memory(call(of[2], &result, "update", SOON, "([v])", start));
    no_memory(call(of[2], &result, "__ior__", SOON, "(<v>)", start));
    no_memory(call(of[3], &result, "__setattr__", SOON, "(sv)", "a", start));
    no_memory(call(of[3], &result, "__setattr__", SOON, "(sv)", "b", start));
    no_memory(call(of[4], &result, "put", SOON, "(v)", start));
    no_memory(call(of[4], &result, "put_nowait", SOON, "(v)", start));
    no_memory(call(value, &result, "set", SOON, "(v)", start));
    for (size_t i = 0; i < 2; i++) /* made and not kept */
        no_memory(prong_proxy_create(&filler, manager, types[i * 2], SOON, "([v])", start));
    no_memory(prong_proxy_create(&filler, manager, "dict", SOON, "({s:v})", "a", start));
    no_memory(prong_proxy_create(&filler, manager, "Value", SOON, "(sv)", "i", start));
    for (size_t i = 0; i < 3; i++) {
        ok(call(of[i], &result, "copy", SOON, "()"));
        shows(result, kept[i]);
    }
    ok(call(of[3], &result, "__getattribute__", SOON, "(s)", "a"));
    shows(result, kept[3]);
    ok(call(of[4], &result, "qsize", SOON, "()"));
    shows(result, kept[4]);
    ok(call(value, &result, "get", SOON, "()"));
    shows(result, "1");
    small_ended(manager, process);
}

/* What a call needs for itself has a limit, too. */
TEST(what_a_call_cannot_hold_raises_and_changes_nothing) {
    char name[60];
    prong_process process;
    prong_manager manager = small_manager(&process, name);
    prong_proxy list, set, dict, array, made;
    prong_value result, range, slice_value;
    prong_object slice = {.module = "builtins", .name = "slice"};
    ok(prong_build(document, &range, "r", prong_make_int(0), prong_make_int(TOO_MANY), prong_make_int(1)));
    ok(prong_build(document, &slice.arguments, "(iin)", 0, 2));
    ok(prong_make_object(document, &slice, &slice_value));
    ok(prong_proxy_create(&list, manager, "list", SOON, "([iii])", 1, 2, 3));
    ok(prong_proxy_create(&set, manager, "set", SOON, "([i])", 1));
    ok(prong_proxy_create(&dict, manager, "dict", SOON, "({s:i})", "a", 1));
    ok(prong_proxy_create(&array, manager, "Array", SOON, "(s[ii])", "i", 1, 2));
    no_memory(call(list, &result, "extend", SOON, "(v)", range));
    no_memory(call(list, &result, "__setitem__", SOON, "(vv)", slice_value, range));
    no_memory(call(set, &result, "update", SOON, "(v)", range));
    no_memory(call(set, &result, "union", SOON, "(v)", range));
    no_memory(call(set, &result, "issuperset", SOON, "(v)", range));
    no_memory(call(dict, &result, "update", SOON, "(v)", range));
    no_memory(call(dict, &result, "fromkeys", SOON, "(v)", range));
    no_memory(call(array, &result, "__setitem__", SOON, "(vv)", slice_value, range));
    no_memory(prong_proxy_create(&made, manager, "list", SOON, "(v)", range));
    no_memory(prong_proxy_create(&made, manager, "set", SOON, "(v)", range));
    no_memory(prong_proxy_create(&made, manager, "Array", SOON, "(sv)", "i", range));
    ok(call(list, &result, "copy", SOON, "()"));
    shows(result, "[1, 2, 3]");
    ok(call(set, &result, "copy", SOON, "()"));
    shows(result, "{1}");
    ok(call(dict, &result, "copy", SOON, "()"));
    shows(result, "{'a': 1}");
    ok(call(array, &result, "__str__", SOON, "()"));
    shows(result, "\"array('i', [1, 2])\"");
    small_ended(manager, process);
}

static void *run_server(void *server) {
    return (void *)(intptr_t)prong_server_run(server, PRONG_SECONDS(60));
}

/* Done as it should be, or refused. */
#define right_or_refused(proxy, wanted, ...)                                                                           \
    do {                                                                                                               \
        prong_status status_ = call(proxy, &result, __VA_ARGS__);                                                      \
        if (status_ >= 0) shows(result, wanted);                                                                       \
        *(status_ < 0 ? &failed : &done) += 1;                                                                         \
    } while (0)

static int done, failed;

static void use_narrow_dict(prong_proxy dict) {
    prong_value result;
    right_or_refused(dict, "[('a', 1)]", "items", SOON, "()");
    right_or_refused(dict, "{'a': 1}", "copy", SOON, "()");
    right_or_refused(dict, "['a']", "keys", SOON, "()");
    right_or_refused(dict, "{'a': 1, 'b': 2}", "__or__", SOON, "({s:i})", "b", 2);
    right_or_refused(dict, "{'b': 2, 'a': 1}", "__ror__", SOON, "({s:i})", "b", 2);
    right_or_refused(dict, "{'x': 0, 'y': 0}", "fromkeys", SOON, "(si)", "xy", 0);
    right_or_refused(dict, "1", "setdefault", SOON, "(si)", "a", 2);
    right_or_refused(dict, "{'a': 1}", "#GETVALUE", SOON, "()");
    right_or_refused(dict, "\"{'a': 1}\"", "__str__", SOON, "()");
}

static void use_narrow_set(prong_proxy set) {
    prong_value result;
    right_or_refused(set, "{1}", "copy", SOON, "()");
    right_or_refused(set, "{1, 2}", "union", SOON, "([i])", 2);
    right_or_refused(set, "set()", "difference", SOON, "([i])", 1);
    right_or_refused(set, "{1}", "__and__", SOON, "(<ii>)", 1, 2);
    right_or_refused(set, "{1, 2}", "symmetric_difference", SOON, "([i])", 2);
    right_or_refused(set, "True", "issubset", SOON, "([ii])", 1, 2);
    right_or_refused(set, "None", "intersection_update", SOON, "([ii])", 1, 2);
    right_or_refused(set, "False", "__contains__", SOON, "(<i>)", 1);
}

static void use_narrow_list(prong_proxy list) {
    prong_value result, slice_value;
    prong_object slice = {.module = "builtins", .name = "slice"};
    ok(prong_build(document, &slice.arguments, "(iin)", 0, 2));
    ok(prong_make_object(document, &slice, &slice_value));
    right_or_refused(list, "[1, 2, 3]", "copy", SOON, "()");
    right_or_refused(list, "[1, 2]", "__getitem__", SOON, "(v)", slice_value);
    right_or_refused(list, "[1, 2, 3, 4]", "__add__", SOON, "([i])", 4);
    right_or_refused(list, "[1, 2, 3, 1, 2, 3]", "__mul__", SOON, "(i)", 2);
    right_or_refused(list, "[1, 2, 3]", "__imul__", SOON, "(i)", 1);
    right_or_refused(list, "None", "__setitem__", SOON, "(v[ii])", slice_value, 1, 2);
}

/* However little memory a server has for a call: it fails or does what it should. */
LONG_TEST(a_call_that_failed_never_looks_as_if_it_had_not, 60) {
    char name[60];
    snprintf(name, sizeof name, "@prong-narrow-test-%d", (int)getpid());
    ok(prong_document_open(&document, NULL));
    for (size_t room = 200; room < 3000; room += 24) {
        prong_server *server;
        prong_manager manager;
        prong_proxy dict, list, set;
        prong_value result;
        pthread_t thread;
        ok(prong_server_open(&server, &(prong_server_options){.address = name, .open = true, .max_request = room}));
        check(pthread_create(&thread, NULL, run_server, server) == 0);
        if (prong_manager_connect(&manager, name, NULL, SOON) >= 0) {
            if (prong_proxy_create(&dict, manager, "dict", SOON, "({s:i})", "a", 1) >= 0) {
                check(call(dict, &result, "__getitem__", SOON, "(s)", "none") < 0);
                check(call(dict, &result, "pop", SOON, "(s)", "none") < 0);
                use_narrow_dict(dict);
            }
            if (prong_proxy_create(&set, manager, "set", SOON, "([i])", 1) >= 0) use_narrow_set(set);
            if (prong_proxy_create(&list, manager, "list", SOON, "([iii])", 1, 2, 3) >= 0) {
                check(call(list, &result, "remove", SOON, "(i)", 7) < 0);
                check(call(list, &result, "append", SOON, "(ii)", 7, 7) < 0);
                use_narrow_list(list);
                prong_status status = call(list, &result, "extend", SOON, "(s)", "0123456789");
                prong_status asked = call(list, &result, "__len__", SOON, "()");
                if (asked >= 0) shows(result, status < 0 ? "3" : "13");
            }
            ok(prong_manager_destroy(manager));
        }
        prong_server_stop(server);
        pthread_join(thread, NULL);
        ok(prong_server_close(server));
        prong_document_reset(document);
    }
    check(done > 0 && failed > 0);
    prong_document_close(document);
}
