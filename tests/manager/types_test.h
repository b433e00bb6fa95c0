/* Calls of the server's types, and what they return or raise. */
#ifndef TESTS_MANAGER_TYPES_TEST_H
#define TESTS_MANAGER_TYPES_TEST_H

#include "manager_test.h"

static prong_manager manager;

static inline void begin(void) {
    manager = started(PRONG_START_FORK);
}

/* The call returns a value with this repr. */
#define returns(proxy, wanted, method, ...)                                                                            \
    do {                                                                                                               \
        prong_value result_;                                                                                           \
        ok(call(proxy, &result_, method, SOON, __VA_ARGS__));                                                          \
        shows(result_, wanted);                                                                                        \
    } while (0)

/* The call raises an exception whose message has this in it. */
#define raises(proxy, message, method, ...)                                                                            \
    do {                                                                                                               \
        prong_value result_;                                                                                           \
        prong_status raised_ = call(proxy, &result_, method, SOON, __VA_ARGS__);                                       \
        check(raised_ < 0 && raised_ != PRONG_TIMEOUT && raised_ != PRONG_BROKEN_PIPE);                                \
        says(message);                                                                                                 \
    } while (0)

#define make(proxy, type, ...) ok(prong_proxy_create(proxy, manager, type, SOON, __VA_ARGS__))
#define cannot_make(type, message, ...)                                                                                \
    do {                                                                                                               \
        prong_proxy made_;                                                                                             \
        is(prong_proxy_create(&made_, manager, type, SOON, __VA_ARGS__), PRONG_REMOTE_ERROR);                          \
        says(message);                                                                                                 \
    } while (0)

#define values(proxy, wanted) returns(proxy, wanted, "#GETVALUE", "()")

#endif
