"""The fork server's program: an image that imports what its children need, and forks them."""

import gc
import sys
from multiprocessing import process

from .. import (
    _core,
    heap,  # noqa: F401  (this and the next two: which most children need)
)
from . import (
    pickling,  # noqa: F401
    pool_worker,  # noqa: F401
)
from .image import import_main


def _note_failure(on_error, name, error):
    if on_error == "fail":
        raise error
    if on_error == "warn":
        import warnings
        warnings.warn(f"the fork server cannot preload {name}: {type(error).__name__}: {error}", ImportWarning, stacklevel=2)


def main(data):
    """The first call of the fork server; does not return. It has no part in the program's resource tracker, whose end it would
    delay: each child gets that with its start."""
    gc.enable()
    _core._inherit_arena()
    preload, on_error, sys_path, main_path, main_name = data
    if sys_path is not None:
        sys.path[:] = sys_path
    sys.argv[:] = sys.argv[2:] or sys.argv  # the program's: see spawn.start_server
    if "__main__" in preload and main_path is not None:
        process.current_process()._inheriting = True
        try:
            import_main(main_path)
        except BaseException as error:
            _note_failure(on_error, "__main__", error)  # a child that needs it says why it cannot be had
        finally:
            del process.current_process()._inheriting
    for name in preload:
        try:
            __import__(name)
        except Exception as error:
            _note_failure(on_error, name, error)
    gc.collect()
    gc.freeze()
    _core._child_main()
