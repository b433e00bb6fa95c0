/* What other rooms give prong_wait to wait for: a descriptor, with perhaps something already read from it. */
#ifndef CHANNEL_SOURCE_H
#define CHANNEL_SOURCE_H

#include <stdbool.h>

/* The first member of what a prong_waitable of kind PRONG_WAIT_LINK or PRONG_WAIT_LISTENER points to. */
struct source {
    int descriptor;
    bool (*ready)(struct source *source); /* without looking at the descriptor; NULL: only that counts */
};

#endif
