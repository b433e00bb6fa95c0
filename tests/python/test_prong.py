"""prong's own tests of its Python package: what multiprocessing has not, deaths, and programs as people write them.

The methods' tests run in each start method; each has a limit on its waits."""

import asyncio
import gc
import os
import pickle
import queue
import random
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock
import warnings

import prong
from support import Interrupted, descriptors, interrupt, on_alarm

HERE = os.path.dirname(os.path.abspath(__file__))
METHODS = ("fork", "spawn", "forkserver")
SOON = 30


# ------------------------------------------------ what children run ------------------------------------------------


own_pool = []


def wait_for_own_pool():
    try:
        return own_pool[0].apply(same, (1,))
    except prong.Deadlock as error:
        return str(error)


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


class Array:
    """What travels as an array does: its buffer beside the pickle."""

    def __init__(self, buffer):
        self.bytes = memoryview(buffer).cast("B")

    def __reduce_ex__(self, protocol):
        return Array, (pickle.PickleBuffer(self.bytes),)


def echo(item):
    return item


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


def until_interrupted(begun):
    try:
        begun.set()
        time.sleep(SOON)
    except KeyboardInterrupt:
        sys.exit(7)


class DoesNotUnpickle(Exception):
    def __init__(self, a, b):
        super().__init__("one argument only")


def raise_what_does_not_unpickle():
    raise DoesNotUnpickle(1, 2)


def generator():
    return (n for n in range(3))


def hold(lock, told):
    lock.acquire()
    told.set()
    time.sleep(SOON)


def get_one(q, told):
    told.set()
    q.get()


def wait_for(condition, told):
    with condition:
        told.set()
        condition.wait(SOON)


def put_and_die(q):
    q.put("said before")
    die()


def take_and_die(q):
    q.get()
    die()


def send_end(connection):
    with connection.recv() as end:
        end.send("through an end that was sent")


def queue_in_queue(q):
    inner = q.get(timeout=SOON)
    inner.put("hello")


def fail():
    raise ValueError("no initializer of mine")


def twice(array):
    return array * 2


def cross(barrier):
    try:
        barrier.wait(SOON)
    except threading.BrokenBarrierError:
        sys.exit(5)


# ------------------------------------------------ the tests ------------------------------------------------


class Methods:
    """Tests for each start method."""

    method = None

    @classmethod
    def setUpClass(cls):
        cls.context = prong.get_context(cls.method)

    def start(self, target, *args):
        process = self.context.Process(target=target, args=args)
        process.start()
        self.addCleanup(process.join, SOON)
        self.addCleanup(process.kill)
        return process

    # --- pools ---

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

    def test_a_task_that_waits_for_its_own_full_pool_is_told(self):
        with prong.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
            own_pool.append(pool)
            pool.apply(same, (1,))  # the next worker has been forked after that
            self.assertIn("would wait", pool.apply_async(wait_for_own_pool).get(30))
        own_pool.clear()

    def test_a_callback_may_terminate_its_pool_and_not_join_it(self):
        seen = []

        def end(value):
            pool.close()
            try:
                pool.join()
            except prong.Deadlock as error:
                seen.append(error)
            pool.terminate()
            seen.append(value)

        pool = prong.Pool(2)
        pool.apply_async(same, (1,), callback=end).wait(20)
        pool.join()
        self.assertIsInstance(seen[0], RuntimeError)
        self.assertIn("callbacks", str(seen[0]))
        self.assertEqual(seen[1:], [1])

    def test_a_pool_may_be_dropped_by_its_callback(self):
        script = """if True:
            import gc, sys, time, prong
            import os
            done = []
            def drop(value):
                holder.clear()
                gc.collect()
                done.append(value)
            if __name__ == "__main__":
                holder = [prong.Pool(1)]
                holder[0].apply_async(os.getpid, callback=drop)
                while not done:
                    time.sleep(0.01)
            """
        ran = subprocess.run([sys.executable, "-W", "ignore", "-c", script], timeout=60, stderr=subprocess.PIPE)
        self.assertEqual((ran.returncode, ran.stderr), (0, b""))

    def test_an_exit_does_not_wait_for_a_callback_that_waits_forever(self):
        script = """if True:
            import os, threading, prong
            begun = threading.Event()
            def wait(value):
                begun.set()
                threading.Event().wait()
            if __name__ == "__main__":
                pool, other = prong.Pool(1), prong.Pool(1)
                pool.apply_async(os.getpid, callback=wait)
                begun.wait()
            """
        ran = subprocess.run([sys.executable, "-W", "ignore", "-c", script], timeout=60, stderr=subprocess.PIPE)
        self.assertEqual((ran.returncode, ran.stderr), (0, b""))

    def test_a_worker_is_replaced_while_a_callback_waits_for_it(self):
        seen = []

        def wait(value):
            try:
                pool.apply(os.kill, (value, signal.SIGKILL))
            except prong.WorkerDied as died:
                seen.append(died.exitcode)
            seen.append(pool.apply(same, (3,)))

        with prong.Pool(1) as pool:
            result = pool.apply_async(os.getpid, callback=wait)
            result.wait(20)
        self.assertEqual(seen, [-signal.SIGKILL, 3])

    def test_a_callback_that_raises_harms_nobody(self):
        with self.context.Pool(1) as pool:
            hook, sys.excepthook = sys.excepthook, lambda *args: None
            try:
                result = pool.apply_async(same, (1,), callback=lambda value: 1 / 0)
                self.assertEqual(result.get(SOON), 1)
            finally:
                sys.excepthook = hook
            self.assertEqual(pool.apply_async(same, (2,)).get(SOON), 2)

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
            pool.close()
            self.assertTrue(pool.join(SOON))
        self.assertEqual(sorted(done.get_many(220)), list(range(220)))

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

    # --- queues and pipes ---

    def test_joining_a_producer_before_reading(self):
        q = self.context.Queue()
        process = self.start(put_much, q)
        process.join(SOON)
        self.assertEqual(process.exitcode, 0)
        self.assertEqual(len(q.get(timeout=SOON)), 10000000)

    def test_what_was_put_before_a_death_is_there(self):
        q = self.context.Queue()
        process = self.start(put_and_die, q)
        self.assertEqual(q.get(timeout=SOON), "said before")
        process.join(SOON)
        self.assertEqual(process.exitcode, -9)

    def test_a_killed_getter_holds_up_nobody(self):
        q, told = self.context.Queue(), self.context.Event()
        process = self.start(get_one, q, told)
        self.assertTrue(told.wait(SOON))
        time.sleep(0.2)
        process.kill()
        process.join(SOON)
        q.put(1)
        self.assertEqual(q.get(timeout=SOON), 1)

    def test_what_a_dead_process_had_taken_counts_as_done(self):
        q = self.context.JoinableQueue()
        q.put(1)
        process = self.start(take_and_die, q)
        process.join(SOON)
        with self.assertWarns(prong.OwnerDiedWarning):
            self.assertTrue(q.join(SOON))

    def test_batches(self):
        q = self.context.Queue(maxsize=5)
        self.assertEqual(q.put_many(range(10), timeout=0.05), 5)
        self.assertEqual(q.get_many(3), [0, 1, 2])
        self.assertEqual(q.get_many(), [3, 4])
        with self.assertRaises(queue.Empty):
            q.get_many(timeout=0.05)

    def test_a_connection_that_was_not_sent_is_nobodys(self):
        full, strict = self.context.Queue(1), self.context.Queue(strict=True)
        full.put(1)
        to_nobody, nobody = self.context.Pipe()
        nobody.close()
        for failure, send in ((queue.Full, lambda end: full.put(end, timeout=0.05)),
                              (BaseException, lambda end: strict.put((end, lambda: 0))),
                              (BaseException, lambda end: strict.put([end, {"a": end, "b": sys.stdout}])),
                              (OSError, to_nobody.send)):
            ours, theirs = self.context.Pipe()
            self.assertRaises(failure, send, theirs)
            theirs.send("still open")
            theirs.close()
            self.assertTrue(ours.poll(SOON))
            self.assertEqual(ours.recv(), "still open")
            self.assertTrue(ours.poll(SOON), "the end is not seen")
            self.assertRaises(EOFError, ours.recv)

    def test_queues_and_connections_travel(self):
        outer, inner = self.context.Queue(), self.context.Queue()
        self.start(queue_in_queue, outer)
        outer.put(inner)
        self.assertEqual(inner.get(timeout=SOON), "hello")
        ours, theirs = self.context.Pipe()
        process = self.start(send_end, theirs)
        reader, writer = self.context.Pipe(duplex=False)
        ours.send(writer)
        writer.close()
        self.assertTrue(reader.poll(SOON))
        self.assertEqual(reader.recv(), "through an end that was sent")
        process.join(SOON)
        with self.assertRaises(EOFError):
            reader.recv()

    def test_a_dead_peer_is_the_end(self):
        ours, theirs = self.context.Pipe()
        process = self.start(die_if_told, theirs)
        theirs.close()
        self.assertEqual(ours.recv(), "ready")
        process.kill()
        self.assertTrue(ours.poll(SOON))
        with self.assertRaises(EOFError):
            ours.recv()
        with self.assertRaises(BrokenPipeError):
            ours.send(1)

    # --- locks ---

    def test_a_lock_outlives_its_holder(self):
        for lock in (self.context.Lock(), self.context.RLock(), self.context.Semaphore(1, recover=True)):
            told = self.context.Event()
            process = self.start(hold, lock, told)
            self.assertTrue(told.wait(SOON))
            self.assertFalse(lock.acquire(timeout=0.05))
            process.kill()
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                self.assertIs(lock.acquire(timeout=SOON), True)
            if not isinstance(lock, prong.synchronize.Semaphore):
                self.assertIn("died", lock.owner_died)
                self.assertTrue(any(issubclass(w.category, prong.OwnerDiedWarning) for w in seen))
            lock.release()

    def test_a_killed_waiter_holds_up_nobody(self):
        condition, event = self.context.Condition(), self.context.Event()
        processes = []
        for target, thing in ((wait_for, condition), (wait_event, event)):
            told = self.context.Event()
            processes.append(self.start(target, thing, told))
            self.assertTrue(told.wait(SOON))
        time.sleep(0.2)
        for process in processes:
            process.kill()
            process.join(SOON)
        with condition:
            condition.notify_all()
        event.set()

    def test_a_party_that_dies_breaks_the_barrier(self):
        barrier = self.context.Barrier(3)
        one, two = self.start(cross, barrier), self.start(cross, barrier)
        end = time.monotonic() + SOON
        while barrier.n_waiting < 2 and time.monotonic() < end:
            time.sleep(0.01)
        one.kill()
        two.join(SOON)
        self.assertEqual(two.exitcode, 5)

    # --- programs ---

    def test_programs_print_what_they_do_under_multiprocessing(self):
        programs = os.path.join(HERE, "programs")
        for name in sorted(os.listdir(programs)):
            if not name.endswith(".py"):
                continue
            base = os.path.join(programs, name[:-3])
            expected = f"{base}.{self.method}.txt" if os.path.exists(f"{base}.{self.method}.txt") else f"{base}.txt"
            with self.subTest(name):
                ran = subprocess.run([sys.executable, f"{base}.py", self.method], capture_output=True, text=True, timeout=4 * SOON)
                self.assertEqual(ran.stdout, read(expected), ran.stderr[-2000:])


def read(path):
    with open(path) as file:
        return file.read()


def _keep(q):
    global kept
    kept = q


def _put_kept(n):
    kept.put(n)


def die_if_told(connection):
    connection.send("ready")
    connection.recv()


def inner_pool():
    with prong.Pool(2) as pool:
        return pool.map(square, range(3))


def square(x):
    return x * x


def put_much(q):
    q.put(b"x" * 10000000)


class Vanishing:
    """Pickled as a function that is nowhere."""

    def __call__(self):
        return 1

    def __reduce__(self):
        return _look_up, ("no_such_function",)


def _look_up(name):
    return getattr(sys.modules[__name__], name)


def wait_event(event, told):
    told.set()
    event.wait(SOON)


class ForkTest(Methods, unittest.TestCase):
    method = "fork"


class SpawnTest(Methods, unittest.TestCase):
    method = "spawn"


class ForkServerTest(Methods, unittest.TestCase):
    method = "forkserver"


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

    def test_strict_queues_raise_and_others_call_the_hook(self):
        with self.assertRaises(TypeError):
            prong.Queue(strict=True).put(generator())

        class Telling(prong.queues.Queue):
            def _on_queue_feeder_error(self, error, obj):
                told.append((type(error), obj))
        told, item = [], generator()
        Telling(ctx=prong.get_context()).put(item)
        self.assertEqual(told, [(TypeError, item)])

    def test_locks_are_shared_by_inheritance_or_travel_only(self):
        import pickle
        for thing in (prong.Lock(), prong.Queue(), prong.Event(), prong.Barrier(2), prong.Condition()):
            with self.assertRaisesRegex(RuntimeError, "only be shared between processes through inheritance"):
                pickle.dumps(thing)

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

    def test_a_queue_says_what_is_in_it(self):
        q = prong.Queue(2)
        self.assertTrue(q.empty())
        q.put(1)
        self.assertEqual((q.empty(), q.qsize(), q.full()), (False, 1, False))
        q.put(2)
        self.assertTrue(q.full())
        with self.assertRaises(queue.Full):
            q.put_nowait(3)
        self.assertEqual((q.get_nowait(), q.get_nowait()), (1, 2))
        with self.assertRaises(queue.Empty):
            q.get_nowait()

    def test_a_queue_that_was_shut_down(self):
        q = prong.Queue()
        q.put(1)
        q.shutdown()
        with self.assertRaises(OSError):
            q.put(2)
        self.assertEqual(q.get(timeout=SOON), 1)
        with self.assertRaises(OSError):
            q.get(timeout=SOON)

    def test_waiting_for_queues_and_connections(self):
        q, (reader, writer) = prong.Queue(), prong.Pipe(duplex=False)
        self.assertEqual(prong.connection.wait([q, reader], 0.05), [])
        q.put(1)
        self.assertEqual(prong.connection.wait([q, reader], SOON), [q])
        writer.send(2)
        self.assertEqual(prong.connection.wait([q, reader], SOON), [q, reader])

    def test_queues_cost_no_descriptors(self):
        prong.Queue().put(1)
        before = descriptors()
        kept = [prong.Queue() for _ in range(100)] + [prong.Pipe() for _ in range(100)] + [prong.Lock() for _ in range(100)]
        self.assertEqual(descriptors(), before)
        del kept

    def test_pools_count_usable_cpus(self):
        with prong.Pool() as pool:
            self.assertEqual(len(pool._pool), prong.usable_cpu_count())
        self.assertLessEqual(prong.usable_cpu_count(), len(os.sched_getaffinity(0)))

    def test_plain_objects_are_what_pickle_makes_of_them(self):
        import pickle
        shared = ["s"]
        objects = [None, True, 0, 255, 256, 65536, -1, 2**31, -2**63, 2**64, 1.5, float("inf"), "", "x" * 300, "\udc80", "ä",
                   b"", b"x" * 300, (), (1,), (1, 2, 3, (4, (5, 6, 7, 8), "x")), [], [1, "a", (2, 3, 4, 5)], {}, {"a": 1, 2: (3,)},
                   list(range(-100, 1000)), [2**40, -2**63, 1.5] * 50, [1] * 100 + [2**64], [1.5] * 100 + ["x"], [True] * 100,
                   [[1], [2]], [shared, shared], {1: [2]}, {1, 2}, 1j, object, len, range(5)]
        for item in objects:
            data = prong._core.dumps(item)
            self.assertEqual(pickle.loads(data), item)
            self.assertEqual(prong._core.loads(data), item)
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                self.assertEqual(prong._core.loads(pickle.dumps(item, protocol)), item)
        one, two = prong._core.loads(prong._core.dumps([shared, shared]))
        self.assertIs(one, two)

    PICKLED = [1, "a", (2, 3, 4, 5)], {"a": 1.5}, bytearray(100000), list(range(1000))

    def test_what_is_cut_short_is_an_error(self):
        for item in self.PICKLED:
            data = prong._core.dumps(item)
            for end in random.Random(1).choices(range(len(data)), k=300):
                with self.assertRaises((EOFError, pickle.UnpicklingError, ValueError), msg=(data[:end][:80], end)):
                    prong._core.loads(data[:end])

    def test_what_is_corrupt_is_read_as_pickle_reads_it(self):
        """An error, or what pickle makes of it."""
        chance = random.Random(1)
        for item in self.PICKLED:
            data = prong._core.dumps(item)
            for _ in range(300):
                bad = bytearray(data)
                for _ in range(chance.randint(1, 3)):  # not LONG_BINPUT: pickle then makes room for up to 2**32 objects
                    bad[chance.randrange(len(bad))] = chance.choice([byte for byte in range(256) if byte != ord("r")])
                with self.subTest(bad=bytes(bad[:80])):
                    self.assertEqual(self.outcome(prong._core.loads, bytes(bad)), self.outcome(pickle.loads, bytes(bad)))

    @staticmethod
    def outcome(loads, data):
        try:
            return repr(loads(data))
        except Exception:
            return "an error"

    def test_other_threads_run_while_one_waits(self):
        q, came = prong.Queue(), []
        thread = threading.Thread(target=lambda: came.append(q.get()))
        thread.start()
        time.sleep(0.1)
        q.put(1)
        thread.join(SOON)
        self.assertEqual(came, [1])

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

    def test_arrays_are_received_where_they_lie(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        q, array = prong.Queue(), numpy.arange(1000000, dtype="int64").reshape(1000, 1000)
        q.put(array)
        received = q.get()
        self.assertTrue((received == array).all())
        base = received
        while getattr(base, "base", None) is not None:
            base = base.base
        self.assertIsInstance(getattr(base, "obj", base), prong._core.Message)
        received[0, 0] = -1
        self.assertEqual(array[0, 0], 0)
        with prong.Pool(2) as pool:
            self.assertTrue((pool.apply_async(twice, (array,)).get(SOON) == array * 2).all())

    def received_arrays(self, size):
        """One by each way that there is, of bytes that are 1."""
        q, (reader, writer) = prong.Queue(), prong.Pipe(False)
        q.put(Array(bytearray(b"\1" * size)))
        yield q.get(timeout=SOON)
        writer.send(Array(bytearray(b"\1" * size)))
        yield reader.recv()
        with prong.Pool(1) as pool:
            yield pool.apply_async(echo, (Array(bytearray(b"\1" * size)),)).get(SOON)

    def test_a_received_array_is_a_forked_childs_own(self):
        for size in (20000, 100000, 3000001):
            for array in self.received_arrays(size):
                forked, changed, pid = os.pipe(), os.pipe(), os.fork()
                if pid == 0:
                    code = 1
                    try:
                        array.bytes[:5000] = b"\2" * 5000
                        os.write(forked[1], b"!")
                        select.select(changed[:1], [], [], SOON)
                        code = 0 if array.bytes[:5001] == b"\2" * 5000 + b"\1" and array.bytes[-1] == 1 else 2
                    finally:
                        os._exit(code)
                os.read(forked[0], 1)
                self.assertEqual(bytes(array.bytes), b"\1" * size)
                array.bytes[5000:] = b"\3" * (size - 5000)
                os.write(changed[1], b"!")
                self.assertEqual(os.waitpid(pid, 0)[1], 0)
                self.assertEqual(bytes(array.bytes), b"\1" * 5000 + b"\3" * (size - 5000))
                for descriptor in forked + changed:
                    os.close(descriptor)

    def test_a_received_array_outlives_its_parents_in_a_forked_child(self):
        q, ready = prong.Queue(), os.pipe()
        q.put(Array(bytearray(b"\1" * 300000)))
        array = q.get(timeout=SOON)
        pid = os.fork()
        if pid == 0:
            select.select(ready[:1], [], [], SOON)
            os._exit(0 if bytes(array.bytes) == b"\1" * 300000 else 1)
        del array
        gc.collect()
        for _ in range(20):  # would take its memory
            q.put(Array(bytearray(b"\2" * 300000)))
            q.get(timeout=SOON)
        os.write(ready[1], b"!")
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        os.close(ready[0])
        os.close(ready[1])

    def test_an_interrupted_program_ends_soon_and_quietly(self):
        program = ("import prong, time, sys\n"
                   "def work(x): time.sleep(100)\n"
                   "if __name__ == '__main__':\n"
                   "    with prong.get_context('fork').Pool(2) as pool:\n"
                   "        r = pool.map_async(work, range(4), 1)\n"
                   "        print('ready', flush=True)\n"
                   "        r.get()\n")
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   start_new_session=True)
        self.assertEqual(process.stdout.readline(), "ready\n")
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=SOON)
        self.assertEqual(err.count("KeyboardInterrupt"), 1, err)

    def test_interrupt(self):
        for method in METHODS:
            context = prong.get_context(method)
            begun = context.Event()
            process = context.Process(target=until_interrupted, args=(begun,))
            process.start()
            self.assertTrue(begun.wait(SOON))
            process.interrupt()
            process.join(SOON)
            self.assertEqual(process.exitcode, 7)
            process.interrupt()
            process.close()
            self.assertRaises(ValueError, process.interrupt)

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

    def test_python_code_within_a_wait_may_wait(self):
        program = ("import os, prong\n"
                   "event = prong.get_context('fork').Event()\n"
                   "assert prong.Barrier(1, lambda: event.wait(0.01)).wait(5) == 0\n"
                   "os.register_at_fork(before=lambda: event.wait(0.01))\n"
                   "with prong.get_context('fork').Pool(2) as pool:\n"
                   "    assert pool.map(abs, [-1, 2]) == [1, 2]\n"
                   "print('good')\n")
        self.says_good("-c", program)

    def test_what_is_pickled_may_go_meanwhile(self):
        program = ("import pickle, prong\n"
                   "class Lends:\n"
                   "    def __reduce_ex__(self, protocol):\n"
                   "        Lends.buffer = pickle.PickleBuffer(bytearray(b'1' * 100000))\n"
                   "        return bytes, (Lends.buffer,)\n"
                   "class Releases:\n"
                   "    def __reduce_ex__(self, protocol):\n"
                   "        Lends.buffer.release()\n"
                   "        return int, ()\n"
                   "q = prong.Queue()\n"
                   "q.put([Lends(), Releases()])\n"
                   "assert q.get(timeout=5) == [b'1' * 100000, 0]\n"
                   "class Clears:\n"
                   "    def __reduce__(self):\n"
                   "        items.clear()\n"
                   "        return self.after, ()\n"
                   "    @property\n"
                   "    def after(self):\n"
                   "        return int\n"
                   "class Submits:\n"
                   "    def __init__(self, function):\n"
                   "        self.function = function\n"
                   "    def __reduce__(self):\n"
                   "        others.append(pool.apply_async(self.function, (b'2' * 600,)))\n"
                   "        return bytes, (b'1',)\n"
                   "with prong.Pool(1) as pool:\n"
                   "    items = [Clears(), Clears()]\n"
                   "    try:\n"
                   "        pool.map(abs, items, 1)\n"
                   "    except RuntimeError:\n"
                   "        pass\n"
                   "    others = []\n"
                   "    assert pool.map(len, [Submits(bytes), Submits(hash), Submits(bytearray)], 1) == [1, 1, 1]\n"
                   "    assert [other.get(5) for other in others] == [b'2' * 600, hash(b'2' * 600), b'2' * 600]\n"
                   "print('good')\n")
        with unittest.mock.patch.dict(os.environ, PYTHONMALLOC="debug", PYTHONHASHSEED="0"):
            self.says_good("-c", program)

    def test_a_connection_closed_while_its_message_is_pickled(self):
        reader, writer = os.pipe()
        connection = prong.connection.Connection(writer, readable=False)
        with tempfile.TemporaryFile() as file:
            class Closes:
                def __reduce__(self):
                    connection.close()
                    os.dup2(file.fileno(), writer)  # its number is another file's
                    return int, ()

                def __index__(self):
                    return self.__reduce__() and 0
            for send in (lambda: connection.send(Closes()), lambda: connection.send_bytes(b"text", Closes())):
                connection.__init__(writer, readable=False)
                self.assertRaises(OSError, send)
                self.assertEqual(os.fstat(file.fileno()).st_size, 0)
        os.close(writer)
        os.close(reader)

    def test_a_condition_that_is_not_initialized(self):
        self.assertRaises(AssertionError, prong._core.Condition.__new__(prong._core.Condition).wait)

    def says_good(self, *arguments):
        ran = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=4 * SOON)
        self.assertEqual(ran.stdout, "good\n", ran.stderr)

    def test_install_serves_other_libraries(self):
        program = ("import prong; prong.install()\n"
                   "import multiprocessing, multiprocessing.pool\n"
                   "assert multiprocessing.Queue().__class__ is prong.queues.Queue\n"
                   "assert multiprocessing.pool.Pool is prong.pool.Pool\n"
                   "from concurrent.futures import ProcessPoolExecutor\n"
                   "if __name__ == '__main__':\n"
                   "    with ProcessPoolExecutor(2) as executor:\n"
                   "        assert list(executor.map(abs, [-1, -2])) == [1, 2]\n"
                   "    with multiprocessing.Manager() as manager:\n"
                   "        assert 2 in manager.set([2])\n"
                   "    assert prong._core.calls()['queue'] > 0\n"
                   "    try:\n"
                   "        from joblib import Parallel, delayed, parallel_backend\n"
                   "    except ImportError:\n"
                   "        pass\n"
                   "    else:\n"
                   "        with parallel_backend('multiprocessing'):\n"
                   "            assert Parallel(n_jobs=2)(delayed(abs)(-n) for n in range(10)) == list(range(10))\n"
                   "    print('good')\n")
        self.says_good("-W", "ignore", "-c", program)

    def test_what_was_made_before_install_works_on(self):
        program = ("import multiprocessing, prong\n"
                   "from multiprocessing import Process\n"
                   "from multiprocessing.queues import Queue\n"
                   "class OwnQueue(Queue):\n"
                   "    pass\n"
                   "class OwnProcess(Process):\n"
                   "    def run(self):\n"
                   "        self._args[0].put(self.name)\n"
                   "if __name__ == '__main__':\n"
                   "    multiprocessing.set_start_method('fork')  # other children cannot be handed what was made before\n"
                   "    pool, queue, simple = multiprocessing.Pool(2), multiprocessing.Queue(), multiprocessing.SimpleQueue()\n"
                   "    pool.map(abs, [-1])\n"
                   "    prong.install()\n"
                   "    assert pool.map(abs, [-1, -2]) == pool.starmap(abs, [(-1,), (-2,)]) == list(pool.imap(abs, [-1, -2])) == [1, 2]\n"
                   "    assert pool.apply_async(abs, (-3,)).get(10) == 3\n"
                   "    before = prong._core.calls()['process']\n"
                   "    for made in queue, multiprocessing.Queue(), OwnQueue(ctx=multiprocessing.get_context()):\n"
                   "        process = OwnProcess(args=(made,), name='own')\n"
                   "        process.start()\n"
                   "        assert made.get(timeout=10) == 'own'\n"
                   "        process.join(10)\n"
                   "        assert process.exitcode == 0\n"
                   "    assert prong._core.calls()['process'] == before + 3\n"
                   "    simple.put(1)\n"
                   "    assert simple.get() == 1\n"
                   "    prong.uninstall()\n"
                   "    assert pool.map(abs, [-4]) == [4]\n"
                   "    pool.close()\n"
                   "    pool.join()\n"
                   "    print('good')\n")
        self.says_good("-c", program)

    def test_classes_derived_before_install_are_the_same_in_children(self):
        program = ("import multiprocessing, sys, prong\n"
                   "from multiprocessing.queues import SimpleQueue\n"
                   "from concurrent.futures.process import ProcessPoolExecutor\n"
                   "class OwnQueue(SimpleQueue):\n"
                   "    pass\n"
                   "def base(queue):\n"
                   "    queue.put(OwnQueue.__base__ is prong.queues.SimpleQueue)\n"
                   "if __name__ == '__main__':\n"
                   "    multiprocessing.set_start_method(sys.argv[1])\n"
                   "    prong.install()\n"
                   "    assert multiprocessing.get_start_method() == sys.argv[1]\n"
                   "    with ProcessPoolExecutor(2) as executor:\n"
                   "        assert list(executor.map(abs, [-1, -2])) == [1, 2]\n"
                   "    queue = OwnQueue(ctx=multiprocessing.get_context())\n"
                   "    if sys.argv[0] != '-c':\n"
                   "        process = multiprocessing.Process(target=base, args=(queue,))\n"
                   "        process.start()\n"
                   "        assert queue.get() is False\n"
                   "        process.join()\n"
                   "    print('good')\n")
        with tempfile.TemporaryDirectory() as directory:
            script = os.path.join(directory, "script.py")
            with open(script, "w") as file:
                file.write(program)
            for method in METHODS:
                with self.subTest(method=method):
                    self.says_good("-W", "ignore", script, method)
                    self.says_good("-W", "ignore", "-c", program, method)

    def test_the_standard_executor_ends_when_what_is_left_was_cancelled(self):
        program = ("import prong; prong.install()\n"
                   "import sys; sys.setswitchinterval(0.05)\n"
                   "from concurrent.futures import ProcessPoolExecutor\n"
                   "if __name__ == '__main__':\n"
                   "    for i in range(50):\n"
                   "        with ProcessPoolExecutor(1) as executor:\n"
                   "            executor.submit(pow, 2, 3).result()\n"
                   "            executor.submit(pow, 2, 3).cancel()\n"
                   "    prong.uninstall()\n"
                   "    print('good')\n")
        for first in ("", "import concurrent.futures.process\n"):
            self.says_good("-c", first + program)

    def test_daemons_end_with_a_parent_that_is_killed(self):
        program = ("import prong, time, os\n"
                   "if __name__ == '__main__':\n"
                   "    p = prong.Process(target=time.sleep, args=(100,), daemon=True); p.start()\n"
                   "    print(p.pid, flush=True); time.sleep(100)\n")
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        child = int(process.stdout.readline())
        process.kill()
        process.wait()
        process.stdout.close()
        end = time.monotonic() + SOON
        while time.monotonic() < end:
            try:
                os.kill(child, 0)
            except ProcessLookupError:
                return
            time.sleep(0.01)
        self.fail("the daemon lives on")


class StormTest(unittest.TestCase):
    """Workers killed at random while tasks run."""

    TASKS = int(os.environ.get("PRONG_PYTHON_STORM", "100000"))

    def test_every_task_is_done_or_reported(self):
        stop = threading.Event()
        with prong.get_context("fork").Pool(4) as pool:
            def kill():
                import random
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
