"""ProcessPoolExecutor: concurrent.futures' interface, on a pool that is never broken by a worker's death."""

import concurrent.futures as _futures
import os
import threading
import time
import weakref
from collections import deque
from functools import partial
from itertools import islice

from .. import _core
from ..errors import PoolBroken, ProcessError, TaskCancelled
from ..pool import Pool
from .compat import needs
from .future import Future
from .results import not_the_end
from .task_options import PLAIN

needs(threading)
TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.context import BaseContext
    from typing import Any, TypeVar

    from .inline import Inline

    _T = TypeVar("_T")
    # At runtime an Executor that is not concurrent.futures' own: to annotations it is one of those.
    _Executor = _futures.ProcessPoolExecutor
else:
    _Executor = _futures.Executor

__all__ = ["ProcessPoolExecutor"]
_CALL = _core.CALL

_pools: "dict[Any, int]" = {}  # the pool of each executor, until all that it was given is done; and the process that made it
_registered = False
_exiting = False


def _keep(pool):
    """What the pool is given is done before the interpreter ends, whether anybody still has the executor or not."""
    global _registered
    if not _registered:
        threading._register_atexit(_finish)  # before threads are waited for, as concurrent.futures does
        _registered = True
    for ended in [other for other in _own_pools() if other._state != "RUN" and other.join(0)]:
        _pools.pop(ended, None)
    _pools[pool] = os.getpid()


def _own_pools():
    """Those that are not a copy of a parent's."""
    return [pool for pool, pid in list(_pools.items()) if pid == os.getpid()]


def _abandon(pool):
    """The executor is gone. A forked child's copy of it is not the end of the parent's."""
    if _pools.get(pool) == os.getpid():
        pool.close()


def _finish():
    global _exiting
    _exiting = True
    pools = _own_pools()
    for pool in pools:
        pool.close()
    for pool in pools:
        pool.join()


class _Pool(Pool):
    def _brings_hooks(self, context):
        return False  # the futures are the core's jobs, whatever the context


class ProcessPoolExecutor(_Executor):
    """ProcessPoolExecutor(max_workers=None, mp_context=None, initializer=None, initargs=(), *, max_tasks_per_child=None)

    A worker that dies fails the future of the one task it ran, with WorkerDied; the others go on.
    """

    __module__ = "prong"

    def __init__(
        self,
        max_workers: "int | Inline | None" = None,
        mp_context: "BaseContext | None" = None,
        initializer: "Callable[..., object] | None" = None,
        initargs: "tuple[Any, ...]" = (),
        *,
        max_tasks_per_child: "int | None" = None,
    ) -> None:
        inlined = getattr(max_workers, "inline", False) is True
        if max_workers is not None and not inlined and max_workers <= 0:  # type: ignore[operator]  # an int
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._max_workers = 1 if inlined else max_workers or _core.usable_cpu_count()
        self._pool = _Pool(max_workers or self._max_workers, initializer, initargs, max_tasks_per_child, context=mp_context)
        _keep(self._pool)
        weakref.finalize(self, _abandon, self._pool).atexit = False
        self._shutdown = False

    if not TYPE_CHECKING:  # to annotations it is theirs, which checks what the function is given
        def submit(self, fn, /, *args, **kwargs):
            """Runs fn(*args, **kwargs) in a worker: its future. RuntimeError after shutdown()."""
            if self._shutdown or _exiting:
                raise self._refusal()
            return self._begin(fn, _CALL, args, kwargs)

    def _begin(self, function, form, data, kwargs=None):
        pool = self._pool
        try:
            future = pool._core.call(Future, pool, function, form, data, kwargs, PLAIN)
        except PoolBroken as broken:
            error = pool._broken(str(broken))
            raise error from error.__cause__
        except ProcessError:
            raise
        except Exception as error:  # what cannot be pickled is the future's
            future = Future()
            future._settle(False, error)
        if future is None:  # shut down in the meantime
            raise self._refusal()
        return future

    def _refusal(self):
        return RuntimeError(f"cannot schedule new futures after {'interpreter ' if _exiting and not self._shutdown else ''}shutdown")

    def map(
        self,
        fn: "Callable[..., _T]",
        *iterables: "Iterable[Any]",
        timeout: "float | None" = None,
        chunksize: int = 1,
        buffersize: "int | None" = None,
    ) -> "Iterator[_T]":
        """An iterator over fn(*items), in order. TimeoutError when a result is not there timeout seconds from now.

        buffersize: so many tasks at most are submitted ahead of the results taken; the iterables are read no further. None: all are
        submitted now.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        if self._shutdown or _exiting:
            raise self._refusal()
        end = None if timeout is None else time.monotonic() + timeout
        tasks = zip(*iterables)
        if buffersize is None:
            return _each(self._pool.starmap_async(fn, list(tasks), chunksize), end, os.getpid())
        if chunksize > 1:
            futures = (self._begin(fn, _core.STARMAP, chunk) for chunk in iter(partial(_chunk, tasks, chunksize), ()))
        else:
            futures = (self._begin(fn, _core.STAR, task) for task in tasks)
        return _each_of(futures, deque(islice(futures, buffersize)), buffersize, chunksize > 1, end, os.getpid())

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No further tasks; waits until those submitted are done, and the workers have ended."""
        self._shutdown = True
        self._pool.close()
        if cancel_futures:
            self._pool._core.cancel()
        if wait:
            self._pool.join()
            _pools.pop(self._pool, None)

    def terminate_workers(self) -> None:
        """shutdown(wait=False, cancel_futures=True), and SIGTERM for each worker. The task that a worker runs ends as WorkerDied."""
        self._end_workers("SIGTERM")

    def kill_workers(self) -> None:
        """As terminate_workers(), with SIGKILL, which no worker can ignore."""
        self._end_workers("SIGKILL")

    def _end_workers(self, name):
        import signal
        self.shutdown(wait=False, cancel_futures=True)
        for pid in _workers(self._pool._core):
            _signal_worker(self._pool._core, pid, getattr(signal, name))


def _workers(core):
    return [pid for pid, _, _ in core.workers() if pid]


def _signal_worker(core, pid, number):
    """A worker's number may be another process's when it has ended: the descriptor is of whichever has it while the pool lists it."""
    from signal import pidfd_send_signal
    descriptor = None
    try:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        except OSError:  # a sandbox's
            pass
        if pid in _workers(core):
            if descriptor is None:
                os.kill(pid, number)
            else:
                pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        pass
    finally:
        if descriptor is not None:
            os.close(descriptor)


# --- the iterators of map, which are ended where a forked child has a copy of them, as well: that is not the end of pid's ---


def _chunk(tasks, size):
    return tuple(islice(tasks, size))


def _each(result, end, pid):
    """Of tasks that were submitted together. What has not begun when the iterator ends will not."""
    try:
        yield from result._each(end, _futures.TimeoutError)
    except TaskCancelled:
        raise _futures.CancelledError() from None
    finally:
        if os.getpid() == pid:
            result.cancel()


def _each_of(futures, ahead, buffersize, in_chunks, end, pid):
    """futures: an iterator that submits the next; ahead: those submitted."""
    try:
        while ahead:
            future = ahead[0]
            error = future.exception(None if end is None else max(end - time.monotonic(), 0))
            if error is not None:
                raise not_the_end(error)
            ahead.popleft()
            if in_chunks:
                yield from future.result()
            else:
                yield future.result()
            del future
            ahead.extend(islice(futures, buffersize - len(ahead)))
    finally:
        if os.getpid() == pid:
            for future in ahead:
                future.cancel()
