/* A server's objects, by number. */
#include "base/error.h"
#include "manager/server/server.h"
#include <stdlib.h>
#include <string.h>

static const prong_time GRACE = PRONG_SECONDS(10);

static struct managed **slot_of(struct prong_server *server, uint64_t id) {
    return &server->objects[(id / 16) % server->object_slots];
}

struct managed *object_by_id(struct prong_server *server, uint64_t id) {
    struct managed *object = *slot_of(server, id);
    while (object && object->id != id) object = object->next;
    return object;
}

/* Doubles the slots when there are as many objects; without memory for that, the lists get longer. */
static void objects_grow(struct prong_server *server) {
    size_t slots = server->object_slots * 2, old = server->object_slots;
    struct managed **larger = calloc(slots, sizeof(*larger)), **before = server->objects;
    if (!larger) return;
    server->objects = larger;
    server->object_slots = slots;
    for (size_t i = 0; i < old; i++)
        for (struct managed *object = before[i], *next; object; object = next) {
            next = object->next;
            struct managed **slot = slot_of(server, object->id);
            object->next = *slot;
            *slot = object;
        }
    free(before);
}

prong_status object_new(struct prong_server *server, const struct type *type, struct managed **object) {
    if (server->object_count >= server->options.max_objects)
        return fail(PRONG_NO_MEMORY, "the server has its limit of %zu objects", server->options.max_objects);
    struct managed *made = calloc(1, sizeof(*made));
    if (!made) return fail_text(PRONG_NO_MEMORY, "no memory for an object");
    if (server->object_count >= server->object_slots) objects_grow(server);
    made->type = type;
    made->id = server->next_id += 16;
    struct managed **slot = slot_of(server, made->id);
    made->next = *slot;
    *slot = made;
    server->object_count++;
    *object = made;
    return PRONG_OK;
}

void object_retain(struct managed *object) {
    object->refs++;
}

static void object_unmake(struct prong_server *server, struct managed *object) {
    void *state = object->state;
    object->state = NULL;
    if (object->type->unmake && state)
        object->type->unmake(server, state);
    else if (object->type->given.destroy && state)
        object->type->given.destroy(state);
}

static void object_free(struct prong_server *server, struct managed *object) {
    struct managed **place = slot_of(server, object->id);
    while (*place != object) place = &(*place)->next;
    *place = object->next;
    server->object_count--;
    object_unmake(server, object);
    free(object);
}

void object_release(struct prong_server *server, struct managed *object) {
    if (--object->refs) return;
    if (object->grace && !deadline_passed(object->grace)) {
        server->limbo = true;
        return;
    }
    object_free(server, object);
}

void object_told(struct managed *object) {
    object->grace = deadline_after(GRACE);
}

int64_t objects_in_use(const struct prong_server *server) {
    int64_t count = 0;
    for (size_t i = 0; i < server->object_slots; i++)
        for (const struct managed *object = server->objects[i]; object; object = object->next)
            count += object->refs > 0;
    return count;
}

/* Frees the objects to which no client has taken a reference in time. */
void objects_look(struct prong_server *server) {
    if (!server->limbo) return;
    server->limbo = false;
    for (size_t i = 0; i < server->object_slots; i++)
        for (struct managed *object = server->objects[i], *next; object; object = next) {
            next = object->next;
            if (object->refs) continue;
            if (deadline_passed(object->grace)) {
                object->refs = 1; /* freeing it may free others, and move the list: begin this slot again */
                object->grace = 0;
                object_release(server, object);
                next = server->objects[i];
            } else {
                server->limbo = true;
            }
        }
}

static void each_object(struct prong_server *server, void (*visit)(struct prong_server *, struct managed *)) {
    for (size_t i = 0; i < server->object_slots; i++)
        for (struct managed *object = server->objects[i], *next; object; object = next) {
            next = object->next;
            visit(server, object);
        }
}
static void object_keep(struct prong_server *server, struct managed *object) {
    (void)server;
    object->refs = UINT64_MAX / 2; /* none is freed by what another gives up */
}
static void free_empty(struct prong_server *server, struct managed *object) {
    (void)server;
    free(object);
}

/* Frees all objects. They refer to each other, so they are emptied first. */
void objects_free(struct prong_server *server) {
    if (!server->objects) return;
    each_object(server, object_keep);
    each_object(server, object_unmake);
    each_object(server, free_empty);
    free(server->objects);
}

const struct type *type_by_name(const struct prong_server *server, const char *name) {
    for (const struct type *type = server->types; type; type = type->next)
        if (!strcmp(type->given.name, name)) return type;
    for (const struct type *const *type = server_types; *type; type++)
        if (!strcmp((*type)->given.name, name)) return *type;
    return NULL;
}
