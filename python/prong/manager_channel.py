"""How members of the family reach a manager: by pipes in shared memory, one a thread for requests, one for its proxies' calls.

Others reach it by its address, as ever. The address tells a member of the manager's family the queue in which it leaves its
end of a new pipe: it is the name of the socket.
"""

import os
import re
from hmac import compare_digest
from multiprocessing import managers, process, util
from multiprocessing.connection import Client as _Client
from multiprocessing.context import AuthenticationError
from typing import NamedTuple, Optional

from . import _core
from .handles import Handle

_LOOK_EVERY = 0.2  # seconds, whether a manager that does not answer is there
_WELCOME, _REFUSED = b"#WELCOME#", b"#FAILURE#"

# ------------------------------------------------ the manager's side ------------------------------------------------


class Caller(NamedTuple):
    """A member's end of a pipe as it comes in, and the key that it has."""

    connection: _core.Connection
    key: Optional[bytes]  # None: its own process's, which for a member of the family is good enough

    def welcome(self, authkey):
        """Whether it may come in; it is told."""
        welcome = self.key is None or compare_digest(self.key, bytes(authkey))
        self.connection.send_bytes(_WELCOME if welcome else _REFUSED)
        return welcome


def new_address(queue):
    """A name for a manager's socket that tells members the queue."""
    offset, generation = queue._handle()
    return os.path.join(util.get_temp_dir(), f"prong-{os.getpid()}-{offset:x}-{generation:x}")


class Listener:
    """A manager's listener, and the queue beside it."""

    def __init__(self, listener, queue):
        self._listener, self._queue = listener, queue
        self._socket = listener._listener._socket
        self._closed = False
        self.address = listener.address

    def accept(self):
        """The next connection; a Caller, when it is from a member."""
        from .connection import wait
        while True:
            try:
                ready = wait([self._queue, self._socket])
                if self._queue in ready:
                    return Caller(*self._queue.get())
                if ready:
                    return self._listener.accept()
            except (OSError, ValueError):
                if self._closed:
                    raise SystemExit from None  # of the thread that accepts
                raise

    def close(self):
        """As a listener's; what members have left in the queue is not answered."""
        self._closed = True
        self._listener.close()
        self._queue._destroy()


# ------------------------------------------------ the member's side ------------------------------------------------

_of_members = re.compile(r"prong-(\d+)-([0-9a-f]+)-([0-9a-f]+)").fullmatch
_lines = util.ForkAwareLocal()  # .idle: {(address, key): connections that have no request under way}


class _Line:
    """A connection to a manager, as proxies use it: for one request, after which another may have it; or, when the manager was
    told so, for all calls of a thread."""

    __slots__ = ("_connection", "_place", "_for_calls", "_waits")

    def __init__(self, connection, place):
        self._connection, self._place = connection, place
        self._for_calls = self._waits = False

    def send(self, request):
        """As a connection's."""
        self._for_calls = self._for_calls or request[1] == "accept_connection"
        self._waits = True
        self._connection.send(request)

    def recv(self):
        """As a connection's."""
        answer = self._connection.recv()
        self._waits = False
        return self._iterator(*answer[1]) if answer[0] == "#PROXY" and answer[1][1].typeid == "Iterator" else answer

    def _iterator(self, exposed, token):
        """A proxy that needs no manager object, which a proxy has not that was unpickled, or forked."""
        token.address, key = self._place
        proxy = managers.IteratorProxy(token, "pickle", authkey=key, exposed=exposed)
        managers.dispatch(connect(token.address, authkey=key), None, "decref", (token.id,))
        return "#RETURN", proxy

    def close(self):
        """As a connection's; but it stays open for the next request, if it can."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._for_calls or self._waits:
            connection.close()
        else:
            _idle(self._place).append(connection)

    __del__ = close

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _idle(place):
    idle = _lines.__dict__.setdefault("idle", {})
    if place not in idle:
        for other in [other for other, connections in idle.items() if not connections or connections[0].poll()]:
            del idle[other]  # of managers that are gone: there is nothing to be read but the end
        idle[place] = []
    return idle[place]


def _open(pid, queue, authkey):
    """A connection to a manager of this family; None when it is of another, or gone."""
    queue = Handle("queue", *queue)
    try:
        queue.qsize()
    except ValueError:
        return None
    ours, theirs = _core.Pipe()
    is_own = authkey == process.current_process().authkey  # a proxy has no other where it was unpickled
    queue.put((theirs, None if is_own else bytes(authkey or b"")))
    theirs.close()
    while not ours.poll(_LOOK_EVERY):
        if not _core._is_member(pid):
            raise ConnectionRefusedError(f"the manager, process {pid}, is gone")
    if ours.recv_bytes() != _WELCOME:
        raise AuthenticationError("digest sent was rejected")
    return ours


def connect(address, family=None, authkey=None):
    """multiprocessing.connection.Client, but to managers of this family by shared memory."""
    name = _of_members(os.path.basename(address)) if isinstance(address, str) else None
    if name is None:
        return _Client(address, family, authkey)
    place = address, authkey
    idle = _idle(place)
    while idle:
        connection = idle.pop()
        if not connection.poll():
            return _Line(connection, place)
    connection = _open(int(name[1]), (int(name[2], 16), int(name[3], 16)), authkey)
    return _Client(address, family, authkey) if connection is None else _Line(connection, place)
