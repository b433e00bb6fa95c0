"""Pools without workers: what stands in for the core, and runs a task in the thread that submits it."""

import sys
import threading
from collections import deque
from itertools import chain

from .. import _core
from ..errors import PoolBroken, ProcessError
from .around import end
from .imap import IMapIterator, Raised, chunks
from .pool_worker import note_failure, of_exit
from .results import not_the_end

_CALL, _run_inline = _core.CALL, _core._run_inline
TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from typing import Final

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


_TERMINATED = _core.CANCELLED, "the pool was terminated by a task before it", 0, 0


class _Job:
    """A job that has ended: see _core.Job. values: None for a task that failed, whose outcome is in failed, by its index."""

    def __init__(self, values, failed):
        self._values, self._failed, self.count = values, failed, len(values)

    def wait(self, timeout):
        return True

    def wait_more(self, done, timeout):
        return True

    def ready(self):
        return True

    def read(self):
        pass

    def cancel(self, force):
        pass

    def tell(self, done):
        done(self)

    def outcome(self, index, timeout):
        return self._failed.get(index) or (_core.OK, self._values[index], 0, 1)

    def results(self, chunked):
        for failed in self._failed.items():
            return None, failed
        return list(chain.from_iterable(self._values)) if chunked else self._values, None

    def progress(self):
        return self.count, self.count, 0.0


class InlinePool:
    """In the place of a _core.Pool. What tasks raise is in their outcomes as it is.

    runs: whether it was neither closed nor terminated, and its initializer has not failed. state: see worker_state.
    """

    def __init__(self, initializer, initargs, failure, around):
        self.runs, self._broken, self._deaths, self.state = True, False, 0, {}
        self._exit = None if around is None else around.exit
        if initializer is not None:
            self._begin(initializer, initargs, failure)

    def _begin(self, initializer, initargs, failure):
        try:
            self._run(_core.STAR, initializer, initargs)
        except Exception:
            note_failure(failure)
            self.runs, self._broken = False, True

    # --- a task ---

    def _run(self, form, function, data):
        """What the function returns, or raises, as a task of this pool."""
        try:
            return _run_inline(self, form, function, data)
        except SystemExit as error:
            raise ProcessError(of_exit(error)) from None

    def attempt(self, form, function, data):
        """(what the function returns, None), or (None, what it raises)."""
        try:
            return _run_inline(self, form, function, data), None
        except KeyboardInterrupt:  # for the one who is at the terminal
            raise
        except SystemExit as error:
            return None, ProcessError(of_exit(error))
        except BaseException as error:
            return None, error

    # --- what a Pool calls ---

    def _run_all(self, form, function, tasks):
        values, failed = [], {}
        for task in tasks:
            value = None
            if self.runs:
                value, error = self.attempt(form, function, task)
                if error is not None:
                    failed[len(values)] = _core.TASK_FAILED, error, 1, 1
            else:
                failed[len(values)] = _TERMINATED
            values.append(value)
        return _Job(values, failed)

    def submit(self, function, form, items, chunk, timeout, retries, priority, room_timeout, done):
        """Runs all of it, then done. timeout is not enforced, retries are not needed; nothing waits, for its turn or for room."""
        if not self.runs:
            return self._refuse()
        tasks = items if chunk == 0 else (items[at:at + chunk] for at in range(0, len(items), chunk))
        job = self._run_all(form, function, tasks)
        if done is not None:
            done(job)
        return job

    def call(self, cls, pool, function, form, data, kwargs, options):
        """Runs it: an instance of cls."""
        if not self.runs:
            return self._refuse()
        value, error = self.attempt(form, function, (data, kwargs) if form == _CALL else data)
        task = cls()
        task._settle(error is None, value if error is None else error)
        return task

    def _refuse(self):
        """None, as of a pool that was closed; or PoolBroken."""
        if self._broken:
            raise PoolBroken("the pool's initializer failed")

    def refuse(self, pool):
        """Raises why a pool that is to run a task does not."""
        if self._broken:
            raise pool._broken("")
        raise ValueError("Pool not running")

    def apply(self, pool, func, args, kwds):
        """Pool.apply."""
        if not self.runs:
            self.refuse(pool)
        return self._run(_CALL, func, (args, kwds))

    def tell(self, result, callback, error_callback):
        """The result of apply_async, whose callback is called: what that raises is reported, and harms nobody."""
        good, value = result._ended(None)
        call = callback if good else error_callback
        try:
            if call is not None:
                call(value)
        except Exception:
            sys.excepthook(*sys.exc_info())
        return result

    def imap(self, pool, ordered, func, iterable, chunksize, *options):
        """Makes the iterator of Pool.imap."""
        return _Iterator(pool, func, iterable, chunksize)

    # --- its end ---

    def close(self):
        ran, self.runs = self.runs, False
        if ran and self._exit is not None:
            self._deaths += self._run(_core.ITEM, end, self._exit)

    def terminate(self):
        self.runs = False

    destroy = terminate

    def cancel(self):
        """Nothing waits to run."""

    def join(self, timeout):
        return True

    # --- its workers, of which it has none ---

    def resize(self, processes):
        raise ValueError("prong.INLINE: a pool without workers")

    replace_workers = resize

    def everywhere(self, once, timeout):
        """Calls the function here, and raises what it raises."""
        self._refuse()
        self._run(_core.STAR, once.function, once.args)

    def workers(self):
        return []

    def deaths(self):
        return self._deaths


class _Iterator(IMapIterator):
    """imap's: a task runs when its result is asked for, or the pool is closed."""

    __module__, __qualname__ = IMapIterator.__module__, IMapIterator.__qualname__
    _stays = False

    def __init__(self, pool, function, iterable, chunksize):
        self._pool, self._function, self._chunked = pool, function, chunksize != 1
        self._tasks = chunks(iter(iterable), chunksize) if self._chunked else iter(iterable)
        self._form = _core.MAP if self._chunked else _core.ITEM
        self._values = deque()  # what was returned, and Raised
        self._lock = threading.RLock()
        self._exhausted = False

    def next(self, timeout=None):
        """The next result. timeout: not enforced."""
        with self._lock:
            if not self._values:
                self._step()
            value = self._values.popleft()
        if type(value) is Raised:
            raise not_the_end(value.error)
        return value

    __next__ = next

    def _step(self):
        """Runs a task; raises what the iterable does at its end."""
        try:
            task = next(self._tasks)
        except Exception:
            self._tasks = iter(())
            self._exhaust()
            raise
        core = self._pool._core
        if not core.runs:
            core.refuse(self._pool)
        value, error = core.attempt(self._form, self._function, task)
        if error is not None:
            self._values.append(Raised(error))
        elif self._chunked:
            self._values.extend(value)
        else:
            self._values.append(value)

    def _drain(self):
        with self._lock:
            try:
                while True:
                    self._step()
            except StopIteration:
                pass
            except Exception as error:
                self._values.append(Raised(error))
