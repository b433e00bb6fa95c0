/* Shares as objects. */
#ifndef CHANNEL_SHARE_H
#define CHANNEL_SHARE_H

#include "family/object.h"

enum { KIND_SHARE = 14 };
extern const struct object_type share_type;

#endif
