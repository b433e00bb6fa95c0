/* The framing of messages on a stream, as in multiprocessing.connection: the length, signed, in 4 bytes, the most
 * significant first, then the bytes of the message; a length of -1 is followed by the true one in 8 bytes. */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include <prong/status.h>
#include <stddef.h>

enum { FRAME_SHORT = 4, FRAME_LONG = 12 }; /* sizes of a header */

/* Its size is returned. */
size_t frame_write(unsigned char header[FRAME_LONG], size_t size);
/* The length of the message that begins with these bytes. PRONG_TIMEOUT: more of the header is needed, FRAME_SHORT and
 * then FRAME_LONG bytes; PRONG_INVALID: no message begins so (the caller says where it is from). */
prong_status frame_read(const void *begun, size_t have, size_t *header, size_t *size);

#endif
