"""Progress on the terminal: tqdm's bar where it is installed, a plain one otherwise."""

import sys
import time


class _Bar:
    def __init__(self, total):
        self.total, self.n, self.began, self.shown = total, 0, time.monotonic(), 0.0

    def update(self, count):
        self.n += count
        now = time.monotonic()
        if now - self.shown >= 0.1:
            self.shown = now
            self._draw(now)

    def _draw(self, now):
        if not sys.stderr.isatty():
            return
        rate = self.n / max(now - self.began, 1e-9)
        if self.total:
            full = 30 * self.n // self.total
            sys.stderr.write(f"\r[{'#' * full}{'.' * (30 - full)}] {self.n}/{self.total} {rate:.1f}/s")
        else:
            sys.stderr.write(f"\r{self.n} {rate:.1f}/s")
        sys.stderr.flush()

    def close(self):
        self._draw(time.monotonic())
        if sys.stderr.isatty():
            sys.stderr.write("\n")


def bar_of(total):
    try:
        from tqdm import tqdm
    except ImportError:
        return _Bar(total)
    return tqdm(total=total)


def watch(result):
    """Shows how far a result's tasks are, until they have ended."""
    if result.ready():
        return
    done, total, rate = result.progress()
    bar = bar_of(total)
    seen = 0
    while True:
        result.wait(0.1)
        done = result.progress()[0]
        bar.update(done - seen)
        seen = done
        if result.ready():
            break
    bar.close()


def over(iterator, total):
    """The iterator, with a bar."""
    bar = bar_of(total)
    try:
        for value in iterator:
            bar.update(1)
            yield value
    finally:
        bar.close()
