"""A forked child, from its first Python statement to its last: what BaseProcess._bootstrap does, touching as little memory as it
can, since each page that a child writes to has to be copied first."""

import atexit
import itertools
import os
import sys
import threading
from multiprocessing import process, util

from .context import force_start_method

_ATEXIT_IN_CHILDREN = sys.version_info >= (3, 13)


def parent_sentinel():
    """A descriptor that is readable when the parent has ended."""
    try:
        return os.pidfd_open(os.getppid())
    except (AttributeError, OSError):
        return os.open(os.devnull, os.O_RDONLY)


class _Parent(process._ParentProcess):
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


def become(process_obj):
    """This process is that one from now on, with no children and nothing to finalize."""
    process._process_counter = itertools.count(1)
    process._children = set()
    before = process._current_process  # kept until what is to run after a fork has run
    process._current_process = process_obj
    process._parent_process = _Parent(process_obj._parent_name, process_obj._parent_pid)
    if util._finalizer_registry:
        util._finalizer_registry.clear()
    if util._afterfork_registry:
        util._run_after_forkers()
    del before


def _begin(process_obj):
    force_start_method(process_obj._start_method)
    sys.stdin = _Stdin()
    threading.main_thread()._set_native_id()
    become(process_obj)


def _run(process_obj):
    """The exit code."""
    try:
        try:
            process_obj.run()
        finally:
            if util._finalizer_registry or process._children or util._logger:
                util._exit_function()
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


def run_forked(process_obj):
    """Runs it; the exit code."""
    if _ATEXIT_IN_CHILDREN:
        atexit._clear()
        atexit.register(util._exit_function)
    try:
        if type(process_obj)._bootstrap is not process.BaseProcess._bootstrap:
            return process_obj._bootstrap(parent_sentinel=parent_sentinel())
        _begin(process_obj)
        if util._logger:
            util.info("child process calling self.run()")
        code = _run(process_obj)
        threading._shutdown()
        if util._logger:
            util.info("process exiting with exitcode %d", code)
        return code
    finally:
        if _ATEXIT_IN_CHILDREN:
            atexit._run_exitfuncs()
        util._flush_std_streams()
