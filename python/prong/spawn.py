"""What is told to a new interpreter that is to become a child, and how it is started. What it does then: prong.image."""

import os
import sys
import multiprocessing.spawn as _std
from multiprocessing import util

from . import _core
from ._mirror import mirror

__all__ = mirror(_std, globals())
_their_data, _their_prepare = _std.get_preparation_data, _std.prepare  # before install() puts ours there

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_program = None


def _code(module, argument=""):
    """What a new interpreter runs: finds this package as its parent did, whatever its own sys.path. Nothing is collected until it
    knows what it is to run: all that is made before stays."""
    return f"import gc, sys; gc.disable(); sys.path[:0] = [{_HERE!r}]; from prong.{module} import main; main({argument})"


def get_preparation_data(name, method=None):
    """All that a child needs before its Process object can be unpickled."""
    from . import context
    data = _their_data(name)
    if method is not None:
        data["start_method"] = method
    if "prong.install" in sys.modules and sys.modules["prong.install"].installed:
        data["prong_installed"] = True
    data["prong_start_method"] = context._default_context.get_start_method(allow_none=True)
    return data


def set_program():
    """Tells the core what spawn and the fork server start."""
    global _program
    from . import forkserver
    executable = os.fsencode(_std.get_executable())
    flags = tuple(util._args_from_interpreter_flags())
    from multiprocessing.resource_tracker import getfd
    tracker = getfd()  # one tracker for the whole family, or a child's would free at its end what others use
    preload = forkserver.preload_argument()
    wanted = executable, flags, tracker, preload
    if wanted == _program:
        return
    begin = [executable] + [os.fsencode(flag) for flag in flags] + [b"-c"]
    end = [b"--multiprocessing-fork"]
    _core._keep(tracker)
    _core._set_program(executable, begin + [os.fsencode(_code("image", str(tracker)))] + end,
                       begin + [os.fsencode(_code("forkserver", f"{tracker}, {preload}"))] + end)
    _program = wanted
