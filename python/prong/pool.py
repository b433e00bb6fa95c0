"""Pool: worker processes that run tasks. The core schedules the tasks, replaces workers that die, and keeps the time limits."""

import atexit
import itertools
import os
import threading
import warnings
import weakref

from . import _core
from ._impl import pickling  # noqa: F401  (before workers are forked that would import it, each of them)
from ._impl.inherited import forked, inheritance
from ._impl.methods import NUMBERS, in_force
from ._impl.mirror import public
from ._impl.pool_worker import Setup
from ._impl.popen import Spawning, started
from ._impl.results import ApplyResult as ApplyResult
from ._impl.results import AsyncResult as AsyncResult
from ._impl.results import JobResult, rebuilt, remote_traceback
from ._impl.results import MapResult as MapResult
from ._impl.task_options import PLAIN, no_room, submitted, task_options
from .errors import Deadlock, PoolBroken, ProcessError, TimeoutError

__all__ = ["Pool", "ThreadPool"]
__dir__ = public(__name__)

_LATE = ("ThreadPool", "IMapIterator", "IMapUnorderedIterator")
INIT, RUN, CLOSE, TERMINATE = "INIT", "RUN", "CLOSE", "TERMINATE"

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from multiprocessing.pool import Pool as _TheirPool
    from multiprocessing.pool import ThreadPool as ThreadPool
    from types import TracebackType
    from typing import Any, TypeVar

    from ._impl.imap import IMapIterator as IMapIterator
    from ._impl.imap import IMapUnorderedIterator as IMapUnorderedIterator
    from ._impl.inline import Inline
    from ._impl.task_options import Priority

    _S = TypeVar("_S")
    _T = TypeVar("_T")
    _Self = TypeVar("_Self", bound="Pool")
else:
    _TheirPool = object  # to annotations it is multiprocessing's

# multiprocessing.pool, and traceback, take longer to import than this pool to start: only what needs them has them imported, and
# imap's iterators.


def _get_late(name):
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "ThreadPool":
        from ._impl import standard_pool as module
    elif name in _LATE:
        from ._impl import imap as module
    else:
        import multiprocessing.pool as module
    value = globals()[name] = getattr(module, name)
    return value


if not TYPE_CHECKING:  # which would find any name
    __getattr__ = _get_late


class _Worker:
    """A worker, as multiprocessing's pool._pool lists them."""

    def __init__(self, pid):
        self.pid = self.ident = pid

    def is_alive(self):
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    @property
    def exitcode(self):
        return None if self.is_alive() else 0

    def terminate(self):
        os.kill(self.pid, 15)

    def join(self, timeout=None):
        """Ends the workers at once, and waits for their end. What is not done ends as TaskCancelled. In a callback it does not wait."""


_CALL = _core.CALL
_FAILURE_SIZE = 8192
# Seconds that an exit waits for a pool's end. Workers that ignore SIGTERM are killed after 2; a callback may wait for what never comes.
_CALLBACK_AT_EXIT = 4


_pools: "weakref.WeakSet[Pool]" = weakref.WeakSet()
_numbers = itertools.count()


@atexit.register
def _end_pools():
    for pool in list(_pools):
        pool._core.terminate()
        if pool._core.join(_CALLBACK_AT_EXIT):
            pool._terminate()


def find_pool(name: str) -> "Pool":
    """The running Pool of that name, the last of several, that this process has made, or has from the process that forked it.

    LookupError when there is none. Another process, such as a spawned one or a pool's worker, has no Pool object.
    """
    found = [pool for pool in list(_pools) if pool._name == name is not None and pool._state == RUN]
    if not found:
        raise LookupError(f"no pool named {name!r} runs in this process")
    return max(found, key=lambda pool: pool._number)


# What multiprocessing's Pool calls of its own as it works. A subclass that has one of these of its own, and a context with a Process or
# SimpleQueue of its own, is served by multiprocessing's Pool, which calls it.
_HOOKS = ("Process", "_setup_queues", "_repopulate_pool", "_repopulate_pool_static", "_maintain_pool", "_join_exited_workers",
          "_get_sentinels", "_get_worker_sentinels", "_wait_for_updates", "_handle_workers", "_handle_tasks", "_handle_results",
          "_get_tasks", "_guarded_task_generation", "_map_async", "_help_stuff_finish", "_terminate_pool", "_wrap_exception")
_CONTEXTS = ("multiprocessing.context", "prong.context")


class Pool(_TheirPool):
    """Pool(processes=None, initializer=None, initargs=(), maxtasksperchild=None, *, threads_per_worker=None, cpus=None,
    worker_exit=None, worker_exit_timeout=None): so many workers (as CPUs).

    A worker that dies fails the one task it ran, with WorkerDied; the pool goes on with another. Of every form that runs tasks,
    timeout= kills a task that takes longer (TaskTimeout), retries= runs one again whose worker died, and priority= is "high", "normal"
    or "low": a worker takes its next task from the calls of the highest priority, the oldest of these first. ValueError for a pool that
    is closed.

    threads_per_worker: how many threads numeric libraries start in a worker (OMP_NUM_THREADS and the like). cpus: a CPU for each
    worker in turn, or a collection of them. worker_exit: called, without arguments, as a worker ends in order (close(),
    maxtasksperchild); what it raises is reported, and counted by deaths(). worker_exit_timeout: seconds after which it is killed.

    processes_most= has the pool grow to so many workers while tasks wait, and shrink again when it could have done with fewer for
    idle_time= seconds (10). memory_soft=, memory_hard=: bytes of a worker's own memory, above which it is replaced after its task, or
    gets no more (MemoryError) and is killed (TaskMemory).

    maxbytes=: how many bytes the arguments of the calls that wait or run may have together. A call that finds no room waits, unless a
    task of this pool makes it; one that is larger alone is a ValueError. imap reads no further ahead than there is room for.
    name=: for find_pool, and its workers ("NAME-1", …).
    processes=prong.INLINE: no workers. A task runs in the thread that submits it, one of imap when its result is asked for, for a
    debugger; nothing is pickled, and no timeout enforced.
    """

    _wrap_exception = True
    _setup_type: "type[Setup]" = Setup  # of what a worker calls first

    def __init__(
        self,
        processes: "int | Inline | None" = None,
        initializer: "Callable[..., object] | None" = None,
        initargs: "Iterable[Any]" = (),
        maxtasksperchild: "int | None" = None,
        context: "Any" = None,
        *,
        threads_per_worker: "int | None" = None,
        cpus: "Iterable[int] | Iterable[Iterable[int]] | None" = None,
        worker_exit: "Callable[[], object] | None" = None,
        worker_exit_timeout: "float | None" = None,
        processes_most: "int | None" = None,
        idle_time: "float | None" = None,
        memory_soft: "int | None" = None,
        memory_hard: "int | None" = None,
        maxbytes: "int | None" = None,
        name: "str | None" = None,
    ) -> None:
        self._pool_lock = threading.Lock()
        self._state = INIT
        context = in_force(context)
        self._inlined = getattr(processes, "inline", False) is True
        if self._inlined:
            processes = 1
        if processes is None:
            processes = _core.usable_cpu_count()
        if processes < 1:  # type: ignore[operator]  # an int: see above
            raise ValueError("Number of processes must be at least 1")
        if maxtasksperchild is not None and (not isinstance(maxtasksperchild, int) or maxtasksperchild <= 0):
            raise ValueError("maxtasksperchild must be a positive int or None")
        for hook, what in ((initializer, "initializer"), (worker_exit, "worker_exit")):
            if hook is not None:
                self._check_hook(hook, what)
        around = None
        options = (threads_per_worker, cpus, worker_exit, worker_exit_timeout, processes_most, idle_time, memory_soft, memory_hard,
                   maxbytes)
        if options != (None,) * len(options):
            from ._impl.around import Around
            around = Around(*options)
        if not self._inlined and self._brings_hooks(context):
            if around is not None or name is not None:
                raise ValueError("options of workers, and sizes, are not for a pool that brings its own processes or queues")
            from ._impl import standard_pool
            standard_pool.begin(Pool, self, processes, initializer, initargs, maxtasksperchild, context)
            return
        self._ctx = context.get_context()
        self._processes = processes
        self._name, self._number = name, next(_numbers)
        self._maxtasksperchild = maxtasksperchild
        self._kept: list[Any] = []  # what workers write to
        self._imaps: weakref.WeakSet[Any] = weakref.WeakSet()
        self._unfinished_imaps: set[Any] = set()  # whose tasks are not all submitted: close() does that, though nobody has them
        self._failure = None
        begin = self._start_inline if self._inlined else self._start
        begin(initializer, initargs, around)
        self._state = RUN
        self._terminate = self._core.destroy
        _pools.add(self)

    def _brings_hooks(self, context):
        own = itertools.takewhile(lambda part: part is not Pool, type(self).__mro__)
        brought = set(vars(self)).union(*map(vars, own))
        makers = (getattr(context, name, None) for name in ("Process", "SimpleQueue"))
        return not brought.isdisjoint(_HOOKS) or any(getattr(maker, "__module__", None) not in _CONTEXTS for maker in makers)

    def _check_hook(self, hook, what):
        if not callable(hook):
            raise TypeError(f"{what} must be a callable")

    def _start(self, initializer, initargs, around):
        from .heap import BufferWrapper
        method = self._ctx._name
        name = self._name or self._ctx.Process.__name__.replace("Process", "PoolWorker")
        self._failure = BufferWrapper(_FAILURE_SIZE)
        setup = self._setup_type(self._ctx, name, initializer, initargs, self._failure, around)
        payload = b""
        self._inherited = forked() if method == "fork" else None
        if method != "fork":
            payload, setup = Spawning().payload(name, method, setup), None
        elif around is not None:
            around.prepare()
        self._core = started(method, _core.Pool, self._processes, NUMBERS[method], name, self._maxtasksperchild or 0, setup, payload,
                             None if around is None else around.of_core(True))
        self._core.inherited = inheritance() if method == "fork" else None

    def _start_inline(self, initializer, initargs, around):
        from ._impl.inline import InlinePool
        self._failure = bytearray(_FAILURE_SIZE)
        self._core = InlinePool(initializer, initargs, self._failure, around)

    def __del__(self, _warn=warnings.warn, RUN=RUN):
        if getattr(self, "_state", None) == RUN:
            _warn(f"unclosed running multiprocessing pool {self!r}", ResourceWarning, source=self)

    def __repr__(self):
        cls = type(self)
        return f"<{cls.__module__}.{cls.__qualname__} state={self._state} pool_size={self._processes}>"

    def __reduce__(self):
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")

    @property
    def _pool(self):
        return [_Worker(pid) for pid, busy, tasks in self._core.workers() if pid]

    def _repopulate_pool(self):
        """The core replaces workers by itself."""

    def _failure_text(self):
        """What an initializer raised; empty when none did."""
        view = memoryview(self._failure)
        return bytes(view[8:8 + int.from_bytes(view[:8], "little")]).decode("utf-8", "replace")

    @staticmethod
    def _rebuilt(value, code):
        """What a task raised."""
        return value if isinstance(value, BaseException) else rebuilt(value, code)

    def _broken(self, message):
        """message is the core's; an initializer's own traceback says more."""
        text = self._failure_text()
        error = PoolBroken("the pool's initializer failed" if text else message)
        if text:
            error.__cause__ = remote_traceback(text)
        return error

    def _check_running(self):
        if self._state != RUN:
            raise ValueError("Pool not running")

    # --- submitting ---

    def _submit(self, function, form, items, chunk, options, done):
        """The job of tasks, each of which is what function is called with: an item, or so many of them, if chunk is not 0.
        done(job), if any, is called when it has ended. None where the pool is not running."""
        try:
            return self._core.submit(function, form, items, chunk, *options, done)
        except PoolBroken as broken:
            error = self._broken(str(broken))
            raise error from error.__cause__

    def _begin(self, result, *task):
        """Submits; what cannot be pickled is the error of the result, as multiprocessing has it."""
        done = None if result._told is None else result._finished
        try:
            job = self._submit(*task, done)
        except ProcessError:
            raise
        except Exception as error:
            result._settle(False, error)
            return result
        if submitted(job) is False:
            raise no_room()
        with result._lock:
            if result._success is None:  # it may have ended before the job is known here
                result._job = job
        return result

    def _call(self, cls, func, args, kwds, options):
        """A single task: an instance of cls. What cannot be pickled is its error, as multiprocessing has it."""
        if self._state != RUN:
            raise ValueError("Pool not running")
        try:
            result = self._core.call(cls, self, func, _CALL, args, kwds, options)
        except PoolBroken as broken:
            error = self._broken(str(broken))
            raise error from error.__cause__
        except ProcessError:
            raise
        except Exception as error:
            result = cls()
            result._settle(False, error)
            return result
        if submitted(result) is False:
            raise no_room()
        return result

    def apply(
        self,
        func: "Callable[..., _T]",
        args: "Iterable[Any]" = (),
        kwds: "Mapping[str, Any]" = {},
        *,
        timeout: "float | None" = None,
        retries: int = 0,
        priority: "Priority" = "normal",
    ) -> "_T":
        """func(*args, **kwds), called in a worker: what it returns, or raises.

        timeout: seconds after which the task is killed, and TaskTimeout raised. retries: how often it is run again when its worker dies;
        then WorkerDied is raised. priority: "high" is before, and "low" after, what else waits for a worker.
        """
        options: dict[str, Any] = {}
        if (timeout, retries, priority) != (None, 0, "normal"):
            options = {"timeout": timeout, "retries": retries, "priority": priority}
        if self._inlined and not options and type(self).apply_async is Pool.apply_async:
            self._check_running()
            return self._core.apply(self, func, *_arguments(args, kwds))
        return self.apply_async(func, args, kwds, **options).get()  # which may be a subclass's, as multiprocessing knows it

    def apply_async(
        self,
        func: "Callable[..., _T]",
        args: "Iterable[Any]" = (),
        kwds: "Mapping[str, Any]" = {},
        callback: "Callable[[_T], object] | None" = None,
        error_callback: "Callable[[BaseException], object] | None" = None,
        *,
        timeout: "float | None" = None,
        retries: int = 0,
        priority: "Priority" = "normal",
        room_timeout: "float | None" = None,
    ) -> "AsyncResult[_T]":
        """As apply, without waiting: an AsyncResult.

        callback(result) or error_callback(exception) is called, in a thread of the pool's, when the task has ended. room_timeout: how
        many seconds to wait for room, in a pool with maxbytes (0: not at all); then queue.Full is raised.
        """
        plain = timeout is None is room_timeout and retries == 0 and priority == "normal"
        options = PLAIN if plain else task_options(timeout, retries, priority, room_timeout)
        if type(args) is not tuple or type(kwds) is not dict:
            args, kwds = _arguments(args, kwds)
        if callback is None is error_callback:
            return self._call(AsyncResult, func, args, kwds, options)
        if self._inlined:
            return self._core.tell(self._call(AsyncResult, func, args, kwds, options), callback, error_callback)
        self._check_running()
        task = (args, kwds)
        result: AsyncResult[_T] = JobResult(self, None, "one", callback, error_callback)
        return self._begin(result, func, _CALL, (task,), 0, options)

    def _chunk(self, items, chunksize):
        """How many items a task of a map has."""
        if chunksize is None:
            chunksize, extra = divmod(len(items), self._processes * 4)
            chunksize += bool(extra)
        if chunksize < 1 and items:
            raise ValueError("Chunksize must be 1+, not {0:n}".format(chunksize))
        return chunksize

    def _map_journaled(self, func, iterable, forms, chunksize, seed, options, progress, journal):
        self._check_running()
        from ._impl.journal import run
        func, iterable, forms = _with_seeds(func, iterable, forms, seed)
        items = iterable if type(iterable) in (list, tuple, range) else list(iterable)
        return run(self, func, forms, items, self._chunk(items, chunksize), options, progress, journal)

    def _map_tasks(self, func, iterable, forms, chunksize, seed, options, callback=None, error_callback=None):
        self._check_running()
        func, iterable, forms = _with_seeds(func, iterable, forms, seed)
        items = iterable if type(iterable) in (list, tuple, range) else list(iterable)
        chunksize = self._chunk(items, chunksize)
        if not items:
            result = MapResult(self, None, "many", callback, error_callback)
            result._settle(True, [])
            return result
        form, shape, chunk = (forms[0], "many", 0) if chunksize == 1 else (forms[1], "chunks", chunksize)
        return self._begin(MapResult(self, None, shape, callback, error_callback), func, form, items, chunk, options)

    def _map_now(self, task, progress, journal):
        if journal is not None:
            return self._map_journaled(*task, progress, journal)
        result = self._map_tasks(*task)
        if progress:
            from ._impl.progress import watch
            watch(result)
        return result.get()

    def map(
        self,
        func: "Callable[[_S], _T]",
        iterable: "Iterable[_S]",
        chunksize: "int | None" = None,
        *,
        timeout: "float | None" = None,
        retries: int = 0,
        priority: "Priority" = "normal",
        seed: "int | None" = None,
        progress: bool = False,
        journal: "str | os.PathLike[str] | None" = None,
    ) -> "list[_T]":
        """[func(x) for x in iterable], calculated by the workers, chunksize items at a time.

        The first error of an item is raised. timeout, retries, priority: of each chunk, as of apply. seed: random, numpy.random (if it
        is imported) and prong.task_seed() begin for each item as that and the item's number say. progress=True: shows a bar on the
        terminal.
        journal: a file to which results are appended as they come; when it is run again, what is in it is not run. ValueError when it is
        of another function, or of other items.
        """
        task = func, iterable, (_core.ITEM, _core.MAP), chunksize, seed, task_options(timeout, retries, priority)
        return self._map_now(task, progress, journal)

    def map_async(  # type: ignore[override]
        self,
        func: "Callable[[_S], _T]",
        iterable: "Iterable[_S]",
        chunksize: "int | None" = None,
        callback: "Callable[[list[_T]], object] | None" = None,
        error_callback: "Callable[[BaseException], object] | None" = None,
        *,
        timeout: "float | None" = None,
        retries: int = 0,
        priority: "Priority" = "normal",
        room_timeout: "float | None" = None,
        seed: "int | None" = None,
    ) -> "MapResult[_T]":
        """As map, without waiting: a MapResult. The callbacks are called once, with the list or the first error. room_timeout: as
        apply_async's."""
        options = task_options(timeout, retries, priority, room_timeout)
        return self._map_tasks(func, iterable, (_core.ITEM, _core.MAP), chunksize, seed, options, callback, error_callback)

    def starmap(
        self,
        func: "Callable[..., _T]",
        iterable: "Iterable[Iterable[Any]]",
        chunksize: "int | None" = None,
        *,
        timeout: "float | None" = None,
        retries: int = 0,
        priority: "Priority" = "normal",
        seed: "int | None" = None,
        progress: bool = False,
        journal: "str | os.PathLike[str] | None" = None,
    ) -> "list[_T]":
        """[func(*x) for x in iterable]: as map, for functions of several arguments."""
        task = func, iterable, (_core.STAR, _core.STARMAP), chunksize, seed, task_options(timeout, retries, priority)
        return self._map_now(task, progress, journal)

    def starmap_async(  # type: ignore[override]
        self,
        func: "Callable[..., _T]",
        iterable: "Iterable[Iterable[Any]]",
        chunksize: "int | None" = None,
        callback: "Callable[[list[_T]], object] | None" = None,
        error_callback: "Callable[[BaseException], object] | None" = None,
        *,
        timeout: "float | None" = None,
        retries: int = 0,
        priority: "Priority" = "normal",
        room_timeout: "float | None" = None,
        seed: "int | None" = None,
    ) -> "MapResult[_T]":
        """As starmap, without waiting: a MapResult."""
        options = task_options(timeout, retries, priority, room_timeout)
        return self._map_tasks(func, iterable, (_core.STAR, _core.STARMAP), chunksize, seed, options, callback, error_callback)

    def _imap(self, ordered, func, iterable, chunksize, seed, journal, *more):
        self._check_running()
        func, iterable, _ = _with_seeds(func, iterable, (_core.ITEM, _core.MAP), seed)
        from ._impl.imap import iterate
        if journal is not None:
            from ._impl.journal import maker
            more = (*more, maker(journal))
        elif self._inlined:
            more = (*more, self._core.imap)
        return iterate(self, ordered, func, iterable, chunksize, *more)

    def imap(  # type: ignore[override]
        self,
        func: "Callable[[_S], _T]",
        iterable: "Iterable[_S]",
        chunksize: int = 1,
        *,
        timeout: "float | None" = None,
        retries: int = 0,
        priority: "Priority" = "normal",
        seed: "int | None" = None,
        buffersize: "int | None" = None,
        progress: bool = False,
        journal: "str | os.PathLike[str] | None" = None,
    ) -> "IMapIterator[_T]":
        """An iterator over func(x) for x in iterable, in order, each result as soon as it is there.

        Reads ahead at most buffersize tasks (default: 4 a worker, at least 64). timeout, retries, priority, seed, progress, journal: as
        map's.
        """
        options = task_options(timeout, retries, priority)
        return self._imap(True, func, iterable, chunksize, seed, journal, options, buffersize, progress)

    def imap_unordered(  # type: ignore[override]
        self,
        func: "Callable[[_S], _T]",
        iterable: "Iterable[_S]",
        chunksize: int = 1,
        *,
        timeout: "float | None" = None,
        retries: int = 0,
        priority: "Priority" = "normal",
        seed: "int | None" = None,
        buffersize: "int | None" = None,
        progress: bool = False,
        journal: "str | os.PathLike[str] | None" = None,
    ) -> "IMapIterator[_T]":
        """As imap, with the results in the order in which they come."""
        options = task_options(timeout, retries, priority)
        return self._imap(False, func, iterable, chunksize, seed, journal, options, buffersize, progress)

    def everywhere(self, func: "Callable[..., object]", *args: "Any", timeout: "float | None" = None) -> None:
        """Calls func(*args) once in each worker: now, in a busy one after its task; and in each that comes later, after its initializer.

        Returns when all workers that there are have done so. What it raises in one of them is raised here, what it raises in later
        ones is not. TimeoutError after timeout seconds: it is called nevertheless. ValueError for a pool that is closed.
        """
        self._check_running()
        from ._impl.everywhere import run
        run(self, func, args, timeout)

    # --- how many workers ---

    def resize(self, processes: int) -> None:
        """From now on so many workers; or so many at least, where there is a processes_most. Those that are too many end when they have
        done what they run. ValueError for 0, or more than processes_most (without it: than 64, or than the pool had at first).
        """
        self._check_running()
        if not isinstance(processes, int) or processes < 1:
            raise ValueError("Number of processes must be at least 1")
        self._core.resize(processes)
        self._processes = processes

    def replace_workers(self, timeout: "float | None" = None) -> None:
        """Each worker ends when it has done what it runs, and another takes its place, with the initializer: no task is lost.

        Returns when all are new ones. TimeoutError when timeout seconds have passed: it goes on. By spawn, modules are loaded anew.
        """
        self._check_running()
        if not self._core.replace_workers(timeout):
            raise TimeoutError("there are still workers that are to be replaced")

    # --- the end ---

    def close(self) -> None:
        """No further tasks; the workers end when all are done."""
        if self._state == RUN:
            for iterator in list(self._imaps):
                iterator._drain()
            self._state = CLOSE
            self._core.close()

    def terminate(self) -> None:
        """Ends the workers at once, and waits for their end; what is not done ends as TaskCancelled. In a callback it does not wait."""
        self._state = TERMINATE
        self._core.terminate()
        try:
            self._core.join(None)
        except Deadlock:
            pass  # called by a callback, which is what the pool's end waits for

    def join(self, timeout: "float | None" = None) -> bool:  # type: ignore[override]
        """Waits until the workers of a closed or terminated pool have ended and callbacks have run; False when timeout seconds have
        passed. Deadlock in a callback of the same pool."""
        if self._state == RUN:
            raise ValueError("Pool is still running")
        if self._state not in (CLOSE, TERMINATE):
            raise ValueError("In unknown state")
        return self._core.join(timeout)

    def deaths(self) -> int:
        """How many workers have died while they ran."""
        return self._core.deaths()

    def __enter__(self: "_Self") -> "_Self":
        self._check_running()
        return self

    def __exit__(
        self, exc_type: "type[BaseException] | None", exc_val: "BaseException | None", exc_tb: "TracebackType | None"
    ) -> None:
        self.terminate()


def _arguments(args, kwds):
    """As a task is called with them."""
    return tuple(args), kwds if isinstance(kwds, dict) else dict(kwds)


def _with_seeds(func, iterable, forms, seed):
    """What is run in place of it, so that each item's task has a seed of its own."""
    if seed is None:
        return func, iterable, forms
    from ._impl.seeds import seeded
    func, iterable = seeded(func, iterable, seed, spread=forms[0] == _core.STAR)
    return func, iterable, (_core.ITEM, _core.MAP)
