/* Depth-first search over the world's states. */
#define _GNU_SOURCE
#include "explorer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { STACK = 6 << 10, STUCK_AFTER = 12 };
enum status { READY, SLEEPING, ENDED, DEAD };
enum action { RUN, KILL, TIME_OUT, ACTIONS };

static struct world {
    struct thread {
        enum status status;
        int kind_of_sleep; /* 1: with a deadline */
        int64_t clock;
        int naps; /* in vain, since something ended or died */
        const void *word;
        uint32_t mask;
        uint32_t order; /* of going to sleep: the kernel wakes in that */
        ucontext_t context;
    } threads[MODEL_THREADS];
    int killed, quiet;
    uint32_t sleeps;
    _Alignas(64) char arena[MODEL_ARENA];
    _Alignas(64) char stacks[MODEL_THREADS][STACK];
} world;

static const struct model *model;
static ucontext_t scheduler;
static int current = -1;

/* --- the states seen --- */

struct hash {
    uint64_t a, b;
};
static struct hash *seen;
static size_t seen_count, seen_room;

static struct hash hash_bytes(const void *bytes, size_t size) {
    const uint64_t *words = bytes;
    struct hash h = {0x9e3779b97f4a7c15ull, 0xc2b2ae3d27d4eb4full};
    for (size_t i = 0; i < size / 8; i++) {
        h.a = (h.a ^ words[i]) * 0xff51afd7ed558ccdull;
        h.a ^= h.a >> 32;
        h.b = (h.b + words[i]) * 0xc4ceb9fe1a85ec53ull;
        h.b ^= h.b >> 29;
    }
    if (h.a == 0) h.a = 1; /* 0 marks an empty place */
    return h;
}

static struct hash *place_of(struct hash h) {
    size_t i = h.a % seen_room;
    while (seen[i].a && (seen[i].a != h.a || seen[i].b != h.b)) i = (i + 1) % seen_room;
    return &seen[i];
}

static void grow(void) {
    struct hash *old = seen;
    size_t room = seen_room;
    seen_room = room ? room * 2 : 1 << 20;
    seen = calloc(seen_room, sizeof *seen);
    if (!seen) abort();
    for (size_t i = 0; i < room; i++)
        if (old[i].a) *place_of(old[i]) = old[i];
    free(old);
}

/* Whether this state is new. What lies below a stack's top is no part of it. */
static bool enter_state(void) {
    if (seen_count * 2 >= seen_room) grow();
    struct hash hash = hash_bytes(&world, sizeof world), *place = place_of(hash);
    if (place->a) return false;
    *place = hash;
    seen_count++;
    return true;
}

static void clear_below_stack(int thread) {
    struct thread *t = &world.threads[thread];
    char *top = (char *)(uintptr_t)t->context.uc_mcontext.gregs[REG_RSP], *bottom = world.stacks[thread];
    bool done = t->status == ENDED || t->status == DEAD;
    if (done) memset(&t->context, 0, sizeof t->context);
    memset(bottom, 0, done ? STACK : (size_t)(top - bottom));
}

/* --- one step --- */

static void forget_naps(void);

static void begin_thread(void) {
    model->run(current);
    world.threads[current].status = ENDED;
    forget_naps();
    swapcontext(&world.threads[current].context, &scheduler);
}

static void run(int thread) {
    current = thread;
    swapcontext(&scheduler, &world.threads[thread].context);
    current = -1;
    clear_below_stack(thread);
}

static bool anybody(enum status status) {
    for (int i = 0; i < model->threads; i++)
        if (world.threads[i].status == status) return true;
    return false;
}

/* Naps are taken in turn. */
static bool is_its_turn(int thread) {
    for (int i = 0; i < model->threads; i++)
        if (world.threads[i].status == SLEEPING && world.threads[i].naps < world.threads[thread].naps) return false;
    return !anybody(READY);
}

static void forget_naps(void) {
    for (int i = 0; i < model->threads; i++) world.threads[i].naps = 0;
}

static bool can(enum action action, int thread) {
    const struct thread *t = &world.threads[thread];
    if (action == RUN) return t->status == READY;
    if (action == KILL && model->mortal && thread >= model->mortal) return false;
    if (action == KILL) return world.killed < model->kills && (t->status == READY || t->status == SLEEPING);
    return t->status == SLEEPING && (t->kind_of_sleep == 1 || is_its_turn(thread));
}

static void take(enum action action, int thread) {
    struct thread *t = &world.threads[thread];
    if (action == KILL) {
        t->status = DEAD;
        world.killed++;
        forget_naps();
        clear_below_stack(thread);
        return;
    }
    if (action == TIME_OUT) {
        if (t->kind_of_sleep != 1 && !world.killed)
            model_violation("a wake-up was lost: all sleep, and nobody has died");
        if (++t->naps > STUCK_AFTER) model_violation("stuck: they sleep and look, and nothing comes of it");
        t->clock += 1000000000;
        t->status = READY;
        t->word = NULL;
    }
    run(thread);
}

/* --- the search --- */

struct frame {
    struct world *before;
    int next; /* choice to be tried next */
};
static struct frame *frames;
static size_t depth, frame_room, deepest;
static unsigned long steps;

static void push(void) {
    if (depth == frame_room) {
        frame_room = frame_room ? frame_room * 2 : 256;
        frames = realloc(frames, frame_room * sizeof *frames);
        if (!frames) abort();
    }
    struct world *copy = malloc(sizeof world);
    if (!copy) abort();
    memcpy(copy, &world, sizeof world);
    frames[depth++] = (struct frame){copy, 0};
    if (depth > deepest) deepest = depth;
}

void model_violation(const char *what) {
    static const char *const names[] = {"runs", "is killed", "times out"};
    printf("%s: VIOLATION: %s\n", model->name, what);
    for (size_t i = 0; i < depth; i++) {
        int choice = frames[i].next - 1;
        if (i == 0 || frames[i - 1].next != frames[i].next || choice % ACTIONS != RUN)
            printf("  step %zu: thread %d %s\n", i, choice / ACTIONS, names[choice % ACTIONS]);
    }
    fflush(stdout);
    exit(1);
}

static void visit(void) {
    if (!enter_state()) return;
    if (!anybody(READY) && !anybody(SLEEPING)) {
        world.quiet = 1;
        model->finish();
        world.quiet = 0;
        return;
    }
    push();
}

static void search(void) {
    visit();
    while (depth > 0) {
        struct frame *frame = &frames[depth - 1];
        if (frame->next == ACTIONS * model->threads) {
            free(frame->before);
            depth--;
            continue;
        }
        int choice = frame->next++;
        memcpy(&world, frame->before, sizeof world);
        if (!can(choice % ACTIONS, choice / ACTIONS)) continue;
        take(choice % ACTIONS, choice / ACTIONS);
        steps++;
        visit();
    }
}

bool model_explore(const struct model *of) {
    model = of;
    memset(&world, 0, sizeof world);
    free(seen);
    seen = NULL;
    seen_count = seen_room = depth = deepest = steps = 0;
    world.quiet = 1;
    model->prepare();
    world.quiet = 0;
    for (int i = 0; i < MODEL_THREADS; i++) {
        struct thread *t = &world.threads[i];
        if (i >= model->threads) {
            t->status = ENDED;
            continue;
        }
        getcontext(&t->context);
        t->context.uc_stack.ss_sp = world.stacks[i];
        t->context.uc_stack.ss_size = STACK;
        makecontext(&t->context, begin_thread, 0);
    }
    search();
    printf("%s: %zu states, %lu steps, %zu deep\n", model->name, seen_count, steps, deepest);
    return true;
}

/* --- for the code that is explored --- */

void model_point(void) {
    if (current < 0 || world.quiet) return;
    swapcontext(&world.threads[current].context, &scheduler);
}

void *model_arena(void) {
    return world.arena;
}

int model_self(void) {
    return current < 0 ? 0 : current;
}

bool model_is_dead(int thread) {
    return world.threads[thread].status == DEAD;
}

bool model_anybody_died(void) {
    return world.killed > 0;
}

void model_begin_atomic(void) {
    model_point();
    world.quiet++;
}

void model_go_on_atomic(void) {
    world.quiet++;
}

void model_end_atomic(void) {
    world.quiet--;
}

void model_futex_wait(const void *word, uint32_t expected, uint32_t mask, bool has_deadline) {
    struct thread *t = &world.threads[current];
    model_point();
    if (*(const volatile uint32_t *)word != expected) return;
    t->status = SLEEPING;
    t->kind_of_sleep = has_deadline;
    t->word = word;
    t->mask = mask;
    t->order = 0;
    for (int i = 0; i < model->threads; i++)
        if (i != current && world.threads[i].status == SLEEPING && world.threads[i].word == word) t->order++;
    swapcontext(&t->context, &scheduler);
    t->kind_of_sleep = 0;
}

static struct thread *first_sleeper(const void *word, uint32_t mask) {
    struct thread *first = NULL;
    for (int i = 0; i < model->threads; i++) {
        struct thread *t = &world.threads[i];
        if (t->status == SLEEPING && t->word == word && (t->mask & mask) && (!first || t->order < first->order))
            first = t;
    }
    return first;
}

int model_futex_wake(const void *word, int count, uint32_t mask) {
    int woken = 0;
    model_point();
    for (struct thread *t; woken < count && (t = first_sleeper(word, mask)); woken++) {
        t->status = READY;
        t->word = NULL;
        t->order = 0;
    }
    return woken;
}

int64_t model_clock(void) {
    return 1000000000 + world.threads[model_self()].clock;
}
