"""Whether a new process can import a module that this one has."""

import os
import sys

_STANDARD = getattr(sys, "stdlib_module_names", frozenset(sys.builtin_module_names))  # 3.10 and later
_known: "dict[str, tuple[object, bool]]" = {}  # name: (module, whether)


def is_importable(name):
    """Whether a new process, which looks where this one would, finds this module, and not another of the same name."""
    top = name.partition(".")[0]
    if top in _STANDARD or getattr(sys, "frozen", False):
        return True
    module = sys.modules.get(name)
    found = _known.get(name)
    if found is None or found[0] is not module:
        found = _known[name] = module, _look(name, top, module)
    return found[1]


def _look(name, top, module):
    if top != name and not is_importable(top):
        return False
    path = getattr(module, "__file__", None)
    if top != name and not (path and path.endswith(".py")):
        return True  # made by its package as that is imported
    spec = _find(name)
    if spec is None:
        return False
    there = spec.origin if spec.has_location else None
    return not path or not there or _same(path, there)


def _find(name):
    """The module's spec, as the import system finds it now; what an import hook refuses to tell counts as found."""
    parent = name.rpartition(".")[0]
    search = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    for finder in list(sys.meta_path):
        try:
            spec = finder.find_spec(name, search)
        except Exception:
            return sys.modules[name].__spec__
        if spec is not None:
            return spec
    return None


def _same(one, other):
    if os.path.splitext(one)[0] == os.path.splitext(other)[0]:
        return True
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
