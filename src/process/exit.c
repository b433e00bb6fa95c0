/* The end of a process: what a child runs between its first and last instruction of ours, and what a parent does
 * before it exits. */
#define _GNU_SOURCE
#include "process/exit.h"

#include "base/error.h"
#include "channel/connection.h"
#include "family/waiter.h"
#include "os/os.h"
#include "process/children.h"

#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <unistd.h>

static const prong_time DAEMONS_END_WITHIN = PRONG_SECONDS(2);

static prong_process settled; /* what child_settle has noted; of the parent's copy in what the host forks */
static _Atomic int registered;
static uint64_t returned; /* 256 | the target's result, once it has returned */

/* --- at exit --- */

enum { BATCH = 64 };

static void exit_end_daemons(const prong_process *children, size_t count) {
    deadline_t deadline = deadline_after(DAEMONS_END_WITHIN);
    for (size_t i = 0; i < count; i++)
        if (process_is_daemon(children[i])) prong_process_signal(children[i], SIGTERM);
    for (size_t i = 0; i < count; i++) {
        if (!process_is_daemon(children[i])) continue;
        int64_t left = deadline - clock_now();
        if (prong_process_join(children[i], left > 0 ? left : PRONG_NOWAIT) != PRONG_TIMEOUT) continue;
        prong_process_signal(children[i], SIGKILL);
        prong_process_join(children[i], DAEMONS_END_WITHIN);
    }
}

/* --- a circle of processes each of which ends after the next ---
 *
 * A process waits for another's end while its main thread joins it without a time limit, or while it exits and joins it as
 * its child. */

enum { CIRCLE_MOST = 64, CIRCLE_LOOKS = 2 };
static const prong_time CIRCLE_LOOK_EVERY = PRONG_MS(200);

struct awaited_search {
    uint32_t token, awaited; /* awaited: 0 until it is found */
};

static void circle_match_awaited(struct waiter *waiter, void *context) {
    struct awaited_search *search = context;
    uint64_t who = atomic_load(&waiter->who), object = atomic_load(&waiter->object);
    uint32_t limit = atomic_load(&waiter->limit);
    if (who >> 32 != search->token || !object || limit == WAITER_LIMITED) return;
    bool main_thread = (uint32_t)who == (uint32_t)atomic_load(&member_row(search->token)->pid);
    struct process *process = arena_at(object);
    if ((main_thread || limit == WAITER_EXITING) && !process_has_exited(process))
        search->awaited = (uint32_t)atomic_load(&process->token);
}

/* Whether the child's end waits, over whatever others, for this process's end or for itself. */
static bool circle_closes(uint32_t token) {
    uint32_t seen[CIRCLE_MOST];
    for (int count = 0; count < CIRCLE_MOST && token && member_alive(token); count++) {
        if (token == self_token()) return true;
        for (int i = 0; i < count; i++)
            if (seen[i] == token) return true;
        seen[count] = token;
        struct awaited_search search = {token, 0};
        waiters_each(circle_match_awaited, &search);
        token = search.awaited;
    }
    return false;
}

/* Two looks, as a wait may just be ending. */
static void exit_join_or_leave(prong_process child) {
    struct process *process;
    if (process_find(child, &process)) return;
    uint32_t token = (uint32_t)atomic_load(&process->token);
    struct waiter *waiter = waiter_begin(process);
    if (waiter) atomic_store(&waiter->limit, WAITER_EXITING);
    for (int looks = 0; looks < CIRCLE_LOOKS && prong_process_join(child, CIRCLE_LOOK_EVERY) == PRONG_TIMEOUT;) {
        looks = circle_closes(token) ? looks + 1 : 0;
        if (looks == CIRCLE_LOOKS) child_leave_behind(child);
    }
    waiter_end(waiter);
}

/* The last thing: one that is killed before that has ended by the signal. */
static void exit_say_code(void) {
    struct process *process = process_of_self();
    if (process && returned) atomic_store(&process->said_code, returned);
}

/* A child that only reads its streams needs no copies of the pages that they are in. */
static bool stdout_lost, stderr_lost;

static void stream_drop(FILE *stream, bool *lost) {
    *lost = os_stream_is_lost(stream);
    if (__fpending(stream) > 0) __fpurge(stream);
}

void exit_drop_streams(void) {
    stream_drop(stdout, &stdout_lost);
    stream_drop(stderr, &stderr_lost);
}

static void stream_flush(FILE *stream, bool lost) {
    if (!lost && __fpending(stream) > 0) fflush(stream);
}

void exit_children(void) {
    prong_process children[BATCH];
    size_t count;
    if (self_token() == 0) return;
    INTERRUPTS_HELD;
    stream_flush(stdout, stdout_lost); /* what we said comes before what our ending makes others say */
    member_leaving();
    upward_exit();
    connections_drop_all();
    while ((count = children_list(children, BATCH)) > 0) {
        if (count > BATCH) count = BATCH;
        exit_end_daemons(children, count);
        for (size_t i = 0; i < count; i++) exit_join_or_leave(children[i]);
    }
    exit_say_code();
}

prong_status exit_prepare(void) {
    if (atomic_exchange(&registered, 1)) return PRONG_OK;
    if (atexit(exit_children) == 0) return PRONG_OK;
    atomic_store(&registered, 0);
    return fail(PRONG_NO_MEMORY, "no room for an exit handler");
}

/* --- in the child --- */

prong_status child_settle(struct process *process, any_function **function) {
    if (process->pointer) /* forked: same addresses */
        *function = process->pointer;
    else if (process->method == PRONG_START_SPAWN) { /* a fork server has done it before */
        prong_status status = function_resolve(&process->function, function);
        if (status < 0) return status;
    }
    settled = (prong_process){arena_offset(process), object_generation(process)};
    uint64_t unknown = 0; /* its parent's number for it, where that is another, comes before its own */
    if (!process_settle(process)) return fail_text(PRONG_STALE, "the start was given up");
    atomic_compare_exchange_strong(&process->pid, &unknown, (uint64_t)getpid());
    process_notify_begun(process);
    return PRONG_OK;
}

int child_run(struct process *process, any_function *function) {
    void *argument = process->argument ? arena_at(process->argument) : NULL;
    if (process->ways & PROCESS_UNBLOCKS) {
        os_signal_unblock(SIGTERM);
        os_signal_unblock(SIGINT);
    }
    int code = ((prong_target *)(void *)function)(argument, process->argument_size);
    if (runtime.after_target) code = runtime.after_target(code);
    returned = 256u | (code & 0xff);
    return code & 0xff;
}

/* What a forked child finds in the buffers of other streams is its parent's to write. */
_Noreturn void child_exit(int code) {
    struct process *process = process_of_self();
    exit_children();
    if (process && process->method == PRONG_START_FORK) {
        stream_flush(stdout, stdout_lost);
        stream_flush(stderr, stderr_lost);
    } else {
        fflush(NULL);
    }
    _exit(code);
}

struct process *process_of_self(void) {
    if (!object_is_live(KIND_PROCESS, settled.offset, settled.generation)) return NULL;
    struct process *process = arena_at(settled.offset);
    return self_token() && atomic_load(&process->token) == self_token() ? process : NULL;
}
