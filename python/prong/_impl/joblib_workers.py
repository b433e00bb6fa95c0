"""The workers of joblib's back end: a pool whose calls travel by value, and those that wait for the next call."""

import os
import pickle
import sys
import threading
import weakref
from functools import partial

try:
    import cloudpickle
except ImportError:
    from joblib.externals import cloudpickle

from .. import get_context
from ..heap import BufferWrapper
from ..pool import Pool
from .pool_worker import Setup

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    _Limits = tuple[tuple[str, str], ...]
    _Initial = tuple[Callable[..., object] | None, tuple[Any, ...]]

# ---------------------------------------------- calls and results as bytes ----------------------------------------------

_arrays = threading.local()  # in a worker, while a call is unpickled: its large arrays


class _Shared:
    """A copy of a large array in shared memory."""

    def __init__(self, array, writable):
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        self.memory = BufferWrapper(array.nbytes)
        self.form = array.dtype, array.shape, order, writable
        self.array()[...] = array

    def array(self):
        import numpy
        dtype, shape, order, _ = self.form
        return numpy.ndarray(shape, dtype, memoryview(self.memory), order=order)


def _array(index):
    shared = _arrays.all[index]
    array = shared.array()
    array.flags.writeable = shared.form[3]
    return array


class _Pickler(cloudpickle.Pickler):
    """Large arrays are taken out, and named by their places among the others."""

    def __init__(self, file, share):
        super().__init__(file, protocol=5)
        self.share, self.numpy, self.arrays = share, sys.modules.get("numpy"), []

    def reducer_override(self, obj):
        if self.numpy is not None and type(obj) is self.numpy.ndarray and self.share.takes(obj):
            self.arrays.append(self.share(obj))
            return _array, (len(self.arrays) - 1,)
        return super().reducer_override(obj)


class _Share:
    """The large arrays of one Parallel, each of which is copied once; nothing changes one meanwhile."""

    def __init__(self):
        self.copies, self.large, self.mode = {}, None, None

    def takes(self, array):
        return self.large is not None and array.nbytes > self.large and not array.dtype.hasobject

    def __call__(self, array):
        kept = self.copies.get(id(array))
        if kept is None or kept[0]() is not array:  # another one may have the number by now
            kept = self.copies[id(array)] = weakref.ref(array), _Shared(array, self.mode not in ("r", "c"))
        return kept[1]


def _loads(data, buffers=()):
    return pickle.loads(data, buffers=buffers)


class _Returned:
    """What a call returned, or raised, of a type that this process may not find by name."""

    def __init__(self, value, error=None, text=None):
        self.content = value, error, text

    def __reduce__(self):
        buffers = []
        try:
            data = pickle.dumps(self.content, 5, buffer_callback=buffers.append)
        except Exception:
            del buffers[:]
            data = cloudpickle.dumps(self.content, 5, buffer_callback=buffers.append)
        return _loads, (data, buffers)


def _call(data, arrays):
    """In a worker."""
    _arrays.all = arrays
    try:
        function = _loads(data)
    finally:
        del _arrays.all
    try:
        return _Returned(function())
    except Exception as error:
        if type(error).__module__ != "__main__":
            raise
        import traceback
        return _Returned(None, error, traceback.format_exc())


class _ByValue:
    """What is pickled by value with whatever has it."""

    def __init__(self, content):
        self.content = content

    def __reduce__(self):
        return _by_value, (cloudpickle.dumps(self.content, 5),)


def _by_value(data):
    return _ByValue(_loads(data))


# ---------------------------------------------- the pool ----------------------------------------------


class _Apart(Setup):
    """Of workers that do not need the main module: what they get of it comes by value."""

    imports_main = False


class _Pool(Pool):
    _setup_type = _Apart

    def _brings_hooks(self, context):
        return False


def _begin(limits, initial):
    """In a worker, first."""
    _limit(limits)
    initializer, arguments = initial.content
    if initializer is not None:
        initializer(*arguments)


def _limit(limits):
    """Sets the number of threads of BLAS and the like, also of such that a fork has brought."""
    os.environ.update(limits)
    if "numpy" in sys.modules and "OMP_NUM_THREADS" in limits:
        try:
            import threadpoolctl
            threadpoolctl.threadpool_limits(int(limits["OMP_NUM_THREADS"]))
        except (ImportError, ValueError):
            pass


class Workers:
    """The workers of one Parallel at a time. initial: (initializer, its arguments)."""

    def __init__(self, count: int, method: str, limits: "_Limits", initial: "_Initial") -> None:
        self.key = count, method, limits
        self.initial = initial
        self.pid = os.getpid()
        self._timer: threading.Timer | None = None
        self._share = _Share()
        self._pool = _Pool(count, _begin, (dict(limits), _ByValue(initial)), context=get_context(method))

    def are(self, key: "tuple[int, str, _Limits]", initial: "_Initial") -> bool:
        """Whether they are like that. Arguments are compared by identity: arrays, for one, cannot be by value."""
        mine, others = (entry[1] for entry in (self.initial, initial))
        return (self.key == key and self.initial[0] == initial[0] and len(mine) == len(others)
                and all(one is other for one, other in zip(mine, others)))

    def submit(
        self, function: "Callable[[], Any]", large: "int | None", mode: "str | None", callback: "Callable[[Any], object]"
    ) -> "Any":
        """Has a worker call it. What result() takes is what callback is called with: in the pool's thread, as it submits the next one. What
        cannot be submitted is told so, too, as an error in a callback would be nobody's."""
        def fail(error):
            callback((None, error))

        try:
            return self._pool.apply_async(_call, self._pickled(function, large, mode), {}, lambda content: callback((content, None)), fail)
        except Exception as error:
            fail(error)
            return None

    def _pickled(self, function, large, mode):
        import io
        share = self._share
        share.large, share.mode = large, mode
        stream = io.BytesIO()
        pickler = _Pickler(stream, share)
        pickler.dump(function)
        return stream.getvalue(), pickler.arrays

    @staticmethod
    def result(outcome: "Any") -> "Any":
        """What the function returned, or raised."""
        content, error = outcome
        if error is not None:
            raise error
        value, error, text = content
        if error is None:
            return value
        from .results import remote_traceback
        error.__cause__ = remote_traceback(text)
        raise error

    def kill(self) -> None:
        """And whatever they run."""
        self._pool.terminate()

    def wait(self, seconds: float) -> None:
        """Nothing uses them: they end when nothing does for so many seconds."""
        self._share = _Share()
        self._timer = threading.Timer(seconds, partial(_drop, self))
        self._timer.daemon = True
        self._timer.start()

    def wake(self) -> None:
        """They are used again."""
        if self._timer is not None:
            self._timer.cancel()


_lock = threading.Lock()
_idle: "list[Workers]" = []  # at most one


def _forget():
    """In a forked child: they are its parent's, a thread of which may have had the lock."""
    global _lock
    _lock = threading.Lock()
    _idle.clear()


os.register_at_fork(after_in_child=_forget)


def take(count: int, method: str, limits: "_Limits", initial: "_Initial") -> Workers:
    """Workers for one Parallel: those that wait, if they are like that."""
    with _lock:
        waiting = _idle.pop() if _idle else None
    if waiting is not None:
        waiting.wake()
        if waiting.are((count, method, limits), initial):
            return waiting
        waiting.kill()
    return Workers(count, method, limits, initial)


def keep(workers: Workers, seconds: float) -> None:
    """For the next call; the last that were kept are those that wait."""
    if workers.pid != os.getpid():
        return
    with _lock:
        before = _idle.pop() if _idle else None
        workers.wait(seconds)
        _idle.append(workers)
    if before is not None:
        before.wake()
        before.kill()


def _drop(workers):
    """They have waited for long enough."""
    with _lock:
        found = workers in _idle
        if found:
            _idle.remove(workers)
    if found:
        workers.kill()
