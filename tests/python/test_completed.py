"""prong.as_completed: results and futures as they end."""

import os
import signal
import threading
import unittest
from concurrent import futures

import prong
from support import InMethod, for_each_method, in_thread

SOON = 120


def begin(event):
    global begun
    begun = event


def same(x):
    return x


def wait(x):
    begun.wait(SOON)
    return x


def fail(x):
    raise KeyError(x)


def kill_self(x):
    os.kill(os.getpid(), signal.SIGKILL)


class Completed(InMethod):
    def setUp(self):
        self.event = self.context.Event()
        self.pool = self.context.Pool(2, begin, (self.event,))
        self.addCleanup(self.pool.terminate)

    def test_what_ends_first_comes_first(self):
        with prong.ProcessPoolExecutor(1, self.context) as executor, futures.ThreadPoolExecutor(1) as threads:
            slow = self.pool.apply_async(wait, (1,))
            quick = [self.pool.apply_async(same, (2,)), self.pool.map_async(same, range(9)), self.pool.starmap_async(same, [(1,)], 1),
                     self.pool.apply_async(fail, (3,)), self.pool.apply_async(kill_self, (3,)), self.pool.map_async(same, []),
                     executor.submit(same, 4), executor.submit(fail, 4), threads.submit(same, 5)]
            ended = []
            for result in prong.as_completed([slow, *quick, slow], SOON):
                ended.append(result)
                if len(ended) == len(quick):
                    self.event.set()
            self.assertIs(ended.pop(), slow)
            self.assertEqual(set(ended), set(quick))
            self.assertEqual((slow.get(), quick[0].get(), quick[1].get()), (1, 2, list(range(9))))
            self.assertRaises(KeyError, quick[3].get)
            self.assertRaises(prong.WorkerDied, quick[4].get)

    def test_results_may_be_asked_for_again(self):
        results = [self.pool.apply_async(same, (n,)) for n in range(100)]
        first = [iter(prong.as_completed(results, SOON)) for _ in range(3)]
        for iterator in first:
            self.assertEqual(sorted(result.get() for result in iterator), list(range(100)))
        self.assertEqual(list(prong.as_completed(results, SOON)), results)

    def test_callbacks_are_called_before(self):
        told = []
        results = [self.pool.apply_async(same, (n,), callback=told.append) for n in range(50)]
        for _ in range(2):
            for result in prong.as_completed(results, SOON):
                self.assertIn(result.get(0), told)
                self.assertTrue(result.ready())

    def test_too_late_is_a_timeout(self):
        quick, slow = self.pool.apply_async(same, (1,)), self.pool.apply_async(wait, (2,))
        quick.wait(SOON)
        iterator = prong.as_completed([slow, quick], 0.5)
        self.assertIs(next(iterator), quick)
        with self.assertRaisesRegex(prong.TimeoutError, r"1 \(of 2\)"):
            next(iterator)
        self.event.set()
        self.assertEqual(list(prong.as_completed([slow], SOON)), [slow])
        self.assertEqual(list(prong.as_completed([], 0)), [])

    def test_asked_for_again_after_a_timeout_it_has_not_ended(self):
        for result in self.pool.apply_async(wait, (1,)), self.pool.map_async(wait, [1]):
            for _ in range(3):
                with self.assertRaises(prong.TimeoutError):
                    next(prong.as_completed([result], 0.1))
        self.event.set()
        self.assertEqual(list(prong.as_completed([result], SOON)), [result])

    def test_a_thread_that_waits_for_the_result_does_not_hold_it_up(self):
        result = self.pool.map_async(wait, range(8), 2)
        reader = in_thread(result.get)
        iterator = in_thread(lambda: self.assertRaises(prong.TimeoutError, next, prong.as_completed([result], 0.1)))
        iterator.join(10)
        self.assertFalse(iterator.is_alive())
        self.event.set()
        reader.join(SOON)

    def test_the_end_of_the_pool_is_the_end_of_its_results(self):
        results = [self.pool.apply_async(wait, (n,)) for n in range(5)]
        iterator = prong.as_completed(results, SOON)
        threading.Timer(0, self.pool.terminate).start()
        for result in iterator:
            self.assertRaises(prong.TaskCancelled, result.get)
        self.assertEqual(len(list(prong.as_completed(results, SOON))), 5)

    def test_others_are_refused(self):
        with self.assertRaisesRegex(TypeError, "neither a result of a pool nor a future"):
            prong.as_completed([self.pool.apply_async(same, (1,)), 7])

    def test_a_forked_copy_is_told(self):
        result = self.pool.apply_async(wait, (1,))
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                prong.as_completed([result])
            except ValueError as error:
                code = 0 if "the process that has the pool" in str(error) else 2
            finally:
                os._exit(code)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)


ForkTest, SpawnTest, ForkServerTest = for_each_method(Completed)


if __name__ == "__main__":
    unittest.main()
