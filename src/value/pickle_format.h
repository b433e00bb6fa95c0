/* The pickle format: what its bytes mean. This library's codec (pickle_read.c, pickle_write.c) and the Python extension's
 * (python/core/codec.c) both have it from here, and nothing of it stands anywhere else.
 *
 * Numbers are little-endian, as the machines are that prong runs on; a float alone is big-endian. */
#ifndef VALUE_PICKLE_FORMAT_H
#define VALUE_PICKLE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Opcodes of all protocols (the names are those of CPython's pickle module). */
enum opcode {
    OP_MARK = '(',
    OP_STOP = '.',
    OP_POP = '0',
    OP_POP_MARK = '1',
    OP_DUP = '2',
    OP_FLOAT = 'F',
    OP_INT = 'I',
    OP_BININT = 'J',
    OP_BININT1 = 'K',
    OP_LONG = 'L',
    OP_BININT2 = 'M',
    OP_NONE = 'N',
    OP_PERSID = 'P',
    OP_BINPERSID = 'Q',
    OP_REDUCE = 'R',
    OP_STRING = 'S',
    OP_BINSTRING = 'T',
    OP_SHORT_BINSTRING = 'U',
    OP_UNICODE = 'V',
    OP_BINUNICODE = 'X',
    OP_APPEND = 'a',
    OP_BUILD = 'b',
    OP_GLOBAL = 'c',
    OP_DICT = 'd',
    OP_EMPTY_DICT = '}',
    OP_APPENDS = 'e',
    OP_GET = 'g',
    OP_BINGET = 'h',
    OP_INST = 'i',
    OP_LONG_BINGET = 'j',
    OP_LIST = 'l',
    OP_EMPTY_LIST = ']',
    OP_OBJ = 'o',
    OP_PUT = 'p',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
    OP_SETITEM = 's',
    OP_TUPLE = 't',
    OP_EMPTY_TUPLE = ')',
    OP_SETITEMS = 'u',
    OP_BINFLOAT = 'G',
    /* protocol 2 */
    OP_PROTO = 0x80,
    OP_NEWOBJ = 0x81,
    OP_EXT1 = 0x82,
    OP_EXT2 = 0x83,
    OP_EXT4 = 0x84,
    OP_TUPLE1 = 0x85,
    OP_TUPLE2 = 0x86,
    OP_TUPLE3 = 0x87,
    OP_NEWTRUE = 0x88,
    OP_NEWFALSE = 0x89,
    OP_LONG1 = 0x8a,
    OP_LONG4 = 0x8b,
    /* protocol 3 */
    OP_BINBYTES = 'B',
    OP_SHORT_BINBYTES = 'C',
    /* protocol 4 */
    OP_SHORT_BINUNICODE = 0x8c,
    OP_BINUNICODE8 = 0x8d,
    OP_BINBYTES8 = 0x8e,
    OP_EMPTY_SET = 0x8f,
    OP_ADDITEMS = 0x90,
    OP_FROZENSET = 0x91,
    OP_NEWOBJ_EX = 0x92,
    OP_STACK_GLOBAL = 0x93,
    OP_MEMOIZE = 0x94,
    OP_FRAME = 0x95,
    /* protocol 5 */
    OP_BYTEARRAY8 = 0x96,
    OP_NEXT_BUFFER = 0x97,
    OP_READONLY_BUFFER = 0x98
};

enum {
    PICKLE_BATCH = 1000,     /* items between a MARK and what takes them, as CPython writes them */
    PICKLE_FRAME_SIZE = 9,   /* of OP_FRAME and its count */
    PICKLE_FRAMED_LEAST = 4, /* bytes that are worth a frame, as for CPython */
    PICKLE_SHORT_MAX = 255,  /* bytes that an opcode with a count of one byte can have */
    PICKLE_INT_SIZE = 5,     /* of an int of 32 bits at most, with its opcode */
    PICKLE_FLOAT_SIZE = 9,   /* of a float, with its opcode */
    PICKLE_LONG8_SIZE = 10   /* of an int of 64 bits, with its opcode and count */
};

/* Classes and functions that stand for kinds of values, and for what a protocol has no opcode for. */
#define PICKLE_BUILTINS "builtins"
#define PICKLE_SET "set"
#define PICKLE_FROZENSET "frozenset"
#define PICKLE_LIST "list"
#define PICKLE_BYTES "bytes"
#define PICKLE_BYTEARRAY "bytearray"
#define PICKLE_COMPLEX "complex"
#define PICKLE_RANGE "range"
#define PICKLE_ELLIPSIS "Ellipsis"
#define PICKLE_NOT_IMPLEMENTED "NotImplemented"
#define PICKLE_CODECS "_codecs"
#define PICKLE_ENCODE "encode"
#define PICKLE_COPYREG "copyreg"
#define PICKLE_NEWOBJ "__newobj__"
#define PICKLE_NEWOBJ_EX "__newobj_ex__"
#define PICKLE_PRONG "prong"
#define PICKLE_HANDLE "Handle"

/* --- writing where there is room; the end of what was written is returned --- */

/* An int of 32 bits. PICKLE_INT_SIZE bytes are written whatever its size: what comes next overwrites those beyond its end. */
static inline char *pickle_put_int(char *at, int32_t number) {
    bool is_byte = number >= 0 && number < 1 << 8, is_short = number >= 0 && number < 1 << 16;
    *at++ = is_byte ? OP_BININT1 : is_short ? OP_BININT2 : OP_BININT;
    memcpy(at, &number, 4);
    return at + (is_byte ? 1 : is_short ? 2 : 4);
}

/* The first `size` bytes of an int of 64 bits. */
static inline char *pickle_put_long(char *at, int64_t number, size_t size) {
    *at++ = (char)OP_LONG1;
    *at++ = (char)size;
    memcpy(at, &number, 8);
    return at + size;
}

static inline char *pickle_put_float(char *at, double number) {
    uint64_t bits;
    memcpy(&bits, &number, 8);
    bits = __builtin_bswap64(bits);
    *at++ = OP_BINFLOAT;
    memcpy(at, &bits, 8);
    return at + 8;
}

/* --- reading --- */

/* An unsigned number of 1, 2, 4 or 8 bytes. Each size is a load of its own: a load of 8 bytes, right after fewer were copied
 * to that place, would have to wait for them. */
static inline uint64_t pickle_number_at(const void *at, size_t size) {
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (size) {
    case 1: return *(const unsigned char *)at;
    case 2: return memcpy(&two, at, 2), two;
    case 4: return memcpy(&four, at, 4), four;
    default: return memcpy(&eight, at, 8), eight;
    }
}

/* What stands behind OP_BINFLOAT. */
static inline double pickle_float_at(const void *at) {
    uint64_t bits;
    double number;
    memcpy(&bits, at, 8);
    bits = __builtin_bswap64(bits);
    memcpy(&number, &bits, 8);
    return number;
}

/* --- a pickle and its buffers in one piece, as Python processes of a family send large arrays to each other ---
 *
 *     header  place of each buffer  the pickle  …  buffers
 *
 * Places count from the beginning of the header. No pickle begins with a zero. */
#define PICKLE_JOINED_MAGIC "\0prong5\n"

/* With JOINED_SHARED in `at`, the buffer is a share's: its handle's offset and, as size, generation. To readers that know
 * nothing of it that is a place beyond the end. */
#define JOINED_SHARED (1ull << 63)

struct joined_place {
    uint64_t at, size;
};

struct joined_header {
    char magic[8];
    uint64_t pickle_size, buffer_count;
    struct joined_place places[];
};

static inline bool is_joined(const void *data, size_t size) {
    return size >= sizeof(struct joined_header) && memcmp(data, PICKLE_JOINED_MAGIC, 8) == 0;
}

/* Where the pickle begins, behind so many places. */
static inline size_t joined_pickle_at(uint64_t buffer_count) {
    return sizeof(struct joined_header) + buffer_count * sizeof(struct joined_place);
}

/* Copies the header, since others may write to the memory. What goes past the end, or NULL. */
static inline const char *joined_read_header(const void *data, size_t size, struct joined_header *header) {
    memcpy(header, data, sizeof(*header));
    if (header->buffer_count > (size - sizeof(*header)) / sizeof(struct joined_place)) return "the list of buffers";
    if (header->pickle_size > size - joined_pickle_at(header->buffer_count)) return "the pickle";
    return NULL;
}

/* The place of a buffer; false: it goes past the end. */
static inline bool joined_read_place(const void *data, size_t size, uint64_t index, struct joined_place *place) {
    memcpy(place, (const char *)data + joined_pickle_at(index), sizeof(*place));
    return place->at <= size && place->size <= size - place->at;
}

#endif
