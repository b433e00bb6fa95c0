"""What a pool's tasks come to: AsyncResult, and the exceptions of those that failed."""

import sys
import threading
import time
from _pickle import loads
from types import GenericAlias

from .. import _core
from ..errors import PoolBroken, ProcessError, TaskCancelled, TaskMemory, TaskTimeout, TimeoutError, WorkerDied
from .pool_worker import otherwise

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Generator
    from multiprocessing.pool import ApplyResult as _Result
    from typing import Any, TypeVar

    _T = TypeVar("_T")

    class _Task:
        """The core's, whose get tells nothing of types."""

        _pool: "Any"

        def _get(self, timeout: "float | None" = None) -> "Any": ...
        def ready(self) -> bool: ...
        def _wait(self, timeout: "Any") -> "Any": ...
        def _ended(self, timeout: "Any") -> "Any": ...
        def _settle(self, success: "Any", value: "Any") -> None: ...
        def _cancel(self, force: bool) -> None: ...
        def _tell(self, done: "Any") -> "Any": ...
else:
    _T = None
    _Task = _core.Task

    class _Result:
        __class_getitem__ = classmethod(GenericAlias)


def remote_traceback(text):
    """A worker's traceback as the cause of an exception here."""
    from multiprocessing.pool import RemoteTraceback
    return RemoteTraceback('\n"""\n%s"""' % text)


def rebuilt(data, code):
    """The exception that describe described; code tells why there is nothing of it."""
    if not data:
        if code == _core.NO_MEMORY_TO_DESCRIBE:
            return MemoryError("the task's worker had no memory left to describe what the task raised")
        return ProcessError("the task raised an exception that cannot be described")
    pickled, text, summary, is_memory = loads(data)
    error = None if pickled is None else otherwise(None, _core.loads, pickled)
    if not isinstance(error, BaseException):
        error = MemoryError(summary) if is_memory else ProcessError(f"the task raised {summary}, which cannot be rebuilt here")
    if text:
        error.__cause__ = remote_traceback(text)
    return error


def not_the_end(error):
    """A task's error as an iterator over results raises it, whose own end a StopIteration would be."""
    if not isinstance(error, (StopIteration, StopAsyncIteration)):
        return error
    instead = RuntimeError(f"the task raised {type(error).__name__}")
    instead.__cause__ = error
    return instead


def failure(index, outcome, pool):
    """What a task's outcome other than success raises."""
    status, value, code, tries = outcome
    if status == _core.TASK_FAILED:
        return rebuilt(value, code) if pool is None else pool._rebuilt(value, code)
    if status == _core.WORKER_DIED:
        return WorkerDied(value, code, index)
    if status == _core.TASK_TIMEOUT:
        return TaskTimeout(value)
    if status == _core.TASK_MEMORY:
        return TaskMemory(value)
    if status == _core.CANCELLED:
        return TaskCancelled(value)
    if status == _core.POOL_BROKEN:
        return pool._broken(value) if pool is not None else PoolBroken(value)
    return ProcessError(value)


class AsyncResult(_Task, _Result[_T]):
    """The result of an apply_async; of tasks submitted together: of map_async and starmap_async."""

    __module__ = "prong.pool"

    if TYPE_CHECKING:
        def get(self, timeout: "float | None" = None) -> "_T": ...
    else:
        get = _Task._get

    def _otherwise(self, outcome):
        """For get: what is raised for an outcome other than success. None: time is up."""
        if outcome is None:
            raise TimeoutError
        return failure(0, outcome, self._pool)

    def wait(self, timeout: "float | None" = None) -> None:
        """Waits for the end, up to timeout seconds."""
        self._wait(timeout)

    def successful(self) -> bool:
        """Whether it ended without an exception. ValueError when it has not ended."""
        if not self.ready():
            raise ValueError("{0!r} not ready".format(self))
        return self._ended(0)[0]

    def cancel(self, force: bool = False) -> None:
        """Tasks that have not begun will not; with force, those that run are killed. They end as TaskCancelled."""
        self._cancel(force)

    def progress(self) -> "tuple[int, int, float]":
        """(tasks done, tasks in all, tasks a second)."""
        return int(self.ready()), 1, 0.0

    def _when_ended(self, call):
        """Calls it in the pool's thread when it has ended, and its callback, if any, was called; at once, if it has."""
        self._tell(lambda task: call())

    def __await__(self) -> "Generator[Any, None, _T]":
        import asyncio

        def get():
            try:
                return self.get()
            except StopIteration as error:  # which no future of asyncio's takes
                raise not_the_end(error) from error
        return (yield from asyncio.get_running_loop().run_in_executor(None, get).__await__())


ApplyResult = AsyncResult


class JobResult(AsyncResult[_T]):
    """The result of tasks submitted together, or of one with callbacks: it has a job of its own."""

    __module__ = "prong.pool"

    def __init__(self, pool, job, shape, callback=None, error_callback=None):
        self._of, self._job, self._shape = pool, job, shape
        self._callback, self._error_callback = callback, error_callback
        self._success = None
        self._value = None
        self._lock = threading.Lock()  # of what it came to
        # with callbacks it has ended when they have been called
        self._told = None if callback is None and error_callback is None else threading.Event()
        self._then = None  # what is called when it has ended: a list, from the first such call on; an empty tuple after
        self._then_lock = threading.Lock()  # of that alone: a get may have the other for its whole wait

    def ready(self) -> bool:
        """Whether it has ended, and its callback, if any, has been called."""
        if self._told is not None:
            return self._told.is_set()
        return self._job is None or self._job.ready()

    def _wait(self, timeout):
        if self._told is not None:
            return self._told.wait(timeout)
        job = self._job
        return job is None or job.wait(timeout)

    def _read(self):
        """Waits, and reads what there is meanwhile."""
        with self._lock:
            if self._job is not None:
                self._job.read()

    def successful(self) -> bool:
        """Whether it ended without an exception. ValueError when it has not ended."""
        if not self.ready():
            raise ValueError("{0!r} not ready".format(self))
        self._load()
        return self._success

    def get(self, timeout: "float | None" = None) -> "_T":
        """The result, or what was raised. TimeoutError when timeout seconds have passed."""
        if timeout is None and self._shape == "chunks" and self._told is None:
            self._read()
        elif not self._wait(timeout):
            raise TimeoutError
        if self._job is not None:
            self._load()
        if self._success:
            return self._value
        raise self._value

    def cancel(self, force: bool = False) -> None:
        """Tasks that have not begun will not; with force, those that run are killed. They end as TaskCancelled."""
        if self._job is not None:
            self._job.cancel(force)

    def progress(self) -> "tuple[int, int, float]":
        """(tasks done, tasks in all, tasks a second)."""
        if self._job is not None:
            self._progress = self._job.progress()
        return self._progress

    def _each(self, end, late):
        """The results one after another, each as soon as it is there; raises late when it is not by the time `end`."""
        job = self._job
        for index in range(job.count if job is not None else 0):
            outcome = job.outcome(index, None if end is None else end - time.monotonic())
            if outcome is None:
                raise late
            if outcome[0] != _core.OK:
                raise not_the_end(failure(index, outcome, self._of))
            if self._shape == "chunks":
                yield from outcome[1]
            else:
                yield outcome[1]
        if job is None:
            yield from self.get()

    def _load(self, kinds=Exception):
        with self._lock:
            if self._job is None:
                return
            try:
                if self._shape == "one":
                    outcome = self._job.outcome(0, None)
                    failed = None if outcome[0] == _core.OK else (0, outcome)
                    values = outcome[1]
                else:
                    values, failed = self._job.results(self._shape == "chunks")
                self._success = failed is None
                self._value = values if failed is None else failure(failed[0], failed[1], self._of)
            except kinds as error:  # a result that pickles, and does not unpickle
                self._success, self._value = False, error
            self._progress = self._job.progress()
            self._job = None

    def _finished(self, job):
        """Called in the pool's thread: what a callback raises is reported, and harms nobody."""
        self._job = job
        self._load(BaseException)
        self._call_back()

    def _settle(self, success, value):
        """It has ended without having been submitted."""
        self._success, self._value = success, value
        self._call_back()

    def _call_back(self):
        callback = self._callback if self._success else self._error_callback
        self._callback = self._error_callback = None
        try:
            if callback is not None:
                callback(self._value)
        except Exception:
            sys.excepthook(*sys.exc_info())
        finally:
            if self._told is not None:
                self._told.set()
            self._call_then(None)

    def _when_ended(self, call):
        """Calls it in the pool's thread when it has ended, and its callback, if any, was called; at once, if it has."""
        with self._then_lock:
            job, told = self._job, self._told
            ended = self._then == () or (job is None if told is None else told.is_set())
            first = self._then is None
            if not ended and first:
                self._then = []
            if not ended:
                self._then.append(call)
        if ended:
            call()
        elif first and told is None:
            try:
                job.tell(self._call_then)
            except BaseException:  # a forked child's copy: each call is refused
                self._then = None
                raise

    def _call_then(self, job):
        with self._then_lock:
            calls, self._then = self._then or (), ()
        for call in calls:
            call()


class MapResult(JobResult[list[_T]]):
    """The results of tasks submitted together, in their order."""

    __module__ = "prong.pool"
