/* Managers as objects: connecting to a running server, and asking about it. */
#include "manager/client/manager.h"

#include "base/error.h"
#include "manager/client/caller.h"

#include <string.h>

/* --- the object --- */

static void manager_recover(void *object, uint32_t dead) {
    (void)object, (void)dead; /* no process holds it */
}

static bool manager_dispose(void *object) {
    (void)object;
    return true;
}

const struct object_type manager_type = {
    .name = "manager", .size = sizeof(struct manager), .recover = manager_recover, .dispose = manager_dispose};

prong_status manager_find(prong_manager handle, struct manager **manager) {
    return object_find(KIND_MANAGER, handle.offset, handle.generation, (void **)manager);
}

prong_status manager_new(struct manager **manager) {
    TRY(family_enter());
    return object_create(KIND_MANAGER, (void **)manager);
}

void manager_publish(struct manager *manager, prong_manager *handle) {
    object_publish(manager);
    *handle = (prong_manager){arena_offset(manager), object_generation(manager)};
}

void manager_drop(struct manager *manager) {
    object_destroy(manager, object_generation(manager));
}

/* --- a server that runs --- */

prong_status prong_manager_connect(prong_manager *handle, const char *address, const prong_link_options *options,
                                   prong_time timeout) {
    struct manager *manager;
    prong_document *scratch;
    prong_value ignored;
    struct reach reach;
    bool stateless = false;
    struct request_parts dummy = {.to_server = true, .method = "dummy"};
    TRY(reach_keep(&reach, address, options));
    TRY(prong_document_open(&scratch, NULL));
    prong_status status = prong_make_tuple(scratch, NULL, 0, &dummy.arguments);
    if (status >= 0) status = manager_call_once(&reach, &dummy, &stateless, scratch, &ignored, deadline_after(timeout));
    prong_document_close(scratch);
    if (status >= 0) status = manager_new(&manager);
    if (status < 0) return status;
    manager->reach = reach;
    manager->stateless = stateless;
    manager_publish(manager, handle);
    return PRONG_OK;
}

prong_status prong_manager_destroy(prong_manager handle) {
    struct manager *manager;
    TRY(manager_find(handle, &manager));
    if (manager->in_family)
        return fail_text(PRONG_INVALID, "manager: this family's own is ended with prong_manager_shutdown");
    manager_leave(handle);
    manager_drop(manager);
    return PRONG_OK;
}

/* --- asking --- */

prong_status manager_ask(prong_manager handle, struct manager *manager, const char *method, prong_time timeout,
                         int64_t *number) {
    prong_document *scratch;
    prong_value result = {0};
    struct request_parts request = {.to_server = true, .method = method};
    TRY(prong_document_open(&scratch, NULL));
    prong_status status = prong_make_tuple(scratch, NULL, 0, &request.arguments);
    if (status >= 0) status = manager_call(handle, manager, &request, scratch, &result, deadline_after(timeout));
    if (status >= 0 && number) status = prong_get_int(result, number);
    prong_document_close(scratch);
    return status;
}

prong_status prong_manager_get_info(prong_manager handle, prong_manager_info *info) {
    struct manager *manager;
    *info = (prong_manager_info){0};
    TRY(manager_find(handle, &manager));
    memcpy(info->address, manager->reach.address, sizeof info->address);
    memcpy(info->authkey, manager->reach.key, sizeof info->authkey);
    info->authkey_size = manager->reach.key_size;
    info->pid = manager->pid;
    return PRONG_OK;
}

prong_status prong_manager_count(prong_manager handle, size_t *count, prong_time timeout) {
    struct manager *manager;
    int64_t number = 0;
    prong_status status = manager_find(handle, &manager);
    if (status >= 0) status = manager_ask(handle, manager, "number_of_objects", timeout, &number);
    *count = (size_t)number;
    return status;
}
