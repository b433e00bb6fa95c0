"""Memory for Value and Array, in the family's arena."""

from multiprocessing.context import assert_spawning

from . import _core
from ._impl.mirror import public

__all__ = ["BufferWrapper"]
__dir__ = public(__name__)


class BufferWrapper(_core.Block):
    """So many bytes of zeros, seen by all processes that have the wrapper."""

    def __init__(self, size: int) -> None:
        _core.Block.__init__(self, size)

    def create_memoryview(self) -> memoryview:
        """The bytes, to read and write."""
        return memoryview(self)  # type: ignore[arg-type]  # a buffer, which has no type before 3.12

    def __reduce__(self) -> "tuple[object, ...]":
        if not _core._is_travelling():
            assert_spawning(self)
        return _restore, self._place()


def _restore(size: int, offset: int) -> BufferWrapper:
    wrapper = BufferWrapper.__new__(BufferWrapper)
    _core.Block.__init__(wrapper, size, offset)
    return wrapper
