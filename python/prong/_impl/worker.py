"""python -m prong.worker: a process, or a pool's worker, that a C program started. It calls functions by name, "MODULE:NAME"."""

import functools
import os
import sys
import traceback

from .. import _core
from . import child, methods


@functools.cache
def _find(name):
    from importlib import import_module
    module, colon, path = name.partition(":")
    if not colon or not module or not path:
        raise ValueError(f"{name!r} names no function of Python's: it is not of the form 'MODULE:NAME'")
    function = import_module(module)
    for part in path.split("."):
        function = getattr(function, part)
    return function


def _call(name, arguments, keywords):
    return _find(name)(*arguments, **(keywords or {}))


def _as_target(*call):
    """The exit code, as Process has it; None is 0."""
    try:
        code = _call(*call)
        return code if isinstance(code, int) else 0
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    return 1


def _run(name, both, is_task):
    return (_call if is_task else _as_target)(name, *both)


def _describe(error, value, unsendable):
    """What was raised, for a reader in C: what it is, then where."""
    try:
        if unsendable:
            summary = f"the result cannot be sent: {type(error).__name__}: {error}"
        else:
            summary = f"{type(error).__name__}: {error}"
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        text = "".join(traceback.format_exception(type(error), error, trace))
        return f"{summary}\n{text}".encode("utf-8", "replace") + b"\0"
    except BaseException as failure:
        return f"{type(error).__name__}, and {type(failure).__name__} as it was described".encode() + b"\0"


def main():
    """Takes up what this process was started for, and does not return."""
    if "PRONG_CHILD" not in os.environ:
        sys.exit("prong.worker: started by hand. It is a program for prong_pool_options and prong_process_options: "
                 '{"python3", "-m", "prong.worker", NULL}')
    me = methods.contexts["spawn"].Process(name=f"PythonWorker-{os.getpid()}")
    me._config = dict(me._config, daemon=False)
    me._parent_pid = os.getppid()
    child.become(me)
    _core._finalize_at_end()
    _core._set_named(_run, _describe)
    _core._worker_main()

