/* The ready-made progress bar, on a terminal and elsewhere. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <fcntl.h>
#include <unistd.h>

/* What the bar writes to standard error, which is `descriptor` meanwhile. */
static void draw(int descriptor, const prong_progress *progress, const char *title) {
    int before = dup(2);
    check(before >= 0 && dup2(descriptor, 2) == 2);
    prong_progress_bar(progress, (void *)(uintptr_t)title);
    check(dup2(before, 2) == 2);
    close(before);
}

static int terminal, its_end;

static void open_terminal(void) {
    char name[100];
    terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (terminal < 0 || grantpt(terminal) || unlockpt(terminal) || ptsname_r(terminal, name, sizeof name) ||
        (its_end = open(name, O_RDWR | O_NOCTTY)) < 0)
        test_skip("no pseudo-terminals here");
}

static void draws(const prong_progress *progress, const char *title, const char *wanted) {
    char drawn[400];
    draw(its_end, progress, title);
    ssize_t size = read(terminal, drawn, sizeof drawn - 1);
    check(size > 0);
    drawn[size] = 0;
    if (strcmp(drawn, wanted) != 0) test_failed(__FILE__, __LINE__, "\"%s\" is drawn, not \"%s\"", drawn, wanted);
}

TEST(a_terminal_shows_a_bar_with_title_rate_and_time_left) {
    open_terminal();
    prong_progress progress = {
        .done = 10, .total = 40, .rate = 5, .elapsed = PRONG_SECONDS(2), .remaining = PRONG_SECONDS(6)};
    draws(&progress, "pages", "\rpages [#######.......................] 10/40  5/s  2.0 s, 6.0 s left\033[K");
    draws(&progress, NULL, "\r[#######.......................] 10/40  5/s  2.0 s, 6.0 s left\033[K");
    progress.remaining = PRONG_FOREVER; /* no estimate yet */
    draws(&progress, NULL, "\r[#######.......................] 10/40  5/s  2.0 s\033[K");
    progress.done = progress.total; /* a new line for what follows */
    draws(&progress, NULL, "\r[##############################] 40/40  5/s  2.0 s\033[K\r\n");
    progress.total = 0; /* not known, as of a generator */
    draws(&progress, NULL, "\r[..............................] 40/0  5/s  2.0 s\033[K");
}

TEST(elsewhere_than_on_a_terminal_no_bar_is_drawn) {
    int ends[2];
    char byte;
    check(pipe2(ends, O_NONBLOCK) == 0);
    draw(ends[1], &(prong_progress){.done = 1, .total = 1}, "pages");
    check(read(ends[0], &byte, 1) < 0);
}
