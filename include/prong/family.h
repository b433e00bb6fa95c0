/* The family: a program and all the processes that it starts through prong, and
 * the arena that they share.
 *
 * There is nothing to set up. The first call into the library makes the family,
 * and a child of any start method is in it. A process that the program forks by
 * itself joins with its first call. The arena is anonymous: it has no name in
 * the file system, no other user can open it, and the kernel frees it when the
 * last member exits, however it exits. It is sparse: memory is used only as it
 * is needed.
 *
 * All calls are safe in threads. In a signal handler prong_memory_alloc, _free,
 * _offset and _at return (see prong.h), in a process that has made a call
 * before; no other call here is for signal handlers. */
#ifndef PRONG_FAMILY_H
#define PRONG_FAMILY_H

#include <prong/status.h>
#include <prong/time.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

typedef struct prong_family_options {
    uint64_t arena_size; /* bytes, at least 64 MiB; 0: see below */
    void *reserved[4];   /* zero */
} prong_family_options;

/* Makes the family now, with options: to be called before any other call that
 * makes it. The arena's size is fixed from then on: exactly that of the
 * options; else that of the environment variable PRONG_ARENA_SIZE, a number of
 * bytes or one followed by K, M, G or T (ignored in a set-user-ID program);
 * else 64 GiB. It is address space, not memory. RLIMIT_FSIZE and half of
 * RLIMIT_AS limit the last two, down to 64 MiB.
 * Errors: PRONG_INVALID (a size below 64 MiB, or a PRONG_ARENA_SIZE that is not
 * a size), PRONG_ALREADY_STARTED (a size was given, and the family exists),
 * PRONG_NO_MEMORY or PRONG_SYSTEM (the system refuses the size given, or even
 * 64 MiB). */
PRONG_CHECKED prong_status
prong_family_create(const prong_family_options *options);

/* For a process that limits its address space (RLIMIT_AS) after it has joined
 * the family. Unmaps the unused part of the arena in this process until the
 * arena takes at most half of `address_space` bytes; 0: half of the limit. The
 * whole family cannot use that part from then on. A pool's worker makes this
 * call by itself after its initializer. A process that has no family yet does
 * not need it. Errors: PRONG_NO_MEMORY (what is in use leaves nothing),
 * PRONG_TIMEOUT. */
PRONG_API prong_status prong_family_fit(uint64_t address_space);

/* Gives the pages of free arena memory back to the system, which provides them
 * again when they are needed. */
PRONG_API prong_status prong_family_trim(void);

/* --- memory that all members see --- */

/* Allocates size bytes in the arena, aligned to 64, not cleared. The address is
 * this process's own. A forked child has the same; other members convert with
 * prong_memory_offset and prong_memory_at. The memory belongs to the family and
 * stays until prong_memory_free, even if the process that allocated it dies.
 * Errors: PRONG_NO_MEMORY (the arena is full, or the system has no more; or a
 * memory control group is near its limit, at which the system would kill the
 * family: the message names the limit and its file). Fork-safe. */
PRONG_CHECKED prong_status prong_memory_alloc(size_t size, void **memory);

/* Gives it back; NULL is allowed. Errors: PRONG_STALE (no block in use begins
 * there). */
PRONG_API prong_status prong_memory_free(void *memory);

/* The offset of an address in the arena: the same in every member, and never 0.
 * It is 0 for an address outside the arena. */
PRONG_API uint64_t prong_memory_offset(const void *memory);

/* The address in this process of an offset in the arena; NULL for 0 and for an
 * offset beyond the arena. */
PRONG_API void *prong_memory_at(uint64_t offset);

/* --- looking at it --- */

typedef struct prong_family_state {
    uint64_t arena_size;     /* bytes of address space that can be used */
    uint64_t used_bytes;     /* in blocks in use, headers included */
    uint64_t used_blocks;    /* number of them */
    uint64_t free_bytes;     /* in free blocks between them */
    uint64_t touched_bytes;  /* asked of the system so far */
    uint64_t blocks_in_hand; /* messages that are lent to a process */
    uint64_t objects;        /* queues, pipes, processes, pools, jobs */
    uint64_t members;        /* processes */
    uint64_t deaths;         /* members buried so far, clean exits too */
    void *reserved[8];       /* zero */
} prong_family_state;

/* Buries members that died, then walks the whole arena and checks it. state may
 * be NULL. Takes time in proportion to the number of blocks, during which no
 * other process can allocate. Errors: PRONG_SYSTEM (the arena is corrupt; the
 * message says where). */
PRONG_API prong_status prong_family_check(prong_family_state *state);

typedef struct prong_member {
    int pid, parent_pid; /* parent_pid 0: none in the family */
    char name[48];
    uint64_t puts, gets; /* messages put or sent, taken or received */
    uint64_t tasks;      /* pool tasks run */
    uint64_t sleeps;     /* times that it waited long enough to sleep */
    prong_time age;      /* since it joined */
    void *reserved[4];   /* zero */
} prong_member;

/* The rows of the family table. *count is how many there are, even if that is
 * more than capacity. Errors: PRONG_INVALID. */
PRONG_API prong_status prong_family_members(prong_member *members,
                                            size_t capacity, size_t *count);

/* What the family knows of itself, as text for people: its processes; which of
 * them holds which lock, semaphore or barrier; which waits for what, and since
 * when; every circle of waits, by name ("deadlock: process 12 'a' (thread 12)
 * waits 3.1 s for lock 'x', held by process 13 'b' (thread 13); …"); and the
 * last 128 things that were recovered from dead processes. Lines end in a
 * newline. text gets at most `size` bytes with a terminating zero; *length (may
 * be NULL) is the length of the whole text without it. *deadlocks (may be NULL)
 * is how many circles there are; one that contains a Lock is certain only if no
 * process but its holder is to release it. No process is stopped for it, so
 * what changes meanwhile may be reported inconsistently. */
PRONG_API prong_status prong_family_report(char *text, size_t size,
                                           size_t *length, unsigned *deadlocks);

/* How many members the family has, fork servers not counted: 1 when no other
 * process can have a handle; 0 when the family cannot be made. Buries dead
 * members first. */
PRONG_API unsigned prong_family_count(void);

/* CPUs that this process may use, by its affinity and its control group's
 * quota: at least 1. */
PRONG_API unsigned prong_cpu_count(void);

PRONG_END_DECLS

#endif
