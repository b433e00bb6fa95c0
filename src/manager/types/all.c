/* All of the library's own types, and what they have in common. */
#include "base/error.h"
#include "manager/types/type.h"

#include <stdlib.h>

void *new_state(size_t size) {
    void *state = calloc(1, size);
    if (!state) fail_text(PRONG_NO_MEMORY, "no memory for an object");
    return state;
}

void free_state(struct prong_server *server, void *state) {
    (void)server;
    free(state);
}

const struct type *const server_types[] = {&dict_type,
                                           &list_type,
                                           &set_type,
                                           &namespace_type,
                                           &value_type,
                                           &array_type,
                                           &iterator_type,
                                           &served_queue_type,
                                           &served_joinable_queue_type,
                                           &served_lock_type,
                                           &served_rlock_type,
                                           &served_semaphore_type,
                                           &served_bounded_semaphore_type,
                                           &served_condition_type,
                                           &served_event_type,
                                           &served_barrier_type,
                                           NULL};
