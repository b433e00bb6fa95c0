"""multiprocessing's own Pool, for who changes how it works inside: subclasses that bring their own queues, say, and contexts that bring
their own Process. Its processes and queues are its context's, which are prong's where nothing else is brought."""

import functools
import multiprocessing.pool
import queue
from types import FunctionType

from . import _core
from . import pool as _pool
from ._mirror import once_more

_std = once_more(multiprocessing.pool, "multiprocessing._pool_as_it_was")
ThreadPool = _std.ThreadPool
ThreadPool.__module__ = _pool.__name__

_NOT_SENT = ("Pool", "ThreadPool", "ApplyResult", "AsyncResult", "MapResult", "IMapIterator", "IMapUnorderedIterator", "_PoolCache")


def _share_what_is_sent():
    """Workers are sent functions and exceptions by name, which is that of the module that everybody imports."""
    for name, value in vars(multiprocessing.pool).items():
        if getattr(value, "__module__", None) == "multiprocessing.pool" and name not in _NOT_SENT:
            setattr(_std, name, value)


class StandardPool(_std.Pool, _pool.Pool):
    """multiprocessing's Pool; a Pool of prong's to isinstance alone."""

    _pool = None  # the list of workers, once it begins

    @staticmethod
    def _help_stuff_finish(inqueue, task_handler, size):
        if not isinstance(inqueue, _core.Queue):
            return _std.Pool._help_stuff_finish(inqueue, task_handler, size)
        try:
            while task_handler.is_alive():
                _core.Queue.get(inqueue, False)
        except queue.Empty:
            pass

    def deaths(self):
        """Not counted: this pool's own Process or queues are multiprocessing's to handle."""
        raise NotImplementedError(f"{type(self).__name__} brings its own processes or queues: its workers' deaths are not counted")


def _either(ours, theirs):
    @functools.wraps(ours)
    def method(self, *args, **keywords):
        return (theirs if isinstance(self, StandardPool) else ours)(self, *args, **keywords)
    return method


def _serve_calls_by_class():
    """Subclasses may call Pool.close(self), say, or Pool._setup_queues(self)."""
    ours = vars(_pool.Pool)
    for name, theirs in list(vars(_std.Pool).items()):
        if name.startswith("__"):
            continue
        if name not in ours:
            setattr(_pool.Pool, name, vars(StandardPool).get(name, theirs))
        elif isinstance(ours[name], FunctionType):
            setattr(_pool.Pool, name, _either(ours[name], theirs))


def _class_for(cls):
    """cls, served by multiprocessing's Pool: a subclass of the same name."""
    if "_served_by_standard" not in vars(cls):
        bases = (StandardPool,) if cls is _pool.Pool else (cls, StandardPool)
        names = {name: vars(cls)[name] for name in ("__module__", "__qualname__", "__doc__") if name in vars(cls)}
        names["__qualname__"] = cls.__qualname__
        cls._served_by_standard = type(cls)(cls.__name__, bases, names)
    return vars(cls)["_served_by_standard"]


def begin(pool, *arguments):
    """Makes a pool that has not begun one of multiprocessing's. The arguments are those of its __init__."""
    if not isinstance(pool, StandardPool):
        pool.__class__ = _class_for(type(pool))
    _std.Pool.__init__(pool, *arguments)


_share_what_is_sent()
_serve_calls_by_class()
