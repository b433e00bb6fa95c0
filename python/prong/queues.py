"""Queue, JoinableQueue and SimpleQueue. An item is in shared memory when put returns."""

import functools
import os
import sys
import threading
import types
import warnings
from queue import Empty as Empty
from queue import Full as Full

from . import _core
from ._impl import pickling  # noqa: F401  (before children are forked that would import it, each of them)
from ._impl.compat import needs
from ._impl.handles import reduced, restorers
from ._impl.mirror import original, public
from .errors import OwnerDiedWarning
from .synchronize import _may_travel

__all__ = ["Queue", "SimpleQueue", "JoinableQueue"]
__dir__ = public(__name__)


def _is_executors_thread():
    """Whether this thread manages the workers of a standard library's executor, which polls descriptors, must not be kept waiting by one
    of them, and takes None for no result."""
    module = sys.modules.get("concurrent.futures.process")
    return module is not None and isinstance(threading.current_thread(), needs(module)._ExecutorManagerThread)


class _End:
    """What programs that know multiprocessing's inside use: a queue's _reader or _writer, as a connection."""

    def __init__(self, queue, reads):
        self._prong_queue, self.readable, self.writable = queue, reads, not reads

    @property
    def closed(self):
        return self._prong_queue._reader_closed if self.readable else self._prong_queue._writer_closed

    def _open_queue(self):
        if self.closed:
            raise OSError("handle is closed")
        return self._prong_queue

    def fileno(self):
        return self._open_queue().fileno()

    def recv(self):
        queue = self._open_queue()
        if not _is_executors_thread():
            return queue._take(None)
        try:
            return queue._take(0)
        except Empty:  # the descriptor it has polled may be readable for a moment longer than there is something
            return None

    def recv_bytes(self):
        return _core.dumps(self.recv())

    def poll(self, timeout=0.0):
        from .connection import wait
        queue = self._open_queue()
        return not queue.empty() or bool(wait([queue], timeout)) and not queue.empty()

    def send(self, obj):
        self._open_queue()._give(obj)

    def send_bytes(self, data):
        self._open_queue()._give(_core.loads(data))

    def close(self):
        """This process gets, or puts, no more."""
        if self.readable:
            self._prong_queue._reader_closed = True
        else:
            self._prong_queue._writer_closed = True


# What a class defines that has the messages pass through a pipe, or the queue handed to others, in its own way.
_INSIDE = {"_feed", "_start_thread", "_finalize_join", "_finalize_close", "_reset", "_after_fork", "_make_methods", "__getstate__",
           "__setstate__"}


class _QueueType(type):
    """The type of the classes here. A subclass that defines what only multiprocessing's queues have inside them is made a subclass of
    multiprocessing's: such is one for the processes of a third party's context, which are not of the family."""

    def __new__(mcs, name, bases, namespace, **options):
        if _INSIDE.isdisjoint(namespace):
            return super().__new__(mcs, name, bases, namespace, **options)
        import multiprocessing.queues
        theirs = (original(base, multiprocessing.queues) if type(base) is mcs else base for base in bases)
        return types.new_class(name, tuple(theirs), options, lambda body: body.update(namespace))


class _Base(_core.Queue, metaclass=_QueueType):
    """What all three have in common."""

    def _give(self, obj):
        _core.Queue.put(self, obj)

    def _take(self, timeout):
        return _core.Queue.get(self, True, timeout)

    # What programs that know multiprocessing's inside look for: the ends, which they may set to wrappers of them.

    @functools.cached_property
    def _reader(self):
        return _End(self, True)

    @functools.cached_property
    def _writer(self):
        return _End(self, False)

    @property
    def _poll(self):
        return self._reader.poll

    def _close_ends(self):
        self._reader_closed = self._writer_closed = True

    def __reduce__(self):
        _may_travel(self)
        return reduced("queue", self._handle(), _restore, type(self), self._state())

    _travels = ()  # what goes along of its attributes: as in multiprocessing, not a subclass's own

    def _state(self):
        return {name: self.__dict__[name] for name in self._travels}

    @classmethod
    def __class_getitem__(cls, item):
        return types.GenericAlias(cls, item)


def _restore(handle, cls, state):
    queue = cls.__new__(cls)
    _core.Queue.__init__(queue, handle=handle)
    queue.__dict__.update(state)
    queue._restored()
    return queue


TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    import multiprocessing.queues as _std
    from collections.abc import Iterable
    from typing import Any, Generic, TypeVar

    _T = TypeVar("_T")

    # At runtime the core's alone: to annotations they are multiprocessing's, with what is new.
    class _New(_core.Queue, Generic[_T]):
        def put_many(self, items: "Iterable[_T]", timeout: "float | None" = None) -> int: ...
        def _close_ends(self) -> None: ...
        def get_many(self, most: int = 1000, timeout: "float | None" = None) -> "list[_T]": ...

    class _BaseQueue(_std.Queue[_T], _New[_T]):  # type: ignore[misc]
        """A queue."""

        def put_nowait(self, obj: _T) -> None: ...  # type: ignore[override]

    class _BaseSimpleQueue(_std.SimpleQueue[_T], _New[_T]):  # type: ignore[misc]
        """A simple queue."""

    _AsJoinable = _std.JoinableQueue
else:
    _T, _BaseQueue, _BaseSimpleQueue, _AsJoinable = None, _Base, _Base, _Base


@_core._own_methods
class Queue(_BaseQueue[_T]):
    """Queue(maxsize=0): for any number of putters and getters.

    maxbytes: how many bytes of pickles it holds, after which a put waits; 0: no limit. What is longer alone is put when it is empty.
    strict: what cannot be pickled is raised by put; else _on_queue_feeder_error is called, as in multiprocessing.
    """

    _joinable = False
    _buffer, _thread = (), None  # nothing waits to be fed by a thread, which programs that know multiprocessing's inside ask
    _travels = ("_maxsize", "_strict", "_opid")

    def __init__(self, maxsize: int = 0, *, ctx: "Any" = None, strict: bool = False, maxbytes: int = 0) -> None:
        if maxsize <= 0:
            maxsize = 2**31 - 1
        self._maxsize, self._strict = maxsize, strict
        _core.Queue.__init__(self, maxsize if maxsize < 2**31 - 1 else 0, self._joinable, maxbytes)
        self._opid = os.getpid()
        self._restored()

    def _restored(self):
        self._ignore_epipe = False
        self._reports = not self._strict

    @staticmethod
    def _on_queue_feeder_error(e: Exception, obj: "Any") -> None:
        """Called with what could not be pickled, and why. Prints the traceback; to be overridden."""
        import traceback
        traceback.print_exc()

    def close(self) -> None:
        """This process puts and gets no more. If it has put something, empty() is an OSError from then on, as multiprocessing's."""
        self._closed = True
        if self._has_put:
            self._close_ends()

    def _terminate_broken(self):
        """Called by the standard library's executor, of which a worker has died: nobody will put or get."""
        self._close_ends()
        self.close()
        self.join_thread()

    def join_thread(self) -> None:
        """There is no thread: what was put is in shared memory. AssertionError unless closed."""
        assert self._closed, "Queue {0!r} not closed".format(self)

    def cancel_join_thread(self) -> None:
        """There is no thread to wait for."""

    def shutdown(self) -> None:
        """Nothing more goes in, for any process; getters take what is left, then get OSError."""
        self._shutdown()


@_core._own_methods
class JoinableQueue(Queue[_T], _AsJoinable[_T]):
    """A queue that counts what is put and what is done."""

    _joinable = True

    def task_done(self) -> None:
        """One item is dealt with. ValueError when called more often than items were put."""
        self._task_done()

    def join(self, timeout: "float | None" = None) -> bool:  # type: ignore[override]
        """Waits until all that was put is done; False when timeout seconds have passed. What a process had taken when it
        died counts as done, with a warning."""
        result = self._join(timeout)
        if isinstance(result, str):
            warnings.warn(result, OwnerDiedWarning, stacklevel=2)
        return bool(result)


class SimpleQueue(_BaseSimpleQueue[_T]):
    """A queue with put, get and empty."""

    def __init__(self, *, ctx: "Any" = None) -> None:
        _core.Queue.__init__(self)

    def _restored(self):
        pass

    def put(self, obj: "_T") -> None:  # type: ignore[override]
        """Puts a copy; what cannot be pickled is raised."""
        _core.Queue.put(self, obj)

    def get(self) -> "_T":  # type: ignore[override]
        """Takes the oldest; waits for one."""
        return _core.Queue.get(self)

    def close(self) -> None:
        """This process puts and gets no more."""
        self._close_ends()


restorers["queue"] = _restore, JoinableQueue, {"_maxsize": 2**31 - 1, "_strict": True, "_opid": 0}
