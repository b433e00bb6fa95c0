"""How the core pickles what is not plain: by what is registered with copyreg and with multiprocessing's ForkingPickler, and with prong's
own reducers. ForkingPickler's module is imported when somebody uses it, or when there may be a socket, which needs it."""

import copyreg
import sys
from multiprocessing.context import assert_spawning, get_spawning_popen

from .. import _core
from .compat import needs
from .handles import reduced
from .later import later

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from typing import Any

_REDUCTION = "multiprocessing.reduction"
_PROTOCOL = 5


def _reduce_end(connection):
    popen = get_spawning_popen()
    if popen is None:
        return reduced("connection", _core._post(connection), _core._connect, connection.readable, connection.writable, True)
    handle = connection._handle()
    popen.connections.append(handle)
    return reduced("connection", handle, _core._connect, connection.readable, connection.writable, False)


def rebuild_connection(shared: "Any", readable: bool, writable: bool) -> "_core.Connection":
    """The connection that reduce_connection took apart, in the process that gets it."""
    return _core.Connection(shared.detach(), readable, writable)


def reduce_connection(connection: "_core.Connection") -> "tuple[Any, ...]":
    """How a connection over a descriptor is pickled: the descriptor is handed on."""
    from multiprocessing.reduction import DupFd
    return rebuild_connection, (DupFd(connection.fileno()), connection.readable, connection.writable)


def _reduce_for_others(connection):
    """For a pickler that is no ForkingPickler: a third party's, for a process that it starts."""
    assert_spawning(connection)
    return reduce_connection(connection)


_ours = {_core.PipeConnection: _reduce_end, _core.Connection: reduce_connection}


def _join(reduction):
    """From now on its table is ours."""
    for type_, reduce in _ours.items():
        reduction.register(type_, reduce)
    _core._set_reducers(copyreg.dispatch_table, needs(reduction).ForkingPickler._extra_reducers, None)


def _complete():
    """Called before each message that is pickled, until our table is ForkingPickler's."""
    if "socket" in sys.modules:
        _ = sys.modules[_REDUCTION].ForkingPickler



def dump_by_value(first, obj, file, extra, buffer_callback=None):
    """Pickles the object, with functions and classes by value where that is needed. first: the exception that told of the first."""
    try:
        from . import travel
    except ImportError as error:
        from .stuck import without_cloudpickle
        raise without_cloudpickle(first, error) from error
    travel.dump(obj, file, _PROTOCOL, extra, buffer_callback)


def dump(obj, file, connections):
    """Pickles into the file, for a new image; the handles of connections in it are appended to the list."""
    from io import BytesIO
    from multiprocessing import reduction

    from .lookup import ByValue, check

    def reduce(part):
        check(part)
        return NotImplemented

    made, before = BytesIO(), len(connections)
    pickler = reduction.ForkingPickler(made)
    pickler.reducer_override = reduce
    first = None
    try:
        pickler.dump(obj)
    except ByValue as error:
        first = error
    if first is not None:
        made = BytesIO()
        del connections[before:]
        dump_by_value(first, obj, made, reduction.ForkingPickler._extra_reducers)
    file.write(made.getbuffer())


copyreg.pickle(_core.Connection, _reduce_for_others)
_core._set_reducers(copyreg.dispatch_table, _ours, _complete)
later(_REDUCTION, _join)
