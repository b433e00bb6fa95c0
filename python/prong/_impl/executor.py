"""ProcessPoolExecutor: concurrent.futures' interface, on a pool that is never broken by a worker's death."""

import concurrent.futures as _futures
import os
import threading
import weakref

from .. import _core
from ..errors import ProcessError
from ..pool import Pool
from .compat import needs
from .results import failure

needs(threading)
TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.context import BaseContext
    from typing import Any, TypeVar

    _T = TypeVar("_T")
    # At runtime an Executor that is not concurrent.futures' own: to annotations it is one of those.
    _Executor = _futures.ProcessPoolExecutor
else:
    _Executor = _futures.Executor

__all__ = ["ProcessPoolExecutor"]

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


class _Future(_futures.Future):
    """A future whose task can be cancelled until it has begun."""

    _job = None

    def cancel(self):
        """Cancels a task that has not begun; False when it has."""
        job = self._job
        if job is not None and not self.done():
            job.cancel(False)
            outcome = job.outcome(0, -1.0)
            if outcome is not None and outcome[0] == _core.CANCELLED:
                return super().cancel()
        return self.cancelled()

    def _finished(self, job):
        """Called in the pool's thread."""
        try:
            outcome = job.outcome(0, None)
            error = None if outcome[0] == _core.OK else failure(0, outcome, None)
            if outcome[0] == _core.CANCELLED:
                super().cancel()
        except BaseException as raised:  # a result that pickles, and does not unpickle
            error = raised
        self._job = None
        if not self.set_running_or_notify_cancel():
            return
        if error is None:
            self.set_result(outcome[1])
        else:
            self.set_exception(error)


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
        max_workers: "int | None" = None,
        mp_context: "BaseContext | None" = None,
        initializer: "Callable[..., object] | None" = None,
        initargs: "tuple[Any, ...]" = (),
        *,
        max_tasks_per_child: "int | None" = None,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._max_workers = max_workers or _core.usable_cpu_count()
        self._pool = _Pool(self._max_workers, initializer, initargs, max_tasks_per_child, context=mp_context)
        _keep(self._pool)
        weakref.finalize(self, _abandon, self._pool).atexit = False
        self._shutdown = False
        self._lock = threading.Lock()
        self._pending: set[Any] = set()

    if not TYPE_CHECKING:  # to annotations it is theirs, which checks what the function is given
        def submit(self, fn, /, *args, **kwargs):
            """Runs fn(*args, **kwargs) in a worker: its future. RuntimeError after shutdown()."""
            with self._lock:
                self._check_running()
                future = _Future()
                self._pending.add(future)
            future.add_done_callback(self._pending.discard)
            try:
                job = self._pool._submit(fn, _core.CALL, ((args, kwargs),), 0, None, 0, future._finished)
            except ProcessError:
                self._pending.discard(future)
                raise
            except Exception as error:  # what cannot be pickled is the future's
                future.set_exception(error)
                return future
            if job is None:  # shut down in the meantime
                self._pending.discard(future)
                self._check_running()
                raise RuntimeError("cannot schedule new futures after shutdown")
            if not future.done():
                future._job = job
            return future

    def _check_running(self):
        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if _exiting:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    def map(
        self, fn: "Callable[..., _T]", *iterables: "Iterable[Any]", timeout: "float | None" = None, chunksize: int = 1
    ) -> "Iterator[_T]":
        """An iterator over fn(*items), in order. TimeoutError when a result is not there timeout seconds from now."""
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        import time
        self._check_running()
        end = None if timeout is None else time.monotonic() + timeout
        result = self._pool.starmap_async(fn, list(zip(*iterables)), chunksize)
        return result._each(end, _futures.TimeoutError)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No further tasks; waits until those submitted are done, and the workers have ended."""
        with self._lock:
            self._shutdown = True
        if cancel_futures:
            for future in list(self._pending):
                future.cancel()
        self._pool.close()
        if wait:
            self._pool.join()
            _pools.pop(self._pool, None)

