"""Whether a function or class is found by its name in the process that it is sent to, which decides how it is sent: by name, or by value.

A forked process finds what its parent had when it was forked: where it is not known which process gets the object, the oldest one that
was forked counts. A new image, by spawn or the fork server, finds what can be imported, and of the main module what is there once that
has been imported."""

import copyreg
import functools
import sys
from types import FunctionType

from .. import _core
from . import main_names
from .importable import is_importable
from .inherited import all_forked_have, inherits

_HEAP_TYPE = 1 << 9
_cached_type = type(functools.lru_cache(len))
_has_images = __package__ + ".image" in sys.modules  # this process is one, or was forked by one


class ByValue(Exception):
    """Ends the making of a pickle: this object of it has to go by value, for this reason."""


def expect_images():
    """There will be new images among the processes that this one sends to."""
    global _has_images
    if not _has_images:
        _has_images = True
        _core._forget_names()


def check(obj, inherited=None):
    """ByValue, unless the function or class goes by its name: to processes that were forked with these names of the main module, or to
    any of this family."""
    reason = why_not(obj, inherited)
    if reason is not None:
        raise ByValue(obj, reason)


def is_sent(obj):
    """Whether it is for this module to decide how the object is sent."""
    if isinstance(obj, type):
        return bool(obj.__flags__ & _HEAP_TYPE) and type(obj) not in copyreg.dispatch_table
    return isinstance(obj, FunctionType) or type(obj) is _cached_type


def why_not(obj, inherited=None):
    """Why the object cannot go by its name; None: it can."""
    if not is_sent(obj):
        return None
    name = getattr(obj, "__qualname__", None) or obj.__name__
    module = getattr(obj, "__module__", None)
    if not isinstance(module, str):
        from pickle import whichmodule
        module = whichmodule(obj, name)
    return _not_here(obj, module, name) or _not_there(obj, module, name.partition(".")[0], inherited)


def _not_here(obj, module, name):
    """Why the name is not the object's in this process: what pickle looks for."""
    last = name.rpartition(".")[2]
    if last == "<lambda>":
        return "it is a lambda"
    if "<locals>" in name:
        return "it was defined within a function"
    try:
        __import__(module)
        found = sys.modules[module]
    except (ImportError, KeyError):
        return f"there is no module {module!r}"
    for part in name.split("."):
        found = getattr(found, part, sys)
    if found is obj:
        return None
    return f"{module} has no {name!r}" if found is sys else f"{module}.{name} is another object"


def _not_there(obj, module, name, inherited):
    """The same for the process that it is sent to, where this one has it."""
    is_main = module in main_names.MAINS
    now = getattr(sys.modules[module], name, None) if is_main else None
    if inherited is not None and is_main:
        return None if inherits(inherited, name, now) else "it was defined after the pool's workers were forked"
    if is_main and not all_forked_have(name, now):
        return "it was defined after a process was forked, and may be sent to that one"
    if not _has_images:
        return None
    if is_main:
        return main_names.why_not(name, obj, _line(obj))
    return None if is_importable(module) else f"a new process cannot import the module {module!r}, or finds another by that name"


def _line(obj):
    """The line of the main module's source that it begins in, if that is known."""
    code = getattr(obj, "__code__", None)
    return code.co_firstlineno if code else vars(obj).get("__firstlineno__") if isinstance(obj, type) else None


def needs_global(name, value, inherited):
    """Whether a function of the main module that goes by value has to take this global with it."""
    if inherited is not None:
        return not inherits(inherited, name, value)
    return not _has_images or main_names.why_not(name) is not None


def is_guess(inherited):
    """Whether what the other process has is not known: one that was forked at some time, maybe."""
    return inherited is None and not _has_images


def describe(obj):
    """What an error's text calls it: its name, and where it was defined."""
    code = getattr(getattr(obj, "__wrapped__", obj), "__code__", None)
    kind = "class" if isinstance(obj, type) else "function"
    name = f"{obj.__module__}.{getattr(obj, '__qualname__', obj.__name__)}"
    return f"the {kind} {name}" + (f" ({code.co_filename}, line {code.co_firstlineno})" if code else "")
