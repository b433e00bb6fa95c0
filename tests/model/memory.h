/* What threads may see of each other's stores: an operational model of the memory of C11 and ARM64, without promises.
 *
 * - A location keeps its stores in modification order. A thread has a view: of each location, the oldest store that it may still
 *   read. A load may read any store from there on; a store may be placed anywhere behind the view, not only at the end (so
 *   2+2W and S are seen); a read-modify-write is placed directly behind what it read, and nothing comes between the two.
 * - A release store carries the thread's view; an acquire load joins the view that it finds. Fences do the same for the relaxed
 *   accesses around them. A read-modify-write passes on what its predecessor carried.
 * - Sequentially consistent fences join a global view, both ways. A sequentially consistent store enters that view later: at the
 *   next such operation of its thread, or when such an operation of a thread that knows it, or that meets it, comes. A
 *   relaxed store behind it may be seen earlier, as on ARM64 (STLR, STR).
 *
 * Not modelled: load buffering (a load that is satisfied after a store behind it in its thread), spurious failures of
 * compare_exchange_weak, and accesses of one location with two sizes. Plain data is checked, not reordered: see memory_touch.
 * Bounds: a location keeps the newest MEMORY_STORES; an execution departs from "the newest store, at the end" at most
 * `choices` times. */
#ifndef MODEL_MEMORY_H
#define MODEL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#ifndef MODEL_LOCATIONS
#define MODEL_LOCATIONS 32
#endif
enum { MEMORY_THREADS = 3, MEMORY_LOCATIONS = MODEL_LOCATIONS, MEMORY_STORES = 4, MEMORY_VARIANTS = MEMORY_STORES + 1 };

struct view {
    uint8_t at[MEMORY_LOCATIONS];
    uint8_t pending; /* bit n: knows the pending store of thread n */
};

struct store {
    uint64_t value;
    struct view view;    /* that an acquire load joins */
    uint8_t from_before; /* of a read-modify-write: nothing comes between it and the store before it */
};

/* Without stores: all threads read what is in memory. */
struct location {
    int count;
    struct store stores[MEMORY_STORES];
};

/* Part of the world. */
struct memory {
    int choices; /* left */
    struct view now[MEMORY_THREADS], acquired[MEMORY_THREADS], released[MEMORY_THREADS], all;
    struct {
        bool is;
        uint8_t location, at;
    } pending[MEMORY_THREADS];
    _Alignas(8) struct location locations[MEMORY_LOCATIONS];
};

enum access { ACCESS_NONE, ACCESS_LOAD, ACCESS_STORE, ACCESS_CHANGE, ACCESS_FUTEX };

/* What a thread is about to do, for memory_variants. */
struct operation {
    enum access access;
    int location, order;
};

/* The number of a location, the same in all states. */
int memory_location(const volatile void *address, int size);
void memory_forget_locations(void);

/* In how many ways the thread can take this step: variant 0 is the newest store, or a store at the end. */
int memory_variants(const struct memory *m, int thread, const struct operation *operation);

uint64_t memory_load(struct memory *m, int thread, const struct operation *operation, int variant);
void memory_store(struct memory *m, int thread, const struct operation *operation, int variant, uint64_t value);
/* A read-modify-write in two steps: what it reads, which `found` names, and then what it writes behind that. It writes only if it
 * reads what is expected, or always if that is NULL. */
uint64_t memory_change_read(struct memory *m, int thread, const struct operation *operation, int variant,
                            const uint64_t *expected, int *found);
void memory_change_fails(struct memory *m, int thread, const struct operation *operation, int found);
void memory_change_write(struct memory *m, int thread, const struct operation *operation, int found, uint64_t value);
void memory_fence(struct memory *m, int thread, int order);
/* What a futex finds in its word: it has made a full fence first. */
uint64_t memory_futex(struct memory *m, int thread, const struct operation *operation, int variant);

/* Plain data that one thread at a time uses: false if the use before this one does not happen before it. */
bool memory_touch(struct memory *m, int thread, int location);
/* The thread learns what the other one knows. */
void memory_tell(struct memory *m, int thread, int other);
/* Time has passed, and all stores have reached everybody. */
void memory_settle(struct memory *m, int thread);

/* Forgets what no living thread can tell apart, so that equal states have equal bytes. */
void memory_tidy(struct memory *m, const bool *living);
/* The location whose newest store is not what lies in memory, as something was stored past the model; -1: none. */
int memory_disagrees(const struct memory *m);
const volatile void *memory_address(int location);

#endif
