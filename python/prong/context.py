"""Contexts: one for each start method, and the default one that the package's own names belong to."""

import os
import sys

from ._impl import methods
from ._impl.later import bind, later


def _register(reduction):
    from ._impl import pickling  # noqa: F401  (which registers prong's reducers there)


later("multiprocessing.reduction", _register)  # multiprocessing.context would import it, with sockets and regular expressions
from multiprocessing import context as _std  # noqa: E402
from multiprocessing import process  # noqa: E402
from multiprocessing.context import (  # noqa: E402, F401
    AuthenticationError,
    BufferTooShort,
    ProcessError,
    TimeoutError,
    assert_spawning,
    get_spawning_popen,
    set_spawning_popen,
)

from . import (  # noqa: E402
    _core,
    errors,  # noqa: F401  (what the core raises)
)

bind("multiprocessing.reduction")

__all__ = ()
_their_get_context = _std.BaseContext.get_context  # before install() puts ours there


class _Factories(methods.Family):
    """What a context makes, from prong's own modules."""

    reducer = _std.BaseContext.reducer

    def Manager(self):
        """A manager, started: a server process with lists, dicts, locks, queues, and proxies for them."""
        from . import managers
        manager = managers.SyncManager(ctx=self.get_context())
        manager.start()
        return manager

    def Pipe(self, duplex=True):
        """Two connections; not duplex: the first receives, the second sends."""
        from .connection import Pipe
        return Pipe(duplex)

    def Lock(self):
        """A lock that outlives who dies holding it."""
        from .synchronize import Lock
        return Lock(ctx=self.get_context())

    def RLock(self):
        """A lock that one thread may take many times."""
        from .synchronize import RLock
        return RLock(ctx=self.get_context())

    def Condition(self, lock=None):
        """A condition, with a Lock or RLock, or an RLock of its own."""
        from .synchronize import Condition
        return Condition(lock, ctx=self.get_context())

    def Semaphore(self, value=1, **options):
        """A semaphore; recover=True gives back what a dead process held."""
        from .synchronize import Semaphore
        return Semaphore(value, ctx=self.get_context(), **options)

    def BoundedSemaphore(self, value=1, **options):
        """A semaphore that cannot be released more often than it was acquired."""
        from .synchronize import BoundedSemaphore
        return BoundedSemaphore(value, ctx=self.get_context(), **options)

    def Event(self):
        """An event that is not set."""
        from .synchronize import Event
        return Event(ctx=self.get_context())

    def Barrier(self, parties, action=None, timeout=None):
        """A barrier for so many parties."""
        from .synchronize import Barrier
        return Barrier(parties, action, timeout, ctx=self.get_context())

    def Queue(self, maxsize=0, **options):
        """A queue; strict=True raises in put what cannot be pickled."""
        from .queues import Queue
        return Queue(maxsize, ctx=self.get_context(), **options)

    def JoinableQueue(self, maxsize=0, **options):
        """A queue with task_done and join."""
        from .queues import JoinableQueue
        return JoinableQueue(maxsize, ctx=self.get_context(), **options)

    def SimpleQueue(self):
        """A queue with put, get, empty and close."""
        from .queues import SimpleQueue
        return SimpleQueue(ctx=self.get_context())

    def Pool(self, processes=None, initializer=None, initargs=(), maxtasksperchild=None):
        """A pool of worker processes."""
        from .pool import Pool
        return Pool(processes, initializer, initargs, maxtasksperchild, context=self.get_context())

    def RawValue(self, typecode_or_type, *args):
        """A shared ctypes object without a lock."""
        from .sharedctypes import RawValue
        return RawValue(typecode_or_type, *args)

    def RawArray(self, typecode_or_type, size_or_initializer):
        """A shared ctypes array without a lock."""
        from .sharedctypes import RawArray
        return RawArray(typecode_or_type, size_or_initializer)

    def Value(self, typecode_or_type, *args, lock=True):
        """A shared ctypes object with a lock."""
        from .sharedctypes import Value
        return Value(typecode_or_type, *args, lock=lock, ctx=self.get_context())

    def Array(self, typecode_or_type, size_or_initializer, *, lock=True):
        """A shared ctypes array with a lock."""
        from .sharedctypes import Array
        return Array(typecode_or_type, size_or_initializer, lock=lock, ctx=self.get_context())

    def get_context(self, method=None):
        """The context of a start method; of none: this one."""
        if method is None:
            return self
        context = _concrete_contexts.get(method)
        if context is None:
            return _their_get_context(self, method)  # a third party's
        context._check_available()
        return context

    def set_executable(self, executable):
        """The interpreter that spawn and forkserver start."""
        from .spawn import set_executable
        set_executable(executable)

    def set_forkserver_preload(self, module_names):
        """Modules that the fork server imports before it forks."""
        from .forkserver import set_forkserver_preload
        set_forkserver_preload(module_names)

    def freeze_support(self):
        """In a process that a frozen program has started: does what it was started for, and does not return."""
        from ._impl.frozen import freeze_support
        freeze_support()

    def allow_connection_pickling(self):
        """Nothing to do: connections can always be sent."""


class BaseContext(_Factories, _std.BaseContext):
    """What all of prong's contexts are."""


# ------------------------------------------------ processes ------------------------------------------------


def _starts_image(method):
    def start(process_obj):
        from ._impl.popen import start_image
        return start_image(process_obj, method)
    return start


def _interrupt(self):
    """SIGINT: in a Python process a KeyboardInterrupt. Nothing, if it has ended."""
    self._check_closed()
    self._popen.interrupt()


def _environment(variables):
    """A child's environment as bytes. TypeError or ValueError for what is none."""
    found = {os.fsencode(name): os.fsencode(value) for name, value in dict(variables).items()}
    for name, value in found.items():
        if not name or b"=" in name or b"\0" in name + value:
            raise ValueError(f"env: {os.fsdecode(name)!r} cannot be the name of a variable, or its value is none")
    return found


class _Environment:
    """Of all Process classes: env, the variables that the child has instead of this process's."""

    _env = None

    def __init__(self, group=None, target=None, name=None, args=(), kwargs={}, *, daemon=None, env=None):
        super().__init__(group, target, name, args, kwargs, daemon=daemon)
        if env is not None:
            self._env = _environment(env)


class Process(_Environment, process.BaseProcess):
    """A process of the default context's start method. env: a mapping, the whole of the child's environment, as subprocess has it."""

    _start_method = None
    interrupt = _interrupt  # 3.14's

    @staticmethod
    def _Popen(process_obj):
        return _default_context.get_context().Process._Popen(process_obj)

    @staticmethod
    def _after_fork():
        return _default_context.get_context().Process._after_fork()


def _process_class(base, method, start):
    class Started(_Environment, base):
        _start_method = method
        _Popen = staticmethod(start)
        interrupt = _interrupt

    Started.__name__ = Started.__qualname__ = base.__name__
    Started.__module__ = __name__
    Started.__doc__ = f"A process started by {method}."
    return Started


ForkProcess = _process_class(_std.ForkProcess, "fork", _core._fork)
SpawnProcess = _process_class(_std.SpawnProcess, "spawn", _starts_image("spawn"))
ForkServerProcess = _process_class(_std.ForkServerProcess, "forkserver", _starts_image("forkserver"))

# ------------------------------------------------ contexts ------------------------------------------------


class ForkContext(BaseContext, _std.ForkContext):
    """Children are copies of this process."""

    _name = "fork"
    Process = ForkProcess


class SpawnContext(BaseContext, _std.SpawnContext):
    """Children are fresh interpreters, with what they are handed."""

    _name = "spawn"
    Process = SpawnProcess


class ForkServerContext(BaseContext, _std.ForkServerContext):
    """Children are forked from a small clean server."""

    _name = "forkserver"
    Process = ForkServerProcess

    def _check_available(self):
        pass


_concrete_contexts = methods.contexts
_concrete_contexts.update(fork=ForkContext(), spawn=SpawnContext(), forkserver=ForkServerContext())


class DefaultContext(_Factories, _std.DefaultContext):
    """The context of the package's own names; its start method can be set, once."""

    Process = Process

    def get_context(self, method=None):
        """The context of a start method; of none: the one in force, which is fixed by that."""
        if method is not None:
            return _Factories.get_context(self, method)
        if self._actual_context is None:
            self._actual_context = self._default_context
        return self._actual_context

    def set_start_method(self, method, force=False):
        """Sets the start method. RuntimeError when it is set already, but for force."""
        if self._actual_context is not None and not force:
            raise RuntimeError("context has already been set")
        if method is None and force:
            self._actual_context = None
            return
        self._actual_context = self.get_context(method)

    def get_all_start_methods(self):
        """The start methods that there are, the default one first."""
        default = self._default_context._name
        return [default] + [name for name in ("fork", "spawn", "forkserver") if name != default]


_default_context = methods.default = DefaultContext(_concrete_contexts["forkserver" if sys.version_info >= (3, 14) else "fork"])
