"""How members of the family reach a manager: by pipes in shared memory, one a thread for requests, one for its proxies' calls.

Others reach it by its address, as ever. The address tells a member of the manager's family the queue in which it leaves its
end of a new pipe: it is the name of the socket.
"""

import os
import re
from collections import namedtuple
from multiprocessing import managers, process, util
from multiprocessing.context import AuthenticationError

from . import _core
from .connection import Client as _Client
from .connection import wait
from .handles import Handle

_PATH_MOST = 107  # bytes
_LOOK_EVERY = 0.2  # seconds, whether a manager that does not answer is there
_WELCOME, _REFUSED = b"#WELCOME#", b"#FAILURE#"

# ------------------------------------------------ the manager's side ------------------------------------------------


class Caller(namedtuple("Caller", "connection key")):
    """A member's end of a pipe as it comes in, and the key that it has: None for its own process's, which for a member of the
    family is good enough."""

    __slots__ = ()

    def welcome(self, authkey):
        """Whether it may come in; it is told."""
        welcome = self.key is None or self._has(authkey)
        self.connection.send_bytes(_WELCOME if welcome else _REFUSED)
        return welcome

    def _has(self, authkey):
        from hmac import compare_digest  # with which comes OpenSSL
        return compare_digest(self.key, bytes(authkey))


def new_address(queue):
    """A name for a manager's socket that tells members the queue; None where it would be too long for a socket."""
    offset, generation = queue._handle()
    path = os.path.join(util.get_temp_dir(), f"prong-{os.getpid()}-{offset:x}-{generation:x}")
    return path if len(os.fsencode(path)) <= _PATH_MOST else None


class Listener:
    """A manager's listener, and the queue beside it."""

    def __init__(self, listener, queue):
        self._listener, self._queue = listener, queue
        self._socket = listener._listener._socket
        self._closed = False
        self.address = listener.address

    def accept(self):
        """The next connection; a Caller, when it is from a member."""
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
_lines = util.ForkAwareLocal()  # .idle: {(place, for calls): connections}; a place is an address and a key


class _Line:
    """A connection to a manager, as proxies use it: for one request, after which another may have it; or, when the manager was
    told to accept_connection, for a thread's calls, after which its next proxies may."""

    __slots__ = ("_connection", "_place", "_for_calls", "_waits", "_accepted", "_pid")

    def __init__(self, connection, place):
        self._connection, self._place = connection, place
        self._for_calls = self._waits = self._accepted = False
        self._pid = os.getpid()

    def send(self, request):
        """As a connection's."""
        if self._pid != os.getpid():
            self._renew()
        self._waits = True
        if request[1] == "accept_connection" and not self._for_calls:
            self._for_calls = True
            if self._change_for_calls():
                return
        self._connection.send(request)

    def _renew(self):
        """In a child that the program forked by itself: the connection is its parent's."""
        fresh = connect(self._place[0], authkey=self._place[1])
        managers.dispatch(fresh, None, "accept_connection", (process.current_process().name,))
        self._connection, fresh._connection = fresh._connection, None
        self._pid = os.getpid()

    def _change_for_calls(self):
        """Whether there was a connection of which the manager has been told before."""
        kept = _take(self._place, True)
        if kept is None:
            return False
        _idle(self._place, False).append(self._connection)
        self._connection, self._accepted = kept, True
        return True

    def recv(self):
        """As a connection's."""
        if self._accepted:
            self._accepted = self._waits = False
            return "#RETURN", None
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
        """As a connection's; but it stays open for others, unless an answer is still to come, or it is a forked child's copy."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._waits or self._pid != os.getpid():
            connection.close()
        else:
            _idle(self._place, self._for_calls).append(connection)

    def __del__(self):
        try:
            self.close()
        except Exception:  # the interpreter is ending
            pass

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _idle(*use):
    """This thread's connections of a place, for calls or for requests, that nobody uses."""
    use += (os.getpid(),)
    idle = _lines.__dict__.setdefault("idle", {})
    if use not in idle:
        for other in [other for other, connections in idle.items() if not connections or connections[0].poll()]:
            del idle[other]  # of managers that are gone: there is nothing to be read but the end
        idle[use] = []
    return idle[use]


def _take(*use):
    """One of them, or None."""
    idle = _idle(*use)
    while idle:
        connection = idle.pop()
        if not connection.poll():
            return connection
    return None


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
    """prong.connection.Client, but to managers of this family by shared memory."""
    name = _of_members(os.path.basename(address)) if isinstance(address, str) else None
    if name is None:
        return _Client(address, family, authkey)
    place = address, authkey
    kept = _take(place, False)
    if kept is not None:
        return _Line(kept, place)
    connection = _open(int(name[1]), (int(name[2], 16), int(name[3], 16)), authkey)
    return _Client(address, family, authkey) if connection is None else _Line(connection, place)
