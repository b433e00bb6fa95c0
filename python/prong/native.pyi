from collections.abc import Iterable
from typing import Any

from .pool import Pool

__all__ = ["CPool"]

# Functions are "LIBRARY.so:FUNCTION".
class CPool(Pool):
    def __init__(
        self,
        processes: int | None = ...,
        initializer: str | None = ...,
        initargs: Iterable[Any] = ...,
        maxtasksperchild: int | None = ...,
    ) -> None: ...
    def map_into(
        self, func: str, source: Any, out: Any, chunksize: int | None = ..., *, timeout: float | None = ..., retries: int = ...
    ) -> None: ...
