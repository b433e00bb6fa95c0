"""Seeds of tasks: each task has one that depends on the seed of the call, and on its own number there, alone."""

import sys
import threading
from operator import index

from .. import _core

_of_thread = threading.local()


def task_seed() -> "int | None":
    """In a task of a call with seed=: the task's own seed, 64 bits; the same however many workers there are. None elsewhere."""
    return getattr(_of_thread, "seed", None)


task_seed.__module__ = "prong"


def _begin(seed):
    import random
    _of_thread.seed = seed
    random.seed(seed)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(seed & 0xFFFFFFFF)


class Seeded:
    """Calls a function with an item, under the seed of its number. spread: the item is all of its arguments."""

    def __init__(self, function, seed, spread):
        self.function, self.seed, self.spread = function, seed, spread

    def __call__(self, numbered):
        number, item = numbered
        outer = task_seed()  # of a task of a pool without workers
        _begin(_core._seed(self.seed, number))
        try:
            return self.function(*item) if self.spread else self.function(item)
        finally:
            _of_thread.seed = outer


def seeded(function, iterable, seed, spread):
    """A function and an iterable for it, so that each item is a task with a seed of its own."""
    try:
        number = index(seed)
    except TypeError:
        raise TypeError(f"seed must be an int, not {type(seed).__name__}") from None
    if not 0 <= number < 1 << 64:
        raise ValueError("seed must be from 0 to 2 ** 64 - 1")
    return Seeded(function, number, spread), enumerate(iterable)
