/* What all of the server's own types use. A method returns PRONG_OK when it has raised an exception. */
#ifndef MANAGER_TYPES_TYPE_H
#define MANAGER_TYPES_TYPE_H

#include "manager/server/server.h"

/* If binding the arguments fails, it has raised an exception, and the method ends. */
#define BIND(call, names, values)                                                                                      \
    do {                                                                                                               \
        if (call_bind(call, names, values)) return PRONG_OK;                                                           \
    } while (0)

/* Zeroed memory of malloc, or NULL with the failure recorded. */
void *new_state(size_t size);
/* Frees that. */
void free_state(struct prong_server *server, void *state);
/* PRONG_OK if an exception was raised meanwhile; else the status. */
static inline prong_status raised_or(prong_call *call, prong_status status) {
    return call->inner->outcome == CALL_RAISED ? PRONG_OK : status;
}

/* --- the types, each in a file of its own or beside its likes --- */

extern const struct type dict_type, list_type, set_type, namespace_type, value_type, array_type, iterator_type;
extern const struct type served_queue_type, served_joinable_queue_type;
extern const struct type served_lock_type, served_rlock_type, served_condition_type;
extern const struct type served_semaphore_type, served_bounded_semaphore_type, served_event_type, served_barrier_type;

#endif
