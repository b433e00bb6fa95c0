"""Pipes, waiting for many, and connections between programs and computers, of which none waits forever where it is told not
to. What goes over a socket is as multiprocessing's: the other side may be any Python's."""

import collections
import multiprocessing.connection as _std
import os
import re
import socket
import struct
import sys
import threading
import time
from multiprocessing.context import AuthenticationError, TimeoutError

from . import _core
from ._impl import pickling  # before children are forked that would import it, each of them
from ._impl.compat import needs
from ._impl.mirror import mirror, public

needs(_std)
__all__ = mirror(_std, globals())
__dir__ = public(__name__)
_Listener = _std.Listener

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.connection import answer_challenge, deliver_challenge  # noqa: F401
    from typing import Any, TypeVar, final

    _T = TypeVar("_T")

    # At runtime a class of its own, with all that multiprocessing's has: to annotations it is one of those.
    class Connection(_std.Connection):
        """A connection over a descriptor."""

    @final
    class PipeConnection(Connection):
        """An end of a Pipe."""

    def Pipe(duplex: bool = True) -> tuple[PipeConnection, PipeConnection]: ...
else:
    Connection, PipeConnection, Pipe = _core.Connection, _core.PipeConnection, _core.Pipe
rebuild_connection, reduce_connection = pickling.rebuild_connection, pickling.reduce_connection


def wait(object_list: "Iterable[_T]", timeout: "float | None" = None) -> "list[_T]":
    """Those of connections, sockets, descriptors and objects with a fileno() that are ready; waits for one of them, up to
    timeout seconds (None: forever)."""
    return _core.wait(object_list, timeout)


# ------------------------------------------------ handshakes ------------------------------------------------


_EMPTY_IS_A_KEY = sys.version_info >= (3, 13)


# The challenges that this process has outstanding, on each side. One that comes back on another connection of the same side is
# not answered: its sender does not know the key and lets this process answer itself. (A challenge of the other side is answered:
# a program may connect to itself.) Only single operations of sets are used, which need no lock, and none after a fork.
_outstanding: "dict[Any, set[bytes | None]]" = {_std.answer_challenge: set(), _std.deliver_challenge: set()}  # by what the side does first
_LENGTH = struct.Struct("!i")  # of a message, before it
_CREDENTIALS = struct.Struct("iII")  # of a peer: its pid, user and group
_CHALLENGE, _NONCE = b"#CHALLENGE#", re.compile(rb"(?:\{\w+\})?(.*)", re.DOTALL)


def _nonce_of(message):
    """The random part of a challenge, without a digest's name before it; None when the message is none."""
    return _NONCE.fullmatch(message, len(_CHALLENGE))[1] if message.startswith(_CHALLENGE) else None


class _Handshake:
    """A connection for a handshake that is to be over by the time `end`, if that is not None."""

    def __init__(self, connection, outstanding, end):
        self._connection, self._outstanding, self._end = connection, outstanding, end
        self._asked = None

    def send_bytes(self, message):
        """As the connection's."""
        nonce = _nonce_of(message)
        if nonce is not None:
            self._asked = nonce
            self._outstanding.add(nonce)
        self._connection.send_bytes(message)

    def recv_bytes(self, maxlength):
        """As the connection's, which would wait for the rest of a message without end."""
        size, = _LENGTH.unpack(self._read(_LENGTH.size))
        if not 0 <= size <= maxlength:
            raise OSError("bad message length")
        message = self._read(size)
        if _nonce_of(message) in self._outstanding:
            raise AuthenticationError("the peer challenges with a challenge of this process's own, made on another connection "
                                      "(reflection: it does not know the authkey)")
        return message

    def _read(self, size):
        data = b""
        while len(data) < size:
            if not self._connection.poll(None if self._end is None else max(self._end - time.monotonic(), 0)):
                raise AuthenticationError("the peer did not finish the handshake in the time given")
            more = os.read(self._connection.fileno(), size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def end(self):
        """Nothing that comes later can be an answer."""
        self._outstanding.discard(self._asked)


def _shake_hands(connection, authkey, first, second, end):
    """Both prove that they have the key; closes the connection, and raises, where they do not."""
    handshake = _Handshake(connection, _outstanding[first], end)
    try:
        first(handshake, authkey)
        second(handshake, authkey)
    except BaseException:
        connection.close()
        raise
    finally:
        handshake.end()


class Listener(_Listener):
    """Listener(address=None, family=None, backlog=1, authkey=None, *, handshake_timeout=10): where clients connect.

    With a key, a client has handshake_timeout seconds for its handshake, in which it blocks no other client.
    """

    _AT_A_TIME = 64  # handshakes
    _listener: "Any"  # multiprocessing's; None: closed

    def __init__(
        self,
        address: "str | tuple[str, int] | None" = None,
        family: "str | None" = None,
        backlog: int = 1,
        authkey: "bytes | None" = None,
        *,
        handshake_timeout: float = 10,
    ) -> None:
        self._pipe = ()
        self._is_private = False  # only for processes of this user
        try:
            super().__init__(address, family, backlog, authkey)
        except OSError:
            if address is not None or family not in (None, "AF_UNIX"):
                raise
            self._is_private = True  # as in the directory of its own that there is no place for
            super().__init__(f"\0prong-listener-{os.getpid()}-{os.urandom(8).hex()}", family, backlog, authkey)
        self._handshake_timeout = handshake_timeout
        self._listener._socket.setblocking(False)
        self._begin_anew()

    def _begin_anew(self):
        """Without handshakes; of those of the process that forked this one nothing is known here."""
        self._pid = os.getpid()
        self._close_pipe()
        self._ended = collections.deque()  # of handshakes: the connection, where from, and the error, if any
        self._under_way = 0

    def accept(self, timeout: "float | None" = None) -> Connection:
        """A connection to the next client. TimeoutError when timeout seconds have passed; what a handshake raises."""
        if not isinstance(self, Listener):  # XmlListener's own way to accept, after install()
            return _Listener.accept(self)
        end = None if timeout is None else time.monotonic() + timeout
        if self._pid != os.getpid():
            self._begin_anew()
        while True:
            if self._listener is None:
                raise OSError("listener is closed")
            if not wait(self._sources(), None if end is None else max(end - time.monotonic(), 0)):
                raise TimeoutError("no client connected in the time given")
            connection = self._next()
            if connection is not None:
                return connection

    def _sources(self):
        asks = self._under_way < self._AT_A_TIME
        return ([self._listener._socket] if asks else []) + list(self._pipe[:1])

    def _next(self):
        """A connection that is ready; None when there is none yet."""
        if self._pipe and self._ended:
            try:
                os.read(self._pipe[0], 1)
            except BlockingIOError:  # another thread has it
                return None
            connection, self._listener._last_accepted, error = self._ended.popleft()
            if error is not None:
                raise error
            return connection
        try:
            caller, self._listener._last_accepted = self._listener._socket.accept()
        except BlockingIOError:
            return None
        connection = _connection_of(caller)
        if self._is_private and not _is_of_this_user(connection):
            connection.close()
            return None
        if self._authkey is None or (not self._authkey and not _EMPTY_IS_A_KEY):
            return connection
        self._begin(connection)
        return None

    def _begin(self, connection):
        if not self._pipe:
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[0], False)
        self._under_way += 1
        threading.Thread(target=self._handshake, args=(connection, self._listener._last_accepted), daemon=True).start()

    def _handshake(self, connection, origin):
        error = None
        try:
            end = time.monotonic() + self._handshake_timeout
            _shake_hands(connection, self._authkey, _std.deliver_challenge, _std.answer_challenge, end)
        except Exception as raised:
            error = raised
        self._ended.append((connection, origin, error))
        self._under_way -= 1
        try:
            os.write(self._pipe[1], b"!")
        except (OSError, IndexError):  # closed meanwhile
            connection.close()

    def close(self):
        """No more clients; those whose handshake is not over are dropped."""
        super().close()
        self._close_pipe()

    def _close_pipe(self):
        pipe, self._pipe = self._pipe, ()
        for descriptor in pipe:
            os.close(descriptor)


def _is_of_this_user(connection):
    """Or of the superuser: who could use a socket in this user's directory."""
    with socket.socket(fileno=os.dup(connection.fileno())) as peer:
        _, user, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return user in (os.geteuid(), 0)


def _connection_of(caller):
    caller.setblocking(True)
    if caller.family != socket.AF_UNIX:
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a message goes at once, after others, too
    return Connection(caller.detach())


_LOOK_EVERY = 0.002  # seconds: nothing tells when a Unix socket has room for another client that waits to be accepted


def _dial(address, family, end):
    family = family or _std.address_type(address)
    _std._validate_family(family)
    while True:
        with socket.socket(getattr(socket, family)) as caller:
            try:
                caller.settimeout(None if end is None else max(end - time.monotonic(), 0.001))
                caller.connect(address)
                return _connection_of(caller)
            except (socket.timeout, BlockingIOError):
                if end is not None and time.monotonic() >= end:
                    raise TimeoutError(f"{address!r} did not answer in the time given") from None
        time.sleep(_LOOK_EVERY)


def Client(
    address: "str | tuple[str, int]",
    family: "str | None" = None,
    authkey: "bytes | None" = None,
    *,
    timeout: "float | None" = None,
) -> Connection:
    """A connection to the listener at an address. TimeoutError, or AuthenticationError for the handshake, when timeout seconds
    have passed."""
    end = None if timeout is None else time.monotonic() + timeout
    if authkey is not None and not isinstance(authkey, bytes):
        raise TypeError("authkey should be a byte string")
    connection = _dial(address, family, end)
    if authkey is not None:
        _shake_hands(connection, authkey, _std.answer_challenge, _std.deliver_challenge, end)
    return connection
