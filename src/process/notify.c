/* The environment that a service manager gives, and its watchdog's times. */
#include "process/notify.h"

#include "base/error.h"
#include "os/os.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Half of the time after which the manager takes this process for hung; 0: it does not watch, or watches another. */
static prong_time notify_period(char *const *environment) {
    const char *limit = os_environment_value(environment, "WATCHDOG_USEC");
    const char *pid = os_environment_value(environment, "WATCHDOG_PID");
    if (!limit || (pid && atoll(pid) != (long long)getpid())) return 0;
    long long microseconds = atoll(limit);
    return microseconds > 0 && microseconds < PRONG_FOREVER / 1000 ? microseconds * 1000 / 2 : 0;
}

static prong_status notify_open(struct notifier *notifier, const char *address) {
    notifier->socket = os_notify_open(address);
    if (notifier->socket >= 0) return PRONG_OK;
    if (errno == EINVAL)
        return fail(PRONG_INVALID, "NOTIFY_SOCKET '%.110s' is neither a path nor an abstract name of a socket",
                    address);
    return fail_errno("NOTIFY_SOCKET '%s'", address);
}

prong_status notify_begin(struct notifier *notifier) {
    struct os_environment environment = {0};
    *notifier = (struct notifier){.socket = -1, .watchdog = PRONG_FOREVER};
    if (os_environment_copy(&environment, NULL) != 0) return fail_errno("environment for NOTIFY_SOCKET");
    const char *address = os_environment_value(environment.entries, "NOTIFY_SOCKET");
    prong_status status = address && *address ? notify_open(notifier, address) : PRONG_OK;
    notifier->period = notifier->socket >= 0 ? notify_period(environment.entries) : 0;
    if (notifier->period) notifier->watchdog = clock_now();
    os_environment_free(&environment);
    return status;
}

void notify_end(struct notifier *notifier) {
    if (notifier->socket >= 0) close(notifier->socket);
    notifier->socket = -1;
}

void notify_send(const struct notifier *notifier, const char *format, ...) {
    char text[512];
    va_list arguments;
    if (notifier->socket < 0) return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    os_notify_send(notifier->socket, text);
}

deadline_t notify_watchdog(struct notifier *notifier) {
    int64_t now = notifier->period ? clock_now() : 0;
    if (!notifier->period || now < notifier->watchdog) return notifier->watchdog;
    notify_send(notifier, "WATCHDOG=1");
    return notifier->watchdog = now + notifier->period;
}
