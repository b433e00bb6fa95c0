/* Runs a fuzz target over the files and directories named as arguments, without a fuzzer: the tests do so with the kept
 * corpora. */
#include "fuzz.h"
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_MAX = 1 << 20 };

static int ran, unreadable;

/* Each in memory of just its size, so that a sanitizer sees a read behind it. */
static void replay_file(const char *name) {
    static uint8_t data[INPUT_MAX];
    FILE *file = fopen(name, "rb");
    if (!file) {
        fprintf(stderr, "%s cannot be read\n", name);
        unreadable++;
        return;
    }
    size_t size = fread(data, 1, sizeof(data), file);
    fclose(file);
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    ran++;
}

static void replay(const char *name) {
    struct stat about;
    DIR *directory = stat(name, &about) == 0 && S_ISDIR(about.st_mode) ? opendir(name) : NULL;
    if (!directory) {
        replay_file(name);
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
        replay_file(path);
    }
    closedir(directory);
}

int main(int count, char **names) {
    for (int i = 1; i < count; i++) replay(names[i]);
    printf("%d passed, %d failed\n", ran, unreadable + (ran == 0));
    return unreadable || ran == 0;
}
