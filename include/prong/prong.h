/* prong: process-based parallelism for C. This header takes in all the others. */
#ifndef PRONG_PRONG_H
#define PRONG_PRONG_H

#include <prong/barrier.h>
#include <prong/condition.h>
#include <prong/connection.h>
#include <prong/event.h>
#include <prong/family.h>
#include <prong/link.h>
#include <prong/lock.h>
#include <prong/manager.h>
#include <prong/pickle.h>
#include <prong/pool.h>
#include <prong/process.h>
#include <prong/progress.h>
#include <prong/queue.h>
#include <prong/runtime.h>
#include <prong/semaphore.h>
#include <prong/shared_memory.h>
#include <prong/status.h>
#include <prong/subprocess.h>
#include <prong/time.h>
#include <prong/value.h>
#include <prong/shared_value.h>
#include <prong/wait.h>

#endif
