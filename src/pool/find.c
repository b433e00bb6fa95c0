/* Finding a pool by its name. */
#include "base/error.h"
#include "family/member.h"
#include "pool/pool.h"

#include <string.h>

struct pool_search {
    const char *name;
    prong_pool found;
    int64_t created; /* the pool that was found; 0: none yet */
};

/* A pool ends with its owner: one whose owner has died is passed over. */
static void pool_search_visit(void *object, void *context) {
    struct pool *pool = object;
    struct pool_search *search = context;
    int64_t created = __atomic_load_n(&pool->created, __ATOMIC_ACQUIRE); /* 0: it may still fail to be */
    if (atomic_load(&pool->state) != POOL_RUNNING || created <= search->created) return;
    if (strcmp(pool->name, search->name) != 0 || !member_alive((uint32_t)atomic_load(&pool->owner))) return;
    search->found = (prong_pool){arena_offset(pool), object_generation(pool)};
    search->created = created;
}

prong_status prong_pool_find(const char *name, prong_pool *handle) {
    struct pool_search search = {.name = name};
    if (!name || !handle) return fail(PRONG_INVALID, "pool find: no %s (NULL)", name ? "place for the handle" : "name");
    TRY(family_enter());
    object_each(KIND_POOL, pool_search_visit, &search);
    if (!search.created) return fail(PRONG_NOT_FOUND, "no pool named '%s' runs in this family", name);
    *handle = search.found;
    return PRONG_OK;
}
