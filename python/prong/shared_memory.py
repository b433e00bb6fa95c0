"""SharedMemory and ShareableList, multiprocessing's, but for whose it is: the family that created a block frees it at its end, if nobody
has unlinked it. Who only attached to it, in whatever version of Python, leaves it alone."""

import importlib.util
import multiprocessing.shared_memory as _std
import sys
from multiprocessing import resource_tracker

from ._mirror import mirror

__all__ = mirror(_std, globals())


def _load():
    """multiprocessing.shared_memory once more, with a tracker and names of its own, which stay when install() puts ours there."""
    spec = importlib.util.spec_from_file_location("multiprocessing._shared_memory_of_prong", _std.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.resource_tracker = _Untracked
    module._make_filename = lambda: _std._make_filename()
    return module


class _Untracked:
    """In the tracker's place: SharedMemory itself says what is to be tracked."""

    @staticmethod
    def register(name, kind):
        pass

    unregister = register


_own = _load()


class SharedMemory(_own.SharedMemory):
    """SharedMemory(name=None, create=False, size=0, *, track=True): bytes with a name, for all processes of this user.

    Created, it is freed by unlink(), or when this program and its children have ended, killed or not; track=False: by unlink() alone.
    Attached, it stays its creator's.
    """

    def __init__(self, name=None, create=False, size=0, *, track=True):
        super().__init__(name, create, size, **_NO_TRACK)
        self._tracked = track
        if create and track:
            resource_tracker.register(self._name, "shared_memory")

    def unlink(self):
        """Frees it, once nobody has it open any more. FileNotFoundError when that was done before."""
        super().unlink()
        if self._tracked:  # by this program's tracker or another's, which is not asked: one that does not know it would complain
            resource_tracker.register(self._name, "shared_memory")
            resource_tracker.unregister(self._name, "shared_memory")


_NO_TRACK = {"track": False} if sys.version_info >= (3, 13) else {}


class ShareableList(_own.ShareableList):
    """A list of a fixed length in shared memory, of None, bool, int, float, str and bytes."""


_own.SharedMemory = SharedMemory
