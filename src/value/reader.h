/* Reading a pickle slice by slice, for a caller that serves others in between. */
#ifndef VALUE_READER_H
#define VALUE_READER_H

#include <prong/pickle.h>

struct pickle_reader;

/* As prong_pickle_loads; data and document must live as long as the reader, what options point to too. */
prong_status pickle_reader_open(struct pickle_reader **reader, prong_document *document, const void *data, size_t size,
                                const prong_unpickle_options *options);
/* Reads on for a millisecond or so; more only for what is large in itself (a text, a list's items). PRONG_TIMEOUT: there is more
 * to read. Else it is over, with the value or an error as of prong_pickle_loads; also one opcode that takes too long is
 * PRONG_TOO_LONG. */
prong_status pickle_reader_go(struct pickle_reader *reader, prong_value *value);
/* NULL is allowed. */
void pickle_reader_close(struct pickle_reader *reader);

#endif
