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
_names = []
if _has_core:
    from . import _core
    from .context import _default_context

    _names += (name for name in dir(_default_context) if not name.startswith("_"))
    globals().update((name, getattr(_default_context, name)) for name in _names)

# What is new, and where it is. Imported when it is first asked for.
_new = {
    "WorkerDied": "errors", "TaskTimeout": "errors", "TaskCancelled": "errors", "PoolBroken": "errors",
    "Deadlock": "errors",
    "OwnerDiedWarning": "errors", "ProcessPoolExecutor": "_impl.executor", "install": "_impl.install",
    "uninstall": "_impl.install", "by_value": "_impl.by_value", "Handle": "_impl.handles", "NativePool": "_impl.native",
    "TaskFailed": "errors",
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


def __dir__():
    return sorted({*globals(), *__all__})


def __getattr__(name):
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
    if name in ("pool", "managers", "queues", "synchronize", "shared_memory", "sharedctypes", "connection", "dummy", "heap",
                "popen_fork", "popen_spawn_posix", "popen_forkserver", "spawn", "forkserver", "resource_tracker",
                "resource_sharer", "util"):
        return import_module("." + name, __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
