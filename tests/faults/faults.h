/* Scenarios in which every call of the system, and every allocation, fails in turn.
 *
 *     SCENARIO(a_queue_carries_messages) {
 *         prong_queue queue;
 *         sure(prong_queue_create(&queue, NULL));
 *         …
 *     }
 *
 * A scenario is run again and again, each time in a process of its own in which the next of the library's calls fails. A
 * call of the API may then fail, with a message and a status that fits, and when it is called again it must succeed: what
 * failed left everything as it was. At the end nothing may be left: no descriptor, no memory, no object, no process. */
#ifndef TESTS_FAULTS_FAULTS_H
#define TESTS_FAULTS_FAULTS_H

#include "../support/test.h"

/* How things fail: once; in all of a call of the API from some point on; or in the processes that were forked.
 * EACH_ERROR: each call with each of its errors, where else they take turns. WITHOUT_FAMILY: the scenario makes it. */
enum { TRY_ONCE = 1, TRY_TO_THE_END = 2, TRY_IN_CHILDREN = 4, EACH_ERROR = 8, WITHOUT_FAMILY = 16 };

struct scenario {
    const char *name;
    void (*run)(void);
    int modes;
};
/* All trials of it; what goes wrong is a failure of the test. */
void faults_try(const struct scenario *scenario);

#define SCENARIO_(title, how)                                                                                          \
    static void try_##title(void);                                                                                     \
    LONG_TEST(title, 600) {                                                                                            \
        faults_try(&(struct scenario){#title, try_##title, how});                                                      \
    }                                                                                                                  \
    static void try_##title(void)
#define SCENARIO(title) SCENARIO_(title, TRY_ONCE | TRY_TO_THE_END)
/* One that starts processes. */
#define FAMILY_SCENARIO(title) SCENARIO_(title, TRY_ONCE | TRY_IN_CHILDREN)
/* One that waits for others, who cannot come while all fails, and may do what is asked without saying so. */
#define WAITING_SCENARIO(title) SCENARIO_(title, TRY_ONCE)

void fault_begin(void);
/* Ends a call. True: it failed by the fault, and is to be called once more. */
bool fault_end(prong_status status, const char *file, int line, const char *call);
void fault_wrong(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4), noreturn));
void fault_unheld(const char *file, int line, const char *condition);

#define sure(call)                                                                                                     \
    do {                                                                                                               \
        do fault_begin();                                                                                              \
        while (fault_end((call), __FILE__, __LINE__, #call));                                                          \
    } while (0)
/* A call that returns no status. */
#define plain(call)                                                                                                    \
    do {                                                                                                               \
        fault_begin();                                                                                                 \
        call;                                                                                                          \
        fault_end(PRONG_OK, __FILE__, __LINE__, #call);                                                                \
    } while (0)
/* It gives this status. */
#define gives(call, wanted)                                                                                            \
    do {                                                                                                               \
        prong_status status_;                                                                                          \
        do {                                                                                                           \
            fault_begin();                                                                                             \
            status_ = (call);                                                                                          \
            if (!status_) fault_unheld(__FILE__, __LINE__, #call " fails");                                            \
        } while (fault_end(status_ == (wanted) ? PRONG_OK : status_, __FILE__, __LINE__, #call));                      \
    } while (0)
/* What must hold after all that has succeeded; where a child has failed on purpose it need not. */
#define must_hold(condition)                                                                                           \
    do {                                                                                                               \
        if (!(condition)) fault_unheld(__FILE__, __LINE__, #condition);                                                \
    } while (0)

#endif
