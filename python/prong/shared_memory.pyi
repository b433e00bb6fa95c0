import multiprocessing.shared_memory as _std
from typing import TypeVar

__all__ = ["SharedMemory", "ShareableList"]

_T = TypeVar("_T", int, float, bool, str, bytes, None)

class SharedMemory(_std.SharedMemory):
    def __init__(self, name: str | None = ..., create: bool = ..., size: int = ..., *, track: bool = ...) -> None: ...

class ShareableList(_std.ShareableList[_T]): ...
