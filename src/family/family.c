/* This process in the family: joining it, and the public calls about the family. */
#include "family/family.h"

#include "base/error.h"
#include "base/fork.h"
#include "family/heap.h"
#include "family/object.h"
#include "family/rows.h"
#include "family/thread.h"
#include "os/os.h"

#include <pthread.h>
#include <string.h>

static struct self nobody;
struct self *self = &nobody;

/* --- entering the family --- */

/* In memory that a fork clears: in one mapping, as each makes every fork dearer. */
struct own_pages {
    struct self self;
    _Atomic uint8_t touched[TOUCHED_NUMBERS];
};

/* Does what kernels or tools without MADV_WIPEONFORK do not do. */
static void forget_self(void) {
    if (atomic_exchange(&self->token, 0)) memset((void *)self, 0, sizeof(struct own_pages));
}

FORK_MUTEX(family, entering, forget_self)

/* Private state that every fork clears, also one that runs no fork handlers. Made when the library is loaded, since the
 * threads of a process that has not joined read `self` without a lock; again later only where there was no memory. */
__attribute__((constructor)) static void make_own_pages(void) {
    struct own_pages *own = self == &nobody ? os_memory_wipe_on_fork(sizeof *own) : NULL;
    if (!own) return;
    touched_use(own->touched);
    self = &own->self;
}

static prong_status make_self(void) {
    static bool has_joined_barriers;
    make_own_pages();
    if (self == &nobody) return fail_errno("no memory for a process's own pages");
    if (!has_joined_barriers) thread_join_barriers();
    has_joined_barriers = true;
    return PRONG_OK;
}

static uint64_t wanted_size;
static bool size_is_exact;

prong_status prong_family_create(const prong_family_options *options) {
    CHECK_RESERVED(options, "family: options");
    if (options && options->arena_size) {
        if (options->arena_size < PRONG_ARENA_LEAST)
            return fail(PRONG_INVALID, "arena_size %llu is below the least, 64 MiB",
                        (unsigned long long)options->arena_size);
        if (arena_base) return fail(PRONG_ALREADY_STARTED, "this process is in a family already");
        wanted_size = (options->arena_size + 4095) & ~4095ull;
        size_is_exact = true;
    }
    return family_enter();
}

/* A process without a row yet takes guards under its pid, so that others can tell whether it is alive. */
static prong_status take_first_row(const char *name) {
    uint32_t token;
    self->namespace = os_pid_namespace();
    atomic_store(&self->token, member_entering_token());
    prong_status status = member_reserve(name, 0, &token);
    if (status >= 0 && !member_become(token, NULL)) status = lock_refused(PRONG_TIMEOUT, "the family table");
    if (status < 0)
        atomic_store(&self->token, 0);
    else
        family_look_for_a_start();
    return status;
}

static prong_status family_enter_here(void) {
    TRY(make_self());
    if (arena_base) return take_first_row("forked");
    if (!size_is_exact) TRY(arena_usual_size(&wanted_size));
    TRY(arena_create(wanted_size, size_is_exact ? wanted_size : PRONG_ARENA_LEAST));
    thread_agree_on_fences(true);
    return take_first_row("main");
}

/* The thread that enters may come here again, from a burial or from a signal handler. One that comes before there is a token
 * finds no arena, perhaps. */
prong_status family_enter_slow(void) {
    static QUICK_LOCAL bool is_entering;
    if (is_entering && self_token()) return PRONG_OK;
    if (is_entering)
        return fail_text(PRONG_DEADLOCK,
                         "this thread was interrupted by the signal handler that calls, as it joins a family");
    is_entering = true;
    pthread_mutex_lock(&entering);
    prong_status status = token_is_of_member(self_token()) ? PRONG_OK : family_enter_here();
    pthread_mutex_unlock(&entering);
    is_entering = false;
    return status;
}

prong_status family_attach(int fd) {
    prong_status status = make_self();
    if (status >= 0) status = arena_attach(fd);
    if (status >= 0) thread_agree_on_fences(false);
    return status;
}

/* --- the public calls --- */

prong_status prong_family_check(prong_family_state *state) {
    struct heap_summary sum;
    TRY(family_enter());
    family_bury_dead();
    retired_sweep();
    retired_sweep(); /* what is freed may have ended others, such as a lock of its own */
    prong_status status = heap_check(&sum);
    if (status >= 0 && atomic_load(&arena()->journal_overflows))
        status = fail(PRONG_SYSTEM, "arena: %llu words were changed without being noted in a guard's journal",
                      (unsigned long long)atomic_load(&arena()->journal_overflows));
    if (status < 0 || !state) return status;
    *state = (prong_family_state){.arena_size = arena()->heap.end,
                                  .used_bytes = sum.used_bytes,
                                  .used_blocks = sum.used_blocks,
                                  .free_bytes = sum.free_bytes,
                                  .touched_bytes = sum.committed,
                                  .blocks_in_hand = sum.owned_blocks,
                                  .objects = object_count(),
                                  .deaths = atomic_load(&arena()->deaths)};
    for (uint64_t i = 0; i < MEMBER_LIMIT; i++) state->members += atomic_load(&member_rows()[i].state) != MEMBER_FREE;
    return PRONG_OK;
}

prong_status prong_family_members(prong_member *members, size_t capacity, size_t *count) {
    TRY(check_bytes(members, capacity, "family members: members"));
    TRY(family_enter());
    family_bury_dead();
    *count = 0;
    for (uint64_t i = 0; i < MEMBER_LIMIT; i++) {
        struct member *row = &member_rows()[i];
        if (atomic_load(&row->state) != MEMBER_LIVE) continue;
        if (*count < capacity) {
            prong_member *member = &members[*count];
            *member = (prong_member){.pid = member_pid_shown(row),
                                     .puts = atomic_load(&row->puts),
                                     .gets = atomic_load(&row->gets),
                                     .tasks = atomic_load(&row->tasks),
                                     .sleeps = atomic_load(&row->sleeps),
                                     .age = (prong_time)(os_boot_time() - row->joined_at)};
            memcpy(member->name, row->name, sizeof member->name);
            if (row->parent) member->parent_pid = member_pid_shown(member_row((uint32_t)row->parent));
        }
        ++*count;
    }
    return PRONG_OK;
}

unsigned prong_family_count(void) {
    unsigned count = 0;
    if (family_enter()) return 0;
    family_bury_dead();
    for (uint64_t i = 0; i < MEMBER_LIMIT; i++) {
        const struct member *row = &member_rows()[i];
        uint64_t state = atomic_load(&row->state);
        count += (state == MEMBER_LIVE || state == MEMBER_RESERVED) && strcmp(row->name, FORK_SERVER_NAME) != 0;
    }
    return count;
}

prong_status prong_family_trim(void) {
    prong_status status = family_enter();
    if (status >= 0) retired_sweep();
    if (status >= 0) heap_trim();
    return status;
}
