"""Supervisor: keeps functions and programs running, by the core's supervisors."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from .. import _core, errors  # noqa: F401  (errors tells the core what it raises)
from . import methods
from .handles import reduced

__all__ = ["Child", "ChildState", "Supervisor"]

_RESTARTS = ("permanent", "transient", "temporary")
_STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")
_PHASES = ("down", "waiting", "starting", "running", "ending")


def _number(what, value, known):
    if value not in known:
        raise ValueError(f"{what} is {value!r}, and not one of {', '.join(map(repr, known))}")
    return known.index(value)


class Child:
    """Child(target, args, kwargs) or Child(program=[...]): what a Supervisor is to keep running.

    restart: "permanent" (always), "transient" (unless it ended with code 0) or "temporary" (never). grace: seconds from SIGTERM to
    SIGKILL when it is to end; None: it is never killed. environment and directory are a program's, as is end_descendants: that
    processes which it has left behind are killed when it has ended.
    """

    __module__ = "prong"

    def __init__(
        self,
        target: Callable[..., object] | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        program: Sequence[str | bytes | os.PathLike[str]] | None = None,
        name: str | None = None,
        restart: str = "permanent",
        grace: float | None = 5.0,
        environment: Mapping[str, str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        end_descendants: bool = False,
    ) -> None:
        if (target is None) == (program is None):
            raise ValueError("a child is either a target or a program")
        if target is not None and not callable(target):
            raise TypeError(f"a child's target is a function, not {target!r}")
        if isinstance(program, (str, bytes)):
            raise TypeError(f"a program is a list of its name and its arguments, not {program!r}")
        if target is not None and (environment is not None or directory is not None or end_descendants):
            raise ValueError("environment, directory and end_descendants are of a program")
        self._restart = _number("restart", restart, _RESTARTS)
        self._target, self._args, self._kwargs = target, tuple(args), dict(kwargs or {})
        self._program = None if program is None else list(map(os.fsencode, program))
        self._environment = None if environment is None else [
            os.fsencode(key) + b"=" + os.fsencode(value) for key, value in environment.items()]
        self._directory = None if directory is None else os.fsencode(directory)
        self._name, self._grace, self._end_descendants = name, grace, bool(end_descendants)


class ChildState(NamedTuple):
    """What a supervisor's child does: phase is "down", "waiting", "starting", "running" or "ending", for so many seconds.

    exitcode is that of its last end; failure tells why it could not be started, if that was its last end.
    """

    name: str
    phase: str
    pid: int | None
    exitcode: int | None
    restarts: int
    failure: str
    seconds: float


ChildState.__module__ = "prong"

# The process objects of children by fork: in this process, and in those forked from it. By number, as one that is told to a child.
_forked: dict[int, Any] = {}
_numbers = itertools.count(1)


def _run_forked(number):
    """In a forked child: runs its function; the exit code."""
    from .child import run_fork
    if number not in _forked:
        raise RuntimeError("a supervisor's functions by fork are in the process that created it, and in those forked from it since")
    process_obj = _forked[number]
    process_obj._parent_pid = os.getppid()
    return run_fork(process_obj)


_core._set_supervised(_run_forked)


def _forget(numbers):
    for number in list(numbers):
        del _forked[number], numbers[number]


def _function(process_obj, method, numbers):
    """What the core is to be handed for it, and the pipe ends that it is to hold."""
    from . import popen
    if method == "fork":
        number = next(_numbers)
        _forked[number] = process_obj
        numbers[number] = process_obj._name
        return number, popen._connections_for_fork(process_obj)
    spawning = popen.Spawning()
    return spawning.payload(process_obj._name, method, process_obj), spawning.connections


def _described(child, default_name, context, method, numbers):
    """A child as the core takes it."""
    if not isinstance(child, Child):
        raise TypeError(f"a supervisor's children are of class Child, not {child!r}")
    name = child._name or default_name
    function, connections = None, []
    if child._target is not None:
        process_obj = context.Process(target=child._target, args=child._args, kwargs=child._kwargs, name=name)
        process_obj._config["daemon"] = False  # it may have children of its own; the core ends it with the supervisor
        function, connections = _function(process_obj, method, numbers)
    return (name.encode(), child._restart, child._grace, methods.NUMBERS[method], function, connections, child._program,
            child._environment, child._directory, child._end_descendants)


def _restored(handle, method):
    supervisor = object.__new__(Supervisor)
    supervisor._place, supervisor._method, supervisor._numbers = handle, method, {}
    return supervisor


class Supervisor:
    """Supervisor(children, …): starts them in order, restarts those that end when they should not, ends them in reverse order.

    strategy: "one_for_one", "one_for_all" or "rest_for_one" (what else is restarted with a child). After intensity restarts within
    period seconds it gives up, and raises SupervisorGaveUp. The delay before a restart doubles from backoff to backoff_most, until
    the child has run for settled seconds. stop_on_signals: SIGTERM and SIGINT stop it. notify: it tells systemd how it is. stays: it
    goes on while no child is left to run, for those that are added. When the process that runs it dies, its children are killed.
    ctx: the context whose start method they have.
    """

    __module__ = "prong"

    def __init__(
        self,
        children: Iterable[Child] = (),
        *,
        strategy: str = "one_for_one",
        intensity: int = 3,
        period: float = 5.0,
        backoff: float = 0.1,
        backoff_most: float = 10.0,
        settled: float = 10.0,
        stop_on_signals: bool = False,
        notify: bool = False,
        stays: bool = False,
        name: str | None = None,
        ctx: Any = None,
    ) -> None:
        kind = _number("strategy", strategy, _STRATEGIES)
        if intensity < 0 or not period > 0 or not settled > 0 or not backoff_most > 0 or not backoff >= 0:
            raise ValueError("intensity and backoff are 0 or more; period, settled and backoff_most more than 0")
        context = methods.in_force(ctx)
        self._method = context.get_start_method()
        self._numbers: dict[int, str] = {}  # of children by fork, and their names
        try:
            described = [_described(child, f"Child-{number}", context, self._method, self._numbers)
                         for number, child in enumerate(children, 1)]
            self._place = _core._supervisor_create(
                described, name, kind, intensity, period, backoff, backoff_most, settled, stop_on_signals, notify, stays)
        except BaseException:
            _forget(self._numbers)
            raise

    def run(self, timeout: float | None = None) -> bool:
        """Supervises in this thread. True: it was stopped, or all children have ended for good; False: the time is up. After that the
        children run on, and run may be called again, in this process. It may be run by one thread of the family at a time."""
        if self._method != "fork":  # this may not be the process that created it
            from ..spawn import set_program, start_server
            set_program()
            if self._method == "forkserver":
                start_server()
        return _core._supervisor_run(self._place, timeout)

    def stop(self, timeout: float | None = None) -> bool:
        """Asks for the end of all children, and waits for that: whether they have ended. For any process of the family; in the one
        that runs it, while no thread is in run, this does the work. With a timeout of 0 it only asks."""
        return _core._supervisor_stop(self._place, timeout)

    def add_child(self, child: Child, timeout: float | None = None) -> bool:
        """Adds a child after all others. If the supervisor runs, it is started, and this waits until it has begun: whether it has.
        For any process of the family, as are the following three; by fork only for the one that runs it."""
        context = methods.contexts[self._method]
        while True:
            numbers: dict[int, str] = {}
            try:
                described = _described(child, self._free_name(), context, self._method, numbers)
            except BaseException:
                _forget(numbers)
                raise
            try:
                return _core._supervisor_add_child(self._place, described, timeout)
            except FileExistsError:
                _forget(numbers)
                if child._name:
                    raise
                # else another thread or process was faster to take the name
            finally:
                self._numbers.update(numbers)

    def _free_name(self):
        names = {state.name for state in self.children()}
        return next(name for name in map("Child-{}".format, itertools.count(len(names) + 1)) if name not in names)

    def start_child(self, name: str, timeout: float | None = None) -> bool:
        """Starts a child that is down, or is waiting for its restart: whether it has begun."""
        return _core._supervisor_ask_child(self._place, "start", name, timeout)

    def stop_child(self, name: str, timeout: float | None = None) -> bool:
        """Ends a child: whether it has ended. It is not restarted until start_child, or until a new run begins."""
        return _core._supervisor_ask_child(self._place, "stop", name, timeout)

    def remove_child(self, name: str, timeout: float | None = None) -> bool:
        """Ends a child if it runs, and forgets it: whether it is gone."""
        gone = _core._supervisor_ask_child(self._place, "remove", name, timeout)
        for number in [number for number, of in self._numbers.items() if of == name and gone]:
            del _forked[number], self._numbers[number]
        return gone

    def children(self) -> list[ChildState]:
        """What each child does, in order. For any process of the family."""
        return [ChildState(child[0], _PHASES[child[1]], *child[2:]) for child in _core._supervisor_children(self._place)]

    def close(self) -> None:
        """Frees it; by the process that created it, when it does not run."""
        _core._supervisor_destroy(self._place)
        _forget(self._numbers)

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self.stop()
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return reduced("supervisor", self._place, _restored, self._method)
