"""Pools without workers: prong.INLINE."""

import asyncio
import concurrent.futures
import os
import pickle
import random
import sys
import threading
import unittest

import prong
from prong.pool import Pool

SOON = 30


def here(x=None):
    return os.getpid(), threading.get_ident()


def add(a, b=0):
    return a + b


def fail(x):
    raise ValueError(f"no {x}")


def begin(value):
    prong.worker_state()["value"] = value


def what_was_begun(x):
    return prong.worker_state()["value"], prong.worker_id()


def draw(x):
    return prong.task_seed(), random.random()


class InlineTest(unittest.TestCase):
    def setUp(self):
        self.pool = prong.Pool(prong.INLINE)
        self.addCleanup(self.pool.terminate)

    def test_tasks_run_in_the_thread_that_submits_them(self):
        mine = here()
        self.assertEqual(self.pool.apply(here), mine)
        self.assertEqual(set(self.pool.map(here, range(10))), {mine})
        self.assertEqual(set(self.pool.imap(here, range(10))), {mine})
        self.assertEqual(self.pool._pool, [])

    def test_all_forms_give_the_same(self):
        with prong.get_context("fork").Pool(2) as other:
            for pool in (self.pool, other):
                self.assertEqual(pool.apply(add, (1,), {"b": 2}), 3)
                self.assertEqual(pool.map(abs, [-1, 2, -3]), [1, 2, 3])
                self.assertEqual(pool.map(abs, range(-10, 0), 3), list(range(10, 0, -1)))
                self.assertEqual(pool.map(abs, []), [])
                self.assertEqual(pool.starmap(add, [(1, 2), (3, 4)]), [3, 7])
                self.assertEqual(pool.starmap(add, [(1, 2)] * 9, 2), [3] * 9)
                self.assertEqual(list(pool.imap(abs, iter([-1, -2]), 2)), [1, 2])
                self.assertEqual(sorted(pool.imap_unordered(abs, [-1, -2, -3])), [1, 2, 3])
                result = pool.map_async(abs, [-1])
                self.assertEqual(result.get(SOON), [1])
                self.assertTrue(result.ready() and result.successful())
                self.assertEqual(result.progress()[:2], (1, 1))

    def test_errors_are_of_the_same_type(self):
        for call in (lambda: self.pool.apply(fail, (1,)), lambda: self.pool.map(fail, [1, 2]),
                     lambda: list(self.pool.imap(fail, [1]))):
            with self.assertRaisesRegex(ValueError, "no 1"):
                call()
        with self.assertRaisesRegex(prong.ProcessError, r"sys\.exit\(3\)"):
            self.pool.apply(sys.exit, (3,))
        self.assertFalse(self.pool.apply_async(fail, (1,)).successful())

    def test_imap_is_lazy(self):
        ran = []
        results = self.pool.imap(ran.append, range(5))
        self.assertEqual(ran, [])
        next(results)
        next(results)
        self.assertEqual(ran, [0, 1])
        self.pool.close()
        self.assertEqual(len(ran), 5)

    def test_callbacks_are_called_at_once(self):
        told = []
        self.pool.apply_async(add, (1, 2), callback=lambda value: told.append((value, threading.get_ident())))
        self.assertEqual(told, [(3, threading.get_ident())])
        self.pool.map_async(fail, [1], error_callback=told.append)
        self.assertIsInstance(told[1], ValueError)

    def test_an_interrupt_goes_to_the_caller(self):
        def interrupt():
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            self.pool.apply(interrupt)

    def test_a_task_may_use_the_pool(self):
        self.assertEqual(self.pool.map(lambda x: sum(self.pool.map(abs, range(x))), range(5)), [0, 0, 1, 3, 6])

    def test_a_task_that_terminates_the_pool_is_the_last(self):
        result = self.pool.map_async(lambda x: x == 1 and self.pool.terminate(), range(3), 1)
        with self.assertRaises(prong.TaskCancelled):
            result.get(SOON)

    def test_what_goes_around(self):
        ended = []
        with prong.Pool(prong.INLINE, begin, (5,), threads_per_worker=2,
                        worker_exit=lambda: ended.append(prong.worker_state()["value"])) as pool:
            self.assertEqual(pool.map(what_was_begun, range(3)), [(5, 0)] * 3)
            self.assertIsNone(prong.worker_id())
            pool.close()
            pool.close()
            self.assertTrue(pool.join(SOON))
        self.assertEqual(ended, [5])
        with self.assertRaises(ValueError):
            pool.apply(here)

    def test_everywhere_is_here(self):
        called = []
        self.pool.everywhere(called.append, 3)
        self.assertEqual(called, [3])
        with self.assertRaises(ValueError):
            self.pool.everywhere(fail, 1)

    def test_threads_have_their_own_tasks(self):
        first, second = prong.Pool(prong.INLINE, begin, (1,)), prong.Pool(prong.INLINE, begin, (2,))
        entered, go = threading.Event(), threading.Event()
        found = []

        def wait(x):
            entered.set()
            go.wait(SOON)
            return what_was_begun(x)

        thread = threading.Thread(target=lambda: found.append(first.apply(wait, (0,))))
        thread.start()
        entered.wait(SOON)
        found.append(second.apply(what_was_begun, (0,)))
        go.set()
        thread.join(SOON)
        self.assertEqual(found, [(2, 0), (1, 0)])
        self.assertIsNone(prong.worker_id())
        first.terminate()
        second.terminate()

    def test_an_initializer_that_raises_breaks_it(self):
        with prong.Pool(prong.INLINE, fail, (7,)) as pool:
            with self.assertRaises(prong.PoolBroken) as caught:
                pool.apply(here)
            self.assertIn("no 7", str(caught.exception.__cause__))

    def test_seeds_are_those_of_workers(self):
        with prong.get_context("fork").Pool(2) as other:
            self.assertEqual(self.pool.map(draw, range(9), seed=8), other.map(draw, range(9), 2, seed=8))
        self.assertIsNone(prong.task_seed())

    def test_it_can_be_awaited(self):
        async def gather():
            return await self.pool.apply_async(add, (1, 2)), [x async for x in self.pool.imap(abs, [-1, -2])]

        self.assertEqual(asyncio.run(gather()), (3, [1, 2]))

    def test_apply_calls_apply_async_of_a_subclass(self):
        class Counting(Pool):
            calls = 0

            def apply_async(self, *args, **options):
                self.calls += 1
                return super().apply_async(*args, **options)

        with Counting(prong.INLINE) as pool:
            self.assertEqual(pool.apply(add, (1,), {"b": 2}), 3)
            self.assertEqual(pool.calls, 1)

    def test_a_result_has_ended(self):
        told = []
        good, bad = self.pool.apply_async(add, (1, 2)), self.pool.apply_async(fail, (1,))
        for result in (good, bad):
            self.assertIsInstance(result, prong.pool.AsyncResult)
            self.assertTrue(result.ready())
            result.wait(0)
            result.cancel(force=True)
            self.assertEqual(result.progress()[:2], (1, 1))
        self.assertEqual((good.successful(), good.get(0), bad.successful()), (True, 3, False))
        with self.assertRaisesRegex(ValueError, "no 1"):
            bad.get()
        self.assertEqual(list(prong.as_completed([good, bad])), [good, bad])
        self.pool.apply_async(fail, (1,), callback=told.append)
        self.pool.apply_async(add, (1,), error_callback=told.append)
        self.assertEqual(told, [])

    def test_imap_goes_on_after_an_error(self):
        for chunksize, before in ((1, [0]), (2, [])):
            results = self.pool.imap(lambda x: x if x != 1 else fail(x), range(5), chunksize)
            self.assertEqual([results.next(SOON) for _ in before], before)
            with self.assertRaisesRegex(ValueError, "no 1"):
                next(results)
            self.assertEqual(list(results), [2, 3, 4])
            self.assertEqual(list(results), [])

    def test_imap_ends_with_what_its_iterable_raises(self):
        def numbers():
            yield -1
            raise OSError("gone")

        results = self.pool.imap(abs, numbers())
        self.assertEqual(next(results), 1)
        with self.assertRaisesRegex(OSError, "gone"):
            next(results)
        self.assertEqual(list(results), [])
        closed = self.pool.imap(abs, numbers())
        self.pool.close()
        self.assertEqual(next(closed), 1)
        with self.assertRaisesRegex(OSError, "gone"):
            next(closed)

    def test_imap_of_a_terminated_pool(self):
        results = self.pool.imap(abs, range(3))
        self.assertEqual(next(results), 0)
        self.pool.terminate()
        with self.assertRaisesRegex(ValueError, "not running"):
            next(results)

    def test_threads_may_share_an_iterator(self):
        results, taken = self.pool.imap(abs, iter(range(3000)), 3), []
        threads = [threading.Thread(target=lambda: taken.extend(results)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON)
        self.assertEqual(sorted(taken), list(range(3000)))

    def test_shares_are_opened(self):
        with prong.share([1, 2]) as shared:
            self.assertEqual(self.pool.apply(len, (shared,)), 2)
            self.assertEqual(self.pool.apply(dict, (), {"a": shared}), {"a": [1, 2]})
            self.assertEqual(self.pool.map(len, [shared, "abc"]), [2, 3])
            self.assertEqual(self.pool.starmap(add, [(shared, [3])], 1), [[1, 2, 3]])
            self.assertEqual(list(self.pool.imap(len, [shared], 2)), [2])

    def test_the_constant(self):
        self.assertIs(pickle.loads(pickle.dumps(prong.INLINE)), prong.INLINE)
        self.assertEqual(repr(prong.INLINE), "prong.INLINE")
        with self.assertRaises(ValueError):
            Pool(0)
        with self.assertRaises(ValueError):
            prong.NativePool(prong.INLINE)


class InlineExecutorTest(unittest.TestCase):
    def test_a_future_has_ended(self):
        with prong.ProcessPoolExecutor(prong.INLINE, initializer=begin, initargs=(5,)) as executor:
            self.assertEqual(executor.submit(here).result(), here())
            self.assertEqual(executor.submit(what_was_begun, 0).result(), (5, 0))
            failed = executor.submit(fail, 1)
            self.assertTrue(failed.done())
            self.assertFalse(failed.cancel())
            self.assertIsInstance(failed.exception(), ValueError)
            told = []
            failed.add_done_callback(told.append)
            self.assertEqual(told, [failed])
            both = [failed, executor.submit(add, 1, b=2)]
            self.assertEqual(set(concurrent.futures.as_completed(both, SOON)), set(both))
            self.assertEqual(concurrent.futures.wait(both, SOON).not_done, set())

    def test_map_and_the_end(self):
        executor = prong.ProcessPoolExecutor(prong.INLINE)
        for options in ({}, {"chunksize": 2}, {"buffersize": 1}, {"buffersize": 2, "chunksize": 2}):
            self.assertEqual(list(executor.map(add, range(5), range(5), **options)), [0, 2, 4, 6, 8])
        with self.assertRaisesRegex(ValueError, "no 0"):
            list(executor.map(fail, range(3)))
        executor.shutdown(cancel_futures=True)
        with self.assertRaises(RuntimeError):
            executor.submit(here)
        prong.ProcessPoolExecutor(prong.INLINE).kill_workers()

    def test_an_initializer_that_raises_breaks_it(self):
        with prong.ProcessPoolExecutor(prong.INLINE, initializer=fail, initargs=(7,)) as executor:
            with self.assertRaises(prong.PoolBroken) as caught:
                executor.submit(here)
            self.assertIn("no 7", str(caught.exception.__cause__))

    def test_it_is_for_asyncio(self):
        async def run():
            with prong.ProcessPoolExecutor(prong.INLINE) as executor:
                return await asyncio.get_running_loop().run_in_executor(executor, add, 1, 2)

        self.assertEqual(asyncio.run(run()), 3)


if __name__ == "__main__":
    unittest.main()
