/* Target: the function that a process runs, or that a pool's worker runs first.
 * It may make any call. */
#ifndef PRONG_TARGET_H
#define PRONG_TARGET_H

#include <prong/value.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

/* What a child runs. argument is the child's own copy of the bytes handed to
 * it, which may hold handles: aligned to 64, writable, valid until the child
 * ends. The result is the exit code (its low 8 bits, as for exit(3)). */
typedef int prong_target(void *argument, size_t size);

/* The same, called with values: a tuple, and a dict or None. They lie in
 * document, as may what the target makes itself. */
typedef int prong_value_target(prong_document *document, prong_value arguments,
                               prong_value keywords);

PRONG_END_DECLS

#endif
