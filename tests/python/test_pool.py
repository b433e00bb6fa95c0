"""The pool: tasks that fail, workers that die, and what map, imap and results do that multiprocessing's do not."""

import asyncio
import collections
import os
import random
import signal
import sys
import tempfile
import threading
import time
import unittest

import prong
from support import InMethod, Interrupted, for_each_method, in_thread, interrupt, on_alarm

SOON = 30


def same(x):
    return x


def add(a, b=0):
    return a + b


def die(signal_number=9):
    os.kill(os.getpid(), signal_number)
    time.sleep(SOON)


def die_if(x):
    if x == "die":
        die()
    return x


def die_first(path):
    """Dies the first time that it runs."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return "done"
    die()


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def leave():
    sys.exit(3)


class NotHere:
    """Unpickles in workers only."""

    def __reduce__(self):
        return _not_here, (os.getpid(),)


def _not_here(pid):
    if pid != os.getpid():
        raise ValueError("not here")
    return NotHere()


def no_unpickling_if(x):
    return NotHere() if x else x


class DoesNotUnpickle(Exception):
    def __init__(self, a, b):
        super().__init__("one argument only")


def raise_what_does_not_unpickle():
    raise DoesNotUnpickle(1, 2)


def generator():
    return (n for n in range(3))


def fail():
    raise ValueError("no initializer of mine")


def read(path):
    with open(path) as file:
        return file.read()


def _keep(q):
    global kept
    kept = q


def _put_kept(n):
    kept.put(n)


def inner_pool():
    with prong.Pool(2) as pool:
        return pool.map(square, range(3))


def square(x):
    return x * x


class Vanishing:
    """Pickled as a function that is nowhere."""

    def __call__(self):
        return 1

    def __reduce__(self):
        return _look_up, ("no_such_function",)


def _look_up(name):
    return getattr(sys.modules[__name__], name)


class Pools(InMethod):
    """In each start method."""

    def test_a_killed_worker_fails_its_task_alone(self):
        with self.context.Pool(2) as pool:
            with self.assertRaises(prong.WorkerDied) as caught:
                pool.apply_async(die).get(SOON)
            self.assertEqual(caught.exception.exitcode, -9)
            self.assertIn("signal 9", str(caught.exception))
            self.assertIsInstance(caught.exception, prong.ProcessError)
            self.assertEqual(pool.map_async(same, range(100)).get(SOON), list(range(100)))
            with self.assertRaises(prong.WorkerDied) as caught:
                pool.map_async(die_if, ["a", "b", "die", "c"], 1).get(SOON)
            self.assertEqual(caught.exception.index, 2)
            self.assertGreaterEqual(pool.deaths(), 2)

    def test_a_task_is_run_again_when_its_worker_died(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = os.path.join(directory.name, "died")
        with self.context.Pool(2) as pool:
            self.assertEqual(pool.apply_async(die_first, (path,), retries=2).get(SOON), "done")

    def test_a_task_that_takes_too_long_is_killed(self):
        with self.context.Pool(2) as pool:
            began = time.monotonic()
            with self.assertRaises(prong.TaskTimeout):
                pool.apply_async(sleep, (SOON * 3,), timeout=0.2).get(SOON)
            self.assertLess(time.monotonic() - began, SOON)
            self.assertEqual(pool.apply_async(add, (1,), {"b": 2}).get(SOON), 3)

    def test_a_task_that_calls_exit_or_cannot_be_described_is_an_error(self):
        with self.context.Pool(1) as pool:
            for function in (leave, raise_what_does_not_unpickle):
                with self.assertRaises(prong.ProcessError):
                    pool.apply_async(function).get(SOON)
            with self.assertRaises(prong.pool.MaybeEncodingError):
                pool.apply_async(generator).get(SOON)
            self.assertEqual(pool.apply_async(same, (1,)).get(SOON), 1)

    def test_an_initializer_that_raises_breaks_the_pool_with_its_text(self):
        pool = self.context.Pool(2, initializer=fail)
        with self.assertRaises(prong.PoolBroken) as caught:
            for _ in range(1000):
                pool.apply_async(same, (1,)).get(SOON)
        self.assertIn("no initializer of mine", str(caught.exception.__cause__))
        pool.terminate()

    def test_tasks_are_cancelled(self):
        with self.context.Pool(1) as pool:
            first, second = pool.apply_async(sleep, (0.5,)), pool.apply_async(sleep, (0.5,))
            second.cancel()
            with self.assertRaises(prong.TaskCancelled):
                second.get(SOON)
            self.assertEqual(first.get(SOON), 0.5)
            third = pool.apply_async(sleep, (SOON,))
            time.sleep(0.2)
            third.cancel(force=True)
            with self.assertRaises(prong.TaskCancelled):
                third.get(SOON)

    def test_chunks_of_numbers(self):
        edges = [0, 1, -1, 255, 256, 65535, 65536, 2**30 - 1, 2**30, -2**30, 2**31 - 1, 2**31, -2**31, -2**31 - 1, 2**60, 2**63 - 1,
                 -2**63, 0.0, -0.5, 1e300, float("inf")]
        with self.context.Pool(2) as pool:
            for items in (edges * 20, tuple(edges * 20), range(-500, 500), edges * 20 + [2**63], edges * 20 + [True],
                          edges * 20 + ["text"], [[number] for number in edges * 20]):
                result = pool.map(same, items, 100)
                self.assertEqual(result, list(items))
                self.assertEqual([type(value) for value in result], [type(value) for value in items])
            self.assertEqual(pool.starmap(add, [(n, n) for n in range(1000)], 300), [2 * n for n in range(1000)])
            self.assertEqual(pool.map(same, range(7), 3), list(range(7)))

    def test_results_are_read_as_they_come(self):
        with self.context.Pool(2) as pool:
            with self.assertRaises(prong.WorkerDied) as caught:
                pool.map(die_if, ["a"] * 100 + ["die"] + ["b"] * 100, 10)
            self.assertEqual(caught.exception.index, 10)
            ended = pool.map_async(no_unpickling_if, [0] * 50 + [1] + [0] * 50, 10)
            for _ in range(2):
                with self.assertRaisesRegex(ValueError, "not here"):
                    ended.get()
            self.assertFalse(ended.successful())
            threads, got = [], []
            result = pool.map_async(sleep, [0.02] * 40, 2)
            for _ in range(4):
                threads.append(threading.Thread(target=lambda: got.append(result.get())))
                threads[-1].start()
            with self.assertRaises(prong.TimeoutError):
                result.get(0.01)
            for thread in threads:
                thread.join(SOON)
            self.assertEqual(got, [[0.02] * 40] * 4)

    def test_an_interrupted_get_may_be_repeated(self):
        with on_alarm(interrupt), self.context.Pool(2) as pool:
            result = pool.map_async(sleep, [0.05] * 20, 2)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            self.assertRaises(Interrupted, result.get)
            self.assertEqual(result.get(), [0.05] * 20)

    def test_imap_reads_no_further_ahead_than_it_is_told(self):
        read = []

        def numbers():
            for n in range(1000):
                read.append(n)
                yield n
        with self.context.Pool(2) as pool:
            iterator = pool.imap(same, numbers(), buffersize=5)
            self.assertEqual(next(iterator), 0)
            self.assertLess(len(read), 10)
            self.assertEqual(list(iterator), list(range(1, 1000)))
            for function in (pool.imap, pool.imap_unordered):
                self.assertEqual(sorted(function(same, range(500), chunksize=7)), list(range(500)))

    def test_what_was_submitted_runs_though_nobody_keeps_the_result(self):
        done = self.context.Queue()
        with self.context.Pool(2, initializer=_keep, initargs=(done,)) as pool:
            for n in range(20):
                pool.apply_async(_put_kept, (n,))
            pool.imap_unordered(_put_kept, range(20, 220))
            time.sleep(0.3)  # those that were submitted at once have ended
            pool.close()
            self.assertTrue(pool.join(SOON))
        self.assertEqual(sorted(done.get_many(220)), list(range(220)))

    def test_several_threads_take_each_result_once(self):
        with self.context.Pool(2) as pool:
            for imap in pool.imap, pool.imap_unordered:
                for chunksize in 1, 7:
                    iterator, taken = imap(same, range(2000), chunksize), []
                    threads = [in_thread(lambda: taken.extend(iter(iterator.next, None))) for _ in range(4)]
                    for thread in threads:
                        thread.join(SOON)
                    self.assertEqual(sorted(taken), list(range(2000)))
            iterator = pool.imap(time.sleep, [0.5])
            first = in_thread(iterator.next)
            time.sleep(0.1)
            self.assertRaises(prong.TimeoutError, iterator.next, 0.01)
            first.join(SOON)

    def test_a_result_can_be_awaited_and_imap_iterated_by_asyncio(self):
        async def main(pool):
            total = await pool.apply_async(add, (1, 2))
            async for value in pool.imap(same, range(5)):
                total += value
            return total
        with self.context.Pool(2) as pool:
            self.assertEqual(asyncio.run(asyncio.wait_for(main(pool), SOON)), 13)

    def test_the_executor_outlives_a_worker(self):
        with prong.ProcessPoolExecutor(2, mp_context=self.context) as executor:
            futures = [executor.submit(die_if, x) for x in ("a", "die", "b")]
            self.assertEqual(futures[0].result(SOON), "a")
            with self.assertRaises(prong.WorkerDied):
                futures[1].result(SOON)
            self.assertEqual(futures[2].result(SOON), "b")
            self.assertEqual(list(executor.map(add, range(5), range(5), timeout=SOON)), [0, 2, 4, 6, 8])
            with self.assertRaises(TypeError):
                executor.submit(add, generator()).result(SOON)

    def test_a_worker_may_have_a_pool(self):
        with self.context.Pool(1) as pool:
            self.assertEqual(pool.apply_async(inner_pool).get(SOON), [0, 1, 4])

    def test_keywords_may_be_any_mapping(self):
        for pool in (self.context.Pool(1), prong.Pool(prong.INLINE)):
            with pool:
                self.assertEqual(pool.apply(add, [1], collections.UserDict(b=2)), 3)
                self.assertEqual(pool.apply_async(add, (1,), collections.OrderedDict(b=3)).get(SOON), 4)
                with self.assertRaises(TypeError):
                    pool.apply(add, (1,), 3)

    def test_a_function_that_cannot_be_found_is_an_error(self):
        with self.context.Pool(1) as pool:
            with self.assertRaises((AttributeError, ImportError)):
                pool.apply_async(Vanishing()).get(SOON)
            self.assertEqual(pool.apply_async(same, (1,)).get(SOON), 1)

    def test_functions_go_by_value_where_that_is_asked_for(self):
        try:
            import cloudpickle  # noqa: F401
        except ImportError:
            self.skipTest("cloudpickle is not installed")
        calls = []
        with self.context.Pool(1) as pool:
            function = prong.by_value(lambda x: (calls.append(x), len(calls))[1])
            self.assertEqual(pool.map_async(function, range(3), 1).get(SOON), [1, 1, 1])

    def test_progress(self):
        with self.context.Pool(2) as pool:
            result = pool.map_async(same, range(10), 1)
            result.wait(SOON)
            self.assertEqual(result.progress()[:2], (10, 10))
            self.assertEqual(pool.map(same, range(10), 1, progress=True), list(range(10)))
            self.assertEqual(list(pool.imap(same, range(10), progress=True)), list(range(10)))


ForkTest, SpawnTest, ForkServerTest = for_each_method(Pools)


class PoolTest(unittest.TestCase):
    """In one start method."""

    def test_pools_count_usable_cpus(self):
        with prong.Pool() as pool:
            self.assertEqual(len(pool._pool), prong.usable_cpu_count())
        self.assertLessEqual(prong.usable_cpu_count(), len(os.sched_getaffinity(0)))

    def test_tasks_that_change_while_they_are_read(self):
        class Shrinks:
            def __reduce__(self):
                del items[1:]
                return int, ()
        with prong.Pool(1) as pool:
            for chunksize in (1, 2):
                items = [Shrinks() for _ in range(50)]
                if chunksize == 1:
                    with self.assertRaisesRegex(RuntimeError, "changed while"):
                        pool.map(same, items, chunksize)
                else:
                    self.assertEqual(pool.map(same, items, chunksize), [0, 0])


class StormTest(unittest.TestCase):
    """Workers killed at random while tasks run."""

    TASKS = int(os.environ.get("PRONG_PYTHON_STORM", "100000"))

    def test_every_task_is_done_or_reported(self):
        stop = threading.Event()
        with prong.get_context("fork").Pool(4) as pool:
            def kill():
                while not stop.wait(0.005):
                    workers = [pid for pid, busy, tasks in pool._core.workers() if pid]
                    if workers:
                        try:
                            os.kill(random.choice(workers), 9)
                        except ProcessLookupError:
                            pass
            killer = threading.Thread(target=kill)
            killer.start()
            try:
                while not pool.deaths():  # few tasks might be done before the first is killed
                    self.assertEqual(pool.map(same, range(100), 1, retries=200), list(range(100)))
                results = [pool.map_async(same, range(at, at + 100), 1, retries=200) for at in range(0, self.TASKS // 2, 100)]
                done = [value for result in results for value in result.get(120)]
                self.assertEqual(done, list(range(self.TASKS // 2)))
                singles = [pool.apply_async(same, (n,)) for n in range(self.TASKS // 2)]
                lost = 0
                for n, single in enumerate(singles):
                    try:
                        self.assertEqual(single.get(120), n)
                    except prong.WorkerDied:
                        lost += 1
            finally:
                stop.set()
                killer.join()
            self.assertLess(lost, self.TASKS // 2)


if __name__ == "__main__":
    unittest.main()
