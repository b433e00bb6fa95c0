"""The fork server: what it imports before it forks. Itself it is the core's."""

from multiprocessing.context import ProcessError

from . import _core
from ._impl.mirror import public

__all__ = ["ensure_running", "get_inherited_fds", "connect_to_new_process", "set_forkserver_preload"]
__dir__ = public(__name__)

_preload: "list[str]" = ["__main__"]
_on_error = "ignore"


def set_forkserver_preload(modules_names: "list[str]", *, on_error: str = "ignore") -> None:
    """Modules to import in the server, before its first child. TypeError unless a list of str.

    on_error: what the server does about one that cannot be imported: "ignore", "warn" (an ImportWarning), or "fail": it ends with a
    traceback, and the start of a process raises ProcessError.
    """
    global _preload, _on_error
    if not all(type(name) is str for name in modules_names):
        raise TypeError("module_names must be a list of strings")
    if on_error not in ("ignore", "warn", "fail"):
        raise ValueError(f"on_error must be 'ignore', 'warn' or 'fail', not {on_error!r}")
    _preload, _on_error = list(modules_names), on_error


def preload_argument() -> str:
    """What prong._impl.server.main is called with, as source text."""
    from multiprocessing import spawn
    data = spawn.get_preparation_data("ignore") if _preload else {}
    return repr((_preload, _on_error, data.get("sys_path"), data.get("init_main_from_path"), data.get("init_main_from_name")))


def explain(error: ProcessError) -> None:
    """A start has failed: what that may come of."""
    if _on_error == "fail" and "fork server" in str(error):
        raise ProcessError(f"{error}: set_forkserver_preload(on_error='fail') ends it when it cannot import "
                           f"one of {', '.join(_preload)}; its traceback is on stderr") from error


class ForkServer:
    """multiprocessing's view of the server."""

    def set_forkserver_preload(self, modules_names: "list[str]", *, on_error: str = "ignore") -> None:
        """Modules to import in the server, before its first child."""
        set_forkserver_preload(modules_names, on_error=on_error)

    def ensure_running(self) -> None:
        """It is started with the first process that needs it."""

    @property
    def _forkserver_pid(self) -> "int | None":
        return _core._server_pid()

    def _stop(self) -> None:
        """Ends it; the next start begins another."""
        _core._stop_server()


_forkserver = ForkServer()
ensure_running = _forkserver.ensure_running


def get_inherited_fds() -> None:
    """None: the core's server hands its children no descriptors that they would have to know."""
    return None


def connect_to_new_process(fds: "list[int]") -> "tuple[int, int]":
    """NotImplementedError: the core starts the fork server's children."""
    raise NotImplementedError("the core starts the fork server's children")
