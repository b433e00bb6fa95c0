from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor as _Theirs
from multiprocessing.context import BaseContext
from typing import Any

__all__ = ["ProcessPoolExecutor"]

# At runtime an Executor that is not concurrent.futures' own: to annotations it is one of those.
class ProcessPoolExecutor(_Theirs):
    def __init__(
        self,
        max_workers: int | None = ...,
        mp_context: BaseContext | None = ...,
        initializer: Callable[..., object] | None = ...,
        initargs: tuple[Any, ...] = ...,
        *,
        max_tasks_per_child: int | None = ...,
    ) -> None: ...
