/* Documents: memory taken piece by piece and given back all at once. NULL in place of a document is malloc, for what
 * is freed piece by piece (a manager's containers). */
#ifndef VALUE_DOCUMENT_H
#define VALUE_DOCUMENT_H

#include <prong/value.h>

/* A piece got from the system; the document's bytes follow. */
struct chunk {
    struct chunk *next;
    size_t size;
};

struct prong_document {
    char *at, *end;               /* what is left of the newest chunk */
    struct chunk *chunks, *spare; /* in use; kept from before the last reset, the largest first */
    size_t taken, limit;          /* bytes in use; 0: no limit */
    size_t next_size;             /* of the next chunk */
    bool fixed;                   /* on somebody else's memory: takes no chunks */
};

/* A document on memory of the caller's, which never grows: what does not fit fails. */
void document_on(prong_document *document, void *memory, size_t size);
void document_close(prong_document *document);

void *document_take_slow(prong_document *document, size_t size);

/* size bytes aligned to 8, or NULL with the failure recorded. */
static inline void *document_take(prong_document *document, size_t size) {
    size = (size + 7) & ~(size_t)7;
    if (document && size <= (size_t)(document->end - document->at)) {
        void *memory = document->at;
        document->at += size;
        return memory;
    }
    return document_take_slow(document, size);
}

/* The memory moved to more room, its first `old` bytes kept; in place where it is the newest of the document. */
void *document_grow(prong_document *document, void *memory, size_t old, size_t size);
/* Gives back what came from document_take; of a document nothing happens, unless it was the last thing taken. */
void document_drop(prong_document *document, void *memory, size_t size);
/* A chunk of at least so many bytes, that may grow (realloc) before the document takes it. NULL: no memory. */
struct chunk *document_large_chunk(prong_document *document, size_t size);
void document_adopt(prong_document *document, struct chunk *chunk);

#endif
