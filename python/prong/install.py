"""install(): from then on multiprocessing is prong, for every library of this process and its children."""

import sys

installed = False
_before = []

# Modules of which some names are prong's own.
_MODULES = ("context", "connection", "heap", "pool", "queues", "reduction", "shared_memory", "sharedctypes", "spawn", "synchronize",
            "forkserver")


def _replace(module, name, value):
    _before.append((module, name, module.__dict__.get(name, _before)))
    setattr(module, name, value)


def _names(ours):
    for name, value in vars(ours).items():
        if not name.startswith("__") and getattr(value, "__module__", "").startswith("prong") and not isinstance(value, type(sys)):
            yield name, value


def install():
    """Puts prong's classes and functions in the place of multiprocessing's, in its own modules. Call it before libraries take
    theirs: what was imported by `from multiprocessing… import` earlier stays as it was."""
    global installed
    if installed:
        return
    import importlib
    import multiprocessing
    import prong
    pairs = []
    for name in _MODULES:
        ours = importlib.import_module("prong." + name)
        theirs = importlib.import_module("multiprocessing." + name)
        for made_late in getattr(ours, "__all__", ()):
            getattr(ours, made_late)
        if ours is not theirs:
            pairs.append((theirs, list(_names(ours))))
    for theirs, names in pairs:
        for name, value in names:
            if not name.startswith("_") or name in theirs.__dict__:
                _replace(theirs, name, value)
    from . import context
    _replace(multiprocessing.context, "_concrete_contexts", context._concrete_contexts)
    for name in prong._names:
        _replace(multiprocessing, name, getattr(prong, name))
    _install_managers(importlib.import_module("multiprocessing.managers"))
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


def uninstall():
    """Puts multiprocessing back as it was."""
    global installed
    while _before:
        module, name, value = _before.pop()
        if value is _before:
            delattr(module, name)
        else:
            setattr(module, name, value)
    installed = False
