"""How members of the family reach a manager: by pipes in shared memory, one a thread for requests, one for its proxies' calls.

Others reach it by its address, as ever. The address tells a member of the manager's family the queue in which it leaves its
end of a new pipe: it is the name of the socket.
"""

import os
import re
import threading
from collections import namedtuple
from multiprocessing import managers, process, util
from multiprocessing.context import AuthenticationError

from .. import _core
from ..connection import Client as _Client
from ..connection import wait
from .handles import Handle

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


def _name_of(queue):
    offset, generation = queue._handle()
    return f"prong-{os.getpid()}-{offset:x}-{generation:x}"


def new_path(queue):
    """A manager's socket that tells members the queue."""
    return os.path.join(util.get_temp_dir(), _name_of(queue))


def new_name(queue):
    """The same as an abstract name, for which no directory is needed."""
    return "\0" + _name_of(queue)


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


# ------------------------------------------------ callers ------------------------------------------------

_IDENT = re.compile(r"(.*)\|prong-([0-9a-f]{16})", re.DOTALL)  # after the name that a client has for people


def _new_ident():
    return os.urandom(8).hex()


def _introduction(ident):
    """The request by which a client begins its calls."""
    name, thread = process.current_process().name, threading.current_thread().name
    if thread != "MainThread":
        name += "|" + thread
    return None, "accept_connection", (f"{name}|prong-{ident}",)


def ident_of(name):
    """The name that a client introduced itself by, without the ident, and the ident; another's has none."""
    match = _IDENT.fullmatch(name)
    return match.groups() if match else (name, _new_ident())


# ------------------------------------------------ the member's side ------------------------------------------------

_of_members = re.compile(r"prong-(\d+)-([0-9a-f]+)-([0-9a-f]+)").fullmatch
_lines = util.ForkAwareLocal()  # .idle: {(place, for calls): connections}; a place is what connect() is given


class _Line:
    """A connection to a manager, as proxies use it: for a request; or, when the manager was told to accept_connection, for the calls
    of a thread, which is its client then.

    When an answer was not waited for to its end, because a signal's handler raised, the next request goes by a new connection: by
    the old one that answer would be taken for its own. A client has the same ident on both, so that it keeps its locks. A handler
    that calls the manager while the line waits for an answer does so by another line.
    """

    __slots__ = ("_connection", "_place", "_client", "_waits", "_receives", "_within", "_pid")

    def __init__(self, connection, place):
        self._connection, self._place = connection, place
        self._client = None  # or its ident
        self._waits = False  # for an answer: from before the request to after the answer
        self._receives = False  # is within recv()
        self._within = None  # the line of a call within that
        self._pid = os.getpid()

    def send(self, request):
        """As a connection's."""
        if self._receives and self._pid == os.getpid():
            self._send_within(request)
            return
        if self._waits or self._pid != os.getpid():
            self._renew()
        self._waits = True
        if self._client is None and request[:2] == (None, "accept_connection"):
            self._client = _new_ident()
            request = *_introduction(self._client), {}
        self._connection.send(request)

    def _send_within(self, request):
        within = connect(*self._place)
        if self._client is not None:
            managers.dispatch(within, None, "accept_connection")
        within.send(request)
        self._within = within

    def _renew(self):
        """A child that the program forked by itself is another client."""
        fresh = connect(*self._place)
        fresh._waits = True
        if self._client is not None:
            client = self._client if self._pid == os.getpid() else _new_ident()
            managers.dispatch(fresh._connection, *_introduction(client))
            self._client = client
        self._connection, fresh._connection = fresh._connection, self._connection
        self._waits = self._receives = False
        self._within, self._pid = None, os.getpid()
        fresh.close()

    def recv(self):
        """As a connection's."""
        within, self._within = self._within, None
        if within is not None:
            return within.recv()
        if not self._waits:
            raise OSError("a signal's handler called the manager between this call's request and its answer")
        self._receives = True
        try:
            answer = self._connection.recv()
        finally:
            self._receives = False
        self._waits = False
        return self._iterator(*answer[1]) if answer[0] == "#PROXY" and answer[1][1].typeid == "Iterator" else answer

    def _iterator(self, exposed, token):
        """A proxy that needs no manager object, which a proxy has not that was unpickled, or forked."""
        token.address, key = self._place[0], self._place[-1]
        proxy = managers.IteratorProxy(token, "pickle", authkey=key, exposed=exposed)
        managers.dispatch(connect(*self._place), None, "decref", (token.id,))
        return "#RETURN", proxy

    def close(self):
        """As a connection's."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __del__(self):
        try:
            self.close()
        except Exception:  # the interpreter is ending
            pass

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


class _MemberLine(_Line):
    """A line to a manager of the family, whose connection stays open for others, of the same use, when it is closed."""

    __slots__ = ("_accepted",)

    def __init__(self, connection, place):
        super().__init__(connection, place)
        self._accepted = False

    def send(self, request):
        """As a connection's."""
        if self._client is None and request[:2] == (None, "accept_connection") and self._change_for_calls():
            self._accepted = self._waits = True
        else:
            super().send(request)

    def _change_for_calls(self):
        """Whether there was a connection of which the manager has been told before."""
        connection, ident = _take(self._place, True)
        if connection is None:
            return False
        former = self._connection
        self._connection, self._client = connection, ident
        _idle(self._place, False).append((former, None))
        return True

    def _renew(self):
        super()._renew()
        self._accepted = False

    def recv(self):
        """As a connection's."""
        if not self._accepted:
            return super().recv()
        self._accepted = self._waits = False
        return "#RETURN", None

    def close(self):
        """As a connection's; but others may have it, unless an answer is still to come, or it is a forked child's copy."""
        if self._waits or self._pid != os.getpid():
            super().close()
        elif self._connection is not None:
            connection, self._connection = self._connection, None
            _idle(self._place, self._client is not None).append((connection, self._client))


def _idle(*use):
    """This thread's connections of a place, for calls or for requests, that nobody uses, each with its client's ident."""
    use += (os.getpid(),)
    idle = _lines.__dict__.setdefault("idle", {})
    if use not in idle:
        for other in [other for other, connections in idle.items() if not connections or connections[0][0].poll()]:
            del idle[other]  # of managers that are gone: there is nothing to be read but the end
        idle[use] = []
    return idle[use]


def _take(*use):
    """One of them, and its client's ident; None, None."""
    idle = _idle(*use)
    while idle:
        connection, ident = idle.pop()
        if not connection.poll():
            return connection, ident
    return None, None


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
    if pid == os.getpid():
        ours.other = theirs  # closed as late as this: it is this process, which may have accepted it by now, that would close it
    else:
        theirs.close()
    while not ours.poll(_LOOK_EVERY):
        if not _core._is_member(pid):
            raise ConnectionRefusedError(f"the manager, process {pid}, is gone")
    if ours.recv_bytes() != _WELCOME:
        raise AuthenticationError("digest sent was rejected")
    return ours


def _queue_at(address):
    """The match of a name that tells a queue; None: the address is another's."""
    if not isinstance(address, (str, bytes)):
        return None
    return _of_members(os.path.basename(os.fsdecode(address)).lstrip("\0"))


def connect(address, family=None, authkey=None):
    """A line to a manager: to one of this family by shared memory, to others as prong.connection.Client."""
    name = _queue_at(address)
    place = address, family, authkey
    if name is not None:
        connection, _ = _take(place, False)
        if connection is None:
            connection = _open(int(name[1]), (int(name[2], 16), int(name[3], 16)), authkey)
        if connection is not None:
            return _MemberLine(connection, place)
    return _Line(_Client(address, family, authkey), place)
