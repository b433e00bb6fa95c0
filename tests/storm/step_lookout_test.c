/* A lookout is killed at many an instruction, another one in each run, of taking its seat, and of leaving it; the other lookout dies at the same time. A third
 * thread, which sleeps in stage 2 (src/family/lookout.h), still learns of a death in time.
 *
 * Linked with --wrap for syscall. */
#define _GNU_SOURCE
#include "step.h"
#include "wakeups.h"

#include <stdarg.h>
#include <sys/syscall.h>

enum { FUTEX_WAITV = 449, IN_STAGE_2_MS = 250, IDLE = 12, KILLS_LEAST = 10 };

enum phase { NOT_STEPPED, TAKES, LEAVES };
static enum phase phase; /* of the process that is stepped */

/* The sleep as a lookout: the process leaves its seat right after it. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...) {
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(arguments, long);
    va_end(arguments);
    if (number != FUTEX_WAITV || phase == NOT_STEPPED)
        return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (phase == LEAVES) raise(SIGSTOP);
    prong_interrupt();
    errno = EINTR;
    return -1;
}

struct scene {
    prong_lock lock;
    prong_event never, held;
    pid_t holder, lookout, stepped, sleeper;
};

/* --- who takes part --- */

static pid_t start_member(void (*run)(struct scene *), struct scene *scene) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    prong_member member;
    size_t count;
    ok(prong_family_members(&member, 1, &count));
    run(scene);
    _exit(0);
}

static void is_idle(struct scene *scene) {
    (void)scene;
    pause();
}

static void holds(struct scene *scene) {
    ok(prong_lock_acquire(scene->lock, PRONG_FOREVER));
    ok(prong_event_set(scene->held));
    pause();
}

static void looks_out(struct scene *scene) {
    check(prong_event_wait(scene->never, PRONG_FOREVER) < 0);
}

static void learns(struct scene *scene) {
    is(prong_lock_acquire(scene->lock, PRONG_FOREVER), PRONG_OWNER_DIED);
    ok(prong_lock_release(scene->lock));
}

static enum phase next_phase;

/* The first wait is stage 1, the second one stage 2 from the beginning. */
static void is_stepped(struct scene *scene) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    is(prong_event_wait(scene->never, PRONG_MS(150)), PRONG_TIMEOUT);
    phase = next_phase;
    if (phase == TAKES) raise(SIGSTOP);
    check(prong_event_wait(scene->never, PRONG_SECONDS(60)) < 0);
    phase = NOT_STEPPED;
    raise(SIGUSR1); /* got through */
}

/* --- stepping --- */

static void await_stop(pid_t pid) {
    int status;
    check(waitpid(pid, &status, 0) == pid);
    check(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
}

static bool step_through(pid_t pid, long steps) {
    int status;
    for (long i = 0; i < steps; i++) {
        check(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
        check(waitpid(pid, &status, 0) == pid);
        check(WIFSTOPPED(status));
        if (WSTOPSIG(status) == SIGUSR1) return true;
    }
    return false;
}

static void start_sleeper(struct scene *scene) {
    scene->sleeper = start_member(learns, scene);
    test_sleep_ms(IN_STAGE_2_MS);
}

static void kill_member(pid_t pid) {
    kill(pid, SIGKILL);
    check(waitpid(pid, NULL, 0) == pid);
}

/* All at once; none is reaped before the sleeper knows. */
static int64_t known_after_all_die(struct scene *scene) {
    int status;
    int64_t before = test_now();
    kill(scene->stepped, SIGKILL);
    kill(scene->lookout, SIGKILL);
    kill(scene->holder, SIGKILL);
    check(waitpid(scene->sleeper, &status, 0) == scene->sleeper && status == 0);
    int64_t took = test_now() - before;
    kill_member(scene->stepped);
    kill_member(scene->lookout);
    kill_member(scene->holder);
    return took;
}

/* True when it got through before the kill. */
static bool dies_after(struct scene *scene, long steps) {
    ok(prong_event_clear(scene->held));
    scene->holder = start_member(holds, scene);
    scene->lookout = start_member(looks_out, scene);
    ok(prong_event_wait(scene->held, PRONG_SECONDS(20)));
    scene->stepped = start_member(is_stepped, scene);
    await_stop(scene->stepped);
    if (next_phase == LEAVES) start_sleeper(scene);
    bool through = step_through(scene->stepped, steps);
    if (next_phase == TAKES) start_sleeper(scene);
    check_within(known_after_all_die(scene), PRONG_SECONDS(2));
    return through;
}

/* From a different first instruction in each run. */
static long kill_at(struct scene *scene, int stride) {
    long kills = 0;
    for (long steps = getpid() % stride; !dies_after(scene, steps); kills++) steps += stride + kills % 3 - 1;
    return kills;
}

/* Members that are idle make naps longer than what is measured. */
static void dies_everywhere(enum phase which, int stride) {
    struct scene scene;
    pid_t idle[IDLE];
    next_phase = which;
    ok(prong_lock_create(&scene.lock, NULL));
    ok(prong_event_create(&scene.never, NULL));
    ok(prong_event_create(&scene.held, NULL));
    for (int i = 0; i < IDLE; i++) idle[i] = start_member(is_idle, &scene);
    while (kill_at(&scene, stride) < KILLS_LEAST && stride > 2) stride /= 2;
    for (int i = 0; i < IDLE; i++) kill_member(idle[i]);
    ok(prong_lock_destroy(scene.lock));
    ok(prong_event_destroy(scene.never));
    ok(prong_event_destroy(scene.held));
    test_arena_is_clean(0);
}

LONG_TEST(a_death_is_known_when_one_that_takes_a_seat_dies, 240) {
    dies_everywhere(TAKES, 397);
}

LONG_TEST(a_death_is_known_when_one_that_leaves_a_seat_dies, 240) {
    dies_everywhere(LEAVES, 97);
}
