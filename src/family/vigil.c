/* Watching other members' processes in poll. */
#include "family/vigil.h"

#include "base/fork.h"
#include "base/periods.h"
#include "family/rows.h"
#include "family/seats.h"
#include "os/os.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* A member that is watched, by the number of its row. */
struct ward {
    uint32_t token; /* 0: none */
    int pidfd;
};

/* Of this process. All zero: no thread is in stage 2. */
static struct {
    uint32_t owner; /* its token; a child that was forked without the C library has that of its parent */
    int users;
    int poller;           /* over all wards; 0: none */
    uint32_t seat;        /* its number, plus 1; 0: none */
    uint32_t joined;      /* when the wards were last gone through */
    int64_t deaf_until;   /* not rung by members that join before: at most ten times a second */
    bool watches_nothing; /* as there is no lookout, or no descriptor for it */
    bool incomplete;      /* a lookout, and a member is no ward */
    struct ward wards[VIGIL_ROWS];
} vigil;

static void vigil_forget(void);
FORK_MUTEX(vigil, vigil_mutex, vigil_forget)

/* Neither a signal handler that uses the same, nor the cancellation of the thread, comes in between. */
struct vigil_hold {
    sigset_t signals;
    int cancelling;
};

static void vigil_lock(struct vigil_hold *before) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before->signals);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before->cancelling);
    pthread_mutex_lock(&vigil_mutex);
}

static void vigil_unlock(const struct vigil_hold *before) {
    int unused;
    pthread_mutex_unlock(&vigil_mutex);
    pthread_setcancelstate(before->cancelling, &unused);
    pthread_sigmask(SIG_SETMASK, &before->signals, NULL);
}

/* --- wards --- */

/* A copy in a forked child would keep it in the poller. */
static void ward_drop(struct ward *ward) {
    if (!ward->token) return;
    os_poller_remove(vigil.poller, ward->pidfd);
    close(ward->pidfd);
    *ward = (struct ward){0};
}

static bool ward_take(struct ward *ward, uint32_t token) {
    int pidfd = member_pidfd(token);
    if (pidfd < 0) return false;
    if (os_poller_add(vigil.poller, pidfd, OS_POLLER_IN, token) != 0) {
        close(pidfd);
        return false;
    }
    *ward = (struct ward){token, pidfd};
    return true;
}

/* Makes the member of that row a ward, or none if the token is 0. False: it cannot be one. */
static bool ward_become(size_t row, uint32_t token) {
    if (row >= VIGIL_ROWS || !vigil.poller) return token == 0;
    struct ward *ward = &vigil.wards[row];
    if (ward->token == token) return true;
    ward_drop(ward);
    return token == 0 || ward_take(ward, token);
}

static void wards_drop_all(void) {
    for (size_t i = 0; i < VIGIL_ROWS; i++) ward_drop(&vigil.wards[i]);
    if (vigil.poller) close(vigil.poller);
    vigil.poller = 0;
}

/* In a forked child. It must not change the poller, which is the parent's, too. */
static void vigil_forget(void) {
    for (size_t i = 0; i < VIGIL_ROWS; i++)
        if (vigil.wards[i].token) close(vigil.wards[i].pidfd);
    if (vigil.poller) close(vigil.poller);
    memset(&vigil, 0, sizeof vigil);
}

/* --- whom it watches --- */

static uint32_t row_watched_token(struct member *row) {
    uint32_t token = (uint32_t)atomic_load(&row->token);
    return atomic_load(&row->state) != MEMBER_FREE && token != self_token() ? token : 0;
}

static void vigil_watch_all(void) {
    uint32_t count = 0;
    struct member *row;
    vigil.incomplete = false;
    for (uint64_t i = 0; (row = member_row_used(i)); i++) {
        uint32_t token = row_watched_token(row);
        count += token != 0;
        if (!ward_become(i, token)) vigil.incomplete = true;
    }
    atomic_store(&lookouts()->members, count + 1);
}

static bool is_lookout(uint32_t token) {
    bool is = false;
    for (int i = 0; i < LOOKOUT_SEATS; i++) is |= atomic_load(&lookouts()->seat[i]) == token;
    return is;
}

/* Another thread of this process may have a seat, and sleep on futexes. */
static void vigil_watch_lookouts(void) {
    bool watches = false;
    for (size_t i = 0; i < VIGIL_ROWS; i++)
        if (vigil.wards[i].token && !is_lookout(vigil.wards[i].token)) ward_drop(&vigil.wards[i]);
    for (int i = 0; i < LOOKOUT_SEATS; i++) {
        uint32_t token = atomic_load(&lookouts()->seat[i]);
        if (!token) continue;
        watches |= token == self_token() || ward_become(token & (MEMBER_LIMIT - 1), token);
    }
    vigil.watches_nothing = !watches;
}

/* --- its seat --- */

/* How this thread is told that it may take a seat: of any member's, or only when its own member gives up the one that it has. */
static uint32_t vigil_seat_sign(void) {
    enum seat_hope hope = seat_hope();
    return hope == HOPE_ANY ? WATCH_SEATS : hope == HOPE_OWN ? WATCH_MATE : 0;
}

/* A ring may have come to this thread just as it took a seat by itself. */
static void vigil_take_seat(struct watch *watch) {
    int seat = seat_take();
    if (seat < 0) {
        uint32_t sign = vigil_seat_sign();
        watch_add_signs(watch, sign);
        seat = seat_take();
        if (seat >= 0) {
            watch_drop_signs(watch, sign);
            seats_offer();
        }
    }
    vigil.seat = (uint32_t)(seat + 1);
}

/* The seat may be another member's by now, if this process seemed to have ended. */
static bool vigil_has_seat(void) {
    if (vigil.seat && atomic_load(&lookouts()->seat[vigil.seat - 1]) != self_token()) vigil.seat = 0;
    return vigil.seat != 0;
}

/* --- sleeping --- */

/* The order matters: a member that joins after the wards were gone through finds the sign. */
static prong_time lookout_prepares(struct watch *watch) {
    int64_t now = clock_now();
    uint32_t joined = atomic_load(&lookouts()->joined);
    if (joined != vigil.joined) vigil.deaf_until = now + DEAD_NAP;
    vigil.joined = joined;
    bool deaf = now < vigil.deaf_until;
    if (!deaf) watch_add_signs(watch, WATCH_JOINS);
    vigil_watch_all();
    prong_time nap = vigil.incomplete ? DEAD_NAP : lookout_long_nap();
    return deaf && vigil.deaf_until - now < nap ? vigil.deaf_until - now : nap;
}

static prong_time other_prepares(void) {
    vigil_watch_lookouts();
    return vigil.watches_nothing ? DEAD_NAP : lookout_long_nap();
}

/* A child that was forked in the middle of the sleep, by a handler or a runtime's hook, begins anew. */
static void vigil_own(void) {
    if (vigil.owner == self_token()) return;
    vigil_forget();
    vigil.owner = self_token();
}

deadline_t vigil_prepare(struct watch *watch, deadline_t deadline, int *descriptor) {
    struct vigil_hold before;
    vigil_lock(&before);
    vigil_own();
    if (!vigil.poller) {
        int poller = os_poller_create();
        vigil.poller = poller < 0 ? 0 : poller;
    }
    if (!vigil_has_seat()) vigil_take_seat(watch);
    prong_time nap = vigil.seat ? lookout_prepares(watch) : other_prepares();
    *descriptor = vigil.poller ? vigil.poller : -1;
    vigil_unlock(&before);
    if (watchers_are_deaf()) nap = DEAD_NAP;
    return deadline_within(deadline, nap);
}

/* Takes the token of a ward that has ended; 0: there is none. */
static uint32_t ward_take_ended(void) {
    struct os_poller_event event;
    struct vigil_hold before;
    uint32_t token = 0;
    vigil_lock(&before);
    vigil_own();
    if (vigil.poller && os_poller_wait(vigil.poller, &event, 1, 0) == 1) {
        token = (uint32_t)event.tag;
        ward_become(token & (MEMBER_LIMIT - 1), 0);
    }
    vigil_unlock(&before);
    return token;
}

void vigil_look(bool in_vain) {
    uint32_t token;
    while ((token = ward_take_ended()) != 0) member_bury_if_dead(token);
    if (in_vain) lookout_bury_silent();
}

void vigil_begin(void) {
    struct vigil_hold before;
    vigil_lock(&before);
    vigil_own();
    vigil.users++;
    vigil_unlock(&before);
}

/* Other threads of this process may stay. They watch as before, until they wake up; then one of them takes a seat again, if no
 * other member has taken it. */
void vigil_end(void) {
    struct vigil_hold before;
    vigil_lock(&before);
    vigil_own();
    int seat = (int)vigil.seat - 1;
    vigil.seat = 0;
    if (vigil.users > 0) vigil.users--;
    if (vigil.users == 0) wards_drop_all();
    vigil_unlock(&before);
    seat_leave(seat);
}
