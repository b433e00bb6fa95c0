/* Death at every instruction: a member is stepped through an operation by ptrace and killed after its first instruction,
 * its second, its third, … until it gets through. After each kill the family must go on: nothing stuck, nothing
 * lost that was put, nothing left over. */
#ifndef STORM_STEP_H
#define STORM_STEP_H

#include "../support/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the operation works on, in the arena, and made anew for each kill. */
struct stage {
    prong_queue queue;
    prong_connection ours, theirs;
    prong_pool pool;
    prong_message message;
    prong_share share;
    prong_supervisor supervisor;
    long before; /* messages in the queue */
    prong_lock lock;
    prong_lock rlock;
    prong_semaphore semaphore;
    prong_event event;
    prong_condition condition;
    prong_barrier barrier;
    prong_shared_value value;
    prong_queue doomed;
    pid_t helper; /* another member that takes part, and is not stepped; 0: none */
};

struct operation {
    void (*prepare)(struct stage *);
    void (*warm)(struct stage *); /* in the child, not stepped */
    void (*act)(struct stage *);  /* in the child, stepped */
    void (*verify)(struct stage *);
    int stride;                        /* kill at each so-manieth instruction, from a different first one each time */
    void (*meanwhile)(struct stage *); /* when it is dead, and not yet buried; may be NULL */
};

__attribute__((unused)) static void join_family(struct stage *stage) {
    size_t count;
    (void)stage;
    ok(prong_queue_size(stage->queue, &count, NULL));
    prong_member member;
    ok(prong_family_members(&member, 1, &count));
}

/* True when the child got through before the kill. */
static bool run_to(const struct operation *operation, struct stage *stage, long steps) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        if (operation->warm) operation->warm(stage);
        raise(SIGSTOP);
        operation->act(stage);
        raise(SIGUSR1); /* got through */
        _exit(0);
    }
    check(pid > 0 && waitpid(pid, &status, 0) == pid);
    check(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    bool through = false;
    for (long i = 0; i < steps && !through; i++) {
        check(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
        check(waitpid(pid, &status, 0) == pid);
        check(WIFSTOPPED(status));
        through = WSTOPSIG(status) == SIGUSR1;
        if (!through && WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGCHLD)
            test_failed(__FILE__, __LINE__, "stopped by %d", WSTOPSIG(status));
    }
    kill(pid, SIGKILL);
    check(waitpid(pid, &status, 0) == pid);
    return through;
}

static uint64_t used_bytes(unsigned members) {
    prong_family_state state;
    ok(prong_family_check(&state));
    equal(state.blocks_in_hand, 0);
    check(state.members <= members); /* the helper may have ended */
    return state.used_bytes;
}

static void make_stage(const struct operation *operation, struct stage *stage) {
    memset(stage, 0, sizeof *stage);
    ok(prong_queue_create(&stage->queue, NULL));
    operation->prepare(stage);
}

static void clear_stage(struct stage *stage) {
    ok(prong_queue_destroy(stage->queue));
}

/* Returns the number of kills. */
static long kill_at_strides(const struct operation *operation, int stride) {
    struct stage stage;
    uint64_t before = 0;
    long kills = 0;
    bool through = false;
    const char *from = getenv("PRONG_STEP_FROM");
    for (long steps = from ? atol(from) : 0; !through; steps += stride == 1 ? 1 : stride + kills % 3 - 1, kills++) {
        if (from) fprintf(stderr, "at instruction %ld\n", steps);
        make_stage(operation, &stage);
        through = run_to(operation, &stage, steps);
        if (operation->meanwhile) operation->meanwhile(&stage);
        used_bytes(stage.helper ? 2 : 1); /* buries it */
        operation->verify(&stage);
        clear_stage(&stage);
        uint64_t now = used_bytes(1);
        /* the first rounds may add slabs of objects, which stay */
        if (kills < 3) before = now;
        if (now > before)
            test_failed(__FILE__, __LINE__, "%lld bytes are left after a kill at instruction %ld",
                        (long long)(now - before), steps);
        check(kills < 200000);
    }
    return kills;
}

/* The number of instructions is up to the compiler and the C library: a stride that leaves room for few kills is halved.
 * PRONG_STEP_STRIDE: at least this one, for a build with counters, whose operations take many more. */
__attribute__((unused)) static void kill_everywhere(const struct operation *operation) {
    int stride = getenv("PRONG_STEP_ALL") || operation->stride == 0 ? 1 : operation->stride;
    const char *least = getenv("PRONG_STEP_STRIDE");
    if (least && stride < atoi(least)) stride = atoi(least);
    while (kill_at_strides(operation, stride) <= 20) {
        check(stride > 1);
        stride /= 2;
    }
}

#endif
