"""Pools without workers: what stands in for the core, and runs a task in the thread that submits it."""

from .. import _core
from ..errors import PoolBroken, ProcessError
from .around import Inlined
from .pool_worker import note_failure, of_exit

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from typing import Final

_OK, _ITEM, _opened = _core.OK, _core.ITEM, _core._resolved
__all__ = ["INLINE", "Inline"]


class Inline:
    """The class of prong.INLINE: as many processes of a pool, none."""

    __module__ = "prong"
    inline = True

    def __repr__(self) -> str:
        return "prong.INLINE"

    def __reduce__(self) -> str:
        return "INLINE"


INLINE: "Final" = Inline()


def _call(form, function, data):
    """What the core's workers do with a task. Nothing is pickled, so shares are still to be opened."""
    if form == _ITEM:
        return function(*_opened((data,)))
    if form == _core.CALL:
        return function(*_opened(data[0]), **_opened(data[1]))
    if form == _core.STAR:
        return function(*_opened(tuple(data)))
    if form == _core.MAP:
        return [function(*_opened((item,))) for item in data]
    return [function(*_opened(tuple(item))) for item in data]


class _Job:
    """A job that has ended: see _core.Job."""

    def __init__(self, outcomes):
        self._outcomes, self.count = outcomes, len(outcomes)

    def wait(self, timeout):
        return True

    def ready(self):
        return True

    def read(self):
        pass

    def cancel(self, force):
        pass

    def outcome(self, index, timeout):
        return self._outcomes[index]

    def results(self, chunked):
        values = []
        for index, outcome in enumerate(self._outcomes):
            if outcome[0] != _core.OK:
                return None, (index, outcome)
            values += outcome[1] if chunked else (outcome[1],)
        return values, None

    def progress(self):
        return self.count, self.count, 0.0


class InlinePool:
    """In the place of a _core.Pool. What tasks raise is in their outcomes as it is."""

    def __init__(self, initializer, initargs, failure, around):
        self._running, self._deaths, self._here = True, 0, Inlined()
        self._exit = None if around is None else around.exit
        self._broken = False
        if initializer is not None:
            self._begin(initializer, initargs, failure)

    def _begin(self, initializer, initargs, failure):
        try:
            with self._here:
                initializer(*_opened(tuple(initargs)))
        except Exception:
            note_failure(failure)
            self._broken = True

    def _run(self, function, form, data):
        if not self._running:
            return _core.CANCELLED, "the pool was terminated by a task before it", 0, 0
        try:
            return _OK, _call(form, function, data), 0, 1
        except KeyboardInterrupt:  # for the one who is at the terminal
            raise
        except SystemExit as error:
            return _core.TASK_FAILED, ProcessError(of_exit(error)), 1, 1
        except BaseException as error:
            return _core.TASK_FAILED, error, 1, 1

    def submit(self, function, form, items, chunk, timeout, retries, priority, room_timeout, done):
        """Runs all of it, then done. timeout is not enforced, retries are not needed; nothing waits, for its turn or for room."""
        if self._broken:
            raise PoolBroken("the pool's initializer failed")
        if not self._running:
            return None
        tasks = items if chunk == 0 else (items[at:at + chunk] for at in range(0, len(items), chunk))
        with self._here:
            job = _Job([self._run(function, form, data) for data in tasks])
        if done is not None:
            done(job)
        return job

    def call(self, cls, pool, function, form, data, kwargs, options):
        """Runs it: an instance of cls."""
        job = self.submit(function, form, ((data, kwargs) if form == _core.CALL else data,), 0, *options, None)
        if job is None:
            return None
        outcome = job.outcome(0, None)
        task = cls()
        of_its_own = outcome[0] in (_OK, _core.TASK_FAILED)
        task._settle(outcome[0] == _OK, outcome[1] if of_its_own else task._otherwise(outcome))
        return task

    def close(self):
        running, self._running = self._running, False
        if running and self._exit is not None and not self._broken:
            from .around import end
            with self._here:
                self._deaths += end(self._exit)

    def terminate(self):
        self._running = False

    destroy = terminate

    def join(self, timeout):
        return True

    def resize(self, processes):
        raise ValueError("prong.INLINE: a pool without workers")

    replace_workers = resize

    def everywhere(self, once, timeout):
        """Calls the function here, and raises what it raises."""
        if self._broken:
            raise PoolBroken("the pool's initializer failed")
        with self._here:
            once.function(*once.args)

    def workers(self):
        return []

    def deaths(self):
        return self._deaths
