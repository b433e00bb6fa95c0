/* The process object, and how its state changes. */
#ifndef PROCESS_OBJECT_H
#define PROCESS_OBJECT_H

#include "base/deadline.h"
#include "family/member.h"
#include "family/object.h"
#include "family/waitq.h"
#include "process/process.h"

#include <prong/process.h>

struct child;

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
    struct child *entry;      /* in the creator's memory, under its mutex: see children.c */
    _Atomic uint64_t token;
    _Atomic uint64_t pid;
    /* How it is started, as create.c has filled it in: it stays. */
    uint64_t method, daemon, start_timeout;
    char name[MEMBER_NAME_SIZE]; /* until the start */
    any_function *pointer;       /* for fork, whose child has the same addresses */
    struct function function;
    uint64_t argument, argument_size; /* a block */
    uint64_t program;                 /* a block: see strings.h; 0: this program's image */
    uint64_t environment;             /* a block likewise; 0: that of the process that starts it */
    uint64_t no_wait;
    uint64_t plan;         /* it is a plan: its creator's death does not end it */
    uint64_t ways;         /* of enum process_way */
    uint64_t concerned;    /* another object that its end concerns: see process_concerns */
    prong_event begun;     /* see process_plan_notify; generation 0: whoever starts it waits */
    _Atomic uint64_t told; /* a number: see process_tell_begun */
    /* Why a child could not begin, when FAILED. */
    int64_t failure; /* a prong_status */
    char failure_text[256];
};

#define PROCESS_ENDED 0x80000000u

/* Whether the kernel is to kill it when its parent dies. */
static inline bool process_is_bound(const struct process *process) {
    return process->daemon && !(process->ways & PROCESS_ENDS_ITSELF);
}

/* Whether its start leaves it to the child to say that it has begun. */
static inline bool process_notifies(const struct process *process) {
    return process->begun.generation != 0;
}

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

/* --- process.c: by its handle --- */

prong_process process_handle(struct process *process);
prong_status process_find(prong_process handle, struct process **process);
/* The same for those calls that only the process that created it may make, whose threads keep the object by child_…
 * (children.h). call: "start", for the message. Errors: also PRONG_NOT_CHILD. */
prong_status process_find_own(prong_process handle, struct process **process, const char *call);
/* Errors: also PRONG_NOT_STARTED. */
prong_status process_find_started(prong_process handle, struct process **process);
/* What was read of an object is of the handle's process only if that still has it: the status, or PRONG_STALE. */
prong_status process_verify(prong_process handle, prong_status status);
/* False for a handle that is stale. */
bool process_is_daemon(prong_process handle);
/* NULL where this process was not started by prong, or its object is gone. */
struct process *process_of_self(void);

/* --- begin.c --- */

/* In the child: it comes to its target. False: the start was given up. */
bool process_settle(struct process *process);
/* Wakes all that wait for its beginning. */
void process_notify_begun(struct process *process);
/* In the child: why it cannot begin. */
void process_fail(struct process *process, prong_status status);

/* --- join.c: its end --- */

/* Buries the member, notes how the process ended where that is still to be noted, and tells all who wait. */
void process_ended(struct process *process, uint32_t token, int exit_code);
/* What it said it would exit with, or 255. */
int process_said_code(struct process *process);
/* Takes a process, as a waitq's condition: its end has been noted. */
bool process_has_exited(void *process);
/* It was started, and has not ended. Takes no note of an end: a program that reaps its children itself may be about to. */
bool process_runs(struct process *process);
/* Whoever has seen that the sentinel is readable finds the end noted after this. */
void process_notice_end(struct process *process, prong_process handle);

#endif
