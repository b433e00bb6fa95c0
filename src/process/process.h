/* What the process room shares among its files and offers to the rooms below. */
#ifndef PROCESS_PROCESS_H
#define PROCESS_PROCESS_H

#include "base/deadline.h"
#include "family/member.h"
#include "family/object.h"
#include "family/waitq.h"
#include "process/function.h"

#include <prong/process.h>
#include <prong/runtime.h>

enum process_state { PROCESS_NEW, PROCESS_STARTING, PROCESS_RUNNING, PROCESS_FAILED, PROCESS_CLOSED };

/* State and end carry the token of the start that they belong to, and change by compare-and-swap: a child whose start was
 * given up, or a report about the process that was in this memory before, changes nothing. */
struct process {
    struct object object;
    _Atomic uint64_t state; /* token << 8 | process_state; without a token before and between starts */
    _Atomic uint64_t end;   /* token << 32; once it has ended also PROCESS_ENDED | the low 16 bits of its exit code */
    _Atomic uint64_t said_code; /* 256 | what the child said it would exit with, in case that nobody reaps it */
    struct waitq changed;
    _Atomic uint64_t creator; /* token */
    _Atomic uint64_t token;
    _Atomic uint64_t pid;
    uint64_t method, daemon, start_timeout;
    char name[MEMBER_NAME_SIZE];
    any_function *pointer; /* for fork, whose child has the same addresses */
    struct function function;
    uint64_t argument, argument_size; /* a block */
    uint64_t program;                 /* a block: see program.c; 0: this program's image */
    uint64_t environment;             /* a block likewise; 0: that of the process that starts it */
    uint64_t no_wait;
    int64_t failure; /* a prong_status, when FAILED */
    char failure_text[256];
};

extern const struct object_type process_type;

#define PROCESS_ENDED 0x80000000u

static inline enum process_state process_state(struct process *process) {
    return (enum process_state)(atomic_load(&process->state) & 0xff);
}

/* False where it is not the start of that token any more, or not in that state. */
static inline bool process_move(struct process *process, uint32_t token, enum process_state from,
                                enum process_state to) {
    uint64_t before = (uint64_t)token << 8 | (unsigned)from;
    return atomic_compare_exchange_strong(&process->state, &before, (uint64_t)token << 8 | (unsigned)to);
}

/* The start of that token is given up: its child, if there is one, will never begin. False when it has begun. */
static inline bool process_give_up(struct process *process, uint32_t token) {
    uint64_t before = (uint64_t)token << 8 | PROCESS_STARTING;
    return atomic_compare_exchange_strong(&process->state, &before, PROCESS_STARTING);
}

/* --- children.c: what this process alone knows of those that it started --- */

struct child {
    prong_process handle;
    struct process *process;
    struct child *next;
    struct server *server; /* that forked it; NULL: this process started it by itself */
    int pidfd;             /* -1 in a forked copy of the process that started it */
    uint32_t token;
    unsigned users; /* under the mutex: the list, and each thread that has it from child_hold */
    bool listed;
    bool left; /* this process exits without it: see exit.c */
};
struct child *child_reserve(void);
void child_add(struct child *child);
/* The entry of that very process, whose descriptor stays open until child_release; NULL when this process did not start
 * it, or has closed it. */
struct child *child_hold(prong_process handle);
void child_release(struct child *child);
/* One thread at a time starts, names or closes a process: what these find holds until they return.
 * Start: from here on it is not closed. Errors: PRONG_ALREADY_STARTED, PRONG_STALE. */
prong_status child_begin(prong_process handle);
/* Errors: PRONG_ALREADY_STARTED, PRONG_STALE. */
prong_status child_rename(prong_process handle, const char *name);
/* Forgets one that is new or has ended; its object is the caller's to destroy. Errors: PRONG_STILL_RUNNING, PRONG_STALE. */
prong_status child_forget(prong_process handle);
/* Those that have not ended, but for those that are left. */
size_t children_list(prong_process *handles, size_t capacity);
void child_leave_behind(prong_process handle);
/* The process has ended and may be reaped: records how. False when it has not. */
bool child_reap(const struct child *child);
/* The pipe whose closing kills daemonic children. */
prong_status life_pipe(int *read_end);
int life_pipe_inherited(void);

/* --- the ways to start; each returns a pid and a pidfd --- */
struct start {
    struct process *process;
    uint32_t token;
    pid_t pid;
    int pidfd;
    struct server *server; /* that forked it, held; or NULL */
    bool gone; /* it has ended and was reaped already: the descriptor is one that reads as ended, and no more */
};
prong_status start_by_fork(struct start *start);
prong_status start_by_spawn(struct start *start);
prong_status start_by_server(struct start *start);
/* Whether this system lets a process be started at all. */
prong_status start_check_system(void);
/* Waits until the child has taken up its work, or has failed to. */
prong_status start_wait_until_settled(const struct start *start);
/* The child has ended, and nobody can have a descriptor of it any more. */
prong_status start_found_gone(struct start *start);

/* --- forkserver.c: a fork server of this process stays known until the last of its children is closed --- */
void server_release(struct server *server); /* may be NULL */
bool server_has_ended(const struct server *server);

/* An image for prong_main to take up its work in. */
struct image {
    const char *kind;         /* "process", "server", or "other": a process whose image is another program */
    char *const *program;     /* NULL: this program's image, or what the runtime starts in its place */
    char *const *environment; /* NULL: this process's */
    uint32_t token;
    uint64_t process;
    int descriptor; /* a further one that it has, or -1 */
};
prong_status image_start(const struct image *image, pid_t *pid, int *pidfd);

/* --- program.c: the arguments of another program, and an environment, in the arena --- */
prong_status program_keep(char *const *arguments, uint64_t *block);
prong_status environment_keep(const char *const *entries, uint64_t *block);
/* What is in a block, where it stays; the list is the caller's to free. NULL without memory, or without a block. */
char **strings_list(uint64_t block);
const char *program_name(uint64_t block);

/* Never returns: the fork server's life. */
_Noreturn void server_run(int control);
bool main_was_called(void);

/* --- in the child --- */
/* This process, a member by now, is that one: note it, find its function. PRONG_STALE when its start was given up. */
prong_status child_settle(struct process *process, any_function **function);
/* Runs the target and returns its result. */
int child_run(struct process *process, any_function *function);
/* Ends a forked child: its children, its streams, _exit. */
_Noreturn void child_exit(int code);

/* --- at exit --- */
prong_status exit_prepare(void);
/* Ends this process's pools, connections and children; once. */
void exit_children(void);
/* Of a forked child, at its start: it does not write at its end to what a thread of its parent was writing to. */
void exit_note_lost_streams(void);
/* A hook of the room below, run first. */
extern void (*exit_hook)(void);

/* --- runtime.c: what a language runtime has asked for; all members may be NULL --- */
extern prong_runtime runtime;
/* Puts the runtime's descriptors behind `count` others; how many there are then. The list has room for RUNTIME_KEPT more. */
enum { RUNTIME_KEPT = 8 };
size_t runtime_keep(int *list, size_t count);
/* fork(2), with what the runtime does around it. */
pid_t fork_with_runtime(void);
/* From here on children that this thread forks wait, before anything else, until the gate (a word in shared memory, 0) is
 * opened, or this process is gone: while they begin to run, their page faults and the next fork hold each other up. */
void fork_gate(_Atomic uint32_t *gate);
void fork_gate_open(_Atomic uint32_t *gate);

prong_status process_find(prong_process handle, struct process **process);
/* Buries the member, notes how the process ended where that is still to be noted, and tells all who wait. */
void process_ended(struct process *process, uint32_t token, int exit_code);
/* What it said it would exit with, or 255. */
int process_said_code(struct process *process);
struct process *process_of_self(void);
/* Takes a process, as a waitq's condition: its end has been noted. */
bool process_has_exited(void *process);

#endif
