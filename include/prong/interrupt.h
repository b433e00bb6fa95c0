/* Interrupt: a signal ends the wait of the thread that handles it.
 *
 * A call that waits goes on waiting when a signal handler has returned. A
 * handler that calls prong_interrupt ends the wait: the call returns
 * PRONG_INTERRUPTED.
 *
 *     static void on_sigint(int number) { prong_interrupt(); }
 *     ...
 *     sigaction(SIGINT, &(struct sigaction){.sa_handler = on_sigint}, NULL);
 *     status = prong_queue_get(queue, data, sizeof data, &size, PRONG_FOREVER);
 *     if (status == PRONG_INTERRUPTED) ...
 *
 * No signal is lost: one that arrives just before the wait begins ends it at
 * once. SA_RESTART makes no difference.
 *
 * Only the thread that runs the handler is interrupted. A signal sent to the
 * process is handled by any thread that does not block it. So block the signal
 * in all threads but the one that waits (pthread_sigmask), or send it to that
 * thread (pthread_kill). The library's own threads block all signals.
 *
 * What can be interrupted: every call with a timeout (but those of runtime.h),
 * and prong_pool_destroy. What cannot, and goes on to its end: calls that start
 * or create something, prong_manager_start and prong_manager_shutdown, closing
 * a job, the end of the process. After PRONG_INTERRUPTED the state is the same
 * as after PRONG_TIMEOUT: nothing was taken or put, a barrier is broken, a job
 * that the call itself has submitted is cancelled, a program that it has
 * started is killed, a lock's state is as before, and a condition's lock is
 * held again. Calls by proxy differ: each waits for the server's answer, even
 * with PRONG_NOWAIT. The server may have done what was asked, and it releases
 * the locks that the thread held there. */
#ifndef PRONG_INTERRUPT_H
#define PRONG_INTERRUPT_H

#include <prong/export.h>

PRONG_BEGIN_DECLS

/* Ends one wait of the calling thread: the one that the handler has
 * interrupted, or else its next one. A call that need not wait (PRONG_NOWAIT,
 * or what it wants is there) is not affected, and leaves the interrupt for the
 * next wait. Several interrupts before that wait count as one.
 * Async-signal-safe. A forked child begins with none. */
PRONG_API void prong_interrupt(void);

/* Withdraws an interrupt that has ended no wait yet: the calling thread's next
 * wait is an ordinary one. Async-signal-safe. */
PRONG_API void prong_clear_interrupt(void);

PRONG_END_DECLS

#endif
