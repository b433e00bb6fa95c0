"""prong's executor at the end of its program: what was submitted is done first, as with concurrent.futures' own; and children that leave
pools."""

import threading
import unittest

import prong
from prong._impl import executor as executors
from support import METHODS, run_file

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
        futures = [executor.submit(same, n) for n in range(100)]
        executor.shutdown(wait=False, cancel_futures=True)
        self.assertTrue(all(future.cancelled() or future.result(SOON) == n for n, future in enumerate(futures)))
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
        pool, futures = executor._pool, [executor.submit(same, n) for n in range(10)]
        del executor
        self.assertEqual([future.result(SOON) for future in futures], list(range(10)))
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
        self.assertEqual(executor._pending, set())
        thread = threading.Thread(target=executor.shutdown, daemon=True)
        thread.start()
        thread.join(SOON)
        self.assertFalse(thread.is_alive())


if __name__ == "__main__":
    unittest.main()
