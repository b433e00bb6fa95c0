#include "base/interrupt.h"

QUICK_LOCAL bool wait_cancelled;
QUICK_LOCAL struct interruption interruption;

void prong_interrupt(void) {
    interruption.pending = 1;
    atomic_signal_fence(memory_order_seq_cst);
    interruption.limit = (struct timespec){0};
}

void prong_clear_interrupt(void) {
    interruption.pending = 0;
    wait_cancelled = false;
}

/* The call is over. If its wait succeeded all the same, the interrupt is left for the next one. */
void interrupt_settle(void) {
    if (interruption.told) interruption.pending = 0;
    interruption.ended = interruption.told = wait_cancelled = false;
}

void interrupt_forget(void) {
    interruption = (struct interruption){0};
    wait_cancelled = false;
}
