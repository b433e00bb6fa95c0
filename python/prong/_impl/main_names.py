"""Which names of the main module a new process has: it imports that module under another name, or has none to import."""

import os
import sys

from . import frozen
from .inherited import inherits

_ONLY_AST = 0x400  # ast.PyCF_ONLY_AST; importing ast takes long
_DYNAMIC = {"globals", "vars", "locals", "exec", "eval", "setattr"}

MAINS = ("__main__", "__mp_main__")
NO_MAIN = "a new process cannot import the main module, which is an interactive session, or was given by -c or on standard input"
GUARDED = "a new process imports the main module without it: it is there only under `if __name__ == '__main__'`, or made later"
_BEFORE_FREEZE = "a new process has of the main module what is there when freeze_support() is called"


# ------------------------------------------------ what a module's source binds ------------------------------------------------


def _guard(test):
    """1 for `__name__ == "__main__"`, alone or with more conditions; -1 for its opposite; 0 for any other test."""
    kind = type(test).__name__
    if kind == "BoolOp" and type(test.op).__name__ == "And":
        return max(map(_guard, test.values))
    if kind == "UnaryOp" and type(test.op).__name__ == "Not":
        return -_guard(test.operand)
    if kind != "Compare" or len(test.ops) != 1:
        return 0
    sides = [getattr(side, "id", getattr(side, "value", None)) for side in (test.left, test.comparators[0])]
    if "__name__" not in sides or "__main__" not in sides:
        return 0
    return {"Eq": 1, "NotEq": -1}.get(type(test.ops[0]).__name__, 0)


class _Bindings:
    """The names that a source binds at its top: in a module that is imported, and under the guard that keeps a part from that."""

    def __init__(self, source):
        self.imported, self.guarded, self.guarded_lines = set(), set(), []
        self.is_dynamic = False
        self._visit(compile(source, "<main>", "exec", _ONLY_AST, dont_inherit=True).body, self.imported)

    def _visit(self, node, names):
        if isinstance(node, list):
            for part in node:
                self._visit(part, names)
        elif type(node).__name__ == "If":
            self._visit_if(node, names)
        elif hasattr(node, "_fields"):
            self._visit_other(node, names)

    def _visit_if(self, node, names):
        guard = _guard(node.test)
        for part, is_guarded in (node.body, guard > 0), (node.orelse, guard < 0):
            self._visit(part, self.guarded if is_guarded else names)
            if is_guarded and part:
                self.guarded_lines.append((part[0].lineno, part[-1].end_lineno))

    def _visit_other(self, node, names):
        kind = type(node).__name__
        if kind in ("FunctionDef", "AsyncFunctionDef", "ClassDef"):
            names.add(node.name)
        elif kind == "alias":
            self.is_dynamic |= node.name == "*"
            names.add(node.asname or node.name.partition(".")[0])
        elif kind == "Name":
            if type(node.ctx).__name__ == "Store":
                names.add(node.id)
            self.is_dynamic |= node.id in _DYNAMIC
        elif kind not in ("Lambda", "ListComp", "SetComp", "DictComp", "GeneratorExp"):
            if isinstance(getattr(node, "name", None), str):  # of an except, or of a pattern
                names.add(node.name)
            for field in node._fields:
                self._visit(getattr(node, field, None), names)

    def has(self, name):
        """Whether a module that is imported has it; None where the source does not tell."""
        if name in self.imported:
            return True
        return None if self.is_dynamic and name not in self.guarded else False

    def has_function(self, name, line):
        """The same for a function or class, which begins in that line if it is known."""
        if line is not None and name in self.guarded and any(first <= line <= last for first, last in self.guarded_lines):
            return False
        return self.has(name)


# ------------------------------------------------ the main module ------------------------------------------------

_read: "dict[str, tuple[tuple[int, int], _Bindings]]" = {}  # path: (what its file was, its bindings)


def _bindings(path):
    """What the source binds; None where there is no source to be read."""
    try:
        found = os.stat(path)
        key = found.st_mtime_ns, found.st_size
        if path not in _read or _read[path][0] != key:
            with open(path, "rb") as file:
                _read[path] = key, _Bindings(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    return _read[path][1]


def is_importable():
    """Whether a new process has the main module at all."""
    main = sys.modules["__main__"]
    if frozen.is_frozen() or getattr(getattr(main, "__spec__", None), "name", None) is not None:
        return True
    path = getattr(main, "__file__", None)
    return bool(path) and is_file(path) and os.path.splitext(os.path.basename(path))[0] != "ipython"


def is_file(path):
    """Whether the main module's path is one that can be run; that of standard input, "<stdin>", is not."""
    return not os.path.basename(path).startswith("<") or os.path.exists(path)


def why_not(name, obj=None, line=None):
    """Why a new process does not have this name of the main module; None where it has, or where that cannot be known."""
    main = sys.modules["__main__"]
    if frozen.is_frozen():
        had = frozen.main_names
        missing = had is not None and not inherits(had, name, getattr(main, name, None))
        return _BEFORE_FREEZE if missing else None
    if not is_importable():
        return NO_MAIN
    bindings = _bindings(getattr(main, "__file__", None) or "")
    if bindings is None:
        return None
    has = bindings.has(name) if obj is None else bindings.has_function(name, line)
    return GUARDED if has is False else None
