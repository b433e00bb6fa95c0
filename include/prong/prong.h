/* prong: process-based parallelism for C. This header includes all the others.
 *
 * Common rules. They hold for every header, unless it says otherwise.
 *
 * Handles (prong_queue, prong_lock, …) are plain structs of two numbers. A
 * handle names the same object in every member of the family: copy it, put it
 * into a struct, pass it in a process's argument, send it through a queue. When
 * the object is destroyed its handles are stale: later calls, and calls that
 * wait, return PRONG_STALE; no call ever touches another object instead.
 *
 * Calls are thread-safe, and may be made by every member of the family and by
 * forked children.
 *
 * Options are structs. All zero is the default, and so is NULL. `reserved` is
 * zero.
 *
 * Signal handlers. A handler may call prong_event_set, prong_semaphore_release,
 * and prong_queue_put with PRONG_NOWAIT. It may also make other calls on an
 * object of the family (a queue, lock, condition, shared value, memory); such a
 * call returns PRONG_DEADLOCK if the handler interrupted its own thread inside
 * of what the call needs. Calls that start processes or programs, submit to
 * pools, open links, or make documents use malloc, and are as unsafe in a
 * handler as malloc is. prong_interrupt ends the wait that the signal has
 * interrupted. Each header says which of its calls a handler may make.
 *
 * Functions of the program that the library calls: targets, tasks,
 * initializers, callbacks, progress, generators, predicates, actions. The
 * library holds no lock of its own while one runs. Each header says which calls
 * they may make. */
#ifndef PRONG_PRONG_H
#define PRONG_PRONG_H

#include <prong/barrier.h>
#include <prong/completed.h>
#include <prong/condition.h>
#include <prong/connection.h>
#include <prong/container.h>
#include <prong/event.h>
#include <prong/everywhere.h>
#include <prong/family.h>
#include <prong/format.h>
#include <prong/interrupt.h>
#include <prong/job.h>
#include <prong/link.h>
#include <prong/link_options.h>
#include <prong/listener.h>
#include <prong/lock.h>
#include <prong/make.h>
#include <prong/manager.h>
#include <prong/message.h>
#include <prong/object.h>
#include <prong/open_job.h>
#include <prong/pickle.h>
#include <prong/pool.h>
#include <prong/popen.h>
#include <prong/process.h>
#include <prong/progress.h>
#include <prong/proxy.h>
#include <prong/queue.h>
#include <prong/runtime.h>
#include <prong/semaphore.h>
#include <prong/server.h>
#include <prong/share.h>
#include <prong/shared_memory.h>
#include <prong/shared_value.h>
#include <prong/start.h>
#include <prong/status.h>
#include <prong/stream.h>
#include <prong/subprocess.h>
#include <prong/supervisor.h>
#include <prong/target.h>
#include <prong/task_options.h>
#include <prong/time.h>
#include <prong/type.h>
#include <prong/value.h>
#include <prong/version.h>
#include <prong/wait.h>
#include <prong/work.h>
#include <prong/worker.h>

#endif
