"""as_completed, over what pools and executors give."""

import time
from functools import partial
from queue import Empty, SimpleQueue

from ..errors import TimeoutError
from .results import AsyncResult

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, TypeVar

    _R = TypeVar("_R")


def _tell_end(result, ended):
    if isinstance(result, AsyncResult):
        result._when_ended(partial(ended.put, result))
    elif hasattr(result, "add_done_callback"):
        result.add_done_callback(ended.put)
    else:
        raise TypeError(f"as_completed: {result!r} is neither a result of a pool nor a future")


def as_completed(results: "Iterable[_R]", timeout: "float | None" = None) -> "Iterator[_R]":
    """An iterator over AsyncResults and futures, of any pools and executors: each as soon as it has ended, well or not; each once.

    TimeoutError when not all of them have ended timeout seconds from now. For the process that has submitted them.
    """
    end = None if timeout is None else time.monotonic() + timeout
    ended: SimpleQueue[Any] = SimpleQueue()
    different = {id(result): result for result in results}
    for result in different.values():
        _tell_end(result, ended)
    return _each_ended(ended, len(different), end)


def _each_ended(ended, count, end):
    for done in range(count):
        try:
            result = ended.get(timeout=None if end is None else max(end - time.monotonic(), 0))
        except Empty:
            raise TimeoutError(f"{count - done} (of {count}) results are not there") from None
        yield result
        del result
