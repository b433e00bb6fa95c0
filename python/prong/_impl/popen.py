"""Starting processes by fork, spawn or forkserver, all through the core."""

import atexit
import io
import itertools
import os
import sys
import threading
from multiprocessing import process
from multiprocessing.context import ProcessError, set_spawning_popen
from types import FunctionType

from .. import _core
from . import child, methods
from .child import flush_streams
from .compat import needs
from .inherited import forked

needs(atexit, os, process, threading)
__all__ = ["Spawning", "start_image", "started"]


def _given(value, found, depth=3):
    """Collects the connections in what a child is handed: arguments, attributes, and containers of them."""
    if type(value) is _core.PipeConnection:
        found.append(value)
    elif depth and type(value) in (tuple, list, set, frozenset):
        for item in value:
            _given(item, found, depth - 1)
    elif depth and type(value) is dict:
        for item in value.values():
            _given(item, found, depth - 1)
    elif depth and hasattr(value, "__dict__") and not isinstance(value, type):
        for item in vars(value).values():
            _given(item, found, depth - 1)


def _connections_for_fork(process_obj):
    """The ends that a forked child holds from its start.

    It is handed those in its arguments and attributes. Of pipes of which it is handed neither end it inherits both, as any
    copy of the parent would; of a pipe of which it is handed one end it does not keep the other open.
    """
    open_ones = _core._connections()
    if not open_ones:
        return []
    found = []
    _given(process_obj._args, found)
    _given(process_obj._kwargs, found)
    _given(vars(process_obj), found, 2)
    _given(getattr(getattr(process_obj, "_target", None), "__self__", None), found, 2)
    given = {connection._handle() for connection in found if not connection.closed}
    pipes = {(offset & ~1, generation) for offset, generation in given}
    for connection in open_ones:
        if not connection.closed:
            offset, generation = connection._handle()
            if (offset & ~1, generation) not in pipes:
                given.add((offset, generation))
    return list(given)


class Spawning:
    """Stands for a process being started, while what a new image reads is pickled."""

    def __init__(self):
        self.connections = []  # handles of those that it is to hold

    def payload(self, name, method, obj):
        """What an image needs before it can read obj, and obj."""
        from .. import spawn
        from .lookup import expect_images
        from .pickling import dump
        expect_images()
        stream = io.BytesIO()
        data = spawn.preparation_data(name, method)
        if method == "forkserver":  # before all else: it takes the longest
            spawn.start_server()
        if not getattr(obj, "imports_main", True):
            data.pop("init_main_from_path", None)
            data.pop("init_main_from_name", None)
        if method == "forkserver":  # whose own are those of its start
            own = getattr(obj, "_env", None)
            data["prong_environment"] = dict(os.environ._data) if own is None else own
            data["prong_umask"] = spawn.current_umask()
        set_spawning_popen(self)
        try:
            for what in data, obj:
                dump(what, stream, self.connections)
        finally:
            set_spawning_popen(None)
        spawn.set_program()
        return stream.getvalue()

    def duplicate_for_child(self, fd):
        """A descriptor that an object being pickled wants its copy in the child to have."""
        return fd

    def DupFd(self, fd):
        """The same, as what is pickled."""
        from multiprocessing.resource_sharer import DupFd
        return DupFd(fd)


def started(method, start, *arguments):
    """What start, a type of the core's, makes of its arguments; an error of the fork server's start is explained."""
    try:
        return start(*arguments)
    except ProcessError as error:
        if method == "forkserver":
            from ..forkserver import explain
            explain(error)
        raise


def start_image(process_obj, method):
    """Starts a process by spawn or the fork server."""
    flush_streams()
    spawning = Spawning()
    payload = spawning.payload(process_obj._name, method, process_obj)
    environment = getattr(process_obj, "_env", None)
    if environment is not None:
        environment = [name + b"=" + value for name, value in environment.items()]
    return started(method, _core.Popen, methods.NUMBERS[method], process_obj, payload, spawning.connections,
                   environment if method == "spawn" else None)


# ------------------------------------------------ what fork.c calls ------------------------------------------------


def _calls(function, name):
    return function is not None and name in function.__code__.co_names


def _shorten_after_fork():
    """A child of a program with one thread has none of other threads' locks to set free, so threading need not look for them: to look
    costs the copies of a hundred pages, a quarter of what a fork costs. With other threads all is as it was, and in versions that have
    not been looked at."""
    if sys.version_info >= (3, 14):
        return
    hook = threading._after_fork
    whole = FunctionType(hook.__code__, hook.__globals__, hook.__name__, hook.__defaults__)
    tells_id = _calls(getattr(threading.Thread, "_after_fork", None), "_set_native_id")  # later patch releases of 3.13

    def look(is_alone=_core._is_alone, whole=whole, tells_id=tells_id):
        if not is_alone():
            whole()
        elif tells_id:
            current_thread()._set_native_id()  # noqa: F821  (the globals are threading's)

    hook.__code__, hook.__defaults__ = look.__code__, look.__defaults__


@atexit.register
def _join_children():
    """As multiprocessing.util does at the interpreter's end; it takes long to import, and only programs that leave children need it."""
    if process._children:
        from multiprocessing import util
        needs(util)._exit_function()


_core._set_fork(process.BaseProcess, vars(process), vars(threading), vars(methods.default),
                methods.contexts["fork"], child.Parent, child.stdin, itertools.count,
                child.unpatched("_bootstrap"), child.unpatched("run"), child.run_fork, child.forget, child.finalize,
                child.failed, _connections_for_fork, forked,
                atexit._clear, atexit.register, atexit._run_exitfuncs)
_shorten_after_fork()
