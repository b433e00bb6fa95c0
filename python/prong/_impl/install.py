"""install(): from then on multiprocessing is prong, forevery library of this process and its children."""

import multiprocessing
import sys
from functools import partial
from types import ModuleType

from .. import _core, context, spawn
from . import methods
from .compat import needs
from .mirror import originals, with_globals

_their_context = needs(multiprocessing.context)
installed = False
_undo: "list[partial[None]]" = []
_main: "Any" = None  # a weak reference to the main module at the time: at the end it is to go before others
_made_before: "list[str]" = []  # names of the modules that had derived classes from multiprocessing's by then

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from typing import Any

# Modules of which some names are prong's own.
_MODULES = ("context", "connection", "heap", "pool", "queues", "reduction", "shared_memory", "sharedctypes", "spawn", "synchronize",
            "forkserver")


def _replace(owner, name, value):
    """An attribute of a module or class, until uninstall()."""
    names = vars(owner)
    _undo.append(partial(setattr, owner, name, names[name]) if name in names else partial(delattr, owner, name))
    setattr(owner, name, value)


def _replace_item(mapping, key, value):
    _undo.append(partial(mapping.__setitem__, key, mapping[key]))
    mapping[key] = value


def _keep_as_it_was(theirs, names):
    """Of a class that is replaced there may be subclasses and instances: its functions go on seeing what its module had, their own
    class by its name for one."""
    for name, value in list(vars(theirs).items()):
        copy = with_globals(value, names)
        if copy is not value:
            _replace(theirs, name, copy)


def _modules_of_subclasses(cls):
    for derived in cls.__subclasses__():
        yield derived.__module__
        yield from _modules_of_subclasses(derived)


def _note_subclasses(cls):
    for name in _modules_of_subclasses(cls):
        if name.partition(".")[0] not in ("__main__", "__mp_main__", "multiprocessing", "prong") and name not in _made_before:
            _made_before.append(name)


def _copy_of(module):
    """The module as it is now; what its functions refer to is in the copy, too."""
    copy = ModuleType(module.__name__)
    names = vars(copy)
    names.update(vars(module))
    names.update({name: with_globals(value, names) for name, value in vars(module).items()})
    return copy


def _replace_names(module, values, connection):
    """connection: multiprocessing's module as it was, with the pipe that its queues are made of."""
    before = {name: connection if value is multiprocessing.connection else value for name, value in vars(module).items()}
    for name, _ in values:
        # but a Process starts in the default context, by whatever name it is called: so it is prong's that starts it
        if isinstance(before.get(name), type) and module is not multiprocessing.context:
            _keep_as_it_was(before[name], before)
            _note_subclasses(before[name])
    for name, value in values:
        if isinstance(value, type) and name in before:
            originals[value] = before[name]
        if not name.startswith("_") or name in before:
            _replace(module, name, value)


def _names(ours, theirs):
    """What a module of prong's has in the place of multiprocessing's, and what it defines; not what it imports for itself."""
    for name, value in vars(ours).items():
        module = getattr(value, "__module__", None) or ""
        if module == ours.__name__ or module.startswith("prong") and hasattr(theirs, name):
            if not name.startswith("__"):
                yield name, value


def install() -> None:
    """Puts prong's classes and functions in the place of multiprocessing's, in its own modules. Call it before libraries take
    theirs: what was imported by `from multiprocessing… import` earlier, and what was made of it, works on as it was."""
    global installed, _main
    if installed:
        return
    import importlib
    method = multiprocessing.get_start_method(allow_none=True)
    pairs = []
    for name in _MODULES:
        ours = importlib.import_module("prong." + name)
        theirs = importlib.import_module("multiprocessing." + name)
        for made_late in getattr(ours, "_LATE", ()):
            getattr(ours, made_late)
        if ours is not theirs:
            pairs.append((theirs, list(_names(ours, theirs))))
    connection = _copy_of(multiprocessing.connection)
    connection.Connection = _core.Connection  # of one type everywhere, for which third parties may have a reducer
    for theirs, values in pairs:
        _replace_names(theirs, values, connection)
    for name, ours in methods.contexts.items():  # others may have put theirs there, or will
        _replace_item(_their_context._concrete_contexts, name, ours)
    package = sys.modules["prong"]
    for name in package._names:
        _replace(multiprocessing, name, getattr(package, name))
    _install_managers(importlib.import_module("multiprocessing.managers"))
    if sys.version_info < (3, 12):
        _when_imported("concurrent.futures.process", _mend_executor)
    if method is not None and context._default_context.get_start_method(allow_none=True) is None:
        context._default_context.set_start_method(method)
    _main = _reference_to_main()
    _replace(spawn, "_told_by_install", _preparation)
    installed = True


def _reference_to_main():
    import weakref
    return weakref.ref(sys.modules["__main__"]) if "__main__" in sys.modules else None


def _preparation():
    """What a child is told, so that its classes have the bases that they have here: it installs before it imports the main module, or
    after that and the modules named."""
    if _main != _reference_to_main():
        return {"prong_installed": True}
    return {"prong_installed_after": _made_before}


def install_after(modules: "list[str]") -> None:
    """In a child: those modules had been imported when its parent installed."""
    import importlib
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError:  # the parent may have made it in another way
            pass
    install()


def _install_managers(managers):
    """Their classes stay, since they call one another by name; their servers are prong's, and have its locks, queues and pools."""
    from .. import managers as ours
    _replace(managers, "get_context", context._default_context.get_context)
    _replace(managers.BaseManager, "_Server", ours.Server)
    _replace(managers.BaseManager, "get_server", ours.get_server)
    _replace(managers.BaseManager, "_run_server", classmethod(ours._run_server))
    _replace(managers.SharedMemoryManager, "_Server", ours.SharedMemoryServer)
    registry = dict(managers.SyncManager._registry)
    for name in ("Pool", *ours.WAITED_FOR):
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
    """Up to March 2023 (so in all of 3.9, and in Debian's 3.11.2) the standard library's executor waited forever in shutdown when
    all that was left to do had just been cancelled: CPython's issue 94440. It has to look at what is left once more; later versions
    do, and may do so twice."""
    manager = needs(module)._ExecutorManagerThread
    flag = manager.flag_executor_shutting_down

    def flag_executor_shutting_down(self):
        flag(self)
        self.add_call_item_to_queue()

    _replace(manager, "flag_executor_shutting_down", flag_executor_shutting_down)


def uninstall() -> None:
    """Puts multiprocessing back as it was."""
    global installed
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Watch)]
    while _undo:
        _undo.pop()()
    originals.clear()
    _made_before.clear()
    installed = False
