/* The demo: counts the words of a whole directory tree with a pool of processes, beside the same work done serially.
 *
 *     wordcount [--kill] [--processes N] [--method fork|spawn|forkserver] [PATH]
 *
 * With --kill, workers are killed at random all the while; the totals still come out equal, because a task whose worker
 * died is run again. */
#define _GNU_SOURCE
#include "example.h"

#include <ctype.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

enum { WORD_SIZE = 32, TOP = 10, BATCH_BYTES = 1 << 20, SNIFF = 4096, RETRIES = 200 };

/* --- counting: a table of words, growing as it fills --- */

struct entry {
    uint64_t hash, count; /* count 0: free */
    char word[WORD_SIZE]; /* cut off at that; the hash is of the whole */
};

struct table {
    struct entry *entries;
    size_t capacity, used;
    uint64_t files, bytes, words;
};

static struct entry *find_place(struct entry *entries, size_t capacity, uint64_t hash) {
    size_t i = hash & (capacity - 1);
    while (entries[i].count && entries[i].hash != hash) i = (i + 1) & (capacity - 1);
    return &entries[i];
}

static void grow(struct table *table) {
    size_t capacity = table->capacity ? table->capacity * 2 : 4096;
    struct entry *entries = calloc(capacity, sizeof *entries);
    if (!entries) abort();
    for (size_t i = 0; i < table->capacity; i++)
        if (table->entries[i].count) *find_place(entries, capacity, table->entries[i].hash) = table->entries[i];
    free(table->entries);
    table->entries = entries;
    table->capacity = capacity;
}

static void add_entry(struct table *table, uint64_t hash, const char *word, size_t length, uint64_t count) {
    if (table->used * 2 >= table->capacity) grow(table);
    struct entry *entry = find_place(table->entries, table->capacity, hash);
    if (!entry->count) {
        entry->hash = hash;
        snprintf(entry->word, WORD_SIZE, "%.*s", (int)(length < WORD_SIZE ? length : WORD_SIZE - 1), word);
        table->used++;
    }
    entry->count += count;
}

static void count_text(struct table *table, const char *text, size_t size) {
    char word[WORD_SIZE];
    for (size_t i = 0; i < size;) {
        uint64_t hash = 14695981039346656037ull; /* FNV-1a */
        size_t length = 0;
        for (; i < size && isalpha((unsigned char)text[i]); i++, length++) {
            char letter = (char)tolower((unsigned char)text[i]);
            hash = (hash ^ (unsigned char)letter) * 1099511628211ull;
            if (length < WORD_SIZE) word[length] = letter;
        }
        if (length) {
            add_entry(table, hash, word, length, 1);
            table->words++;
        } else {
            i++;
        }
    }
}

static void count_file(struct table *table, const char *path) {
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return;
    if (fstat(fd, &about) == 0 && about.st_size > 0) {
        size_t size = (size_t)about.st_size;
        char *text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (text != MAP_FAILED) {
            if (!memchr(text, 0, size < SNIFF ? size : SNIFF)) { /* not a text otherwise */
                count_text(table, text, size);
                table->files++;
                table->bytes += size;
            }
            munmap(text, size);
        }
    }
    close(fd);
}

/* --- a task: a batch of paths, each ended by a zero; the result is a table, packed --- */

struct packed {
    uint64_t files, bytes, words, entries, pid;
};

static void count_paths(struct table *table, const char *paths, size_t size) {
    for (const char *path = paths; path < paths + size; path += strlen(path) + 1) count_file(table, path);
}

static int count_batch(void *argument, size_t size, prong_result *result) {
    struct table table = {0};
    struct packed *packed;
    count_paths(&table, argument, size);
    if (prong_result_reserve(result, sizeof *packed + table.used * sizeof(struct entry), (void **)&packed)) return 1;
    *packed = (struct packed){table.files, table.bytes, table.words, table.used, (uint64_t)getpid()};
    struct entry *out = (struct entry *)(packed + 1);
    for (size_t i = 0; i < table.capacity; i++)
        if (table.entries[i].count) *out++ = table.entries[i];
    free(table.entries);
    return 0;
}

static void merge(struct table *total, const struct packed *packed) {
    const struct entry *entries = (const struct entry *)(packed + 1);
    for (uint64_t i = 0; i < packed->entries; i++)
        add_entry(total, entries[i].hash, entries[i].word, strlen(entries[i].word), entries[i].count);
    total->files += packed->files;
    total->bytes += packed->bytes;
    total->words += packed->words;
}

/* --- the batches of a directory tree --- */

static struct {
    prong_bytes *batches;
    size_t count;
    char *paths; /* of the batch being filled */
    size_t size;
    uint64_t bytes;
} tree;

static void end_batch(void) {
    if (!tree.size) return;
    tree.batches = realloc(tree.batches, (tree.count + 1) * sizeof *tree.batches);
    tree.batches[tree.count++] = (prong_bytes){tree.paths, tree.size};
    tree.paths = NULL;
    tree.size = 0;
    tree.bytes = 0;
}

static int add_file(const char *path, const struct stat *about, int type, struct FTW *unused) {
    (void)unused;
    if (type != FTW_F || !S_ISREG(about->st_mode)) return 0;
    size_t length = strlen(path) + 1;
    tree.paths = realloc(tree.paths, tree.size + length);
    memcpy(tree.paths + tree.size, path, length);
    tree.size += length;
    tree.bytes += (uint64_t)about->st_size;
    if (tree.bytes >= BATCH_BYTES) end_batch();
    return 0;
}

/* --- killing workers all the while --- */

struct killer {
    prong_pool pool;
    volatile bool stop;
    int kills;
};

static void *kill_workers(void *context) {
    struct killer *killer = context;
    prong_worker workers[64];
    size_t count;
    unsigned seed = (unsigned)time(NULL);
    while (!killer->stop) {
        usleep(5000 + (useconds_t)rand_r(&seed) % 20000);
        if (killer->stop || prong_pool_workers(killer->pool, workers, 64, &count)) break;
        int pid = workers[(size_t)rand_r(&seed) % (count < 64 ? count : 64)].pid;
        if (pid && kill(pid, SIGKILL) == 0) killer->kills++;
    }
    return NULL;
}

/* --- the program --- */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_count(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->word, y->word);
}

static void print_top(struct table *table) {
    qsort(table->entries, table->capacity, sizeof(struct entry), by_count);
    for (size_t i = 0; i < TOP && i < table->used; i++)
        printf("  %-12s %10llu\n", table->entries[i].word, (unsigned long long)table->entries[i].count);
}

struct share {
    uint64_t pid, batches, words;
};

static void print_shares(prong_job job) {
    struct share shares[256] = {{0}};
    size_t count = 0;
    prong_outcome outcome;
    for (size_t i = 0; i < tree.count; i++) {
        must(prong_job_outcome(job, i, &outcome, PRONG_NOWAIT));
        const struct packed *packed = outcome.data;
        size_t k = 0;
        while (k < count && shares[k].pid != packed->pid) k++;
        if (k == 256) continue;
        if (k == count) shares[count++].pid = packed->pid;
        shares[k].batches++;
        shares[k].words += packed->words;
    }
    for (size_t k = 0; k < count; k++)
        printf("  worker %llu: %llu batches, %llu words\n", (unsigned long long)shares[k].pid,
               (unsigned long long)shares[k].batches, (unsigned long long)shares[k].words);
}

static bool same(const struct table *a, const struct table *b) {
    return a->files == b->files && a->bytes == b->bytes && a->words == b->words && a->used == b->used;
}

struct settings {
    const char *path;
    bool kill;
    unsigned processes;
};

static struct settings read_arguments(int argc, char **argv) {
    struct settings s = {.path = "/usr/share"};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--kill") == 0)
            s.kill = true;
        else if (strcmp(argv[i], "--processes") == 0 && i + 1 < argc)
            s.processes = (unsigned)atoi(argv[++i]);
        else if (strcmp(argv[i], "--method") == 0 && i + 1 < argc)
            example_begin(2, &argv[i++]);
        else if (argv[i][0] != '-')
            s.path = argv[i];
        else {
            fprintf(stderr, "usage: wordcount [--kill] [--processes N] [--method fork|spawn|forkserver] [PATH]\n");
            exit(2);
        }
    }
    return s;
}

int main(int argc, char **argv) {
    prong_main(&argc, &argv);
    struct settings settings = read_arguments(argc, argv);
    if (nftw(settings.path, add_file, 64, FTW_PHYS) != 0) {
        fprintf(stderr, "wordcount: %s cannot be read\n", settings.path);
        return 2;
    }
    end_batch();
    struct table serial = {0}, total = {0};
    for (size_t i = 0; i < tree.count; i++)
        count_paths(&total, tree.batches[i].data, tree.batches[i].size); /* warms the cache */
    free(total.entries);
    total = (struct table){0};
    double start = now();
    for (size_t i = 0; i < tree.count; i++) count_paths(&serial, tree.batches[i].data, tree.batches[i].size);
    double serial_time = now() - start;

    prong_pool pool;
    prong_job job;
    prong_outcome outcome;
    must(prong_pool_create(&pool, &(prong_pool_options){.processes = settings.processes}));
    struct killer killer = {.pool = pool};
    pthread_t thread;
    if (settings.kill) pthread_create(&thread, NULL, kill_workers, &killer);
    start = now();
    prong_task_options options = {.retries = RETRIES, .progress = prong_progress_bar, .progress_context = "counting"};
    must(prong_pool_starmap(pool, &job, count_batch, tree.batches, tree.count, &options, PRONG_FOREVER));
    for (size_t i = 0; i < tree.count; i++) {
        must(prong_job_outcome(job, i, &outcome, PRONG_NOWAIT));
        merge(&total, outcome.data);
    }
    double pool_time = now() - start;
    if (settings.kill) {
        killer.stop = true;
        pthread_join(thread, NULL);
    }

    printf("%s: %llu text files, %.1f MB, %llu words, %zu different ones\n", settings.path,
           (unsigned long long)total.files, (double)total.bytes / 1e6, (unsigned long long)total.words, total.used);
    print_top(&total);
    size_t workers;
    must(prong_pool_workers(pool, NULL, 0, &workers));
    printf("serial %.2f s, pool of %zu %.2f s: %.2f times as fast\n", serial_time, workers, pool_time,
           pool_time > 0 ? serial_time / pool_time : 0);
    if (settings.kill) printf("workers killed meanwhile: %d\n", killer.kills);
    print_shares(job);
    printf("totals equal to the serial ones: %s\n", same(&serial, &total) ? "yes" : "NO");
    must(prong_job_close(job));
    must(prong_pool_destroy(pool));
    return same(&serial, &total) ? 0 : 1;
}
