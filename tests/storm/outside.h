/* A storm from outside: a process that is no member of the family sends signals to its members at random, while they work.
 *
 *     static void pools(int method) { … storm_crew(…); … }            what the family's first process does
 *     LONG_METHOD_TEST(pools_survive_…, 300) { storm_outside(method, pools); }
 *
 * The killer is the parent of the family's first process, which alone is not struck. It knows pids by /proc only. SIGKILL and
 * SIGSEGV end a member, SIGSTOP is followed by SIGCONT after 50 to 500 ms, SIGURG holds back a process that has a handler for it
 * (held_back.c). What members note for the count at the end stands in shared memory that is not the library's.
 *
 * PRONG_STORM_SECONDS: how long a start method takes, all subjects together (default: 60). PRONG_STORM_METHODS: just these
 * start methods, by their numbers. PRONG_STORM_KEEP: a family that fails stays as it is, for a debugger. */
#ifndef STORM_OUTSIDE_H
#define STORM_OUTSIDE_H

#include "../support/test.h"

#include <stdatomic.h>

enum { STORM_SUBJECTS = 4, STORM_SLOTS = 1 << 18, STORM_MESSAGES = 1 << 28, STORM_PIDS = 1 << 22, STORM_COUNTERS = 16 };

/* One for each process that ever worked, written by it alone. */
struct storm_slot {
    _Atomic int pid;
    _Atomic int asking;  /* in a call that may take something, or with what it took and has not yet noted; 0: in none */
    _Atomic int holding; /* of a semaphore without `recover`: see held_test */
    _Atomic long received; /* by a child, for its parent */
    _Atomic long begun[STORM_COUNTERS], done[STORM_COUNTERS];
};

enum storm_phase { STORM_CALM, STORM_ON, STORM_ENDING, STORM_OVER };

struct storm {
    _Atomic int phase;
    _Atomic bool stop; /* members end */
    _Atomic bool failed;
    _Atomic bool gentle;  /* nobody is killed */
    _Atomic int spared;   /* a pid that is stopped, but not killed */
    _Atomic int stranger; /* a pid outside of the family, to be left alone */
    _Atomic long kills, stops;
    _Atomic uint32_t next_slot, next_message;
    /* Of the subjects' own. */
    _Atomic long shared[256];
    char text[256];
    _Atomic unsigned char killed[STORM_PIDS]; /* bit 0: by SIGKILL, bit 1: by SIGSEGV; noted before the signal */
    struct storm_slot slots[STORM_SLOTS];
    _Atomic unsigned char messages[STORM_MESSAGES]; /* see storm_message */
};
extern struct storm *storm;
extern struct storm_slot *storm_self;

/* What a test of a storm calls, and no more. `before` (may be NULL) is called outside of the family, before it begins. */
void storm_outside(int method, void (*family)(int method), void (*before)(void));

/* A `before`: starts a manager's server that is of no family and open to all, at the address storm->text. It is left alone. */
void storm_serve_stranger(void);

/* Keeps `count` members of the family at work on target(argument), replacing those that are struck; *number, in the argument, is
 * 0 to count - 1. `work` (may be NULL) is the first process's own part, a turn of it. Then lets the storm end and joins all. */
struct storm_crew {
    int method, count;
    prong_target *target;
    void *argument;
    size_t size;
    int *number;
    void (*work)(void *argument);
    int subjects; /* that share the time; 0: STORM_SUBJECTS */
};
void storm_crew(const struct storm_crew *crew);
/* Waits for the members that the crew has left behind. */
void storm_orphans_end(int method);
/* What remains when a family has ended well: the first process, and so many objects at most that were
 * a struck member's own. */
void storm_check_remains(int descriptors, long objects);

/* --- in members --- */

/* First of all: maps the storm's memory and takes a slot. */
void storm_begin(void);
/* From now on SIGURG holds this process's threads back for up to 300 ms. */
void storm_be_held_back(void);
/* Nanoseconds that a call may take at the very most. */
prong_time storm_patience(void);
unsigned storm_random(unsigned below);
void storm_wrong(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4), noreturn));
/* Whether an exit code is one that a storm explains: 0, or that of a signal that was sent to that pid. 255 where a fork server
 * may have been struck. */
bool storm_code_is_right(int code, int pid, int method);
/* Whether the process of a slot is dead, or about to be: struck, or ended with its parent. */
bool storm_slot_died(const struct storm_slot *slot);
/* Joins and closes a child, whose exit code must be right. */
int storm_end(prong_process process, int method);
/* PRONG_OK, or PRONG_START_FAILED when the child was struck before it came to its target; `process` is closed then. */
prong_status storm_start(prong_process *process, const prong_process_options *options);

#define storm_check(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) storm_wrong(__FILE__, __LINE__, "%s", #condition);                                           \
    } while (0)
#define storm_is(call, condition)                                                                                      \
    do {                                                                                                               \
        prong_status status = (call);                                                                                  \
        if (!(condition))                                                                                              \
            storm_wrong(__FILE__, __LINE__, "%s is %s: %s", #call, prong_status_name(status), prong_error_message());  \
    } while (0)
#define storm_ok(call) storm_is(call, status == PRONG_OK)

/* --- messages that are counted --- */

/* A message has a number, and a byte of `messages`. INTENT is noted before the put, PUT after, REFUSED when it was not put;
 * TAKEN is added for each time it is got. */
enum { STORM_INTENT = 1, STORM_PUT = 2, STORM_REFUSED = 4, STORM_TAKEN = 16 };
struct storm_message {
    uint32_t number, check; /* check: of its bytes, beside this */
};
/* Fills memory of that size, at least a struct storm_message, and notes the intent. False: no more numbers. */
bool storm_message(void *memory, size_t size);
void storm_message_put(const void *memory, prong_status status);
/* Notes that it was taken, if it is as it was put. */
void storm_message_taken(const void *memory, size_t size);
/* Every message that was put was taken once, but for up to so many as processes died taking one. Returns how many there were. */
long storm_check_messages(void);

#endif
