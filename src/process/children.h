/* What this process alone knows of those that it started. */
#ifndef PROCESS_CHILDREN_H
#define PROCESS_CHILDREN_H

#include "process/object.h"

struct server;

struct child {
    prong_process handle;
    struct process *process;
    struct child *next, *previous; /* in the list */
    struct server *server;         /* that forked it; NULL: this process started it by itself */
    int pidfd;                     /* -1 when it is spent, and in a forked copy of the process that started it */
    uint32_t token;
    unsigned users; /* under the mutex: the list, and each thread that has it from child_hold */
    bool listed;
    bool reaped;  /* the system has told how it ended, once */
    int code;     /* with what: when it is reaped */
    bool left;    /* this process exits without it: see exit.c */
    bool watched; /* the program has its descriptor, which stays open until the process is destroyed */
    bool spent;   /* its end has been noted, and it has no descriptor any more */
};
struct child *child_reserve(void);
void child_add(struct child *child);
/* The entry of that very process, whose descriptor stays open until child_release; NULL when this process did not start
 * it, or has closed it. */
struct child *child_hold(prong_process handle);
void child_release(struct child *child);
/* Its descriptor, for the program: it stays open until the process is destroyed, which it may be already (PRONG_STALE). */
prong_status child_sentinel(struct child *child, int *sentinel);
/* Notes the end of a few children that have ended and that no call has joined: each start does so, so that their
 * descriptors do not become more and more, of which each fork makes copies. */
void children_note_ends(void);
/* One thread at a time starts or closes a process: what these find holds until they return.
 * Start: from here on it is not closed. Errors: PRONG_ALREADY_STARTED, PRONG_STALE. */
prong_status child_begin(prong_process handle);
/* Forgets one that is new or has ended; its object is the caller's to destroy. Errors: PRONG_STILL_RUNNING, PRONG_STALE. */
prong_status child_forget(prong_process handle);
/* Those that have not ended, but for those that are left. */
size_t children_list(prong_process *handles, size_t capacity);
void child_leave_behind(prong_process handle);
/* The process has ended and may be reaped: records how. False when it has not. Not for a fork server's child. */
bool child_reap(struct child *child);
/* The pipe whose closing kills daemonic children. */
prong_status life_pipe(int *read_end);
int life_pipe_inherited(void);

#endif
