"""install(): from then on multiprocessing is prong, for every library of this process and its children."""

import functools
import multiprocessing
import sys
from types import FunctionType

installed = False
_before = []

# Modules of which some names are prong's own.
_MODULES = ("context", "connection", "heap", "pool", "queues", "reduction", "shared_memory", "sharedctypes", "spawn", "synchronize",
            "forkserver")


def _replace(module, name, value):
    _before.append((module, name, module.__dict__.get(name, _before)))
    setattr(module, name, value)


def _with_globals(value, names):
    """A class's function, of whatever kind, as one that sees these names; another attribute as it is."""
    if isinstance(value, (staticmethod, classmethod)):
        return type(value)(_with_globals(value.__func__, names))
    if not isinstance(value, FunctionType) or value.__module__ != names["__name__"]:
        return value
    copy = FunctionType(value.__code__, names, value.__name__, value.__defaults__, value.__closure__)
    copy.__kwdefaults__ = value.__kwdefaults__
    for name in functools.WRAPPER_ASSIGNMENTS:
        setattr(copy, name, getattr(value, name))
    return copy


def _keep_as_it_was(theirs, names):
    """Of a class that is replaced there may be subclasses and instances: its functions go on seeing what its module had, their own
    class by its name for one."""
    for name, value in list(vars(theirs).items()):
        copy = _with_globals(value, names)
        if copy is not value:
            _replace(theirs, name, copy)


def _replace_names(module, values):
    before = dict(vars(module))
    for name, _ in values:
        # but a Process starts in the default context, by whatever name it is called: so it is prong's that starts it
        if isinstance(before.get(name), type) and module is not multiprocessing.context:
            _keep_as_it_was(before[name], before)
    for name, value in values:
        if not name.startswith("_") or name in before:
            _replace(module, name, value)


def _names(ours):
    for name, value in vars(ours).items():
        if not name.startswith("__") and getattr(value, "__module__", "").startswith("prong") and not isinstance(value, type(sys)):
            yield name, value


def install():
    """Puts prong's classes and functions in the place of multiprocessing's, in its own modules. Call it before libraries take
    theirs: what was imported by `from multiprocessing… import` earlier, and what was made of it, works on as it was."""
    global installed
    if installed:
        return
    import importlib
    import prong
    pairs = []
    for name in _MODULES:
        ours = importlib.import_module("prong." + name)
        theirs = importlib.import_module("multiprocessing." + name)
        for made_late in getattr(ours, "__all__", ()):
            getattr(ours, made_late)
        if ours is not theirs:
            pairs.append((theirs, list(_names(ours))))
    for theirs, values in pairs:
        _replace_names(theirs, values)
    from . import context
    _replace(multiprocessing.context, "_concrete_contexts", context._concrete_contexts)
    for name in prong._names:
        _replace(multiprocessing, name, getattr(prong, name))
    _install_managers(importlib.import_module("multiprocessing.managers"))
    if sys.version_info < (3, 12):
        _when_imported("concurrent.futures.process", _mend_executor)
    installed = True


def _install_managers(managers):
    """Their classes stay, since they call one another by name; their servers are prong's, and have its locks and pools."""
    from . import managers as ours
    from .context import _default_context
    _replace(managers, "get_context", _default_context.get_context)
    _replace(managers.BaseManager, "_Server", ours.Server)
    _replace(managers.BaseManager, "get_server", ours.get_server)
    _replace(managers.SharedMemoryManager, "_Server", ours.SharedMemoryServer)
    registry = dict(managers.SyncManager._registry)
    for name in ("Pool", "Lock", "RLock", "Condition"):
        registry[name] = ours.SyncManager._registry[name][:1] + registry[name][1:]
    registry["set"] = ours.SyncManager._registry["set"]
    _replace(managers, "SetProxy", ours.SetProxy)
    _replace(managers.SyncManager, "set", ours.SyncManager.set)
    _replace(managers.SyncManager, "_registry", registry)
    for name in ("BaseManager", "SyncManager", "SharedMemoryManager"):
        _replace(ours, name, getattr(managers, name))  # one class each, whose register() all see


class _Watch:
    """A finder that finds nothing of its own: a module that another finds is handed to a function when it has been run. Not by
    _later.later, which would have the package imported now to give it the module as an attribute."""

    def __init__(self, name, function):
        self.name, self.function = name, function

    def find_spec(self, name, path, target=None):
        if name != self.name:
            return None
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, found), None)
        if spec and not isinstance(spec.loader, type):  # a class is every module's loader
            run = spec.loader.exec_module

            def run_and_hand_over(module):
                run(module)
                if self in sys.meta_path:  # still, and for the first time
                    sys.meta_path.remove(self)
                    self.function(module)

            spec.loader.exec_module = run_and_hand_over
        return spec


def _when_imported(name, function):
    if name in sys.modules:
        function(sys.modules[name])
    else:
        sys.meta_path.insert(0, _Watch(name, function))


def _mend_executor(module):
    """Up to March 2023 (so in all of 3.9, and in Debian's 3.11.2) the standard library's executor waited for ever in shutdown when
    all that was left to do had just been cancelled: CPython's issue 94440. It has to look at what is left once more; later versions
    do, and may do so twice."""
    manager = module._ExecutorManagerThread
    flag = manager.flag_executor_shutting_down

    def flag_executor_shutting_down(self):
        flag(self)
        self.add_call_item_to_queue()

    _replace(manager, "flag_executor_shutting_down", flag_executor_shutting_down)


def uninstall():
    """Puts multiprocessing back as it was."""
    global installed
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Watch)]
    while _before:
        module, name, value = _before.pop()
        if value is _before:
            delattr(module, name)
        else:
            setattr(module, name, value)
    installed = False
