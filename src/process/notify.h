/* Telling systemd, or another service manager with its protocol, how this service is: sd_notify(3). */
#ifndef PROCESS_NOTIFY_H
#define PROCESS_NOTIFY_H

#include "base/deadline.h"

#include <prong/status.h>

struct notifier {
    int socket;          /* -1: nobody is to be told */
    prong_time period;   /* of the watchdog's messages; 0: none */
    deadline_t watchdog; /* when the next one is due */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Without the first, nobody is to be told, and all calls here do
 * nothing. Pair with notify_end. Errors: PRONG_INVALID (the socket's name), PRONG_SYSTEM, PRONG_NOT_FOUND, … (nobody
 * listens there), PRONG_NO_MEMORY. */
prong_status notify_begin(struct notifier *notifier);
void notify_end(struct notifier *notifier);
/* Lines NAME=value, with a newline between them. */
__attribute__((format(printf, 2, 3))) void notify_send(const struct notifier *notifier, const char *format, ...);
/* Tells the watchdog that this process is well, if that is due. Returns when it is due next. */
deadline_t notify_watchdog(struct notifier *notifier);

#endif
