"""Functions and classes by value: as what they are made of, by cloudpickle. Imported when the first one has to go so."""

import functools
import sys
import weakref
from collections import ChainMap
from io import BytesIO
from types import FunctionType

import cloudpickle

from .. import _core
from . import lookup, spaces

_class_parts = sys.modules[cloudpickle.CloudPickler.__module__]._dynamic_class_reduce  # which takes any class apart, wherever it is from
_arrived: "set[type]" = set()  # classes that came by value: a class that comes again is the same one
_made_here: "weakref.WeakSet[type]" = weakref.WeakSet()  # classes that have gone by value: one that comes back is as it is here


class Traveller(cloudpickle.CloudPickler):  # type: ignore[misc]
    """Pickles what is found by name so, and other functions and classes by value. extra: reducers beside copyreg's."""

    def __init__(self, file, protocol, extra, buffer_callback=None):
        self.dispatch_table = ChainMap(extra, cloudpickle.CloudPickler.dispatch_table)  # which __init__ takes
        super().__init__(file, protocol=protocol, buffer_callback=buffer_callback)
        self.inherited = _core._inherited()
        self.by_value = []  # what has gone so

    def reducer_override(self, obj):
        reason = lookup.why_not(obj, self.inherited)
        if reason is None:  # some types of the interpreter's have no name that is found: cloudpickle knows them
            is_static = isinstance(obj, type) and not lookup.is_sent(obj)
            return super().reducer_override(obj) if is_static and obj.__module__ == "builtins" else NotImplemented
        self.by_value.append((obj, reason))
        if isinstance(obj, type):
            return self._class(obj)
        if isinstance(obj, FunctionType):
            return self._function(obj)
        return _cached_again, (obj.cache_parameters(), obj.__wrapped__)

    def _class(self, cls):
        if cls not in _arrived:
            _made_here.add(cls)
        make, arguments, state, *_, set_state = _class_parts(cls)
        return make, arguments, (set_state, state), None, None, _class_arrives

    def _function(self, function):
        variables = function.__globals__
        key = spaces.key_of(variables)
        self.globals_ref.setdefault(id(variables), spaces.Space(key))
        make, arguments, (attributes, slots), *_, set_state = self._dynamic_function_reduce(function)
        taken = slots["__globals__"] = spaces.taken(key, slots["__globals__"], self.inherited)
        arrives = spaces.marks(taken), lookup.is_guess(self.inherited)
        return make, arguments, (set_state, attributes, slots, arrives), None, None, _function_arrives


def _function_arrives(function, state):
    set_state, attributes, slots, how = state
    slots["__globals__"] = spaces.arrive(function.__globals__, slots["__globals__"], *how)
    set_state(function, (attributes, slots))


def _class_arrives(cls, state):
    if cls in _made_here:
        return
    _arrived.add(cls)
    set_state, parts = state
    set_state(cls, parts)


def _cached_again(parameters, function):
    return functools.lru_cache(**parameters)(function)


def dump(obj, file, protocol, extra, buffer_callback=None):
    """Pickles the object, with functions and classes in it by value where that is needed. PicklingError, which names the function or
    class, where one of them cannot go so."""
    pickler = Traveller(file, protocol, extra, buffer_callback)
    try:
        pickler.dump(obj)
    except MemoryError:
        raise
    except Exception as error:
        if not pickler.by_value:
            raise
        from .stuck import explained
        raise explained(pickler.by_value, error, extra, lambda value: Traveller(BytesIO(), protocol, extra).dump(value)) from error
