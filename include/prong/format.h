/* Values by format, as scanf and printf have it, and as text. See
 * <prong/value.h>.
 *
 * prong_build(document, &value, format, …) makes a value; prong_scan(value,
 * format, …) takes one apart, and converts as prong_get_X does.
 *
 *     letter  value            build takes             scan takes
 *     n       None             -                       -
 *     b       bool             int                     bool *
 *     i l I   int              int, long, int64_t      int *, long *,
 *                                                      int64_t * (or a bool)
 *     U z     int, not         uint64_t, size_t        uint64_t *, size_t *
 *             negative                                 (or a bool)
 *     D       int              const char *: digits    -
 *     d       float            double                  double * (or an int)
 *     c       complex          double, double          double *, double *
 *                                                      (or another number)
 *     s       str              const char *            const char **
 *                              (NULL is None)
 *     S       str              const char *, size_t    const char **, size_t *
 *     y       bytes            const void *, size_t    const void **, size_t *
 *                                                      (bytearray, buffer too)
 *     Y       bytearray        const void *, size_t    -
 *     r       range            prong_value of start,   prong_value * of start,
 *                              of stop, of step        of stop, of step
 *     C       class            const char *: module,   const char **,
 *                              const char *: name      const char **
 *     h       handle           const char *: type,     const char *: type,
 *                              const void *: handle    void *: handle
 *     v       any              prong_value             prong_value *
 *     .       any              -                       -: skips it
 *     (…)     tuple                                    of just so many items
 *     [...]   list                                     of just so many items
 *     <…>     set                                      -
 *     {k:v…}  dict             key and value in turn   for each key (s, a const
 *                                                      char *): its value
 *
 * In scan: `*` last in ( or [ takes any number of further items; `?` after a
 * dict's key lets it be absent (what its value would go to is left as it was).
 * Blanks, commas and colons have no effect. scan's strings belong to the
 * document. D reads up to 4,300 digits with a sign. A handle's type is that of
 * the C type without its prefix ("queue"); the handle is any of the library's.
 * A range's start, stop and step are ints, and the step is not 0. */
#ifndef PRONG_FORMAT_H
#define PRONG_FORMAT_H

#include <prong/value.h>

PRONG_BEGIN_DECLS

/* Errors: PRONG_INVALID (what is given makes no such value; the format makes no
 * sense), PRONG_NO_MEMORY. */
PRONG_CHECKED prong_status prong_build(prong_document *document,
                                       prong_value *value, const char *format,
                                       ...);
/* Errors: PRONG_INVALID (the message has the place: "in [1].name: expected str,
 * found int"; or the format makes no sense), PRONG_NOT_FOUND (a key),
 * PRONG_TOO_LONG (a number that does not fit its type). */
PRONG_CHECKED prong_status prong_scan(prong_value value, const char *format,
                                      ...);

/* Writes the value as Python's repr would, cut to `capacity` and always
 * terminated; *size (may be NULL) is its whole length. A container within
 * itself shows as "[...]". Errors: PRONG_TOO_LONG (nested deeper than
 * PRONG_VALUE_DEPTH, or more than 1,048,576 values printed again because they
 * are held more than once). */
PRONG_API prong_status prong_value_repr(prong_value value, char *buffer,
                                        size_t capacity, size_t *size);
/* Writes the value as JSON, in the same way. Tuples are arrays; dict keys that
 * are bool, int, float or None become strings, as in Python's json. Errors:
 * PRONG_INVALID (what JSON has no way to say: bytes, sets, NaN, objects, …; the
 * message has its path), PRONG_TOO_LONG. */
PRONG_API prong_status prong_value_json(prong_value value, char *buffer,
                                        size_t capacity, size_t *size);

PRONG_END_DECLS

#endif
