/* The allocator (src/family/heap.c), over the guard and the lock as they are: wherever a thread dies, blocks, bins and sizes agree,
 * and each block is referred to by exactly one word: none is lost, and none is given out twice. */
#include "surroundings.h"
#include "guarded.h"

#include "family/family.h"
#include "family/room.h"

/* As much of the arena as is used here. */
struct arena_of_heap {
    struct heap heap;
    uint64_t words[MODEL_THREADS][2]; /* a block each, or 0 */
    struct burial burial;
    char data; /* stands for all that the guard protects */
    _Alignas(64) char blocks[1];
};
static struct arena_of_heap *w;

static struct arena_of_heap *arena_of_heap(void) {
    return w;
}
#define arena arena_of_heap
/* All that it changes is plain data under the guard: checked with a model of memory. */
#define guard_set(guard, word, value) (model_touch(&w->data), guard_set(guard, word, value))
#include "instrument.h"
#include "family/heap.c"
#include "uninstrument.h"
#undef arena

/* --- the system has memory --- */

int os_memory_commit(void *from, uint64_t size) {
    (void)from, (void)size;
    return 0;
}
int os_memory_reserve(int fd, void *memory, uint64_t offset, uint64_t size) {
    (void)fd, (void)memory, (void)offset, (void)size;
    return 0;
}
void os_memory_prefault(void *memory, uint64_t size) {
    (void)memory, (void)size;
}
int arena_descriptor(void) {
    return 0;
}
void os_memory_release(void *from, uint64_t size) {
    (void)from, (void)size;
}
prong_status room_for(uint64_t size, uint64_t *left) {
    (void)size;
    *left = UINT64_MAX;
    return PRONG_OK;
}
void arena_unmap_from(uint64_t end) {
    (void)end;
}
prong_status fail_errno(const char *format, ...) {
    (void)format;
    return PRONG_SYSTEM;
}

static void model_recover(uint32_t dead) {
    guard_settle(&w->heap.guard, dead);
}

static void prepare(void) {
    arena_base = model_arena();
    arena_places = MODEL_ARENA / 64;
    w = model_arena();
    burial = &w->burial;
    w->heap.first = w->heap.top = (uint64_t)(w->blocks - arena_base);
    w->heap.committed = w->heap.end = MODEL_ARENA;
}

/* Digits allocate so many units of 64 bytes, the first one into the first word; f and g free the first and the second. */
static const char *scripts[MODEL_THREADS];

static void run(int thread) {
    uint64_t *words = w->words[thread];
    for (const char *step = scripts[thread]; *step; step++) {
        uint64_t *word = *step == 'g' || words[0] ? &words[1] : &words[0];
        if (*step == 'f') word = &words[0];
        if (*step == 'f' || *step == 'g')
            model_check(heap_free(*word, word) == PRONG_OK && *word == 0);
        else
            model_check(heap_alloc((uint64_t)(*step - '0') * 64, 0, word, NULL) == PRONG_OK && *word);
    }
}

static void finish(void) {
    struct heap_summary summary;
    uint64_t blocks = 0;
    guard_finish(&w->heap.guard);
    for (int i = 0; i < MODEL_THREADS; i++)
        for (int k = 0; k < 2; k++) {
            blocks += w->words[i][k] != 0;
            model_check(!w->words[i][k] || heap_block(w->words[i][k]));
        }
    model_check(heap_check(&summary) == PRONG_OK);
    model_check(summary.used_blocks == blocks);
}

static int explore(const char *first, const char *second, int kills, int choices) {
    static char name[60];
    name[0] = 0;
    strcat(strcat(strcat(strcat(name, "heap: "), first), ", "), second);
    if (kills) strcat(name, ", a death");
    if (choices) strcat(name, choices == 1 ? ", a late store" : ", 2 late stores");
    scripts[0] = first, scripts[1] = second;
    return model_explore(&(struct model){.name = name,
                                         .threads = 2,
                                         .kills = kills,
                                         .choices = choices,
                                         .prepare = prepare,
                                         .run = run,
                                         .finish = finish});
}

static int explore_quick(void) {
    return explore("1f", "1f", 1, MODEL_STRONG) + explore("11f", "1", 1, MODEL_STRONG) +
           explore("11g", "2f", 1, MODEL_STRONG);
}

static int explore_orders(void) {
    return explore("1f", "1", 0, 2) + explore("1", "1", 1, 1);
}

static int explore_all(void) {
    int passed = explore_quick() + explore_orders();
    if (getenv("PRONG_MODEL_ALL"))
        passed += explore("11fg", "1f1", 1, MODEL_STRONG) + explore("31f1", "1", 1, MODEL_STRONG);
    return passed;
}

int main(int argc, char **argv) {
    return model_main(argc, argv, &(struct explorations){"heap", explore_all, explore_orders, explore_quick});
}
