/* The ready-made progress bar. */
#include <prong/progress.h>

#include <stdio.h>
#include <unistd.h>

enum { WIDTH = 30 };

static void progress_draw_bar(const prong_progress *p, char *bar) {
    size_t filled = p->total ? p->done * WIDTH / p->total : 0;
    for (size_t i = 0; i < WIDTH; i++) bar[i] = i < filled ? '#' : '.';
    bar[WIDTH] = 0;
}

static double progress_seconds(prong_time time) {
    return (double)time / 1e9;
}

void prong_progress_bar(const prong_progress *p, void *context) {
    char bar[WIDTH + 1], rest[48] = "";
    if (!isatty(STDERR_FILENO)) return;
    progress_draw_bar(p, bar);
    if (p->total && p->done < p->total && p->remaining != PRONG_FOREVER)
        snprintf(rest, sizeof rest, ", %.1f s left", progress_seconds(p->remaining));
    fprintf(stderr, "\r%s%s[%s] %zu/%zu  %.0f/s  %.1f s%s\033[K", context ? (const char *)context : "",
            context ? " " : "", bar, p->done, p->total, p->rate, progress_seconds(p->elapsed), rest);
    if (p->total && p->done == p->total) fputc('\n', stderr);
    fflush(stderr);
}
