import multiprocessing.context as _std
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.context import (
    AuthenticationError as AuthenticationError,
)
from multiprocessing.context import (
    BufferTooShort as BufferTooShort,
)
from multiprocessing.context import (
    ProcessError as ProcessError,
)
from multiprocessing.context import (
    TimeoutError as TimeoutError,
)
from multiprocessing.context import (
    assert_spawning as assert_spawning,
)
from multiprocessing.context import (
    get_spawning_popen as get_spawning_popen,
)
from multiprocessing.context import (
    set_spawning_popen as set_spawning_popen,
)
from typing import Any, ClassVar, Literal, overload

from . import queues, synchronize
from .connection import PipeConnection
from .managers import SyncManager
from .pool import Pool as _Pool

class _Started:
    def __init__(
        self,
        group: None = ...,
        target: Callable[..., object] | None = ...,
        name: str | None = ...,
        args: Iterable[Any] = ...,
        kwargs: Mapping[str, Any] = ...,
        *,
        daemon: bool | None = ...,
        env: Mapping[str, str] | None = ...,
    ) -> None: ...
    def interrupt(self) -> None: ...  # 3.14's, in all versions

class Process(_Started, _std.Process): ...
class ForkProcess(_Started, _std.ForkProcess): ...
class SpawnProcess(_Started, _std.SpawnProcess): ...
class ForkServerProcess(_Started, _std.ForkServerProcess): ...

class BaseContext(_std.BaseContext):
    def Manager(self) -> SyncManager: ...
    def Pipe(self, duplex: bool = ...) -> tuple[PipeConnection, PipeConnection]: ...
    def Barrier(
        self, parties: int, action: Callable[..., object] | None = ..., timeout: float | None = ...
    ) -> synchronize.Barrier: ...
    def BoundedSemaphore(self, value: int = ..., *, recover: bool = ...) -> synchronize.BoundedSemaphore: ...
    def Condition(self, lock: Any = ...) -> synchronize.Condition: ...
    def Event(self) -> synchronize.Event: ...
    def Lock(self) -> synchronize.Lock: ...
    def RLock(self) -> synchronize.RLock: ...
    def Semaphore(self, value: int = ..., *, recover: bool = ...) -> synchronize.Semaphore: ...
    def Queue(self, maxsize: int = ..., *, strict: bool = ...) -> queues.Queue[Any]: ...
    def JoinableQueue(self, maxsize: int = ..., *, strict: bool = ...) -> queues.JoinableQueue[Any]: ...
    def SimpleQueue(self) -> queues.SimpleQueue[Any]: ...
    def Pool(
        self,
        processes: int | None = ...,
        initializer: Callable[..., object] | None = ...,
        initargs: Iterable[Any] = ...,
        maxtasksperchild: int | None = ...,
    ) -> _Pool: ...
    @overload
    def get_context(self, method: None = ...) -> DefaultContext: ...
    @overload
    def get_context(self, method: Literal["spawn"]) -> SpawnContext: ...
    @overload
    def get_context(self, method: Literal["fork"]) -> ForkContext: ...
    @overload
    def get_context(self, method: Literal["forkserver"]) -> ForkServerContext: ...
    @overload
    def get_context(self, method: str) -> BaseContext: ...

class DefaultContext(BaseContext, _std.DefaultContext):
    Process: ClassVar[type[Process]]

class SpawnContext(BaseContext, _std.SpawnContext):
    Process: ClassVar[type[SpawnProcess]]

class ForkContext(BaseContext, _std.ForkContext):
    Process: ClassVar[type[ForkProcess]]

class ForkServerContext(BaseContext, _std.ForkServerContext):
    Process: ClassVar[type[ForkServerProcess]]

_default_context: DefaultContext
