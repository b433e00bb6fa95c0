/* Status names and texts, and the per-thread message of the last failure. */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/interrupt.h"
#include "base/local.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_SIZE = 640 };
static _Thread_local const char *current = ""; /* the thread's message, or a fixed text */

static const struct {
    const char *name, *text;
} statuses[] = {
    [PRONG_OK] = {"PRONG_OK", "success"},
    [PRONG_INVALID] = {"PRONG_INVALID", "invalid argument"},
    [PRONG_STALE] = {"PRONG_STALE", "the handle is of no live object of this family"},
    [PRONG_TIMEOUT] = {"PRONG_TIMEOUT", "the time given has passed"},
    [PRONG_FULL] = {"PRONG_FULL", "the queue is full"},
    [PRONG_EMPTY] = {"PRONG_EMPTY", "the queue is empty"},
    [PRONG_CLOSED] = {"PRONG_CLOSED", "the object is closed"},
    [PRONG_EOF] = {"PRONG_EOF", "the other end is gone"},
    [PRONG_BROKEN_PIPE] = {"PRONG_BROKEN_PIPE", "nobody holds the other end"},
    [PRONG_TOO_LONG] = {"PRONG_TOO_LONG", "the message is too long"},
    [PRONG_NO_MEMORY] = {"PRONG_NO_MEMORY", "no memory left"},
    [PRONG_NO_DESCRIPTORS] = {"PRONG_NO_DESCRIPTORS", "no file descriptors left"},
    [PRONG_NO_PROCESSES] = {"PRONG_NO_PROCESSES", "no further process can be started"},
    [PRONG_NO_MAIN] = {"PRONG_NO_MAIN", "main() does not call prong_main()"},
    [PRONG_NO_FUNCTION] = {"PRONG_NO_FUNCTION", "the function is not in the child's image"},
    [PRONG_NOT_STARTED] = {"PRONG_NOT_STARTED", "the process has not been started"},
    [PRONG_ALREADY_STARTED] = {"PRONG_ALREADY_STARTED", "the process was started before"},
    [PRONG_NOT_CHILD] = {"PRONG_NOT_CHILD", "not a child of this process"},
    [PRONG_STILL_RUNNING] = {"PRONG_STILL_RUNNING", "still running"},
    [PRONG_START_FAILED] = {"PRONG_START_FAILED", "the child did not reach its target"},
    [PRONG_OWNER_DIED] = {"PRONG_OWNER_DIED", "taken over from a process that died"},
    [PRONG_WORKER_DIED] = {"PRONG_WORKER_DIED", "the worker died while it ran the task"},
    [PRONG_TASK_FAILED] = {"PRONG_TASK_FAILED", "the task failed"},
    [PRONG_TASK_TIMEOUT] = {"PRONG_TASK_TIMEOUT", "the task ran longer than its limit"},
    [PRONG_CANCELLED] = {"PRONG_CANCELLED", "the task was cancelled"},
    [PRONG_POOL_BROKEN] = {"PRONG_POOL_BROKEN", "the pool cannot run tasks"},
    [PRONG_NOT_RUNNING] = {"PRONG_NOT_RUNNING", "the pool is not running"},
    [PRONG_NOT_OWNER] = {"PRONG_NOT_OWNER", "not held by the caller"},
    [PRONG_BROKEN] = {"PRONG_BROKEN", "the barrier is broken"},
    [PRONG_NOT_FOUND] = {"PRONG_NOT_FOUND", "there is no such thing"},
    [PRONG_EXISTS] = {"PRONG_EXISTS", "it exists already"},
    [PRONG_COMMAND_FAILED] = {"PRONG_COMMAND_FAILED", "the program did not succeed"},
    [PRONG_REMOTE_ERROR] = {"PRONG_REMOTE_ERROR", "the call failed on the server"},
    [PRONG_DEADLOCK] = {"PRONG_DEADLOCK", "the call would wait for what only the caller can do"},
    [PRONG_INTERRUPTED] = {"PRONG_INTERRUPTED", "a signal's handler has ended the wait"},
    [PRONG_PERMISSION] = {"PRONG_PERMISSION", "not permitted"},
    [PRONG_SYSTEM] = {"PRONG_SYSTEM", "the system reports a failure"},
};

static int known(prong_status status) {
    return (unsigned)status < sizeof statuses / sizeof *statuses;
}

const char *prong_status_name(prong_status status) {
    return known(status) ? statuses[status].name : "PRONG_UNKNOWN";
}

const char *prong_status_text(prong_status status) {
    return known(status) ? statuses[status].text : "not a prong status";
}

const char *prong_error_message(void) {
    return current;
}

/* Where a signal has ended the call's wait, that is why its time was up. */
static bool is_interrupted(prong_status status) {
    if (__builtin_expect(!interruption.ended, 1)) return false;
    if (status != PRONG_TIMEOUT && status != PRONG_EMPTY && status != PRONG_FULL) return false;
    interruption.told = true;
    current = "a signal's handler has ended the wait (prong_interrupt)";
    return true;
}

prong_status fail_text(prong_status status, const char *text) {
    if (is_interrupted(status)) return PRONG_INTERRUPTED;
    current = text;
    return status;
}

/* The thread's own message, written. Without memory for it, the format has to do. */
static char *message_write(const char *format, va_list arguments) {
    char *message = local_memory(LOCAL_MESSAGE, MESSAGE_SIZE);
    if (message) vsnprintf(message, MESSAGE_SIZE, format, arguments);
    current = message ? message : format;
    return message;
}

static void message_append(char *message, const char *text) {
    if (!message) return;
    size_t used = strlen(message);
    snprintf(message + used, MESSAGE_SIZE - used, ": %.*s", (int)(MESSAGE_SIZE - used), text);
}

prong_status fail(prong_status status, const char *format, ...) {
    if (is_interrupted(status)) return PRONG_INTERRUPTED;
    va_list arguments;
    va_start(arguments, format);
    message_write(format, arguments);
    va_end(arguments);
    return status;
}

static prong_status status_of_errno(int number) {
    switch (number) {
    case ENOMEM:
    case ENOSPC: return PRONG_NO_MEMORY;
    case EMFILE:
    case ENFILE: return PRONG_NO_DESCRIPTORS;
    case EAGAIN: return PRONG_NO_PROCESSES;
    case EPERM:
    case EACCES: return PRONG_PERMISSION;
    case EINVAL: return PRONG_INVALID;
    case ENOENT:
    case ENOTDIR: return PRONG_NOT_FOUND;
    case E2BIG: return PRONG_TOO_LONG;
    case EEXIST: return PRONG_EXISTS;
    default: return PRONG_SYSTEM;
    }
}

prong_status fail_errno(const char *format, ...) {
    int number = errno;
    va_list arguments;
    va_start(arguments, format);
    message_append(message_write(format, arguments), strerror(number));
    va_end(arguments);
    return status_of_errno(number);
}

prong_status fail_again(prong_status status, const char *format, ...) {
    char before[MESSAGE_SIZE];
    snprintf(before, sizeof before, "%s", current);
    va_list arguments;
    va_start(arguments, format);
    message_append(message_write(format, arguments), before);
    va_end(arguments);
    return status;
}
