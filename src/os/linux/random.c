/* Random bits, with getrandom, and where a sandbox forbids that. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <unistd.h>

static bool random_from_system(void *bits, size_t size) {
    ssize_t got;
    do got = getrandom(bits, size, 0);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)size;
}

static bool random_from_file(void *bits, size_t size) {
    int fd = os_off_stdio(open("/dev/urandom", O_RDONLY | O_CLOEXEC));
    if (fd < 0) return false;
    ssize_t got;
    do got = read(fd, bits, size);
    while (got < 0 && errno == EINTR);
    close(fd);
    return got == (ssize_t)size;
}

/* One step of a mixing function (murmur's last one): each bit of the result depends on each of the word. */
static uint64_t random_mix(uint64_t word) {
    word = (word ^ word >> 33) * 0xff51afd7ed558ccdull;
    word = (word ^ word >> 33) * 0xc4ceb9fe1a85ec53ull;
    return word ^ word >> 33;
}

/* Mixes the random bytes that the kernel gave this image at its start with values that differ from call to call. */
static uint64_t random_from_start(void) {
    static _Atomic uint64_t calls;
    uint64_t given[2] = {0, 0};
    const void *at = (const void *)getauxval(AT_RANDOM);
    if (at) memcpy(given, at, sizeof given);
    uint64_t word = random_mix(given[0] ^ (uint64_t)getpid() << 32 ^ atomic_fetch_add(&calls, 1));
    word = random_mix(word ^ (uint64_t)clock_now());
    return random_mix(word ^ given[1]);
}

uint64_t os_random(void) {
    uint64_t bits = 0;
    if (random_from_system(&bits, sizeof bits) || random_from_file(&bits, sizeof bits)) return bits;
    return random_from_start();
}
