/* A shared library whose functions tasks name. */
#include "tasks.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static int64_t start_of_count = 0;

prong_status add(prong_document *document, prong_value arguments, prong_value keywords, prong_value *result) {
    int64_t a, b;
    (void)document;
    (void)keywords;
    prong_status status = prong_scan(arguments, "(II)", &a, &b);
    if (status >= 0) *result = prong_make_int(a + b);
    return status;
}

prong_status square(prong_document *document, prong_value arguments, prong_value keywords, prong_value *result) {
    int64_t number;
    (void)document;
    (void)keywords;
    prong_status status = prong_scan(arguments, "(I)", &number);
    if (status >= 0) *result = prong_make_int(number * number);
    return status;
}

prong_status sleep_for(prong_document *document, prong_value arguments, prong_value keywords, prong_value *result) {
    double seconds;
    (void)document;
    (void)keywords;
    (void)result;
    prong_status status = prong_scan(arguments, "(d)", &seconds);
    if (status >= 0) usleep((useconds_t)(seconds * 1e6));
    return status;
}

prong_status whoami(prong_document *document, prong_value arguments, prong_value keywords, prong_value *result) {
    char path[256] = {0};
    (void)arguments;
    (void)keywords;
    if (readlink("/proc/self/exe", path, sizeof path - 1) < 0) return PRONG_INVALID;
    return prong_build(document, result, "[I,s,I]", (int64_t)getpid(), path, start_of_count);
}

prong_status die(prong_document *document, prong_value arguments, prong_value keywords, prong_value *result) {
    (void)document;
    (void)arguments;
    (void)keywords;
    (void)result;
    kill(getpid(), SIGKILL);
    return PRONG_OK;
}

prong_status put(prong_document *document, prong_value arguments, prong_value keywords, prong_value *result) {
    prong_queue queue;
    prong_value handle, item;
    (void)document;
    (void)keywords;
    (void)result;
    prong_status status = prong_scan(arguments, "(vv)", &handle, &item);
    if (status >= 0) status = prong_scan(handle, "h", "queue", &queue);
    return status < 0 ? status : prong_queue_put_value(queue, item, PRONG_SECONDS(10));
}

int begin_at(prong_document *document, prong_value arguments, prong_value keywords) {
    (void)document;
    (void)keywords;
    if (prong_scan(arguments, "(I)", &start_of_count) < 0) return 9;
    return start_of_count < 0 ? (int)-start_of_count : 0;
}

int twice(const void *in, void *out, size_t count) {
    for (size_t i = 0; i < count; i++) ((double *)out)[i] = 2 * ((const double *)in)[i];
    return 0;
}

int write_on(const void *in, void *out, size_t count) {
    for (;;) {
        for (size_t i = 0; i < count; i++) ((volatile double *)out)[i] = ((const double *)in)[i];
        usleep(100);
    }
    return 0;
}

int length(void *argument, size_t size, prong_result *result) {
    (void)argument;
    return (int)prong_result_set(result, &size, sizeof size);
}
