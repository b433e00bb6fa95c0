"""What a process that is forked now has of the main module, and a frozen program's child of it."""

import sys
import weakref

_CONSTANTS = (type(None), bool, int, float, str, bytes)
_oldest = weakref.ref(type("_Nothing", (), {})())  # what forked() gave first, as long as a process object or pool keeps it


def inheritance():
    """What the main module has now: what processes that are forked now inherit. It keeps alive what has no weak references, lists for
    one: or another object in the same place in memory would be taken for it."""
    names = {}
    for name, value in list(vars(sys.modules["__main__"]).items()):
        try:
            names[name] = weakref.ref(value)
        except TypeError:
            names[name] = value
    return names


def inherits(names, name, value):
    """Whether, of what inheritance() gave, this name is that value."""
    found = names.get(name, names)
    if isinstance(found, weakref.ref):
        return found() is value
    return found is value or isinstance(value, _CONSTANTS) and type(found) is type(value) and found == value


class Forked(dict):  # type: ignore[type-arg]
    """The functions and classes that the main module had when a process was forked."""

    __slots__ = ("__weakref__",)

    def __reduce__(self):  # a process object may go to another process, where this is of no use
        return dict, ()


def forked():
    """To be called before a process is forked, and kept as long as it may live: by what the oldest one has is decided how a function is
    sent to a process that is not known."""
    global _oldest
    names = _oldest()
    if names is None:
        names = Forked()
        for name, value in list(vars(sys.modules["__main__"]).items()):
            if callable(value):
                try:
                    names[name] = weakref.ref(value)
                except TypeError:  # some of the interpreter's own
                    names[name] = value
        _oldest = weakref.ref(names)
    return names


def all_forked_have(name, value):
    """Whether all processes that were forked and may still live have this of the main module."""
    names = _oldest()
    return names is None or inherits(names, name, value) or not callable(value)
