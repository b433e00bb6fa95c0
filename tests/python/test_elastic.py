"""How many workers a pool has, new ones in place of old ones, and limits of their memory."""

import os
import signal
import time
import unittest

import prong

METHODS = ("fork", "spawn", "forkserver")
MIB = 1 << 20


def pids(pool):
    return [pid for pid, busy, tasks in pool._core.workers()]


def meet(barrier):
    barrier.wait(20)
    return os.getpid()


def keep(size):
    keep.bytes = bytearray(size)
    return os.getpid()


def refused(size):
    try:
        bytearray(size)
    except MemoryError:
        return True
    return False


def take_too_much(path, size):
    import mmap
    import resource
    if os.path.exists(path):
        return "again"
    open(path, "w").close()
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    region = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for at in range(0, size, 4096):
        region[at] = 1
    time.sleep(20)


class SizeTest(unittest.TestCase):
    def wait_for_workers(self, pool, count):
        end = time.monotonic() + 30
        while len(pids(pool)) != count or 0 in pids(pool):
            self.assertLess(time.monotonic(), end, pids(pool))
            time.sleep(0.01)

    def run_at_the_same_time(self, context, pool, count):
        barrier = context.Barrier(count)
        self.assertEqual(len(set(pool.map(meet, [barrier] * count, chunksize=1))), count)

    def test_a_pool_is_resized(self):
        for method in METHODS:
            with self.subTest(method=method), prong.get_context(method).Pool(1) as pool:
                context = prong.get_context(method)
                pool.resize(3)
                self.run_at_the_same_time(context, pool, 3)
                pool.resize(1)
                self.wait_for_workers(pool, 1)
                self.assertEqual(pool.map(abs, [-1, -2]), [1, 2])

    def test_a_pool_grows_and_shrinks(self):
        for method in METHODS:
            context = prong.get_context(method)
            with self.subTest(method=method), context.Pool(1, processes_most=3, idle_time=0.1) as pool:
                self.run_at_the_same_time(context, pool, 3)
                self.wait_for_workers(pool, 1)

    def test_workers_are_replaced(self):
        for method in METHODS:
            with self.subTest(method=method), prong.get_context(method).Pool(2) as pool:
                self.wait_for_workers(pool, 2)
                before = pids(pool)
                result = pool.map_async(abs, range(-500, 0), chunksize=1)
                os.kill(before[0], signal.SIGSTOP)
                with self.assertRaises(prong.TimeoutError):
                    pool.replace_workers(0.05)
                os.kill(before[0], signal.SIGCONT)
                pool.replace_workers(30)
                self.assertEqual(result.get(30), list(range(500, 0, -1)))
                self.assertTrue(set(before).isdisjoint(pids(pool)))

    def test_what_cannot_be(self):
        with prong.get_context("fork").Pool(1) as pool:
            for size in (0, -1, 65, 1 << 70, "2"):
                with self.assertRaises((ValueError, OverflowError), msg=size):
                    pool.resize(size)
            pool.close()
            with self.assertRaises(ValueError):
                pool.resize(2)
            with self.assertRaises(ValueError):
                pool.replace_workers()
            pool.join()
        for options in ({"processes_most": 0}, {"memory_soft": -1}, {"memory_hard": "1"}, {"idle_time": 1},
                        {"memory_soft": 2, "memory_hard": 1}, {"processes": 3, "processes_most": 2}):
            with self.assertRaises(ValueError, msg=options):
                prong.Pool(**options)
        with prong.Pool(prong.INLINE) as pool, self.assertRaises(ValueError):
            pool.resize(2)


class MemoryTest(unittest.TestCase):
    def test_a_worker_above_the_soft_limit_is_replaced(self):
        for method in METHODS:
            with self.subTest(method=method), prong.get_context(method).Pool(1, memory_soft=150 * MIB) as pool:
                small = pool.apply(keep, (MIB,))
                self.assertEqual(pool.apply(keep, (MIB,)), small)
                large = pool.apply(keep, (200 * MIB,))
                self.assertEqual(large, small)
                self.assertNotEqual(pool.apply(keep, (MIB,)), large)

    def test_more_than_the_hard_limit_is_refused(self):
        for method in METHODS:
            with self.subTest(method=method), prong.get_context(method).Pool(1, memory_hard=200 * MIB) as pool:
                self.assertIs(pool.apply(refused, (MIB,)), False)
                self.assertIs(pool.apply(refused, (1 << 30,)), True)

    def test_or_the_task_is_killed(self):
        import tempfile
        for method in METHODS:
            with self.subTest(method=method), tempfile.TemporaryDirectory() as folder, \
                    prong.get_context(method).Pool(1, memory_hard=200 * MIB) as pool:
                with self.assertRaisesRegex(prong.TaskMemory, "memory_hard") as caught:
                    pool.apply(take_too_much, (folder + "/once", 400 * MIB))
                self.assertIsInstance(caught.exception, MemoryError)
                self.assertEqual(pool.apply(take_too_much, (folder + "/twice", 400 * MIB), retries=1), "again")


class BytesTest(unittest.TestCase):
    def test_a_queue_may_have_a_limit_in_bytes(self):
        import queue
        full = prong.Queue(maxbytes=1000)
        full.put(b"x" * 900)
        with self.assertRaises(queue.Full):
            full.put(b"x" * 900, timeout=0.05)
        self.assertEqual(len(full.get()), 900)
        full.put(b"x" * 5000)
        self.assertEqual(len(full.get()), 5000)


if __name__ == "__main__":
    unittest.main()
