/* What a language runtime adds to starting processes, and the fork that all start with. */
#ifndef PROCESS_RUNTIME_H
#define PROCESS_RUNTIME_H

#include <prong/runtime.h>
#include <stdatomic.h>
#include <sys/types.h>

/* What a language runtime has asked for; all members may be NULL. */
extern prong_runtime runtime;
/* For base/interrupt.h. */
bool runtime_interrupts(void);
bool runtime_may_interrupt(void);
/* Puts the runtime's descriptors behind `count` others; how many there are then. The list has room for RUNTIME_KEPT more. */
enum { RUNTIME_KEPT = 8 };
size_t runtime_keep(int *list, size_t count);
/* fork(2), with what the runtime does around it. */
pid_t fork_with_runtime(void);
/* From here on children that this thread forks wait, before anything else, until the gate (a word in shared memory, 0) is
 * opened, or this process is gone: while they begin to run, their page faults and the next fork hold each other up. */
void fork_gate(_Atomic uint32_t *gate);
void fork_gate_open(_Atomic uint32_t *gate);

#endif
