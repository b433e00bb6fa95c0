"""Shares: objects that are in memory once for all processes."""

import pickle
from multiprocessing.context import assert_spawning
from types import GenericAlias

from .. import _core
from .handles import reduced

__all__ = ["Share", "share"]

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Generic, TypeVar

    _T = TypeVar("_T")
    _Self = TypeVar("_Self", bound="Share[Any]")
else:
    _T = None

    class Generic:
        """Of annotations alone."""

        __class_getitem__ = classmethod(lambda cls, parameter: cls)


class Share(_core.Share, Generic[_T]):
    """Share(object): the object in the family's memory, pickled once, its large buffers beside the pickle.

    A task, a Process or a queue that is given it gets the object, whose arrays are read where they are: read only. Tasks of one worker
    that follow one another get the same object. Its maker keeps it until close(), the end of a with block, or the last reference to it;
    whoever uses the object then keeps it for as long. Processes that die keep nothing.
    """

    __module__ = "prong"
    if not TYPE_CHECKING:
        __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, object: _T) -> None:
        super().__init__(pickle.PickleBuffer(object) if isinstance(object, memoryview) else object)

    if TYPE_CHECKING:
        def get(self) -> _T: ...

    def __enter__(self: "_Self") -> "_Self":
        return self

    def __exit__(
        self, exc_type: "type[BaseException] | None", exc_val: "BaseException | None", exc_tb: "TracebackType | None"
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<prong.Share of {self.nbytes} bytes{', closed' if self.closed else ''}>"

    def __reduce__(self) -> "tuple[Any, ...]":
        if not _core._is_travelling():
            assert_spawning(self)
        return reduced("share", self._handle(), _core._open_share)


def share(object: _T) -> "Share[_T]":
    """The object as a Share: pickled once, and read in place by all processes that are given it.

        with prong.share(table) as shared:
            pool.starmap(look_up, [(shared, key) for key in keys])

    look_up is called with the table itself, read only.
    """
    return Share(object)


share.__module__ = "prong"
