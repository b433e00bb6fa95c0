"""Pickling between processes: ForkingPickler and its reducers, as multiprocessing's; and descriptors sent over prong's connections."""

import multiprocessing.reduction as _std

from . import _core
from ._impl import pickling  # noqa: F401  (which registers prong's own reducers)
from ._impl.mirror import mirror

mirror(_std, globals())
__all__ = _std.__all__
HAVE_SEND_HANDLE = True
_send_over_socket, _receive_over_socket = _std.send_handle, _std.recv_handle  # before install() puts ours there


def send_handle(conn, handle, destination_pid):
    """Sends a descriptor over a connection: a socket's, as multiprocessing does, or a prong pipe's."""
    if isinstance(conn, _core.PipeConnection):
        from multiprocessing.resource_sharer import DupFd as share
        conn.send(share(handle))
    else:
        _send_over_socket(conn, handle, destination_pid)


def recv_handle(conn):
    """Receives what send_handle sent."""
    if isinstance(conn, _core.PipeConnection):
        return conn.recv().detach()
    return _receive_over_socket(conn)
