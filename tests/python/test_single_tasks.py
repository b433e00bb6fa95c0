"""Tasks that are submitted one by one, of which several share a job: what happens to one of them is nothing to the others."""

import gc
import os
import signal
import threading
import time
import unittest
import weakref
from concurrent import futures

import prong
from support import SOON, InMethod, for_each_method, in_thread

MANY = 300


def wait_for(event):
    return event.wait(SOON)


def same(x):
    return x


def note(order, number):
    order.put(number)


def fail(x):
    raise KeyError(x)


def kill_self(x):
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(seconds):
    time.sleep(seconds)
    return seconds


class Broken:
    """It pickles, and does not unpickle."""

    def __reduce__(self):
        return fail, ("broken",)


def broken(x):
    return Broken()


def large(x):
    return bytes(1 << 20)


class Interrupting:
    """What it was pickled with interrupts where it is unpickled first."""

    interrupts = False

    def __init__(self, ballast):
        self.ballast = ballast

    def __setstate__(self, state):
        self.__dict__ = state
        if Interrupting.interrupts:
            Interrupting.interrupts = False
            raise KeyboardInterrupt


def interrupting(x):
    return Interrupting(bytes(5000))


class Slow:
    """Of several threads that unpickle it, each gives way to the others."""

    def __init__(self, ballast):
        self.ballast = ballast

    def __setstate__(self, state):
        time.sleep(0.01)
        self.__dict__ = state


def slow_error(x):
    raise SlowError(Slow("x" * 5000))


class SlowError(Exception):
    pass


class Single(InMethod):
    """One worker, which is busy while tasks are submitted: so they share a job."""

    def setUp(self):
        self.go = self.context.Event()
        self.pool = self.context.Pool(1)
        self.addCleanup(self.pool.terminate)
        self.busy = self.pool.apply_async(wait_for, (self.go,))

    def submit(self, function=same, count=MANY, **options):
        return [self.pool.apply_async(function, (i,), **options) for i in range(count)]

    def test_each_has_its_own_result(self):
        calls = [self.pool.apply_async(dict, ((("a", i),),), {"b": i}) for i in range(MANY)]
        none = self.pool.apply_async(list)
        text = self.pool.apply_async(same, ("x" * 100000,))
        self.assertFalse(calls[0].ready())
        self.go.set()
        self.assertEqual([call.get(SOON) for call in reversed(calls)], [{"a": i, "b": i} for i in reversed(range(MANY))])
        self.assertEqual((none.get(SOON), len(text.get(SOON))), ([], 100000))
        self.assertEqual((calls[0].ready(), calls[0].successful(), calls[0].get()), (True, True, {"a": 0, "b": 0}))

    def test_one_that_fails_fails_alone(self):
        results = [self.pool.apply_async(fail if i % 7 == 3 else broken if i % 7 == 5 else same, (i,)) for i in range(MANY)]
        self.go.set()
        for i, result in enumerate(results):
            if i % 7 in (3, 5):
                self.assertRaises(KeyError, result.get, SOON)
                self.assertFalse(result.successful())
            else:
                self.assertEqual(result.get(SOON), i)

    def test_one_whose_worker_dies_dies_alone(self):
        results = [self.pool.apply_async(kill_self if i in (1, 20) else same, (i,)) for i in range(30)]
        self.go.set()
        for i, result in enumerate(results):
            if i in (1, 20):
                with self.assertRaises(prong.WorkerDied) as raised:
                    result.get(SOON)
                self.assertEqual((raised.exception.exitcode, raised.exception.index), (-9, 0))
                self.assertIn("task 0: ", str(raised.exception))
            else:
                self.assertEqual(result.get(SOON), i)

    def test_one_that_takes_too_long_is_killed_alone(self):
        results = [self.pool.apply_async(sleep, (30 if i == 5 else 0.01,), timeout=0.5) for i in range(10)]
        later = self.submit(count=10, timeout=20)
        self.go.set()
        for i, result in enumerate(results):
            if i == 5:
                self.assertRaises(prong.TaskTimeout, result.get, SOON)
            else:
                self.assertEqual(result.get(SOON), 0.01)
        self.assertEqual([result.get(SOON) for result in later], list(range(10)))

    def test_one_is_cancelled_alone(self):
        results = self.submit()
        for result in results[::3]:
            result.cancel()
        self.assertRaises(prong.TaskCancelled, results[3].get, SOON)
        self.go.set()
        for i, result in enumerate(results):
            if i % 3:
                self.assertEqual(result.get(SOON), i)
            else:
                self.assertRaises(prong.TaskCancelled, result.get, SOON)

    def test_one_that_runs_is_cancelled_by_force_alone(self):
        results = self.submit(sleep, 3)
        slow = self.pool.apply_async(sleep, (3600,))
        later = self.submit(count=20)
        self.go.set()
        self.assertEqual(results[2].get(SOON), 2)
        slow.cancel()
        self.assertRaises(prong.TimeoutError, slow.get, 0.05)
        slow.cancel(force=True)
        self.assertRaises(prong.TaskCancelled, slow.get, SOON)
        self.assertEqual([result.get(SOON) for result in later], list(range(20)))

    def test_they_run_in_the_order_in_which_they_were_submitted(self):
        order = self.context.Queue()
        for i in range(0, 30, 3):
            self.pool.apply_async(note, (order, i))
            self.pool.starmap_async(note, [(order, i + 1)])
            self.pool.apply_async(note, (order, i + 2))
        self.go.set()
        self.assertEqual([order.get(timeout=SOON) for _ in range(30)], list(range(30)))

    def test_a_result_that_nobody_has_is_run_all_the_same(self):
        order = self.context.Queue()
        for i in range(MANY):
            self.pool.apply_async(note, (order, i))
        self.go.set()
        self.assertEqual([order.get(timeout=SOON) for _ in range(MANY)], list(range(MANY)))

    def test_each_is_told_of_once(self):
        results = self.submit()
        told = []
        for result in results[::2]:
            result._tell(told.append)
        self.go.set()
        self.assertEqual([result.get(SOON) for result in results[::2]], list(range(0, MANY, 2)))  # before or after it is told of
        others = list(prong.as_completed(results[1::2], SOON))
        self.assertEqual((len(others), set(others)), (MANY // 2, set(results[1::2])))
        end = time.monotonic() + SOON
        while len(told) < MANY // 2 and time.monotonic() < end:
            time.sleep(0.01)
        self.assertCountEqual(told, results[::2])  # two that end at once may be told of in either order
        results[0]._tell(told.append)
        self.assertIs(told[-1], results[0])

    def test_threads_submit_and_take_at_once(self):
        results, wrong = [[] for _ in range(4)], []

        def run(mine):
            for i in range(MANY):
                mine.append(self.pool.apply_async(same, (i,)))
            if [result.get(SOON) for result in mine] != list(range(MANY)):
                wrong.append(mine)
        threads = [in_thread(run, mine) for mine in results]
        self.go.set()
        shared = self.submit(count=50)
        getters = [in_thread(lambda: wrong.extend(i for i, result in enumerate(shared) if result.get(SOON) != i)) for _ in range(3)]
        for thread in threads + getters:
            thread.join(SOON)
            self.assertFalse(thread.is_alive())
        self.assertEqual(wrong, [])

    def test_large_results_are_freed_as_they_are_read(self):
        results = self.submit(large, 40)
        self.go.set()
        results[-1].wait(SOON)
        before = prong._core.memory_state()[2]
        self.assertEqual([len(result.get(SOON)) for result in results], [1 << 20] * 40)
        self.assertLess(prong._core.memory_state()[2], before - (30 << 20))

    def test_several_threads_read_one_large_error(self):
        results = self.submit(slow_error, 20)
        caught = []

        def read():
            for result in results:
                try:
                    result.get(SOON)
                except SlowError as error:
                    caught.append(len(error.args[0].ballast))
        threads = [in_thread(read) for _ in range(4)]
        self.go.set()
        for thread in threads:
            thread.join(SOON)
        self.assertEqual(caught, [5000] * 80)

    def test_a_large_result_can_be_read_after_an_interrupt(self):
        results = self.submit(interrupting, 20)
        self.go.set()
        for result in results:
            result.wait(SOON)
            Interrupting.interrupts = True
            self.assertRaises(KeyboardInterrupt, result.get, SOON)
            self.assertEqual(len(result.get(SOON).ballast), 5000)

    def test_a_forked_child_reads_what_its_parent_reads_as_well(self):
        results = self.submit(large, 20)
        self.go.set()
        for result in results:
            result.wait(SOON)
        child = prong.get_context("fork").Process(target=lambda: [result.get(SOON) for result in results])
        child.start()
        child.join(SOON)
        self.assertEqual(child.exitcode, 0)
        self.assertEqual({len(result.get(SOON)) for result in results}, {1 << 20})

    def test_each_that_asks_is_told_of_one_that_runs(self):
        told = [], []
        self.busy._tell(told[0].append)
        self.busy._tell(told[1].append)
        self.assertEqual(told, ([], []))
        self.go.set()
        self.assertEqual(list(prong.as_completed([self.busy], SOON)), [self.busy])
        self.assertEqual(told, ([self.busy], [self.busy]))

    def test_a_forked_child_is_refused_to_be_told(self):
        results = self.submit(count=20)
        results[5]._tell(bool)
        executor = prong.ProcessPoolExecutor(1, self.context)
        self.addCleanup(executor.shutdown)
        future = executor.submit(time.sleep, 2)

        def refused():
            for result in results[5:8]:
                for _ in range(2):
                    self.assertRaises(ValueError, prong.as_completed, [result], SOON)
            for _ in range(2):
                self.assertRaises(ValueError, futures.wait, [future], 0)
        child = prong.get_context("fork").Process(target=refused)
        child.start()
        child.join(SOON)
        self.assertEqual(child.exitcode, 0)

    def test_a_terminated_pool_cancels_them(self):
        results = self.submit()
        self.pool.terminate()
        for result in results:
            self.assertRaises(prong.TaskCancelled, result.get, SOON)
        self.assertRaises(ValueError, self.pool.apply_async, same, (1,))

    def test_a_closed_pool_runs_them(self):
        results = self.submit()
        self.pool.close()
        self.go.set()
        self.assertTrue(self.pool.join(SOON))
        self.assertEqual([result.get(0) for result in results], list(range(MANY)))

    def test_a_result_may_outlive_its_pool_object(self):
        self.go.set()
        results = self.submit(count=20)
        results[-1].wait(SOON)
        self.pool.terminate()
        del self.pool
        self.assertEqual([result.get(0) for result in results], list(range(20)))

    def test_a_circle_of_references_is_collected(self):
        self.go.set()
        result = self.pool.apply_async(list)
        result.mine = result
        gone = weakref.ref(result)
        del result
        gc.collect()
        self.assertIsNone(gone())

    def test_a_circle_through_a_pools_arguments_is_collected(self):
        kept = []
        pool = self.context.Pool(1, len, (kept,))
        kept.append(pool.map_async(same, range(3)))
        kept[0].wait(SOON)
        pool.close()
        pool.join()
        gone = weakref.ref(kept[0])
        del pool, kept
        gc.collect()
        self.assertIsNone(gone())

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_a_forked_copy_leaves_them_alone(self):
        results = self.submit(count=20)
        process = prong.get_context("fork").Process(target=results.clear)
        process.start()
        process.join(SOON)
        self.assertEqual(process.exitcode, 0)
        self.go.set()
        self.assertEqual([result.get(SOON) for result in results], list(range(20)))


class Futures(InMethod):
    def setUp(self):
        self.go = self.context.Event()
        self.executor = prong.ProcessPoolExecutor(1, self.context)
        self.busy = self.executor.submit(wait_for, self.go)
        self.addCleanup(self.executor.shutdown)
        self.addCleanup(self.executor.kill_workers)

    def test_each_can_be_cancelled_until_it_begins(self):
        others = [self.executor.submit(same, i) for i in range(MANY)]
        self.assertTrue(all(future.cancel() for future in others[::2]))
        done, waiting = futures.wait(others, 0)
        self.assertEqual((done, waiting), (set(others[::2]), set(others[1::2])))
        self.go.set()
        self.assertEqual([future.result(SOON) for future in others[1::2]], list(range(1, MANY, 2)))
        self.assertFalse(others[1].cancel())
        self.assertRaises(futures.CancelledError, others[0].result)
        self.assertRaises(futures.CancelledError, others[0].exception)

    def test_callbacks_come_as_each_ends(self):
        came = []
        others = [self.executor.submit(fail if i == 5 else same, i) for i in range(50)]
        last = threading.Event()
        for future in others:
            future.add_done_callback(came.append)
        others[-1].add_done_callback(lambda future: last.set())
        self.go.set()
        self.assertTrue(last.wait(SOON))
        self.assertEqual(came, others)
        self.assertIsInstance(others[5].exception(), KeyError)
        self.assertEqual([future.result() for future in others if future is not others[5]], [i for i in range(50) if i != 5])

    def test_the_next_one_is_there_though_a_slow_one_is_among_them(self):
        quick = [self.executor.submit(same, i) for i in range(5)]
        slow = self.executor.submit(sleep, 3600)
        ended = futures.as_completed([*quick, slow], SOON)
        self.go.set()
        self.assertEqual({next(ended) for _ in quick}, set(quick))
        self.executor.kill_workers()
        self.assertIs(next(ended), slow)


ForkTest, SpawnTest, ForkServerTest = for_each_method(Single)
ForkFutures, SpawnFutures, ForkServerFutures = for_each_method(Futures)

if __name__ == "__main__":
    unittest.main()
