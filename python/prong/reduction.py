"""Pickling between processes: ForkingPickler and its reducers, as multiprocessing's; and descriptors sent over prong's connections."""

import multiprocessing.reduction as _std

from . import _core
from ._impl import pickling  # noqa: F401  (which registers prong's own reducers)
from ._impl.mirror import mirror, public

mirror(_std, globals())
TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from multiprocessing.reduction import AbstractReducer, DupFd, ForkingPickler, dump, register  # noqa: F401
    from typing import Any

    def __getattr__(name: str) -> Any: ...  # what it has beside its public names

__all__ = _std.__all__
__dir__ = public(__name__)
HAVE_SEND_HANDLE = True
_send_over_socket, _receive_over_socket = _std.send_handle, _std.recv_handle  # before install() puts ours there


def send_handle(conn: "Any", handle: int, destination_pid: int) -> None:
    """Sends a descriptor over a connection: a socket's, as multiprocessing does, or a prong pipe's."""
    if isinstance(conn, _core.PipeConnection):
        from multiprocessing.resource_sharer import DupFd as share
        conn.send(share(handle))
    else:
        _send_over_socket(conn, handle, destination_pid)


def recv_handle(conn: "Any") -> int:
    """Receives what send_handle sent."""
    if isinstance(conn, _core.PipeConnection):
        return conn.recv().detach()
    return _receive_over_socket(conn)
