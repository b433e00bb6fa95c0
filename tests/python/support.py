"""What the tests share."""

import contextlib
import signal
import threading


def in_thread(function, *args):
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


@contextlib.contextmanager
def on_alarm(handler):
    """SIGALRM calls the handler, which gets no arguments; its timer, if still set, ends with the block."""
    before = signal.signal(signal.SIGALRM, lambda number, frame: handler())
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Interrupted(Exception):
    """What a handler raises."""


def interrupt():
    raise Interrupted
