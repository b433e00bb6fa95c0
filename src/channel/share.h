/* Shares as objects. */
#ifndef CHANNEL_SHARE_H
#define CHANNEL_SHARE_H

#include "family/object.h"

#include <prong/share.h>

enum { KIND_SHARE = 14 };
extern const struct object_type share_type;

/* Whether its creator has closed it or has died, or it is gone: a hint to who keeps it in case it is used again. */
bool share_is_left(prong_share share);

#endif
