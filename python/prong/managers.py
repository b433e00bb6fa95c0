"""Managers: multiprocessing's, whose servers are started by prong, whose members of the family reach them through shared memory,
and whose locks come back from those who die holding them."""

import multiprocessing.managers as _std
import threading
import traceback

from multiprocessing.pool import ExceptionWithTraceback

from . import _core
from . import manager_channel as _channel
from ._mirror import mirror
from .connection import Listener as _Listener

__all__ = mirror(_std, globals())

_std.listener_client["pickle"] = (_Listener, _channel.connect)  # for multiprocessing's own managers they are as good as its own
_BaseManager, _SyncManager, _SharedMemoryManager = _std.BaseManager, _std.SyncManager, _std.SharedMemoryManager
_Server, _SharedMemoryServer, _their_get_server = _std.Server, _std.SharedMemoryServer, _std.BaseManager.get_server

# ------------------------------------------------ the server ------------------------------------------------


class _Telling:
    """A member's connection: an exception goes with its traceback."""

    def __init__(self, connection):
        self._send, self.recv, self.close = connection.send, connection.recv, connection.close

    def send(self, answer):
        """As a connection's."""
        if answer[0] == "#ERROR":
            answer = answer[0], ExceptionWithTraceback(answer[1], answer[1].__traceback__)
        self._send(answer)


class _FamilyServer:
    """What a server does for members of its family: one thread serves all requests of one of theirs, until it goes."""

    def __init__(self, registry, address, authkey, serializer):
        queue = None
        if address is None and serializer == "pickle":
            from .queues import SimpleQueue
            queue = SimpleQueue()
            address = _channel.new_address(queue)
        super().__init__(registry, address, authkey, serializer)
        if address is not None and queue is not None:
            self.listener = _channel.Listener(self.listener, queue)

    def serve_forever(self):
        """Until it is told to shut down, or the process is to end."""
        try:
            super().serve_forever()
        finally:
            self.listener.close()

    def handle_request(self, caller):
        """In a thread of its own: one request of a stranger's, all of a member's."""
        if not isinstance(caller, _channel.Caller):
            super().handle_request(caller)
            return
        try:
            if caller.welcome(self.authkey):
                while True:
                    self._answer(caller.connection)
        except (EOFError, OSError, SystemExit):
            pass
        finally:
            caller.connection.close()

    def _answer(self, connection):
        nothing, name, args, kwds = connection.recv()
        try:
            if name not in self.public:
                raise ValueError(f"{name!r} unrecognized")
            answer = "#RETURN", getattr(self, name)(connection, *args, **kwds)
        except Exception:
            answer = "#TRACEBACK", traceback.format_exc()
        try:
            connection.send(answer)
        except (OSError, EOFError):
            raise
        except Exception:  # what cannot be pickled
            connection.send(("#TRACEBACK", traceback.format_exc()))

    def serve_client(self, connection):
        """The calls of one thread of a client, which then gives back the locks that it has left held."""
        if isinstance(connection, _core.PipeConnection):
            connection = _Telling(connection)
        try:
            super().serve_client(connection)
        finally:
            _give_back()


class Server(_FamilyServer, _Server):
    """A manager's server."""


class SharedMemoryServer(_FamilyServer, _SharedMemoryServer):
    """A server that knows which shared memory is to be freed at its end."""


# ------------------------------------------------ its locks ------------------------------------------------

_served = threading.local()  # .held: the locks held by the client's thread that this thread serves


def _held():
    return _served.__dict__.setdefault("held", [])


def _give_back():
    held = _held()
    for lock in list(held):
        lock.left(held)


class _Lock:
    """A lock that the next one takes over when the client that holds it is gone; or whoever it is may release it."""

    def __init__(self):
        self._lock = threading.Lock()
        self._mutex = threading.Lock()
        self._holder = None  # the locks of the client that holds it
        self._waiting = 0
        self._left = False  # held by a client that is gone

    def acquire(self, *args, **options):
        """As the lock's."""
        with self._mutex:
            if self._left:
                self._left = False
                return self._taken()
            self._waiting += 1
        got = False
        try:
            got = self._lock.acquire(*args, **options)
        finally:
            with self._mutex:
                self._waiting -= 1
                if got:
                    self._taken()
        return got

    def _taken(self):
        self._holder = _held()
        self._holder.append(self)
        return True

    def release(self):
        """As the lock's."""
        with self._mutex:
            self._lock.release()
            if self._holder is not None:
                self._holder.remove(self)
            self._holder, self._left = None, False

    def left(self, holder):
        """The client that held it is gone."""
        with self._mutex:
            if self._holder is not holder or not self._lock.locked():
                return
            self._holder = None
            self._left = self._waiting == 0
            if not self._left:
                self._lock.release()

    def locked(self):
        """As the lock's."""
        return self._lock.locked()

    __enter__ = acquire

    def __exit__(self, *exception):
        self.release()

    def __repr__(self):
        return repr(self._lock)


class _RLock:
    """An rlock, which the thread that serves a client releases when that is gone."""

    def __init__(self):
        self._lock = threading.RLock()

    def acquire(self, *args, **options):
        """As the rlock's."""
        got = self._lock.acquire(*args, **options)
        if got:
            _held().append(self)
        return got

    def release(self):
        """As the rlock's."""
        self._lock.release()
        _held().remove(self)

    def left(self, holder):
        """The client that held it, whose thread this is, is gone."""
        self.release()

    __enter__ = acquire

    def __exit__(self, *exception):
        self.release()

    def __repr__(self):
        return repr(self._lock)

    def __getattr__(self, name):  # locked, where there is one
        return getattr(self.__dict__["_lock"], name)

    # for threading.Condition, which lets go of all of it while it waits

    def _is_owned(self):
        return self._lock._is_owned()

    def _release_save(self):
        held = _held()
        times = held.count(self)
        held[:] = [lock for lock in held if lock is not self]
        return self._lock._release_save(), times

    def _acquire_restore(self, state):
        saved, times = state
        self._lock._acquire_restore(saved)
        _held().extend([self] * times)


def _condition(lock=None):
    return threading.Condition(_RLock() if lock is None else lock)


# ------------------------------------------------ the managers ------------------------------------------------


def _context(ctx):
    if ctx is not None:
        return ctx
    from .context import _default_context
    return _default_context.get_context()


def get_server(manager):
    """The server, to serve in this process. ProcessError when the manager has been started."""
    if manager._state.value != _std.State.INITIAL:
        return _their_get_server(manager)  # which says why not
    return manager._Server(manager._registry, manager._address, manager._authkey, manager._serializer)


class _Started:
    """Of all managers: prong starts them, and their servers are the above."""

    get_server = get_server

    def __init__(self, address=None, authkey=None, serializer="pickle", ctx=None, **options):
        super().__init__(address, authkey, serializer, _context(ctx), **options)


class BaseManager(_Started, _BaseManager):
    """A server process that holds objects, and proxies for them."""

    _Server = Server


class SyncManager(_Started, _SyncManager):
    """A manager of lists, dicts, locks, queues and the like."""

    _Server = Server


class SharedMemoryManager(_Started, _SharedMemoryManager):
    """A manager of shared memory, which frees it at its end."""

    _Server = SharedMemoryServer

    def SharedMemory(self, size):
        """A block of so many bytes, which this manager frees."""
        from .shared_memory import SharedMemory
        return self._frees(SharedMemory(create=True, size=size))

    def ShareableList(self, sequence):
        """A list in shared memory, which this manager frees."""
        from .shared_memory import ShareableList
        made = ShareableList(sequence)
        self._frees(made.shm)
        return made

    def _frees(self, memory):
        with self._Client(self._address, authkey=self._authkey) as connection:
            try:
                _std.dispatch(connection, None, "track_segment", (memory.name,))
            except BaseException:
                memory.unlink()
                raise
        return memory


# ------------------------------------------------ sets ------------------------------------------------


def _in_place(method):
    def operator(self, other):
        if not isinstance(other, (set, frozenset)):
            return NotImplemented
        self._callmethod(method, (other,))
        return self
    return operator


class _SetProxy(_std.MakeProxyType("_BaseSetProxy", (
        "__and__", "__contains__", "__ge__", "__gt__", "__iter__", "__le__", "__len__", "__lt__", "__or__", "__rand__", "__ror__",
        "__rsub__", "__rxor__", "__sub__", "__xor__", "add", "clear", "copy", "difference", "difference_update", "discard",
        "intersection", "intersection_update", "isdisjoint", "issubset", "issuperset", "pop", "remove", "symmetric_difference",
        "symmetric_difference_update", "union", "update"))):
    """A manager's set."""

    _method_to_typeid_ = {"__iter__": "Iterator"}
    __iand__ = _in_place("intersection_update")
    __ior__ = _in_place("update")
    __isub__ = _in_place("difference_update")
    __ixor__ = _in_place("symmetric_difference_update")


if "SetProxy" not in globals():  # multiprocessing has one from 3.14 on
    SetProxy = _SetProxy
    SetProxy.__name__ = SetProxy.__qualname__ = "SetProxy"

# ------------------------------------------------ what a SyncManager makes ------------------------------------------------


def _pool(*args, **options):
    from .pool import Pool
    return Pool(*args, **options)


SyncManager.register("set", set, SetProxy)
SyncManager.register("Pool", _pool, _std.PoolProxy)
SyncManager.register("Lock", _Lock, _std.AcquirerProxy)
SyncManager.register("RLock", _RLock, _std.AcquirerProxy)
SyncManager.register("Condition", _condition, _std.ConditionProxy)
