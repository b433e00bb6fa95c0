"""Pool: worker processes that run tasks. The core schedules them, replaces who dies, and keeps time."""

import atexit
import functools
import itertools
import os
import sys
import threading
import time
import warnings
import weakref
from _pickle import dumps, loads
from collections import deque
from multiprocessing import process

from . import _core
from . import pickling  # noqa: F401  (before workers are forked that would import it, each of them)
from .child import _finalize, become, bootstrap, flush_streams, unpatched
from .errors import Deadlock, PoolBroken, ProcessError, TaskCancelled, TaskTimeout, TimeoutError, WorkerDied
from .popen import METHODS, Spawning

__all__ = ["Pool", "ThreadPool"]

INIT, RUN, CLOSE, TERMINATE = "INIT", "RUN", "CLOSE", "TERMINATE"

# multiprocessing.pool, and traceback, take longer to import than this pool to start: only what needs them has them imported.


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "ThreadPool":
        from ._standard_pool import ThreadPool as value
    else:
        import multiprocessing.pool
        value = getattr(multiprocessing.pool, name)
    globals()[name] = value
    return value


def _remote_traceback(text):
    from multiprocessing.pool import RemoteTraceback
    return RemoteTraceback('\n"""\n%s"""' % text)


# ------------------------------------------------ in a worker ------------------------------------------------


def _or(otherwise, function, *arguments):
    """What the function returns; where it raises, whatever that is: otherwise."""
    try:
        return function(*arguments)
    except BaseException:
        return otherwise


def _summary(error):
    return f"{type(error).__name__}: {_or('(its text cannot be had)', str, error)}"


def _unsendable(error, value):
    from multiprocessing.pool import MaybeEncodingError
    return MaybeEncodingError(error, value)


def _traceback(error):
    import traceback
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def _pickled(error):
    pickled = _core.dumps(error)
    loads(pickled)
    return pickled


def _describe(error, value, unsendable):
    """A task's exception as bytes: itself if it can be pickled and unpickled, and its text as far as that can be had. Raises where
    there is no memory for that much."""
    if isinstance(error, SystemExit):
        error = ProcessError(f"the task called sys.exit({_or('…', repr, error.code)})")
    elif unsendable:
        summary = _summary(error)
        error = _or(None, _unsendable, error, value) or ProcessError(f"the task's result cannot be sent: {summary}")
    summary = _or("an exception that cannot be described", _summary, error)
    return dumps((_or(None, _pickled, error), _or("", _traceback, error), summary, isinstance(error, MemoryError)))


_core._set_describe(_describe)


def _worker_process(context, name):
    """This process as an object, of a process that the core started."""
    worker = context.Process(name=name)
    worker._config = dict(process.current_process()._config, daemon=True)
    worker._parent_pid = os.getppid()
    return worker


def _begin_worker(worker):
    """Makes this process a worker: what BaseProcess._bootstrap does before run."""
    become(worker)
    _core._set_at_end(_worker_ends)


class _Setup:
    """What a worker calls first; 0, or 1 when the initializer fails. Where multiprocessing's _bootstrap is not what it was, all that
    the worker does is done within it."""

    def __init__(self, context, name, initializer, initargs, failure):
        self.context, self.name = context, name
        self.initializer, self.initargs = initializer, initargs
        self.failure = failure

    def __call__(self):
        worker = _worker_process(self.context, f"{self.name}-{os.getpid()}")
        if unpatched("_bootstrap", type(worker)):
            return self._initialize(worker)
        self._code = 1
        worker.run = self._serve
        bootstrap(worker)
        return self._code

    def _serve(self):
        self._code = self._initialize()
        if self._code == 0:
            _core._serve()

    def _initialize(self, worker=None):
        """worker: what this process is to become, where _bootstrap has not made it that."""
        try:
            if worker is not None:
                _begin_worker(worker)
            if self.context._name == "fork":
                import signal
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            if self.initializer is not None:
                self.initializer(*self.initargs)
            return 0
        except BaseException:
            import traceback
            text = traceback.format_exc().encode("utf-8", "replace")
            view = memoryview(self.failure)
            text = text[-(len(view) - 8):]
            view[8:8 + len(text)] = text
            view[:8] = len(text).to_bytes(8, "little")
            return 1


def _worker_ends():
    """What BaseProcess._bootstrap does after run."""
    try:
        threading._shutdown()
        _finalize()
    finally:
        flush_streams()


# ------------------------------------------------ results ------------------------------------------------


def _rebuilt(data, code):
    """The exception that _describe described; code tells why there is nothing of it."""
    if not data:
        if code == _core.NO_MEMORY_TO_DESCRIBE:
            return MemoryError("the task's worker had no memory left to describe what the task raised")
        return ProcessError("the task raised an exception that cannot be described")
    pickled, text, summary, is_memory = loads(data)
    error = None if pickled is None else _or(None, _core.loads, pickled)
    if not isinstance(error, BaseException):
        error = MemoryError(summary) if is_memory else ProcessError(f"the task raised {summary}, which cannot be rebuilt here")
    if text:
        error.__cause__ = _remote_traceback(text)
    return error


def _not_the_end(error):
    """A task's error as an iterator over results raises it, whose own end a StopIteration would be."""
    if not isinstance(error, (StopIteration, StopAsyncIteration)):
        return error
    instead = RuntimeError(f"the task raised {type(error).__name__}")
    instead.__cause__ = error
    return instead


def _failure(index, outcome, pool):
    """What a task's outcome other than success raises."""
    status, value, code, tries = outcome
    if status == _core.TASK_FAILED:
        return _rebuilt(value, code) if pool is None else pool._rebuilt(value, code)
    if status == _core.WORKER_DIED:
        return WorkerDied(value, code, index)
    if status == _core.TASK_TIMEOUT:
        return TaskTimeout(value)
    if status == _core.CANCELLED:
        return TaskCancelled(value)
    if status == _core.POOL_BROKEN:
        return pool._broken(value) if pool is not None else PoolBroken(value)
    return ProcessError(value)


class AsyncResult:
    """The result of an apply_async; of tasks submitted together: of map_async and starmap_async."""

    def __init__(self, pool, job, shape, callback=None, error_callback=None):
        self._pool, self._job, self._shape = pool, job, shape
        self._callback, self._error_callback = callback, error_callback
        self._success = None
        self._value = None
        self._lock = threading.Lock()
        # with callbacks it has ended when they have been called
        self._told = None if callback is None and error_callback is None else threading.Event()

    def ready(self):
        """Whether it has ended, and its callback, if any, has been called."""
        if self._told is not None:
            return self._told.is_set()
        return self._job is None or self._job.ready()

    def _wait(self, timeout):
        if self._told is not None:
            return self._told.wait(timeout)
        job = self._job
        return job is None or job.wait(timeout)

    def _read(self):
        """Waits, and reads what there is meanwhile."""
        with self._lock:
            if self._job is not None:
                self._job.read()

    def successful(self):
        """Whether it ended without an exception. ValueError when it has not ended."""
        if not self.ready():
            raise ValueError("{0!r} not ready".format(self))
        self._load()
        return self._success

    def wait(self, timeout=None):
        """Waits for the end, up to timeout seconds."""
        self._wait(timeout)

    def get(self, timeout=None):
        """The result, or what was raised. TimeoutError when timeout seconds have passed."""
        if timeout is None and self._shape == "chunks" and self._told is None:
            self._read()
        elif not self._wait(timeout):
            raise TimeoutError
        if self._job is not None:
            self._load()
        if self._success:
            return self._value
        raise self._value

    def cancel(self, force=False):
        """Tasks that have not begun will not; with force, those that run are killed. They end as TaskCancelled."""
        if self._job is not None:
            self._job.cancel(force)

    def progress(self):
        """(tasks done, tasks in all, tasks a second)."""
        if self._job is not None:
            self._progress = self._job.progress()
        return self._progress

    def _each(self, end, late):
        """The results one after another, each as soon as it is there; raises late when it is not by the time `end`."""
        job = self._job
        for index in range(job.count if job is not None else 0):
            outcome = job.outcome(index, None if end is None else end - time.monotonic())
            if outcome is None:
                raise late
            if outcome[0] != _core.OK:
                raise _not_the_end(_failure(index, outcome, self._pool))
            if self._shape == "chunks":
                yield from outcome[1]
            else:
                yield outcome[1]
        if job is None:
            yield from self.get()

    def _load(self, kinds=Exception):
        with self._lock:
            if self._job is None:
                return
            try:
                if self._shape == "one":
                    outcome = self._job.outcome(0, None)
                    failed = None if outcome[0] == _core.OK else (0, outcome)
                    values = outcome[1]
                else:
                    values, failed = self._job.results(self._shape == "chunks")
                self._success = failed is None
                self._value = values if failed is None else _failure(failed[0], failed[1], self._pool)
            except kinds as error:  # a result that pickles, and does not unpickle
                self._success, self._value = False, error
            self._progress = self._job.progress()
            self._job = None

    def _finished(self, job):
        """Called in the pool's thread: what a callback raises is reported, and harms nobody."""
        self._job = job
        self._load(BaseException)
        self._tell()

    def _settle(self, success, value):
        """It has ended without having been submitted."""
        self._success, self._value = success, value
        self._tell()

    def _tell(self):
        callback = self._callback if self._success else self._error_callback
        self._callback = self._error_callback = None
        try:
            if callback is not None:
                callback(self._value)
        except Exception:
            sys.excepthook(*sys.exc_info())
        finally:
            if self._told is not None:
                self._told.set()

    def __await__(self):
        import asyncio

        def get():
            try:
                return self.get()
            except StopIteration as error:  # which no future of asyncio's takes
                raise _not_the_end(error)
        return (yield from asyncio.get_running_loop().run_in_executor(None, get).__await__())

    __class_getitem__ = classmethod(__import__("types").GenericAlias)


ApplyResult = AsyncResult


class MapResult(AsyncResult):
    """The results of tasks submitted together, in their order."""


class _Raised:
    """Stands in imap's order where the iterable raised."""

    def __init__(self, error):
        self.error = error

    def wait(self, timeout):
        return True

    def ready(self):
        return True


class IMapIterator:
    """Results one at a time; reads ahead of what is taken no more than `ahead` tasks, until the pool is closed."""

    def __init__(self, pool, function, form, tasks, chunked, ahead, options):
        self._pool, self._function, self._form = pool, function, form
        self._tasks, self._chunked, self._ahead, self._options = iter(tasks), chunked, ahead, options
        self._pending = deque()
        self._values = deque()
        self._index = 0
        self._exhausted = False
        self._lock = threading.RLock()
        self._fill(ahead)

    def __iter__(self):
        return self

    def _done(self):
        return None

    def _fill(self, most):
        with self._lock:
            while not self._exhausted and len(self._pending) < most:
                try:
                    task = next(self._tasks)
                except StopIteration:
                    self._exhausted = True
                    return
                except Exception as error:
                    self._exhausted = True
                    self._done()
                    self._add(_Raised(error))
                    return
                self._submit(task)

    def _submit(self, task):
        limit, retries = self._options
        try:
            job = self._pool._core.submit(self._function, self._form, (task,), 0, limit, retries, self._done())
        except Exception as error:  # a task that cannot be pickled is the error of its own result
            job = _Raised(error)
        if job is None:
            raise ValueError("Pool not running")
        self._add(job)

    def _add(self, job):
        self._pending.append(job)

    def _take(self, timeout):
        """The next job that has ended; None when timeout seconds have passed."""
        job = self._pending[0]
        if not job.wait(timeout):
            return None
        self._pending.popleft()
        return job

    def next(self, timeout=None):
        """The next result; TimeoutError when timeout seconds have passed."""
        while True:
            if self._values:
                return self._values.popleft()
            self._fill(self._ahead)
            if not self._pending:
                self._pool = None
                raise StopIteration
            job = self._take(timeout)
            if job is None:
                raise TimeoutError
            self._fill(self._ahead)
            index, self._index = self._index, self._index + 1
            if isinstance(job, _Raised):
                raise _not_the_end(job.error)
            outcome = job.outcome(0, None)
            if outcome[0] != _core.OK:
                raise _not_the_end(_failure(index, outcome, self._pool))
            if not self._chunked:
                return outcome[1]
            self._values.extend(outcome[1])

    __next__ = next

    def _drain(self):
        """The pool is closed: all the rest is submitted before."""
        self._fill(float("inf"))

    def __aiter__(self):
        return self

    async def __anext__(self):
        import asyncio

        def step():
            try:
                return True, self.next()
            except StopIteration:
                return False, None
        more, value = await asyncio.get_running_loop().run_in_executor(None, step)
        if not more:
            raise StopAsyncIteration
        return value


class IMapUnorderedIterator(IMapIterator):
    """Results as they come."""

    def __init__(self, *args):
        self._came = threading.Condition()
        self._ended = deque()  # tickets of jobs, in the order in which they ended
        self._tickets = itertools.count()
        self._jobs = {}
        super().__init__(*args)

    def _done(self):
        self._ticket = next(self._tickets)
        return functools.partial(self._tell, self._ticket)

    def _tell(self, ticket, job=None):
        with self._came:
            self._ended.append(ticket)
            self._came.notify()

    def _add(self, job):
        self._pending.append(None)
        self._jobs[self._ticket] = job
        if isinstance(job, _Raised):
            self._tell(self._ticket)

    def _take(self, timeout):
        with self._came:
            if not self._came.wait_for(lambda: self._ended, timeout):
                return None
            ticket = self._ended.popleft()
        with self._lock:
            self._pending.pop()
            return self._jobs.pop(ticket)


# ------------------------------------------------ Pool ------------------------------------------------


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
        """Its end is the pool's to wait for."""


_FAILURE_SIZE = 8192
# Seconds that an exit waits for a pool's end. Workers that ignore SIGTERM are killed after 2; a callback may wait for what never comes.
_CALLBACK_AT_EXIT = 4


_pools = weakref.WeakSet()


@atexit.register
def _end_pools():
    for pool in list(_pools):
        pool._core.terminate()
        if pool._core.join(_CALLBACK_AT_EXIT):
            pool._terminate()


# What multiprocessing's Pool calls of its own as it works. A subclass that has one of these of its own, and a context with a Process or
# SimpleQueue of its own, is served by multiprocessing's Pool, which calls it.
_HOOKS = ("Process", "_setup_queues", "_repopulate_pool", "_repopulate_pool_static", "_maintain_pool", "_join_exited_workers",
          "_get_sentinels", "_get_worker_sentinels", "_wait_for_updates", "_handle_workers", "_handle_tasks", "_handle_results",
          "_get_tasks", "_guarded_task_generation", "_map_async", "_help_stuff_finish", "_terminate_pool", "_wrap_exception")
_CONTEXTS = ("multiprocessing.context", "prong.context")


class Pool:
    """Pool(processes=None, initializer=None, initargs=(), maxtasksperchild=None): so many workers (as CPUs).

    A worker that dies fails the one task it ran, with WorkerDied; the pool goes on with another. Of every form that runs tasks,
    timeout= kills a task that takes longer (TaskTimeout), and retries= runs one again whose worker died. ValueError for a
    pool that is closed.
    """

    _wrap_exception = True

    def __init__(self, processes=None, initializer=None, initargs=(), maxtasksperchild=None, context=None):
        self._pool_lock = threading.Lock()
        self._state = INIT
        if context is None:
            from .context import _default_context
            context = _default_context.get_context()
        if processes is None:
            processes = _core.usable_cpu_count()
        if processes < 1:
            raise ValueError("Number of processes must be at least 1")
        if maxtasksperchild is not None and (not isinstance(maxtasksperchild, int) or maxtasksperchild <= 0):
            raise ValueError("maxtasksperchild must be a positive int or None")
        if initializer is not None:
            self._check_initializer(initializer)
        if self._brings_hooks(context):
            from . import _standard_pool
            return _standard_pool.begin(self, processes, initializer, initargs, maxtasksperchild, context)
        self._ctx = context.get_context()
        self._processes = processes
        self._maxtasksperchild = maxtasksperchild
        self._imaps = weakref.WeakSet()
        self._failure = None
        self._start(initializer, initargs)
        self._state = RUN
        self._terminate = self._core.destroy
        _pools.add(self)

    def _brings_hooks(self, context):
        own = itertools.takewhile(lambda part: part is not Pool, type(self).__mro__)
        brought = set(vars(self)).union(*map(vars, own))
        makers = (getattr(context, name, None) for name in ("Process", "SimpleQueue"))
        return not brought.isdisjoint(_HOOKS) or any(getattr(maker, "__module__", None) not in _CONTEXTS for maker in makers)

    def _check_initializer(self, initializer):
        if not callable(initializer):
            raise TypeError("initializer must be a callable")

    def _start(self, initializer, initargs):
        from .heap import BufferWrapper
        method = self._ctx._name
        name = self._ctx.Process.__name__.replace("Process", "PoolWorker")
        self._failure = BufferWrapper(_FAILURE_SIZE)
        setup = _Setup(self._ctx, name, initializer, initargs, self._failure)
        payload = b""
        if method != "fork":
            payload, setup = Spawning().payload(name, method, setup), None
        self._core = _core.Pool(self._processes, METHODS[method], name, self._maxtasksperchild or 0, setup, payload)

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
        return _rebuilt(value, code)

    def _broken(self, message):
        """message is the core's; an initializer's own traceback says more."""
        text = self._failure_text()
        error = PoolBroken("the pool's initializer failed" if text else message)
        if text:
            error.__cause__ = _remote_traceback(text)
        return error

    def _check_running(self):
        if self._state != RUN:
            raise ValueError("Pool not running")

    # --- submitting ---

    def _submit(self, function, form, items, chunk, timeout, retries, done):
        """The job of tasks, each of which is what function is called with: an item, or so many of them, if chunk is not 0.
        done(job), if any, is called when it has ended. None where the pool is not running."""
        try:
            return self._core.submit(function, form, items, chunk, timeout, retries, done)
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
        if job is None:
            raise ValueError("Pool not running")
        with result._lock:
            if result._success is None:  # it may have ended before the job is known here
                result._job = job
        return result

    def apply(self, func, args=(), kwds={}, *, timeout=None, retries=0):
        """func(*args, **kwds) in a worker."""
        options = {} if timeout is None and not retries else {"timeout": timeout, "retries": retries}
        return self.apply_async(func, args, kwds, **options).get()  # which may be a subclass's, as multiprocessing knows it

    def apply_async(self, func, args=(), kwds={}, callback=None, error_callback=None, *, timeout=None, retries=0):
        """The same; returns an AsyncResult at once. callback(result) or error_callback(exception) is called when it has ended."""
        self._check_running()
        task = (args if type(args) is tuple else tuple(args), kwds)
        result = AsyncResult(self, None, "one", callback, error_callback)
        return self._begin(result, func, _core.CALL, (task,), 0, timeout, retries)

    def _map_tasks(self, func, iterable, forms, chunksize, callback, error_callback, timeout, retries):
        self._check_running()
        items = iterable if type(iterable) in (list, tuple, range) else list(iterable)
        if chunksize is None:
            chunksize, extra = divmod(len(items), self._processes * 4)
            chunksize += bool(extra)
        if chunksize < 1 and items:
            raise ValueError("Chunksize must be 1+, not {0:n}".format(chunksize))
        if not items:
            result = MapResult(self, None, "many", callback, error_callback)
            result._settle(True, [])
            return result
        form, shape, chunk = (forms[0], "many", 0) if chunksize == 1 else (forms[1], "chunks", chunksize)
        return self._begin(MapResult(self, None, shape, callback, error_callback), func, form, items, chunk, timeout, retries)

    def map(self, func, iterable, chunksize=None, *, timeout=None, retries=0, progress=False):
        """[func(x) for x in iterable], by the workers, in chunks."""
        result = self._map_tasks(func, iterable, (_core.ITEM, _core.MAP), chunksize, None, None, timeout, retries)
        return _with_progress(result, progress)

    def map_async(self, func, iterable, chunksize=None, callback=None, error_callback=None, *, timeout=None, retries=0):
        """The same; returns an AsyncResult at once."""
        return self._map_tasks(func, iterable, (_core.ITEM, _core.MAP), chunksize, callback, error_callback, timeout, retries)

    def starmap(self, func, iterable, chunksize=None, *, timeout=None, retries=0, progress=False):
        """[func(*x) for x in iterable], by the workers, in chunks."""
        result = self._map_tasks(func, iterable, (_core.STAR, _core.STARMAP), chunksize, None, None, timeout, retries)
        return _with_progress(result, progress)

    def starmap_async(self, func, iterable, chunksize=None, callback=None, error_callback=None, *, timeout=None, retries=0):
        """The same; returns an AsyncResult at once."""
        return self._map_tasks(func, iterable, (_core.STAR, _core.STARMAP), chunksize, callback, error_callback, timeout,
                               retries)

    def _imap(self, cls, func, iterable, chunksize, timeout, retries, buffersize, progress):
        self._check_running()
        if chunksize < 1:
            raise ValueError("Chunksize must be 1+, not {0:n}".format(chunksize))
        ahead = max(buffersize, 1) if buffersize else max(4 * self._processes, 64)
        if chunksize == 1:
            tasks, form = iterable, _core.ITEM
        else:
            tasks, form = _chunks(iter(iterable), chunksize), _core.MAP
        iterator = cls(self, func, form, tasks, chunksize != 1, ahead, (timeout, retries))
        self._imaps.add(iterator)
        if progress:
            from .progress import over
            return over(iterator, len(iterable) if hasattr(iterable, "__len__") else None)
        return iterator

    def imap(self, func, iterable, chunksize=1, *, timeout=None, retries=0, buffersize=None, progress=False):
        """An iterator over the results, in order; reads ahead at most buffersize tasks (default: 4 a worker, at least 64)."""
        return self._imap(IMapIterator, func, iterable, chunksize, timeout, retries, buffersize, progress)

    def imap_unordered(self, func, iterable, chunksize=1, *, timeout=None, retries=0, buffersize=None, progress=False):
        """An iterator over the results, as they come."""
        return self._imap(IMapUnorderedIterator, func, iterable, chunksize, timeout, retries, buffersize, progress)

    # --- the end ---

    def close(self):
        """No further tasks; the workers end when all are done."""
        if self._state == RUN:
            for iterator in list(self._imaps):
                iterator._drain()
            self._state = CLOSE
            self._core.close()

    def terminate(self):
        """Ends the workers at once, and waits for their end; what is not done ends as TaskCancelled. In a callback it does not wait."""
        self._state = TERMINATE
        self._core.terminate()
        try:
            self._core.join(None)
        except Deadlock:
            pass  # called by a callback, which is what the pool's end waits for

    def join(self, timeout=None):
        """Waits until the workers of a closed or terminated pool have ended and callbacks have run; False when timeout seconds have
        passed. Deadlock in a callback of the same pool."""
        if self._state == RUN:
            raise ValueError("Pool is still running")
        if self._state not in (CLOSE, TERMINATE):
            raise ValueError("In unknown state")
        return self._core.join(timeout)

    def deaths(self):
        """How many workers have died while they ran."""
        return self._core.deaths()

    def __enter__(self):
        self._check_running()
        return self

    def __exit__(self, exc_type, exc_val, exc_tb):
        self.terminate()


def _chunks(iterator, size):
    while True:
        chunk = tuple(itertools.islice(iterator, size))
        if not chunk:
            return
        yield chunk


def _with_progress(result, progress):
    if progress:
        from .progress import watch
        watch(result)
    return result.get()
