/* Types that a program adds to its server, objects that all clients share, and what a server refuses. */
#include "small_server.h"

#include <signal.h>

/* --- a type with everything --- */

static int counters;

static prong_status counter_create(prong_call *c, void **object) {
    int64_t first;
    prong_status status = prong_scan(c->arguments, "(I)", &first);
    int64_t *counter = status < 0 ? NULL : malloc(sizeof *counter);
    if (!counter) return status < 0 ? status : PRONG_NO_MEMORY;
    *counter = first;
    counters++;
    *object = counter;
    return PRONG_OK;
}

static void counter_destroy(void *object) {
    counters--;
    free(object);
}

static prong_status counter_represent(void *object, prong_document *own, prong_value *value) {
    int64_t count = *(int64_t *)object;
    return count < 0 ? prong_scan(prong_make_null(), "(I)", &count) : prong_build(own, value, "{s:I}", "count", count);
}

static prong_status counter_add(prong_call *c) {
    int64_t by = 1;
    prong_value given;
    if (prong_dict_get_text(c->keywords, "by", &given) >= 0) {
        prong_status status = prong_get_int(given, &by);
        if (status < 0) return status;
    }
    int64_t *counter = c->object;
    return prong_call_return(c, prong_make_int(*counter += by));
}

static prong_status counter_raise(prong_call *c) {
    prong_value arguments;
    prong_status status = prong_build(c->document, &arguments, "(s)", "no more");
    return status < 0 ? status : prong_call_raise(c, "builtins", "KeyError", arguments);
}

static prong_status counter_another(prong_call *c) {
    int64_t *counter = malloc(sizeof *counter);
    if (!counter) return PRONG_NO_MEMORY;
    *counter = *(int64_t *)c->object;
    prong_status status = prong_call_return_object(c, counter);
    if (status < 0)
        free(counter);
    else
        counters++;
    return status;
}

static prong_status counter_nowhere(prong_call *c) {
    static int nobodys;
    return prong_call_return_object(c, &nobodys);
}

static prong_status counter_how_many(prong_call *c) {
    return prong_call_return(c, prong_make_int(counters));
}

static const prong_method_entry counter_methods[] = {{"add", counter_add, NULL},
                                                     {"raise", counter_raise, NULL},
                                                     {"another", counter_another, "Counter"},
                                                     {"undeclared", counter_another, NULL},
                                                     {"nowhere", counter_nowhere, "Unregistered"},
                                                     {"how_many", counter_how_many, NULL},
                                                     {0}};
static const prong_type_options counter_type = {.name = "Counter",
                                                .create = counter_create,
                                                .destroy = counter_destroy,
                                                .methods = counter_methods,
                                                .represent = counter_represent};

static int register_counter(prong_server *server, const void *argument, size_t size) {
    (void)argument, (void)size;
    return prong_server_register(server, &counter_type) < 0 ||
           prong_server_share(server, "the_counter", "Counter", "(i)", 100) < 0 ||
           prong_server_share(server, "the_list", "list", "([i])", 1) < 0;
}

static prong_manager with_counters(void) {
    prong_manager manager;
    ok(prong_document_open(&document, NULL));
    ok(prong_manager_start(&manager, &(prong_manager_options){
                                         .method = PRONG_START_FORK, .server.open = OPEN, .setup = register_counter}));
    return manager;
}

TEST(an_own_types_objects_are_made_shown_and_destroyed) {
    prong_manager manager = with_counters();
    prong_proxy counter, another;
    prong_value result, none, keywords;
    ok(prong_proxy_create(&counter, manager, "Counter", SOON, "(i)", 5));
    ok(prong_make_tuple(document, NULL, 0, &none));
    ok(prong_build(document, &keywords, "{s:i}", "by", 3));
    ok(prong_proxy_call(counter, "add", document, &result, SOON, "vv", none, keywords));
    shows(result, "8");
    ok(call(counter, &result, "#GETVALUE", SOON, "()"));
    shows(result, "{'count': 8}");
    ok(call(counter, &result, "__str__", SOON, "()"));
    shows(result, "\"{'count': 8}\"");
    ok(call(counter, &result, "another", SOON, "()"));
    ok(prong_proxy_from_value(&another, manager, result));
    ok(call(another, &result, "add", SOON, "()"));
    shows(result, "9");
    ok(prong_proxy_decref(another));
    ok(call(counter, &result, "how_many", SOON, "()"));
    shows(result, "2"); /* the shared one and this: the other was destroyed */
    ended(manager);
}

TEST(what_an_own_types_method_cannot_do_is_an_exception) {
    prong_manager manager = with_counters();
    prong_proxy counter;
    prong_value result, none, keywords;
    is(prong_proxy_create(&counter, manager, "Counter", SOON, "(s)", "five"), PRONG_REMOTE_ERROR);
    says("expected int, found str");
    ok(prong_proxy_create(&counter, manager, "Counter", SOON, "(i)", -5));
    is(call(counter, &result, "raise", SOON, "()"), PRONG_NOT_FOUND);
    says("no more");
    is(call(counter, &result, "undeclared", SOON, "()"), PRONG_REMOTE_ERROR);
    says("method undeclared is not registered to return an object");
    is(call(counter, &result, "nowhere", SOON, "()"), PRONG_REMOTE_ERROR);
    says("returns a type Unregistered, which is not registered");
    ok(prong_make_tuple(document, NULL, 0, &none));
    ok(prong_build(document, &keywords, "{s:s}", "by", "three"));
    is(prong_proxy_call(counter, "add", document, &result, SOON, "vv", none, keywords), PRONG_REMOTE_ERROR);
    says("RuntimeError");
    is(call(counter, &result, "#GETVALUE", SOON, "()"), PRONG_REMOTE_ERROR); /* below 0, it cannot be shown … */
    ok(call(counter, &result, "__str__", SOON, "()"));                       /* … but by its type */
    const char *text;
    ok(prong_get_str(result, &text, NULL));
    check(strncmp(text, "<Counter object at 0x", 21) == 0);
    ended(manager);
}

TEST(all_clients_of_a_shared_name_get_one_object) {
    prong_manager manager = with_counters(), other = by_socket(manager);
    prong_proxy first, second;
    prong_value result;
    ok(prong_proxy_create(&first, manager, "the_counter", SOON, "()"));
    ok(prong_proxy_create(&second, other, "the_counter", SOON, "()"));
    ok(call(first, &result, "add", SOON, "()"));
    ok(call(second, &result, "add", SOON, "()"));
    shows(result, "102");
    ok(prong_proxy_create(&first, manager, "the_list", SOON, "()"));
    ok(prong_proxy_create(&second, other, "the_list", SOON, "()"));
    ok(call(first, NULL, "append", SOON, "(i)", 2));
    ok(call(second, &result, "copy", SOON, "()"));
    shows(result, "[1, 2]");
    ok(prong_manager_destroy(other));
    ended(manager);
}

/* --- what a server refuses --- */

TEST(a_type_needs_a_name_of_its_own_and_methods) {
    prong_server *server;
    char name[60], too_long[41];
    snprintf(name, sizeof name, "@prong-types-test-%d", (int)getpid());
    ok(small_server_open(&server, name));
    is(prong_server_register(server, &(prong_type_options){.methods = counter_methods}), PRONG_INVALID);
    is(prong_server_register(server, &(prong_type_options){.name = "", .methods = counter_methods}), PRONG_INVALID);
    is(prong_server_register(server, &(prong_type_options){.name = "Counter"}), PRONG_INVALID);
    says("a name and methods are needed");
    memset(too_long, 'x', 40);
    too_long[40] = 0;
    is(prong_server_register(server, &(prong_type_options){.name = too_long, .methods = counter_methods}),
       PRONG_INVALID);
    says("the name is too long");
    is(prong_server_register(server, &(prong_type_options){.name = "list", .methods = counter_methods}), PRONG_EXISTS);
    ok(prong_server_register(server, &counter_type));
    is(prong_server_share(server, "mine", "Teapot", "()"), PRONG_NOT_FOUND);
    is(prong_server_share(server, "mine", "Iterator", "()"), PRONG_NOT_FOUND); /* made by others alone */
    is(prong_server_share(server, "list", "list", "()"), PRONG_EXISTS);
    is(prong_server_share(server, "mine", "list", "[i]", 1), PRONG_INVALID);
    says("no tuple of arguments");
    is(prong_server_share(server, "mine", "list", "(i)", 1), PRONG_INVALID);
    says("'int' object is not iterable");
    is(prong_server_share(server, "mine", "Counter", "(s)", "five"), PRONG_INVALID);
    says("share \"mine\"");
    ok(prong_server_share(server, "mine", "list", "()")); /* each refusal left the name free */
    is(prong_server_share(server, "ours", "mine", "()"), PRONG_NOT_FOUND);
    ok(prong_server_close(server));
    ok(prong_server_close(NULL));
    equal(counters, 0);
}

/* --- texts that are cut --- */

/* Each way to cut it, for characters of two bytes. */
TEST(a_text_that_is_cut_stays_one) {
    prong_manager manager = with_counters();
    prong_proxy list, names;
    prong_value result;
    char text[4001], shifted[4002];
    for (size_t i = 0; i < 4000; i += 2) memcpy(text + i, "\xc3\xa4", 2);
    text[4000] = 0;
    snprintf(shifted, sizeof shifted, "a%s", text);
    const char *const texts[] = {text, shifted};
    for (int i = 0; i < 2; i++) {
        ok(prong_proxy_create(&list, manager, "list", SOON, "([s])", texts[i]));
        ok(prong_proxy_create(&names, manager, "Namespace", SOON, "()"));
        is(call(list, &result, texts[i], SOON, "()"), PRONG_REMOTE_ERROR);
        is(call(list, &result, "remove", SOON, "(s)", "none"), PRONG_REMOTE_ERROR);
        is(call(list, &result, "index", SOON, "([s])", texts[i]), PRONG_REMOTE_ERROR);
        says("is not in list");
        is(call(names, &result, "__getattribute__", SOON, "(s)", texts[i]), PRONG_NOT_FOUND);
        says("AttributeError");
        is(prong_proxy_create(&names, manager, texts[i] + (4000 - 38) + i, SOON, "()"), PRONG_REMOTE_ERROR);
        says("there is no such type");
        ok(call(list, &result, "__str__", SOON, "()"));
    }
    prong_manager other = by_socket(manager); /* as Python's manager asks */
    prong_link *link;
    prong_manager_info info;
    ok(prong_manager_get_info(manager, &info));
    prong_link_options options = {.authkey = OPEN ? NULL : info.authkey, .authkey_size = info.authkey_size};
    const char *const asked[] = {"debug_info", text, shifted};
    for (int i = 0; i < 3; i++) {
        prong_value none, reply, said;
        const char *kind;
        ok(prong_make_tuple(document, NULL, 0, &none));
        ok(prong_link_connect(&link, info.address, &options, SOON));
        tell(link, NULL, asked[i], none);
        ok(prong_link_recv_value(link, document, &reply, NULL, SOON));
        ok(prong_scan(reply, "(sv)", &kind, &said));
        check(strcmp(kind, i ? "#TRACEBACK" : "#RETURN") == 0);
        prong_link_close(link);
    }
    ok(prong_manager_destroy(other));
    ended(manager);
}
