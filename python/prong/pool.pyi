import multiprocessing.pool as _std
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from multiprocessing.pool import ThreadPool as ThreadPool
from types import TracebackType
from typing import Any, TypeVar

__all__ = ["Pool", "ThreadPool"]

_S = TypeVar("_S")
_T = TypeVar("_T")
_Self = TypeVar("_Self")

class AsyncResult(_std.ApplyResult[_T]):
    def cancel(self, force: bool = ...) -> None: ...
    def progress(self) -> tuple[int, int, float]: ...
    def __await__(self) -> Generator[Any, None, _T]: ...

ApplyResult = AsyncResult

class MapResult(AsyncResult[list[_T]]): ...

class IMapIterator(_std.IMapIterator[_T]):
    def __aiter__(self) -> AsyncIterator[_T]: ...
    async def __anext__(self) -> _T: ...

class IMapUnorderedIterator(IMapIterator[_T]): ...

# timeout: a task that takes longer is killed (TaskTimeout). retries: so often is a task run again whose worker died.
class Pool(_std.Pool):
    def apply(
        self,
        func: Callable[..., _T],
        args: Iterable[Any] = ...,
        kwds: Mapping[str, Any] = ...,
        *,
        timeout: float | None = ...,
        retries: int = ...,
    ) -> _T: ...
    def apply_async(
        self,
        func: Callable[..., _T],
        args: Iterable[Any] = ...,
        kwds: Mapping[str, Any] = ...,
        callback: Callable[[_T], object] | None = ...,
        error_callback: Callable[[BaseException], object] | None = ...,
        *,
        timeout: float | None = ...,
        retries: int = ...,
    ) -> AsyncResult[_T]: ...
    def map(
        self,
        func: Callable[[_S], _T],
        iterable: Iterable[_S],
        chunksize: int | None = ...,
        *,
        timeout: float | None = ...,
        retries: int = ...,
        progress: bool = ...,
    ) -> list[_T]: ...
    def map_async(  # type: ignore[override]
        self,
        func: Callable[[_S], _T],
        iterable: Iterable[_S],
        chunksize: int | None = ...,
        callback: Callable[[list[_T]], object] | None = ...,
        error_callback: Callable[[BaseException], object] | None = ...,
        *,
        timeout: float | None = ...,
        retries: int = ...,
    ) -> MapResult[_T]: ...
    def starmap(
        self,
        func: Callable[..., _T],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = ...,
        *,
        timeout: float | None = ...,
        retries: int = ...,
        progress: bool = ...,
    ) -> list[_T]: ...
    def starmap_async(  # type: ignore[override]
        self,
        func: Callable[..., _T],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = ...,
        callback: Callable[[list[_T]], object] | None = ...,
        error_callback: Callable[[BaseException], object] | None = ...,
        *,
        timeout: float | None = ...,
        retries: int = ...,
    ) -> MapResult[_T]: ...
    def imap(  # type: ignore[override]
        self,
        func: Callable[[_S], _T],
        iterable: Iterable[_S],
        chunksize: int = ...,
        *,
        timeout: float | None = ...,
        retries: int = ...,
        buffersize: int | None = ...,
        progress: bool = ...,
    ) -> IMapIterator[_T]: ...
    def imap_unordered(  # type: ignore[override]
        self,
        func: Callable[[_S], _T],
        iterable: Iterable[_S],
        chunksize: int = ...,
        *,
        timeout: float | None = ...,
        retries: int = ...,
        buffersize: int | None = ...,
        progress: bool = ...,
    ) -> IMapIterator[_T]: ...
    def join(self, timeout: float | None = ...) -> bool: ...  # type: ignore[override]
    def deaths(self) -> int: ...
    def __enter__(self: _Self) -> _Self: ...
    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None: ...
