"""What tasks raise that is hard to tell: exceptions that end iterators, and those that cannot be described, pickled, or made again."""

import asyncio
import gc
import os
import resource
import sys
import unittest

import prong
from prong import _core
from support import InMethod, for_each_method

SOON = 60


# ------------------------------------------------ what children run ------------------------------------------------


def stop(x):
    if x == 3:
        raise StopIteration("of the task")
    return x


def stop_asynchronously(x):
    if x == 3:
        raise StopAsyncIteration("of the task")
    return x


class NotPickled(Exception):
    def __reduce__(self):
        raise TypeError("not pickled")


class PickledInChildren(Exception):
    """Is made again where it was raised, and nowhere else."""

    def __reduce__(self):
        return make_in, (os.getpid(),)


def make_in(pid):
    if pid != os.getpid():
        raise LookupError("made again elsewhere")
    return PickledInChildren()


class MadeAgainAsSomethingElse(Exception):
    def __reduce__(self):
        return int, ()


class NoText(Exception):
    def __str__(self):
        raise KeyError("no text")

    __repr__ = __str__


class NoTextNorPickle(NoText):
    __reduce__ = NotPickled.__reduce__


class ExitsInText(NotPickled):
    def __str__(self):
        sys.exit(5)

    __repr__ = __str__


class Nameless(type):
    @property
    def __name__(cls):
        raise AttributeError("no name")


class NoName(NotPickled, metaclass=Nameless):
    pass


class NoMemoryForText(NotPickled):
    def __str__(self):
        raise MemoryError

    __repr__ = __str__


class OwnMemoryError(MemoryError):
    __reduce__ = NotPickled.__reduce__


class NoRepr:
    """A result that cannot be sent, nor shown."""

    def __reduce__(self):
        raise TypeError("not sent")

    def __repr__(self):
        raise KeyError("not shown")


def raise_one(cls, *arguments):
    raise cls(*arguments)


def raise_if(item):
    if item is not None:
        raise item()
    return item


def return_no_repr(x):
    return NoRepr()


def leave(x):
    sys.exit(NoRepr())


def describe_fails(kind):
    """Replaces what describes errors by something that raises, for one task."""
    def describe(*unused):
        from prong._impl import pool_worker
        _core._set_describe(pool_worker.describe)
        raise kind("as it was described")
    _core._set_describe(describe)
    raise kind("of the task")


def want_memory(x):
    """Takes all the memory that this process may have."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    gc.disable()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(), before[1]))
    taken = []
    try:
        size = 1 << 20
        while size > 64:
            try:
                taken.append(bytearray(size))
            except MemoryError:
                size //= 2
        raise MemoryError("all is taken")
    finally:
        global kept
        kept = taken  # as long as the error is described


def quietly(function, *arguments):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    function(*arguments)


class RaisesAsItIsPickled:
    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        raise self.error


# ------------------------------------------------ the tests ------------------------------------------------

# What is raised, and how it arrives: as what, with which words.
UNTELLABLE = ((NotPickled, prong.ProcessError, "NotPickled"), (PickledInChildren, prong.ProcessError, "PickledInChildren"),
              (MadeAgainAsSomethingElse, prong.ProcessError, "MadeAgainAsSomethingElse"), (NoText, NoText, None),
              (NoTextNorPickle, prong.ProcessError, "NoTextNorPickle"), (ExitsInText, prong.ProcessError, "ExitsInText"),
              (NoName, prong.ProcessError, "cannot be described"), (NoMemoryForText, prong.ProcessError, "NoMemoryForText"),
              (MemoryError, MemoryError, ""), (OwnMemoryError, MemoryError, "OwnMemoryError"))


class TaskErrors(InMethod):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pool = cls.context.Pool(2)
        cls.executor = prong.ProcessPoolExecutor(2, mp_context=cls.context)

    @classmethod
    def tearDownClass(cls):
        cls.pool.terminate()
        cls.executor.shutdown()

    def raises(self, kind, words, call):
        with self.assertRaises(kind) as caught:
            call()
        if words is not None:
            self.assertIn(words, str(caught.exception))
        return caught.exception

    # --- exceptions that end iterators ---

    def test_a_call_raises_the_tasks_stop_iteration(self):
        for task, kind in ((stop, StopIteration), (stop_asynchronously, StopAsyncIteration)):
            told = []
            result = self.pool.apply_async(task, (3,), error_callback=told.append)
            self.raises(kind, "of the task", lambda: result.get(SOON))
            self.assertIsInstance(told[0], kind)
            self.raises(kind, "of the task", lambda: self.pool.apply(task, (3,)))
            for chunksize in (1, 4):
                self.raises(kind, "of the task", lambda: self.pool.map(task, range(8), chunksize))
            self.raises(kind, "of the task", lambda: self.executor.submit(task, 3).result(SOON))

    def test_an_iterator_is_not_ended_by_a_tasks_stop_iteration(self):
        for imap in (self.pool.imap, self.pool.imap_unordered):
            for chunksize, lost in ((1, {3}), (4, {0, 1, 2, 3})):
                results, got, errors = imap(stop, range(8), chunksize), [], []
                while len(got) + (chunksize if errors else 0) < 8:
                    try:
                        got.append(next(results))
                    except RuntimeError as error:
                        errors.append(error)
                self.assertEqual((set(got), len(got)), (set(range(8)) - lost, 8 - len(lost)))
                self.assertIsInstance(errors[0].__cause__, StopIteration)
                self.assertRaises(StopIteration, next, results)

    def test_loops_raise_what_would_end_them(self):
        for loop in (lambda: list(self.pool.imap(stop, range(8))), lambda: list(self.pool.imap(stop, range(8), progress=True)),
                     lambda: list(self.pool.imap_unordered(stop, range(8), 2)), lambda: list(self.executor.map(stop, range(8))),
                     lambda: list(self.executor.map(stop, range(8), chunksize=4))):
            self.raises(RuntimeError, "StopIteration", loop)

    def test_asyncio_is_told_of_it(self):
        async def collect(task):
            return [result async for result in self.pool.imap(task, range(8))]

        async def call():
            return await self.pool.apply_async(stop, (3,))

        for coroutine in (collect(stop), collect(stop_asynchronously), call()):
            error = self.raises(RuntimeError, "", lambda: asyncio.run(asyncio.wait_for(coroutine, SOON)))
            self.assertIsInstance(error.__cause__, (StopIteration, StopAsyncIteration))

    def test_a_tasks_timeout_error_is_its_own(self):
        self.raises(prong.TimeoutError, "its own", lambda: list(self.executor.map(raise_one, [prong.TimeoutError], ["its own"])))

    def test_what_pickling_an_item_raises_is_the_error_of_its_result(self):
        for error in (ValueError("Pool not running"), NoText(), RuntimeError("not running")):
            results = self.pool.imap(stop, [0, RaisesAsItIsPickled(error), 2])
            self.assertEqual(next(results), 0)
            self.raises(type(error), None, lambda: next(results))
            self.assertEqual(next(results), 2)
            result = self.pool.apply_async(stop, (RaisesAsItIsPickled(error),))
            self.raises(type(error), None, lambda: result.get(SOON))
            future = self.executor.submit(stop, RaisesAsItIsPickled(error))
            self.raises(type(error), None, lambda: future.result(SOON))
        results = self.pool.imap(stop, [0, RaisesAsItIsPickled(StopIteration()), 2])
        self.assertEqual(next(results), 0)
        self.raises(RuntimeError, "StopIteration", lambda: next(results))

    # --- exceptions that cannot be described ---

    def test_an_error_that_cannot_be_told_says_what_it_was(self):
        for cls, kind, words in UNTELLABLE:
            with self.subTest(cls.__doc__ if cls is NoName else cls.__name__):
                told = []
                result = self.pool.apply_async(raise_if, (cls,), error_callback=told.append)
                self.raises(kind, words, lambda: result.get(SOON))
                self.assertIsInstance(told[0], kind)
                self.raises(kind, words, lambda: self.pool.map(raise_if, [None, cls, None], chunksize=3))
                for imap in (self.pool.imap, self.pool.imap_unordered):
                    self.raises(kind, words, lambda: list(imap(raise_if, [None, cls])))
                self.raises(kind, words, lambda: self.executor.submit(raise_if, cls).result(SOON))
                self.raises(kind, words, lambda: list(self.executor.map(raise_if, [None, cls])))
        self.assertEqual(self.pool.deaths(), 0)

    def test_its_traceback_is_there_all_the_same(self):
        error = self.raises(NoText, None, lambda: self.pool.apply(raise_one, (NoText,)))
        self.assertIn("in raise_one", str(error.__cause__))
        error = self.raises(prong.ProcessError, None, lambda: self.pool.apply(raise_one, (NoTextNorPickle,)))
        self.assertIn("in raise_one", str(error.__cause__))

    def test_a_result_that_cannot_be_sent_nor_shown(self):
        for call in (lambda: self.pool.apply(return_no_repr, (1,)), lambda: list(self.pool.imap(return_no_repr, [1])),
                     lambda: self.executor.submit(return_no_repr, 1).result(SOON)):
            self.raises(prong.ProcessError, "not sent", call)

    def test_an_exit_with_what_cannot_be_shown(self):
        self.raises(prong.ProcessError, "sys.exit", lambda: self.pool.apply(leave, (1,)))

    def test_an_error_that_there_is_no_memory_to_describe(self):
        for kind, arrives in ((MemoryError, MemoryError), (KeyboardInterrupt, prong.ProcessError)):
            self.raises(arrives, "describe", lambda: self.pool.apply(describe_fails, (kind,)))
            self.raises(arrives, "describe", lambda: list(self.pool.imap(describe_fails, [kind])))
            self.raises(arrives, "describe", lambda: self.executor.submit(describe_fails, kind).result(SOON))
        self.assertEqual(self.pool.map(stop, range(3)), [0, 1, 2])

    @unittest.skipIf("asan" in os.environ.get("LD_PRELOAD", ""), "AddressSanitizer needs more address space than that")
    def test_a_worker_without_memory_raises_memory_error(self):
        with self.context.Pool(1, maxtasksperchild=1) as pool:
            self.raises(MemoryError, None, lambda: pool.apply_async(want_memory, (1,)).get(SOON))
            self.assertEqual(pool.apply_async(stop, (1,)).get(SOON), 1)

    def test_a_process_that_raises_one_ends_with_1(self):
        for cls, _, _ in UNTELLABLE:
            process = self.context.Process(target=quietly, args=(raise_one, cls))
            process.start()
            process.join(SOON)
            self.assertEqual(process.exitcode, 1, cls.__doc__)
        process = self.context.Process(target=quietly, args=(leave, 1))
        process.start()
        process.join(SOON)
        self.assertEqual(process.exitcode, 1)


ForkTest, SpawnTest, ForkServerTest = for_each_method(TaskErrors)


if __name__ == "__main__":
    unittest.main()
