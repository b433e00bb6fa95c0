/* Sending and receiving on a link: the calls that wait. */
#include "net/link.h"

#include "base/error.h"
#include "net/frame.h"
#include "os/os.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

prong_status link_wait(prong_link *link, short events, deadline_t deadline, const char *what) {
    struct pollfd poll_one = {.fd = link->source.descriptor, .events = events};
    int ready = os_poll(&poll_one, 1, deadline);
    if (ready > 0 || (ready < 0 && errno == EINTR && !wait_cancelled)) return PRONG_OK;
    if (ready < 0 && errno != EINTR) return fail_errno("link to %s: poll", link->address);
    return fail(PRONG_TIMEOUT, "link to %s: %s in the time given", link->address, what);
}

/* --- sending --- */

/* If nothing of a message was sent, all is as if it had not been tried. */
static prong_status link_give_up_sending(prong_link *link, bool untouched, prong_status status) {
    if (untouched) {
        link->out.start = link->out.end;
        return status;
    }
    link->state = LINK_CUT;
    if (status != PRONG_TIMEOUT) return fail_again(status, "in the middle of a message, and the link is cut");
    return fail(status, "link to %s: time was up in the middle of a message; the link is cut", link->address);
}

prong_status prong_link_send_bytes(prong_link *link, const void *data, size_t size, prong_time timeout) {
    TRY(check_bytes(data, size, "link send: data"));
    deadline_t deadline = deadline_after(timeout);
    INTERRUPTIBLE;
    if (link->state == LINK_CUT) return fail(PRONG_BROKEN, "link to %s: it was cut", link->address);
    size_t before = link_unwritten(link);
    prong_status status = link_put(link, data, size);
    bool untouched = before == 0 && link_unwritten(link) == size + (size > INT32_MAX ? FRAME_LONG : FRAME_SHORT);
    while (status == PRONG_TIMEOUT) {
        status = link_wait(link, POLLOUT, deadline, "no room to send");
        if (status < 0) return link_give_up_sending(link, untouched, status);
        size_t left = link_unwritten(link);
        status = link_flush(link);
        if (link_unwritten(link) < left) untouched = false;
    }
    return status;
}

prong_status prong_link_send_value(prong_link *link, prong_value value, prong_time timeout) {
    prong_document *scratch;
    prong_pickle pickle;
    prong_pickle_options options = {.protocol = 4};
    TRY(prong_document_open(&scratch, NULL));
    prong_status status = prong_pickle_dumps(scratch, value, &pickle, &options);
    if (status >= 0) status = prong_link_send_bytes(link, pickle.data, pickle.size, timeout);
    prong_document_close(scratch);
    return status;
}

/* --- receiving --- */

/* Whether there is something to receive: data, end-of-file, or a failure. */
static bool link_has_come(void *link) {
    return link_fill(link) != PRONG_TIMEOUT;
}

static prong_status link_wait_and_fill(prong_link *link, deadline_t deadline) {
    const char *what = link_begins_as_tls(link)
                           ? "what came is TLS, which this side does not speak, and no message came"
                           : "no message came";
    TRY(link_wait(link, link->wants_write ? POLLOUT : POLLIN, deadline, what));
    return link_fill(link);
}

prong_status link_receive(prong_link *link, size_t maxlength, const void **data, size_t *size, prong_time timeout) {
    prong_status status = link_take(link, maxlength, data, size);
    if (status != PRONG_TIMEOUT) return status;
    deadline_t deadline = deadline_after(timeout);
    INTERRUPTIBLE;
    bool came = deadline == PRONG_NOWAIT ? link_has_come(link) : spin(&link->spin, link_has_come, link);
    while (status == PRONG_TIMEOUT) {
        if (!came) {
            status = link_wait_and_fill(link, deadline);
            if (status == PRONG_TIMEOUT && !deadline_passed(deadline)) continue;
            if (status < 0) return status;
        }
        came = false;
        status = link_take(link, maxlength, data, size);
    }
    return status;
}

/* From here on the message belongs to its holder; the link continues after it. */
static prong_message link_lend(prong_link *link, const void *data, size_t size) {
    prong_message message = loan_lend(&link->in.buffer->loan, (void *)(uintptr_t)data, size);
    link_give_back(link);
    return message;
}

prong_status prong_link_recv_bytes(prong_link *link, size_t maxlength, prong_message *message, prong_time timeout) {
    const void *data;
    size_t size;
    prong_status status = link_receive(link, maxlength, &data, &size, timeout);
    if (status >= 0) *message = link_lend(link, data, size);
    if (status == PRONG_TOO_LONG) *message = (prong_message){.size = size};
    return status;
}

prong_status prong_link_recv_bytes_into(prong_link *link, void *buffer, size_t capacity, size_t *size,
                                        prong_time timeout) {
    const void *data;
    size_t length;
    TRY(check_bytes(buffer, capacity, "link recv: buffer"));
    prong_status status = link_receive(link, 0, &data, &length, timeout);
    if (size && (status >= 0 || status == PRONG_TOO_LONG)) *size = length;
    if (status < 0) return status;
    if (length > capacity) {
        link->lent = 0; /* it stays */
        return fail(PRONG_TOO_LONG, "a message of %zu bytes in a buffer of %zu", length, capacity);
    }
    if (length) memcpy(buffer, data, length);
    link_give_back(link);
    return PRONG_OK;
}

/* The value owns its bytes: the message's memory is used again. */
prong_status prong_link_recv_value(prong_link *link, prong_document *document, prong_value *value,
                                   const prong_unpickle_options *options, prong_time timeout) {
    const void *data;
    size_t size;
    prong_unpickle_options copies = options ? *options : (prong_unpickle_options){0};
    TRY(link_receive(link, 0, &data, &size, timeout));
    copies.borrow_bytes = false;
    prong_status status = prong_pickle_loads(document, data, size, value, &copies);
    link_give_back(link);
    return status;
}

prong_status prong_link_poll(prong_link *link, prong_time timeout) {
    if (link_has_message(&link->source) || link->in.end > link->in.start) return PRONG_OK;
    INTERRUPTIBLE;
    return link_wait(link, POLLIN, deadline_after(timeout), "nothing to receive");
}
