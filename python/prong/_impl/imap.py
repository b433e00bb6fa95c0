"""The iterators of imap and imap_unordered."""

import itertools
import threading
import time
from collections import deque
from types import GenericAlias

from .. import _core
from ..errors import TimeoutError
from .results import _Task, failure, not_the_end
from .task_options import in_room, submitted

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from multiprocessing.pool import IMapIterator as _Iterator
    from typing import TypeVar

    _T = TypeVar("_T")
    _Self = TypeVar("_Self")
else:
    _T = None

    class _Iterator:
        __class_getitem__ = classmethod(GenericAlias)


def chunks(iterator, size):
    while True:
        chunk = tuple(itertools.islice(iterator, size))
        if not chunk:
            return
        yield chunk


class Raised:
    """Stands in imap's order where the iterable raised."""

    def __init__(self, error):
        self.error = error

    def _ended(self, timeout):
        return False, self.error

    def _tell(self, done):
        done(self)


class _Item(_Task):
    """A task in imap's order."""

    def _otherwise(self, outcome):
        return outcome  # what is raised knows the place in the order


class IMapIterator(_Iterator[_T]):
    """Results one at a time; reads ahead of what is taken no more than `ahead` tasks, until the pool is closed."""

    __module__ = "prong.pool"
    _stays = True  # all its tasks run, though nobody has it any more

    def __init__(self, pool, function, form, tasks, chunked, ahead, options):
        self._pool, self._function, self._form = pool, function, form
        self._tasks, self._chunked, self._ahead, self._options = iter(tasks), chunked, ahead, options
        self._pending = deque()
        self._values = deque()
        self._index = 0
        self._kept = []  # a task that was read and not submitted: the pool had no room
        self._exhausted = False
        self._lock = threading.RLock()
        self._turn = threading.RLock()  # of the thread that takes the next result; what it unpickles may take one as well
        self._further = 0 if pool._inlined else ahead  # without workers, a task runs when its result is asked for
        # So many pending ones are enough before others are submitted, several at a time.
        self._enough = ahead - (ahead // 8 if ahead >= 4 * pool._processes else 1)
        self._fill(self._further)

    def __iter__(self: "_Self") -> "_Self":
        return self

    def _fill(self, most, drains=False):
        """Submits tasks; with one in the pool, as long as that has room."""
        with self._lock:
            while not self._exhausted and len(self._pending) < most:
                try:
                    task = self._kept.pop() if self._kept else next(self._tasks)
                except StopIteration:
                    self._exhaust()
                    return
                except Exception as error:
                    self._exhaust()
                    self._add(Raised(error))
                    return
                if not self._submit(task, in_room(self._options, drains or not self._pending)):
                    self._kept.append(task)
                    return

    def _exhaust(self):
        """All is submitted: the pool needs it no longer."""
        self._exhausted = True
        self._pool._unfinished_imaps.discard(self)

    def _submit(self, task, options):
        """False where the pool had no room for it."""
        try:
            job = self._pool._core.call(_Item, self._pool, self._function, self._form, task, None, options)
        except Exception as error:  # a task that cannot be pickled is the error of its own result
            job = Raised(error)
        if submitted(job) is False:
            return False
        self._add(job)
        return True

    def _add(self, job):
        self._pending.append(job)

    def _take(self, timeout):
        """Of the next task that has ended: (whether it returned, what it returned or came to); None when timeout seconds have passed."""
        ended = self._pending[0]._ended(timeout)
        if ended is not None:
            self._pending.popleft()
        return ended

    def next(self, timeout: "float | None" = None) -> "_T":
        """The next result; TimeoutError when timeout seconds have passed."""
        if not self._turn.acquire(False):
            timeout = self._await_turn(timeout)
        try:
            return self._next(timeout)
        finally:
            self._turn.release()

    def _await_turn(self, timeout):
        """What is left of the time."""
        if timeout is None:
            self._turn.acquire()
            return None
        end = time.monotonic() + timeout
        if not self._turn.acquire(timeout=min(max(timeout, 0), threading.TIMEOUT_MAX)):
            raise TimeoutError
        return max(end - time.monotonic(), 0)

    def _next(self, timeout):
        while True:
            if self._values:
                return self._values.popleft()
            if not self._pending:
                self._fill(self._ahead)
            if not self._pending:
                self._pool = None
                self._end()
                raise StopIteration
            ended = self._take(timeout)
            if ended is None:
                raise TimeoutError
            if len(self._pending) <= self._enough:
                self._fill(self._further)
            index, self._index = self._index, self._index + 1
            good, value = ended
            if not good:
                raise not_the_end(value if isinstance(value, BaseException) else failure(index, value, self._pool))
            if not self._chunked:
                return value
            self._values.extend(value)

    __next__ = next

    def _end(self):
        """All results are taken."""

    def _drain(self):
        """The pool is closed: all the rest is submitted before."""
        self._fill(float("inf"), True)

    def __aiter__(self) -> "AsyncIterator[_T]":
        return self

    async def __anext__(self) -> "_T":
        import asyncio

        def step():
            try:
                return True, self.next()
            except StopIteration:
                return False, None
        more, value = await asyncio.get_running_loop().run_in_executor(None, step)
        if not more:
            raise StopAsyncIteration
        return value


class IMapUnorderedIterator(IMapIterator[_T]):
    """Results as they come."""

    __module__ = "prong.pool"

    def __init__(self, *args):
        self._came = threading.Condition()
        self._ended = deque()  # jobs, in the order in which they ended
        super().__init__(*args)

    def _add(self, job):
        self._pending.append(None)
        job._tell(self._come)

    def _come(self, job):
        with self._came:
            self._ended.append(job)
            self._came.notify()

    def _take(self, timeout):
        with self._came:
            if not self._came.wait_for(lambda: self._ended, timeout):
                return None
            job = self._ended.popleft()
        self._pending.pop()
        return job._ended(None)


def _make(pool, ordered, func, iterable, chunksize, *more):
    tasks, form = (iterable, _core.ITEM) if chunksize == 1 else (chunks(iter(iterable), chunksize), _core.MAP)
    cls = IMapIterator if ordered else IMapUnorderedIterator
    return cls(pool, func, form, tasks, chunksize != 1, *more)


def iterate(pool, ordered, func, iterable, chunksize, options, buffersize, progress, make=_make):
    """Pool.imap, and imap_unordered, of a pool that runs. make: makes the iterator."""
    if chunksize < 1:
        raise ValueError("Chunksize must be 1+, not {0:n}".format(chunksize))
    ahead = max(buffersize, 1) if buffersize else max(4 * pool._processes, 64)
    if pool._inlined:
        ahead = 1
    iterator = make(pool, ordered, func, iterable, chunksize, ahead, options)
    pool._imaps.add(iterator)
    if iterator._stays and not iterator._exhausted:
        pool._unfinished_imaps.add(iterator)
    if progress:
        from .progress import over
        return over(iterator, len(iterable) if hasattr(iterable, "__len__") else None)
    return iterator
