"""prong's executor at the end of its program: what was submitted is done first, as with concurrent.futures' own; and children that leave
pools. Its futures, and how its workers are ended.
"""

import asyncio
import gc
import itertools
import os
import signal
import threading
import time
import unittest
import weakref
from concurrent import futures

import prong
from prong._impl import executor as executors
from support import METHODS, InMethod, for_each_method, run_file

SOON = 120

PROGRAM = """
import multiprocessing, os, sys, threading, time, prong
from concurrent import futures

library, method, how = sys.argv[1:]

def work(n):
    time.sleep(0.02)
    print("done", n, flush=True)
    return n

def make():
    if library == "prong":
        return prong.ProcessPoolExecutor(1, mp_context=prong.get_context(method))
    return futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method))

def submit(executor):
    return [executor.submit(work, n) for n in range(3)]

def late(executor):
    threading.main_thread().join()
    try:
        executor.submit(work, 3)
    except RuntimeError as error:
        print(str(error).startswith("cannot schedule new futures after"), flush=True)

def wait(results):
    print("thread", [result.result() for result in results], flush=True)

def in_child():
    executor = make()
    submit(executor)
    executor.shutdown(wait=False)

if __name__ == "__main__":
    if how == "child":
        child = prong.get_context(method).Process(target=in_child)
        child.start()
        child.join()
        sys.exit(child.exitcode)
    executor = make()
    if how == "late":
        executor.submit(work, 0).result()
        threading.Thread(target=late, args=(executor,)).start()
    elif how == "map":
        executor.map(work, range(3))
    elif how == "thread":
        submitter = threading.Thread(target=submit, args=(executor,))
        submitter.start()
        submitter.join()
        threading.Thread(target=wait, args=(submit(executor),)).start()
    elif how == "callbacks":
        for future in submit(executor):
            future.add_done_callback(lambda future: print("callback", future.result(), flush=True))
    else:
        submit(executor)
    if how == "shutdown":
        executor.shutdown(wait=False)
    elif how == "dropped":
        del executor
    elif how == "exit":
        sys.exit(3)
"""

# A forked child's copy of the executor has nothing to wait for: the parent's task ends after the child has.
COPY = """
import prong, sys

def begin(event):
    global begun
    begun = event

def wait():
    begun.wait()
    print("done", flush=True)

if __name__ == "__main__":
    event = prong.Event()
    executor = prong.ProcessPoolExecutor(1, mp_context=prong.get_context(sys.argv[1]), initializer=begin, initargs=(event,))
    executor.submit(wait)
    child = prong.get_context("fork").Process(target=abs, args=(1,))
    child.start()
    child.join()
    print("child", child.exitcode, flush=True)
    event.set()
"""


# The thread that has called callbacks ends with the child, which has the interpreter to itself until then.
LEFT = """
import prong, sys

def same(x):
    return x

def child():
    global pool
    pool = prong.get_context(sys.argv[1]).Pool(1)
    told = []
    pool.apply_async(same, (1,), callback=told.append).get()
    if sys.argv[2] == "busy":
        pool.apply_async(same, (1,), callback=told.append)

if __name__ == "__main__":
    process = prong.get_context(sys.argv[1]).Process(target=child)
    process.start()
    process.join()
    print(process.exitcode)
"""


def same(x):
    return x


def same_later(x):
    time.sleep(0.05)
    return x


def fail(x):
    raise KeyError(x)


def stop(x):
    raise StopIteration(x)


def begin(event):
    global begun
    begun = event


def wait(x):
    """Until the test sets the event; it sees that by the first one."""
    begun[0].set()
    begun[1].wait(SOON)
    return x


def wait_and_ignore(x):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return wait(x)


def kill_self(x):
    os.kill(os.getpid(), signal.SIGKILL)


class Unloadable:
    def __reduce__(self):
        return fail, ("unloadable",)


def unloadable():
    return Unloadable()


class Unpicklable:
    def __reduce__(self):
        raise KeyError("unpicklable")


class Tests(InMethod):
    def make(self, workers=1):
        """With workers that wait() until the second event is set; the first tells that one waits."""
        self.events = self.context.Event(), self.context.Event()
        executor = prong.ProcessPoolExecutor(workers, self.context, begin, (self.events,))
        self.addCleanup(executor.shutdown)
        self.addCleanup(self.events[1].set)
        return executor

    # --- futures ---

    def test_a_future_without_waiters_is_a_future(self):
        executor = self.make()
        future = executor.submit(wait, 7)
        self.assertIsInstance(future, futures.Future)
        self.assertTrue(self.events[0].wait(SOON))
        self.assertFalse(future.done() or future.cancelled() or future.cancel())
        for ask in (future.result, future.exception):
            with self.assertRaises(futures.TimeoutError):
                ask(0.01)
        self.assertNotIn("_condition", vars(future))
        self.events[1].set()
        self.assertEqual((future.result(SOON), future.exception(), future.done(), future.cancelled()), (7, None, True, False))
        self.assertIs(future.result(), future.result())
        self.assertIn("finished", repr(future))

    def test_results_are_the_same_object_however_they_are_asked_for(self):
        executor = self.make()
        future = executor.submit(same, [1])
        result, told = future.result(SOON), []
        future.add_done_callback(lambda ended: told.append(ended.result()))
        self.assertIs(told[0], result)
        self.assertIs(future._result, result)
        other = executor.submit(same, [1])
        self.assertEqual(futures.wait([other], SOON).done, {other})
        self.assertIs(other.result(), other._result)

    def test_failures_are_raised(self):
        executor = self.make()
        for submit, kind in ((lambda: executor.submit(fail, 1), KeyError), (lambda: executor.submit(kill_self, 1), prong.WorkerDied),
                             (lambda: executor.submit(unloadable), KeyError), (lambda: executor.submit(same, Unpicklable()), KeyError),
                             (lambda: executor.submit(stop, 1), StopIteration)):
            for prepare in (lambda future: None, lambda future: future.add_done_callback(same), lambda future: futures.wait([future], SOON)):
                future = submit()
                prepare(future)
                self.assertIsInstance(future.exception(SOON), kind)
                with self.assertRaises(kind):
                    future.result()
                self.assertTrue(future.done() and not future.cancelled() and not future.cancel())

    def test_callbacks_are_called_once(self):
        executor = self.make()
        told, ended = [], threading.Semaphore(0)

        def tell(future):
            told.append(future)
            ended.release()

        submitted = [executor.submit(same, n) for n in range(200)]
        for future in submitted:
            future.add_done_callback(tell)
        for _ in submitted:
            self.assertTrue(ended.acquire(timeout=SOON))
        submitted[0].add_done_callback(tell)
        self.assertEqual(sorted(map(id, told)), sorted(map(id, submitted + submitted[:1])))

    def test_a_dropped_future_with_a_callback_calls_it(self):
        executor = self.make()
        told = []
        executor.submit(same, 3).add_done_callback(lambda future: told.append(future.result()))
        gc.collect()
        executor.shutdown()
        self.assertEqual(told, [3])

    def test_a_future_is_not_kept_when_it_is_dropped(self):
        executor = self.make()
        for name, arguments in (("result", (SOON,)), ("exception", (SOON,)), ("done", ())):
            future = executor.submit(fail, 1)
            dropped = weakref.ref(future)
            try:
                getattr(future, name)(*arguments)
            except KeyError:
                pass
            del future
            self.assertIsNone(dropped())

    def test_many_threads_ask_for_what_a_future_has_of_concurrent_futures(self):
        executor = self.make(2)
        for _ in range(20):
            future, told = executor.submit(same, 1), []
            ready = threading.Barrier(8)

            def ask(future=future, told=told, ready=ready):
                ready.wait(SOON)
                future.add_done_callback(told.append)

            threads = [threading.Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(SOON)
            executor.submit(same, 1).result(SOON)
            end = time.monotonic() + SOON
            while len(told) < 8 and time.monotonic() < end:
                time.sleep(0.001)
            self.assertEqual(told, [future] * 8)

    def test_as_completed_and_wait_take_them(self):
        executor = self.make(2)
        slow, quick = executor.submit(wait, 1), executor.submit(same, 2)
        self.assertIs(next(futures.as_completed([slow, quick], SOON)), quick)
        self.assertEqual(futures.wait([slow, quick], SOON, futures.FIRST_COMPLETED), ({quick}, {slow}))
        self.events[1].set()
        self.assertEqual(futures.wait([slow, quick], SOON), ({quick, slow}, set()))

    def test_asyncio_awaits_them(self):
        executor = self.make(2)

        async def several():
            loop = asyncio.get_running_loop()
            return await asyncio.gather(*(loop.run_in_executor(executor, same, n) for n in range(50)),
                                        loop.run_in_executor(executor, fail, 1), return_exceptions=True)

        *results, error = asyncio.run(several())
        self.assertEqual(results, list(range(50)))
        self.assertIsInstance(error, KeyError)

    # --- cancelling ---

    def test_what_has_not_begun_is_cancelled(self):
        executor = self.make()
        first = executor.submit(wait, 1)
        self.assertTrue(self.events[0].wait(SOON))
        told = []
        plain, followed = executor.submit(same, 2), executor.submit(same, 3)
        followed.add_done_callback(told.append)
        for future in (plain, followed):
            self.assertTrue(future.cancel() and future.cancelled() and future.done() and future.cancel())
            for ask in (future.result, future.exception):
                self.assertRaises(futures.CancelledError, ask, SOON)
        self.assertEqual(told, [followed])
        self.assertEqual(futures.wait([plain, followed], SOON).not_done, set())
        self.assertFalse(first.cancel())
        self.events[1].set()
        self.assertEqual(first.result(SOON), 1)

    def test_shutdown_cancels_what_has_not_begun(self):
        executor = self.make()
        first = executor.submit(wait, 1)
        self.assertTrue(self.events[0].wait(SOON))
        others, results = [executor.submit(same, n) for n in range(5)], executor.map(same, range(5))
        others[0].add_done_callback(same)
        executor.submit(same, 1)  # whose future is dropped
        executor.shutdown(wait=False, cancel_futures=True)
        self.assertEqual([future.cancelled() for future in others], [True] * 5)
        self.assertRaises(futures.CancelledError, next, results)
        self.events[1].set()
        self.assertEqual(first.result(SOON), 1)

    # --- ending workers ---

    def check_end(self, end, task, number):
        executor = self.make(2)
        running = executor.submit(task, 1)
        self.assertTrue(self.events[0].wait(SOON))
        blocking, later = executor.submit(wait, 2), executor.submit(same, 3)
        end(executor)
        error = running.exception(SOON)
        self.assertIsInstance(error, prong.WorkerDied)
        self.assertEqual(error.exitcode, -number)
        self.assertTrue(later.cancelled())
        self.assertTrue(blocking.cancelled() or isinstance(blocking.exception(SOON), prong.WorkerDied))
        with self.assertRaisesRegex(RuntimeError, "after shutdown"):
            executor.submit(same, 4)
        executor.shutdown()
        end(executor)

    def test_terminate_workers(self):
        self.check_end(prong.ProcessPoolExecutor.terminate_workers, wait, signal.SIGTERM)

    def test_kill_workers(self):
        self.check_end(prong.ProcessPoolExecutor.kill_workers, wait_and_ignore, signal.SIGKILL)

    def test_idle_workers_are_ended(self):
        for end in (prong.ProcessPoolExecutor.terminate_workers, prong.ProcessPoolExecutor.kill_workers):
            executor = self.make(2)
            self.assertEqual(executor.submit(same, 1).result(SOON), 1)
            end(executor)
            executor.shutdown()

    # --- map ---

    def test_map_reads_no_further_than_its_buffer(self):
        executor = self.make()
        for chunksize in (1, 3):
            items = itertools.count()
            results = executor.map(same, items, buffersize=2, chunksize=chunksize)
            self.assertEqual(next(items), 2 * chunksize)
            self.assertEqual(list(itertools.islice(results, 2 * chunksize)), list(range(2 * chunksize)))
            results.close()
            self.assertEqual(list(executor.map(divmod, range(7), [2] * 7, buffersize=2, chunksize=chunksize)), [divmod(n, 2) for n in range(7)])
            self.assertEqual(list(executor.map(same, [], buffersize=1, chunksize=chunksize)), [])
        for buffersize, kind in ((0, ValueError), (-1, ValueError), (1.5, TypeError), ("1", TypeError)):
            self.assertRaisesRegex(kind, "buffersize", executor.map, same, [], buffersize=buffersize)

    def test_map_with_a_buffer_raises(self):
        executor = self.make()
        for task, item, kind in ((fail, 1, KeyError), (stop, 1, RuntimeError), (kill_self, 1, prong.WorkerDied), (same, Unpicklable(), KeyError)):
            results = executor.map(task, [item, 1], buffersize=1)
            self.assertRaises(kind, next, results)
            self.assertEqual(list(results), [])
        results = executor.map(wait, [1, 2], buffersize=2, timeout=0.05)
        self.assertRaises(futures.TimeoutError, next, results)
        self.events[1].set()
        results = executor.map(same, range(3), buffersize=1)
        self.assertEqual(next(results), 0)
        executor.shutdown()
        self.assertRaisesRegex(RuntimeError, "after shutdown", next, results)

    def test_what_an_iterator_has_left_is_cancelled(self):
        for buffersize in (None, 10):
            executor = self.make()
            results = executor.map(wait, range(10), buffersize=buffersize, timeout=0.05)
            self.assertTrue(self.events[0].wait(SOON))
            self.assertRaises(futures.TimeoutError, next, results)
            self.events[0].clear()
            self.events[1].set()
            executor.submit(same, 1).result(SOON)
            self.assertFalse(self.events[0].is_set())  # the second was not begun

    def test_a_forked_copy_of_an_iterator_cancels_nothing(self):
        for buffersize in (None, 20):
            results = self.make().map(same_later, range(10), buffersize=buffersize)
            self.assertEqual(next(results), 0)
            child = prong.get_context("fork").Process(target=results.close)
            child.start()
            child.join(SOON)
            self.assertEqual((child.exitcode, list(results)), (0, list(range(1, 10))))


ForkTest, SpawnTest, ForkServerTest = for_each_method(Tests)


class ExitTest(unittest.TestCase):
    def ran(self, program, *arguments):
        ran = run_file(program, *arguments, timeout=SOON)
        return sorted(ran.stdout.splitlines()), ran.returncode, ran.stderr

    def test_what_was_submitted_is_done_before_the_end(self):
        done = ["done 0", "done 1", "done 2"]
        for method in METHODS:
            for how in ("nothing", "shutdown", "dropped", "map", "child"):
                with self.subTest(method=method, how=how):
                    self.assertEqual(self.ran(PROGRAM, "prong", method, how), (done, 0, ""))
            with self.subTest(method=method, how="exit"):
                self.assertEqual(self.ran(PROGRAM, "prong", method, "exit"), (done, 3, ""))

    def test_callbacks_are_called_before_the_end(self):
        for method in METHODS:
            with self.subTest(method):
                output = [f"{word} {n}" for word in ("callback", "done") for n in range(3)]
                self.assertEqual(self.ran(PROGRAM, "prong", method, "callbacks"), (output, 0, ""))

    def test_a_threads_tasks_are_done_before_the_end(self):
        for method in METHODS:
            with self.subTest(method):
                output = sorted(["done 0", "done 1", "done 2"] * 2 + ["thread [0, 1, 2]"])
                self.assertEqual(self.ran(PROGRAM, "prong", method, "thread"), (output, 0, ""))

    def test_nothing_is_submitted_at_the_end(self):
        output = ["True", "done 0"]
        for library in ("prong", "concurrent.futures"):
            self.assertEqual(self.ran(PROGRAM, library, "fork", "late"), (output, 0, ""))

    def test_a_forked_copy_waits_for_nothing(self):
        for method in METHODS:
            with self.subTest(method):
                self.assertEqual(self.ran(COPY, method), (["child 0", "done"], 0, ""))

    def test_a_child_that_leaves_a_pool_ends(self):
        for method in METHODS:
            for how in ("idle", "busy"):
                with self.subTest(method=method, how=how):
                    self.assertEqual(self.ran(LEFT, method, how), (["0"], 0, ""))

    def test_what_is_cancelled_is_not_done(self):
        executor = prong.ProcessPoolExecutor(1)
        submitted = [executor.submit(same, n) for n in range(100)]
        executor.shutdown(wait=False, cancel_futures=True)
        self.assertTrue(all(future.cancelled() or future.result(SOON) == n for n, future in enumerate(submitted)))
        executor.shutdown()

    def test_pools_are_not_kept_when_they_have_ended(self):
        executor = prong.ProcessPoolExecutor(1)
        pool = executor._pool
        executor.submit(same, 1)
        executor.shutdown(wait=False)
        self.assertIn(pool, executors._pools)
        self.assertTrue(pool.join(SOON))
        with prong.ProcessPoolExecutor(1) as other:
            self.assertNotIn(pool, executors._pools)
        self.assertNotIn(other._pool, executors._pools)

    def test_a_dropped_executors_pool_ends_when_its_tasks_are_done(self):
        executor = prong.ProcessPoolExecutor(1)
        pool, submitted = executor._pool, [executor.submit(same, n) for n in range(10)]
        del executor
        self.assertEqual([future.result(SOON) for future in submitted], list(range(10)))
        self.assertTrue(pool.join(SOON))

    def test_after_shutdown_nothing_is_submitted(self):
        executor = prong.ProcessPoolExecutor(1)
        executor.shutdown()
        for call in (executor.submit, executor.map):
            with self.assertRaisesRegex(RuntimeError, "after shutdown"):
                call(same, [1])

    def test_a_pool_that_was_shut_down_by_another_thread(self):
        executor = prong.ProcessPoolExecutor(1)
        executor._pool.close()
        with self.assertRaisesRegex(RuntimeError, "after shutdown"):
            executor.submit(same, 1)
        thread = threading.Thread(target=executor.shutdown, daemon=True)
        thread.start()
        thread.join(SOON)
        self.assertFalse(thread.is_alive())


if __name__ == "__main__":
    unittest.main()
