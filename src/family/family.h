/* The family room's own part of the public interface. */
#ifndef FAMILY_FAMILY_H
#define FAMILY_FAMILY_H

#include <prong/family.h>

#define PRONG_ARENA_LEAST (64ull << 20)

#endif
