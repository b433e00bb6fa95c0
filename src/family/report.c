/* The family as text: members, holders, waiters, circles of waits, recoveries. */
#include "base/error.h"
#include "family/family.h"
#include "family/waiter.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- the text --- */

struct sink {
    char *text;
    size_t size, length; /* length: of the whole, whether it has room or not */
};

__attribute__((format(printf, 2, 3))) static void sink_print(struct sink *out, const char *format, ...) {
    size_t at = out->length < out->size ? out->length : out->size;
    va_list arguments;
    va_start(arguments, format);
    int wrote = vsnprintf(out->text ? out->text + at : NULL, out->text ? out->size - at : 0, format, arguments);
    va_end(arguments);
    if (wrote > 0) out->length += (size_t)wrote;
}

static double seconds_since(int64_t when) {
    return (double)(clock_now() - when) / 1e9;
}

static const char *thread_text(uint32_t token, uint32_t thread, char *text, size_t size) {
    char who[80];
    member_describe(token, who, sizeof who);
    if (thread)
        snprintf(text, size, "%s (thread %u)", who, thread);
    else
        snprintf(text, size, "%s", who);
    return text;
}

/* --- members, holders, waiters --- */

static void say_members(struct sink *out) {
    for (uint64_t i = 0; i < MEMBER_LIMIT; i++) {
        struct member *row = &member_rows()[i];
        if (atomic_load(&row->state) != MEMBER_LIVE) continue;
        uint32_t token = (uint32_t)atomic_load(&row->token);
        char who[80];
        sink_print(out, "%s: %s\n", member_describe(token, who, sizeof who),
                   member_alive(token) ? "lives" : "has died");
    }
}

struct holding {
    struct sink *out;
    void *object;
};

static void say_holder(void *context, uint32_t token, uint32_t thread) {
    struct holding *holding = context;
    char what[80], who[120];
    const struct object_type *type = object_type_of(holding->object);
    object_describe(holding->object, what, sizeof what);
    if (token < MEMBER_LIMIT)
        sink_print(holding->out, "%s is left by a dead process\n", what);
    else if (type->holding == HOLDERS_OWE)
        sink_print(holding->out, "%s expects %s\n", what, thread_text(token, thread, who, sizeof who));
    else
        sink_print(holding->out, "%s is held by %s\n", what, thread_text(token, thread, who, sizeof who));
}

static void say_holders(void *object, void *context) {
    struct holding holding = {context, object};
    object_type_of(object)->holders(object, say_holder, &holding);
}

static void say_waiter(struct waiter *waiter, void *context) {
    uint64_t who = atomic_load(&waiter->who), object = atomic_load(&waiter->object);
    char what[80], thread[120];
    if (!who || !object) return;
    sink_print(context, "%s waits %.1f s for %s\n",
               thread_text((uint32_t)(who >> 32), (uint32_t)who, thread, sizeof thread),
               seconds_since(atomic_load(&waiter->since)), object_describe(arena_at(object), what, sizeof what));
}

/* --- circles: followed from a waiter to the holders of what it waits for, then to what those wait for --- */

enum { CIRCLE_MOST = 64 };

struct walk {
    struct sink *out;
    unsigned found;
    int depth;
    struct waiter *path[CIRCLE_MOST]; /* the waiters on the path; a circle leads back to the first */
};

static void step_from(struct walk *walk);

struct search {
    uint32_t token, thread; /* thread 0: any of that process */
    struct waiter *found;
};

static void search_match(struct waiter *waiter, void *context) {
    struct search *search = context;
    uint64_t who = atomic_load(&waiter->who);
    if (!search->found && who >> 32 == search->token && (!search->thread || (uint32_t)who == search->thread) &&
        atomic_load(&waiter->object))
        search->found = waiter;
}

/* Each circle is reported once, from the one of its waiters that is first in the table. */
static void say_circle(struct walk *walk) {
    char what[80], who[120];
    for (int i = 1; i < walk->depth; i++)
        if (walk->path[i] < walk->path[0]) return;
    walk->found++;
    sink_print(walk->out, "deadlock:");
    for (int i = 0; i < walk->depth; i++) {
        struct waiter *waiter = walk->path[i];
        uint64_t id = atomic_load(&waiter->who), object = atomic_load(&waiter->object);
        if (!object) return;
        sink_print(walk->out, "%s %s waits %.1f s for %s", i ? ", which is held by" : "",
                   thread_text((uint32_t)(id >> 32), (uint32_t)id, who, sizeof who),
                   seconds_since(atomic_load(&waiter->since)), object_describe(arena_at(object), what, sizeof what));
    }
    sink_print(walk->out, ", which is held by the first\n");
}

static void step_to(void *context, uint32_t token, uint32_t thread) {
    struct walk *walk = context;
    struct search search = {token, thread, NULL};
    waiters_each(search_match, &search);
    if (!search.found) return;
    if (search.found == walk->path[0]) {
        say_circle(walk);
        return;
    }
    for (int i = 1; i < walk->depth; i++)
        if (walk->path[i] == search.found) return; /* a circle that the first only leads to */
    if (walk->depth == CIRCLE_MOST) return;
    walk->path[walk->depth++] = search.found;
    step_from(walk);
    walk->depth--;
}

static void count_holder(void *count, uint32_t token, uint32_t thread) {
    (void)token;
    (void)thread;
    ++*(unsigned *)count;
}

static void step_from(struct walk *walk) {
    uint64_t offset = atomic_load(&walk->path[walk->depth - 1]->object);
    if (!offset) return;
    struct object *object = arena_at(offset);
    const struct object_type *type = object_type_of(object);
    unsigned holders = 0;
    if (!type || !type->holders) return;
    if (type->holding == HOLDERS_SHARE) type->holders(object, count_holder, &holders);
    if (holders <= 1) type->holders(object, step_to, walk);
}

static void walk_from(struct waiter *waiter, void *context) {
    struct walk *walk = context;
    walk->path[0] = waiter;
    walk->depth = 1;
    step_from(walk);
}

/* --- recoveries --- */

static void say_recoveries(struct sink *out) {
    const struct recovery_notes *notes = &arena()->recoveries;
    uint64_t count = atomic_load(&notes->count), first = count > RECOVERY_NOTES ? count - RECOVERY_NOTES : 0;
    for (uint64_t i = first; i < count; i++)
        sink_print(out, "recovery %" PRIu64 ": %.119s\n", i + 1, notes->text[i % RECOVERY_NOTES]);
}

prong_status prong_family_report(char *text, size_t size, size_t *length, unsigned *deadlocks) {
    struct sink out = {text, text ? size : 0, 0};
    struct walk walk = {.out = &out};
    TRY(family_enter());
    if (text && size) text[0] = 0;
    say_members(&out);
    for (uint32_t kind = 0; kind < KIND_LIMIT; kind++) {
        const struct object_type *type = object_types[kind];
        if (type && type->holders && type->holding != HOLDERS_ARE_SELF) object_each(kind, say_holders, &out);
    }
    waiters_each(say_waiter, &out);
    waiters_each(walk_from, &walk);
    say_recoveries(&out);
    if (length) *length = out.length;
    if (deadlocks) *deadlocks = walk.found;
    return PRONG_OK;
}
