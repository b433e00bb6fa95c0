/* A consistent copy of the environment, made while other threads may change the original.
 *
 * The C library's lock around setenv and unsetenv is not accessible: the array may be moved, shifted and freed while it
 * is read. So it is read through the kernel, which reports an error for unmapped memory where a load would end in
 * SIGSEGV, and read again until two readings agree.
 *
 * A process with one thread needs no copy of the strings, but only of the array. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* glibc 2.32 and later */
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define SINGLE_THREADED __libc_single_threaded
#else
#define SINGLE_THREADED false
#endif

extern char **environ;

enum {
    PAGE = 4096,         /* no system has smaller ones; a reading never crosses the end of one */
    PIECE = 256,         /* of most strings, all */
    PIECES = 32,         /* read at a time */
    ATTEMPTS = 50,       /* for two readings of the array that agree */
    RE_ATTEMPTS = 20,    /* for an array that is still the same when its strings have been read */
    MOST_ATTEMPTS = 500, /* for one that can be read at all */
    LONGEST = 1 << 17    /* of a string that a program may be started with */
};

static size_t to_page_end(const void *from) {
    return PAGE - (uintptr_t)from % PAGE;
}

static size_t least_of(size_t a, size_t b) {
    return a < b ? a : b;
}

/* False if the memory is unmapped. Without the system call, the memory is read directly. */
static bool read_pieces(const struct iovec *to, const struct iovec *from, size_t count) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) total += from[i].iov_len;
    ssize_t got = process_vm_readv(getpid(), to, count, from, count, 0);
    if (got >= 0 || errno == EFAULT) return got == (ssize_t)total;
    for (size_t i = 0; i < count; i++) memcpy(to[i].iov_base, from[i].iov_base, from[i].iov_len);
    return true;
}

static bool read_piece(void *to, const void *from, size_t size) {
    struct iovec there = {to, size}, here = {(void *)(uintptr_t)from, size};
    return read_pieces(&there, &here, 1);
}

/* --- the array --- */

struct pointers {
    char **at;
    size_t count, capacity;
};

static bool pointers_make_room(struct pointers *list, size_t more) {
    if (list->capacity - list->count >= more) return true;
    size_t capacity = (list->count + more) * 2;
    char **at = realloc(list->at, capacity * sizeof *at);
    if (!at) return false;
    list->at = at;
    list->capacity = capacity;
    return true;
}

/* Up to the NULL, and with it. ENOMEM, or EFAULT where the array is gone. */
static int pointers_read(struct pointers *list) {
    char **from = __atomic_load_n(&environ, __ATOMIC_ACQUIRE);
    list->count = 0;
    for (bool ended = !from; !ended;) {
        size_t more = to_page_end(from) / sizeof *from;
        if (!pointers_make_room(list, more + 1)) return ENOMEM;
        if (!read_piece(list->at + list->count, from, more * sizeof *from)) return EFAULT;
        for (size_t i = 0; i < more && !ended; i++) ended = !list->at[list->count++];
        from += more;
    }
    if (!list->count && !pointers_make_room(list, 1)) return ENOMEM;
    if (!list->count) list->at[list->count++] = NULL;
    return 0;
}

static bool pointers_equal(const struct pointers *a, const struct pointers *b) {
    return a->count == b->count && memcmp(a->at, b->at, a->count * sizeof *a->at) == 0;
}

/* Two readings that agree; or, when all of them differ, the last that could be read. */
static int pointers_read_steady(struct pointers *list, struct pointers *again) {
    int error = pointers_read(list);
    for (int i = 0; i < ATTEMPTS && error != ENOMEM; i++) {
        int next = pointers_read(again);
        if (!error && !next && pointers_equal(list, again)) return 0;
        if (next == EFAULT) continue; /* what is known so far is better */
        struct pointers other = *list;
        *list = *again;
        *again = other;
        error = next;
    }
    return error;
}

/* --- the strings --- */

struct text {
    char *at;
    size_t size, capacity;
};

static int text_add(struct text *text, const char *piece, size_t size) {
    if (text->capacity - text->size < size) {
        size_t capacity = (text->size + size) * 2 + PAGE;
        char *at = realloc(text->at, capacity);
        if (!at) return ENOMEM;
        text->at = at;
        text->capacity = capacity;
    }
    memcpy(text->at + text->size, piece, size);
    text->size += size;
    return 0;
}

/* Adds the piece, up to its zero; if it has none, also what follows it in memory. */
static int text_add_string(struct text *text, const char *piece, size_t size, const char *from) {
    char next[PAGE];
    for (size_t length = 0;;) {
        const char *zero = memchr(piece, 0, size);
        int error = text_add(text, piece, zero ? (size_t)(zero - piece) + 1 : size);
        if (error || zero) return error;
        length += size;
        if (length > LONGEST) return E2BIG;
        size = to_page_end(from + length);
        if (!read_piece(next, from + length, size)) return EFAULT;
        piece = next;
    }
}

/* A string that is gone, because its variable was changed meanwhile, counts as empty where that is allowed. */
static int text_add_entry(struct text *text, const char *piece, size_t size, const char *from, bool may_be_gone) {
    size_t before = text->size;
    int error = piece ? text_add_string(text, piece, size, from) : EFAULT;
    if (error != EFAULT || !may_be_gone) return error;
    text->size = before;
    return text_add(text, "", 1);
}

/* All of them, one after the other. */
static int text_read(struct text *text, const struct pointers *list, bool may_be_gone) {
    char pieces[PIECES][PIECE];
    struct iovec to[PIECES], from[PIECES];
    int error = 0;
    text->size = 0;
    for (size_t done = 0, count; done + 1 < list->count && !error; done += count) {
        count = least_of(list->count - 1 - done, PIECES);
        for (size_t i = 0; i < count; i++) {
            char *string = list->at[done + i];
            from[i] = (struct iovec){string, least_of(PIECE, to_page_end(string))};
            to[i] = (struct iovec){.iov_base = &pieces[i], .iov_len = from[i].iov_len};
        }
        bool all = read_pieces(to, from, count);
        for (size_t i = 0; i < count && !error; i++) {
            bool there = all || read_pieces(&to[i], &from[i], 1);
            error = text_add_entry(text, there ? pieces[i] : NULL, from[i].iov_len, from[i].iov_base, may_be_gone);
        }
    }
    return error;
}

/* --- both --- */

static bool text_names_variables(const struct text *text) {
    for (const char *at = text->at, *end = at + text->size; at < end; at += strlen(at) + 1)
        if (!strchr(at, '=')) return false;
    return true;
}

/* A thread that is not running just now is in the middle of moving the array. */
static void wait_a_little(void) {
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

static uintptr_t environment_place(void) {
    return (uintptr_t)__atomic_load_n(&environ, __ATOMIC_RELAXED);
}

/* Reads the array, then the strings that it names. The copy is good if the array is still the same then, and looks like
 * an environment. If that never happens, variables that are changed all the time may be missing, or, if the C library
 * frees old values (glibc does not), mangled. An array that is gone, or that does not look like an environment, is
 * waited for: the thread that moves it may have no processor for a while. */
static int environment_read(struct pointers *list, struct pointers *again, struct text *text) {
    static _Atomic uintptr_t nameless; /* the array that has entries without a name, after a wait in vain */
    int error = EFAULT;
    bool sound = false;
    for (int i = 0; i < RE_ATTEMPTS || (!sound && i < MOST_ATTEMPTS); i++) {
        bool last = i >= RE_ATTEMPTS - 1;
        error = pointers_read_steady(list, again);
        if (!error) error = text_read(text, list, last);
        if (error && error != EFAULT) return error;
        sound = !error && (text_names_variables(text) || environment_place() == nameless);
        if (sound && !pointers_read(again) && pointers_equal(list, again)) return 0;
        if (!sound) wait_a_little();
    }
    if (!error && !sound) nameless = environment_place();
    return error == EFAULT ? EBUSY : error;
}

/* An entry that names no variable is not part of an environment. */
static char **environment_build(const struct pointers *list, char *text, const char *first) {
    char **entries = malloc((list->count + 1) * sizeof *entries);
    size_t count = 0, name = first ? strcspn(first, "=") + 1 : 0;
    if (!entries) return NULL;
    if (first) entries[count++] = (char *)(uintptr_t)first;
    for (size_t i = 0; i + 1 < list->count; i++, text += strlen(text) + 1)
        if (strchr(text, '=') && (!first || strncmp(text, first, name) != 0)) entries[count++] = text;
    entries[count] = NULL;
    return entries;
}

static int environment_copy_shared(struct os_environment *environment, const char *first) {
    struct pointers list = {0}, again = {0};
    struct text text = {0};
    int error = environment_read(&list, &again, &text);
    *environment = (struct os_environment){0};
    if (!error) {
        environment->entries = environment_build(&list, text.at, first);
        if (!environment->entries) error = ENOMEM;
    }
    free(list.at);
    free(again.at);
    if (error)
        free(text.at);
    else
        environment->text = text.at;
    errno = error;
    return error ? -1 : 0;
}

int os_environment_make(struct os_environment *environment, char *const *entries, const char *first) {
    size_t count = 0, name = first ? strcspn(first, "=") + 1 : 0, at = 0;
    while (entries[count]) count++;
    *environment = (struct os_environment){.entries = malloc((count + 2) * sizeof *entries)};
    if (!environment->entries) return -1;
    if (first) environment->entries[at++] = (char *)(uintptr_t)first;
    for (; *entries; entries++)
        if (!first || strncmp(*entries, first, name) != 0) environment->entries[at++] = *entries;
    environment->entries[at] = NULL;
    return 0;
}

/* Nothing changes it meanwhile. */
static int environment_copy_unshared(struct os_environment *environment, const char *first) {
    static char *const nothing[] = {NULL};
    if (os_environment_make(environment, environ ? environ : nothing, first) < 0) return -1;
    char **kept = environment->entries;
    for (char **at = kept; *at; at++) {
        if (strlen(*at) > LONGEST) {
            os_environment_free(environment);
            errno = E2BIG;
            return -1;
        }
        if (strchr(*at, '=')) *kept++ = *at;
    }
    *kept = NULL;
    return 0;
}

int os_environment_copy(struct os_environment *environment, const char *first) {
    return SINGLE_THREADED ? environment_copy_unshared(environment, first)
                           : environment_copy_shared(environment, first);
}

void os_environment_free(struct os_environment *environment) {
    free(environment->entries);
    free(environment->text);
    *environment = (struct os_environment){0};
}

const char *os_environment_value(char *const *entries, const char *name) {
    size_t length = strlen(name);
    for (; *entries; entries++)
        if (strncmp(*entries, name, length) == 0 && (*entries)[length] == '=') return *entries + length + 1;
    return NULL;
}
