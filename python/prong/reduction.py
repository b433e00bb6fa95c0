"""Pickling between processes: ForkingPickler and its reducers, as multiprocessing's, and prong's connections."""

import copyreg
import multiprocessing.reduction as _std
from multiprocessing.context import get_spawning_popen

from . import _core
from ._mirror import mirror
from .handles import reduced

mirror(_std, globals())
__all__ = _std.__all__
HAVE_SEND_HANDLE = True
_send_over_socket, _receive_over_socket = _std.send_handle, _std.recv_handle  # before install() puts ours there


def _reduce_connection(connection):
    popen = get_spawning_popen()
    if popen is None:
        return reduced("connection", _core._post(connection), _core._connect, connection.readable, connection.writable, True)
    handle = connection._handle()
    popen.connections.append(handle)
    return reduced("connection", handle, _core._connect, connection.readable, connection.writable, False)


_std.register(_core.Connection, _reduce_connection)
_core._configure(copyreg.dispatch_table, _std.ForkingPickler._extra_reducers, None)


def send_handle(conn, handle, destination_pid):
    """Sends a descriptor over a connection: a socket's, as multiprocessing does, or a prong pipe's."""
    if isinstance(conn, _core.Connection):
        from multiprocessing.resource_sharer import DupFd as share
        conn.send(share(handle))
    else:
        _send_over_socket(conn, handle, destination_pid)


def recv_handle(conn):
    """Receives what send_handle sent."""
    if isinstance(conn, _core.Connection):
        return conn.recv().detach()
    return _receive_over_socket(conn)
