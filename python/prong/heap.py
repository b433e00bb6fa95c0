"""Memory for Value and Array, in the family's arena."""

from multiprocessing.context import assert_spawning

from . import _core

__all__ = ["BufferWrapper"]


class BufferWrapper(_core.Block):
    """So many bytes of zeros, seen by all processes that have the wrapper."""

    def __init__(self, size):
        _core.Block.__init__(self, size)

    def create_memoryview(self):
        """The bytes, to read and write."""
        return memoryview(self)

    def __reduce__(self):
        if not _core._is_travelling():
            assert_spawning(self)
        return _restore, self._place()


def _restore(size, offset):
    wrapper = BufferWrapper.__new__(BufferWrapper)
    _core.Block.__init__(wrapper, size, offset)
    return wrapper
