"""The executor's future. Most are only asked for their result, which takes no more than the job. What concurrent.futures' own has (a
condition, callbacks, waiters) is made when something asks for it, as wait(), as_completed() and add_done_callback() do."""

import concurrent.futures as _futures

from .. import _core
from .results import failure

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from typing import Any

_PARTS = frozenset(vars(_futures.Future()))  # the attributes that concurrent.futures gives each
_CANCELLED = object()  # in the place of an exception


class Future(_futures.Future):
    """A future whose task can be cancelled until it has begun.

    _job, _pool: None once the outcome is known. _outcome, from then on: (result, None), or (None, exception). What is set late is set
    once, by whichever thread comes first: there is no lock that a fork could find held.
    """

    _job: "Any" = None
    _pool: "Any" = None

    def __init__(self, pool: "Any", job: "Any", error: "BaseException | None" = None) -> None:
        if job is None:
            self._outcome = None, error
        else:
            self._pool, self._job = pool, job

    def __getattr__(self, name):
        """Called for what is not there: one of concurrent.futures' attributes, all of which are made now."""
        if name not in _PARTS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        state = vars(self)
        for part, value in vars(_futures.Future()).items():
            state.setdefault(part, value)
        if self._is_first("_followed"):
            job = self._job
            if job is None:
                self._settle()
            else:
                job.tell(self._finished)
        return state[name]

    def _is_first(self, mark):
        mine = object()
        return vars(self).setdefault(mark, mine) is mine

    # --- the job's outcome ---

    def _load(self, timeout, kinds=Exception):
        """The outcome; None when timeout seconds have passed."""
        job = self._job
        if job is None:
            return self._outcome
        if not job.wait(timeout):
            return None
        outcome = vars(self).setdefault("_outcome", self._read(job, self._pool, kinds))
        self._job = self._pool = None
        return outcome

    @staticmethod
    def _read(job, pool, kinds):
        try:
            outcome = job.outcome(0, 0)
            if outcome[0] == _core.OK:
                return outcome[1], None
            return None, _CANCELLED if outcome[0] == _core.CANCELLED else failure(0, outcome, pool)
        except kinds as error:  # a result that pickles, and does not unpickle
            return None, error

    def _finished(self, job):
        """Called in the pool's thread."""
        self._load(None, BaseException)
        self._settle()

    def _settle(self):
        """Brings what concurrent.futures has of it to the end that is known."""
        if not self._is_first("_settled"):
            return
        result, error = self._outcome
        if error is _CANCELLED:
            super().cancel()
        if not self.set_running_or_notify_cancel():
            return
        if error is None:
            self.set_result(result)
        else:
            self.set_exception(error)

    def _ended(self, timeout):
        """(result, exception). CancelledError, TimeoutError."""
        outcome = self._load(timeout)
        if outcome is None:
            raise _futures.TimeoutError()
        if outcome[1] is _CANCELLED:
            raise _futures.CancelledError()
        return outcome

    # --- concurrent.futures' interface ---

    def result(self, timeout: "float | None" = None) -> "Any":
        """What the task returned, or raises what it raised. CancelledError; TimeoutError when timeout seconds have passed."""
        value, error = self._ended(timeout)
        if error is None:
            return value
        try:
            raise error
        finally:
            del self, error  # the traceback would keep both

    def exception(self, timeout: "float | None" = None) -> "BaseException | None":
        """What the task raised; None if it returned. CancelledError; TimeoutError when timeout seconds have passed."""
        return self._ended(timeout)[1]

    def done(self) -> bool:
        """Whether the task has ended, or was cancelled."""
        job = self._job
        return job is None or job.ready()

    def cancelled(self) -> bool:
        """Whether the task was cancelled before it began."""
        return self.done() and self._load(None)[1] is _CANCELLED

    def cancel(self) -> bool:
        """Cancels a task that has not begun; False when it has."""
        job = self._job
        if job is not None and not job.ready():
            job.cancel(False)
        if not self.cancelled():
            return False
        if "_followed" in vars(self):
            self._settle()
        return True
