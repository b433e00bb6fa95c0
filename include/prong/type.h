/* Types of C as data, for shared values and their elements. */
#ifndef PRONG_TYPE_H
#define PRONG_TYPE_H

#include <prong/export.h>
#include <stdbool.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

typedef enum prong_type {
    PRONG_TYPE_STRUCT = 0, /* bytes; options give the size of an element */
    PRONG_TYPE_BOOL,
    PRONG_TYPE_CHAR,
    PRONG_TYPE_SCHAR,
    PRONG_TYPE_UCHAR,
    PRONG_TYPE_SHORT,
    PRONG_TYPE_USHORT,
    PRONG_TYPE_INT,
    PRONG_TYPE_UINT,
    PRONG_TYPE_LONG,
    PRONG_TYPE_ULONG,
    PRONG_TYPE_LLONG,
    PRONG_TYPE_ULLONG,
    PRONG_TYPE_FLOAT,
    PRONG_TYPE_DOUBLE,
    PRONG_TYPE_LDOUBLE,
    /* the same by width */
    PRONG_TYPE_INT8,
    PRONG_TYPE_UINT8,
    PRONG_TYPE_INT16,
    PRONG_TYPE_UINT16,
    PRONG_TYPE_INT32,
    PRONG_TYPE_UINT32,
    PRONG_TYPE_INT64,
    PRONG_TYPE_UINT64,
    PRONG_TYPE_WCHAR,
    PRONG_TYPE_SIZE
} prong_type;

// clang-format off
#define PRONG_C_TYPES(X)                                                       \
    X(bool, BOOL) X(char, CHAR) X(signed char, SCHAR) X(unsigned char, UCHAR)  \
    X(short, SHORT) X(unsigned short, USHORT) X(int, INT) X(unsigned, UINT)    \
    X(long, LONG) X(unsigned long, ULONG)                                      \
    X(long long, LLONG) X(unsigned long long, ULLONG)                          \
    X(float, FLOAT) X(double, DOUBLE) X(long double, LDOUBLE)

/* The prong_type of a C type; wchar_t, size_t and the sized integers are other
 * names of these. */
#ifndef __cplusplus
#define PRONG_TYPE_OF(type)                                                    \
    (__extension__ _Generic((type){0} PRONG_C_TYPES(PRONG_TYPE_CASE)))

#define PRONG_TYPE_CASE(type, name) , type: PRONG_TYPE_##name
#else
#define PRONG_TYPE_OF(type) prong_type_of(static_cast<type>(0))
#define PRONG_TYPE_CASE(type, name)                                            \
    static inline prong_type prong_type_of(type) { return PRONG_TYPE_##name; }
extern "C++" {
PRONG_C_TYPES(PRONG_TYPE_CASE)
}
#endif
// clang-format on

/* Bytes of an element; 0 for PRONG_TYPE_STRUCT and for a number that is no
 * type. */
PRONG_API size_t prong_type_size(prong_type type);

PRONG_END_DECLS

#endif
