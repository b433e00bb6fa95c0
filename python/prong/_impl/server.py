"""The fork server's program: an image that imports what its children need, and forks them."""

import gc
import sys
from multiprocessing import process

from .. import _core
from . import pickling  # noqa: F401  (which most children need)
from .image import import_main


def main(data):
    """The first call of the fork server; does not return. It has no part in the program's resource tracker, whose end it would
    delay: each child gets that with its start."""
    gc.enable()
    _core._inherit_arena()
    preload, sys_path, main_path, main_name = data
    if sys_path is not None:
        sys.path[:] = sys_path
    sys.argv[:] = sys.argv[2:] or sys.argv  # the program's: see spawn.set_program
    if "__main__" in preload and main_path is not None:
        process.current_process()._inheriting = True
        try:
            import_main(main_path)
        except BaseException:
            pass  # a child that needs it says why it cannot be had
        finally:
            del process.current_process()._inheriting
    for name in preload:
        try:
            __import__(name)
        except ImportError:
            pass
    gc.collect()
    gc.freeze()
    _core._child_main()
