from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["by_value"]

_T = TypeVar("_T")

class by_value(Generic[_T]):
    def __init__(self, function: Callable[..., _T]) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> _T: ...
