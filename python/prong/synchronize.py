"""Locks and what is made of them, for processes and threads."""

import threading
from multiprocessing import process, util
from multiprocessing.context import assert_spawning

from . import _core
from ._impl.handles import reduced, restorers
from ._impl.mirror import public

__all__ = ["Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event", "Barrier"]
__dir__ = public(__name__)

SEM_VALUE_MAX = 2**31 - 1

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    import multiprocessing.synchronize as _std
    from collections.abc import Callable
    from typing import Any

    # At runtime the core's alone: to annotations they are multiprocessing's.
    class _CoreLock(_std.Lock, _core.Lock):  # type: ignore[misc]
        """A lock."""

    class _CoreRLock(_std.RLock, _core.RLock):  # type: ignore[misc]
        """A lock that may be taken again."""

    class _CoreSemaphore(_std.Semaphore, _core.Semaphore):  # type: ignore[misc]
        """A semaphore."""

    _AsBounded = _std.BoundedSemaphore

    class _CoreCondition(_std.Condition, _core.Condition):  # type: ignore[misc]
        """A condition."""

    class _CoreEvent(_std.Event, _core.Event):  # type: ignore[misc]
        """An event."""

    class _CoreBarrier(_std.Barrier, _core.Barrier):  # type: ignore[misc]
        """A barrier."""
else:
    _CoreLock, _CoreRLock, _CoreSemaphore = _core.Lock, _core.RLock, _core.Semaphore
    _AsBounded = object
    _CoreCondition, _CoreEvent, _CoreBarrier = _core.Condition, _core.Event, _core.Barrier


def _may_travel(obj):
    """To a child as it starts, or to another member of the family through prong's own queues and pipes."""
    if not _core._is_travelling():
        assert_spawning(obj)


class _Shared:
    """Of locks and semaphores: how they are handed to others, and what they say of themselves."""

    def __reduce__(self):
        _may_travel(self)
        return reduced(self._kind, self._handle(), _restore, type(self), self._options())

    def _options(self):
        return {}

    def _owner(self):
        if self._is_mine():
            name = process.current_process().name
            thread = threading.current_thread().name
            return name if thread == "MainThread" else f"{name}|{thread}"
        if not self.locked():
            return "None"
        return "SomeOtherThread" if self._count() > 0 else "SomeOtherProcess"

    def _made(self):
        util.register_after_fork(self, _forget_held)

    @property
    def _semlock(self):
        """What programs that know multiprocessing's inside look for. No attribute: that would be a cycle, and a dict, with which
        CPython finds methods in a slower way."""
        return self


def _forget_held(obj):
    obj._after_fork()


def _restore(handle, cls, options):
    obj = cls.__new__(cls)
    obj._attach(handle, **options)
    return obj


@_core._own_methods
class Lock(_Shared, _CoreLock):
    """Lock(): free. Taken over from a process that died holding it: acquire returns True, and owner_died says who died."""

    _kind = "lock"

    def __init__(self, *, ctx: "Any" = None) -> None:
        _core.Lock.__init__(self)
        self._made()

    def _attach(self, handle):
        _core.Lock.__init__(self, handle=handle)
        self._made()

    def __repr__(self):
        return f"<{type(self).__name__}(owner={self._owner()})>"


@_core._own_methods
class RLock(_Shared, _CoreRLock):
    """RLock(): free. One thread of one process may take it any number of times."""

    _kind = "rlock"

    def __init__(self, *, ctx: "Any" = None) -> None:
        _core.RLock.__init__(self)
        self._made()

    def _attach(self, handle):
        _core.RLock.__init__(self, handle=handle)
        self._made()

    def __repr__(self):
        owner = self._owner()
        count = self._count() if self._is_mine() else 0 if owner == "None" else "nonzero"
        return f"<{type(self).__name__}({owner}, {count})>"


@_core._own_methods
class Semaphore(_Shared, _CoreSemaphore):
    """Semaphore(value=1): so many units. recover=True: a unit belongs to the process that acquired it, which alone may
    release it, and comes back when it dies."""

    _kind = "semaphore"
    _bounded = False
    __slots__ = ("_maxvalue",)  # beside the dict that it has, which stays empty: see _semlock

    def __init__(self, value: int = 1, *, ctx: "Any" = None, recover: bool = False) -> None:
        _core.Semaphore.__init__(self, value, self._bounded, recover)
        self._maxvalue = value if self._bounded else SEM_VALUE_MAX
        self._made()

    def _attach(self, handle, maxvalue):
        _core.Semaphore.__init__(self, handle=handle)
        self._maxvalue = maxvalue
        self._made()

    def _options(self):
        return {"maxvalue": self._maxvalue}

    def get_value(self) -> int:
        """Units that can be acquired now."""
        return self._get_value()

    def __repr__(self):
        return f"<{type(self).__name__}(value={self.get_value()})>"


@_core._own_methods
class BoundedSemaphore(Semaphore, _AsBounded):
    """A semaphore that cannot be released more often than it was acquired."""

    _bounded = True

    def __repr__(self):
        return f"<{type(self).__name__}(value={self.get_value()}, maxvalue={self._maxvalue})>"


class Condition(_CoreCondition):
    """Condition(lock=None): with a Lock or an RLock, or an RLock of its own. A waiter that is killed blocks nobody."""

    def __init__(
        self, lock: "Lock | RLock | None" = None, *, ctx: "Any" = None, handle: "tuple[int, int] | None" = None
    ) -> None:
        self._lock = lock if lock is not None else RLock(ctx=ctx)
        if handle is None:
            _core.Condition.__init__(self, self._lock)
        else:
            _core.Condition.__init__(self, self._lock, handle)
        self.acquire = self._lock.acquire  # type: ignore
        self.release = self._lock.release  # type: ignore

    def __reduce__(self):
        _may_travel(self)
        return reduced("condition", self._handle(), _restore_condition, type(self), self._lock)

    def __enter__(self) -> bool:
        return self._lock.__enter__()

    def __exit__(self, *args: "Any") -> None:
        return self._lock.__exit__(*args)

    def __repr__(self):
        return f"<{type(self).__name__}({self._lock})>"

    def wait_for(self, predicate: "Callable[[], bool]", timeout: "float | None" = None) -> bool:
        """Waits until predicate() is true; its last value, which is false when timeout seconds have passed."""
        import time
        result = predicate()
        end = None if timeout is None else time.monotonic() + timeout
        while not result:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result


def _restore_condition(handle, cls, lock):
    return cls(lock, handle=handle)


@_core._own_methods
class Event(_CoreEvent):
    """Event(): not set. set() waits for nobody, dead or alive."""

    def __init__(self, *, ctx: "Any" = None) -> None:
        _core.Event.__init__(self)

    def __reduce__(self):
        _may_travel(self)
        return reduced("event", self._handle(), _restore_event, type(self))

    def __repr__(self):
        state = "set" if self.is_set() else "unset"
        return f"<{type(self).__qualname__} at {id(self):#x} {state}>"


def _restore_event(handle, cls):
    event = cls.__new__(cls)
    _core.Event.__init__(event, handle)
    return event


class Barrier(_CoreBarrier):
    """Barrier(parties, action=None, timeout=None). A party that dies breaks it for the others."""

    def __init__(
        self, parties: int, action: "Callable[[], object] | None" = None, timeout: "float | None" = None, *, ctx: "Any" = None
    ) -> None:
        _core.Barrier.__init__(self, parties)
        self._action, self._timeout = action, timeout

    def wait(self, timeout: "float | None" = None) -> int:
        """Waits for all parties; which of them this is. BrokenBarrierError when it is, or gets, broken."""
        index = self._wait(self._action, self._timeout if timeout is None else timeout)
        if index is None:
            raise threading.BrokenBarrierError
        return index

    def __reduce__(self):
        _may_travel(self)
        return reduced("barrier", self._handle(), _restore_barrier, type(self), self._action, self._timeout)

    def __repr__(self):
        if self.broken:
            return f"<{type(self).__qualname__} at {id(self):#x}: broken>"
        return f"<{type(self).__qualname__} at {id(self):#x}: waiters={self.n_waiting}/{self.parties}>"


def _restore_barrier(handle, cls, action, timeout):
    barrier = cls.__new__(cls)
    _core.Barrier.__init__(barrier, 0, handle)
    barrier._action, barrier._timeout = action, timeout
    return barrier


restorers.update(
    lock=(_restore, Lock, {}), rlock=(_restore, RLock, {}), semaphore=(_restore, Semaphore, {"maxvalue": SEM_VALUE_MAX}),
    event=(_restore_event, Event), barrier=(_restore_barrier, Barrier, None, None))
