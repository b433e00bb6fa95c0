/* A process's own beginning and end: what a child does around its target, and what every process does when it exits. */
#ifndef PROCESS_EXIT_H
#define PROCESS_EXIT_H

#include "process/object.h"

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
/* Of a forked child, at its start: what its streams have buffered is its parent's to write. Nor does it write at its end to
 * what a thread of its parent was writing to. */
void exit_drop_streams(void);

#endif
