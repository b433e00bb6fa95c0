"""Process-based parallelism: multiprocessing, on a core in C.

Use it in multiprocessing's place, in one of three ways:

    import prong as multiprocessing          # this program's own uses
    context = prong.get_context("fork")      # where a library takes a context
    prong.install()                          # every library's `import multiprocessing`, in children too

All of multiprocessing's names are here, and its submodules under theirs (prong.pool, prong.queues, …). What is new:
WorkerDied, timeout= and retries= for tasks, put_many and get_many, ProcessPoolExecutor, deadlock_report(); see the documentation.
"""

import sys as _sys

__version__ = "0.2.0"

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:  # what is found, or made, when it is asked for
    from multiprocessing import freeze_support as freeze_support
    from multiprocessing import reducer as reducer
    from multiprocessing.process import active_children as active_children
    from multiprocessing.process import current_process as current_process
    from multiprocessing.process import parent_process as parent_process

    from . import connection as connection
    from . import context as context
    from . import dummy as dummy
    from . import forkserver as forkserver
    from . import heap as heap
    from . import managers as managers
    from . import pool as pool
    from . import process as process
    from . import queues as queues
    from . import reduction as reduction
    from . import resource_sharer as resource_sharer
    from . import resource_tracker as resource_tracker
    from . import shared_memory as shared_memory
    from . import sharedctypes as sharedctypes
    from . import spawn as spawn
    from . import synchronize as synchronize
    from . import util as util
    from ._core import deadlock_report as deadlock_report
    from ._core import fit_address_space as fit_address_space
    from ._core import set_arena_size as set_arena_size
    from ._core import usable_cpu_count as usable_cpu_count
    from ._impl.around import worker_id as worker_id
    from ._impl.around import worker_state as worker_state
    from ._impl.by_value import by_value as by_value
    from ._impl.completed import as_completed as as_completed
    from ._impl.executor import ProcessPoolExecutor as ProcessPoolExecutor
    from ._impl.handles import Handle as Handle
    from ._impl.inline import INLINE as INLINE
    from ._impl.install import install as install
    from ._impl.install import uninstall as uninstall
    from ._impl.native import NativePool as NativePool
    from ._impl.seeds import task_seed as task_seed
    from ._impl.share import Share as Share
    from ._impl.share import share as share
    from ._impl.supervisor import Child as Child
    from ._impl.supervisor import ChildState as ChildState
    from ._impl.supervisor import Supervisor as Supervisor
    from .context import AuthenticationError as AuthenticationError
    from .context import BufferTooShort as BufferTooShort
    from .context import Process as Process
    from .context import ProcessError as ProcessError
    from .context import TimeoutError as TimeoutError
    from .errors import Deadlock as Deadlock
    from .errors import JournalStoppedWarning as JournalStoppedWarning
    from .errors import OwnerDiedWarning as OwnerDiedWarning
    from .errors import PoolBroken as PoolBroken
    from .errors import SupervisorGaveUp as SupervisorGaveUp
    from .errors import TaskCancelled as TaskCancelled
    from .errors import TaskFailed as TaskFailed
    from .errors import TaskMemory as TaskMemory
    from .errors import TaskTimeout as TaskTimeout
    from .errors import WorkerDied as WorkerDied
    from .pool import find_pool as find_pool

    # Functions at runtime, that give objects of these classes: so that they can be annotations, as with multiprocessing.
    from .queues import JoinableQueue as JoinableQueue
    from .queues import Queue as Queue
    from .queues import SimpleQueue as SimpleQueue

    Array = context._default_context.Array
    Barrier = context._default_context.Barrier
    BoundedSemaphore = context._default_context.BoundedSemaphore
    Condition = context._default_context.Condition
    Event = context._default_context.Event
    Lock = context._default_context.Lock
    Manager = context._default_context.Manager
    Pipe = context._default_context.Pipe
    Pool = context._default_context.Pool
    RLock = context._default_context.RLock
    RawArray = context._default_context.RawArray
    RawValue = context._default_context.RawValue
    Semaphore = context._default_context.Semaphore
    Value = context._default_context.Value
    allow_connection_pickling = context._default_context.allow_connection_pickling
    cpu_count = context._default_context.cpu_count
    get_all_start_methods = context._default_context.get_all_start_methods
    get_context = context._default_context.get_context
    get_logger = context._default_context.get_logger
    get_start_method = context._default_context.get_start_method
    log_to_stderr = context._default_context.log_to_stderr
    set_executable = context._default_context.set_executable
    set_forkserver_preload = context._default_context.set_forkserver_preload
    set_start_method = context._default_context.set_start_method

    # Old names, which warn, for one release.
    CPool = NativePool
    report = deadlock_report


def _find_core():
    """False in a subinterpreter, which the core does not serve, and where this package is multiprocessing."""
    try:
        from . import _core
        _core._check_interpreter()
        return True
    except ImportError:
        from ._impl.compat import in_subinterpreter
        if not in_subinterpreter():
            raise
    globals().pop("_core", None)
    _sys.modules[__name__ + "._core"] = None  # for whatever module of ours is imported here
    return False


_has_core = _find_core()

# Everything multiprocessing exports is a method of the default context, as there.
_names: "list[str]" = []
if _has_core:
    from . import _core
    from .context import _default_context

    _names += (name for name in dir(_default_context) if not name.startswith("_"))
    globals().update((name, getattr(_default_context, name)) for name in _names)

# What is new, and where it is. Imported when it is first asked for.
_new = {
    "WorkerDied": "errors", "TaskTimeout": "errors", "TaskMemory": "errors", "TaskCancelled": "errors", "PoolBroken": "errors",
    "Deadlock": "errors",
    "OwnerDiedWarning": "errors", "ProcessPoolExecutor": "_impl.executor", "install": "_impl.install",
    "uninstall": "_impl.install", "by_value": "_impl.by_value", "Handle": "_impl.handles", "NativePool": "_impl.native",
    "TaskFailed": "errors", "worker_state": "_impl.around", "worker_id": "_impl.around", "INLINE": "_impl.inline",
    "task_seed": "_impl.seeds", "Supervisor": "_impl.supervisor", "Child": "_impl.supervisor", "ChildState": "_impl.supervisor",
    "SupervisorGaveUp": "errors", "as_completed": "_impl.completed", "JournalStoppedWarning": "errors",
    "Share": "_impl.share", "share": "_impl.share", "find_pool": "pool",
}
_of_core = ("deadlock_report", "usable_cpu_count", "set_arena_size", "fit_address_space")
_renamed = {"CPool": "NativePool", "report": "deadlock_report"}  # old names, for one release

SUBDEBUG = 5
SUBWARNING = 25

__all__ = sorted(_names) + sorted(_new) + list(_of_core)

if _has_core:
    globals().update((name, getattr(_core, name)) for name in _of_core)
else:
    from ._impl.instead import install, uninstall

    __all__ = ["install", "uninstall"]

if _has_core and getattr(_sys, "frozen", False):
    from ._impl import frozen as _frozen  # noqa: F401  (which has multiprocessing.freeze_support know our children)

# As multiprocessing does: a child that imports the main module finds it under its spawn name, too.
if "__main__" in _sys.modules:
    _sys.modules["__mp_main__"] = _sys.modules["__main__"]


_submodules = ("pool", "managers", "queues", "synchronize", "shared_memory", "sharedctypes", "connection", "dummy", "heap", "popen_fork",
               "popen_spawn_posix", "popen_forkserver", "spawn", "forkserver", "resource_tracker", "resource_sharer", "util")


def _find(name):
    from importlib import import_module

    if not _has_core:
        from ._impl.instead import find
        return find(name)
    if name in _new:
        value = getattr(import_module("." + _new[name], __name__), name)
        globals()[name] = value
        return value
    if name in _renamed:
        from warnings import warn
        warn(f"prong.{name} is called prong.{_renamed[name]}", DeprecationWarning, stacklevel=2)
        return getattr(_sys.modules[__name__], _renamed[name])
    if name in _submodules:
        return import_module("." + name, __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*__all__, *_submodules, *(name for name in globals() if name[:2] == "__" or name[0] != "_")} - {"TYPE_CHECKING"})


if not TYPE_CHECKING:  # which would find any name
    __getattr__ = _find
