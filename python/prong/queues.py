"""Queue, JoinableQueue and SimpleQueue. An item is in shared memory when put returns."""

import os
import warnings
from queue import Empty, Full  # noqa: F401

from . import _core
from . import pickling  # noqa: F401  (before children are forked that would import it, each of them)
from .errors import OwnerDiedWarning
from .handles import reduced
from .synchronize import _may_travel

__all__ = ["Queue", "SimpleQueue", "JoinableQueue"]


class _End:
    """What programs that know multiprocessing's inside use: a queue's _reader or _writer, as a connection."""

    def __init__(self, queue, reads):
        self._prong_queue, self._reads = queue, reads
        self.closed = False

    def fileno(self):
        return self._prong_queue.fileno()

    def recv(self):
        return self._prong_queue._take(None)

    def recv_bytes(self):
        return _core.dumps(self.recv())

    def poll(self, timeout=0.0):
        from .connection import wait
        return not self._prong_queue.empty() or bool(wait([self], timeout)) and not self._prong_queue.empty()

    def send(self, obj):
        self._prong_queue._give(obj)

    def send_bytes(self, data):
        self._prong_queue._give(_core.loads(data))

    def close(self):
        self.closed = True

    @property
    def readable(self):
        return self._reads

    @property
    def writable(self):
        return not self._reads


class _Base(_core.Queue):
    """What all three have in common."""

    def _give(self, obj):
        _core.Queue.put(self, obj)

    def _take(self, timeout):
        return _core.Queue.get(self, True, timeout)

    @property
    def _reader(self):
        return self.__dict__.setdefault("_reader_end", _End(self, True))

    @property
    def _writer(self):
        return self.__dict__.setdefault("_writer_end", _End(self, False))

    def __reduce__(self):
        _may_travel(self)
        return reduced("queue", self._handle(), _restore, type(self), self._state())

    _travels = ()  # what goes along of its attributes: as in multiprocessing, not a subclass's own

    def _state(self):
        return {name: self.__dict__[name] for name in self._travels}

    @classmethod
    def __class_getitem__(cls, item):
        import types
        return types.GenericAlias(cls, item)


def _restore(handle, cls, state):
    queue = cls.__new__(cls)
    _core.Queue.__init__(queue, handle=handle)
    queue.__dict__.update(state)
    queue._restored()
    return queue


class Queue(_Base):
    """Queue(maxsize=0): for any number of putters and getters.

    strict: what cannot be pickled is raised by put; else _on_queue_feeder_error is called, as in multiprocessing.
    """

    _joinable = False
    _travels = ("_maxsize", "_strict", "_opid")

    def __init__(self, maxsize=0, *, ctx=None, strict=False):
        if maxsize <= 0:
            maxsize = 2**31 - 1
        self._maxsize, self._strict = maxsize, strict
        _core.Queue.__init__(self, maxsize if maxsize < 2**31 - 1 else 0, self._joinable)
        self._opid = os.getpid()
        self._restored()

    def _restored(self):
        self._ignore_epipe = False
        self._reports = not self._strict

    @staticmethod
    def _on_queue_feeder_error(e, obj):
        """Called with what could not be pickled, and why. Prints the traceback; to be overridden."""
        import traceback
        traceback.print_exc()

    def close(self):
        """This process puts and gets no more."""
        self._closed = True
        for end in (self.__dict__.get("_reader_end"), self.__dict__.get("_writer_end")):
            if end is not None:
                end.close()

    def join_thread(self):
        """There is no thread: what was put is in shared memory. AssertionError unless closed."""
        assert self._closed, "Queue {0!r} not closed".format(self)

    def cancel_join_thread(self):
        """There is no thread to wait for."""

    def shutdown(self):
        """Nothing more goes in, for any process; getters take what is left, then get OSError."""
        self._shutdown()


class JoinableQueue(Queue):
    """A queue that counts what is put and what is done."""

    _joinable = True

    def task_done(self):
        """One item is dealt with. ValueError when called more often than items were put."""
        self._task_done()

    def join(self, timeout=None):
        """Waits until all that was put is done; False when timeout seconds have passed. What a process had taken when it
        died counts as done, with a warning."""
        result = self._join(timeout)
        if isinstance(result, str):
            warnings.warn(result, OwnerDiedWarning, stacklevel=2)
        return bool(result)


class SimpleQueue(_Base):
    """A queue with put, get and empty."""

    def __init__(self, *, ctx=None):
        _core.Queue.__init__(self)

    def _restored(self):
        pass

    def put(self, obj):
        """Puts a copy; what cannot be pickled is raised."""
        _core.Queue.put(self, obj)

    def get(self):
        """Takes the oldest; waits for one."""
        return _core.Queue.get(self)

    def close(self):
        """This process puts and gets no more."""
        self._closed = True
        self._reader.close()
        self._writer.close()
