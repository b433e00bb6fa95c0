/* A shared library for c_pool.py: cc -shared -fPIC -I../include primes.c -o primes.so */
#include <prong/value.h>

static int is_prime(int64_t n) {
    for (int64_t d = 2; d * d <= n; d++)
        if (n % d == 0) return 0;
    return n > 1;
}

/* count(first, end): how many primes there are from first up to before end. */
PRONG_API prong_status count(prong_document *document, prong_value arguments, prong_value keywords,
                             prong_value *result);
prong_status count(prong_document *document, prong_value arguments, prong_value keywords, prong_value *result) {
    int64_t first, end, found = 0;
    (void)document;
    (void)keywords;
    prong_status status = prong_scan(arguments, "(II)", &first, &end);
    if (status < 0) return status; /* the task's error, in words */
    for (int64_t n = first; n < end; n++) found += is_prime(n);
    *result = prong_make_int(found);
    return PRONG_OK;
}

/* One element, for map_into. */
PRONG_API int square(const double *in, double *out, size_t count);
int square(const double *in, double *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = in[i] * in[i];
    return 0;
}
