"""Pool.everywhere: a function that is called once in each worker, those that come later as well."""

from _pickle import dumps

from .. import _core
from ..errors import ProcessError, TimeoutError
from ..heap import BufferWrapper
from .pool_worker import describe

_SIZE = 4096  # of what one worker tells of its failure


class _Once:
    """What workers call. The first time that it raises in a worker, its place in failures tells what."""

    def __init__(self, function, args, failures):
        self.function, self.args, self.failures = function, args, failures

    def __call__(self):
        try:
            self.function(*self.args)
            return 0
        except BaseException as error:
            self._note(error)
            return 1

    def _note(self, error):
        told = describe(error, None, False)
        if len(told) > _SIZE - 8:
            told = dumps((None, "", f"{type(error).__name__}: {error}"[:_SIZE // 8], isinstance(error, MemoryError)))
        view = memoryview(self.failures)
        at = _core.worker_place() * _SIZE
        view[at + 8:at + 8 + len(told)] = told
        view[at:at + 8] = len(told).to_bytes(8, "little")


def _first(failures):
    """What the first worker tells that failed; None when none tells anything."""
    view = memoryview(failures)
    for at in range(0, len(view), _SIZE):
        size = int.from_bytes(view[at:at + 8], "little")
        if size:
            return bytes(view[at + 8:at + 8 + size])
    return None


def check(answer, raised=None):
    """Raises what the core's answer stands for. raised(): the exception of a worker, or None."""
    if answer is None:
        return
    status, message = answer
    if status == _core.TIMEOUT:
        raise TimeoutError(message)
    if status == _core.NOT_RUNNING:
        raise ValueError("Pool not running")
    raise (raised and raised()) or ProcessError(message)


def run(pool, function, args, timeout):
    """The same, for a pool whose workers are Python's. What it writes to stays as long as the pool."""
    failures = BufferWrapper(_SIZE * pool._processes)
    pool._kept.append(failures)

    def raised():
        told = _first(failures)
        return told and pool._rebuilt(told, 0)

    check(pool._core.everywhere(_Once(function, args, failures), timeout), raised)
