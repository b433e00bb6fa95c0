"""What holds for the whole package: its names, its contexts, its waits, and that it leaves nothing behind."""

import gc
import signal
import time
import unittest

import prong
from support import METHODS, on_alarm

SOON = 30


class PackageTest(unittest.TestCase):
    """What has no start method."""

    def test_every_name_of_multiprocessing_is_here(self):
        import importlib
        import multiprocessing
        for name in multiprocessing.__all__:
            self.assertTrue(hasattr(prong, name), name)
        for module in ("connection", "context", "dummy", "managers", "pool", "process", "queues", "reduction", "shared_memory",
                       "sharedctypes", "spawn", "synchronize", "util"):
            ours, theirs = importlib.import_module("prong." + module), importlib.import_module("multiprocessing." + module)
            for name in getattr(theirs, "__all__", ()):
                self.assertTrue(hasattr(ours, name), f"{module}.{name}")

    def test_contexts_are_multiprocessings(self):
        from multiprocessing.context import BaseContext
        for method in METHODS:
            self.assertIsInstance(prong.get_context(method), BaseContext)
        with self.assertRaises(ValueError):
            prong.get_context("other")

    def test_a_signals_handler_that_raises_ends_a_wait(self):
        def handler():
            raise InterruptedError("told")
        reader, writer = prong.Pipe(duplex=False)
        lock = prong.Lock()
        lock.acquire()
        waits = (prong.Queue().get, reader.recv, lock.acquire, prong.Event().wait,
                 lambda: prong.connection.wait([reader]), prong.Barrier(2).wait)
        with on_alarm(handler):
            for wait in waits:
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                began = time.monotonic()
                with self.assertRaisesRegex(InterruptedError, "told"):
                    wait()
                self.assertLess(time.monotonic() - began, SOON)

    def test_objects_leave_nothing_behind(self):
        def state():
            return prong.deadlock_report().count("\n"), sum(1 for line in prong.deadlock_report().splitlines() if line)

        def once():
            for make in (prong.Lock, prong.RLock, prong.Event, prong.Condition, prong.Queue, prong.SimpleQueue):
                make()
            q = prong.Queue()
            q.put(b"x" * 100000)
            q.get()
            prong.Pipe()
            prong.Value("i", 1)
        for _ in range(50):
            once()
        gc.collect()
        before = prong._core.memory_state()
        for _ in range(500):
            once()
        gc.collect()
        after = prong._core.memory_state()
        self.assertLessEqual(after[0], before[0] + 20, (before, after))


if __name__ == "__main__":
    unittest.main()
