/* Depth-first search over the world's states. */
#define _GNU_SOURCE
#include "explorer.h"

#include "memory.h"
#include "seen.h"
#include "weaken.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

enum { STACK = 6 << 10, STUCK_AFTER = 12 };
enum status { READY, SLEEPING, ENDED, DEAD, STOPPED };
enum action { RUN, KILL, TIME_OUT, STOP, ACTIONS };

static struct world {
    struct thread {
        enum status status;
        int kind_of_sleep; /* 1: with a deadline */
        int64_t clock;
        int naps; /* in vain, since something ended or died */
        const void *word;
        uint32_t mask;
        uint32_t order;        /* of going to sleep: the kernel wakes in that */
        struct operation next; /* at the point where it is */
        ucontext_t context;
    } threads[MODEL_THREADS];
    int killed, stopped, quiet;
    uint32_t sleeps;
    uint64_t section; /* stands for the lock of model_begin_atomic */
    _Alignas(64) char arena[MODEL_ARENA];
    _Alignas(64) char stacks[MODEL_THREADS][STACK];
    struct memory memory;
} world;

static const struct model *model;
static ucontext_t scheduler;
static int current = -1;
static int variant; /* of the step that current takes */

/* --- the states seen --- */

static size_t world_size(void) {
    return model->choices ? sizeof world : offsetof(struct world, memory);
}

/* Of the memory's histories, most are empty. */
static struct hash hash_world(void) {
    struct hash h = HASH_BEGIN;
    const struct location *all = world.memory.locations;
    hash_bytes(&h, &world, model->choices ? offsetof(struct world, memory.locations) : world_size());
    for (uint64_t i = 0; model->choices && i < MEMORY_LOCATIONS; i++) {
        if (!all[i].count) continue;
        hash_bytes(&h, &i, sizeof i);
        hash_bytes(&h, &all[i], sizeof all[i]);
    }
    return h;
}

/* A call keeps neither what lies below the stack's top nor the registers of its arguments: no part of a state. */
static void clear_below_stack(int thread) {
    static const int arguments[] = {REG_RDI, REG_RSI, REG_RDX, REG_RCX, REG_R8, REG_R9};
    struct thread *t = &world.threads[thread];
    char *top = (char *)(uintptr_t)t->context.uc_mcontext.gregs[REG_RSP], *bottom = world.stacks[thread];
    bool done = t->status != READY && t->status != SLEEPING;
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) t->context.uc_mcontext.gregs[arguments[i]] = 0;
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

static void tidy(void) {
    bool living[MODEL_THREADS];
    for (int i = 0; i < MODEL_THREADS; i++)
        living[i] = world.threads[i].status == READY || world.threads[i].status == SLEEPING;
    if (memory_disagrees(&world.memory) >= 0) model_violation("an atomic word was stored to as if it were plain");
    memory_tidy(&world.memory, living);
}

static void run(int thread) {
    current = thread;
    if (model->enter) model->enter(thread);
    swapcontext(&scheduler, &world.threads[thread].context);
    current = -1;
    if (model->choices) tidy();
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
    bool goes = t->status == READY || t->status == SLEEPING, mortal = !model->mortal || thread < model->mortal;
    if (action == KILL) return goes && mortal && world.killed < model->kills;
    if (action == STOP) return goes && mortal && world.stopped < model->stops;
    return t->status == SLEEPING && (t->kind_of_sleep == 1 || is_its_turn(thread));
}

/* A thread takes no more steps. */
static void leave_off(enum action action, int thread) {
    struct thread *t = &world.threads[thread];
    t->status = action == KILL ? DEAD : STOPPED;
    *(action == KILL ? &world.killed : &world.stopped) += 1;
    memset(&t->next, 0, sizeof t->next);
    if (model->choices) tidy();
    forget_naps();
    clear_below_stack(thread);
}

static void take(enum action action, int thread) {
    struct thread *t = &world.threads[thread];
    if (action == KILL || action == STOP) {
        leave_off(action, thread);
        return;
    }
    if (action == TIME_OUT) {
        if (t->kind_of_sleep != 1 && !world.killed && !model->naps)
            model_violation("a wake-up was lost: all sleep, and nobody has died");
        if (++t->naps > STUCK_AFTER) model_violation("stuck: they sleep and look, and nothing comes of it");
        t->clock += 1000000000;
        t->status = READY;
        t->word = NULL;
        if (model->choices) memory_settle(&world.memory, thread);
    }
    run(thread);
}

static int variants_of(enum action action, int thread) {
    if (!can(action, thread)) return 0;
    return action == RUN ? memory_variants(&world.memory, thread, &world.threads[thread].next) : 1;
}

/* --- the search --- */

struct frame {
    struct world *before;
    int next; /* choice to be tried next */
    int variant, variants;
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
    struct world *copy = malloc(world_size());
    if (!copy) abort();
    memcpy(copy, &world, world_size());
    frames[depth++] = (struct frame){copy, 0, 0, 0};
    if (depth > deepest) deepest = depth;
}

void model_violation(const char *what) {
    static const char *const names[] = {"runs", "is killed", "times out", "is stopped"};
    printf("%s: VIOLATION: %s\n", model->name, what);
    for (size_t i = 0; i < depth; i++) {
        int choice = frames[i].next - 1;
        if (i == 0 || frames[i - 1].next != frames[i].next || choice % ACTIONS != RUN || frames[i].variant > 1)
            printf("  step %zu: thread %d %s%s\n", i, choice / ACTIONS, names[choice % ACTIONS],
                   frames[i].variant > 1 ? ", past the newest store" : "");
    }
    fflush(stdout);
    _exit(1);
}

static bool is_enough(void) {
    return model->most && seen_count() >= model->most;
}

static void visit(void) {
    if (is_enough()) return;
    if (!seen_enter(hash_world())) return; /* what lies below a stack's top is no part of it */
    if (!anybody(READY) && !anybody(SLEEPING)) {
        world.quiet = 1;
        model->finish();
        world.quiet = 0;
        return;
    }
    push();
}

/* The next choice of the frame, in the world as it was there; false: there is none. */
static bool next_choice(struct frame *frame, int *choice) {
    while (frame->variant == frame->variants) {
        if (frame->next == ACTIONS * model->threads) return false;
        *choice = frame->next++;
        frame->variant = 0;
        frame->variants = variants_of(*choice % ACTIONS, *choice / ACTIONS);
    }
    *choice = frame->next - 1;
    variant = frame->variant++;
    return true;
}

static void search(void) {
    visit();
    while (depth > 0) {
        struct frame *frame = &frames[depth - 1];
        int choice;
        memcpy(&world, frame->before, world_size());
        if (!next_choice(frame, &choice)) {
            free(frame->before);
            depth--;
            continue;
        }
        take(choice % ACTIONS, choice / ACTIONS);
        steps++;
        visit();
    }
}

bool model_explore(const struct model *of) {
    if (!exploration_begins()) return true;
    model = of;
    memset(&world, 0, sizeof world);
    memory_forget_locations();
    world.memory.choices = of->choices > 0 ? of->choices : 0;
    seen_clear();
    depth = deepest = steps = 0;
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
    printf("%s: %zu states%s, %lu steps, %zu deep\n", model->name, seen_count(), is_enough() ? " of more" : "", steps,
           deepest);
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

/* What a process stored before it was killed is seen by whoever is told by the system that it is dead. */
bool model_is_dead(int thread) {
    bool dead = world.threads[thread].status == DEAD;
    if (dead && current >= 0) memory_tell(&world.memory, current, thread);
    return dead;
}

bool model_is_stopped(int thread) {
    return world.threads[thread].status == STOPPED;
}

bool model_anybody_died(void) {
    return world.killed > 0;
}

static struct model_site section_begins = {.order = __ATOMIC_ACQUIRE}, section_ends = {.order = __ATOMIC_RELEASE};

void model_begin_atomic(void) {
    model_point();
    model_go_on_atomic();
}

void model_go_on_atomic(void) {
    world.quiet++;
    model_load(&section_begins, &world.section, sizeof world.section);
}

void model_end_atomic(void) {
    model_store(&section_ends, &world.section, sizeof world.section, 0);
    world.quiet--;
}

/* --- atomic operations --- */

static uint64_t plain_load(const volatile void *address, int size) {
    uint64_t value = 0;
    memcpy(&value, (const void *)(uintptr_t)address, (size_t)size);
    return value;
}

static void plain_store(volatile void *address, int size, uint64_t value) {
    memcpy((void *)(uintptr_t)address, &value, (size_t)size);
}

static bool is_plain(void) {
    return current < 0 || !model->choices;
}

/* The point before an operation; returns which variant it is. */
static int arrive(enum access access, const volatile void *address, int size, int order, struct operation *operation) {
    struct thread *t = &world.threads[current];
    *operation = (struct operation){access, memory_location(address, size), order};
    if (world.quiet) return 0;
    t->next = *operation;
    swapcontext(&t->context, &scheduler);
    memset(&t->next, 0, sizeof t->next);
    return variant;
}

uint64_t model_load(struct model_site *site, const volatile void *address, int size) {
    struct operation o;
    if (is_plain()) {
        model_point();
        return plain_load(address, size);
    }
    int which = arrive(ACCESS_LOAD, address, size, weakened_order(site, site->order), &o);
    return memory_load(&world.memory, current, &o, which);
}

void model_store(struct model_site *site, volatile void *address, int size, uint64_t value) {
    struct operation o;
    if (is_left_out(site)) return;
    if (is_plain()) {
        model_point();
        plain_store(address, size, value);
        return;
    }
    int which = arrive(ACCESS_STORE, address, size, weakened_order(site, site->order), &o);
    memory_store(&world.memory, current, &o, which, value);
}

static uint64_t changed(enum model_change how, uint64_t value, uint64_t operand) {
    switch (how) {
    case CHANGE_ADD: return value + operand;
    case CHANGE_SUB: return value - operand;
    case CHANGE_OR: return value | operand;
    case CHANGE_AND: return value & operand;
    default: return operand;
    }
}

uint64_t model_change(struct model_site *site, volatile void *address, int size, enum model_change how,
                      uint64_t operand) {
    struct operation o;
    int found;
    if (is_left_out(site)) return model_load(site, address, size);
    if (is_plain()) {
        model_point();
        uint64_t value = plain_load(address, size);
        plain_store(address, size, changed(how, value, operand));
        return value;
    }
    int which = arrive(ACCESS_CHANGE, address, size, weakened_order(site, site->order), &o);
    uint64_t value = memory_change_read(&world.memory, current, &o, which, NULL, &found);
    uint64_t mask = size == 8 ? ~0ull : (1ull << size * 8) - 1;
    memory_change_write(&world.memory, current, &o, found, changed(how, value, operand) & mask);
    return value;
}

bool model_compare_exchange(struct model_site *site, volatile void *address, int size, void *expected, uint64_t value) {
    struct operation o;
    int found = 0;
    uint64_t wanted = plain_load(expected, size), is;
    if (is_left_out(site)) {
        is = model_load(site, address, size);
    } else if (is_plain()) {
        model_point();
        is = plain_load(address, size);
        if (is == wanted) plain_store(address, size, value);
    } else {
        int which = arrive(ACCESS_CHANGE, address, size, weakened_order(site, site->order), &o);
        is = memory_change_read(&world.memory, current, &o, which, &wanted, &found);
        if (is == wanted) {
            memory_change_write(&world.memory, current, &o, found, value);
        } else {
            o.order = weakened_order(site, site->failure);
            memory_change_fails(&world.memory, current, &o, found);
        }
    }
    if (is != wanted) plain_store(expected, size, is);
    return is == wanted;
}

void model_fence(struct model_site *site) {
    if (is_plain()) return;
    model_point();
    if (!is_left_out(site)) memory_fence(&world.memory, current, weakened_order(site, site->order));
}

void model_barrier_everywhere(struct model_site *site) {
    model_point();
    if (is_left_out(site) || weakened_order(site, site->order) != __ATOMIC_SEQ_CST) return;
    for (int round = 0; round < 2 && !is_plain(); round++)
        for (int i = 0; i < model->threads; i++) memory_fence(&world.memory, i, __ATOMIC_SEQ_CST);
}

void model_use(const volatile void *address) {
    model_point();
    model_touch(address);
}

void model_touch(const volatile void *address) {
    if (is_plain()) return;
    if (!memory_touch(&world.memory, current, memory_location(address, 1)))
        model_violation("data is used by two threads, and nothing orders them");
}

/* --- futexes: system calls have full fences, and a thread that is woken knows what its waker knew --- */

static uint32_t futex_word(const void *word) {
    struct operation o;
    if (is_plain()) {
        model_point();
        return (uint32_t)plain_load(word, sizeof(uint32_t));
    }
    int which = arrive(ACCESS_FUTEX, word, sizeof(uint32_t), __ATOMIC_RELAXED, &o);
    return (uint32_t)memory_futex(&world.memory, current, &o, which);
}

void model_futex_wait(const void *word, uint32_t expected, uint32_t mask, bool has_deadline) {
    struct thread *t = &world.threads[current];
    if (futex_word(word) != expected) return;
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

int model_futex_wake(struct model_site *site, const void *word, int count, uint32_t mask) {
    int woken = 0;
    model_point();
    if (is_left_out(site)) return 0;
    if (!is_plain()) memory_fence(&world.memory, current, __ATOMIC_SEQ_CST);
    for (struct thread *t; woken < count && (t = first_sleeper(word, mask)); woken++) {
        t->status = READY;
        t->word = NULL;
        t->order = 0;
        if (!is_plain()) memory_tell(&world.memory, (int)(t - world.threads), current);
    }
    return woken;
}

int64_t model_clock(void) {
    return 1000000000 + world.threads[model_self()].clock;
}
