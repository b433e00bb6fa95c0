/* Interrupt: a signal ends the wait of the thread that handles it.
 *
 * A call that waits goes on waiting when a signal handler has returned. For a
 * handler to end the wait, it calls prong_interrupt; the call then returns
 * PRONG_INTERRUPTED:
 *
 *     static void on_sigint(int number) { prong_interrupt(); }
 *     ...
 *     sigaction(SIGINT, &(struct sigaction){.sa_handler = on_sigint}, NULL);
 *     prong_status status = prong_queue_get(queue, buffer, sizeof buffer,
 * &size, PRONG_FOREVER); if (status == PRONG_INTERRUPTED) ...
 *
 * No signal is lost: one that comes before the wait begins ends it as well, at
 * once. SA_RESTART makes no difference.
 *
 * It is the wait of the thread in which the handler runs. The system runs the
 * handler of a signal to the process in any thread that does not block it:
 * block it in all threads but the one that waits (pthread_sigmask), or send it
 * to that thread (pthread_kill). The library's own threads block all signals.
 *
 * What can be interrupted: every call with a timeout (but those of runtime.h),
 * and prong_pool_destroy. What cannot, and goes on to its end: calls that start
 * or create something, prong_manager_start and prong_manager_shutdown, closing
 * a job, the end of the process. The state after PRONG_INTERRUPTED is that
 * after PRONG_TIMEOUT: nothing was taken or put, a barrier is broken, a job
 * that the call itself has submitted is cancelled, a program that it has
 * started is killed, a lock's state is as before, and a condition's lock is
 * held again. Calls of a manager's objects differ: each waits for the server's
 * answer, even with PRONG_NOWAIT; the server may have done what was asked, and
 * takes back the locks that the thread had there. */
#ifndef PRONG_INTERRUPT_H
#define PRONG_INTERRUPT_H

#include <prong/export.h>

PRONG_BEGIN_DECLS

/* Ends one wait of the calling thread: that which the handler has interrupted,
 * or else its next. A call with PRONG_NOWAIT does not wait, and one that finds
 * what it wants at once succeeds; both leave it to the next wait. Calls before
 * that wait count as one. Async-signal-safe. A forked child begins without. */
PRONG_API void prong_interrupt(void);

/* Takes it back: the calling thread's next wait is an ordinary one.
 * Async-signal-safe. */
PRONG_API void prong_clear_interrupt(void);

PRONG_END_DECLS

#endif
