/* The queue (src/channel: segment, put, take, repair, life; over the real family lock and waitq): each message is taken once, in
 * order, none is lost but what the dead had taken or not yet put; nobody waits for the dead; no wake-up is lost; a lock that is kept
 * (src/channel/bias.h) is revoked only while its owner is outside. Segments are small, so that they are linked and recycled; the
 * allocator counts as one step (tests/storm steps through it). */
#define CHANNEL_SEGMENT 64
#define CHANNEL_SEGMENT_FIRST 64
#define CHANNEL_INLINE 16
#define CHANNEL_RUN_LINE 32 /* two segments have a run of two messages, and others */
#define BIAS_STREAK 0       /* a thread that takes a side's lock twice in a row keeps it */
#define BIAS_PATIENCE 0
#include "surroundings.h"
#include "weaken.h"

static struct thread_self known_of[MODEL_THREADS];
#define thread_known known_of[model_self()]
#define os_barrier_everywhere() (model_barrier_everywhere(MODEL_SITE("barrier", memory_order_seq_cst, 0)), true)

#include "instrument.h"
#include "channel/channel.h"
/* What a record or a run carries, and what each side guards with its lock, is plain data: checked with a model of memory. */
#include "channel/segment.h"
static void *touch_payload(void *payload);
static void touch_side(bool takes);
#define run_message_at(segment, position) touch_payload(run_message_at(segment, position))
#define record_payload(record) touch_payload(record_payload(record))
#include "channel/sides.h"
#undef record_payload
#define put_record(c, ...) (touch_side(false), put_record(c, __VA_ARGS__))
#define head_advance(c, ...) (touch_side(true), head_advance(c, __VA_ARGS__))
#define run_put(c, ...) (touch_side(false), run_put(c, __VA_ARGS__))
#define run_begin(c, ...) (touch_side(false), run_begin(c, __VA_ARGS__))
#define run_finish(c) (touch_side(false), run_finish(c))
#define run_has_seen(c, head) (touch_side(true), run_has_seen(c, head))
#define record_copy(to, from, size) (touch_payload((void *)(uintptr_t)from), record_copy(to, from, size))
#include "uninstrument.h"

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
#include "channel/bias.c"
#define record_payload(record) touch_payload(record_payload(record))
#include "channel/segment.c"
#undef record_payload
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
    struct thread_row rows[MODEL_THREADS];
    char put_data, take_data; /* used under the lock of that side */
    bool used[BLOCKS];
    _Alignas(64) char blocks[BLOCKS][128]; /* header and payload of 64 each */
    int taken[8];                          /* how often each number was */
    int last;                              /* the newest number taken from each putter, when there is one putter */
};

static struct world_of_queue *w;
static int putters, takers, messages;
static int limit; /* of messages in the queue; 0: none */
enum { PUT_BEFORE = 100 };
static int before; /* messages put and taken before, so that a segment's end is near; … */
static int there;  /* … and put after these, and there at first */
static int bare; /* so many of a putter's messages, the last ones, have no bytes: they are behind the run, not in it */
static bool closes; /* the first putter shuts the queue down, after its messages */
static bool kept;   /* at the beginning, the first putter keeps the putters' lock, and the first taker the takers' */

static void *touch_payload(void *payload) {
    model_touch((char *)payload + 1); /* some payloads are also read as hints: those are locations of their own */
    return payload;
}

static void touch_side(bool takes) {
    model_touch(takes ? &w->take_data : &w->put_data);
}

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

void object_bell_settle(struct object_bell *channel) {
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

static uint64_t who(int thread) {
    return (uint64_t)token_of(thread) << 32 | (uint32_t)(100 + thread);
}

static void keep(struct biased_lock *lock, int thread) {
    lock->last = known_of[thread].name;
    lock->name = bias_name(lock);
    atomic_store(&lock->owner, known_of[thread].name);
}

/* As prong_queue_put does. */
static bool put_quickly_by_word(uint64_t number) {
    struct channel *c = &w->channel;
    switch (channel_put_word(c, GENERATION, &number)) {
    case QUICK_NOT: return channel_put_quickly(c, GENERATION, &number, sizeof number);
    case QUICK_INSIDE: return put_inside(c, GENERATION, &number, sizeof number);
    case QUICK_AWAITED: quick_after_put(c); return true;
    default: return true;
    }
}

/* As prong_queue_get does. */
static bool take_quickly_by_word(uint64_t *number) {
    struct channel *c = &w->channel;
    switch (channel_take_word(c, GENERATION, number)) {
    case QUICK_NOT: return channel_take_quickly(c, GENERATION, number, sizeof *number, NULL);
    case QUICK_INSIDE: return take_inside(c, GENERATION, number, sizeof *number, false, NULL);
    case QUICK_AWAITED: quick_after_take(c); return true;
    default: return true;
    }
}

static void put_before(void) {
    const uint64_t number = PUT_BEFORE;
    model_check(channel_put(&w->channel, GENERATION, &number, sizeof number, PRONG_NOWAIT) == PRONG_OK);
}

static prong_status take_a_number(uint64_t *number, prong_time timeout) {
    struct taking taking = {.generation = GENERATION, .buffer = number, .capacity = sizeof *number};
    if (take_quickly_by_word(number)) return PRONG_OK;
    return channel_take(&w->channel, &taking, timeout);
}

static void prepare(void) {
    arena_base = model_arena();
    arena_places = MODEL_ARENA / 64;
    w = model_arena();
    burial = &w->burial;
    for (int i = 0; i < MODEL_THREADS; i++) {
        known_of[i] = (struct thread_self){.thread = (uint32_t)(100 + i),
                                           .token = token_of(i),
                                           .row = &w->rows[i],
                                           .name = (uint64_t)token_of(i) << 32 | arena_offset(&w->rows[i]) / 64,
                                           .quick = 1};
        atomic_store(&w->rows[i].who, who(i));
    }
    model_check(channel_init(&w->channel, w, GENERATION, (uint64_t)limit, 0) == PRONG_OK);
    for (int i = 0; i < before + there; i++) put_before();
    for (int i = 0; i < before; i++) model_check(take_a_number(&(uint64_t){0}, PRONG_NOWAIT) == PRONG_OK);
    if (!kept) return;
    keep(&w->channel.put.lock, 0);
    keep(&w->channel.take.lock, putters);
}

/* Threads 0 to putters - 1 put numbers, the others take until they have had their share, or what there can be. */
static void put_some(int thread) {
    for (int i = 0; i < messages; i++) {
        uint64_t number = (uint64_t)(thread * messages + i + 1);
        size_t size = i < messages - bare ? sizeof number : 0;
        model_check((size && put_quickly_by_word(number)) ||
                    channel_put(&w->channel, GENERATION, &number, size, PRONG_FOREVER) == PRONG_OK);
    }
    if (closes && thread == 0) model_check(channel_close(&w->channel, GENERATION) == PRONG_OK);
}

static void note_taken(uint64_t number) {
    if (number == PUT_BEFORE) return;
    if (number == 0) { /* it had no bytes */
        number = (uint64_t)w->last + 1;
        model_check(number > (uint64_t)(messages - bare));
    }
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
        model_check(take_a_number(&number, PRONG_FOREVER) == PRONG_OK);
        model_go_on_atomic();
        note_taken(number);
        model_end_atomic();
    }
}

/* Whatever is there, while the putter may be at work, or dead; also without a look before. */
static void take_what_is_there(void) {
    for (int i = 0; i < messages + 1; i++) {
        uint64_t number = 0;
        struct taking taking = {.generation = GENERATION, .buffer = &number, .capacity = sizeof number};
        prong_status status = i % 2 ? take_a_number(&number, PRONG_NOWAIT) : channel_try_take(&w->channel, &taking);
        /* shut down, and empty: of one putter, nothing is left */
        if (status == PRONG_SHUTDOWN) model_check(closes && (putters > 1 || w->last == messages));
        if (status != PRONG_OK) continue;
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
    if (there || !takers) return; /* all have put, and what they wanted to take is taken */
    for (int number = 1; number <= putters * messages; number++) missing += w->taken[number] == 0;
    /* all is taken that was to be */
    if (!model_anybody_died()) model_check(share == 0 || missing == putters * messages - takers * share);
    for (int i = 0; i < BLOCKS; i++) segments += w->used[i];
    model_check(segments <= 4);
}

struct case_of_queue {
    const char *name;
    int putters, takers, messages, share, kills, mortal; /* messages of a putter; share of a taker; 0: what is there */
    bool kept;
    int choices, limit;
    int before, there; /* messages */
    size_t most;
    int bare;
    bool closes;
};

static int explore_cases(const struct case_of_queue *cases, size_t count) {
    const size_t of_full = getenv("PRONG_MODEL_ALL") ? 1000000 : 50000, of_others = 20000000;
    for (size_t i = 0; i < count; i++) {
        putters = cases[i].putters;
        takers = cases[i].takers;
        messages = cases[i].messages;
        share = cases[i].share;
        kept = cases[i].kept;
        limit = cases[i].limit;
        before = cases[i].before;
        there = cases[i].there;
        bare = cases[i].bare;
        closes = cases[i].closes;
        model_explore(&(struct model){.name = cases[i].name,
                                      .threads = putters + takers,
                                      .kills = cases[i].kills,
                                      .mortal = cases[i].mortal,
                                      .choices = cases[i].choices,
                                      .most = cases[i].most ? cases[i].most
                                              : limit       ? of_full
                                                            : of_others,
                                      .prepare = prepare,
                                      .run = run,
                                      .finish = finish});
    }
    return (int)count;
}
#define EXPLORE(cases) explore_cases(cases, sizeof(cases) / sizeof *(cases))

static const struct case_of_queue strong[] = {
    {"queue: full, two putters of a message each, a taker of two", 2, 1, 1, 2, 0, 0, false, MODEL_STRONG, 2, 0, 2, 0},
    {"queue: a putter and a taker, 2 messages", 1, 1, 2, 2, 0, 0, false, MODEL_STRONG, 0, 0, 0, 0},
    {"queue: a putter and a taker that keep their locks, 2 messages", 1, 1, 2, 2, 0, 0, true, MODEL_STRONG, 0, 0, 0, 0},
    {"queue: a putter that may die, 2 messages, and a taker", 1, 1, 2, 0, 1, 1, false, MODEL_STRONG, 0, 0, 0, 0},
    {"queue: a putter that keeps its lock and may die, 2 messages, and a taker", 1, 1, 2, 0, 1, 1, true, MODEL_STRONG,
     0, 0, 0, 0},
};
/* These take most of the time. */
static const struct case_of_queue larger[] = {
    {"queue: a putter and a taker, 3 messages", 1, 1, 3, 3, 0, 0, false, MODEL_STRONG, 0, 0, 0, 0},
    {"queue: a putter and a taker that keep their locks, 3 messages", 1, 1, 3, 3, 0, 0, true, MODEL_STRONG, 0, 0, 0, 0},
    {"queue: two putters of a message each, one keeps the lock, a taker", 2, 1, 1, 2, 0, 0, true, MODEL_STRONG, 0, 0, 0,
     0},
    {"queue: two putters of a message each, one may die, a taker", 2, 1, 1, 1, 1, 1, false, MODEL_STRONG, 0, 0, 0, 0},
    {"queue: two putters of a message each, one keeps the lock and may die, a taker", 2, 1, 1, 1, 1, 1, true,
     MODEL_STRONG, 0, 0, 0, 0},
    {"queue: a putter and two takers, 2 messages", 1, 2, 2, 1, 0, 0, true, MODEL_STRONG, 0, 0, 0, 0},
};
/* With a model of memory. The smaller ones show which orders are needed. */
static const struct case_of_queue weak[] = {
    {"queue: a putter and a taker that keep their locks, a message, 2 choices", 1, 1, 1, 1, 0, 0, true, 2, 0, 0, 0, 0},
    {"queue: a putter and a taker, a message in a new segment, a choice", 1, 1, 1, 1, 0, 0, false, 1, 0, 2, 0, 0},
};
static const struct case_of_queue smaller[] = {
    {"queue: a run of 2 messages, and a taker that does not wait, both keep their locks, a choice", 1, 1, 2, 0, 0, 0,
     true, 1, 0, 0, 0, 0},
    {"queue: a run, a record behind it, and a taker that does not wait, both keep their locks, a choice", 1, 1, 2, 0, 0,
     0, true, 1, 0, 0, 0, 0, .bare = 1},
    {"queue: a message, and the end, and a taker that does not wait, a choice", 1, 1, 1, 0, 0, 0, false, 1, 0, 0, 0, 0,
     .closes = true},
    {"queue: a message, and the end, and a taker that does not wait, both keep their locks, a choice", 1, 1, 1, 0, 0, 0,
     true, 1, 0, 0, 0, 0, .closes = true},
    {"queue: a putter and a taker, a message, a choice", 1, 1, 1, 1, 0, 0, false, 1, 0, 0, 0, 0},
    {"queue: a putter of a message in a new segment, and a taker that does not wait, a choice", 1, 1, 1, 0, 0, 0, false,
     1, 0, 2, 0, 0},
    {"queue: a putter of a message, a taker of 3 from two segments, both keep their locks, a choice", 1, 1, 1, 3, 0, 0,
     true, 1, 0, 0, 4, 0},
    {"queue: a putter that may die, a message, and a taker, a choice", 1, 1, 1, 0, 1, 1, false, 1, 0, 1, 0, 0},
    {"queue: a putter that keeps its lock and may die, a message, and a taker, a choice", 1, 1, 1, 0, 1, 1, true, 1, 0,
     1, 0, 0},
    {"queue: full, a putter of a message, a taker of one, a choice", 1, 1, 1, 1, 0, 0, false, 1, 2, 0, 2, 0},
    {"queue: two putters of a message each, one keeps the lock, a choice", 2, 0, 1, 0, 0, 0, true, 1, 0, 0, 0, 0},
    {"queue: two putters of a message each, one keeps the lock and may die, a choice", 2, 0, 1, 0, 1, 1, true, 1, 0, 2,
     0, 15000},
    {"queue: two takers of a message each, one keeps the lock, a choice", 0, 2, 0, 1, 0, 0, true, 1, 2, 0, 2, 0},
    {"queue: two takers, one may die, a choice", 0, 2, 1, 0, 1, 1, false, 1, 2, 0, 2, 20000},
};

static int explore_quick(void) {
    return EXPLORE(strong) + EXPLORE(weak) + EXPLORE(smaller);
}

static int explore_orders(void) {
    return EXPLORE(smaller);
}

static int explore_all(void) {
    int passed = explore_quick();
    return getenv("PRONG_MODEL_ALL") ? passed + EXPLORE(larger) : passed;
}

int main(int argc, char **argv) {
    return model_main(argc, argv, &(struct explorations){"queue", explore_all, explore_orders, explore_quick});
}
