/* Joining, leaving, and burying the dead. */
#define _GNU_SOURCE
#include "family/member.h"

#include "base/error.h"
#include "base/fork.h"
#include "family/family.h"
#include "family/heap.h"
#include "family/object.h"
#include "family/thread.h"
#include "family/waiter.h"
#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A token is 12 bits of row and 18 of generation. ENTERING marks a process that has no row yet: its pid instead (no pid has more
 * bits), and some bits of its namespace. */
enum { ROW_BITS = 12, GENERATIONS = 1 << 18, ENTERING = 1 << 30, PID_BITS = 22, NAMESPACE_BITS = 0xff };
static const uint64_t LIFE_PLACES = 1ull << 61;

static struct self nobody;
struct self *self = &nobody;
void (*member_joined)(void);

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

/* No token comes twice, or a stale one would read as alive: a row that has had its last generation is not used again. */
static bool has_generations(uint64_t row) {
    return (uint32_t)atomic_load(&member_rows()[row].token) >> ROW_BITS < GENERATIONS - 1;
}

static uint32_t next_token(uint64_t row) {
    uint32_t generation = ((uint32_t)atomic_load(&member_rows()[row].token) >> ROW_BITS) + 1;
    return generation << ROW_BITS | (uint32_t)row;
}

static bool take_row(const char *name, uint64_t process, uint32_t *token) {
    for (uint64_t i = 0; i < MEMBER_LIMIT; i++) {
        struct member *row = &member_rows()[i];
        if (atomic_load(&row->state) != MEMBER_FREE || !has_generations(i)) continue;
        *token = next_token(i);
        snprintf(row->name, sizeof row->name, "%s", name);
        row->process = process;
        row->parent = self_token();
        row->joined_at = os_boot_time();
        atomic_store(&row->pid, 0);
        atomic_store(&row->namespace, self->namespace);
        atomic_store(&row->outer_pid, 0);
        atomic_store(&row->outer_namespace, self->namespace);
        atomic_store(&row->marked, 0);
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

bool member_has_row(uint32_t token) {
    struct member *row = member_row(token);
    return (uint32_t)atomic_load(&row->token) == token && atomic_load(&row->state) != MEMBER_FREE;
}

void member_set_pid(uint32_t token, pid_t pid) {
    struct member *row = member_row(token);
    uint64_t unset = 0;
    if (!guard_enter(recovery(), PRONG_FOREVER)) return;
    if (member_has_row(token)) { /* or it died at once, and was buried */
        /* Not when the row was reserved: a process that took long to be started would seem to be another with its pid. */
        row->joined_at = os_boot_time();
        atomic_compare_exchange_strong(&row->pid, &unset, (uint64_t)pid);
        atomic_store(&row->outer_namespace, self->namespace);
        atomic_store(&row->outer_pid, (uint64_t)pid);
    }
    guard_leave(recovery());
}

/* --- other namespaces of pids ---
 *
 * A process whose parent has called unshare(CLONE_NEWPID), or setns, has one number here and another there, or none. A row has its
 * number as it knows it itself, and as its parent does. A member of a third namespace cannot look by either: so once a family has
 * several, each member marks a place of the arena for as long as it lives. One that has not done so, and is known by no number,
 * counts as alive: what it holds would else be taken from it. */

static void note_namespace(void) {
    uint64_t first = 0;
    if (atomic_compare_exchange_strong(&arena()->first_namespace, &first, self->namespace)) return;
    if (first != self->namespace) atomic_store(&arena()->several_namespaces, 1);
}

void member_mark_slow(void) {
    bool marked = false;
    if (!self_token() || self_token() & ENTERING) return;
    if (!atomic_compare_exchange_strong(&self->marked, &marked, true)) return;
    if (os_life_begin(arena_descriptor(), LIFE_PLACES + self_token()) == 0) atomic_store(&self_row()->marked, 1);
}

/* The number by which this process knows it, or 0. */
static pid_t pid_here(const struct member *row) {
    if (atomic_load(&row->namespace) == self->namespace) return (pid_t)atomic_load(&row->pid);
    if (atomic_load(&row->outer_namespace) == self->namespace) return (pid_t)atomic_load(&row->outer_pid);
    return 0;
}

pid_t member_pid(uint32_t token) {
    return pid_here(member_row(token));
}

/* To be shown: its own, where there is none here. */
static int pid_shown(const struct member *row) {
    pid_t pid = pid_here(row);
    return (int)(pid ? pid : (pid_t)atomic_load(&row->pid));
}

static bool alive_elsewhere(const struct member *row, uint32_t token) {
    int fd = arena_descriptor();
    bool ended =
        atomic_load(&row->marked) && arena_is_meant(fd, arena()->secret) && os_life_has_ended(fd, LIFE_PLACES + token);
    return !ended || (uint32_t)atomic_load(&row->token) != token;
}

/* A process that is not in the table yet: its pid, and what tells namespaces apart as far as there is room. */
static uint32_t entering_token(void) {
    return ENTERING | ((uint32_t)self->namespace & NAMESPACE_BITS) << PID_BITS | (uint32_t)getpid();
}

static bool process_alive(pid_t pid, uint64_t joined_at);

static bool entering_alive(uint32_t token) {
    if ((token >> PID_BITS & NAMESPACE_BITS) != ((uint32_t)self->namespace & NAMESPACE_BITS)) return true;
    return process_alive((pid_t)(token & ((1u << PID_BITS) - 1)), 0);
}

/* A row whose parent died before anybody knew the child's pid is a dead one's, to all others. */
static bool may_become(uint32_t token) {
    struct member *row = member_row(token);
    if (!member_has_row(token) || atomic_load(&row->state) != MEMBER_RESERVED) return false;
    pid_t pid = (pid_t)atomic_load(&row->pid);
    if (pid && atomic_load(&row->namespace) != self->namespace) return true; /* its parent's number says nothing here */
    return pid == getpid() || (pid == 0 && member_alive((uint32_t)row->parent));
}

/* Under the guard of burials, and until then under its pid, as a process without a row: so the row is either this
 * process's or buried, and with it what hangs on it. */
bool member_become(uint32_t token) {
    struct member *row = member_row(token);
    bool mine = false;
    self->namespace = os_pid_namespace();
    atomic_store(&self->token, entering_token());
    if (guard_enter(recovery(), PRONG_FOREVER)) {
        mine = may_become(token);
        if (mine) {
            atomic_store(&row->namespace, self->namespace);
            note_namespace();
            row->parent = row->parent & ENTERING ? 0 : row->parent;
            row->joined_at = os_boot_time();
            atomic_store(&row->pid, (uint64_t)getpid());
            atomic_store(&row->state, MEMBER_LIVE);
        }
        guard_leave(recovery());
    }
    self->pid = getpid();
    atomic_store(&self->token, mine ? token : 0);
    if (!mine) return false;
    thread_know_self();
    member_mark_if_needed();
    if (member_joined) member_joined();
    return true;
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
    if (token & ENTERING) return entering_alive(token);
    struct member *row = member_row(token);
    uint64_t state = atomic_load(&row->state);
    if ((uint32_t)atomic_load(&row->token) != token || state == MEMBER_FREE || state == MEMBER_GONE) return false;
    pid_t pid = (pid_t)atomic_load(&row->pid);
    if (pid == 0) return row->parent && member_alive((uint32_t)row->parent); /* reserved, and not yet begun */
    int before = errno;
    pid = pid_here(row);
    bool alive = pid ? process_alive(pid, row->joined_at) : alive_elsewhere(row, token);
    errno = before;
    return alive;
}

static bool pidfd_is_members(int pidfd, pid_t pid, uint32_t token) {
    struct member *row = member_row(token);
    uint64_t joined_at = row->joined_at;
    if (os_process_start_time(pid) > joined_at + TICK) return false;
    /* Not ended yet: so what was read was this process's. The row last: then its pid was of this token. */
    return !os_pidfd_ended(pidfd) && pid_here(row) == pid && member_has_row(token) &&
           atomic_load(&row->state) != MEMBER_GONE;
}

int member_pidfd(uint32_t token) {
    struct member *row = member_row(token);
    pid_t pid = pid_here(row);
    bool begun = !(token & ENTERING) && member_has_row(token) && atomic_load(&row->pid) != 0;
    int pidfd = begun && pid > 0 ? os_pidfd_open(pid) : -1;
    if (begun && pid <= 0) errno = alive_elsewhere(row, token) ? EREMOTE : ESRCH;
    if (!begun) errno = ESRCH;
    if (pidfd < 0 || pidfd_is_members(pidfd, pid, token)) return pidfd;
    close(pidfd);
    errno = ESRCH;
    return -1;
}

/* What the dead one has left half done in what all share is undone first: recovery reads these words without the guards. */
static void settle_shared_guards(uint32_t dead) {
    struct guard *const guards[] = {&arena()->objects_guard, &arena()->heap.guard, &arena()->threads_guard,
                                    &arena()->members_guard};
    for (size_t i = 0; i < sizeof guards / sizeof *guards; i++) guard_settle(guards[i], dead);
}

/* What the caller knows of it. */
enum member_end { END_CERTAIN, END_UNKNOWN, END_GIVEN_UP };

/* Under the guard of burials. A process that has been given up can only be let go of before it has become the member: see may_become. */
static bool may_be_buried(uint32_t token, enum member_end end) {
    if (!member_has_row(token)) return false;
    if (end == END_GIVEN_UP && atomic_load(&member_row(token)->state) == MEMBER_RESERVED) return true;
    return end == END_CERTAIN || !member_alive(token);
}

static void bury(uint32_t token, enum member_end end) {
    struct member *row = member_row(token);
    if (!guard_enter(recovery(), PRONG_FOREVER)) return;
    if (may_be_buried(token, end)) {
        /* First GONE, for all to see; FREE only at the end: a cleaner that dies in between is followed by another. */
        atomic_store(&row->state, MEMBER_GONE);
        settle_shared_guards(token);
        object_recover_all(token);
        waiters_forget(token);
        threads_forget(token);
        if (atomic_load(&row->held)) heap_free_owned(token);
        atomic_fetch_add(&arena()->deaths, 1);
        atomic_store(&row->state, MEMBER_FREE);
    }
    guard_leave(recovery());
}

void member_bury(uint32_t token) {
    bury(token, END_CERTAIN);
}

void member_give_up(uint32_t token) {
    bury(token, END_GIVEN_UP);
}

/* Looks twice: one that was still to begin may have begun before we were let in to bury it. */
static void bury_if_dead(uint32_t token) {
    if (!member_alive(token)) bury(token, END_UNKNOWN);
}

void family_bury_dead(void) {
    for (uint64_t i = 0; i < MEMBER_LIMIT; i++) {
        uint32_t token = (uint32_t)atomic_load(&member_rows()[i].token);
        if (atomic_load(&member_rows()[i].state) != MEMBER_FREE) bury_if_dead(token);
    }
}

/* In a family that is busy nobody sleeps long enough to look around; so each that is started, or joins, pays for more than one that
 * ends. By a member: one that is still to join has no thread's row to be inside of objects with. */
enum { LOOKS_A_START = 2 };
static void look_for_a_start(void) {
    for (int i = 0; i < LOOKS_A_START && member_has_row(self_token()); i++) family_look_around();
}

prong_status member_reserve(const char *name, uint64_t process, uint32_t *token) {
    for (int attempt = 0; attempt < 2; attempt++) {
        if (!guard_enter(guard(), PRONG_FOREVER)) return lock_refused(PRONG_TIMEOUT, "the family table");
        bool taken = take_row(name, process, token);
        guard_leave(guard());
        if (taken) {
            look_for_a_start();
            return PRONG_OK;
        }
        family_bury_dead();
    }
    return fail(PRONG_NO_PROCESSES, "the family has its limit of %d processes, or has started a billion", MEMBER_LIMIT);
}

/* Waiters look every 50 ms at the latest, and may be many. */
static const prong_time LOOK_AGAIN_AFTER = PRONG_MS(10);

void member_look(uint32_t token) {
    struct member *row = member_row(token);
    int64_t now = clock_now(), before = atomic_load(&row->looked_at);
    member_mark_if_needed();
    if (now - before < LOOK_AGAIN_AFTER || !atomic_compare_exchange_strong(&row->looked_at, &before, now)) return;
    bury_if_dead(token);
}

/* Rows are taken lowest first: behind the first that never was in use there are none. */
void family_look_around(void) {
    for (int looked = 0, rounds = 0; looked < MEMBER_LIMIT && rounds < 2; looked++) {
        uint64_t i = atomic_fetch_add(&arena()->looked_around, 1) % MEMBER_LIMIT;
        uint32_t token = (uint32_t)atomic_load(&member_rows()[i].token);
        if (!token) {
            atomic_store(&arena()->looked_around, 0);
            rounds++;
        } else if (token != self_token() && atomic_load(&member_rows()[i].state) != MEMBER_FREE) {
            member_look(token);
            return;
        }
    }
}

const char *member_describe(uint32_t token, char *text, size_t size) {
    struct member *row = member_row(token);
    snprintf(text, size, "process %d '%.*s'", pid_shown(row), MEMBER_NAME_SIZE - 1, row->name);
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

/* Beside the page that a fork wipes, for kernels or tools without MADV_WIPEONFORK. */
static void forget_self(void) {
    atomic_store(&self->token, 0);
}

FORK_MUTEX(FORK_FAMILY, entering, forget_self)

/* Private state that a fork wipes, be it one that runs no handlers. */
static prong_status make_self(void) {
    if (self != &nobody) return PRONG_OK;
    struct self *page = os_memory_wipe_on_fork();
    if (!page) return fail_errno("no memory for a process's own page");
    self = page;
    thread_join_barriers();
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

/* A process without a row yet takes guards under its pid, so that others can tell whether it lives. */
static prong_status take_first_row(const char *name) {
    uint32_t token;
    self->namespace = os_pid_namespace();
    atomic_store(&self->token, entering_token());
    prong_status status = member_reserve(name, 0, &token);
    if (status >= 0 && !member_become(token)) status = lock_refused(PRONG_TIMEOUT, "the family table");
    if (status < 0)
        atomic_store(&self->token, 0);
    else
        look_for_a_start();
    return status;
}

static prong_status enter(void) {
    prong_status status = make_self();
    if (status < 0) return status;
    if (arena_base) return take_first_row("forked");
    if (!size_is_exact) TRY(arena_usual_size(&wanted_size));
    status = arena_create(wanted_size, size_is_exact ? wanted_size : PRONG_ARENA_LEAST);
    if (status < 0) return status;
    thread_agree_on_fences(true);
    return take_first_row("main");
}

prong_status family_enter_slow(void) {
    pthread_mutex_lock(&entering);
    prong_status status = self_token() ? PRONG_OK : enter();
    pthread_mutex_unlock(&entering);
    return status;
}

prong_status family_attach(int fd) {
    prong_status status = make_self();
    if (status >= 0) status = arena_attach(fd);
    if (status >= 0) thread_agree_on_fences(false);
    return status;
}

/* --- what the outside may ask --- */

prong_status prong_family_check(prong_family_state *state) {
    struct heap_summary sum;
    prong_status status = family_enter();
    if (status < 0) return status;
    family_bury_dead();
    retired_sweep();
    retired_sweep(); /* what is freed may have ended others, such as a lock of its own */
    status = heap_check(&sum);
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
            *member = (prong_member){.pid = pid_shown(row),
                                     .puts = atomic_load(&row->puts),
                                     .gets = atomic_load(&row->gets),
                                     .tasks = atomic_load(&row->tasks),
                                     .sleeps = atomic_load(&row->sleeps),
                                     .age = (prong_time)(os_boot_time() - row->joined_at)};
            memcpy(member->name, row->name, sizeof member->name);
            if (row->parent) member->parent_pid = pid_shown(member_row((uint32_t)row->parent));
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
