/* Documents: a bump allocator on chunks. */
#include "value/document.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

/* What a reset keeps: as much is likely to be needed again, and getting it from the system means touching each page. */
enum { FIRST_CHUNK = 4096, LARGEST_CHUNK = 1 << 20, KEPT_BYTES = 32 << 20 };

static prong_status document_no_room(const prong_document *document, size_t size) {
    if (document && document->fixed)
        return fail(PRONG_NO_MEMORY, "%zu bytes do not fit where the value is to go", size);
    if (document && document->limit)
        return fail(PRONG_NO_MEMORY, "document: %zu bytes more would pass its limit of %zu", size, document->limit);
    return fail(PRONG_NO_MEMORY, "document: the system has no %zu bytes left", size);
}

static struct chunk *chunk_new(size_t size) {
    if (size > SIZE_MAX / 2) return NULL;
    struct chunk *chunk = malloc(sizeof(*chunk) + size);
    if (chunk) chunk->size = size;
    return chunk;
}

/* The smallest of the spare ones that is large enough, but does not waste more than it serves. */
static struct chunk *document_take_spare(prong_document *document, size_t size) {
    struct chunk **best = NULL;
    for (struct chunk **place = &document->spare; *place && (*place)->size >= size; place = &(*place)->next)
        if ((*place)->size / 4 <= size) best = place;
    if (!best) return NULL;
    struct chunk *chunk = *best;
    *best = chunk->next;
    return chunk;
}

struct chunk *document_large_chunk(prong_document *document, size_t size) {
    struct chunk *chunk = document->spare;
    if (!chunk || chunk->size < size) return chunk_new(size);
    document->spare = chunk->next;
    return chunk;
}

void document_adopt(prong_document *document, struct chunk *chunk) {
    chunk->next = document->chunks;
    document->chunks = chunk;
    document->taken += chunk->size;
}

/* The newest chunk is first in the list, except that large pieces go behind it: it still has room for small ones. */
static struct chunk *document_chunk(prong_document *document, size_t size, bool behind) {
    if (document->fixed || (document->limit && size > document->limit - document->taken)) return NULL;
    struct chunk *chunk = document_take_spare(document, size);
    if (!chunk) chunk = chunk_new(size);
    if (!chunk) return NULL;
    if (behind && document->chunks) {
        chunk->next = document->chunks->next;
        document->chunks->next = chunk;
        document->taken += chunk->size;
    } else {
        document_adopt(document, chunk);
    }
    return chunk;
}

void *document_take_slow(prong_document *document, size_t size) {
    void *memory = NULL;
    if (!document) {
        memory = malloc(size ? size : 1);
    } else if (size <= SIZE_MAX / 2 && size > document->next_size / 4 && document->chunks) {
        struct chunk *chunk = document_chunk(document, size, true);
        memory = chunk ? chunk + 1 : NULL;
    } else if (size <= SIZE_MAX / 2) {
        size_t wanted = size > document->next_size ? size : document->next_size;
        if (document->limit && wanted > document->limit - document->taken) wanted = size;
        struct chunk *chunk = document_chunk(document, wanted, false);
        if (chunk) {
            memory = chunk + 1;
            document->at = (char *)memory + size;
            document->end = (char *)memory + chunk->size;
            if (document->next_size < LARGEST_CHUNK) document->next_size *= 2;
        }
    }
    if (!memory) document_no_room(document, size);
    return memory;
}

void *document_grow(prong_document *document, void *memory, size_t old, size_t size) {
    if (!document) {
        void *moved = realloc(memory, size ? size : 1);
        if (!moved) document_no_room(document, size);
        return moved;
    }
    size_t held = (old + 7) & ~(size_t)7;
    size_t more = ((size + 7) & ~(size_t)7) - held;
    if (memory && (char *)memory + held == document->at && more <= (size_t)(document->end - document->at)) {
        document->at += more;
        return memory;
    }
    void *moved = document_take(document, size);
    if (moved && old) memcpy(moved, memory, old);
    return moved;
}

void document_drop(prong_document *document, void *memory, size_t size) {
    size = (size + 7) & ~(size_t)7;
    if (!document)
        free(memory);
    else if (memory && (char *)memory + size == document->at)
        document->at = memory;
}

void document_on(prong_document *document, void *memory, size_t size) {
    *document = (prong_document){.at = memory, .end = (char *)memory + size, .fixed = true};
}

prong_status prong_document_open(prong_document **document, const prong_document_options *options) {
    if (!document) return fail_text(PRONG_INVALID, "document: nowhere to put it (NULL)");
    CHECK_RESERVED(options, "document: options");
    prong_document *made = calloc(1, sizeof(*made));
    if (!made) return fail_text(PRONG_NO_MEMORY, "document: the system has no memory left");
    made->limit = options ? options->max_memory : 0;
    made->next_size = FIRST_CHUNK;
    *document = made;
    return PRONG_OK;
}

static void document_free_chunks(struct chunk *chunk) {
    while (chunk) {
        struct chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

/* What the document has, without the document itself. */
void document_close(prong_document *document) {
    document_free_chunks(document->chunks);
    document_free_chunks(document->spare);
    document->chunks = document->spare = NULL;
}

void prong_document_close(prong_document *document) {
    if (!document) return;
    document_close(document);
    free(document);
}

static void document_keep_spare(prong_document *document, struct chunk *chunk) {
    struct chunk **place = &document->spare;
    while (*place && (*place)->size > chunk->size) place = &(*place)->next;
    chunk->next = *place;
    *place = chunk;
}

/* The one small pieces come from goes on as it is; the others are put aside, up to a number of bytes. */
void prong_document_reset(prong_document *document) {
    if (!document) return;
    struct chunk *kept = document->chunks, *next;
    if (kept && !kept->next && !document->spare && kept->size <= LARGEST_CHUNK) {
        document->at = (char *)(kept + 1);
        document->end = document->at + kept->size;
        return;
    }
    size_t bytes = 0;
    for (struct chunk *spare = document->spare; spare; spare = spare->next) bytes += spare->size;
    for (struct chunk *chunk = kept; chunk; chunk = next) {
        next = chunk->next;
        bytes += chunk->size;
        if (bytes <= KEPT_BYTES) {
            document_keep_spare(document, chunk);
        } else {
            bytes -= chunk->size;
            free(chunk);
        }
    }
    document->chunks = NULL;
    document->at = document->end = NULL;
    document->taken = 0;
    document->next_size = FIRST_CHUNK;
}

size_t prong_document_memory(const prong_document *document) {
    return document ? document->taken : 0;
}
