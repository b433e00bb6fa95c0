"""What a new interpreter does to become a child, and what its parent tells it."""

import io
import os
import signal
import sys
import multiprocessing.spawn as _std
from multiprocessing import process
from multiprocessing import util

from . import _core
from ._mirror import mirror

__all__ = mirror(_std, globals())
_their_data, _their_prepare = _std.get_preparation_data, _std.prepare  # before install() puts ours there

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_program = None


# ------------------------------------------------ in the parent ------------------------------------------------


def _code(module, argument=""):
    """What a new interpreter runs: finds this package as its parent did, whatever its own sys.path."""
    return f"import sys; sys.path[:0] = [{_HERE!r}]; from prong.{module} import main; main({argument})"


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
    _core._set_program(executable, begin + [os.fsencode(_code("spawn", str(tracker)))] + end,
                       begin + [os.fsencode(_code("forkserver", f"{tracker}, {preload}"))] + end)
    _program = wanted


# ------------------------------------------------ in the child ------------------------------------------------


def main(tracker):
    """The first call of a spawned interpreter; does not return."""
    share_tracker(tracker)
    _core._child_main()


def share_tracker(descriptor):
    """This image reports to the resource tracker of the process that started it."""
    from multiprocessing import resource_tracker
    resource_tracker._resource_tracker._fd = descriptor
    _core._keep(descriptor)


def _take_over(data):
    data = dict(data)
    method = data.pop("prong_start_method", None)
    if data.pop("prong_installed", False):
        from .install import install
        install()
    _their_prepare(data)
    if method is not None:
        from . import context
        context._default_context.set_start_method(method, force=True)


def _signals():
    """A fork server's children begin with every signal at its default; an interpreter does not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def _read(payload):
    import pickle
    stream = io.BytesIO(payload)
    process.current_process()._inheriting = True
    try:
        _take_over(pickle.load(stream))
        return pickle.load(stream)
    finally:
        del process.current_process()._inheriting


def _failed():
    """Says why a child cannot begin; its exit code."""
    import traceback
    traceback.print_exc()
    util._flush_std_streams()
    return 1


def run_image(payload):
    """Called by the core in a spawned child, or one of the fork server; the exit code."""
    from .child import parent_sentinel
    os.environ.pop("PRONG_CHILD", None)
    _signals()
    try:
        process_obj = _read(payload)
    except BaseException:
        return _failed()
    from .context import force_start_method
    force_start_method(process_obj._start_method)
    ends_as_interpreter()
    return process_obj._bootstrap(parent_sentinel=parent_sentinel())


_at_exit = False


def ends_as_interpreter():
    """When this process's target has returned, what is registered with atexit runs."""
    global _at_exit
    _at_exit = True


def after_target(code):
    """Called by the core when a child's target has returned: what an interpreter does at its end."""
    if _at_exit:
        import atexit
        atexit._run_exitfuncs()
        util._flush_std_streams()
    elif "prong.pool" in sys.modules:
        sys.modules["prong.pool"]._worker_ends()
    return code


def run_worker(payload):
    """Called by the core in a pool's worker that is no copy of its parent; 0, or the exit code."""
    os.environ.pop("PRONG_CHILD", None)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        return _read(payload)()
    except BaseException:
        return _failed()


_core._set_callbacks(util._flush_std_streams, run_image, run_worker, after_target)
