"""What the tests share."""

import contextlib
import gc
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

import prong

METHODS = ("fork", "spawn", "forkserver")
SOON = 30
PROGRAM_TIME = 120


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


class InMethod:
    """What tests have that run in each start method: for_each_method() makes the cases of unittest."""

    method = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.context = prong.get_context(cls.method)

    def start(self, target, *args):
        """A process, which ends with the test."""
        process = self.context.Process(target=target, args=args)
        process.start()
        self.addCleanup(process.join, SOON)
        self.addCleanup(process.kill)
        return process


def for_each_method(tests):
    """ForkTest, SpawnTest and ForkServerTest: the tests of a class derived from InMethod, in each start method."""
    return [type(name, (tests, unittest.TestCase), {"method": method, "__module__": tests.__module__})
            for name, method in zip(("ForkTest", "SpawnTest", "ForkServerTest"), METHODS)]


class WithManager(InMethod):
    """Each test has a manager."""

    def setUp(self):
        self.manager = self.context.Manager()
        self.addCleanup(self.manager.shutdown)

    def start(self, target, *args):
        process = self.context.Process(target=target, args=args, daemon=True)
        process.start()
        return process

    def ended(self, process):
        """Its exit code."""
        process.join(SOON)
        self.assertIsNotNone(process.exitcode)
        return process.exitcode


class ProgramTest(unittest.TestCase):
    """Each test has a directory, and runs programs."""

    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    encoding = "utf-8"  # of what it writes

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding=self.encoding) as file:
            file.write(text)
        return path

    def run_program(self, text, *arguments, python=sys.executable, **environment):
        path = self.write("program.py", text)
        return subprocess.run([python, "-W", "ignore", path, *arguments], capture_output=True, text=True, timeout=PROGRAM_TIME,
                              env={**os.environ, **environment}, stdin=subprocess.DEVNULL)

    def check(self, text, expected, methods=METHODS, **environment):
        """The program, given each start method, prints what is expected."""
        for method in methods:
            with self.subTest(method=method):
                ran = self.run_program(text, method, **environment)
                self.assertEqual(ran.stdout, expected, ran.stderr)

    def says_good(self, *arguments):
        ran = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=PROGRAM_TIME)
        self.assertEqual(ran.stdout, "good\n", ran.stderr)


class ServerTest(ProgramTest):
    """Each test may start servers."""

    def started(self, *command, **environment):
        """A server of a session of its own, killed at the end."""
        log = open(os.path.join(self.directory, "log"), "w+")
        self.addCleanup(log.close)
        process = subprocess.Popen([sys.executable, *command], cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env={**os.environ, **environment}, start_new_session=True)
        self.addCleanup(process.wait)
        self.addCleanup(lambda: process.poll() is None and os.killpg(process.pid, signal.SIGKILL))
        return process, log

    def ended(self, process, log):
        """What it has written: it ends when it is told to."""
        process.terminate()
        process.wait(SOON)
        log.seek(0)
        return log.read()


def installed(name):
    return importlib.util.find_spec(name) is not None


def needs(*modules):
    missing = [module for module in modules if not installed(module)]
    return unittest.skipIf(missing, f"not installed: {', '.join(missing)}")


def serves(library):
    """Whether there is one that prong's module of this name serves."""
    try:
        importlib.import_module("prong." + library)
        return True
    except ImportError:
        return False


def main():
    """unittest.main, for a file whose tests may all be skipped: CPython 3.12.0 and 3.12.1 call that a failure."""
    program = unittest.main("__main__", exit=False)
    sys.exit(not program.result.wasSuccessful())
