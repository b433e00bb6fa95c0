/* Numbers: ints of any size, and floats as text. */
#ifndef VALUE_NUMBER_H
#define VALUE_NUMBER_H

#include "value/node.h"

enum {
    UNORDERED = 2,      /* what number_compare returns where NaN takes part */
    INTEGRAL_MAX = 136, /* bytes of the integer that a double can be */
    DIGITS_MAX = 4300,  /* of an int as text, as in Python: the conversion takes quadratic time */
    FLOAT_TEXT = 40
};

/* -1, 0, 1 or UNORDERED; exact, between ints and floats too. */
int number_compare(prong_value a, prong_value b);

/* The two's complement of a whole number given as double, minimal; its length. */
size_t integral_bytes(double whole, unsigned char *bytes);

/* The int of these two's complement bytes: within the value if it fits. */
prong_status make_int(prong_document *document, const unsigned char *bytes, size_t size, prong_value *value);
/* From digits, with a sign perhaps; all of text. False: it is no number. */
bool int_from_text(prong_document *document, const char *text, size_t size, prong_value *value, prong_status *status);
prong_status make_uint(prong_document *document, uint64_t number, prong_value *value);
/* From digits that end with a NUL. Fails for what is no number, and for more than DIGITS_MAX digits. */
prong_status make_int_from_digits(prong_document *document, const char *digits, prong_value *value);
/* An int or bool, not negative. */
prong_status to_uint(prong_value value, uint64_t *number);
/* A complex, or another number. */
prong_status to_complex(prong_value value, double *real, double *imaginary);
/* A big int's decimal digits, malloc'ed; NULL: no memory. */
char *int_to_text(prong_value number);
double int_to_double(prong_value number);

/* As Python's repr: the shortest that reads back the same. */
size_t float_to_text(double number, char text[FLOAT_TEXT]);
/* All of text, as Python's float() reads it, without blanks. */
bool float_from_text(const char *text, size_t size, double *number);

#endif
