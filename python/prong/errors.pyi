from multiprocessing import (
    AuthenticationError as AuthenticationError,
    BufferTooShort as BufferTooShort,
    ProcessError as ProcessError,
    TimeoutError as TimeoutError,
)

__all__ = ["ProcessError", "BufferTooShort", "TimeoutError", "AuthenticationError", "WorkerDied", "TaskFailed", "TaskTimeout",
           "TaskCancelled", "PoolBroken", "Deadlock", "OwnerDiedWarning"]

class WorkerDied(ProcessError):
    exitcode: int | None
    index: int | None
    def __init__(self, message: str, exitcode: int | None = ..., index: int | None = ...) -> None: ...

class TaskFailed(ProcessError):
    code: int | None
    def __init__(self, message: str, code: int | None = ...) -> None: ...

class TaskTimeout(TimeoutError): ...
class TaskCancelled(ProcessError): ...
class PoolBroken(ProcessError): ...
class Deadlock(ProcessError, RuntimeError): ...
class OwnerDiedWarning(RuntimeWarning): ...
