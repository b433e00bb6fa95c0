"""What goes around a pool's tasks: libraries' threads, CPUs, what a worker ends with, and what is a worker's own."""

import contextlib
import os
import sys
from operator import index

from .. import _core

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from typing import Any

_state: "dict[Any, Any]" = {}  # this worker's


def _numbers(cpus):
    """One worker's CPUs as text."""
    found = [index(cpu) for cpu in cpus]
    if not found or min(found) < 0:
        raise ValueError(f"cpus: {list(cpus)!r} are no CPUs")
    return ",".join(map(str, found))


def _lists(cpus):
    """Of numbers: a worker's each; of collections of numbers: those of a worker each."""
    try:
        lists = [_numbers([cpu] if hasattr(cpu, "__index__") else cpu) for cpu in cpus]
    except TypeError as error:
        raise TypeError("cpus are numbers of CPUs, or a collection of numbers for each worker") from error
    if not lists:
        raise ValueError("cpus: there are none")
    return lists


class Around:
    """The options of a Pool that are for its workers."""

    def __init__(self, threads, cpus, worker_exit, exit_timeout, most, idle_time, soft, hard, maxbytes):
        if threads is not None and (not isinstance(threads, int) or not 0 < threads < 1 << 20):
            raise ValueError("threads_per_worker must be a positive int or None")
        if exit_timeout is not None and worker_exit is None:
            raise ValueError("worker_exit_timeout without a worker_exit")
        self.threads, self.exit, self._exit_timeout = threads, worker_exit, exit_timeout
        self._cpus = None if cpus is None else _lists(cpus)
        for value, what in ((most, "processes_most"), (soft, "memory_soft"), (hard, "memory_hard"), (maxbytes, "maxbytes")):
            if value is not None and (not isinstance(value, int) or value <= 0):
                raise ValueError(f"{what} must be a positive int or None")
        if idle_time is not None and most is None:
            raise ValueError("idle_time without processes_most")
        self._size = most or 0, idle_time, soft or 0, hard or 0, maxbytes or 0

    def of_core(self, worker_exit):
        """For the core; worker_exit: True, or the name of a function in C."""
        return (self.threads or 0, self._cpus, None if self.exit is None else worker_exit, self._exit_timeout, *self._size)

    def variables(self):
        """What is set in the environment of workers."""
        return {} if self.threads is None else {name: str(self.threads) for name in _core._thread_variables()}


    def prepare(self):
        """What forked workers would import, each of them."""
        if self.threads is not None:
            with contextlib.suppress(ImportError):
                import threadpoolctl  # noqa: F401


# ------------------------------------------------ in the worker ------------------------------------------------


def _limit_threads(threads):
    """Of libraries that a forked worker has from its parent, and that do not look at the environment any more."""
    with contextlib.suppress(ImportError):
        from threadpoolctl import threadpool_limits
        threadpool_limits(threads)


def begin(around, forked):
    """A worker begins: what it has from a parent that is one itself is not its own."""
    global _state
    _state = {}
    if around is None:
        return
    os.environ.update(around.variables())
    if forked and around.threads is not None:
        _limit_threads(around.threads)
    if around.exit is not None:
        _core._set_exit(lambda: end(around.exit))


def end(worker_exit):
    """The exit code. What worker_exit raises is reported, and harms nobody."""
    try:
        worker_exit()
        return 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1


# ------------------------------------------------ what tasks ask ------------------------------------------------


def worker_state() -> "dict[Any, Any]":
    """In a pool's worker: a dict that is the worker's own, for what its initializer makes, its tasks use, and worker_exit closes.

    RuntimeError elsewhere.
    """
    inlined = _core._inlined()
    if inlined is not None:
        return inlined.state
    if _core.worker_place() is None:
        raise RuntimeError("worker_state() is for a pool's workers: this process is none")
    return _state


def worker_id() -> "int | None":
    """In a pool's worker: its place in the pool, 0 to processes - 1, which the next worker has when this one is replaced.

    None elsewhere.
    """
    return _core.worker_place() if _core._inlined() is None else 0


worker_id.__module__ = worker_state.__module__ = "prong"
