/* prong: process-based parallelism for C. This header takes in all the others.
 *
 * Signal handlers. A handler may call prong_event_set, prong_semaphore_release,
 * and prong_queue_put with PRONG_NOWAIT. Any other call on an object of the
 * family (a queue, lock, condition, shared value, memory) returns as well, with
 * PRONG_DEADLOCK if the handler interrupted its own thread inside of what the
 * call needs. Calls that start processes or programs, submit to pools, open
 * links, or make documents use malloc, and are as unsafe in a handler as malloc
 * is. prong_interrupt ends the wait that the signal has interrupted. Each
 * header tells what holds for its calls.
 *
 * Functions of the program's own that the library calls: targets, tasks,
 * initializers, callbacks, progress, generators, predicates, actions. The
 * library holds no lock of its own while one runs. What each may call stands in
 * its header. */
#ifndef PRONG_PRONG_H
#define PRONG_PRONG_H

#include <prong/barrier.h>
#include <prong/condition.h>
#include <prong/connection.h>
#include <prong/container.h>
#include <prong/event.h>
#include <prong/family.h>
#include <prong/format.h>
#include <prong/interrupt.h>
#include <prong/job.h>
#include <prong/link.h>
#include <prong/listener.h>
#include <prong/lock.h>
#include <prong/make.h>
#include <prong/manager.h>
#include <prong/object.h>
#include <prong/pickle.h>
#include <prong/pool.h>
#include <prong/popen.h>
#include <prong/process.h>
#include <prong/progress.h>
#include <prong/queue.h>
#include <prong/runtime.h>
#include <prong/semaphore.h>
#include <prong/server.h>
#include <prong/shared_memory.h>
#include <prong/shared_value.h>
#include <prong/start.h>
#include <prong/status.h>
#include <prong/subprocess.h>
#include <prong/time.h>
#include <prong/value.h>
#include <prong/version.h>
#include <prong/wait.h>
#include <prong/work.h>

#endif
