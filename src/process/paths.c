/* Where a program may be: as it is named, or along PATH. */
#include "process/paths.h"

#include "base/error.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An empty part of PATH is the current directory. */
static void paths_spread(struct paths *paths, const char *search, const char *program) {
    char *at = paths->text;
    size_t count = 0;
    for (;;) {
        size_t length = strcspn(search, ":");
        paths->list[count++] = at;
        at += sprintf(at, "%.*s%s%s", (int)length, search, length ? "/" : "./", program) + 1;
        if (!search[length]) break;
        search += length + 1;
    }
    paths->list[count] = NULL;
}

prong_status paths_find(struct paths *paths, const char *program, char *const *environment) {
    *paths = (struct paths){.one = {program, NULL}};
    paths->list = paths->one;
    if (strchr(program, '/')) return PRONG_OK;
    const char *search = os_environment_value(environment, "PATH");
    if (!search) search = "/usr/local/bin:/usr/bin:/bin";
    size_t parts = 1;
    for (const char *c = search; *c; c++) parts += *c == ':';
    paths->text = malloc(strlen(search) + parts * (strlen(program) + 3));
    const char **list = malloc((parts + 1) * sizeof *list);
    if (list) paths->list = list;
    if (!list || !paths->text) return fail(PRONG_NO_MEMORY, "no memory for the places where it may be");
    paths_spread(paths, search, program);
    return PRONG_OK;
}

void paths_free(struct paths *paths) {
    if (paths->list != paths->one) free(paths->list);
    free(paths->text);
}
