"""Pipes, waiting for many, and connections between computers: Listener and Client are multiprocessing's."""

import multiprocessing.connection as _std

from . import _core, reduction  # noqa: F401  (reduction: how connections are pickled)
from ._mirror import mirror

__all__ = mirror(_std, globals())

PipeConnection = _core.Connection
Pipe = _core.Pipe


def wait(object_list, timeout=None):
    """Those of connections, sockets, descriptors and objects with a fileno() that are ready; waits for one of them, up to
    timeout seconds (None: for ever)."""
    return _core.wait(object_list, timeout)
