"""Managers: multiprocessing's, whose servers are started by prong, whose members of the family reach them through shared memory,
and whose locks come back from those who die holding them."""

import multiprocessing.managers as _std
import os
import threading
import time
import traceback
import weakref
from contextlib import nullcontext
from multiprocessing import pool, process

from . import _core
from . import connection as _connection
from ._impl import manager_channel as _channel
from ._impl import manager_clients as _clients
from ._impl import methods
from ._impl.compat import needs
from ._impl.mirror import mirror, public, typed_as, with_globals

_inside, _pools_inside = needs(_std, pool)  # with what only multiprocessing itself uses
needs(process)
__all__ = mirror(_std, globals())
__dir__ = public(__name__)

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.managers import BaseProxy as BaseProxy
    from multiprocessing.managers import DictProxy as DictProxy
    from multiprocessing.managers import ListProxy as ListProxy
    from multiprocessing.managers import Namespace as Namespace
    from multiprocessing.managers import Token as Token
    from multiprocessing.managers import ValueProxy as ValueProxy
    from typing import AbstractSet, Any, TypeVar  # noqa: UP035  (collections.abc.Set is no generic of 3.9 to mypy 1.0)

    _T = TypeVar("_T")

    def __getattr__(name: str) -> Any: ...  # what it has beside its public names

# for multiprocessing's own managers they are as good as its own
_inside.listener_client["pickle"] = (_connection.Listener, _channel.connect)
_BaseManager = _std.BaseManager
_SyncManager = _std.SyncManager
_SharedMemoryManager = _std.SharedMemoryManager
_Server = _std.Server
_SharedMemoryServer = _inside.SharedMemoryServer
_their_get_server = _BaseManager.get_server
_their_run_server = _inside.BaseManager._run_server.__func__
_LOOK_EVERY, _ENDS_WITHIN = 1, 5  # seconds, of a server: whether the process that started it lives; when that is gone

# ------------------------------------------------ the server ------------------------------------------------


class _Served:
    """A client's connection, as its calls are served: each begins with what the client holds, and an exception goes to a member with
    its traceback."""

    def __init__(self, connection, client):
        self._recv, self.send, self.close = connection.recv, connection.send, connection.close
        self._client = client
        if isinstance(connection, _core.PipeConnection):
            self._send, self.send = connection.send, self._send_with_traceback

    def recv(self):
        """As the connection's."""
        request = self._recv()
        self._client.begins_call()
        return request

    def _send_with_traceback(self, answer):
        if answer[0] == "#ERROR":
            answer = answer[0], _pools_inside.ExceptionWithTraceback(answer[1], answer[1].__traceback__)
        self._send(answer)


def _service(address):
    """What tells systemd of a server."""
    from ._impl.service import Service
    return Service(f"serves at {address}")


class _FamilyServer:
    """What a server does for members of its family: one thread serves all requests of one of theirs, until it goes."""

    def __init__(self, registry, address, authkey, serializer):
        if address is None and serializer == "pickle":
            self._listen_to_members(registry, authkey)
        else:
            super().__init__(registry, address, authkey, serializer)
        self._clients = weakref.WeakValueDictionary()  # by the idents that they gave themselves

    def _listen_to_members(self, registry, authkey):
        from .queues import SimpleQueue
        queue = SimpleQueue()
        try:
            super().__init__(registry, _channel.new_path(queue), authkey, "pickle")
        except OSError:  # no directory to write to
            super().__init__(registry, _channel.new_name(queue), authkey, "pickle")
        self.listener = _channel.Listener(self.listener, queue)

    def serve_forever(self, *, notify=False):
        """Until it is told to shut down, or the process is to end. notify: it tells systemd, by NOTIFY_SOCKET, that it is READY,
        STOPPING and, if there is a watchdog, alive."""
        try:
            with _service(self.address) if notify else nullcontext():
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

    def accept_connection(self, connection, name):
        """Serves the calls of one thread of a client, which then gives back the locks that it has left held."""
        client = _clients.Client(connection)
        _clients.serve(client)
        name, ident = _channel.ident_of(name)
        try:
            former = self._clients.get(ident)
            self._clients[ident] = client
            if former is not None:
                client.succeed(former)
            super().accept_connection(_Served(connection, client), name)
        finally:
            client.leave()


class Server(_FamilyServer, _Server):
    """A manager's server."""


class SharedMemoryServer(_FamilyServer, _SharedMemoryServer):  # type: ignore[misc,valid-type]
    """A server that knows which shared memory is to be freed at its end."""


# ------------------------------------------------ the managers ------------------------------------------------


def get_server(manager: "Any") -> "_std.Server":
    """The server, to serve in this process. ProcessError when the manager has been started."""
    if manager._state.value != _inside.State.INITIAL:
        return _their_get_server(manager)  # which says why not
    return manager._Server(manager._registry, manager._address, manager._authkey, manager._serializer)


def _run_server(cls, *args, **options):
    """In a server's process: serves until it is told to shut down, or the process that started it is gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _their_run_server(cls, *args, **options)


def _end_with_parent():
    lives = True
    while lives:
        time.sleep(_LOOK_EVERY)
        lives = _core._parent_lives()
    if lives is None:  # another context's, of which nothing is known here
        return
    server = getattr(process.current_process(), "_manager_server", None)
    if server is not None:
        server.stop_event.set()
        time.sleep(_ENDS_WITHIN)
    os._exit(1)


# The server tells its address by a pipe of prong's, in which the server's death is seen however early it is.
_start = with_globals(_BaseManager.start, {**vars(_std), "connection": _connection})


class _Started(_BaseManager):
    """Of all managers: prong starts them, and their servers are the above."""

    get_server = get_server
    _run_server = classmethod(_run_server)

    def start(self, initializer: "Callable[..., object] | None" = None, initargs: "Iterable[Any]" = ()) -> None:
        """Starts the server. EOFError: it ended before it served."""
        ours = isinstance(self._ctx, methods.Family)  # type: ignore[attr-defined]
        (_start if ours else _BaseManager.start)(self, initializer, initargs)

    def __init__(
        self, address: "Any" = None, authkey: "bytes | None" = None, serializer: str = "pickle", ctx: "Any" = None, **options: "Any"
    ) -> None:
        super().__init__(address, authkey, serializer, methods.in_force(ctx), **options)


class BaseManager(_Started):
    """A server process that holds objects, and proxies for them."""

    _Server = Server


class SyncManager(_Started, _SyncManager):
    """A manager of lists, dicts, locks, queues and the like."""

    _Server = Server

    if TYPE_CHECKING:  # and all that multiprocessing's has; registered below
        def set(self, iterable: Iterable[_T] = ..., /) -> "SetProxy[_T]": ...


class SharedMemoryManager(_Started, _SharedMemoryManager):  # type: ignore[misc]
    """A manager of shared memory, which frees it at its end."""

    _Server = SharedMemoryServer

    @typed_as(_std.SharedMemoryManager.SharedMemory)
    def SharedMemory(self, size):
        """A block of so many bytes, which this manager frees."""
        from .shared_memory import SharedMemory
        return self._frees(SharedMemory(create=True, size=size))

    @typed_as(_std.SharedMemoryManager.ShareableList)
    def ShareableList(self, sequence):
        """A list in shared memory, which this manager frees."""
        from .shared_memory import ShareableList
        made = ShareableList(sequence)
        self._frees(made.shm)
        return made

    def _frees(self, memory):
        with self._Client(self._address, authkey=self._authkey) as connection:
            try:
                _inside.dispatch(connection, None, "track_segment", (memory.name,))
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


if TYPE_CHECKING:
    class SetProxy(_std.BaseProxy, AbstractSet[_T]):
        """A manager's set."""

        def __contains__(self, element: object) -> bool: ...
        def __iter__(self) -> Iterator[_T]: ...
        def __len__(self) -> int: ...
        def add(self, element: _T) -> None: ...
        def clear(self) -> None: ...
        def copy(self) -> set[_T]: ...
        def difference(self, *others: Iterable[Any]) -> set[_T]: ...
        def difference_update(self, *others: Iterable[Any]) -> None: ...
        def discard(self, element: _T) -> None: ...
        def intersection(self, *others: Iterable[Any]) -> set[_T]: ...
        def intersection_update(self, *others: Iterable[Any]) -> None: ...
        def issubset(self, other: Iterable[Any]) -> bool: ...
        def issuperset(self, other: Iterable[Any]) -> bool: ...
        def pop(self) -> _T: ...
        def remove(self, element: _T) -> None: ...
        def symmetric_difference(self, other: Iterable[_T]) -> set[_T]: ...
        def symmetric_difference_update(self, other: Iterable[_T]) -> None: ...
        def union(self, *others: Iterable[_T]) -> set[_T]: ...
        def update(self, *others: Iterable[_T]) -> None: ...
else:
    class _SetProxy(_inside.MakeProxyType("_BaseSetProxy", (
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
SyncManager.register("Pool", _pool, _inside.PoolProxy)
WAITED_FOR = ("Lock", "RLock", "Condition", "Event", "Semaphore", "BoundedSemaphore", "Barrier", "Queue", "JoinableQueue")
for _name in WAITED_FOR:
    _theirs = _inside.SyncManager._registry[_name]
    _made = _clients.Queue if _name == "JoinableQueue" else getattr(_clients, _name)
    SyncManager.register(_name, _made, _theirs[3], _theirs[1], _theirs[2])
for _name in (*WAITED_FOR, "Pool", "set"):
    vars(SyncManager)[_name].__doc__ = f"A {_name} on the manager's server: a proxy for it."
