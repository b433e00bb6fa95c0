"""ProcessPoolExecutor: concurrent.futures' interface, on a pool that is never broken by a worker's death."""

import concurrent.futures as _futures
import threading

from . import _core
from .errors import ProcessError, TaskCancelled, TimeoutError
from .pool import Pool, _failure

__all__ = ["ProcessPoolExecutor"]


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
            error = None if outcome[0] == _core.OK else _failure(0, outcome, None)
        except Exception as raised:  # a result that pickles, and does not unpickle
            error = raised
        self._job = None
        if isinstance(error, TaskCancelled):
            super().cancel()
        if not self.set_running_or_notify_cancel():
            return
        if error is None:
            self.set_result(outcome[1])
        else:
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
        try:
            job = self._pool._submit(fn, _core.CALL, ((args, kwargs),), 0, None, 0, future._finished)
        except ProcessError:
            self._pending.discard(future)
            raise
        except Exception as error:  # what cannot be pickled is the future's
            future.set_exception(error)
            return future
        if not future.done():
            future._job = job
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

