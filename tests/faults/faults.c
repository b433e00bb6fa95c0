/* The trials of a scenario: each in a process of its own, with a limit of time, and nothing left behind. */
#define _GNU_SOURCE
#include "faults.h"
#include "base/error.h"
#include "inject.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_SECONDS = 30, SHOWN_MAX = 12, CHOICES = 4, EXCUSES_IN_CHILDREN = 6, WRONG = 98 };
static const char SENTINEL[] = "no message was given";

/* What is there when a scenario has ended. */
struct remains {
    int descriptors, held;
    uint64_t objects, blocks, in_hand;
};

/* Shared with the process that is tried. */
static struct trial {
    struct fault_plan plan;
    struct remains remains;
    bool ended; /* it came to the end of the scenario */
    int excused;
    char wrong[700];
} * trial;

/* --- in the process that is tried --- */

void fault_begin(void) {
    fail_text(PRONG_OK, SENTINEL);
    trial->plan.on = true;
}

static bool is_running_out(prong_status status) {
    return status == PRONG_NO_MEMORY || status == PRONG_NO_DESCRIPTORS || status == PRONG_NO_PROCESSES;
}

/* The status says what happened. What failed in another process, or has been tried over, may come as another. */
static bool status_fits(prong_status status) {
    const struct fault_plan *plan = &trial->plan;
    if (plan->kind != FAULT_SYSTEM && plan->mode != FAULT_IN_CHILDREN) return status == PRONG_NO_MEMORY;
    if (status == PRONG_STALE || status == PRONG_INVALID) return false;
    if (plan->mode != FAULT_ONCE) return true;
    switch (plan->error) {
    case EINTR: return false; /* no failure at all */
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOSPC:
    case EAGAIN: return is_running_out(status) || status == PRONG_START_FAILED; /* in a fork server, perhaps */
    default: return true;
    }
}

bool fault_end(prong_status status, const char *file, int line, const char *call) {
    struct fault_plan *plan = &trial->plan;
    const char *message = prong_error_message();
    plan->on = false;
    if (plan->fired && plan->mode == FAULT_TO_THE_END) plan->spent = true;
    if (!status) return false;
    if (plan->mode == FAULT_IN_CHILDREN && plan->fired && trial->excused == EXCUSES_IN_CHILDREN)
        exit(0); /* what another process did, or could not, is not undone by calling again */
    int excuses = plan->mode == FAULT_IN_CHILDREN ? EXCUSES_IN_CHILDREN : 1;
    if (!plan->fired || trial->excused >= excuses)
        fault_wrong(file, line, "%s fails%s: %s: %s", call, trial->excused ? " again" : "", prong_status_name(status),
                    message);
    trial->excused++;
    if (!*message || !strcmp(message, SENTINEL))
        fault_wrong(file, line, "%s fails without a message: %s", call, prong_status_name(status));
    if (!status_fits(status))
        fault_wrong(file, line, "%s fails otherwise than it may: %s: %s", call, prong_status_name(status), message);
    return true;
}

void fault_wrong(const char *file, int line, const char *format, ...) {
    const char *name = strrchr(file, '/');
    int size = snprintf(trial->wrong, sizeof(trial->wrong), "%s:%d: ", name ? name + 1 : file, line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(trial->wrong + size, sizeof(trial->wrong) - (size_t)size, format, arguments);
    va_end(arguments);
    _exit(WRONG);
}

void fault_unheld(const char *file, int line, const char *condition) {
    if (trial->plan.mode != FAULT_IN_CHILDREN || !trial->plan.fired) fault_wrong(file, line, "%s", condition);
    exit(0);
}

static void measure(struct remains *remains) {
    prong_family_state state;
    if (prong_family_check(&state) < 0) fault_wrong(__FILE__, __LINE__, "%s", prong_error_message());
    *remains = (struct remains){.descriptors = test_open_descriptors(),
                                .held = trial->plan.held,
                                .objects = state.objects,
                                .blocks = state.used_blocks,
                                .in_hand = state.blocks_in_hand};
}

static void run_tried(const struct scenario *scenario) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    setpgid(0, 0); /* a signal to all of its group is its own alone */
    const char *factor = getenv("TEST_TIME_FACTOR");
    signal(SIGALRM, SIG_DFL); /* Check's handler would kill the whole test */
    alarm(LIMIT_SECONDS * (unsigned)(factor ? atoi(factor) : 1));
    if (!(scenario->modes & WITHOUT_FAMILY) &&
        prong_family_create(&(prong_family_options){.arena_size = 128 << 20}) < 0)
        abort();
    trial->plan.pid = getpid();
    fault_plan = &trial->plan;
    scenario->run();
    if (trial->plan.mode == FAULT_IN_CHILDREN) fault_plan = NULL;
    measure(&trial->remains);
    trial->ended = true;
    exit(0);
}

/* --- in the test --- */

static int shown, tried, fired;

static const char *kind_of(const struct fault_plan *plan) {
    return plan->kind == FAULT_MALLOC ? "malloc" : plan->kind == FAULT_ARENA ? "the arena" : "the system";
}

static void show(const struct scenario *scenario, const struct fault_plan *plan, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void show(const struct scenario *scenario, const struct fault_plan *plan, const char *format, ...) {
    static const char *const modes[] = {"", ", with all that follow", ", in a child"};
    if (++shown > SHOWN_MAX && !getenv("PRONG_FAULTS")) return;
    fprintf(stderr, "%s: call %d of %s (%s: %s%s; %d:%d:%d:%d): ", scenario->name, plan->nth, kind_of(plan),
            *plan->where ? plan->where : "none", plan->error ? strerror(plan->error) : "none", modes[plan->mode],
            plan->kind, plan->mode, plan->nth, plan->choice);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

/* Those that the tried process started end with it; how many do not, which are killed then. */
static int leave_none(void) {
    for (int i = 0; i < 300; i++) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {}
        if (pid < 0 && errno == ECHILD) return 0;
        test_sleep_ms(i < 20 ? 1 : 10);
    }
    char path[64];
    int count = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *children = fopen(path, "r");
    for (int pid; children && fscanf(children, "%d", &pid) == 1; count++) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    if (children) fclose(children);
    return count ? count : -1;
}

static void compare(const struct scenario *scenario, const struct remains *base) {
    const struct remains *now = &trial->remains;
    if (now->descriptors > base->descriptors)
        show(scenario, &trial->plan, "%d descriptors are left open", now->descriptors - base->descriptors);
    if (now->held > base->held) show(scenario, &trial->plan, "%d blocks of malloc leak", now->held - base->held);
    if (now->objects > base->objects)
        show(scenario, &trial->plan, "%d objects are left", (int)(now->objects - base->objects));
    if (now->blocks > base->blocks)
        show(scenario, &trial->plan, "%d blocks of the arena leak", (int)(now->blocks - base->blocks));
    if (now->in_hand > base->in_hand) show(scenario, &trial->plan, "messages are left in hand");
}

/* One trial. base: what is left without a fault; NULL: this is to be that. */
static void try_one(const struct scenario *scenario, struct fault_plan plan, const struct remains *base) {
    int status = 0;
    int64_t begun = test_now();
    memset(trial, 0, sizeof(*trial));
    trial->plan = plan;
    pid_t pid = fork();
    if (pid < 0) test_failed(__FILE__, __LINE__, "fork");
    if (pid == 0) run_tried(scenario);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (*trial->wrong)
        show(scenario, &trial->plan, "%s", trial->wrong);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        show(scenario, &trial->plan, "it hangs");
    else if (WIFSIGNALED(status))
        show(scenario, &trial->plan, "it is killed: %s", strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        show(scenario, &trial->plan, "it ends with code %d", WEXITSTATUS(status));
    tried++;
    fired += trial->plan.fired > 0;
    int left = leave_none();
    if (getenv("PRONG_FAULTS") && test_now() - begun > PRONG_SECONDS(3))
        fprintf(stderr, "%s %d:%d:%d:%d (%s) takes %d ms\n", scenario->name, plan.kind, plan.mode, plan.nth,
                plan.choice, trial->plan.where, (int)((test_now() - begun) / PRONG_MS(1)));
    if (left) show(scenario, &trial->plan, "%d processes are left", left);
    if (base && trial->ended) compare(scenario, base);
    if (!base && !trial->ended) test_failed(__FILE__, __LINE__, "%s: fails without a fault", scenario->name);
}

/* How many trials of a kind and mode. PRONG_FAULTS: another number, or "all", with each error that a call may end with. A
 * trial takes a millisecond, and where processes are started some fifty. */
static int most_trials(const struct scenario *scenario) {
    const char *most = getenv("PRONG_FAULTS");
    if (most) return strcmp(most, "all") ? atoi(most) : INT_MAX;
    return scenario->modes & TRY_IN_CHILDREN ? 40 : 200;
}

static bool each_error(const struct scenario *scenario) {
    const char *most = getenv("PRONG_FAULTS");
    return scenario->modes & EACH_ERROR || (most && !strcmp(most, "all"));
}

static void try_all(const struct scenario *scenario, enum fault_kind kind, enum fault_mode mode) {
    struct fault_plan plan = {.kind = kind, .mode = mode};
    try_one(scenario, plan, NULL);
    int calls = trial->plan.count, choices = kind == FAULT_SYSTEM && each_error(scenario) ? CHOICES : 1;
    int most = most_trials(scenario), stride = calls > most ? (calls + most - 1) / most : 1;
    struct remains base = trial->remains;
    for (plan.nth = 1; plan.nth <= calls; plan.nth += stride)
        for (int i = 0; i < choices; i++) {
            plan.choice = choices > 1 ? i : plan.nth; /* in turn */
            try_one(scenario, plan, &base);
        }
}

/* PRONG_FAULTS_ONLY=kind:mode:nth:choice, as a failure is shown: that one trial. */
static bool try_named(const struct scenario *scenario) {
    const char *only = getenv("PRONG_FAULTS_ONLY");
    int kind, mode;
    struct fault_plan plan = {0};
    if (!only || sscanf(only, "%d:%d:%d:%d", &kind, &mode, &plan.nth, &plan.choice) != 4) return false;
    try_one(scenario, plan, NULL);
    struct remains base = trial->remains;
    plan.kind = (enum fault_kind)kind;
    plan.mode = (enum fault_mode)mode;
    sscanf(only, "%*d:%*d:%d", &plan.nth);
    try_one(scenario, plan, &base);
    fprintf(stderr, "%s: %d calls failed: %s\n", scenario->name, trial->plan.fired, trial->plan.where);
    return true;
}

void faults_try(const struct scenario *scenario) {
    trial = mmap(NULL, sizeof(*trial), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (trial == MAP_FAILED) test_failed(__FILE__, __LINE__, "mmap");
    if (!try_named(scenario))
        for (int kind = FAULT_MALLOC; kind <= FAULT_SYSTEM; kind++)
            for (int mode = FAULT_ONCE; mode <= FAULT_IN_CHILDREN; mode++)
                if (scenario->modes & 1 << mode) try_all(scenario, (enum fault_kind)kind, (enum fault_mode)mode);
    if (getenv("PRONG_FAULTS")) fprintf(stderr, "%s: %d trials, something fails in %d\n", scenario->name, tried, fired);
    if (shown) test_failed(__FILE__, __LINE__, "%s: %d trials end badly", scenario->name, shown);
}
