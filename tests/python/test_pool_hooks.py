"""Subclasses of Pool that change how it works inside, as they know it from multiprocessing, and contexts with processes of their own."""

import abc
import functools
import inspect
import io
import multiprocessing
import multiprocessing.pool
import os
import pickle
import signal
import tempfile
import time
import unittest

import prong
import prong.pool
from support import InMethod, for_each_method, in_thread, run_file

SOON = 60


# ------------------------------------------------ what children run ------------------------------------------------


def same(x):
    return x


def fail(x):
    raise ValueError(f"no {x}")


def unsendable(x):
    return lambda: x


def pid():
    return os.getpid()


def set_up(value):
    global of_initializer
    of_initializer = value


def what_was_set_up():
    return of_initializer


def nested(x):
    with prong.get_context(prong.current_process()._start_method).Pool(1) as pool:
        return prong.current_process().daemon, type(prong.current_process()).__name__, pool.apply(same, (x,))


class Thing:
    def __init__(self, how="plainly"):
        self.how = how


def how(thing):
    return thing.how


def thing_of(x):
    return Thing()


class Pickler(pickle.Pickler):
    def __init__(self, file, how):
        super().__init__(file)
        self.how = how

    def reducer_override(self, value):
        return (Thing, (self.how,)) if isinstance(value, Thing) else NotImplemented


class ReducingQueue:
    """Of a pipe and two locks, with a pickler of its own."""

    def __init__(self, context, how):
        self._reader, self._writer = context.Pipe(duplex=False)
        self._rlock, self._wlock = context.Lock(), context.Lock()
        self.how = how

    def get(self):
        with self._rlock:
            return self._reader.recv()

    def put(self, value):
        stream = io.BytesIO()
        Pickler(stream, self.how).dump(value)
        with self._wlock:
            self._writer.send_bytes(stream.getvalue())


class ReducingPool(prong.pool.Pool):
    def _setup_queues(self):
        self._inqueue, self._outqueue = ReducingQueue(self._ctx, "there"), ReducingQueue(self._ctx, "and back")
        self._quick_put, self._quick_get = self._inqueue.put, self._outqueue.get


class RepopulatingPool(prong.pool.Pool):
    """Counts its workers; one that is called as multiprocessing's function, which is what torch does."""

    started = 0

    def _repopulate_pool(self):
        for _ in range(self._processes - len(self._pool)):
            worker = self.Process(self._ctx, target=multiprocessing.pool.worker, args=(
                self._inqueue, self._outqueue, self._initializer, self._initargs, self._maxtasksperchild, self._wrap_exception))
            self._pool.append(worker)
            worker.daemon = True
            worker.start()
            self.started += 1


class ByClassPool(prong.pool.Pool):
    """Calls what it inherits by its class's name."""

    called = ()

    def __init__(self, *args, **keywords):
        prong.pool.Pool.__init__(self, *args, **keywords)

    def _setup_queues(self):
        self.called += ("_setup_queues",)
        prong.pool.Pool._setup_queues(self)

    def _repopulate_pool(self):
        self.called += ("_repopulate_pool",)
        return prong.pool.Pool._repopulate_pool(self)

    def close(self):
        self.called += ("close",)
        prong.pool.Pool.close(self)


class Undaemonic:
    """As a process that may have children is written for multiprocessing: its daemon is nobody's to set."""

    @property
    def daemon(self):
        return False

    @daemon.setter
    def daemon(self, value):
        pass


def _undaemonic_context(method):
    context = type(prong.get_context(method))
    process = type("UndaemonicProcess", (Undaemonic, context.Process), {"__module__": __name__, "__qualname__": method})
    return process, type("UndaemonicContext", (context,), {"Process": process})()


fork, UNDAEMONIC_FORK = _undaemonic_context("fork")  # the processes by the names that they are pickled by
spawn, UNDAEMONIC_SPAWN = _undaemonic_context("spawn")
forkserver, UNDAEMONIC_FORKSERVER = _undaemonic_context("forkserver")
UNDAEMONIC = {"fork": UNDAEMONIC_FORK, "spawn": UNDAEMONIC_SPAWN, "forkserver": UNDAEMONIC_FORKSERVER}


# ------------------------------------------------ the tests ------------------------------------------------


def hooks():
    """What multiprocessing's Pool has of its own, but for what prong's calls, too."""
    return [name for name in vars(multiprocessing.pool.Pool) if name == "Process" or
            name.startswith("_") and not name.startswith("__") and name != "_check_running"]


def recording(base, name):
    """A subclass with one hook of its own, which notes that it was called; and the notes."""
    called = []
    made = inspect.getattr_static(multiprocessing.pool.Pool, name)
    if not callable(getattr(multiprocessing.pool.Pool, name)):
        return type("Recording", (base,), {name: made}), called

    def hook(*args, **keywords):
        called.append(name)
        inherited = getattr(base, name)
        return inherited(*(args[1:] if isinstance(made, classmethod) else args), **keywords)

    wrapped = type(made)(hook) if isinstance(made, (staticmethod, classmethod)) else hook
    return type("Recording", (base,), {name: wrapped}), called


@functools.cache
def as_by_multiprocessing(name):
    """Which hooks it calls, and the results."""
    cls, called = recording(multiprocessing.pool.Pool, name)
    results = use(cls(1, context=multiprocessing.get_context("fork")))
    return set(called), results


def use(pool):
    with pool:
        results = [pool.apply(same, (1,)), pool.map(same, range(5)), list(pool.imap(same, range(5), chunksize=2)),
                   sorted(pool.imap_unordered(same, range(5)))]
        pool.terminate()
        pool.join()
        return results


class Hooks(InMethod):
    def get(self, result):
        return result.get(SOON)

    def test_each_hook_is_called_as_by_multiprocessing(self):
        for name in hooks():
            with self.subTest(name):
                cls, called = recording(prong.pool.Pool, name)
                pool = cls(1, context=self.context)
                results = use(pool)
                self.assertEqual((set(called), results), as_by_multiprocessing(name))
                self.assertFalse(hasattr(pool, "_core"))

    def test_a_subclass_without_hooks_is_prongs(self):
        class Plain(prong.pool.Pool):
            def also(self):
                return self.apply(same, (1,))

        with Plain(1, context=self.context) as pool:
            self.assertEqual((pool.also(), pool.deaths()), (1, 0))

    def test_queues_of_a_subclass_carry_tasks_and_results(self):
        with ReducingPool(2, context=self.context) as pool:
            self.assertEqual(self.get(pool.map_async(how, [Thing(), Thing()])), ["there", "there"])
            self.assertEqual(self.get(pool.apply_async(thing_of, (1,))).how, "and back")
            self.assertEqual([thing.how for thing in pool.imap(thing_of, range(3))], ["and back"] * 3)
            with self.assertRaisesRegex(ValueError, "no 3") as caught:
                self.get(pool.apply_async(fail, (3,)))
            self.assertIn("in fail", str(caught.exception.__cause__))
            with self.assertRaises(multiprocessing.pool.MaybeEncodingError):
                self.get(pool.apply_async(unsendable, (1,)))

    def test_a_worker_that_is_killed_is_replaced(self):
        with ReducingPool(1, context=self.context) as pool:
            first = self.get(pool.apply_async(pid))
            os.kill(first, signal.SIGKILL)
            self.assertNotEqual(self.get(pool.apply_async(pid)), first)

    def test_a_subclass_that_starts_its_workers_itself(self):
        with RepopulatingPool(2, set_up, (5,), maxtasksperchild=1, context=self.context) as pool:
            self.assertEqual([self.get(pool.apply_async(what_was_set_up)) for _ in range(4)], [5] * 4)
            self.assertGreaterEqual(pool.started, 2)

    def test_inherited_functions_are_called_by_class(self):
        pool = ByClassPool(1, context=self.context)
        self.assertEqual(self.get(pool.map_async(same, range(3))), [0, 1, 2])
        pool.close()
        pool.join()
        self.assertEqual(pool.called[:2] + pool.called[-1:], ("_setup_queues", "_repopulate_pool", "close"))

    def test_a_context_with_its_own_process(self):
        with UNDAEMONIC[self.method].Pool(1) as pool:
            self.assertEqual(self.get(pool.apply_async(nested, (4,))), (False, "UndaemonicProcess", 4))
        with prong.pool.Pool(1, context=UNDAEMONIC[self.method]) as pool:
            self.assertEqual(self.get(pool.apply_async(nested, (5,))), (False, "UndaemonicProcess", 5))

    def test_a_context_with_its_own_queue(self):
        class Context(type(self.context)):
            made = 0

            def SimpleQueue(self):
                self.made += 1
                return super().SimpleQueue()

        context = Context()
        with context.Pool(1) as pool:
            self.assertEqual(self.get(pool.map_async(same, range(3))), [0, 1, 2])
        self.assertGreater(context.made, 1)

    def test_multiprocessings_contexts_are_served_by_prong(self):
        with prong.pool.Pool(1, context=multiprocessing.get_context(self.method)) as pool:
            self.assertEqual((pool.apply(same, (1,)), pool.deaths()), (1, 0))

    def test_hooks_of_a_mixin_and_of_a_class_between(self):
        class Mixin:
            def _setup_queues(self):
                self.noted = True
                super()._setup_queues()

        class Between(prong.pool.Pool):
            pass

        class Mixed(Mixin, Between, abc.ABC):
            pass

        class Below(prong.pool.Pool, Mixin):
            """Where Pool's own comes first."""

        class Last(Mixed):
            pass

        for cls, noted in ((Mixed, True), (Last, True), (Below, False)):
            with cls(1, context=self.context) as pool:
                self.assertEqual(self.get(pool.map_async(same, [1])), [1])
                self.assertEqual(getattr(pool, "noted", False), noted)

    def test_a_pool_that_is_left_ends_with_the_program(self):
        for end in ("pass", "pool.close()", "pool.apply_async(time.sleep, (60,)); time.sleep(0.2)"):
            ran = self.ran("import prong, time\nfrom prong.pool import Pool\n"
                           "class Own(Pool):\n    def _setup_queues(self): super()._setup_queues()\n"
                           "if __name__ == '__main__':\n"
                           "    pool = Own(2, context=prong.get_context(%r))\n"
                           "    print(pool.map(abs, [-1]))\n    %s\n" % (self.method, end))
            self.assertEqual(ran, "[1]\n")

    def test_what_is_served_after_install(self):
        ran = self.ran("import prong\nprong.install()\nimport multiprocessing, multiprocessing.pool\n"
                       "class Own(multiprocessing.pool.Pool):\n"
                       "    def _setup_queues(self):\n        super()._setup_queues()\n        print(type(self._inqueue).__module__)\n"
                       "if __name__ == '__main__':\n"
                       "    multiprocessing.set_start_method(%r)\n"
                       "    with Own(2) as pool:\n"
                       "        print(pool.map(abs, [-1, 2]), isinstance(pool, multiprocessing.pool.Pool), type(pool).__name__)\n"
                       "        pool.close()\n        pool.join()\n"
                       "    with multiprocessing.Pool(1) as pool: print(pool.apply(abs, (-3,)), pool.deaths())\n" % self.method)
        self.assertEqual(ran, "prong.queues\n[1, 2] True Own\n3 0\n")

    def test_joblib_hands_workers_views_of_memmaps(self):
        try:
            import joblib  # noqa: F401
            import numpy  # noqa: F401
        except ImportError as error:
            self.skipTest(str(error))
        with tempfile.TemporaryDirectory() as folder:
            ran = self.ran("import prong, sys\nprong.install()\nimport numpy as np\nfrom joblib import Parallel, delayed\n"
                           "def fill(data, output, i):\n    output[i] = data[i].sum()\n    return type(output).__name__\n"
                           "if __name__ == '__main__':\n"
                           "    output = np.memmap(sys.argv[1] + '/output', dtype=float, shape=4, mode='w+')\n"
                           "    tasks = [delayed(fill)(np.ones((4, 10)), output, i) for i in range(4)]\n"
                           "    print(Parallel(n_jobs=2, backend='multiprocessing')(tasks), output.tolist())\n"
                           "    big = np.zeros(200000)\n"
                           "    print(Parallel(n_jobs=2, backend='multiprocessing')(delayed(type)(big) for _ in range(2)))\n",
                           folder, JOBLIB_START_METHOD=self.method, JOBLIB_TEMP_FOLDER=folder)
        self.assertEqual(ran, "['memmap', 'memmap', 'memmap', 'memmap'] [10.0, 10.0, 10.0, 10.0]\n"
                         "[<class 'numpy.memmap'>, <class 'numpy.memmap'>]\n")

    def ran(self, program, *arguments, **environment):
        ran = run_file(program, *arguments, timeout=SOON, **environment)
        self.assertEqual(ran.stderr, "")
        return ran.stdout


ForkTest, SpawnTest, ForkServerTest = for_each_method(Hooks)


class PoolTest(unittest.TestCase):
    def test_what_is_prongs_alone_is_an_error(self):
        with ReducingPool(1) as pool:
            with self.assertRaisesRegex(TypeError, "timeout"):
                pool.map(same, range(3), timeout=3)
            with self.assertRaisesRegex(NotImplementedError, "ReducingPool"):
                pool.deaths()

    def test_arguments_are_checked_as_ever(self):
        for wrong, error in (({"processes": 0}, ValueError), ({"initializer": 5}, TypeError), ({"maxtasksperchild": 0}, ValueError)):
            with self.assertRaises(error):
                ReducingPool(**wrong)

    def test_it_is_a_pool_of_its_class(self):
        with ReducingPool(1) as pool:
            self.assertIsInstance(pool, ReducingPool)
            self.assertIsInstance(pool, prong.pool.Pool)
            self.assertEqual(repr(pool), f"<{__name__}.ReducingPool state=RUN pool_size=1>")
            self.assertEqual(type(pool).__doc__, ReducingPool.__doc__)
            with self.assertRaises(NotImplementedError):
                pickle.dumps(pool)

    def test_apply_calls_a_subclasss_apply_async(self):
        class Own(prong.pool.Pool):
            def apply_async(self, func, args=(), kwds={}, callback=None, error_callback=None):
                return super().apply_async(func, (args[0] + 1,), kwds, callback, error_callback)

        with Own(1) as pool:
            self.assertEqual(pool.apply(same, (1,)), 2)

    def test_threads_are_multiprocessings(self):
        class Own(prong.pool.ThreadPool):
            def _setup_queues(self):
                self.noted = True
                super()._setup_queues()

        with Own(2) as pool:
            self.assertEqual((pool.map(same, range(3)), pool.noted), ([0, 1, 2], True))

    def test_it_is_terminated_with_tasks_in_its_queue(self):
        with prong.pool.Pool(1, context=UNDAEMONIC["fork"]) as pool:
            results = [pool.apply_async(time.sleep, (SOON,)) for _ in range(100)]
            thread = in_thread(pool.terminate)
            thread.join(SOON)
            self.assertFalse(thread.is_alive())
            self.assertFalse(any(result.ready() for result in results))


if __name__ == "__main__":
    unittest.main()
