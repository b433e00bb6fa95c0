/* The family table: one row a process. A row identifies its process for good (pid and start time). It has what others
 * need to recover what the process held, and what a person wants to see. */
#ifndef FAMILY_MEMBER_H
#define FAMILY_MEMBER_H

#include "family/arena.h"
#include "family/touched.h"
#include "os/os.h"

#include <sys/types.h>

enum member_state { MEMBER_FREE, MEMBER_RESERVED, MEMBER_LIVE, MEMBER_GONE };
enum { MEMBER_NAME_SIZE = 48 };
#define FORK_SERVER_NAME "forkserver"

struct member {
    /* Generation and row number in 31 bits; never 0 once used. Reusing a row changes it. */
    _Alignas(64) _Atomic uint64_t token;
    _Atomic uint64_t state;
    _Atomic uint64_t
        pid; /* of a reserved row: 0 until the child exists; by the namespace of the parent until it is LIVE */
    _Atomic uint64_t namespace; /* in which that is its number */
    _Atomic uint64_t outer_pid; /* its number in its parent's namespace, 0 while it is not known */
    _Atomic uint64_t outer_namespace;
    _Atomic uint64_t
        marked; /* it has marked its row's place: members in other PID namespaces can tell whether it is alive */
    _Atomic uint64_t joined_at; /* nanoseconds after boot: a process of that pid that began later is another */
    _Atomic uint64_t parent;    /* token; who reserved the row */
    _Atomic uint64_t process;   /* offset of its process object, 0 for a root or a host's own fork */
    char name[MEMBER_NAME_SIZE];
    /* what it writes all the time, in a cache line that no other process writes */
    _Alignas(64) _Atomic uint64_t held; /* blocks lent to it, never fewer than there are */
    _Atomic uint64_t puts, gets, tasks, sleeps;
    _Atomic uint64_t leaving;   /* it exits normally, which breaks no barrier */
    _Atomic int64_t looked_at;  /* when it was last checked whether it is alive */
    _Atomic int64_t not_before; /* of one that is GONE, but not buried to the end: when that may go on */
    struct touched touched;     /* the slabs of objects that burial has to look through */
    /* Shows others whether it is alive (lookout.h). pulse_of: its token in the high half; where the word is in the low
     * one, plus 1; 0: it has none. */
    _Alignas(64) struct os_pulse pulse;
    _Atomic uint64_t pulse_of;
};

/* For people to see; not exact: two threads at once may lose a count. */
static inline void count_event(_Atomic uint64_t *counter) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* What a process knows about itself, in memory that a fork clears: a child finds a token of 0, and joins as a new
 * member. */
struct self {
    _Atomic uint32_t token;
    pid_t pid;
    uint64_t namespace; /* of pids */
    _Atomic bool marked;
    _Atomic bool begins_pulse; /* a thread is about to do that */
};
extern HIDDEN struct self *self;

static inline uint32_t self_token(void) {
    return atomic_load_explicit(&self->token, memory_order_relaxed);
}

static inline struct member *member_rows(void) {
    return (struct member *)(void *)(arena_base + ((sizeof(struct arena) + 63) & ~63ull));
}
static inline struct member *member_row(uint32_t token) {
    return &member_rows()[token & (MEMBER_LIMIT - 1)];
}
/* Whether the token is that of a member, which may be dead, and not one that a process uses while it joins. */
bool member_has_row(uint32_t token);
static inline struct member *self_row(void) {
    return member_row(self_token());
}

/* Set in the token that a process uses while it joins, when it has no row yet. */
enum { ENTERING = 1 << 30 };

/* Neither 0 nor ENTERING: in one comparison. */
static inline bool token_is_of_member(uint32_t token) {
    return token - 1 < ENTERING - 1;
}

prong_status family_enter_slow(void);
/* The first line of every public call: makes the family at the first use; joins it in a process that the program forked
 * itself. A thread that comes while another one joins waits for that. The load sees what was set up before. */
static inline prong_status family_enter(void) {
    uint32_t token = atomic_load_explicit(&self->token, memory_order_acquire);
    return __builtin_expect(token_is_of_member(token), 1) ? PRONG_OK : family_enter_slow();
}

/* Reserves a row for a child about to start. */
prong_status member_reserve(const char *name, uint64_t process, uint32_t *token);
/* The parent tells the pid as soon as it knows it, so that a child that dies at once can be recognised. */
void member_set_pid(uint32_t token, pid_t pid);
/* What a process notes of itself before it forks a child, for that child. */
struct forker {
    pid_t pid;
    uint64_t namespace;
};
static inline struct forker member_forks(void) {
    return (struct forker){self->pid, self->namespace};
}
/* In the child, before it reads anything that its parent left for it: this process is now the member of that row. False
 * when the row is no longer its own: the parent died before anybody knew of this process, or gave up the start.
 * forker: NULL for a new image, and for a process that had no parent in the family. */
bool member_become(uint32_t token, const struct forker *forker);
/* In a spawned child: maps the arena behind the descriptor; member_become comes next. */
prong_status family_attach(int fd);

/* What higher layers do when this process has just become a member; a forked child still has its parent's data. Defined
 * in src/upward.c. */
void upward_joined(void);

/* Whether the member's process still runs. Makes system calls, unless it is this process, or its row shows that it is
 * gone. */
bool member_alive(uint32_t token);
/* Called from long sleeps, too: once the family has members in several PID namespaces, this process marks its place to
 * show that it is alive. */
void member_mark_slow(void);
static inline void member_mark_if_needed(void) {
    bool several = atomic_load_explicit(&arena()->several_namespaces, memory_order_relaxed) != 0;
    if (__builtin_expect(several, 0) && !atomic_load_explicit(&self->marked, memory_order_relaxed)) member_mark_slow();
}
/* The member's pid in this process's PID namespace; 0 if it has none there. */
pid_t member_pid(uint32_t token);
/* A descriptor of the member's process, for signals; the caller closes it. -1 with errno: ESRCH when it has ended,
 * EREMOTE when it has no number here. */
int member_pidfd(uint32_t token);
/* The member is dead (or leaves): recovers all that it held and frees its row. Any member may call it, several at once;
 * if one dies doing it, another continues. */
void member_bury(uint32_t token);
/* Gives up the member's start. No process can become that member from now on; one that has become it already may be in
 * the middle of anything, and is buried when it is dead. */
void member_give_up(uint32_t token);
/* Buries the member if it has died; for threads that wait for it. Costs little when another thread has just checked. */
void member_look(uint32_t token);
/* "process 123 'Worker-1'"; returns text. */
const char *member_describe(uint32_t token, char *text, size_t size);
/* For recover callbacks, which run one at a time: notes what was recovered, for the report. */
__attribute__((format(printf, 1, 2))) void recovery_note(const char *format, ...);
/* This process exits normally: exit was called, or main has returned. */
void member_leaving(void);
bool member_is_leaving(uint32_t token);
/* Buries all that have died: to be called before a call reports that something has run out, as dead members may hold
 * it. */
void family_bury_dead(void);
/* Checks one more row at each call, and buries its process if it died. Called from long sleeps. */
void family_look_around(void);

#endif
