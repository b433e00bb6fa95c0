/* Values through queues and connections: as pickle, written to a scratch document and copied into the channel. */
#include "base/error.h"
#include "channel/connection.h"
#include "channel/queue.h"
#include "value/classes.h"

#include <prong/pickle.h>

static prong_status write_value(prong_value value, prong_document **scratch, prong_pickle *pickle) {
    TRY(prong_document_open(scratch, NULL));
    prong_status status = prong_pickle_dumps(*scratch, value, pickle, NULL);
    if (status < 0) prong_document_close(*scratch);
    return status;
}

/* The value owns its bytes: the message is given back. */
static prong_status message_read_value(prong_message *message, prong_document *document, prong_value *value,
                                       const prong_unpickle_options *options) {
    prong_unpickle_options copies = options ? *options : ANY_CLASS;
    copies.borrow_bytes = false;
    prong_status status = prong_pickle_loads(document, message->data, message->size, value, &copies);
    prong_message_release(message);
    return status;
}

prong_status prong_queue_put_value(prong_queue queue, prong_value value, prong_time timeout) {
    prong_document *scratch;
    prong_pickle pickle;
    TRY(write_value(value, &scratch, &pickle));
    prong_status status = prong_queue_put(queue, pickle.data, pickle.size, timeout);
    prong_document_close(scratch);
    return status;
}

prong_status prong_queue_get_value(prong_queue queue, prong_document *document, prong_value *value,
                                   prong_time timeout) {
    prong_message message;
    TRY(prong_queue_receive(queue, &message, timeout));
    return message_read_value(&message, document, value, NULL);
}

prong_status prong_connection_send_value(prong_connection connection, prong_value value, prong_time timeout) {
    prong_document *scratch;
    prong_pickle pickle;
    TRY(write_value(value, &scratch, &pickle));
    prong_status status = prong_connection_send_bytes(connection, pickle.data, pickle.size, timeout);
    prong_document_close(scratch);
    return status;
}

prong_status prong_connection_recv_value(prong_connection connection, prong_document *document, prong_value *value,
                                         const prong_unpickle_options *options, prong_time timeout) {
    prong_message message;
    TRY(prong_connection_recv_bytes(connection, 0, &message, timeout));
    return message_read_value(&message, document, value, options);
}
