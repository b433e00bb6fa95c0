/* The table of this process's doorbells. A descriptor is readable if its channel is not empty: it is rung when
 * something comes while it is armed, and silenced and armed again only by a look that finds nothing. */
#include "channel/doorbell.h"

#include "base/error.h"
#include "base/fork_mutex.h"
#include "family/member.h"
#include "os/os.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct doorbell {
    struct channel *channel;
    struct doorbell *next;
    int fd, slot;
    uint32_t address;
};

_Atomic int doorbells_open;
static struct doorbell *doorbells;

/* The parent's doorbells are not the child's: their slots belong to the parent's row. */
static void forget_in_child(void) {
    for (struct doorbell *bell; (bell = doorbells);) {
        doorbells = bell->next;
        close(bell->fd);
        free(bell);
    }
    atomic_store(&doorbells_open, 0);
}

FORK_MUTEX(mutex, forget_in_child)

static struct doorbell **find(struct channel *channel) {
    struct doorbell **at = &doorbells;
    while (*at && (*at)->channel != channel) at = &(*at)->next;
    return at;
}

static void settle(struct doorbell *bell) {
    if (channel_ready_to_take(bell->channel)) return;
    os_doorbell_silence(bell->fd);
    waitq_arm(&bell->channel->readable, bell->slot);
    if (channel_ready_to_take(bell->channel)) os_doorbell_ring(bell->address);
}

static prong_status make(struct channel *channel, struct doorbell **made) {
    struct doorbell *bell = malloc(sizeof *bell);
    if (!bell) return fail(PRONG_NO_MEMORY, "no memory for a descriptor's entry");
    *bell = (struct doorbell){.channel = channel, .next = doorbells};
    bell->fd = os_doorbell_create(&bell->address);
    if (bell->fd < 0) {
        free(bell);
        return fail_errno("no descriptor to wait on");
    }
    bell->slot = waitq_watch(&channel->readable, bell->address);
    if (bell->slot < 0) {
        close(bell->fd);
        free(bell);
        return fail(PRONG_NO_MEMORY, "%d processes have a descriptor for this object already", WATCHERS);
    }
    doorbells = *made = bell;
    atomic_fetch_add(&doorbells_open, 1);
    if (channel_ready_to_take(channel)) os_doorbell_ring(bell->address);
    settle(bell);
    return PRONG_OK;
}

prong_status doorbell_open(struct channel *channel, int *descriptor) {
    prong_status status = PRONG_OK;
    mutex_prepare();
    pthread_mutex_lock(&mutex);
    struct doorbell *bell = *find(channel);
    if (!bell) status = make(channel, &bell);
    if (!status) *descriptor = bell->fd;
    pthread_mutex_unlock(&mutex);
    return status;
}

void doorbell_close(struct channel *channel) {
    pthread_mutex_lock(&mutex);
    struct doorbell **at = find(channel), *bell = *at;
    if (bell) {
        *at = bell->next;
        waitq_unwatch(&channel->readable, bell->slot);
        close(bell->fd);
        free(bell);
        atomic_fetch_sub(&doorbells_open, 1);
    }
    pthread_mutex_unlock(&mutex);
}

void doorbell_settle_slow(struct channel *channel) {
    pthread_mutex_lock(&mutex);
    struct doorbell *bell = *find(channel);
    if (bell) settle(bell);
    pthread_mutex_unlock(&mutex);
}
