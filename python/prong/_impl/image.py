"""What a new interpreter does to become a child: one that was spawned, or the fork server's. It imports as little as it can, since
imports are most of what a start costs."""

import gc
import io
import os
import signal
import sys
from _pickle import load
from multiprocessing import context as _their_context
from multiprocessing import process
from types import ModuleType

from .. import _core
from . import methods
from .child import adopt_environment, run, run_copy
from .compat import needs
from .later import bind, later

needs(process, _their_context)
_TRACKER = "multiprocessing.resource_tracker"
_former_mains = []  # what ran as __main__ before may still be in use


def main(tracker):
    """The first call of a spawned interpreter; does not return."""
    share_tracker(tracker)
    _core._finalize_at_end()
    _core._child_main()


def share_tracker(descriptor):
    """This image reports to the resource tracker of the process that started it."""
    def share(module):
        needs(module)._resource_tracker._fd = descriptor
    later(_TRACKER, share)
    bind(_TRACKER)
    _core._keep(descriptor)


# ------------------------------------------------ what the parent tells ------------------------------------------------

_KNOWN = {"name", "authkey", "log_to_stderr", "log_level", "sys_path", "sys_argv", "dir", "orig_dir", "start_method",
          "init_main_from_name", "init_main_from_path", "prong_installed_after"}


def _prepare(data):
    """What multiprocessing.spawn.prepare does."""
    method, environment, umask = (data.pop("prong_" + name, None) for name in ("start_method", "environment", "umask"))
    if environment is not None:
        adopt_environment(environment)
    if umask is not None:
        os.umask(umask)
    if data.pop("prong_installed", False):
        from .install import install
        install()
    if data.keys() <= _KNOWN:
        _take_over(data)
        import_main(data.get("init_main_from_path"), data.get("init_main_from_name"))
    else:  # a newer Python, which tells more
        from multiprocessing import spawn
        spawn.prepare(data)
    if method is not None:
        methods.default.set_start_method(method, force=True)
    if "prong_installed_after" in data:
        from .install import install_after
        install_after(data["prong_installed_after"])


def _take_over(data):
    me = process.current_process()
    if "name" in data:
        me.name = data["name"]
    if "authkey" in data:
        me.authkey = data["authkey"]
    if data.get("log_to_stderr") or "log_level" in data:
        _log(data)
    sys.path = data.get("sys_path", sys.path)
    sys.argv = data.get("sys_argv", sys.argv)
    if "dir" in data:
        os.chdir(data["dir"])
    if "orig_dir" in data:
        process.ORIGINAL_DIR = data["orig_dir"]
    if "start_method" in data:
        _their_context._force_start_method(data["start_method"])


def _log(data):
    from multiprocessing import util
    if data.get("log_to_stderr"):
        util.log_to_stderr()
    if "log_level" in data:
        util.get_logger().setLevel(data["log_level"])


def import_main(path, name=None):
    """Imports the parent's main module, if there is one, as this process's."""
    source = _source_of(path) if path is not None else None
    if source is not None:
        _run_main(path, source)
    elif name is not None or path is not None:
        from multiprocessing import spawn
        needs(spawn)
        if name is not None:
            spawn._fixup_main_from_name(name)
        else:
            spawn._fixup_main_from_path(path)


def _source_of(path):
    """A script's text; None of what is none: a directory, an archive, compiled code. Those are for runpy, which is slow to import."""
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError:
        return None
    return None if b"\0" in source else source


def _run_main(path, source):
    """Runs the parent's script as module __mp_main__, which is __main__ as well then."""
    former = sys.modules["__main__"]
    if os.path.splitext(os.path.basename(path))[0] == "ipython" or getattr(former, "__file__", None) == path:
        return
    module = ModuleType("__mp_main__")
    vars(module).update(__file__=path, __cached__=None, __package__="")
    former_argv, former_alias = sys.argv[:], sys.modules.get("__mp_main__")
    sys.modules["__mp_main__"] = module
    sys.argv[:1] = [path]
    try:
        exec(compile(source, path, "exec", dont_inherit=True), vars(module))
    except BaseException:
        sys.modules["__mp_main__"] = former_alias
        raise
    finally:
        sys.argv[:1] = former_argv[:1]
    _former_mains.append(former)
    sys.modules["__main__"] = module


# ------------------------------------------------ taking it up ------------------------------------------------


def _begin():
    gc.freeze()
    gc.enable()
    if _core._handed() is not None:
        share_tracker(_core._handed())
    os.environ.pop("PRONG_CHILD", None)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def _read(payload):
    stream = io.BytesIO(payload)
    me = process.current_process()
    me._inheriting = True
    try:
        _prepare(load(stream))
        return load(stream)
    finally:
        del me._inheriting


def _failed():
    """Says why a child cannot begin; its exit code."""
    import traceback
    traceback.print_exc()
    return 1


def run_image(payload):
    """Called by the core in a spawned child, or one of the fork server; the exit code."""
    _begin()
    try:
        process_obj = _read(payload)
        _detach_stdin()
    except BaseException:
        return _failed()
    return run(process_obj) if _core._finalizes() else run_copy(process_obj)


def _detach_stdin():
    """Descriptor 0 is /dev/null from now on."""
    if sys.stdin is not None:
        try:
            sys.stdin.close()
        except (OSError, ValueError):
            pass
    os.open(os.devnull, os.O_RDONLY)


def run_worker(payload):
    """Called by the core in a pool's worker that is no copy of its parent; 0, or the exit code."""
    _begin()
    try:
        return _read(payload)()
    except BaseException:
        return _failed()


_core._set_image(run_image, run_worker)
