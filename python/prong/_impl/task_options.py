"""What a pool's tasks are run with."""

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from typing import Literal

    Priority = Literal["high", "normal", "low"]

_PRIORITIES = {"normal": 0, "high": 1, "low": 2}  # as prong_priority has them


PLAIN = None, 0, 0  # where none is given


def task_options(timeout, retries, priority):
    """As the core's submit takes them. ValueError for what is no priority."""
    number = _PRIORITIES.get(priority) if isinstance(priority, str) else None
    if number is None:
        raise ValueError(f"priority must be 'high', 'normal' or 'low', not {priority!r}")
    return timeout, retries, number
