#ifndef TESTS_POOL_TASKS_H
#define TESTS_POOL_TASKS_H

#include <prong/prong.h>

PRONG_API prong_value_task add, square, whoami, sleep_for, die, put;
PRONG_API prong_value_target begin_at; /* what whoami tells from then on; less than 0: ends with that code */
PRONG_API prong_range twice, write_on; /* the latter writes for as long as its worker lives */
PRONG_API prong_task length;

#endif
