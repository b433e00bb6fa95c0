/* The bell (src/family: bell, bells, bell_hold). A call that puts a message leaves a byte in the pipe, also when another thread is
 * stopped at any point, or dead, and not buried yet. When all is quiet, there is a byte exactly if there is a message, once a
 * living thread has looked. The channel is a number of messages, the pipe one of bytes; each is changed in one step, with the
 * order of a lock. */
#include "surroundings.h"
#include "weaken.h"

/* Two places: so threads of a model can find none. */
#define BELL_TAKES bell_takes_of_library
#include "family/holders.h"
#undef BELL_TAKES
enum { BELL_TAKES = 2 };

#include <signal.h>
#include <unistd.h>

#include "instrument.h"
#include "family/bells.h"
/* As bell_id, but relaxed, so that what it follows has to order it: bell_ring reads `rung` before. */
static struct os_bell_id bell_id_relaxed(struct object_bell *shared) {
    return (struct os_bell_id){.device = atomic_load_explicit(&shared->device, memory_order_relaxed),
                               .inode = atomic_load_explicit(&shared->inode, memory_order_relaxed)};
}
#define bell_id(shared) bell_id_relaxed(shared)
#include "family/bells.c"
#include "family/bell.c"
#include "family/bell_hold.c"
#include "uninstrument.h"

void *bell_object(struct object_bell *bell) {
    return bell;
}

enum { GENERATION = 1 };

struct world_of_bell {
    struct object_bell bell;
    _Atomic uint64_t takes[BELL_TAKES];
    _Atomic int messages, bytes[2]; /* in the first pipe, and in the next one */
    int unrung[MODEL_THREADS];      /* it has put a message, and not returned */
    int buried;
    struct burial burial;
};

static struct world_of_bell *w;

#include "instrument.h"
static int messages_left(void) {
    return atomic_load_explicit(&w->messages, memory_order_acquire);
}

/* As a lock's release. */
static void messages_change(int by) {
    atomic_fetch_add(&w->messages, by);
}

static void bytes_change(int fd, int by) {
    atomic_fetch_add(&w->bytes[fd], by);
}

static int bytes_left(int fd) {
    return atomic_load(&w->bytes[fd]);
}
#include "uninstrument.h"

/* --- the channel --- */

bool bell_owner_ready(struct object_bell *shared) {
    (void)shared;
    return messages_left() > 0;
}

uint64_t bell_owner_generation(struct object_bell *shared) {
    (void)shared;
    return GENERATION;
}

uint32_t bell_flags(struct object_bell *shared) {
    return atomic_load(&shared->flags);
}

void bell_set_flags(struct object_bell *shared, uint32_t flags) {
    atomic_store(&shared->flags, flags);
}

const char *bell_owner_name(struct object_bell *shared) {
    (void)shared;
    return "queue";
}

/* --- the system --- */

bool os_bell_put(int fd, uint32_t count) {
    bytes_change(fd, (int)count);
    return true;
}

void os_bell_take(int fd, uint32_t count) {
    model_begin_atomic();
    int bytes = bytes_left(fd);
    bytes_change(fd, -((int)count < bytes ? (int)count : bytes));
    model_end_atomic();
}

uint32_t os_bell_bytes(int fd) {
    return (uint32_t)bytes_left(fd);
}

_Atomic uint64_t *holders_takes(struct object_bell *shared) {
    (void)shared;
    return w->takes;
}

bool os_bell_is(int fd, const struct os_bell_id *id) {
    (void)fd, (void)id;
    return true;
}

bool os_doorbell_ring(uint32_t address) {
    (void)address;
    return true;
}

/* Nobody opens or holds anything here. */
int os_bell_create(struct os_bell_id *id) {
    (void)id;
    return -1;
}

int os_bell_open(pid_t pid, int number, const struct os_bell_id *id) {
    (void)pid, (void)number, (void)id;
    return -1;
}

int os_poller_create_over(const int *members, size_t count) {
    (void)members, (void)count;
    return -1;
}

bool os_poller_has(int all, int member) {
    (void)all, (void)member;
    return false;
}

int os_doorbell_create(uint32_t *address) {
    (void)address;
    return -1;
}

void os_doorbell_silence(int fd) {
    (void)fd;
}

int os_poller_add(int all, int member, uint32_t events, uint64_t tag) {
    (void)events, (void)tag;
    (void)all, (void)member;
    return -1;
}

void *os_memory_private(uint64_t size) {
    (void)size;
    return NULL;
}

bool holders_lock(struct object_bell *shared) {
    (void)shared;
    return false;
}

void holders_unlock(struct object_bell *shared) {
    (void)shared;
}

bool holders_add(struct object_bell *shared, int pipe, uint32_t address) {
    (void)shared, (void)pipe, (void)address;
    return false;
}

void holders_remove(struct object_bell *shared, uint32_t token) {
    (void)shared, (void)token;
}

void holders_changed(struct object_bell *shared) {
    (void)shared;
}

bool holders_are_none(const struct object_bell *shared) {
    (void)shared;
    return true;
}

void holders_free(struct object_bell *shared) {
    (void)shared;
}

bool holders_each(struct object_bell *shared, bool (*visit)(struct holder *, void *), void *context) {
    (void)shared, (void)visit, (void)context;
    return false;
}

prong_status fail_errno(const char *format, ...) {
    (void)format;
    return PRONG_SYSTEM;
}

static void model_recover(uint32_t dead) {
    (void)dead;
}

/* --- what the processes do --- */

static const char *scripts[MODEL_THREADS];
static int choices; /* see explorer.h */
static size_t most; /* of states */
static bool full;   /* there is a message at first, and the bell is rung */
static bool renews; /* a thread makes another pipe */

/* All pipes are on one device. */
static struct bell bell_of_pipe(struct os_bell_id id) {
    return (struct bell){
        .shared = &w->bell, .generation = GENERATION, .socket = -1, .pipe = (int)id.inode - 1, .id = id};
}

static struct bell bell_of_thread(void) {
    return bell_of_pipe((struct os_bell_id){.device = 1, .inode = w->bell.inode});
}

/* As object_bell_settle; where the pipe stays, without asking whether it does. */
static void settle(struct bell *bell) {
    struct os_bell_id id, now;
    if (!renews) bell_agree(bell);
    if (!renews) return;
    do {
        id = bell_id(&w->bell);
        *bell = bell_of_pipe(id);
        bell_agree(bell);
        now = bell_id(&w->bell);
    } while (!bell_same_id(&id, &now));
}

/* As bell_hold, and then object_bell_open. */
static void renew(struct bell *bell) {
    bell_is_now(&w->bell, &(struct os_bell_id){.device = 1, .inode = 2});
    settle(bell);
}

static void put(struct bell *bell) {
    model_go_on_atomic();
    w->unrung[model_self()] = 1;
    messages_change(1);
    model_end_atomic();
    if (!bell_is_rung(&w->bell)) settle(bell); /* as object_bell_settle_up */
    w->unrung[model_self()] = 0;
}

static void take(struct bell *bell) {
    model_begin_atomic(); /* the channel's lock */
    bool taken = messages_left() > 0;
    if (taken) messages_change(-1);
    model_end_atomic();
    if (!taken || !bell_owner_ready(NULL)) settle(bell);
}

static void bury(struct bell *bell) {
    model_point();
    if (!model_is_dead(0)) return;
    takes_withdraw(&w->bell, token_of(0));
    bell_agree(bell);
    w->buried = 1;
}

static void run(int thread) {
    struct bell bell = bell_of_thread();
    for (const char *step = scripts[thread]; *step; step++) {
        if (*step == 'p') put(&bell);
        if (*step == 't') take(&bell);
        if (*step == 'b') bury(&bell);
        if (*step == 'n') renew(&bell);
    }
}

static void prepare(void) {
    arena_base = model_arena();
    arena_places = MODEL_ARENA / 64;
    w = model_arena();
    burial = &w->burial;
    w->bell.generation = GENERATION;
    w->bell.flags = BELL_HAS_PIPE;
    w->bell.device = w->bell.inode = 1;
    w->messages = w->bytes[0] = full;
    w->bell.rung = full ? RUNG : 0;
}

/* A message is without a byte only if whoever put it is stopped or dead before it has rung; then the next one that looks makes up
 * for it, as here. */
static void finish(void) {
    struct bell bell = bell_of_thread();
    bool settled = (!model_anybody_died() || w->buried) && !model_is_stopped(0);
    const _Atomic int *bytes = &w->bytes[bell.pipe];
    if (w->messages && (settled || !w->unrung[0])) model_check(*bytes > 0);
    if (settled && !choices) model_check(w->messages || *bytes == 0);
    if (settled) model_check(takes_announced(&w->bell) == 0);
    bell_agree(&bell);
    model_check((*bytes > 0) == (w->messages > 0));
}

#undef snprintf
enum fate { LIVE, DIE, STOP };

static int explore(const char *first, const char *second, const char *third, enum fate fate) {
    static const char *const fates[] = {"", ", the first may die", ", the first may stop"};
    static char name[100];
    snprintf(name, sizeof name, "bell: %s%s, %s%s%s%s%s", full ? "rung, " : "", first, second, *third ? ", " : "",
             third, fates[fate], choices ? ", a late store" : "");
    scripts[0] = first, scripts[1] = second, scripts[2] = third;
    return model_explore(&(struct model){.name = name,
                                         .threads = *third ? 3 : 2,
                                         .kills = fate == DIE,
                                         .stops = fate == STOP,
                                         .mortal = 1,
                                         .choices = choices,
                                         .most = most,
                                         .prepare = prepare,
                                         .run = run,
                                         .finish = finish});
}

/* p: puts; t: takes, or looks in vain; b: buries the first, if it is dead; n: makes the next pipe. */
static int explore_rung(const char *first, const char *second, enum fate fate) {
    full = true;
    int passed = explore(first, second, "", fate);
    full = false;
    return passed;
}

static int explore_renewed(void) {
    renews = true;
    int passed = explore("p", "n", "", STOP);
    renews = false;
    return passed;
}

/* Also what happens when the first one does not stop. */
static int explore_late(void) {
    choices = 1;
    int passed = explore("t", "p", "", STOP) + explore_rung("t", "p", STOP) + explore_renewed();
    choices = MODEL_STRONG;
    return passed;
}

static int explore_quick(void) {
    return explore("p", "ptb", "", DIE) + explore("t", "pp", "", STOP) + explore("t", "ppb", "", DIE) +
           explore("p", "btt", "", DIE) + explore("pt", "pt", "", LIVE) + explore("t", "ptp", "", STOP);
}

/* Some of them are too large to be explored to the end. */
static int explore_larger(void) {
    most = 5000000;
    int passed = explore("pp", "tt", "", LIVE) + explore("ptp", "tt", "", LIVE) + explore("tt", "pp", "", STOP) +
                 explore("tpt", "pp", "", STOP) + explore("pt", "ptp", "", STOP) + explore("pt", "ptb", "", DIE) +
                 explore("t", "t", "p", LIVE) + explore("t", "p", "p", STOP) + explore("p", "p", "t", LIVE);
    choices = 1;
    passed += explore("pt", "t", "", LIVE) + explore("p", "tp", "", LIVE);
    choices = MODEL_STRONG;
    most = 0;
    return passed;
}

static int explore_all(void) {
    int passed = explore_quick() + explore_late();
    return getenv("PRONG_MODEL_ALL") ? passed + explore_larger() : passed;
}

int main(int argc, char **argv) {
    return model_main(argc, argv, &(struct explorations){"bell", explore_all, explore_late, explore_quick});
}
