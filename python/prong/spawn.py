"""What is told to a new interpreter that is to become a child, and how it is started. What it does then: prong._impl.image."""

import multiprocessing.spawn as _std
import os
import sys
from multiprocessing import util

from . import _core, forkserver
from ._impl import frozen, methods
from ._impl.compat import needs
from ._impl.frozen import FORKING, is_frozen
from ._impl.main_names import is_file
from ._impl.mirror import mirror, public

needs(_std, os, util)
__all__ = mirror(_std, globals())
__dir__ = public(__name__)
TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from multiprocessing.spawn import *  # noqa: F403
    from typing import Any

    def __getattr__(name: str) -> Any: ...  # what it has beside its public names

_LONGEST_ARGUMENT = (1 << 17) - 1  # bytes that a program can be started with

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_told_by_install: "Callable[[], dict[str, Any]] | None" = None  # a function, while prong is installed: what else a child is told
_told: "dict[str, tuple[Any, ...]]" = {}  # of each module that the core starts in a new interpreter: what it was told last


def _arguments(flags: "tuple[str, ...]", module: str, argument: str) -> "list[str]":
    """What a new interpreter is started with, to call prong._impl.MODULE.main(argument). It finds this package as its parent did, whatever
    its own sys.path. Nothing is collected until it knows what it is to run: all that is made before stays. A frozen program is started
    as it is, and calls freeze_support()."""
    if is_frozen():
        return [FORKING, "prong._impl." + module, argument]
    code = f"import gc, sys; gc.disable(); sys.path[:0] = [{_HERE!r}]; from prong._impl.{module} import main; main({argument})"
    return [*flags, "-c", code, FORKING]


def preparation_data(name: str, method: str) -> "dict[str, Any]":
    """All that a child needs before its Process object can be unpickled: what multiprocessing tells it, by the function that others may
    have put something in the place of, and what prong adds."""
    data = _std.get_preparation_data(name)
    data["start_method"] = method
    if not is_file(data.get("init_main_from_path", "")):
        del data["init_main_from_path"]
    if _told_by_install is not None:
        data.update(_told_by_install())
    data["prong_start_method"] = methods.default.get_start_method(allow_none=True)
    return data


def current_umask() -> "int | None":
    """This process's file mode creation mask, unchanged meanwhile; None where the system does not tell."""
    try:
        with open("/proc/self/status", "rb") as file:
            return int(file.read(256).partition(b"\nUmask:")[2].split(None, 1)[0], 8)
    except (OSError, ValueError, IndexError):
        return None


def _program_arguments(argv: "Iterable[str]") -> "list[bytes]":
    """argv, for the main module that the fork server imports; nothing if no program can be started with it."""
    try:
        arguments = [os.fsencode(argument) for argument in argv]
    except (TypeError, ValueError):
        return []
    return arguments if _can_be_passed(arguments) else []


def _can_be_passed(arguments: "list[bytes]") -> bool:
    """Whether a program can be started with them: they share their room with the environment, and have an address each there."""
    strings = arguments + [name + b"=" + value for name, value in os.environ._data.items()]  # type: ignore[attr-defined]
    room = os.sysconf("SC_ARG_MAX") - (1 << 16)  # what else it is told
    return max(map(len, arguments), default=0) < _LONGEST_ARGUMENT and sum(len(string) + 9 for string in strings) < room


def _tell(tell, module, argument, argv=None):
    """Tells the core what it starts, if that is not what it was told last. argv: the program's, if what is started gets it."""
    executable, flags = os.fsencode(_std.get_executable()), tuple(util._args_from_interpreter_flags())
    wanted = executable, flags, argument, argv
    if _told.get(module) != wanted:
        arguments = list(map(os.fsencode, _arguments(flags, module, argument)))
        tell(executable, [executable, *arguments, *_program_arguments(argv or ())])
        _told[module] = wanted


def start_server():
    """Starts the fork server, unless it runs: it begins while this process goes on."""
    frozen.check_begun()
    _tell(_core._set_server, "server", forkserver.preload_argument(), list(getattr(sys, "argv", ())))
    _core._start_server()


def set_program():
    """Tells the core what spawn starts, and which descriptor of the resource tracker children get."""
    frozen.check_begun()
    from multiprocessing.resource_tracker import getfd
    tracker = getfd()  # one tracker for the whole family, or a child's would free at its end what others use
    _core._keep(tracker)
    _tell(_core._set_program, "image", str(tracker))
