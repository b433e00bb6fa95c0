"""Functions that are to go by value, whatever their names: see travel.py for those that have to."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["by_value"]

_T = TypeVar("_T")


class by_value(Generic[_T]):
    """by_value(function): the same function, to be sent by value even where it can be found by name, and anew for each task.

    Functions that no other process finds by name go by value without it. What it refers to is copied with it: what one call changes
    there is not seen by the next.
    """

    __module__ = "prong"

    def __init__(self, function: Callable[..., _T]) -> None:
        import cloudpickle  # noqa: F401  (say so at once when it is not installed)
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> _T:
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"by_value({self._function!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        import cloudpickle
        return _restored, (cloudpickle.dumps(self._function),)


def _restored(data: bytes) -> by_value[Any]:
    restored: by_value[Any] = by_value.__new__(by_value)
    restored._function = pickle.loads(data)
    return restored
