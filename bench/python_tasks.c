/* The same functions for a NativePool's worker, and (with -DBY_CTYPES) for Python to call by ctypes. */
#include <prong/value.h>

#ifndef BY_CTYPES
prong_status add(prong_document *document, prong_value arguments, prong_value keywords, prong_value *result);
prong_status add(prong_document *document, prong_value arguments, prong_value keywords, prong_value *result) {
    int64_t a, b;
    (void)document;
    (void)keywords;
    prong_status status = prong_scan(arguments, "(II)", &a, &b);
    if (status >= 0) *result = prong_make_int(a + b);
    return status;
}

#endif

long add_plain(long a, long b);
long add_plain(long a, long b) {
    return a + b;
}

int squares(const double *in, double *out, size_t count);
int squares(const double *in, double *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = in[i] * in[i];
    return 0;
}
