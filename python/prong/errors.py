"""What prong raises beyond multiprocessing's exceptions."""

from multiprocessing.context import AuthenticationError, BufferTooShort, ProcessError, TimeoutError

from . import _core

__all__ = ["ProcessError", "BufferTooShort", "TimeoutError", "AuthenticationError", "WorkerDied", "TaskFailed", "TaskTimeout",
           "TaskCancelled", "PoolBroken", "Deadlock", "OwnerDiedWarning"]


class WorkerDied(ProcessError):
    """The worker that ran this task was killed, or exited; the pool goes on with another.

    exitcode: what it exited with, or minus the signal that killed it. index: of the task, in what was submitted together.
    """

    def __init__(self, message, exitcode=None, index=None):
        super().__init__(message)
        self.exitcode = exitcode
        self.index = index

    def __reduce__(self):
        return type(self), (self.args[0], self.exitcode, self.index)


class TaskFailed(ProcessError):
    """A C function of a CPool's task said that it failed: its message. code: what it returned; of a prong_value_task its status."""

    def __init__(self, message, code=None):
        super().__init__(message)
        self.code = code

    def __reduce__(self):
        return type(self), (self.args[0], self.code)


class TaskTimeout(TimeoutError):
    """A task ran longer than its timeout= and was killed with its worker."""


class TaskCancelled(ProcessError):
    """The task was cancelled, or its pool terminated, before it had ended."""


class PoolBroken(ProcessError):
    """The pool cannot run tasks: its initializer fails, or its workers cannot be started."""


class Deadlock(ProcessError, RuntimeError):
    """The call would wait for itself: for what only the thread or process that makes it can do."""


class OwnerDiedWarning(RuntimeWarning):
    """A lock was taken over from a process that died while it held it: what it protects may be half changed."""


_core._set_errors(ProcessError, BufferTooShort, PoolBroken, Deadlock, OwnerDiedWarning)
