#define _GNU_SOURCE
#include "base/local.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

enum { PAGE_BYTES = 4096, LOCAL_SLOTS_MAX = 8 };

/* Not from malloc: a signal handler may be the first to ask, in the middle of malloc. */
static _Thread_local struct {
    char *page;
    uint16_t used, at[LOCAL_SLOTS_MAX]; /* at: place + 1 */
} local;

static pthread_key_t local_key;
static pthread_once_t local_once = PTHREAD_ONCE_INIT;

static void local_free(void *page) {
    munmap(page, PAGE_BYTES);
    local.page = NULL;
    local.used = 0;
    for (int i = 0; i < LOCAL_SLOTS_MAX; i++) local.at[i] = 0;
}

/* The library must stay in memory once it is used: a thread's end calls local_free, and the library has threads and
 * fork handlers, too. So the shared object that contains it, its own or a plugin, stays loaded when a program unloads
 * it. */
static void __attribute__((constructor)) library_stay(void) {
    Dl_info own;
    if (dladdr(&local_once, &own) && own.dli_fname && !dlopen(own.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE))
        dlerror(); /* the program itself, which is never unloaded: clear the error, so that the program does not get it */
}

static void local_make_key(void) {
    pthread_key_create(&local_key, local_free);
}

/* The slot's place, the same for all threads; LOCAL_SLOTS_MAX: there are more slots than places. */
static int local_number(const struct local_slot *slot) {
    static _Atomic(const struct local_slot *) known[LOCAL_SLOTS_MAX];
    int i = 0;
    for (; i < LOCAL_SLOTS_MAX; i++) {
        const struct local_slot *there = atomic_load_explicit(&known[i], memory_order_relaxed);
        if (there == slot || (!there && (atomic_compare_exchange_strong(&known[i], &there, slot) || there == slot)))
            break;
    }
    return i;
}

void *local_memory(const struct local_slot *slot, size_t size) {
    int number = local_number(slot);
    if (number == LOCAL_SLOTS_MAX) return NULL;
    if (local.at[number]) return local.page + local.at[number] - 1;
    if (!local.page) {
        void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) return NULL;
        pthread_once(&local_once, local_make_key);
        pthread_setspecific(local_key, page);
        local.page = page;
    }
    size = (size + 15) & ~(size_t)15;
    if (local.used + size > PAGE_BYTES) return NULL;
    local.at[number] = (uint16_t)(local.used + 1);
    local.used = (uint16_t)(local.used + size);
    return local.page + local.at[number] - 1;
}
