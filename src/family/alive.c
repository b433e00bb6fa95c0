/* Which members are alive, in whatever PID namespace. */
#include "family/rows.h"

#include "os/os.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static const uint64_t LIFE_PLACES = 1ull << 61;

/* Start times are counted in ticks of 10 ms. */
static const uint64_t TICK = 20000000;

/* --- other PID namespaces ---
 *
 * A process whose parent has called unshare(CLONE_NEWPID), or setns, has one number here and another there, or none. A
 * row has the process's number in its own namespace and in its parent's. A member in a third namespace can use neither:
 * so once a family has several namespaces, each member marks a place of the arena for as long as it lives. A member
 * that has not done so and that has no number here counts as alive; otherwise what it holds would be taken from it. */

void member_note_namespace(void) {
    uint64_t first = 0;
    if (atomic_compare_exchange_strong(&arena()->first_namespace, &first, self->namespace)) return;
    if (first == self->namespace || atomic_exchange(&arena()->several_namespaces, 1)) return;
    lookout_wake_all(); /* those that sleep are to mark their places */
}

void member_mark_slow(void) {
    bool marked = false;
    if (!self_token() || self_token() & ENTERING) return;
    if (!atomic_compare_exchange_strong(&self->marked, &marked, true)) return;
    if (os_life_begin(arena_descriptor(), LIFE_PLACES + self_token()) == 0) atomic_store(&self_row()->marked, 1);
}

/* The number by which this process knows it, or 0. */
static pid_t row_pid_here(const struct member *row) {
    if (atomic_load(&row->namespace) == self->namespace) return (pid_t)atomic_load(&row->pid);
    if (atomic_load(&row->outer_namespace) == self->namespace) return (pid_t)atomic_load(&row->outer_pid);
    return 0;
}

pid_t member_pid(uint32_t token) {
    return row_pid_here(member_row(token));
}

int member_pid_shown(const struct member *row) {
    pid_t pid = row_pid_here(row);
    return (int)(pid ? pid : (pid_t)atomic_load(&row->pid));
}

static bool row_is_alive_elsewhere(const struct member *row, uint32_t token) {
    int fd = arena_descriptor();
    bool ended =
        atomic_load(&row->marked) && arena_is_meant(fd, arena()->secret) && os_life_has_ended(fd, LIFE_PLACES + token);
    return !ended || (uint32_t)atomic_load(&row->token) != token;
}

/* --- processes that are not in the table yet --- */

uint32_t member_entering_token(void) {
    return ENTERING | ((uint32_t)self->namespace & NAMESPACE_BITS) << PID_BITS | (uint32_t)getpid();
}

static bool process_alive(pid_t pid, uint64_t joined_at) {
    int pidfd = os_pidfd_open(pid);
    if (pidfd < 0) return errno != ESRCH && errno != EINVAL && kill(pid, 0) == 0;
    bool alive = !os_pidfd_ended(pidfd);
    close(pidfd);
    return alive && (joined_at == 0 || os_process_start_time(pid) <= joined_at + TICK);
}

static bool entering_is_alive(uint32_t token) {
    if ((token >> PID_BITS & NAMESPACE_BITS) != ((uint32_t)self->namespace & NAMESPACE_BITS)) return true;
    return process_alive((pid_t)(token & ((1u << PID_BITS) - 1)), 0);
}

/* --- members --- */

bool member_alive(uint32_t token) {
    if (token == self_token()) return true;
    if (token & ENTERING) return entering_is_alive(token);
    struct member *row = member_row(token);
    uint64_t state = atomic_load(&row->state);
    if ((uint32_t)atomic_load(&row->token) != token || state == MEMBER_FREE || state == MEMBER_GONE) return false;
    pid_t pid = (pid_t)atomic_load(&row->pid);
    if (pid == 0) return row->parent && member_alive((uint32_t)row->parent); /* reserved, and not yet begun */
    int before = errno;
    pid = row_pid_here(row);
    bool alive = pid ? process_alive(pid, row->joined_at) : row_is_alive_elsewhere(row, token);
    errno = before;
    return alive;
}

static bool pidfd_is_members(int pidfd, pid_t pid, uint32_t token) {
    struct member *row = member_row(token);
    uint64_t joined_at = row->joined_at;
    if (os_process_start_time(pid) > joined_at + TICK) return false;
    /* It has not ended yet, so what was read belongs to this process. The row is checked last: the pid belonged to this
     * token then. */
    return !os_pidfd_ended(pidfd) && row_pid_here(row) == pid && member_has_row(token) &&
           atomic_load(&row->state) != MEMBER_GONE;
}

int member_pidfd(uint32_t token) {
    struct member *row = member_row(token);
    pid_t pid = row_pid_here(row);
    bool begun = !(token & ENTERING) && member_has_row(token) && atomic_load(&row->pid) != 0;
    int pidfd = begun && pid > 0 ? os_pidfd_open(pid) : -1;
    if (begun && pid <= 0) errno = row_is_alive_elsewhere(row, token) ? EREMOTE : ESRCH;
    if (!begun) errno = ESRCH;
    if (pidfd < 0 || pidfd_is_members(pidfd, pid, token)) return pidfd;
    close(pidfd);
    errno = ESRCH;
    return -1;
}
