/* The queue (src/channel: segment, put, take, repair, life; over the real family lock and waitq): each message is taken once, in
 * order, none is lost but what the dead had taken or not yet put; nobody waits for the dead; no wake-up is lost. Segments are small,
 * so that they are linked and recycled; the allocator counts as one step (tests/storm steps through it). */
#define CHANNEL_SEGMENT 64
#define CHANNEL_SEGMENT_FIRST 64
#define CHANNEL_INLINE 16
#include "surroundings.h"

#include "channel/channel.h"

#define self_row() (&model_row)
#define count_event(counter) ((void)0)
#define spin_until(ready, context) ((ready)(context))
#include "instrument.h"
#include "family/lock.c"
#undef spin_until
#define spin_until spin_until_in_waitq
#include "family/waitq.c"
#undef spin_until
#define spin_until(ready, context) ((ready)(context))
#include "channel/segment.c"
#include "channel/put.c"
#include "channel/take.c"
#include "channel/repair.c"
#include "channel/life.c"
#include "uninstrument.h"

enum { BLOCKS = 12, MESSAGES = 2 };

struct world_of_queue {
    char header[64]; /* offset 0 is no place */
    struct channel channel;
    struct burial burial;
    bool used[BLOCKS];
    _Alignas(64) char blocks[BLOCKS][128]; /* header and payload of 64 each */
    int taken[8];                          /* how often each number was */
    int last;                              /* the newest number taken from each putter, when there is one putter */
};

static struct world_of_queue *w;
static int putters, takers, messages;

/* --- the allocator, in one step --- */

prong_status heap_alloc(uint64_t size, uint32_t owner, uint64_t *into, uint64_t *block) {
    model_begin_atomic();
    int i = 0;
    while (i < BLOCKS && w->used[i]) i++;
    model_check(i < BLOCKS && size <= 64);
    w->used[i] = true;
    uint64_t at = arena_offset(w->blocks[i]) + 64;
    ((struct block *)(void *)w->blocks[i])->owner = owner;
    ((struct block *)(void *)w->blocks[i])->wanted = size;
    if (into) *into = at;
    if (block) *block = at;
    model_end_atomic();
    return PRONG_OK;
}

prong_status heap_free(uint64_t block, uint64_t *from) {
    model_begin_atomic();
    int i = (int)((block - 64 - arena_offset(w->blocks)) / 128);
    model_check(w->used[i]); /* nothing is freed twice */
    w->used[i] = false;
    if (from) *from = 0;
    model_end_atomic();
    return PRONG_OK;
}

void watchers_wake(struct waitq *queue) {
    (void)queue;
}

struct waiter *waiter_begin(void *object) {
    (void)object;
    return NULL;
}

void waiter_end(struct waiter *waiter) {
    (void)waiter;
}

/* No bell: see bell_model.c. */
void object_bell_settle_up(struct object_bell *channel) {
    (void)channel;
}

void object_bell_settle_down(struct object_bell *channel) {
    (void)channel;
}

void object_bell_settle_thoroughly(struct object_bell *channel) {
    (void)channel;
}

bool object_bell_end(struct object_bell *channel) {
    (void)channel;
    return true;
}

bool object_bell_dispose(struct object_bell *channel) {
    (void)channel;
    return true;
}

void object_bell_recover(struct object_bell *channel, uint32_t dead) {
    (void)channel, (void)dead;
}

static void model_recover(uint32_t dead) {
    channel_recover(&w->channel, dead);
}

enum { GENERATION = 1 };

static void prepare(void) {
    arena_base = model_arena();
    arena_places = MODEL_ARENA / 64;
    w = model_arena();
    burial = &w->burial;
    model_check(channel_init(&w->channel, w, GENERATION, 0, 0) == PRONG_OK);
}

/* Threads 0 to putters - 1 put numbers, the others take until they have had their share, or what there can be. */
static void put_some(int thread) {
    for (int i = 0; i < messages; i++) {
        uint64_t number = (uint64_t)(thread * messages + i + 1);
        model_check(channel_put(&w->channel, GENERATION, &number, sizeof number, PRONG_FOREVER) == PRONG_OK);
    }
}

static void note_taken(uint64_t number) {
    model_check(number >= 1 && number <= (uint64_t)(putters * messages));
    model_check(++w->taken[number] == 1); /* each once */
    if (putters == 1 && takers == 1) {
        model_check((int)number == w->last + 1); /* in order, and none left out */
        w->last = (int)number;
    }
}

static void take_some(int share) {
    for (int i = 0; i < share; i++) {
        uint64_t number = 0;
        struct taking taking = {.generation = GENERATION, .buffer = &number, .capacity = sizeof number};
        model_check(channel_take(&w->channel, &taking, PRONG_FOREVER) == PRONG_OK);
        model_go_on_atomic();
        note_taken(number);
        model_end_atomic();
    }
}

/* Whatever is there, while the putter may be at work, or dead. */
static void take_what_is_there(void) {
    for (int i = 0; i < messages + 1; i++) {
        uint64_t number = 0;
        struct taking taking = {.generation = GENERATION, .buffer = &number, .capacity = sizeof number};
        if (channel_take(&w->channel, &taking, PRONG_NOWAIT) != PRONG_OK) continue;
        model_go_on_atomic();
        note_taken(number);
        model_end_atomic();
    }
}

static int share;

static void run(int thread) {
    if (thread < putters)
        put_some(thread);
    else if (share)
        take_some(share);
    else
        take_what_is_there();
}

static void finish(void) {
    int missing = 0, segments = 0;
    for (int number = 1; number <= putters * messages; number++) missing += w->taken[number] == 0;
    /* all is taken that was to be */
    if (!model_anybody_died()) model_check(share == 0 || missing == putters * messages - takers * share);
    for (int i = 0; i < BLOCKS; i++) segments += w->used[i];
    model_check(segments <= 4);
}

static int explore(const char *name, int puts, int takes, int each, int take_each, int kills, int mortal) {
    putters = puts;
    takers = takes;
    messages = each;
    share = take_each;
    return model_explore(&(struct model){.name = name,
                                         .threads = puts + takes,
                                         .kills = kills,
                                         .mortal = mortal,
                                         .prepare = prepare,
                                         .run = run,
                                         .finish = finish});
}

int main(void) {
    int passed = 0;
    passed += explore("queue: a putter and a taker, 6 messages", 1, 1, 6, 6, 0, 0);
    passed += explore("queue: a putter that may die, 2 messages, and a taker", 1, 1, 2, 0, 1, 1);
    if (getenv("PRONG_MODEL_ALL")) {
        passed += explore("queue: two putters of a message each, one may die, a taker", 2, 1, 1, 1, 1, 1);
        passed += explore("queue: two putters of a message each, a taker", 2, 1, 1, 2, 0, 0);
        passed += explore("queue: a putter and two takers, 2 messages", 1, 2, 2, 1, 0, 0);
    }
    printf("%d passed, 0 failed\n", passed);
    return 0;
}
