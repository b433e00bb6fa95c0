"""NativePool: workers without Python, which run the functions of C libraries."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from .. import _core
from ..errors import TaskFailed
from ..pool import Pool
from .everywhere import check
from .results import failure
from .task_options import task_options

TYPE_CHECKING = False  # as typing has it
if TYPE_CHECKING:
    from .task_options import Priority

__all__ = ["NativePool"]

_WORKER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "prong-worker")


def _name(function):
    """A function's name as workers understand it wherever they are: a path in it is absolute."""
    if not isinstance(function, str):
        raise TypeError(f"a NativePool runs functions of C libraries, named 'LIBRARY.so:FUNCTION', not {function!r}")
    library, colon, symbol = function.rpartition(":")
    if not colon or not symbol:
        raise ValueError(f"{function!r} is not of the form 'LIBRARY.so:FUNCTION'")
    return f"{os.path.abspath(library)}:{symbol}" if "/" in library else function


def _refuse_seed(seed):
    if seed is not None:
        raise ValueError("seed: a NativePool's functions have no random numbers of Python's")


class NativePool(Pool):
    """NativePool(processes=None, initializer=None, initargs=(), maxtasksperchild=None, *, threads_per_worker=None, cpus=None,
    worker_exit=None, worker_exit_timeout=None, processes_most=None, idle_time=None, memory_soft=None, memory_hard=None, maxbytes=None,
    name=None): workers of a program that is just prong.

    A function is given as "LIBRARY.so:FUNCTION" (a path, or as dlopen finds it) and loaded by the workers alone. It is a
    prong_value_task, called with values: numbers, text, bytes, lists, tuples, dicts, sets, and handles of queues and locks; for
    map_into it is a prong_range. initializer and worker_exit are a prong_value_target. TaskFailed is raised with what a function says of
    its failure, WorkerDied for the one task whose worker died.
    """

    __module__ = "prong"

    def __init__(
        self,
        processes: int | None = None,
        initializer: str | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        *,
        threads_per_worker: int | None = None,
        cpus: Iterable[int] | Iterable[Iterable[int]] | None = None,
        worker_exit: str | None = None,
        worker_exit_timeout: float | None = None,
        processes_most: int | None = None,
        idle_time: float | None = None,
        memory_soft: int | None = None,
        memory_hard: int | None = None,
        maxbytes: int | None = None,
        name: str | None = None,
    ) -> None:
        if getattr(processes, "inline", False) is True:
            raise ValueError("prong.INLINE: a NativePool has workers, in which its libraries are loaded")
        super().__init__(processes, initializer, initargs, maxtasksperchild,  # type: ignore[arg-type]  # names, not callables
                         threads_per_worker=threads_per_worker, cpus=cpus,
                         processes_most=processes_most, idle_time=idle_time, memory_soft=memory_soft, memory_hard=memory_hard,
                         maxbytes=maxbytes, name=name,
                         worker_exit=worker_exit, worker_exit_timeout=worker_exit_timeout)  # type: ignore[arg-type]

    def _start(self, initializer, initargs, around):
        name = None if initializer is None else _name(initializer)
        self._core = _core.NativePool(self._processes, self._name or "CWorker", self._maxtasksperchild or 0, os.fsencode(_WORKER), name,
                                 tuple(initargs), None if around is None else around.of_core(around.exit and _name(around.exit)))

    def _check_hook(self, hook, what):
        _name(hook)

    def _failure_text(self):
        return ""  # an initializer in C has just its exit code, which the core's message tells

    def _submit(self, function, *more):
        return super()._submit(_name(function), *more)

    def _call(self, cls, function, *more):
        return super()._call(cls, _name(function), *more)

    @staticmethod
    def _rebuilt(text, code):
        return TaskFailed(text.rstrip(b"\0").decode("utf-8", "replace") or f"the function returned {code}", code)

    def _map_tasks(self, func, iterable, forms, chunksize, seed, *more):
        _refuse_seed(seed)
        return super()._map_tasks(func, iterable, forms, 1, seed, *more)

    def _map_journaled(self, func, iterable, forms, chunksize, seed, *more):
        _refuse_seed(seed)
        return super()._map_journaled(_name(func), iterable, forms, 1, seed, *more)

    def _imap(self, ordered, func, iterable, chunksize, seed, *more):
        _refuse_seed(seed)
        return super()._imap(ordered, _name(func), iterable, 1, seed, *more)

    def everywhere(self, func: str, *args: Any, timeout: float | None = None) -> None:  # type: ignore[override]
        """Calls func(*args), a prong_value_target, once in each worker, those that come later as well: as Pool.everywhere."""
        self._check_running()
        check(self._core.everywhere(_name(func), args, timeout))

    def map_into(
        self,
        func: str,
        source: Any,
        out: Any,
        chunksize: int | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: Priority = "normal",
    ) -> None:
        """Fills out, element by element, with what func makes of source: arrays, or any contiguous buffers, of as many
        elements. func (a prong_range) is called with up to chunksize of them at a time. Nothing is copied of what lies in shared
        memory (prong.RawArray)."""
        self._check_running()
        options = task_options(timeout, retries, priority)
        failed = self._core.map_into(_name(func), source, out, chunksize or 0, *options)
        if failed is not None:
            status, message = failed
            raise TaskFailed(message) if status == _core.TASK_FAILED else failure(None, (status, message, None, 0), self)
