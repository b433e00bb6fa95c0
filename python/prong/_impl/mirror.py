"""A module of ours that stands for one of multiprocessing's has all its names, and then its own. Copies of modules and functions, for
that and for install()."""

import sys
from types import FunctionType, ModuleType

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    _F = TypeVar("_F")

originals: "dict[type, type]" = {}  # of classes that install() has replaced: by what replaces them


def once_more(module, name):
    """The module executed again, as one of another name, which stays as it is when install() changes the first."""
    copy = ModuleType(name, module.__doc__)
    copy.__package__, copy.__file__ = module.__package__, getattr(module, "__file__", None)
    exec(module.__spec__.loader.get_code(module.__name__), vars(copy))  # wherever it is kept: a frozen program's has no file
    return copy


def typed_as(theirs: "_F") -> "Callable[[Callable[..., Any]], _F]":
    """For a function in the place of one of multiprocessing's: type checkers are told the signatures of that."""
    return lambda ours: ours  # type: ignore[return-value]


def mirror(module, into):
    """Every name of the module, for globals()."""
    names = list(module.__all__)
    into.update((name, value) for name, value in vars(module).items() if not name.startswith("__"))
    return names


def public(name):
    """A module's __dir__: what it offers, and what multiprocessing's of that name has; not what it imports for itself."""
    def is_public(key, value, theirs):
        own = key in theirs or getattr(value, "__module__", None) == name
        return key.startswith("__") or own and key[0] != "_" and not isinstance(value, ModuleType)

    def listing():
        from importlib import import_module
        names = vars(sys.modules[name])
        theirs = vars(import_module(name.replace("prong", "multiprocessing", 1)))
        return sorted({*names["__all__"], *(key for key, value in names.items() if is_public(key, value, theirs))})
    return listing


def original(ours, module):
    """The class of multiprocessing's that this one is in the place of."""
    return originals.get(ours) or getattr(module, ours.__name__)


def with_globals(value, names):
    """A class's function, of whatever kind, as one that sees these names; another attribute as it is."""
    if isinstance(value, (staticmethod, classmethod)):
        return type(value)(with_globals(value.__func__, names))
    if not isinstance(value, FunctionType) or value.__module__ != names["__name__"]:
        return value
    from functools import WRAPPER_ASSIGNMENTS
    copy = FunctionType(value.__code__, names, value.__name__, value.__defaults__, value.__closure__)
    copy.__kwdefaults__ = value.__kwdefaults__
    for name in WRAPPER_ASSIGNMENTS:
        setattr(copy, name, getattr(value, name))
    return copy
