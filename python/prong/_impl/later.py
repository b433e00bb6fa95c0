"""Modules of the standard library that are imported when they are first used: they take longer to import than all of prong, and
most children, and many parents, never use them."""

import sys
import threading
from types import ModuleType

_loading = threading.RLock()


class _Later(ModuleType):
    """The module itself, still empty: its first attribute asked for, or set, fills it."""

    def __getattr__(self, name):
        _fill(self)
        return ModuleType.__getattribute__(self, name)

    def __setattr__(self, name, value):
        _fill(self)
        ModuleType.__setattr__(self, name, value)

    def __dir__(self):
        _fill(self)
        return ModuleType.__dir__(self)


def _fill(module):
    """Other threads wait until it is full; what its own code imports sees what there is of it, as in any import."""
    state = vars(module)
    with _loading:
        if type(module) is not _Later or "_filling" in state:
            return
        state["_filling"] = True
        try:
            _execute(module, state["__name__"])
            object.__setattr__(module, "__class__", ModuleType)
        finally:  # or the next one tries again
            del state["_filling"]
        then = state.pop("_then", None)
        if then is not None:
            then(module)


def _execute(module, name):
    from importlib import _bootstrap, machinery

    from .compat import needs
    package = sys.modules[name.rpartition(".")[0]]
    spec = machinery.PathFinder.find_spec(name, package.__path__)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    needs(_bootstrap)._init_module_attrs(spec, module, override=True)
    spec.loader.exec_module(module)


def later(name, then=None):
    """From now on sys.modules has the module, and its package has it as an attribute once it is imported itself. then(module) is
    called when it has been filled; at once, if it is there already."""
    module = sys.modules.get(name)
    if module is None:
        module = sys.modules[name] = _Later(name)
    if type(module) is _Later:
        vars(module)["_then"] = then or vars(module).get("_then")
    elif then is not None:
        then(module)


def bind(name):
    """Makes it the attribute of its package that an import would have made it."""
    package, _, last = name.rpartition(".")
    setattr(sys.modules[package], last, sys.modules[name])
