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

enum process_state { PROCESS_NEW, PROCESS_STARTING, PROCESS_RUNNING, PROCESS_FAILED };

struct process {
    struct object object;
    _Atomic uint64_t state;
    _Atomic uint64_t exited; /* exit_code holds */
    _Atomic int64_t exit_code;
    _Atomic uint64_t said_code; /* 256 | what the child said it would exit with, in case that nobody reaps it */
    struct waitq changed;
    _Atomic uint64_t creator; /* token */
    _Atomic uint64_t token;
    _Atomic uint64_t pid;
    uint64_t method, daemon, start_timeout;
    char name[MEMBER_NAME_SIZE];
    any_function *pointer; /* for fork, whose child has the same addresses */
    struct function function;
    uint64_t is_run;
    uint64_t argument, argument_size; /* a block */
    uint64_t program;                 /* a block: see program.c; 0: this program's image */
    uint64_t no_wait;
    int64_t failure; /* a prong_status, when FAILED */
    char failure_text[256];
};

extern const struct object_type process_type;

/* --- children.c: what this process alone knows of those that it started --- */

struct child {
    struct process *process;
    prong_process handle;
    struct child *next;
    int pidfd;
    uint32_t token;
    bool by_server;
};
prong_status children_prepare(void);
struct child *child_reserve(void);
void child_add(struct child *child);
/* A copy of the entry; false when this process did not start it. */
bool child_find(const struct process *process, struct child *copy);
void child_remove(const struct process *process);
size_t children_list(prong_process *handles, size_t capacity);
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
};
prong_status start_by_fork(struct start *start);
prong_status start_by_spawn(struct start *start);
prong_status start_by_server(struct start *start);
/* Waits until the child has taken up its work, or has failed to. */
prong_status start_wait_until_settled(const struct start *start);
/* Whether this process's fork server, if it had one, is gone. */
bool server_is_gone(void);

/* An image for prong_main to take up its work in. */
struct image {
    const char *kind;     /* "process", "server", or "other": a process whose image is another program */
    char *const *program; /* NULL: this program's image, or what the runtime starts in its place */
    uint32_t token;
    uint64_t process;
    int descriptor; /* a further one that it has, or -1 */
};
prong_status image_start(const struct image *image, pid_t *pid, int *pidfd);

/* --- program.c: the arguments of another program, in the arena --- */
prong_status program_keep(char *const *arguments, uint64_t *block);
/* They stay in the block; the list is the caller's to free. NULL without memory, or without a block. */
char **program_arguments(uint64_t block);
const char *program_name(uint64_t block);

/* Never returns: the fork server's life. */
_Noreturn void server_run(int control);
bool main_was_called(void);

/* --- in the child --- */
/* This process, a member by now, is that one: note it, find its function. */
prong_status child_settle(struct process *process, any_function **function);
/* Runs the target and returns its result. */
int child_run(struct process *process, any_function *function);
/* Ends a forked child: its children, its streams, _exit. */
_Noreturn void child_exit(int code);

/* --- at exit --- */
prong_status exit_prepare(void);
/* Ends this process's pools, connections and children; once. */
void exit_children(void);
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
/* Notes how the process ended, tells all who wait, and buries the member. */
void process_ended(struct process *process, uint32_t token, int exit_code);
struct process *process_of_self(void);
/* Takes a process, as a waitq's condition: its end has been noted. */
bool process_has_exited(void *process);

#endif
