"""A started process, as Process sees it: by fork, spawn or forkserver, all through the core."""

import io
from multiprocessing.context import set_spawning_popen
from multiprocessing import util  # noqa: F401  (which joins the children when this interpreter ends)

from . import _core
from .child import flush_streams, run_copy

__all__ = ["Popen", "Spawning"]

METHODS = {"fork": 1, "spawn": 2, "forkserver": 3}
_NAME_MOST = 47  # bytes, in the core


def _given(value, found, depth=3):
    """Collects the connections in what a child is handed: arguments, attributes, and containers of them."""
    if type(value) is _core.Connection:
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
        from . import reduction, spawn
        stream = io.BytesIO()
        set_spawning_popen(self)
        try:
            reduction.dump(spawn.get_preparation_data(name, method), stream)
            reduction.dump(obj, stream)
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


class Popen(Spawning):
    """What started a process, and how it fares."""

    def __init__(self, process_obj, method):
        super().__init__()
        self.method = method
        self.returncode = None
        name = process_obj._name.encode("utf-8", "replace")[:_NAME_MOST].decode("utf-8", "ignore")
        daemon = bool(process_obj._config.get("daemon"))
        if method == "fork":
            self._core = _core.Process(METHODS[method], name, daemon, lambda: run_copy(process_obj), b"",
                                       _connections_for_fork(process_obj))
        else:
            flush_streams()
            payload = self.payload(process_obj._name, method, process_obj)
            self._core = _core.Process(METHODS[method], name, daemon, None, payload, self.connections)
        self.pid = self._core.pid
        self.sentinel = self._core.sentinel

    def poll(self, flag=0):
        """The exit code, or None while it runs."""
        if self.returncode is None:
            self.returncode = self._core.poll()
        return self.returncode

    def wait(self, timeout=None):
        """Waits for the end; the exit code, or None when timeout seconds have passed."""
        if self.returncode is None:
            self.returncode = self._core.wait(timeout)
        return self.returncode

    def _send_signal(self, number):
        if self.returncode is None:
            self._core.signal(number)

    def interrupt(self):
        """SIGINT."""
        self._send_signal(2)

    def terminate(self):
        """SIGTERM."""
        self._send_signal(15)

    def kill(self):
        """SIGKILL."""
        self._send_signal(9)

    def close(self):
        """Frees what the core keeps of a process that has ended."""
        self._core.close()
