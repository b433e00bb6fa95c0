"""What the tests share."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading


def heed_signals():
    """nohup and a shell's background job have some ignored, by those whom the tests start, too."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


heed_signals()


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


def descriptors():
    """How many this process has open; those of what an earlier test left in a circle of references are closed first."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def run_file(program, *arguments, timeout, **environment):
    """The program, run as a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "program.py")
        with open(path, "w") as file:
            file.write(program)
        return subprocess.run([sys.executable, "-W", "ignore", path, *arguments], capture_output=True, text=True, timeout=timeout,
                              env={**os.environ, **environment})
