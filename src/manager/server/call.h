/* One call of a method: its arguments, and its outcome. */
#ifndef MANAGER_SERVER_CALL_H
#define MANAGER_SERVER_CALL_H

#include "manager/server/session.h"

/* What a prong_call does not show. */
struct prong_call_inner {
    struct prong_server *server;
    struct session *session;
    struct managed *object;
    const char *returns;
    /* unraised: there was no memory for the exception */
    enum { CALL_OPEN, CALL_RETURNED, CALL_RAISED, CALL_UNRAISED, CALL_PROXY, CALL_PARKED } outcome;
    prong_value result; /* or the exception */
    void *made;         /* CALL_PROXY */
};

prong_call call_begin(struct prong_call_inner *inner, const char *method, prong_value arguments, prong_value keywords);

/* Binds arguments and keywords to names: "item =block timeout". Those before the '=' are needed; the others are `absent`
 * if not given. On failure TypeError has been raised. */
prong_status call_bind(prong_call *call, const char *names, prong_value *values);
static inline bool is_absent(prong_value value) {
    return (value.head & 0xff) == 0xfd;
}
bool is_true(prong_value value);
__attribute__((format(printf, 3, 4))) prong_status call_raise(prong_call *call, const char *name, const char *format,
                                                              ...);
prong_status call_raise_value(prong_call *call, const char *name, prong_value argument);
prong_status call_return_bool(prong_call *call, bool truth);
prong_status call_return_none(prong_call *call);
/* Returns a stored item, as it is now. */
prong_status call_return_item(prong_call *call, prong_value item);
/* The timeout argument: absent or None means forever. Raises an exception for what is not a timeout. */
prong_status call_timeout(prong_call *call, prong_value timeout, deadline_t *deadline);
prong_status call_index(prong_call *call, prong_value value, int64_t *index);

/* Parks the call's session in a list until it is resumed or its time is up. */
prong_status call_park(prong_call *call, struct waiters *waiters, deadline_t deadline,
                       void (*timed_out)(struct session *), void (*gone)(struct session *));
/* For call_park: the call returns False. */
void call_resume_false(struct session *session);

#endif
