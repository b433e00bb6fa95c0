/* System calls answered with an error from now on, in this process and its children: an older kernel, or a sandbox. */
#ifndef TESTS_SUPPORT_REFUSE_H
#define TESTS_SUPPORT_REFUSE_H

#include <stdbool.h>

/* Where argument is not below 0, only calls with this value as that argument. False where it cannot be done. */
bool refuse_call(int number, int argument, unsigned value, int error);

#endif
