"""The executor's future. Most are only asked for their result, which takes no more than the task. What concurrent.futures' own has (a
condition, callbacks, waiters) is made when something asks for it, as wait(), as_completed() and add_done_callback() do."""

import concurrent.futures as _futures

from .. import _core
from .results import _Task, failure

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from typing import Any

_PARTS = frozenset(vars(_futures.Future()))  # the attributes that concurrent.futures gives each
_CANCELLED = object()  # in the place of an exception


class Future(_Task, _futures.Future):
    """A future whose task can be cancelled until it has begun. What is set late is set once, by whichever thread comes first: there is no
    lock that a fork could find held."""

    def __init__(self) -> None:
        """What concurrent.futures' own has is made later."""

    def __getattr__(self, name):
        """Called for what is not there: one of concurrent.futures' attributes, all of which are made now."""
        if name not in _PARTS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        state = vars(self)
        if self._is_first("_followed"):
            try:
                self._tell(Future._finished)
            except BaseException:  # a forked child's copy: it is refused whenever something asks for it
                state.pop("_followed", None)
                raise
        for part, value in vars(_futures.Future()).items():
            state.setdefault(part, value)
        return state[name]

    def _is_first(self, mark):
        mine = object()
        return vars(self).setdefault(mark, mine) is mine

    # --- the task's outcome ---

    def _otherwise(self, outcome):
        """For result: what is raised for an outcome other than success. None: time is up."""
        if outcome is None:
            raise _futures.TimeoutError()
        if outcome is _CANCELLED:
            raise _futures.CancelledError()
        return _CANCELLED if outcome[0] == _core.CANCELLED else failure(0, outcome, self._pool)

    def _finished(self):
        """Called in the pool's thread."""
        try:
            self._ended(None)
        except BaseException as error:  # a result that pickles, and does not unpickle
            self._settle(False, error)
        self._follow()

    def _follow(self):
        """Brings what concurrent.futures has of it to the end that is known."""
        if not self._is_first("_settled"):
            return
        good, value = self._ended(None)
        if value is _CANCELLED:
            super().cancel()
        if not self.set_running_or_notify_cancel():
            return
        if good:
            self.set_result(value)
        else:
            self.set_exception(value)

    # --- concurrent.futures' interface ---

    result = _Task._get

    def exception(self, timeout: "float | None" = None) -> "BaseException | None":
        """What the task raised; None if it returned. CancelledError; TimeoutError when timeout seconds have passed."""
        ended = self._ended(timeout)
        if ended is None:
            raise _futures.TimeoutError()
        if ended[1] is _CANCELLED:
            raise _futures.CancelledError()
        error: Any = ended[1]
        return None if ended[0] else error

    done = _Task.ready

    def cancelled(self) -> bool:
        """Whether the task was cancelled before it began."""
        return self.ready() and self._ended(None)[1] is _CANCELLED

    def cancel(self) -> bool:
        """Cancels a task that has not begun; False when it has."""
        if not self.ready():
            self._cancel(False)
        if not self.cancelled():
            return False
        if "_followed" in vars(self):
            self._follow()
        return True
