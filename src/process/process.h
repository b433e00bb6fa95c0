/* The process layer, as others use it. What its own files share stands in their headers: object.h (the process object), children.h,
 * start.h, image.h, forkserver.h, exit.h. */
#ifndef PROCESS_PROCESS_H
#define PROCESS_PROCESS_H

#include "family/object.h"
#include "process/function.h"
#include "process/runtime.h"
#include "process/strings.h"

enum { KIND_PROCESS = 3 };
extern const struct object_type process_type;

/* False before its start, after its end, and for a handle that is stale. */
bool process_is_alive(prong_process handle);

/* The member that this process is, or was; 0 before its start, and for a handle that is stale. */
uint32_t process_token(prong_process handle);

/* To be called before its start: its end concerns that object, too, which is then recovered even if the process has not
 * come to use it. */
void process_concerns(prong_process handle, void *object);

/* This process is about to exit: what higher layers end first. Defined in src/upward.c. */
void upward_exit(void);

#endif
