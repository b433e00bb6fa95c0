/* The process layer, as others use it. What its own files share stands in their headers: object.h (the process object), children.h,
 * start.h, image.h, forkserver.h, exit.h. */
#ifndef PROCESS_PROCESS_H
#define PROCESS_PROCESS_H

#include "family/object.h"
#include "process/function.h"
#include "process/runtime.h"
#include "process/strings.h"

#include <prong/event.h>

enum { KIND_PROCESS = 3 };
extern const struct object_type process_type;

/* False before its start, after its end, and for a handle that is stale. */
bool process_is_alive(prong_process handle);
/* Whether this process started it, and has not destroyed it. */
bool process_is_child(prong_process process);

/* The member that this process is, or was; 0 before its start, and for a handle that is stale. */
uint32_t process_token(prong_process handle);

/* To be called before its start: its end concerns that object, too, which is then recovered even if the process has not
 * come to use it. */
void process_concerns(prong_process handle, void *object);

/* --- plans: processes that are never started themselves --- */

enum process_way {
    PROCESS_UNBLOCKS = 1,    /* SIGTERM and SIGINT are not blocked in its target */
    PROCESS_ENDS_ITSELF = 2, /* a daemon that watches its parent, in place of the kernel */
    PROCESS_TELLS_BEGUN = 4, /* it has begun when its target calls process_tell_begun, not before */
};
/* As prong_process_create; it is found from every image, and copied from there. ways: of enum process_way. */
prong_status process_plan_create(prong_process *plan, const prong_process_options *options, unsigned ways);
/* From now on it does not go with its creator, but when it is destroyed. */
void process_plan_keep(prong_process plan);
/* By any member. */
void process_plan_destroy(prong_process plan);
/* A process of the caller's, that runs what the plan tells with an argument of its own. Errors: PRONG_NO_FUNCTION,
 * PRONG_NO_MEMORY, PRONG_STALE. */
prong_status process_create_planned(prong_process plan, prong_process *process);

/* Starts of it do not wait until the child has begun (come to its target): this event is set when it has. */
void process_plan_notify(prong_process plan, prong_event begun);

/* --- begin.c: of a process that is made from such a plan --- */

/* In the process itself: it has begun; `number` is for process_has_begun. False: its start was given up. */
bool process_tell_begun(uint64_t number);
/* In the process itself: it cannot begin, for the reason that is the thread's message. */
void process_tell_failure(prong_status status);
/* Whether it has begun; *number is what it told, or its pid. */
bool process_has_begun(prong_process handle, uint64_t *number);
/* Of one that has ended without having begun: why. */
void process_start_failure(prong_process handle, char *text, size_t size);

/* This process is about to exit: what higher layers end first. Defined in src/upward.c. */
void upward_exit(void);

#endif
