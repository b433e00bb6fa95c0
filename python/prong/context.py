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
        """A manager, started: a server process that holds lists, dicts, locks, queues and more, and makes proxies for them."""
        from . import managers
        manager = managers.SyncManager(ctx=self.get_context())
        manager.start()
        return manager

    def Pipe(self, duplex=True):
        """Two connections, the ends of a pipe in shared memory.

        Both send and receive; with duplex=False the first receives, and the second sends.
        """
        from .connection import Pipe
        return Pipe(duplex)

    def Lock(self):
        """A lock. When its holder dies, another process takes it over."""
        from .synchronize import Lock
        return Lock(ctx=self.get_context())

    def RLock(self):
        """A lock that the thread which holds it may take again, any number of times."""
        from .synchronize import RLock
        return RLock(ctx=self.get_context())

    def Condition(self, lock=None):
        """A condition. lock: a Lock or RLock; None: an RLock of its own."""
        from .synchronize import Condition
        return Condition(lock, ctx=self.get_context())

    def Semaphore(self, value=1, **options):
        """A semaphore of `value` units.

        recover=True: a unit belongs to the process that acquired it, which alone may release it; it comes back when that process dies.
        """
        from .synchronize import Semaphore
        return Semaphore(value, ctx=self.get_context(), **options)

    def BoundedSemaphore(self, value=1, **options):
        """A semaphore of `value` units: ValueError when it is released more often than it was acquired. recover=True: as Semaphore's."""
        from .synchronize import BoundedSemaphore
        return BoundedSemaphore(value, ctx=self.get_context(), **options)

    def Event(self):
        """An event, which is not set."""
        from .synchronize import Event
        return Event(ctx=self.get_context())

    def Barrier(self, parties, action=None, timeout=None):
        """A barrier for so many parties.

        action: called by one of them when all have come. timeout: seconds, the default of wait(). A party that dies breaks it.
        """
        from .synchronize import Barrier
        return Barrier(parties, action, timeout, ctx=self.get_context())

    def Queue(self, maxsize=0, **options):
        """A queue for any number of processes. maxsize: put waits while it has so many objects; 0: no limit.

        strict=True: put raises the error of what cannot be pickled; else the traceback is printed, as with multiprocessing.
        """
        from .queues import Queue
        return Queue(maxsize, ctx=self.get_context(), **options)

    def JoinableQueue(self, maxsize=0, **options):
        """A queue with task_done() and join(). maxsize, strict: as Queue's."""
        from .queues import JoinableQueue
        return JoinableQueue(maxsize, ctx=self.get_context(), **options)

    def SimpleQueue(self):
        """A queue with put, get, empty and close, without a limit."""
        from .queues import SimpleQueue
        return SimpleQueue(ctx=self.get_context())

    def Pool(self, processes=None, initializer=None, initargs=(), maxtasksperchild=None):
        """A pool of so many worker processes; None: as many as this process may use CPUs.

        initializer(*initargs) is called in each worker as it begins. A worker ends after maxtasksperchild tasks, and another begins;
        None: it stays. ValueError or TypeError for arguments that cannot be.
        """
        from .pool import Pool
        return Pool(processes, initializer, initargs, maxtasksperchild, context=self.get_context())

    def RawValue(self, typecode_or_type, *args):
        """A shared ctypes object without a lock: of a ctypes type or a typecode of the module array, made with args."""
        from .sharedctypes import RawValue
        return RawValue(typecode_or_type, *args)

    def RawArray(self, typecode_or_type, size_or_initializer):
        """A shared ctypes array without a lock: of a number of zeros, or of the elements of a sequence."""
        from .sharedctypes import RawArray
        return RawArray(typecode_or_type, size_or_initializer)

    def Value(self, typecode_or_type, *args, lock=True):
        """A shared ctypes object with a lock. lock: True, a Lock or RLock, or False for RawValue's."""
        from .sharedctypes import Value
        return Value(typecode_or_type, *args, lock=lock, ctx=self.get_context())

    def Array(self, typecode_or_type, size_or_initializer, *, lock=True):
        """A shared ctypes array with a lock. lock: True, a Lock or RLock, or False for RawArray's."""
        from .sharedctypes import Array
        return Array(typecode_or_type, size_or_initializer, lock=lock, ctx=self.get_context())

    def get_context(self, method=None):
        """The context of a start method: "fork", "spawn" or "forkserver"; None: this one. ValueError when there is none of that name."""
        if method is None:
            return self
        context = _concrete_contexts.get(method)
        if context is None:
            return _their_get_context(self, method)  # a third party's
        context._check_available()
        return context

    def set_executable(self, executable):
        """Sets the interpreter that spawn and forkserver start: a path."""
        from .spawn import set_executable
        set_executable(executable)

    def set_forkserver_preload(self, module_names):
        """Sets the names of modules that the fork server imports before it forks its first child."""
        from .forkserver import set_forkserver_preload
        set_forkserver_preload(module_names)

    def freeze_support(self):
        """In a process that a frozen program has started: does what it was started for, and does not return. Elsewhere nothing."""
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
    """Sends SIGINT, which is a KeyboardInterrupt in a Python process. Nothing to a process that has ended."""
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
        """Sets the start method. RuntimeError when it is set already, unless force is true."""
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
