/* A test of the model of memory: the classic small programs, each with its orders and without them. Each names one outcome, and
 * whether it is seen. Threads keep what they read in the world's arena. */
#define _GNU_SOURCE
#include "explorer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RELAXED = memory_order_relaxed, ACQUIRE = memory_order_acquire, RELEASE = memory_order_release };
enum { ACQ_REL = memory_order_acq_rel, SEQ_CST = memory_order_seq_cst };

/* A step of a thread's program. */
struct step {
    char what;  /* 'W'rite, 'R'ead, 'X'change, '+' (add, and keep what was there), 'F'ence, 'B'arrier everywhere */
    char where; /* 'x' to 'z' */
    int order, value;
};

struct world_of_litmus {
    _Atomic uint32_t words[3];
    uint32_t read[MODEL_THREADS][3];
};

enum { STEPS = 5 };
struct litmus {
    const char *name;
    struct step threads[MODEL_THREADS][STEPS];
    const char *asked;   /* "0a 0b": first and second load of thread 0; "x": the word at the end */
    const char *outcome; /* "00", by what is asked */
    bool seen;
};

static struct world_of_litmus *w;
static const struct litmus *litmus;
static bool outcome_seen;

static void take_step(const struct step *step, uint32_t **read) {
    _Atomic uint32_t *word = &w->words[step->where ? step->where - 'x' : 0];
    uint64_t value = (uint64_t)step->value;
    struct model_site site = {.order = step->order, .failure = RELAXED};
    if (step->what == 'W') model_store(&site, word, sizeof *word, value);
    if (step->what == 'R') *(*read)++ = (uint32_t)model_load(&site, word, sizeof *word);
    if (step->what == 'X') *(*read)++ = (uint32_t)model_change(&site, word, sizeof *word, CHANGE_EXCHANGE, value);
    if (step->what == '+') *(*read)++ = (uint32_t)model_change(&site, word, sizeof *word, CHANGE_ADD, value);
    if (step->what == 'F') model_fence(&site);
    if (step->what == 'B') model_barrier_everywhere(&site);
}

static void run(int thread) {
    uint32_t *read = w->read[thread];
    for (int i = 0; i < STEPS && litmus->threads[thread][i].what; i++) take_step(&litmus->threads[thread][i], &read);
}

static void prepare(void) {
    w = model_arena();
}

static void finish(void) {
    const char *wanted = litmus->outcome;
    bool is = true;
    for (const char *asked = litmus->asked; *asked; asked++) {
        if (*asked == ' ') continue;
        bool of_thread = *asked <= '9';
        uint32_t value = of_thread ? w->read[*asked - '0'][asked[1] - 'a'] : w->words[*asked - 'x'];
        asked += of_thread;
        is = is && value == (uint32_t)(*wanted++ - '0');
    }
    outcome_seen = outcome_seen || is;
}

#include "litmus.h"

static int explore_all(void) {
    int passed = 0;
    for (size_t i = 0; i < sizeof litmuses / sizeof *litmuses; i++) {
        litmus = &litmuses[i];
        outcome_seen = false;
        int threads = litmus->threads[2][0].what ? 3 : 2;
        model_explore(&(struct model){
            .name = litmus->name, .threads = threads, .prepare = prepare, .run = run, .finish = finish, .choices = 4});
        if (outcome_seen != litmus->seen) {
            printf("%s: %s is %s\n", litmus->name, litmus->outcome, outcome_seen ? "seen" : "not seen");
            exit(1);
        }
        passed++;
    }
    return passed;
}

int main(void) {
    printf("%d passed, 0 failed\n", explore_all());
    return 0;
}
