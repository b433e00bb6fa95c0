/* For tests written in Python: a server.   server_tool ADDRESS KEY [md5]   prints its address, serves until shut down. */
#include <prong/prong.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- a type of its own: a counter, which can give out a second one --- */

static prong_status counter_create(prong_call *call, void **object) {
    int64_t start = 0;
    prong_value given;
    if (prong_list_get(call->arguments, 0, &given) >= 0 && prong_get_int(given, &start) < 0) {
        prong_value why;
        prong_status status = prong_build(call->document, &why, "(s)", "a counter starts at an int");
        return status < 0 ? status : prong_call_raise(call, "builtins", "TypeError", why);
    }
    int64_t *counter = malloc(sizeof(*counter));
    *counter = start;
    *object = counter;
    return PRONG_OK;
}

static prong_status counter_next(prong_call *call) {
    return prong_call_return(call, prong_make_int(++*(int64_t *)call->object));
}

static prong_status counter_fail(prong_call *call) {
    prong_value why;
    prong_status status = prong_build(call->document, &why, "(si)", "as asked", 7);
    return status < 0 ? status : prong_call_raise(call, "builtins", "ZeroDivisionError", why);
}

static prong_status counter_twin(prong_call *call) {
    int64_t *twin = malloc(sizeof(*twin));
    *twin = *(int64_t *)call->object;
    return prong_call_return_object(call, twin);
}

static prong_status counter_echo(prong_call *call) {
    prong_value both;
    prong_status status = prong_build(call->document, &both, "[v,v]", call->arguments, call->keywords);
    return status < 0 ? status : prong_call_return(call, both);
}

static prong_status counter_value(void *object, prong_document *document, prong_value *value) {
    (void)document;
    *value = prong_make_int(*(int64_t *)object);
    return PRONG_OK;
}

static const prong_method_entry counter_methods[] = {{"next", counter_next, NULL},
                                                     {"fail", counter_fail, NULL},
                                                     {"twin", counter_twin, "Counter"},
                                                     {"echo", counter_echo, NULL},
                                                     {0}};

int main(int count, char **words) {
    prong_main(&count, &words);
    if (count < 3) return 2;
    prong_server_options options = {.address = words[1],
                                    .link = {.authkey = words[2], .authkey_size = strlen(words[2])}};
    options.link.allow_md5 = count > 3 && !strcmp(words[3], "md5");
    prong_type_options counter = {.name = "Counter",
                                  .create = counter_create,
                                  .destroy = free,
                                  .methods = counter_methods,
                                  .represent = counter_value};
    prong_server *server;
    if (prong_server_open(&server, &options) < 0 || prong_server_register(server, &counter) < 0 ||
        prong_server_share(server, "get_queue", "Queue", "()") < 0) {
        printf("error: %s\n", prong_error_message());
        return 1;
    }
    printf("%s\n", prong_server_address(server));
    fflush(stdout);
    prong_status status = prong_server_run(server, PRONG_FOREVER);
    prong_server_close(server);
    return status != PRONG_OK;
}
