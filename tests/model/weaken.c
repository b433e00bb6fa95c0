/* A child explores with one site changed; if it finds a violation, the site is needed as it is written. Then with all at once that need
 * no order. */
#define _GNU_SOURCE
#include "weaken.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONGEST = 300, LINE = 200 };

/* The linker's; a model without sites has neither. */
extern __attribute__((weak)) struct model_site *__start_model_sites[], *__stop_model_sites[];

static const char *order_name(int order) {
    switch (order) {
    case __ATOMIC_RELAXED: return "relaxed";
    case __ATOMIC_ACQUIRE: return "acquire";
    case __ATOMIC_RELEASE: return "release";
    case __ATOMIC_ACQ_REL: return "acq_rel";
    default: return "seq_cst";
    }
}

static int exploration; /* 1 and on */
static const struct model_site *changed_site;

uint64_t exploration_bit(void) {
    return 1ull << (exploration < EXPLORATIONS_TOLD_APART ? exploration : EXPLORATIONS_TOLD_APART - 1);
}

void explorations_begin(void) {
    exploration = 0;
}

bool exploration_begins(void) {
    exploration++;
    return !changed_site || changed_site->reached & exploration_bit();
}

enum outcome { HOLDS, VIOLATED, UNKNOWN };

/* In a child, with the sites as they are changed now. */
static enum outcome explore_apart(int (*explore)(void)) {
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int nothing = open("/dev/null", O_WRONLY);
        dup2(nothing, STDOUT_FILENO);
        alarm(LONGEST);
        explorations_begin();
        explore();
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status)) return UNKNOWN;
    return WEXITSTATUS(status) == 0 ? HOLDS : VIOLATED;
}

static enum outcome explore_changed(struct model_site *site, int change, int (*explore)(void)) {
    site->weakened = change;
    if (change != LEFT_OUT) changed_site = site;
    enum outcome outcome = explore_apart(explore);
    site->weakened = WEAKER_NOT;
    changed_site = NULL;
    if (outcome == UNKNOWN) printf("# %s %s: exploring it did not end\n", site->function, site->operation);
    return outcome;
}

static const char *needed(struct model_site *site, int (*explore)(void)) {
    if (explore_changed(site, WEAKER_RELAXED, explore) == HOLDS) return "relaxed";
    if (site->order != __ATOMIC_SEQ_CST) return order_name(site->order);
    return explore_changed(site, WEAKER_ACQ_REL, explore) == HOLDS ? "acq_rel" : "seq_cst";
}

/* Sites of one function and operation are numbered by their lines. */
static int number_of(const struct model_site *site) {
    int number = 1;
    for (struct model_site **other = __start_model_sites; other < __stop_model_sites; other++)
        number += !strcmp((*other)->function, site->function) && !strcmp((*other)->operation, site->operation) &&
                  (*other)->line < site->line;
    return number;
}

static bool file_has(const char *path, const char *line) {
    char text[LINE];
    bool found = false;
    FILE *file = fopen(path, "r");
    while (file && !found && fgets(text, sizeof text, file)) found = strcmp(text, line) == 0;
    if (file) fclose(file);
    return found;
}

/* The lines of a model in the file, so that none is left over. */
static int file_count(const char *path, const char *model) {
    char text[LINE];
    int count = 0;
    FILE *file = fopen(path, "r");
    while (file && fgets(text, sizeof text, file))
        count += strncmp(text, model, strlen(model)) == 0 && text[strlen(model)] == ' ';
    if (file) fclose(file);
    return count;
}

static bool file_has_site(const char *path, const char *model, const struct model_site *site, const char *needed) {
    char line[LINE];
    snprintf(line, sizeof line, "%s %s %s %d %s %s\n", model, site->function, site->operation, number_of(site),
             order_name(site->order), needed);
    return file_has(path, line);
}

static bool compare_order(const char *path, const char *model, struct model_site *site, int (*explore)(void)) {
    char alone[LINE];
    const char *is = needed(site, explore);
    snprintf(alone, sizeof alone, "%s alone", is);
    bool same = file_has_site(path, model, site, is) || file_has_site(path, model, site, alone);
    printf("%s%s %s %s %d %s %s\n", same ? "" : "not as in the file: ", model, site->function, site->operation,
           number_of(site), order_name(site->order), is);
    return same;
}

/* All that the file has as relaxed, and not only alone, at once. */
static bool compare_at_once(const char *path, const char *model, int (*explore)(void)) {
    int count = 0;
    for (struct model_site **site = __start_model_sites; site < __stop_model_sites; site++) {
        if ((*site)->order == __ATOMIC_RELAXED || !file_has_site(path, model, *site, "relaxed")) continue;
        (*site)->weakened = WEAKER_RELAXED;
        count++;
    }
    bool holds = explore_apart(explore) == HOLDS;
    printf("%s%d relaxed at once\n", holds ? "" : "not as in the file: ", count);
    return holds;
}

static int compare_orders(const char *path, const char *name, int (*explore)(void)) {
    int passed = 0, failed = 0;
    explorations_begin();
    explore();
    for (struct model_site **site = __start_model_sites; site < __stop_model_sites; site++) {
        if ((*site)->order == __ATOMIC_RELAXED) continue;
        if ((*site)->reached)
            *(compare_order(path, name, *site, explore) ? &passed : &failed) += 1;
        else
            printf("# not reached: %s %s %d\n", (*site)->function, (*site)->operation, number_of(*site));
    }
    if (file_count(path, name) != passed) failed++;
    *(compare_at_once(path, name, explore) ? &passed : &failed) += 1;
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}

/* --- mutations --- */

static struct model_site *find_site(const char *function, const char *operation, int number) {
    for (struct model_site **site = __start_model_sites; site < __stop_model_sites; site++)
        if (!strcmp((*site)->function, function) && !strcmp((*site)->operation, operation) &&
            number_of(*site) == number)
            return *site;
    return NULL;
}

static bool is_found(const char *line, const struct explorations *e) {
    char function[LINE], operation[LINE];
    int number;
    if (sscanf(line, "%*s %199s %199s %d", function, operation, &number) != 3) return false;
    struct model_site *site = find_site(function, operation, number);
    return site && explore_changed(site, LEFT_OUT, e->quick ? e->quick : e->all) == VIOLATED;
}

static int find_mutations(const char *path, const struct explorations *e) {
    int passed = 0, failed = 0;
    char line[LINE];
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, e->name, strlen(e->name)) != 0 || line[strlen(e->name)] != ' ') continue;
        bool found = is_found(line, e);
        printf("%s%s", found ? "" : "not found: ", line);
        *(found ? &passed : &failed) += 1;
    }
    if (file) fclose(file);
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}

int model_main(int argc, char **argv, const struct explorations *e) {
    if (argc > 2 && strcmp(argv[1], "orders") == 0) return compare_orders(argv[2], e->name, e->orders);
    if (argc > 2 && strcmp(argv[1], "mutations") == 0) return find_mutations(argv[2], e);
    printf("%d passed, 0 failed\n", e->all());
    return 0;
}
