/* The part of the public interface that this layer defines. */
#ifndef FAMILY_FAMILY_H
#define FAMILY_FAMILY_H

#include <prong/family.h>

#define PRONG_ARENA_LEAST (64ull << 20)

#endif
