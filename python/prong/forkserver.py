"""The fork server: what it imports before it forks. Itself it is the core's."""

import gc
import sys
from multiprocessing import process

from . import _core

__all__ = ["ensure_running", "get_inherited_fds", "connect_to_new_process", "set_forkserver_preload"]

_preload = ["__main__"]


def set_forkserver_preload(modules_names):
    """Modules to import in the server, before its first child. TypeError unless a list of str."""
    global _preload
    if not all(type(name) is str for name in modules_names):
        raise TypeError("module_names must be a list of strings")
    _preload = list(modules_names)


def preload_argument():
    """What main is called with, as source text."""
    from .spawn import _std
    data = _std.get_preparation_data("ignore") if _preload else {}
    return repr((_preload, data.get("sys_path"), data.get("init_main_from_path"), data.get("init_main_from_name")))


def main(data):
    """The first call of the fork server; does not return. It has no part in the program's resource tracker, whose end it would
    delay: each child gets that with its start."""
    from . import pickling  # noqa: F401  (which most children need)
    from .image import import_main
    gc.enable()
    _core._inherit_arena()
    preload, sys_path, main_path, main_name = data
    if sys_path is not None:
        sys.path[:] = sys_path
    sys.argv[:] = sys.argv[2:] or sys.argv  # the program's: see spawn.set_program
    if "__main__" in preload and main_path is not None:
        process.current_process()._inheriting = True
        try:
            import_main(main_path)
        except BaseException:
            pass  # a child that needs it says why it cannot be had
        finally:
            del process.current_process()._inheriting
    for name in preload:
        try:
            __import__(name)
        except ImportError:
            pass
    gc.collect()
    gc.freeze()
    _core._child_main()


class ForkServer:
    """multiprocessing's view of the server."""

    def set_forkserver_preload(self, modules_names):
        set_forkserver_preload(modules_names)

    def ensure_running(self):
        """It is started with the first process that needs it."""

    @property
    def _forkserver_pid(self):
        return _core._server_pid()

    def _stop(self):
        """Ends it; the next start begins another."""
        _core._stop_server()


_forkserver = ForkServer()
ensure_running = _forkserver.ensure_running


def get_inherited_fds():
    return None


def connect_to_new_process(fds):
    raise NotImplementedError("the core starts the fork server's children")
