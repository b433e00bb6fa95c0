/* Finding a pool by its name. */
#include "base/error.h"
#include "family/member.h"
#include "pool/pool.h"

#include <string.h>

struct search {
    const char *name;
    prong_pool found;
    uint32_t owner;
    int64_t created; /* the pool that was found; 0: none yet */
};

static void search_visit(void *object, void *context) {
    struct pool *pool = object;
    struct search *search = context;
    if (atomic_load(&pool->state) != POOL_RUNNING || pool->created <= search->created) return;
    if (strcmp(pool->name, search->name) != 0) return;
    search->found = (prong_pool){arena_offset(pool), object_generation(pool)};
    search->owner = (uint32_t)atomic_load(&pool->owner);
    search->created = pool->created;
}

/* A pool ends with its owner: where that has died, it is the one before that may still run. */
prong_status prong_pool_find(const char *name, prong_pool *handle) {
    if (!name || !handle) return fail(PRONG_INVALID, "pool find: no %s (NULL)", name ? "place for the handle" : "name");
    TRY(family_enter());
    for (;;) {
        struct search search = {.name = name};
        object_each(KIND_POOL, search_visit, &search);
        if (!search.created) return fail(PRONG_NOT_FOUND, "no pool named '%s' runs in this family", name);
        if (member_alive(search.owner)) {
            *handle = search.found;
            return PRONG_OK;
        }
        family_bury_dead();
    }
}
