/* Joining, leaving, and burying the dead. */
#define _GNU_SOURCE
#include "family/member.h"

#include "base/error.h"
#include "family/family.h"
#include "family/heap.h"
#include "family/object.h"
#include "family/waiter.h"
#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A token is 12 bits of row and 18 of generation. ENTERING marks a process that has no row yet: its pid instead. */
enum { ROW_BITS = 12, GENERATIONS = 1 << 18, ENTERING = 1 << 30 };

static struct self nobody;
struct self *self = &nobody;
static pthread_mutex_t entering = PTHREAD_MUTEX_INITIALIZER;

/* --- rows --- */

struct member *member_rows(void) {
    return (struct member *)(void *)(arena_base + ((sizeof(struct arena) + 63) & ~63ull));
}

struct member *member_row(uint32_t token) {
    return &member_rows()[token & (MEMBER_LIMIT - 1)];
}

static struct guard *guard(void) {
    return &arena()->members_guard;
}

static uint32_t next_token(uint64_t row) {
    uint32_t generation = ((uint32_t)atomic_load(&member_rows()[row].token) >> ROW_BITS) + 1;
    if (generation == GENERATIONS) generation = 1;
    return generation << ROW_BITS | (uint32_t)row;
}

static bool take_row(const char *name, uint64_t process, uint32_t *token) {
    for (uint64_t i = 0; i < MEMBER_LIMIT; i++) {
        struct member *row = &member_rows()[i];
        if (atomic_load(&row->state) != MEMBER_FREE) continue;
        *token = next_token(i);
        snprintf(row->name, sizeof row->name, "%s", name);
        row->process = process;
        row->parent = self_token();
        row->joined_at = os_boot_time();
        atomic_store(&row->pid, 0);
        atomic_store(&row->held, 0);
        atomic_store(&row->puts, 0);
        atomic_store(&row->gets, 0);
        atomic_store(&row->tasks, 0);
        atomic_store(&row->sleeps, 0);
        atomic_store(&row->leaving, 0);
        atomic_store(&row->looked_at, 0);
        guard_set(guard(), (uint64_t *)&row->token, *token);
        guard_set(guard(), (uint64_t *)&row->state, MEMBER_RESERVED);
        return true;
    }
    return false;
}

static struct guard *recovery(void) {
    return &arena()->recovery_guard;
}

static bool has_row(uint32_t token) {
    struct member *row = member_row(token);
    return (uint32_t)atomic_load(&row->token) == token && atomic_load(&row->state) != MEMBER_FREE;
}

void member_set_pid(uint32_t token, pid_t pid) {
    struct member *row = member_row(token);
    uint64_t unset = 0;
    if (!guard_enter(recovery(), PRONG_FOREVER)) return;
    if (has_row(token)) { /* or it died at once, and was buried */
        /* Not when the row was reserved: a process that took long to be started would seem to be another with its pid. */
        row->joined_at = os_boot_time();
        atomic_compare_exchange_strong(&row->pid, &unset, (uint64_t)pid);
    }
    guard_leave(recovery());
}

/* A row whose parent died before anybody knew the child's pid is a dead one's, to all others. */
static bool may_become(uint32_t token) {
    struct member *row = member_row(token);
    if (!has_row(token) || atomic_load(&row->state) != MEMBER_RESERVED) return false;
    pid_t pid = (pid_t)atomic_load(&row->pid);
    return pid == getpid() || (pid == 0 && member_alive((uint32_t)row->parent));
}

/* Under the guard of burials, and until then under its pid, as a process without a row: so the row is either this
 * process's or buried, and with it what hangs on it. */
bool member_become(uint32_t token) {
    struct member *row = member_row(token);
    bool mine = false;
    atomic_store(&self->token, ENTERING | (uint32_t)getpid());
    if (guard_enter(recovery(), PRONG_FOREVER)) {
        mine = may_become(token);
        if (mine) {
            row->parent = row->parent & ENTERING ? 0 : row->parent;
            row->joined_at = os_boot_time();
            atomic_store(&row->pid, (uint64_t)getpid());
            atomic_store(&row->state, MEMBER_LIVE);
        }
        guard_leave(recovery());
    }
    self->pid = getpid();
    atomic_store(&self->token, mine ? token : 0);
    return mine;
}

/* --- life and death --- */

/* Start times are counted in ticks of 10 ms. */
static const uint64_t TICK = 20000000;

static bool process_alive(pid_t pid, uint64_t joined_at) {
    int pidfd = os_pidfd_open(pid);
    if (pidfd < 0) return errno != ESRCH && errno != EINVAL && kill(pid, 0) == 0;
    bool alive = !os_pidfd_ended(pidfd);
    close(pidfd);
    return alive && (joined_at == 0 || os_process_start_time(pid) <= joined_at + TICK);
}

bool member_alive(uint32_t token) {
    if (token == self_token()) return true;
    if (token & ENTERING) return process_alive((pid_t)(token & ~(uint32_t)ENTERING), 0);
    struct member *row = member_row(token);
    uint64_t state = atomic_load(&row->state);
    if ((uint32_t)atomic_load(&row->token) != token || state == MEMBER_FREE || state == MEMBER_GONE) return false;
    pid_t pid = (pid_t)atomic_load(&row->pid);
    if (pid == 0) return row->parent && member_alive((uint32_t)row->parent); /* reserved, and not yet begun */
    int before = errno;
    bool alive = process_alive(pid, row->joined_at);
    errno = before;
    return alive;
}

static void bury(uint32_t token, bool known_dead) {
    struct member *row = member_row(token);
    if (!guard_enter(recovery(), PRONG_FOREVER)) return;
    if (has_row(token) && (known_dead || !member_alive(token))) {
        /* First GONE, for all to see; FREE only at the end: a cleaner that dies in between is followed by another. */
        atomic_store(&row->state, MEMBER_GONE);
        object_recover_all(token);
        waiters_forget(token);
        if (atomic_load(&row->held)) heap_free_owned(token);
        atomic_fetch_add(&arena()->deaths, 1);
        atomic_store(&row->state, MEMBER_FREE);
    }
    guard_leave(recovery());
}

void member_bury(uint32_t token) {
    bury(token, true);
}

/* Looks twice: one that was still to begin may have begun before we were let in to bury it. */
static void bury_if_dead(uint32_t token) {
    if (!member_alive(token)) bury(token, false);
}

static void bury_all_dead(void) {
    for (uint64_t i = 0; i < MEMBER_LIMIT; i++) {
        uint32_t token = (uint32_t)atomic_load(&member_rows()[i].token);
        if (atomic_load(&member_rows()[i].state) != MEMBER_FREE) bury_if_dead(token);
    }
}

prong_status member_reserve(const char *name, uint64_t process, uint32_t *token) {
    for (int attempt = 0; attempt < 2; attempt++) {
        if (!guard_enter(guard(), PRONG_FOREVER))
            return fail(PRONG_TIMEOUT, "the family table is held by a stopped process");
        bool taken = take_row(name, process, token);
        guard_leave(guard());
        if (taken) return PRONG_OK;
        bury_all_dead();
    }
    return fail(PRONG_NO_PROCESSES, "the family has its limit of %d processes", MEMBER_LIMIT);
}

void family_look_around(void) {
    static _Atomic uint64_t next;
    for (int looked = 0; looked < MEMBER_LIMIT; looked++) {
        uint64_t i = atomic_fetch_add(&next, 1) % MEMBER_LIMIT;
        uint32_t token = (uint32_t)atomic_load(&member_rows()[i].token);
        if (atomic_load(&member_rows()[i].state) == MEMBER_FREE) continue;
        bury_if_dead(token);
        return;
    }
}

/* Waiters look every 50 ms at the latest, and may be many. */
static const prong_time LOOK_AGAIN_AFTER = PRONG_MS(10);

void member_look(uint32_t token) {
    struct member *row = member_row(token);
    int64_t now = clock_now(), before = atomic_load(&row->looked_at);
    if (now - before < LOOK_AGAIN_AFTER || !atomic_compare_exchange_strong(&row->looked_at, &before, now)) return;
    bury_if_dead(token);
}

const char *member_describe(uint32_t token, char *text, size_t size) {
    struct member *row = member_row(token);
    snprintf(text, size, "process %d '%.*s'", (int)atomic_load(&row->pid), MEMBER_NAME_SIZE - 1, row->name);
    return text;
}

void recovery_note(const char *format, ...) {
    struct recovery_notes *notes = &arena()->recoveries;
    uint64_t number = atomic_load(&notes->count);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(notes->text[number % RECOVERY_NOTES], sizeof notes->text[0], format, arguments);
    va_end(arguments);
    atomic_store(&notes->count, number + 1);
}

void member_leaving(void) {
    if (self_token()) atomic_store(&self_row()->leaving, 1);
}

bool member_is_leaving(uint32_t token) {
    return atomic_load(&member_row(token)->leaving) != 0;
}

/* --- entering the family --- */

static void lock_for_fork(void) {
    pthread_mutex_lock(&entering);
}

static void unlock_in_parent(void) {
    pthread_mutex_unlock(&entering);
}

static void forget_self(void) {
    atomic_store(&self->token, 0);
    pthread_mutex_unlock(&entering);
}

/* Private state that a fork wipes. pthread_atfork comes on top, for kernels or tools without MADV_WIPEONFORK. */
static prong_status make_self(void) {
    if (self != &nobody) return PRONG_OK;
    struct self *page = os_memory_wipe_on_fork();
    if (!page) return fail_errno("no memory for a process's own page");
    self = page;
    pthread_atfork(lock_for_fork, unlock_in_parent, forget_self);
    return PRONG_OK;
}

static uint64_t wanted_size = 64ull << 30;
static bool size_is_exact;

prong_status prong_family_create(const prong_family_options *options) {
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

/* A process without a row yet takes guards under its pid, so that others can tell whether it lives. */
static prong_status take_first_row(const char *name) {
    uint32_t token;
    atomic_store(&self->token, ENTERING | (uint32_t)getpid());
    prong_status status = member_reserve(name, 0, &token);
    if (!status && !member_become(token)) status = fail(PRONG_TIMEOUT, "the family table is held by a stopped process");
    if (status) atomic_store(&self->token, 0);
    return status;
}

static prong_status enter(void) {
    prong_status status = make_self();
    if (status) return status;
    if (arena_base) return take_first_row("forked");
    status = arena_create(wanted_size, size_is_exact ? wanted_size : PRONG_ARENA_LEAST);
    return status ? status : take_first_row("main");
}

prong_status family_enter_slow(void) {
    pthread_mutex_lock(&entering);
    prong_status status = self_token() ? PRONG_OK : enter();
    pthread_mutex_unlock(&entering);
    return status;
}

prong_status family_attach(int fd) {
    prong_status status = make_self();
    return status ? status : arena_attach(fd);
}

/* --- what the outside may ask --- */

prong_status prong_family_check(prong_family_state *state) {
    struct heap_summary sum;
    prong_status status = family_enter();
    if (status) return status;
    bury_all_dead();
    status = heap_check(&sum);
    if (status || !state) return status;
    *state = (prong_family_state){.arena_size = arena()->size,
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
    prong_status status = family_enter();
    if (status) return status;
    bury_all_dead();
    *count = 0;
    for (uint64_t i = 0; i < MEMBER_LIMIT; i++) {
        struct member *row = &member_rows()[i];
        if (atomic_load(&row->state) != MEMBER_LIVE) continue;
        if (*count < capacity) {
            prong_member *member = &members[*count];
            *member = (prong_member){.pid = (int)atomic_load(&row->pid),
                                     .puts = atomic_load(&row->puts),
                                     .gets = atomic_load(&row->gets),
                                     .tasks = atomic_load(&row->tasks),
                                     .sleeps = atomic_load(&row->sleeps),
                                     .age = (prong_time)(os_boot_time() - row->joined_at)};
            memcpy(member->name, row->name, sizeof member->name);
            if (row->parent) member->parent_pid = (int)atomic_load(&member_row((uint32_t)row->parent)->pid);
        }
        ++*count;
    }
    return PRONG_OK;
}

unsigned prong_family_count(void) {
    unsigned count = 0;
    if (family_enter()) return 0;
    bury_all_dead();
    for (uint64_t i = 0; i < MEMBER_LIMIT; i++) {
        const struct member *row = &member_rows()[i];
        uint64_t state = atomic_load(&row->state);
        count += (state == MEMBER_LIVE || state == MEMBER_RESERVED) && strcmp(row->name, FORK_SERVER_NAME) != 0;
    }
    return count;
}

prong_status prong_family_trim(void) {
    prong_status status = family_enter();
    if (!status) heap_trim();
    return status;
}
