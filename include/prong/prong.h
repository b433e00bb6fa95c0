/* prong: process-based parallelism for C. This header takes in all the others. */
#ifndef PRONG_PRONG_H
#define PRONG_PRONG_H

#include <prong/connection.h>
#include <prong/family.h>
#include <prong/pool.h>
#include <prong/process.h>
#include <prong/progress.h>
#include <prong/queue.h>
#include <prong/status.h>
#include <prong/time.h>
#include <prong/wait.h>

#endif
