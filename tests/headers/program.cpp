/* A program in C++ that uses the library: a lock, a queue, a pool, a shared value, options and times. */
#include <prong/prong.h>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace {

void must(prong_status status) {
    if (status < 0) throw std::runtime_error(prong_error_message());
}

void check(bool condition, const char *what) {
    if (!condition) throw std::runtime_error(what);
}

// By C++20 options are named, in the order of the struct; before that they are set.
prong_queue_options bounded(size_t maxsize) {
#if __cplusplus >= 202002L
    return {.maxsize = maxsize};
#else
    prong_queue_options options = prong_queue_options();
    options.maxsize = maxsize;
    return options;
#endif
}

prong_pool_options two_workers(prong_start_method method) {
#if __cplusplus >= 202002L
    return {.processes = 2, .method = method, .name = "square"};
#else
    prong_pool_options options = prong_pool_options();
    options.processes = 2;
    options.method = method;
    options.name = "square";
    return options;
#endif
}

void versions_agree() {
    check(std::strcmp(prong_version(), PRONG_VERSION) == 0, "prong_version is another than PRONG_VERSION");
}

void a_lock_excludes() {
    prong_lock lock;
    must(prong_lock_create(&lock, nullptr));
    must(prong_lock_acquire(lock, PRONG_MS(500)));
    check(prong_lock_acquire(lock, PRONG_NOWAIT) == PRONG_TIMEOUT, "a lock is held twice");
    must(prong_lock_release(lock));
    must(prong_lock_destroy(lock));
}

void a_queue_keeps_order() {
    prong_queue queue;
    const prong_queue_options options = bounded(2);
    must(prong_queue_create(&queue, &options));
    for (int i = 1; i <= 2; i++) must(prong_queue_put(queue, &i, sizeof i, PRONG_SECONDS(1)));
    check(prong_queue_put(queue, "", 1, PRONG_NOWAIT) == PRONG_FULL, "a third message fits into a queue of two");
    int taken = 0;
    size_t size;
    must(prong_queue_get(queue, &taken, sizeof taken, &size, PRONG_SECONDS(1)));
    check(taken == 1 && size == sizeof taken, "another message than the first was taken");
    must(prong_queue_destroy(queue));
}

void a_shared_value_counts() {
    prong_shared_value hits;
    long content = 0;
    must(prong_shared_value_create(&hits, PRONG_TYPE_OF(long), 1, nullptr, nullptr));
    must(prong_shared_value_add(hits, 0, 2, nullptr));
    must(prong_shared_value_get(hits, 0, 1, &content, PRONG_SECONDS(1)));
    check(content == 2, "a sum of 2 is another");
    must(prong_shared_value_destroy(hits));
}

int square(const void *in, void *out) {
    const double number = *static_cast<const double *>(in);
    *static_cast<double *>(out) = number * number;
    return 0;
}

void a_pool_maps(prong_start_method method) {
    double in[100], out[100] = {};
    for (int i = 0; i < 100; i++) in[i] = i;
    prong_pool pool;
    const prong_pool_options options = two_workers(method);
    must(prong_pool_create(&pool, &options));
    must(prong_pool_run(pool, PRONG_MAP(square, in, out), nullptr, PRONG_SECONDS(60)));
    for (int i = 0; i < 100; i++) check(out[i] == in[i] * in[i], "a square is wrong");
    must(prong_pool_destroy(pool));
}

} // namespace

int main(int argc, char **argv) {
    prong_main(&argc, &argv);
    try {
        versions_agree();
        a_lock_excludes();
        a_queue_keeps_order();
        a_shared_value_counts();
        a_pool_maps(PRONG_START_FORK);
        a_pool_maps(PRONG_START_SPAWN);
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "FAIL: %s\n", error.what());
        return 1;
    }
}
