/* unloaded LIBRARY: uses a library that has prong in it, and unloads it. The exit status is 0 when the library's threads, and the
 * end of a thread that has used it, find their code. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <prong/prong.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

static __typeof__(&prong_pool_create) create;
static __typeof__(&prong_pool_workers) workers;
static __typeof__(&prong_pool_destroy) destroy;
static pthread_barrier_t used, unloaded;

static bool find(void *library) {
    *(void **)&create = dlsym(library, "prong_pool_create");
    *(void **)&workers = dlsym(library, "prong_pool_workers");
    *(void **)&destroy = dlsym(library, "prong_pool_destroy");
    return create && workers && destroy;
}

/* The text of its error is memory of the library's, which is freed at the thread's end. */
static void *fail(void *unused) {
    workers((prong_pool){0}, NULL, 0, NULL, NULL);
    pthread_barrier_wait(&used);
    pthread_barrier_wait(&unloaded);
    return unused;
}

/* Whether the pool's thread sees that its worker is killed. The addresses of functions are as good as before. */
static bool sees_a_death(prong_pool pool) {
    prong_worker worker;
    uint64_t seen = 0;
    if (workers(pool, &worker, 1, NULL, NULL) || worker.pid <= 0 || kill(worker.pid, SIGKILL)) return false;
    for (int i = 0; i < 3000 && !seen; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        if (workers(pool, NULL, 0, NULL, &seen)) return false;
    }
    return seen > 0;
}

int main(int argc, char **argv) {
    pthread_t thread;
    prong_pool pool;
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    if (!library || !find(library)) return 2;
    pthread_barrier_init(&used, NULL, 2);
    pthread_barrier_init(&unloaded, NULL, 2);
    if (pthread_create(&thread, NULL, fail, NULL)) return 3;
    pthread_barrier_wait(&used);
    if (create(&pool, &(prong_pool_options){.processes = 1})) return 4;
    dlclose(library);
    pthread_barrier_wait(&unloaded);
    pthread_join(thread, NULL);
    return sees_a_death(pool) && !destroy(pool) ? 0 : 5;
}
