"""What prong raises beyond multiprocessing's exceptions."""

from multiprocessing.context import AuthenticationError, BufferTooShort, ProcessError, TimeoutError

from . import _core

__all__ = ["ProcessError", "BufferTooShort", "TimeoutError", "AuthenticationError", "WorkerDied", "TaskFailed", "TaskTimeout", "TaskMemory",
           "TaskCancelled", "PoolBroken", "Deadlock", "OwnerDiedWarning", "SupervisorGaveUp",
           "JournalStoppedWarning"]


def __dir__():
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


class WorkerDied(ProcessError):
    """The worker that ran this task was killed, or exited; the pool goes on with another.

    exitcode: what it exited with, or minus the signal that killed it. index: of the task, in what was submitted together.
    """

    def __init__(self, message: str, exitcode: "int | None" = None, index: "int | None" = None) -> None:
        super().__init__(message)
        self.exitcode = exitcode
        self.index = index

    def __reduce__(self) -> "tuple[type, tuple[object, ...]]":
        return type(self), (self.args[0], self.exitcode, self.index)


class TaskFailed(ProcessError):
    """A C function of a NativePool's task said that it failed: its message. code: what it returned; of a prong_value_task its status."""

    def __init__(self, message: str, code: "int | None" = None) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> "tuple[type, tuple[object, ...]]":
        return type(self), (self.args[0], self.code)


class TaskTimeout(TimeoutError):
    """A task ran longer than its timeout= and was killed with its worker."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)


class TaskMemory(ProcessError, MemoryError):
    """A task used more than memory_hard= and was killed with its worker."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)


class TaskCancelled(ProcessError):
    """The task was cancelled, or its pool terminated, before it had ended."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)


class PoolBroken(ProcessError):
    """The pool cannot run tasks: its initializer fails, or its workers cannot be started."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)


class Deadlock(ProcessError, RuntimeError):
    """The call would wait for itself: for what only the thread or process that makes it can do."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)


class SupervisorGaveUp(ProcessError):
    """A supervisor's children have ended too often: all are ended now. The message names the last one, and how it ended."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)


class OwnerDiedWarning(RuntimeWarning):
    """A lock was taken over from a process that died while it held it: what it protects may be half changed."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)


class JournalStoppedWarning(RuntimeWarning):
    """A journal could not be written any further, on a full disk, say: the results are there, but not all of them are recorded."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)


_core._set_errors(ProcessError, BufferTooShort, PoolBroken, Deadlock, OwnerDiedWarning, SupervisorGaveUp)
