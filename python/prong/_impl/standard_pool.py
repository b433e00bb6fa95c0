"""multiprocessing's own Pool, for programs that change how it works inside: subclasses that bring their own queues, say, and
contexts that bring their own Process. Its processes and queues are its context's, which are prong's where nothing else is brought."""

import functools
import multiprocessing.pool
import queue
from types import FunctionType

from .. import _core
from .compat import needs
from .mirror import once_more

needs(multiprocessing.pool)
_std = once_more(multiprocessing.pool, "multiprocessing._pool_as_it_was")
ThreadPool = _std.ThreadPool
ThreadPool.__module__ = "prong.pool"
ThreadPool.__doc__ = "ThreadPool(processes=None, initializer=None, initargs=()): multiprocessing's pool of threads."

_NOT_SENT = ("Pool", "ThreadPool", "ApplyResult", "AsyncResult", "MapResult", "IMapIterator", "IMapUnorderedIterator", "_PoolCache")


def _share_what_is_sent():
    """Workers are sent functions and exceptions by name, which is that of the module that everybody imports."""
    for name, value in vars(multiprocessing.pool).items():
        if getattr(value, "__module__", None) == "multiprocessing.pool" and name not in _NOT_SENT:
            setattr(_std, name, value)


class _Standard(_std.Pool):  # type: ignore[name-defined]
    """multiprocessing's Pool, whose queues may be prong's."""

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
        return (theirs if isinstance(self, _Standard) else ours)(self, *args, **keywords)
    return method


def _serve_calls_by_class(pool_class):
    """Subclasses may call Pool.close(self), say, or Pool._setup_queues(self)."""
    ours = vars(pool_class)
    for name, theirs in list(vars(_std.Pool).items()):
        if name.startswith("__"):
            continue
        if name not in ours:
            setattr(pool_class, name, vars(_Standard).get(name, theirs))
        elif isinstance(ours[name], FunctionType):
            setattr(pool_class, name, _either(ours[name], theirs))


@functools.cache
def _standard(pool_class):
    """multiprocessing's Pool; one of prong's, which is given here, to isinstance alone."""
    _serve_calls_by_class(pool_class)
    return type("StandardPool", (_Standard, pool_class), {"__module__": __name__})


def _class_for(pool_class, cls):
    """cls, served by multiprocessing's Pool: a subclass of the same name."""
    if "_served_by_standard" not in vars(cls):
        standard = _standard(pool_class)
        bases = (standard,) if cls is pool_class else (cls, standard)
        names = {name: vars(cls)[name] for name in ("__module__", "__qualname__", "__doc__") if name in vars(cls)}
        names["__qualname__"] = cls.__qualname__
        cls._served_by_standard = type(cls)(cls.__name__, bases, names)
    return vars(cls)["_served_by_standard"]


def begin(pool_class, pool, *arguments):
    """Makes a pool that has not begun one of multiprocessing's. pool_class: prong's Pool, of whose subclasses it is one. The arguments
    are those of its __init__."""
    if not isinstance(pool, _Standard):
        pool.__class__ = _class_for(pool_class, type(pool))
    _std.Pool.__init__(pool, *arguments)


_share_what_is_sent()
