"""Frozen programs (PyInstaller's and their like), whose executable is the program itself and runs no code that it is given: what prong
starts is the program again, which becomes what it was started for by freeze_support()."""

import multiprocessing
import os
import sys

from .. import _core

FORKING = "--multiprocessing-fork"
main_names = None  # what the main module had when freeze_support() was called: what children have
_theirs = multiprocessing.freeze_support  # which the freezer may have put its own in the place of


def is_frozen():
    """Whether this program has been frozen."""
    return bool(getattr(sys, "frozen", False))


def _is_to_begin():
    """Whether prong has started this process, which has not begun what it was started for."""
    return (is_frozen() and "PRONG_CHILD" in os.environ and len(sys.argv) > 3 and sys.argv[1] == FORKING
            and sys.argv[2].startswith("prong."))


def _is_to_help():
    """Whether it is a process of multiprocessing's, its resource tracker for one, which has not begun: it is told to run code."""
    code = sys.argv[sys.argv.index("-c") + 1:][:1] if is_frozen() and "-c" in sys.argv else []
    return any("from multiprocessing." in text for text in code)


def freeze_support():
    """In a process that a frozen program has started by prong, or by multiprocessing: does what it was started for, and does not
    return. To be the first call of the main module, under `if __name__ == "__main__"`."""
    if not _is_to_begin():
        if is_frozen():
            global main_names
            from .inherited import inheritance
            main_names = inheritance()
        return _theirs()
    from ast import literal_eval
    from importlib import import_module
    module, argument = sys.argv[2:4]
    del sys.argv[2:4]
    _core._keep_open()
    import_module(module).main(literal_eval(argument))


def check_begun():
    """RuntimeError in a process that has been started to be a child, and starts some itself instead: so would they, without end."""
    if _is_to_begin() or _is_to_help():
        raise RuntimeError("a frozen program starts processes before it has called freeze_support(), which must be the first call under "
                           "`if __name__ == '__main__'` in its main module: this process was started for another purpose")


if is_frozen():  # whichever of the two the program calls, and whether install() is called before or not
    multiprocessing.freeze_support = freeze_support
