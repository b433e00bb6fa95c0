import multiprocessing.connection as _std
from collections.abc import Iterable
from multiprocessing.connection import answer_challenge as answer_challenge
from multiprocessing.connection import deliver_challenge as deliver_challenge
from typing import Any, TypeVar, final

__all__ = ["Client", "Listener", "Pipe", "wait"]

_T = TypeVar("_T")

# At runtime a class of its own, with all that multiprocessing's has: to annotations it is one of those.
class Connection(_std.Connection): ...

# An end of a Pipe.
@final
class PipeConnection(Connection): ...

class Listener(_std.Listener):
    def __init__(
        self,
        address: str | tuple[str, int] | None = ...,
        family: str | None = ...,
        backlog: int = ...,
        authkey: bytes | None = ...,
        *,
        handshake_timeout: float = ...,
    ) -> None: ...
    def accept(self, timeout: float | None = ...) -> Connection: ...

def Client(
    address: str | tuple[str, int], family: str | None = ..., authkey: bytes | None = ..., *, timeout: float | None = ...
) -> Connection: ...
def Pipe(duplex: bool = ...) -> tuple[PipeConnection, PipeConnection]: ...
def wait(object_list: Iterable[_T], timeout: float | None = ...) -> list[_T]: ...
def reduce_connection(connection: Connection) -> tuple[Any, ...]: ...
def rebuild_connection(shared: Any, readable: bool, writable: bool) -> Connection: ...
