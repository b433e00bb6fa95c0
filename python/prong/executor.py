"""ProcessPoolExecutor: concurrent.futures' interface, on a pool that is never broken by a worker's death."""

import concurrent.futures as _futures
import threading

from . import _core
from .errors import TaskCancelled, TimeoutError
from .pool import Pool

__all__ = ["ProcessPoolExecutor"]


class _Future(_futures.Future):
    """A future whose task can be cancelled until it has begun."""

    _task = None

    def cancel(self):
        """Cancels a task that has not begun; False when it has."""
        task = self._task
        if task is None or not task._cancelled():
            return self.cancelled()
        return super().cancel()

    def _succeeded(self, value):
        if self.set_running_or_notify_cancel():
            self.set_result(value)

    def _failed(self, error):
        if isinstance(error, TaskCancelled):
            super().cancel()
            self.set_running_or_notify_cancel()
        elif self.set_running_or_notify_cancel():
            self.set_exception(error)


class ProcessPoolExecutor(_futures.Executor):
    """ProcessPoolExecutor(max_workers=None, mp_context=None, initializer=None, initargs=(), *, max_tasks_per_child=None)

    A worker that dies fails the future of the one task it ran, with WorkerDied; the others go on.
    """

    def __init__(self, max_workers=None, mp_context=None, initializer=None, initargs=(), *, max_tasks_per_child=None):
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._max_workers = max_workers or _core.usable_cpu_count()
        self._pool = Pool(self._max_workers, initializer, initargs, max_tasks_per_child, context=mp_context)
        self._shutdown = False
        self._lock = threading.Lock()
        self._pending = set()

    def submit(self, fn, /, *args, **kwargs):
        """Runs fn(*args, **kwargs) in a worker; its future."""
        with self._lock:
            if self._shutdown:
                raise RuntimeError("cannot schedule new futures after shutdown")
            future = _Future()
            self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        future._task = self._pool.apply_async(fn, args, kwargs, future._succeeded, future._failed)
        return future

    def map(self, fn, *iterables, timeout=None, chunksize=1):
        """An iterator over fn(*items), in order. TimeoutError when a result is not there timeout seconds from now."""
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        import time
        end = None if timeout is None else time.monotonic() + timeout
        result = self._pool.starmap_async(fn, list(zip(*iterables)), chunksize)

        def values():
            try:
                yield from result._each(end)
            except TimeoutError as error:
                raise _futures.TimeoutError() from error
        return values()

    def shutdown(self, wait=True, *, cancel_futures=False):
        """No further tasks; waits until those submitted are done, and the workers have ended."""
        with self._lock:
            self._shutdown = True
        if cancel_futures:
            for future in list(self._pending):
                future.cancel()
        self._pool.close()
        if wait:
            self._pool.join()

