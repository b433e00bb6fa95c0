/* The bell (src/family: bell, bells, bell_hold): when all is quiet, there is a byte in the pipe exactly if there is a message. If one that takes
 * dies at any point, there is a byte if there is a message; and once the dead one is buried, all is as if it had lived. The channel
 * is a number of messages, the pipe one of bytes, each changed in one step. */
#define BELL_LEFT_OVER_AFTER 0
#include "surroundings.h"

#include <signal.h>
#include <unistd.h>

#include "instrument.h"
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
    _Atomic int messages, bytes;
    int buried;
    struct burial burial;
};

static struct world_of_bell *w;

/* --- the channel --- */

bool bell_owner_ready(struct object_bell *shared) {
    (void)shared;
    model_point();
    return w->messages > 0;
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

void os_bell_put(int fd) {
    (void)fd;
    model_point();
    w->bytes++;
}

void os_bell_take(int fd, uint32_t count) {
    (void)fd;
    model_point();
    w->bytes -= (int)count < w->bytes ? (int)count : w->bytes;
}

uint32_t os_bell_bytes(int fd) {
    (void)fd;
    model_point();
    return (uint32_t)w->bytes;
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
static enum bell_care
    in_vain; /* who dies while it takes what is left over is followed by its burial, which is not shown here */

static struct bell bell_of_thread(void) {
    return (struct bell){.shared = &w->bell, .generation = GENERATION, .socket = -1};
}

static void put(struct bell *bell) {
    model_point();
    w->messages++;
    if (!bell_bytes_counted(&w->bell)) bell_agree(bell, BELL_QUICKLY);
}

static void take(struct bell *bell) {
    model_point();
    if (w->messages == 0) {
        bell_agree(bell, in_vain);
        return;
    }
    w->messages--;
    if (!bell_owner_ready(NULL)) bell_agree(bell, BELL_QUICKLY);
}

static void bury(struct bell *bell) {
    model_point();
    if (!model_is_dead(0)) return;
    bell_agree(bell, BELL_AFTER_DEATH);
    w->buried = 1;
}

static void run(int thread) {
    struct bell bell = bell_of_thread();
    for (const char *step = scripts[thread]; *step; step++) {
        if (*step == 'p') put(&bell);
        if (*step == 't') take(&bell);
        if (*step == 'b') bury(&bell);
    }
}

static void prepare(void) {
    arena_base = model_arena();
    arena_places = MODEL_ARENA / 64;
    w = model_arena();
    burial = &w->burial;
    w->bell.generation = GENERATION;
    w->bell.flags = BELL_HAS_PIPE;
}

static void finish(void) {
    bool settled = !model_anybody_died() || w->buried;
    if (w->messages && (settled || *scripts[0] == 't')) model_check(w->bytes > 0);
    if (settled) model_check(w->messages || w->bytes == 0);
}

static int explore(const char *first, const char *second, const char *third, int mortal) {
    static char name[100];
    name[0] = 0;
    for (const char *part[] = {"bell: ", first, ", ", second, ", ", third, mortal ? ", the first may die" : "", NULL},
                    **p = part;
         *p; p++)
        strcat(name, *p);
    in_vain = mortal ? BELL_QUICKLY : BELL_THOROUGHLY;
    scripts[0] = first, scripts[1] = second, scripts[2] = third;
    return model_explore(&(struct model){.name = name,
                                         .threads = *third ? 3 : 2,
                                         .kills = mortal ? 1 : 0,
                                         .mortal = mortal,
                                         .prepare = prepare,
                                         .run = run,
                                         .finish = finish});
}

/* p: puts; t: takes, or looks in vain; b: buries the first, if it is dead. */
int main(void) {
    int passed = 0;
    passed += explore("pp", "tt", "", 0);
    passed += explore("pt", "pt", "", 0);
    passed += explore("ptp", "tt", "", 0);
    passed += explore("t", "pp", "", 1);
    passed += explore("tt", "pp", "", 1);
    passed += explore("tpt", "pp", "", 1);
    passed += explore("p", "ptb", "", 1);
    passed += explore("t", "ppb", "", 1);
    passed += explore("pt", "ptb", "", 1);
    passed += explore("p", "btt", "", 1);
    if (getenv("PRONG_MODEL_ALL")) {
        passed += explore("t", "t", "p", 0);
        passed += explore("t", "p", "p", 1);
        passed += explore("p", "p", "t", 0);
    }
    printf("%d passed, 0 failed\n", passed);
    return 0;
}
