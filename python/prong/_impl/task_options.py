"""What a pool's tasks are run with."""

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from typing import Literal

    Priority = Literal["high", "normal", "low"]

_PRIORITIES = {"normal": 0, "high": 1, "low": 2}  # as prong_priority has them


PLAIN = None, 0, 0, None  # where none is given


def task_options(timeout, retries, priority, room_timeout=None):
    """As the core's submit takes them. ValueError for what is no priority."""
    number = _PRIORITIES.get(priority) if isinstance(priority, str) else None
    if number is None:
        raise ValueError(f"priority must be 'high', 'normal' or 'low', not {priority!r}")
    return timeout, retries, number, room_timeout


def in_room(options, waits):
    """The same where a submission waits for room as long as it takes, or not at all."""
    return *options[:3], None if waits else 0


def submitted(job):
    """What the core has returned for it: the job, or False where there was no room for it in time. Raises what else it tells: that the
    pool does not run, and what a signal's handler raised while it waited for room."""
    if job is None:
        raise ValueError("Pool not running")
    if isinstance(job, Exception):
        raise job
    return job


def no_room():
    from queue import Full
    return Full("the pool holds as many bytes as it may (maxbytes): there was no room in the time given")
