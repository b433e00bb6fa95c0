/* The bells that this process has open: their pipes, and the descriptors over them. Private to bell*.c (bell.c rings
 * and silences, bell_hold.c is for holders). All of it is guarded by bells_lock. */
#ifndef FAMILY_BELLS_H
#define FAMILY_BELLS_H

#include "family/bell_owner.h"
#include "os/os.h"

/* What this process has of an object's bell. */
struct bell {
    struct bell *next;
    struct object_bell *shared;
    uint64_t generation;
    struct os_bell_id id;
    int pipe;
    bool cannot_open; /* opening failed for this id, and not for lack of descriptors */
    uint32_t token;   /* of the holder in the list; 0: this process only rings and silences */
    int socket, descriptor;
    uint32_t address;
};

/* Blocks signals and cancellation: a signal handler may put a message, and a thread may be cancelled in a system call,
 * but neither in here. */
struct undisturbed {
    sigset_t signals;
    int cancelling, error;
};

void bells_lock(struct undisturbed *before);
void bells_unlock(const struct undisturbed *before);
/* Whether there are any: without the lock. */
bool bells_are_here(void);
void bells_each(void (*visit)(struct bell *bell));

/* Of that object and generation; NULL: none. */
struct bell *bell_of(struct object_bell *shared, uint64_t generation);
/* NULL: no memory. */
struct bell *bell_new(struct object_bell *shared, uint64_t generation);
/* Closes what it has. */
void bell_drop(struct bell *bell);
/* The object's, with its pipe open; NULL when there is none to be had. */
struct bell *bell_with_pipe(struct object_bell *shared);

/* The pipe that is the object's bell now; its inode is 0: none. */
static inline struct os_bell_id bell_id(struct object_bell *shared) {
    return (struct os_bell_id){.device = atomic_load(&shared->device), .inode = atomic_load(&shared->inode)};
}

static inline bool bell_same_id(const struct os_bell_id *a, const struct os_bell_id *b) {
    return a->inode == b->inode && a->device == b->device;
}

/* Opens the pipe of any holder that permits it; -1 with errno. */
int bell_open_from_holders(struct object_bell *shared, const struct os_bell_id *id);

/* --- bell.c, for holders --- */

/* As object_bell_settle, under the lock, once. */
void bell_settle_this(struct object_bell *shared);
/* Under the holders' lock, when the object has another pipe: it is not rung yet. */
void bell_unring(struct object_bell *shared);

#endif
