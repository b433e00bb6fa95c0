"""SharedMemory and ShareableList, multiprocessing's, but for whose it is: the family that created a block frees it at its end, if nobody
has unlinked it. Who only attached to it, in whatever version of Python, leaves it alone."""

import mmap
import multiprocessing.shared_memory as _std
import os
from _posixshmem import shm_open, shm_unlink
from multiprocessing import resource_tracker

from ._impl.compat import needs
from ._impl.mirror import mirror, once_more, public

needs(_std)
__all__ = mirror(_std, globals())
__dir__ = public(__name__)
TYPE_CHECKING = False  # as typing has it, which takes long to import
_CREATES = os.O_CREAT | os.O_EXCL | os.O_RDWR


class SharedMemory(_std.SharedMemory):
    """SharedMemory(name=None, create=False, size=0, *, track=True): bytes with a name, for all processes of this user.

    Created, it is freed by unlink(), or when this program and its children have ended, killed or not; track=False: by unlink() alone.
    Attached, it stays its creator's. ValueError: no name, or no size; FileNotFoundError, FileExistsError.
    """

    def __init__(self, name: "str | None" = None, create: bool = False, size: int = 0, *, track: bool = True) -> None:
        if not size >= 0:
            raise ValueError("'size' must be a positive integer")
        if create:
            self._flags = _CREATES
            if size == 0:
                raise ValueError("'size' must be a positive number different from zero")
        if name is None and not self._flags & os.O_EXCL:
            raise ValueError("'name' can only be None if create=True")
        self._tracked = self._track = track  # the latter is what 3.13 looks at
        self._open(name)
        try:
            self._map(size if create else 0)
        except BaseException:
            self.close()
            if create:
                shm_unlink(self._name)
            raise
        if create and track:
            resource_tracker.register(self._name, "shared_memory")

    def _open(self, name):
        while name is None:
            self._name = _std._make_filename()
            try:
                self._fd = shm_open(self._name, self._flags, mode=self._mode)
                return
            except FileExistsError:
                continue
        self._name = "/" + name if self._prepend_leading_slash else name
        self._fd = shm_open(self._name, self._flags, mode=self._mode)

    def _map(self, size):
        if size:
            os.ftruncate(self._fd, size)
        self._size = os.fstat(self._fd).st_size
        self._mmap = mmap.mmap(self._fd, self._size)
        self._buf = memoryview(self._mmap)

    def unlink(self) -> None:
        """Frees it, once nobody has it open any more. FileNotFoundError when that was done before."""
        shm_unlink(self._name)
        if self._tracked:  # by this program's tracker or another's, which is not asked: one that does not know it would complain
            resource_tracker.register(self._name, "shared_memory")
            resource_tracker.unregister(self._name, "shared_memory")


if TYPE_CHECKING:
    from typing import TypeVar

    _T = TypeVar("_T", int, float, bool, str, bytes, None)
    _Shareable = _std.ShareableList
else:
    _T = None
    _lists = once_more(_std, "multiprocessing._shared_memory_of_prong")
    _lists.SharedMemory = SharedMemory  # what its ShareableList makes
    _Shareable = _lists.ShareableList


class ShareableList(_Shareable[_T]):
    """A list of a fixed length in shared memory, of None, bool, int, float, str and bytes."""
