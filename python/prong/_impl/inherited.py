"""What a process that is forked now has of the main module, and a frozen program's child of it."""

import sys
import weakref

_CONSTANTS = (type(None), bool, int, float, str, bytes)


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
