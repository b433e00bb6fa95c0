"""A limit in bytes on what a pool holds, and pools by name."""

import os
import queue
import signal
import threading
import time
import unittest

import prong
from support import SOON, InMethod, Interrupted, for_each_method, in_thread, interrupt, on_alarm

LIMIT = 100_000
LARGE = b"x" * 60_000  # of which there is room for one


def wait_for(event, data):
    return event.wait(SOON) and len(data)


def size(data):
    return len(data)


class Rooms(InMethod):
    def make(self, *args, **options):
        pool = self.context.Pool(*args, maxbytes=LIMIT, **options)
        self.addCleanup(pool.join)
        self.addCleanup(pool.terminate)
        return pool

    def fill(self, pool):
        """A call that runs until the event is set."""
        go = self.context.Event()
        return go, pool.apply_async(wait_for, (go, LARGE))

    def test_a_call_waits_for_room(self):
        pool = self.make(2)
        go, first = self.fill(pool)
        for timeout in (0, -1, 0.05):
            with self.assertRaisesRegex(queue.Full, "maxbytes"):
                pool.apply_async(size, (LARGE,), room_timeout=timeout)
        with self.assertRaises(queue.Full):
            pool.map_async(size, [LARGE], room_timeout=0)
        with self.assertRaises(queue.Full):
            pool.starmap_async(size, [(LARGE,)], room_timeout=0)
        threading.Timer(0.1, go.set).start()
        self.assertEqual(pool.apply(size, (LARGE,)), len(LARGE))
        self.assertEqual(first.get(SOON), len(LARGE))

    def test_all_is_submitted_and_then_collected(self):
        pool = self.make(2)
        results = [pool.apply_async(size, (LARGE,)) for _ in range(30)]
        self.assertEqual([result.get(SOON) for result in results], [len(LARGE)] * 30)

    def test_callbacks_submit(self):
        pool = self.make(1)
        came = queue.Queue()

        def further(value):
            pool.apply_async(size, (LARGE,), callback=came.put)
        for _ in range(5):
            pool.apply_async(size, (LARGE,), callback=further)
        self.assertEqual([came.get(timeout=SOON) for _ in range(5)], [len(LARGE)] * 5)

    def test_what_is_larger_alone_is_refused(self):
        pool = self.make(1)
        with self.assertRaisesRegex(ValueError, "maxbytes is 100000"):
            pool.apply(size, (LARGE * 2,))
        with self.assertRaisesRegex(ValueError, "maxbytes is 100000"):
            pool.map(size, [LARGE] * 2, chunksize=1)

    def test_large_arrays_count(self):
        with self.context.Pool(1, maxbytes=10 << 20) as pool:
            go = self.context.Event()
            array = bytearray(6 << 20)
            first = pool.apply_async(wait_for, (go, array))
            with self.assertRaises(queue.Full):
                pool.apply_async(size, (array,), room_timeout=0)
            go.set()
            self.assertEqual(first.get(SOON), len(array))

    def test_an_iterator_reads_ahead_as_far_as_there_is_room(self):
        for form in ("imap", "imap_unordered"):
            pool = self.make(1)
            go, first = self.fill(pool)
            read = []
            tasks = (read.append(i) or LARGE[:30_000] for i in range(10))
            iterator = getattr(pool, form)(size, tasks)
            self.assertEqual(len(read), 2)  # one is submitted, and one was read that waits
            go.set()
            self.assertEqual(list(iterator), [30_000] * 10)
            self.assertEqual(first.get(SOON), len(LARGE))
            pool.close()

    def test_the_rest_of_an_iterator_is_submitted_by_close(self):
        pool = self.make(1)
        iterator = pool.imap(size, [LARGE] * 10)
        pool.close()
        self.assertEqual(list(iterator), [len(LARGE)] * 10)

    def test_a_call_that_waits_is_told_of_the_end(self):
        pool = self.make(1)
        self.fill(pool)
        in_thread(lambda: (time.sleep(0.1), pool.terminate()))
        with self.assertRaisesRegex(ValueError, "not running"):
            pool.apply_async(size, (LARGE,))

    def test_a_signal_ends_the_wait(self):
        pool = self.make(1)
        self.fill(pool)
        with on_alarm(interrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with self.assertRaises(Interrupted):
                pool.apply_async(size, (LARGE,))

    def test_a_killed_worker_makes_room(self):
        pool = self.make(1)
        go, first = self.fill(pool)
        while not any(busy for pid, busy, tasks in pool._core.workers()):
            time.sleep(0.01)
        os.kill(pool._core.workers()[0][0], signal.SIGKILL)
        self.assertEqual(pool.apply_async(size, (LARGE,), room_timeout=SOON).get(SOON), len(LARGE))
        with self.assertRaises(prong.WorkerDied):
            first.get(SOON)


ForkTest, SpawnTest, ForkServerTest = for_each_method(Rooms)


class JournalTest(unittest.TestCase):
    def test_a_journal_goes_with_a_limit(self):
        import tempfile
        with tempfile.TemporaryDirectory() as folder, prong.Pool(2, maxbytes=LIMIT) as pool:
            path = os.path.join(folder, "journal")
            self.assertEqual(list(pool.imap(size, [LARGE] * 20, journal=path)), [len(LARGE)] * 20)
            self.assertEqual(list(pool.imap(size, [LARGE] * 25, journal=path)), [len(LARGE)] * 25)
            with self.assertRaisesRegex(ValueError, "maxbytes"):  # a map is one call
                pool.map(size, [LARGE] * 30, journal=path)
            self.assertEqual(pool.map(size, [LARGE] * 26, journal=path), [len(LARGE)] * 26)


class NameTest(unittest.TestCase):
    def test_a_pool_is_found_by_its_name(self):
        with prong.Pool(1, name="cpu") as first, prong.Pool(1, name="gpu") as other:
            self.assertIs(prong.find_pool("cpu"), first)
            self.assertIs(prong.find_pool("gpu"), other)
            self.assertRegex(first.apply(worker_name), r"^cpu-\d+$")
            with prong.Pool(1, name="cpu") as second:
                self.assertIs(prong.find_pool("cpu"), second)
            self.assertIs(prong.find_pool("cpu"), first)
        for name in ("cpu", "none", None):
            with self.assertRaises(LookupError):
                prong.find_pool(name)

    def test_a_forked_child_finds_it_too(self):
        context = prong.get_context("fork")
        with context.Pool(1, name="here") as pool:
            results = context.Queue()
            process = context.Process(target=lambda: results.put(prong.find_pool("here").map(abs, [-1, -2])))
            process.start()
            self.assertEqual(results.get(timeout=SOON), [1, 2])
            process.join()
            self.assertEqual(pool.apply(abs, (-3,)), 3)

    def test_a_pool_without_workers_has_a_name(self):
        with prong.Pool(prong.INLINE, name="debug", maxbytes=10) as pool:
            self.assertIs(prong.find_pool("debug"), pool)
            self.assertEqual(pool.apply(size, (LARGE,)), len(LARGE))

    def test_a_name_that_is_too_long_is_refused(self):
        with self.assertRaisesRegex(ValueError, "more than 31 bytes"):
            prong.Pool(1, name="x" * 32)

    def test_a_limit_is_a_number(self):
        for limit in (0, -1, "1"):
            with self.assertRaisesRegex(ValueError, "maxbytes must be a positive int"):
                prong.Pool(1, maxbytes=limit)


def worker_name():
    return prong.current_process().name


if __name__ == "__main__":
    unittest.main()
