"""The globals of functions that go by value. All functions of one module share one dict in the process that gets them, as they do where
they come from: so what a pool's initializer sets there, a task finds.

A function of a module that can be imported has that module's own globals there, and takes none with it. One of the main module has
those of the main module there; of the globals that its code uses it takes with it what that process does not have. Any other, doctest's
for one, has a dict that is known by the process that made it, and its number there."""

import itertools
import marshal
import os
import sys
from multiprocessing import process

from . import lookup, main_names
from .importable import is_importable

_MAIN = "main"
_numbers = itertools.count()
_keys: "dict[int, tuple[dict[str, object], object]]" = {}  # id of a dict that is no module's: (the dict, its key)
_spaces: "dict[object, dict[str, object]]" = {}  # key: such a dict
_marks: "dict[tuple[int, str], int | None]" = {}  # (id of the dict, name): the mark of what came last


class Space:
    """Stands in a pickle for a dict of globals."""

    def __init__(self, key):
        self.key = key

    def __reduce__(self):
        return _found, (self.key,)


def _found(key):
    """The dict, in the process that gets it."""
    if key == _MAIN:
        return vars(sys.modules["__main__"])
    if isinstance(key, str):
        __import__(key)
        return vars(sys.modules[key])
    if key not in _spaces:
        _spaces[key] = {"__name__": key[0]}
        _keys[id(_spaces[key])] = _spaces[key], key
    return _spaces[key]


def key_of(variables):
    """What the dict is known by in other processes."""
    name = variables.get("__name__")
    if isinstance(name, str) and name in sys.modules and vars(sys.modules[name]) is variables:
        if name in main_names.MAINS:
            return _MAIN
        if is_importable(name):
            return name
    if id(variables) not in _keys:
        key = name, os.getpid(), next(_numbers)
        _keys[id(variables)] = variables, key
        _spaces[key] = variables
    return _keys[id(variables)][1]


def taken(key, used, inherited):
    """Of the globals that a function uses, those that it takes with it."""
    if key == _MAIN:
        return {name: value for name, value in used.items() if lookup.needs_global(name, value, inherited)}
    return {} if isinstance(key, str) else used


def marks(variables):
    """A number for each that is plain data: it is another when the value has changed."""
    made = {}
    for name, value in variables.items():
        try:
            made[name] = hash(marshal.dumps(value, 2))  # in version 2 equal values are written alike
        except ValueError:
            pass
    return made


def arrive(space, variables, made, is_guess):
    """The globals that are to be set, of those that a function has brought. What has not changed since it was brought last is left as
    it is, since an initializer or a task may have put something in its place. So is what was here before any was brought, in the
    program's first process, or where the sender did not know what this process has."""
    keeps = is_guess or process._parent_process is None
    wanted = {}
    for name, value in variables.items():
        at, mark = (id(space), name), made.get(name)
        if name in space and (keeps and at not in _marks or mark is not None and _marks.get(at) == mark):
            continue
        wanted[name] = value
        _marks[at] = mark
    return wanted
