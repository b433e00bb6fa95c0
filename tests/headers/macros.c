/* Every macro that callers use, as C99 and as C++11: tests/headers/check compiles it, as each. */
#include <prong/prong.h>
#include <prong/runtime.h>
#include <wchar.h>

prong_time times(int n);
prong_time times(int n) {
    prong_time sum = PRONG_NOWAIT;
    sum += PRONG_US(n) + PRONG_MS(20) + PRONG_MS(0.5) + PRONG_SECONDS(n) + PRONG_SECONDS(1.5);
    return sum < PRONG_FOREVER ? sum : PRONG_FOREVER;
}

prong_value values(int which);
prong_value values(int which) {
    switch (which) {
    case 0: return prong_make_null();
    case 1: return prong_make_bool(true);
    case 2: return prong_make_int(-1);
    case 3: return prong_make_float(0.5);
    default: return prong_make_ellipsis();
    }
}

prong_stream streams(int which);
prong_stream streams(int which) {
    switch (which) {
    case 0: return PRONG_PIPE;
    case 1: return PRONG_NULL;
    case 2: return PRONG_TO_STDOUT;
    case 3: return PRONG_FILE("/tmp/file");
    default: return PRONG_DESCRIPTOR(which + 1);
    }
}

prong_type types(int which);
prong_type types(int which) {
    static const prong_type sized = PRONG_TYPE_STRUCT;
    switch (which) {
    case 0: return PRONG_TYPE_OF(bool);
    case 1: return PRONG_TYPE_OF(unsigned char);
    case 2: return PRONG_TYPE_OF(size_t);
    case 3: return PRONG_TYPE_OF(int64_t);
    case 4: return PRONG_TYPE_OF(wchar_t);
    case 5: return PRONG_TYPE_OF(long double);
    default: return sized;
    }
}

const char *constants(prong_status status);
const char *constants(prong_status status) {
    int code = PRONG_NO_RETURNCODE,
        limits[] = {PRONG_VALUE_DEPTH, PRONG_PICKLE_PROTOCOL, PRONG_PICKLE_TEXT, PRONG_SEMAPHORE_MAX};
    if (code == limits[0] || PRONG_TO_NUL == 0 || PRONG_VERSION_MAJOR + PRONG_VERSION_MINOR + PRONG_VERSION_PATCH < 0)
        return PRONG_VERSION;
#define NAME_OF(name, number, text)                                                                                    \
    case name: return text;
    switch (status) { PRONG_STATUSES(NAME_OF) }
    return prong_status_text(status);
}
