"""A child, from its first Python statement to its last: what BaseProcess._bootstrap does, importing nothing that it does not need. Most
forked children do the same in the core (fork.c), which calls what is here where there is something to do."""

import atexit
import itertools
import os
import sys
import threading
from multiprocessing import process

from .. import _core
from . import methods
from .compat import needs

needs(atexit, process, threading)

_ATEXIT_IN_CHILDREN = sys.version_info >= (3, 13)


def _util():
    """multiprocessing.util, if somebody has something there; None where it has not been imported."""
    util = sys.modules.get("multiprocessing.util")
    return util and needs(util)


flush_streams = _core._flush_streams  # or the child that is forked next would write it again


def parent_sentinel():
    """A descriptor that is readable when the parent has ended."""
    try:
        return os.pidfd_open(os.getppid())
    except (AttributeError, OSError):
        return os.open(os.devnull, os.O_RDONLY)


class Parent(process._ParentProcess):  # type: ignore[name-defined]
    """The parent, whose sentinel is opened when somebody asks for it."""

    def __init__(self, name, pid):
        super().__init__(name, pid, None)

    @property
    def _sentinel(self):
        if self._opened is None:
            self._opened = parent_sentinel()
        return self._opened

    @_sentinel.setter
    def _sentinel(self, value):
        self._opened = value


class _Stdin:
    """Standard input of a child, which is /dev/null: opened when somebody reads from it."""

    def _open(self):
        if sys.stdin is self:
            sys.stdin = open(os.open(os.devnull, os.O_RDONLY), encoding="utf-8", closefd=False)
            return sys.stdin
        return open(os.devnull, encoding="utf-8")

    def __getattr__(self, name):
        return getattr(self._open(), name)

    def __iter__(self):
        return iter(self._open())

    def __next__(self):
        raise StopIteration

    def __enter__(self):
        return self._open().__enter__()

    def __exit__(self, *args):
        pass


stdin = _Stdin()  # the only one, which is never freed: input() holds no reference to it while it opens and replaces it


def become(process_obj):
    """This process is that one from now on, with no children and nothing to finalize."""
    process._process_counter = itertools.count(1)
    process._children = set()
    before = process._current_process  # kept until what is to run after a fork has run
    process._current_process = process_obj
    process._parent_process = Parent(process_obj._parent_name, process_obj._parent_pid)
    forget()
    del before


def _forget_imports():
    """Modules that another thread was importing when this process was forked: that thread is not here, so half of each is all there would
    ever be, and its lock is held for good. They are imported anew by whom they are needed."""
    locks = getattr(sys.modules["_frozen_importlib"], "_module_locks", {})
    for name, lock in [(name, ref()) for name, ref in list(locks.items())]:
        if getattr(lock, "owner", None) not in (None, threading.get_ident()):
            sys.modules.pop(name, None)
            locks.pop(name, None)


def forget():
    _forget_imports()
    util = _util()
    if util:
        util._finalizer_registry.clear()
        if util._afterfork_registry:
            util._run_after_forkers()


def _begin(process_obj):
    methods.force(process_obj._start_method)
    sys.stdin = stdin
    threading.main_thread()._set_native_id()
    become(process_obj)


def _log(*message):
    util = _util()
    if util and util._logger:
        util.info(*message)


def finalize():
    util = _util()
    if process._children or util and (util._finalizer_registry or util._logger):
        from multiprocessing import util
        needs(util)._exit_function()


def _call(process_obj, run):
    """The exit code."""
    try:
        try:
            run()
        finally:
            finalize()
        return 0
    except SystemExit as error:
        if error.code is None:
            return 0
        if isinstance(error.code, int):
            return error.code
        sys.stderr.write(str(error.code) + "\n")
        return 1
    except BaseException:
        import traceback
        sys.stderr.write("Process %s:\n" % process_obj.name)
        traceback.print_exc()
        return 1


def failed(process_obj, error):
    """The exit code of a child whose target raised this."""
    def raise_it():
        raise error
    return _call(process_obj, raise_it)


def unpatched(name, cls=process.BaseProcess):
    """The function of that name that the class has from multiprocessing's Process; None if it has another, its own or one that
    somebody has put in its place."""
    function = getattr(cls, name)
    code = getattr(function, "__code__", None)
    return function if code and code.co_filename == process._cleanup.__code__.co_filename else None


def bootstrap(process_obj):
    """Has a _bootstrap that is not multiprocessing's do the whole; the exit code. Such as measure coverage, or trace, put theirs in its
    place: what they call in their turn is multiprocessing's own, which does all that a child is to do."""
    methods.force(process_obj._start_method)
    return process_obj._bootstrap(parent_sentinel=parent_sentinel())


def adopt_environment(wanted):
    """This process has these variables, and no others: of bytes."""
    environment = os.environb
    for name in list(environment):
        if name not in wanted:
            del environment[name]
    for name, value in wanted.items():
        if environment.get(name) != value:
            environment[name] = value


def run(process_obj):
    """Runs it; the exit code."""
    try:
        if not unpatched("_bootstrap", type(process_obj)):
            return bootstrap(process_obj)
        _begin(process_obj)
        _log("child process calling self.run()")
        code = _call(process_obj, process_obj.run)
        threading._shutdown()
        _log("process exiting with exitcode %d", code)
        return code
    finally:
        flush_streams()


def run_fork(process_obj):
    """Runs it in a forked child; the exit code."""
    if getattr(process_obj, "_env", None) is not None:
        adopt_environment(process_obj._env)
    return run_copy(process_obj)


def run_copy(process_obj):
    """Runs it in a copy of another process, whose exit functions are not this one's; the exit code."""
    if _ATEXIT_IN_CHILDREN:
        atexit._clear()
        atexit.register(finalize)
    try:
        return run(process_obj)
    finally:
        if _ATEXIT_IN_CHILDREN:
            atexit._run_exitfuncs()
            flush_streams()
