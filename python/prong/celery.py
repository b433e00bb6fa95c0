"""A worker pool for Celery whose processes are prong's: CELERY_CUSTOM_WORKER_POOL=prong.celery:TaskPool celery worker --pool=custom.

It is Celery's own prefork pool, with this module's Pool in the place of billiard's: time limits, revoking, autoscaling and signals are as
ever. A worker that dies is noticed at once, and fails its own task.
"""

import itertools
import os
import signal
import threading
import time
from contextlib import suppress
from functools import partial

try:
    from billiard import get_start_method
    from billiard.einfo import ExceptionInfo
    from billiard.exceptions import SoftTimeLimitExceeded, Terminated, TimeLimitExceeded, WorkerLostError
    from billiard.pool import CLOSE, RUN, TERMINATE
    from celery.concurrency import prefork
    from celery.utils.log import get_logger
except ImportError as error:
    raise ImportError(f"prong.celery needs Celery: {error}") from error

from . import get_context
from .connection import wait
from .errors import TaskCancelled, TaskTimeout, TimeoutError, WorkerDied

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

__all__ = ["Pool", "TaskPool"]


def __dir__():
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


# ---------------------------------------------- in a worker ----------------------------------------------

_news: "Any" = None  # a queue to the pool of (task's number, worker's pid and time of its begin); without pid: its soft limit is over
_running: "int | None" = None  # the task with a soft limit that runs
_due = 0  # the last whose limit was over


def _begin(news, initializer, initargs):
    global _news
    _news = news
    initializer(*initargs)
    signal.signal(signal.SIGUSR1, _exceeded)


def _end(destructor):
    destructor(os.getpid(), 0)


def _run(number, soft, target, args, kwargs):
    _news.put((number, os.getpid(), time.monotonic()))
    return _run_limited(number, soft, target, args, kwargs) if soft else target(*args, **kwargs)


def _run_limited(number, soft, target, args, kwargs):
    global _running
    timer = threading.Timer(soft, _exceed, (number,))
    timer.daemon = True
    _running = number
    timer.start()
    try:
        return target(*args, **kwargs)
    finally:
        _running = None
        timer.cancel()


def _exceed(number):
    global _due
    if _running == number:
        _news.put((number, None, None))
        _due = number
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)


def _exceeded(number, frame):
    if _running == _due:  # not the next task already
        raise SoftTimeLimitExceeded


# ---------------------------------------------- in Celery's process ----------------------------------------------


def _info(error):
    """As Celery is told of an error."""
    try:
        raise error
    except BaseException:
        return ExceptionInfo()


def _call(callback, *args, **kwargs):
    """What it raises harms neither the thread that calls it nor other tasks."""
    try:
        if callback is not None:
            callback(*args, **kwargs)
    except Exception:
        get_logger(__name__).exception("a task's callback has raised")


class _Task:
    """What Celery calls by the names of billiard's ApplyResult."""

    def __init__(self, callback, error_callback, accept_callback, timeout_callback, soft_timeout, timeout):
        self.callback, self.error_callback = callback, error_callback
        self.accept_callback, self.timeout_callback = accept_callback, timeout_callback
        self.soft_timeout, self.timeout = soft_timeout, timeout
        self.pid = self.signal = self.result = None

    def terminate(self, number: int) -> None:
        """Its worker's death by this signal will be no fault."""
        self.signal = number

    def hear(self, pid, begun):
        if pid is None:
            _call(self.timeout_callback, soft=True, timeout=self.soft_timeout)
        else:
            self.pid = pid
            _call(self.accept_callback, pid, begun)

    def fail(self, error):
        if isinstance(error, TaskCancelled):  # not acknowledged, so that the broker gives it to another
            return
        late = isinstance(error, TaskTimeout)
        if late:
            error = TimeLimitExceeded(self.timeout)
        elif isinstance(error, WorkerDied):
            error = WorkerLostError(str(error)) if self.signal is None else Terminated(self.signal)
        _call(self.error_callback, _info(error))
        if late:
            _call(self.timeout_callback, soft=False, timeout=self.timeout)


class Pool:
    """What Celery's prefork pool uses of billiard's Pool."""

    def __init__(
        self, processes: int, initializer: "Callable[..., object]", initargs: "Iterable[Any]" = (), *,
        on_process_exit: "Callable[..., object]", maxtasksperchild: "int | None" = None, max_memory_per_child: "int | None" = None,
        timeout: "float | None" = None, soft_timeout: "float | None" = None, **_: "Any"
    ) -> None:
        context = get_context(get_start_method())
        self.timeout, self.soft_timeout = timeout, soft_timeout
        self._processes, self._maxtasksperchild, self._state = processes, maxtasksperchild, RUN
        self._tasks: dict[int, _Task] = {}  # by number, until they have ended
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()  # of the news; a callback that tells of them may submit a task that has ended at once
        self._news = context.Queue()
        self._workers = context.Pool(processes, _begin, (self._news, initializer, initargs), maxtasksperchild,
                                     worker_exit=partial(_end, on_process_exit),
                                     memory_soft=max_memory_per_child and max_memory_per_child * 1024)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def _pool(self):
        return self._workers._pool

    # --- tasks ---

    def apply_async(
        self, func: "Callable[..., object]", args: "Iterable[Any]" = (), kwds: "Mapping[str, Any]" = {}, callback: "Any" = None,
        error_callback: "Any" = None, accept_callback: "Any" = None, timeout_callback: "Any" = None, soft_timeout: "float | None" = None,
        timeout: "float | None" = None, **_: "Any"
    ) -> "_Task | None":
        """The callbacks are called in threads of the pool's: accept_callback before the others."""
        if self._state != RUN:
            return None
        number = next(self._numbers)
        soft_timeout, timeout = soft_timeout or self.soft_timeout, timeout or self.timeout
        task = self._tasks[number] = _Task(callback, error_callback, accept_callback, timeout_callback, soft_timeout, timeout)
        ended = partial(self._ended, number)
        try:
            task.result = self._workers.apply_async(_run, (number, soft_timeout, func, args, kwds), {}, partial(ended, True),
                                                    partial(ended, False), timeout=timeout)
        except BaseException:
            self._tasks.pop(number, None)
            raise
        return task

    def _ended(self, number, success, value):
        self._hear()
        task = self._tasks.pop(number)
        if success:
            _call(task.callback, value)
        else:
            task.fail(value)

    def _listen(self):
        while self._hear():
            wait([self._news])

    def _hear(self):
        """Tells of the tasks that have begun, before one of them has ended; False when nothing more comes."""
        with self._lock:
            while not self._news.empty():
                news = self._news.get()
                if news is None:
                    self._news.put(None)  # for the thread that listens
                    return False
                task = self._tasks.get(news[0])
                if task is not None:
                    task.hear(*news[1:])
        return True

    def terminate_job(self, pid: int, number: "int | None" = None) -> None:
        """Ends the task that runs in this process."""
        for task in list(self._tasks.values()):
            if task.pid == pid:
                task.signal = number or signal.SIGTERM
                with suppress(ProcessLookupError):
                    os.kill(pid, task.signal)

    # --- workers ---

    def grow(self, count: int = 1) -> None:
        """So many more; ValueError above 64, or the number at first."""
        self._workers.resize(self._processes + count)
        self._processes += count

    def shrink(self, count: int = 1) -> None:
        """So many fewer, when they have done what they run; ValueError below 1."""
        self.grow(-count)

    def restart(self) -> None:
        """Each is replaced when it has done what it runs."""
        with suppress(TimeoutError):
            self._workers.replace_workers(0)

    def maintain_pool(self) -> None:
        """The core does."""

    def did_start_ok(self) -> bool:
        """What keeps them from starting is the error of the tasks."""
        return True

    def close(self) -> None:
        """Tasks that run are done, those that have not begun go back to the broker."""
        self._state = CLOSE
        for task in list(self._tasks.values()):
            if task.result is not None:
                task.result.cancel()
        self._workers.close()

    def terminate(self) -> None:
        """Ends all at once."""
        self._state = TERMINATE
        self._workers.terminate()
        self._news.put(None)

    def join(self) -> None:
        """Waits for the workers that end."""
        self._workers.join()
        self._news.put(None)
        self._listener.join()


class TaskPool(prefork.TaskPool):  # type: ignore[misc]
    """Celery's, with other processes. Tasks that wait, wait here and not in Celery: its semaphore is not used."""

    Pool = BlockingPool = Pool
    uses_semaphore = False
