/* Status names and texts, and the per-thread message of the last failure. */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/interrupt.h"
#include "base/local.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct local_slot message_slot;
static QUICK_LOCAL const char *current = ""; /* the thread's message, or a fixed text */

const char *prong_status_name(prong_status status) {
    switch (status) {
#define NAME(name, number, text)                                                                                       \
    case name: return #name;
        PRONG_STATUSES(NAME)
#undef NAME
    }
    return "PRONG_UNKNOWN";
}

const char *prong_status_text(prong_status status) {
    switch (status) {
#define TEXT(name, number, text)                                                                                       \
    case name: return text;
        PRONG_STATUSES(TEXT)
#undef TEXT
    }
    return "not a prong status";
}

const char *prong_error_message(void) {
    return current;
}

/* If a signal has ended the call's wait, the call was interrupted: it did not time out. */
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

/* Writes the thread's own message. If there is no memory for it, the format string is the message. */
static char *message_write(const char *format, va_list arguments) {
    char *message = local_memory(&message_slot, MESSAGE_SIZE);
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

/* A fixed text need not be copied; the thread's own message is overwritten by the next one. */
void message_keep(struct kept_message *kept) {
    kept->current = current;
    snprintf(kept->text, sizeof kept->text, "%s", current);
}

void message_put_back(struct kept_message *kept) {
    char *own = local_memory(&message_slot, MESSAGE_SIZE);
    current = kept->current;
    if (own && current == own) memcpy(own, kept->text, MESSAGE_SIZE);
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
