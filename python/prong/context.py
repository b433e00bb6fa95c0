"""Contexts: one for each start method, and the default one that the package's own names belong to."""

import os
import sys

from ._impl import methods
from ._impl.later import bind, later
from ._impl.mirror import public, typed_as


def _register(reduction):
    from ._impl import pickling  # noqa: F401  (which registers prong's reducers there)


later("multiprocessing.reduction", _register)  # multiprocessing.context would import it, with sockets and regular expressions
from multiprocessing import context as _std  # noqa: E402
from multiprocessing import process  # noqa: E402
from multiprocessing.context import AuthenticationError as AuthenticationError  # noqa: E402
from multiprocessing.context import BufferTooShort as BufferTooShort  # noqa: E402
from multiprocessing.context import ProcessError as ProcessError  # noqa: E402
from multiprocessing.context import TimeoutError as TimeoutError  # noqa: E402
from multiprocessing.context import assert_spawning as assert_spawning  # noqa: E402
from multiprocessing.context import get_spawning_popen as get_spawning_popen  # noqa: E402
from multiprocessing.context import set_spawning_popen as set_spawning_popen  # noqa: E402

from . import (  # noqa: E402
    _core,
    errors,  # noqa: F401  (what the core raises)
)

bind("multiprocessing.reduction")

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, ClassVar, Literal, overload

    from . import queues, synchronize
    from ._impl.inline import Inline
    from .connection import PipeConnection
    from .managers import SyncManager
    from .pool import Pool as _Pool

    _TheirProcess = _std.Process
else:
    _TheirProcess = process.BaseProcess

__all__ = ()
__dir__ = public(__name__)
_their_get_context = _std.BaseContext.get_context  # before install() puts ours there


class _Factories(methods.Family):
    """What a context makes, from prong's own modules."""

    if not TYPE_CHECKING:  # to annotations it is BaseContext's
        reducer = _std.BaseContext.reducer

    def Manager(self) -> "SyncManager":
        """A manager, started: a server process that holds lists, dicts, locks, queues and more, and makes proxies for them."""
        from . import managers
        manager = managers.SyncManager(ctx=self.get_context())
        manager.start()
        return manager

    def Pipe(self, duplex: bool = True) -> "tuple[PipeConnection, PipeConnection]":
        """Two connections, the ends of a pipe in shared memory.

        Both send and receive; with duplex=False the first receives, and the second sends.
        """
        from .connection import Pipe
        return Pipe(duplex)

    def Lock(self) -> "synchronize.Lock":
        """A lock. When its holder dies, another process takes it over."""
        from .synchronize import Lock
        return Lock(ctx=self.get_context())

    def RLock(self) -> "synchronize.RLock":
        """A lock that the thread which holds it may take again, any number of times."""
        from .synchronize import RLock
        return RLock(ctx=self.get_context())

    def Condition(self, lock: "Any" = None) -> "synchronize.Condition":
        """A condition. lock: a Lock or RLock; None: an RLock of its own."""
        from .synchronize import Condition
        return Condition(lock, ctx=self.get_context())

    def Semaphore(self, value: int = 1, *, recover: bool = False) -> "synchronize.Semaphore":
        """A semaphore of `value` units.

        recover=True: a unit belongs to the process that acquired it, which alone may release it; it comes back when that process dies.
        """
        from .synchronize import Semaphore
        return Semaphore(value, ctx=self.get_context(), recover=recover)

    def BoundedSemaphore(self, value: int = 1, *, recover: bool = False) -> "synchronize.BoundedSemaphore":
        """A semaphore of `value` units: ValueError when it is released more often than it was acquired. recover=True: as Semaphore's."""
        from .synchronize import BoundedSemaphore
        return BoundedSemaphore(value, ctx=self.get_context(), recover=recover)

    def Event(self) -> "synchronize.Event":
        """An event, which is not set."""
        from .synchronize import Event
        return Event(ctx=self.get_context())

    def Barrier(
        self, parties: int, action: "Callable[[], object] | None" = None, timeout: "float | None" = None
    ) -> "synchronize.Barrier":
        """A barrier for so many parties.

        action: called by one of them when all have come. timeout: seconds, the default of wait(). A party that dies breaks it.
        """
        from .synchronize import Barrier
        return Barrier(parties, action, timeout, ctx=self.get_context())

    def Queue(self, maxsize: int = 0, *, strict: bool = False, maxbytes: int = 0) -> "queues.Queue[Any]":
        """A queue for any number of processes. maxsize: put waits while it has so many objects; 0: no limit. maxbytes: the same for the
        bytes of their pickles; what is longer alone is put when the queue is empty.

        strict=True: put raises the error of what cannot be pickled; else the traceback is printed, as with multiprocessing.
        """
        from .queues import Queue
        return Queue(maxsize, ctx=self.get_context(), strict=strict, maxbytes=maxbytes)

    def JoinableQueue(self, maxsize: int = 0, *, strict: bool = False, maxbytes: int = 0) -> "queues.JoinableQueue[Any]":
        """A queue with task_done() and join(). maxsize, strict, maxbytes: as Queue's."""
        from .queues import JoinableQueue
        return JoinableQueue(maxsize, ctx=self.get_context(), strict=strict, maxbytes=maxbytes)

    def SimpleQueue(self) -> "queues.SimpleQueue[Any]":
        """A queue with put, get, empty and close, without a limit."""
        from .queues import SimpleQueue
        return SimpleQueue(ctx=self.get_context())

    def Pool(
        self,
        processes: "int | Inline | None" = None,
        initializer: "Callable[..., object] | None" = None,
        initargs: "Iterable[Any]" = (),
        maxtasksperchild: "int | None" = None,
        *,
        threads_per_worker: "int | None" = None,
        cpus: "Iterable[int] | Iterable[Iterable[int]] | None" = None,
        worker_exit: "Callable[[], object] | None" = None,
        worker_exit_timeout: "float | None" = None,
        processes_most: "int | None" = None,
        idle_time: "float | None" = None,
        memory_soft: "int | None" = None,
        memory_hard: "int | None" = None,
        maxbytes: "int | None" = None,
        name: "str | None" = None,
    ) -> "_Pool":
        """A pool of so many worker processes; None: as many as this process may use CPUs; prong.INLINE: none, tasks run in this
        process.

        initializer(*initargs) is called in each worker as it begins. A worker ends after maxtasksperchild tasks, and another begins;
        None: it stays. The other options: see prong.pool.Pool. ValueError or TypeError for
        arguments that cannot be.
        """
        from .pool import Pool
        return Pool(processes, initializer, initargs, maxtasksperchild, context=self.get_context(),
                    threads_per_worker=threads_per_worker, cpus=cpus, worker_exit=worker_exit,
                    worker_exit_timeout=worker_exit_timeout, processes_most=processes_most,
                    idle_time=idle_time, memory_soft=memory_soft, memory_hard=memory_hard, maxbytes=maxbytes, name=name)

    @typed_as(_std.BaseContext.RawValue)
    def RawValue(self, typecode_or_type, *args):
        """A shared ctypes object without a lock: of a ctypes type or a typecode of the module array, made with args."""
        from .sharedctypes import RawValue
        return RawValue(typecode_or_type, *args)

    @typed_as(_std.BaseContext.RawArray)
    def RawArray(self, typecode_or_type, size_or_initializer):
        """A shared ctypes array without a lock: of a number of zeros, or of the elements of a sequence."""
        from .sharedctypes import RawArray
        return RawArray(typecode_or_type, size_or_initializer)

    @typed_as(_std.BaseContext.Value)
    def Value(self, typecode_or_type, *args, lock=True):
        """A shared ctypes object with a lock. lock: True, a Lock or RLock, or False for RawValue's."""
        from .sharedctypes import Value
        return Value(typecode_or_type, *args, lock=lock, ctx=self.get_context())

    @typed_as(_std.BaseContext.Array)
    def Array(self, typecode_or_type, size_or_initializer, *, lock=True):
        """A shared ctypes array with a lock. lock: True, a Lock or RLock, or False for RawArray's."""
        from .sharedctypes import Array
        return Array(typecode_or_type, size_or_initializer, lock=lock, ctx=self.get_context())

    if TYPE_CHECKING:
        @overload
        def get_context(self, method: None = None) -> "DefaultContext": ...
        @overload
        def get_context(self, method: "Literal['spawn']") -> "SpawnContext": ...
        @overload
        def get_context(self, method: "Literal['fork']") -> "ForkContext": ...
        @overload
        def get_context(self, method: "Literal['forkserver']") -> "ForkServerContext": ...
        @overload
        def get_context(self, method: str) -> "BaseContext": ...

    def get_context(self, method=None):
        """The context of a start method: "fork", "spawn" or "forkserver"; None: this one. ValueError when there is none of that name."""
        if method is None:
            return self
        context = _concrete_contexts.get(method)
        if context is None:
            return _their_get_context(self, method)  # a third party's
        context._check_available()
        return context

    @typed_as(_std.BaseContext.set_executable)
    def set_executable(self, executable):
        """Sets the interpreter that spawn and forkserver start: a path."""
        from .spawn import set_executable
        set_executable(executable)

    def set_forkserver_preload(self, module_names: "list[str]", *, on_error: str = "ignore") -> None:
        """Sets the names of modules that the fork server imports before it forks its first child.

        on_error: "ignore", "warn" or "fail", where one cannot be imported; see prong.forkserver.set_forkserver_preload.
        """
        from .forkserver import set_forkserver_preload
        set_forkserver_preload(module_names, on_error=on_error)

    @typed_as(_std.BaseContext.freeze_support)
    def freeze_support(self):
        """In a process that a frozen program has started: does what it was started for, and does not return. Elsewhere nothing."""
        from ._impl.frozen import freeze_support
        freeze_support()

    @typed_as(_std.BaseContext.allow_connection_pickling)
    def allow_connection_pickling(self):
        """Nothing to do: connections can always be sent."""


class BaseContext(_Factories, _std.BaseContext):
    """What all of prong's contexts are."""


# ------------------------------------------------ processes ------------------------------------------------


def _environment(variables):
    """A child's environment as bytes. TypeError or ValueError for what is none."""
    found = {os.fsencode(name): os.fsencode(value) for name, value in dict(variables).items()}
    for name, value in found.items():
        if not name or b"=" in name or b"\0" in name + value:
            raise ValueError(f"env: {os.fsdecode(name)!r} cannot be the name of a variable, or its value is none")
    return found


class _Started(process.BaseProcess):
    """What all Process classes have: env, the variables that the child has instead of this process's."""

    _env = None

    def __init__(
        self,
        group: None = None,
        target: "Callable[..., object] | None" = None,
        name: "str | None" = None,
        args: "Iterable[Any]" = (),
        kwargs: "Mapping[str, Any]" = {},
        *,
        daemon: "bool | None" = None,
        env: "Mapping[str, str] | None" = None,
    ) -> None:
        super().__init__(group, target, name, args, kwargs, daemon=daemon)
        if env is not None:
            self._env = _environment(env)

    def interrupt(self) -> None:
        """Sends SIGINT, which is a KeyboardInterrupt in a Python process. Nothing to a process that has ended."""
        self._check_closed()  # type: ignore[attr-defined]
        self._popen.interrupt()  # type: ignore[attr-defined]


class Process(_Started, _TheirProcess):
    """A process of the default context's start method. env: a mapping, the whole of the child's environment, as subprocess has it."""

    _start_method = None

    @staticmethod
    def _Popen(process_obj):
        return _default_context.get_context().Process._Popen(process_obj)

    @staticmethod
    def _after_fork():
        return _default_context.get_context().Process._after_fork()


class ForkProcess(_Started, _std.ForkProcess):
    """A process started by fork."""

    _Popen = staticmethod(_core._fork)  # type: ignore[assignment]


class SpawnProcess(_Started, _std.SpawnProcess):
    """A process started by spawn."""

    @staticmethod
    def _Popen(process_obj):
        from ._impl.popen import start_image
        return start_image(process_obj, "spawn")


class ForkServerProcess(_Started, _std.ForkServerProcess):
    """A process started by forkserver."""

    @staticmethod
    def _Popen(process_obj):
        from ._impl.popen import start_image
        return start_image(process_obj, "forkserver")


# ------------------------------------------------ contexts ------------------------------------------------


class ForkContext(BaseContext, _std.ForkContext):
    """Children are copies of this process."""

    _name = "fork"
    Process: "ClassVar[type[ForkProcess]]" = ForkProcess


class SpawnContext(BaseContext, _std.SpawnContext):
    """Children are fresh interpreters, with what they are handed."""

    _name = "spawn"
    Process: "ClassVar[type[SpawnProcess]]" = SpawnProcess


class ForkServerContext(BaseContext, _std.ForkServerContext):
    """Children are forked from a small clean server."""

    _name = "forkserver"
    Process: "ClassVar[type[ForkServerProcess]]" = ForkServerProcess

    def _check_available(self):
        pass


_concrete_contexts = methods.contexts
_concrete_contexts.update(fork=ForkContext(), spawn=SpawnContext(), forkserver=ForkServerContext())


class DefaultContext(_Factories, _std.DefaultContext):
    """The context of the package's own names; its start method can be set, once."""

    Process: "ClassVar[type[Process]]" = Process

    @typed_as(_Factories.get_context)
    def get_context(self, method=None):
        """The context of a start method; of none: the one in force, which is fixed by that."""
        if method is not None:
            return _Factories.get_context(self, method)
        if self._actual_context is None:
            self._actual_context = self._default_context  # type: ignore[attr-defined]
        return self._actual_context

    def set_start_method(self, method: "str | None", force: bool = False) -> None:
        """Sets the start method. RuntimeError when it is set already, unless force is true."""
        if self._actual_context is not None and not force:
            raise RuntimeError("context has already been set")
        if method is None and force:
            self._actual_context = None
            return
        self._actual_context = self.get_context(method)

    def get_all_start_methods(self) -> "list[str]":
        """The start methods that there are, the default one first."""
        default: str = self._default_context._name  # type: ignore[attr-defined]
        return [default] + [name for name in ("fork", "spawn", "forkserver") if name != default]


_default_context = methods.default = DefaultContext(_concrete_contexts["forkserver" if sys.version_info >= (3, 14) else "fork"])
