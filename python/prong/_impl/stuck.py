"""Why a function or class cannot go by value: the error, and which of its variables it is."""

import dis
import itertools
import pickle
from types import CodeType, FunctionType

from . import lookup

_MOST = 200  # values that are looked at
_DEEPEST = 8
_INHERITED = "Under fork it works as the target of a Process, since the child inherits it."


def _variables(obj):
    """(path, value) of what goes with it."""
    if isinstance(obj, FunctionType):
        yield from _captured(obj)
    elif isinstance(obj, type):
        yield from ((f".{name}", value) for name, value in vars(obj).items() if name not in ("__dict__", "__weakref__"))
    elif isinstance(obj, dict):
        yield from ((f"[{name!r}]", value) for name, value in obj.items())
    elif isinstance(obj, (list, tuple, set, frozenset)):
        yield from ((f"[{index}]", value) for index, value in enumerate(obj))
    elif isinstance(getattr(obj, "__dict__", None), dict):
        yield from ((f".{name}", value) for name, value in vars(obj).items())


def _captured(function):
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield f": {name}", cell.cell_contents
        except ValueError:
            pass  # not set yet
    for name in sorted(_globals(function.__code__) & function.__globals__.keys()):
        yield f": {name}", function.__globals__[name]
    for index, value in enumerate(function.__defaults__ or ()):
        yield f": default {index + 1}", value


def _globals(code):
    """The names of those that code uses, and code within it."""
    within = (part for part in code.co_consts if isinstance(part, CodeType))
    own = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    return own.union(*map(_globals, within))


def _goes(value, extra, pickle_it):
    """Whether it can be pickled. What has a reducer of its own, and prong's objects, are not tried: that would send them."""
    if type(value) in extra or type(value).__module__.partition(".")[0] in ("prong", "multiprocessing"):
        return True
    if lookup.is_sent(value) and lookup.why_not(value) is None:
        return True
    try:
        pickle_it(value)
    except Exception:
        return False
    return True


def _culprit(obj, extra, pickle_it):
    """(path, value) of the innermost one that cannot go; None where it is not found."""
    path, found, seen, budget = "", None, set(), itertools.count()
    for _ in range(_DEEPEST):
        seen.add(id(obj))
        for step, value in _variables(obj):
            if next(budget) > _MOST:
                return found
            if id(value) not in seen and not _goes(value, extra, pickle_it):
                path, obj = path + step, value
                found = path.lstrip(": ").replace(": ", " → "), value
                break
        else:
            break
    return found


def explained(by_value, error, extra, pickle_it):
    """The PicklingError that says what cannot go, and why. by_value: what has gone so until then, with the reason. extra: the types that
    have reducers. pickle_it(value) raises where a value cannot be pickled."""
    found = ((*item, _culprit(item[0], extra, pickle_it)) for item in reversed(by_value))
    obj, reason, culprit = next((item for item in found if item[2]), (*by_value[0], None))
    which = f": what it uses as {culprit[0]}, a {type(culprit[1]).__name__}, cannot" if culprit else ""
    text = f"{lookup.describe(obj)} cannot be sent by name, since {reason}, nor by value{which}: {error}. {_INHERITED}"
    return pickle.PicklingError(text)


def without_cloudpickle(first, error):
    """The PicklingError of one that has to go by value where cloudpickle cannot be imported."""
    if not isinstance(first, lookup.ByValue):
        return pickle.PicklingError(str(first))
    obj, reason = first.args
    return pickle.PicklingError(f"{lookup.describe(obj)} cannot be sent by name, since {reason}. To be sent by value it needs cloudpickle, "
                                f"which cannot be imported ({error}): `pip install cloudpickle`. {_INHERITED}")
