/* What prong_wait can wait for in this layer: queues, connections, descriptors, and what begins with a struct source. */
#include "base/error.h"
#include "channel/bell.h"
#include "channel/source.h"
#include "channel/connection.h"
#include "channel/queue.h"
#include "channel/sides.h"

static void channel_has_nothing(const struct waited *waited) {
    bell_after_nothing(waited->object);
}

static void channel_settle(const struct waited *waited) {
    side_settle_put(waited->object);
}

static void waited_for_channel(struct waited *waited, struct channel *channel, uint64_t offset, uint64_t generation) {
    waited->object = channel;
    waited->queue = &channel->readable;
    waited->offset = offset;
    waited->generation = generation;
    waited->nothing = channel_has_nothing;
    waited->settle = channel_settle;
}

static bool queue_source_ready(const struct waited *waited) {
    return channel_ready_to_take(waited->object) || !object_is_live(KIND_QUEUE, waited->offset, waited->generation);
}

prong_status queue_source(const prong_waitable *item, struct waited *waited) {
    struct channel *channel = queue_channel(item->queue);
    if (!channel) return PRONG_STALE;
    waited_for_channel(waited, channel, item->queue.offset, item->queue.generation);
    waited->ready = queue_source_ready;
    return PRONG_OK;
}

static bool connection_source_ready(const struct waited *waited) {
    return channel_ready_to_take(waited->object) ||
           !object_is_live(KIND_PIPE, waited->offset & ~1ull, waited->generation);
}

/* A killed process wakes nobody. */
static void connection_source_look(const struct waited *waited) {
    connection_look_at_peer((prong_connection){waited->offset, waited->generation});
}

prong_status connection_source(const prong_waitable *item, struct waited *waited) {
    struct channel *inbox;
    TRY(connection_inbox(item->connection, &inbox));
    waited_for_channel(waited, inbox, item->connection.offset, item->connection.generation);
    waited->ready = connection_source_ready;
    waited->look = connection_source_look;
    return PRONG_OK;
}

prong_status descriptor_source(const prong_waitable *item, struct waited *waited) {
    if (item->descriptor < 0) return fail(PRONG_INVALID, "descriptor %d", item->descriptor);
    waited->descriptor = item->descriptor;
    return PRONG_OK;
}

static bool link_source_ready(const struct waited *waited) {
    struct source *source = waited->object;
    return source->ready(source);
}

/* link and listener alike begin with a source */
prong_status link_source(const prong_waitable *item, struct waited *waited) {
    struct source *source = (struct source *)item->link;
    if (!source) return fail_text(PRONG_INVALID, "no link (NULL)");
    waited->descriptor = source->descriptor;
    waited->object = source;
    if (source->ready) waited->ready = link_source_ready;
    return PRONG_OK;
}
