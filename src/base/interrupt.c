#include "base/interrupt.h"

bool (*interrupt_hook)(void);
_Thread_local bool wait_cancelled;
