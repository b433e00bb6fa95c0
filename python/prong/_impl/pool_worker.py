"""A pool's worker in Python: how it begins and ends, and what it tells of a task that raised."""

import os
import threading
from _pickle import dumps, loads
from multiprocessing import process

from .. import _core
from ..errors import ProcessError
from .around import begin
from .child import become, bootstrap, finalize, flush_streams, unpatched


def otherwise(instead, function, *arguments):
    """What the function returns; where it raises, whatever that is: instead."""
    try:
        return function(*arguments)
    except BaseException:
        return instead


def _summary(error):
    return f"{type(error).__name__}: {otherwise('(its text cannot be had)', str, error)}"


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


def of_exit(error):
    """What is said of a task that raised SystemExit."""
    return f"the task called sys.exit({otherwise('…', repr, error.code)})"


def note_failure(buffer):
    """Writes the traceback of the exception that is handled, after its length."""
    import traceback
    text = traceback.format_exc().encode("utf-8", "replace")
    view = memoryview(buffer)
    text = text[-(len(view) - 8):]
    view[8:8 + len(text)] = text
    view[:8] = len(text).to_bytes(8, "little")


def describe(error, value, unsendable):
    """A task's exception as bytes: itself if it can be pickled and unpickled, and its text as far as that can be had. Raises where
    there is no memory for that much."""
    if isinstance(error, SystemExit):
        error = ProcessError(of_exit(error))
    elif unsendable:
        summary = _summary(error)
        error = otherwise(None, _unsendable, error, value) or ProcessError(f"the task's result cannot be sent: {summary}")
    summary = otherwise("an exception that cannot be described", _summary, error)
    return dumps((otherwise(None, _pickled, error), otherwise("", _traceback, error), summary, isinstance(error, MemoryError)))


_core._set_describe(describe)


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


class Setup:
    """What a worker calls first; 0, or 1 when the initializer fails. Where multiprocessing's _bootstrap is not what it was, all that
    the worker does is done within it."""

    imports_main = True  # in a new interpreter: the main module of the program, before this is unpickled

    def __init__(self, context, name, initializer, initargs, failure, around):
        self.context, self.name, self.around = context, name, around
        if around is not None and around.threads is not None:  # the variables of a fork server's child come with it
            self._env = {**os.environ._data, **{os.fsencode(name): os.fsencode(value) for name, value in around.variables().items()}}
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
            begin(self.around, self.context._name == "fork")
            if self.context._name == "fork":
                import signal
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            if self.initializer is not None:
                self.initializer(*_core._resolved(tuple(self.initargs)))
            return 0
        except BaseException:
            note_failure(self.failure)
            return 1


def _worker_ends():
    """What BaseProcess._bootstrap does after run."""
    try:
        threading._shutdown()
        finalize()
    finally:
        flush_streams()
