"""Handles: what shared objects are in messages. C programs of the family read them as handles, and send theirs the same way."""

from . import _core

__all__ = ["Handle"]


def Handle(kind, offset, generation, restore=None, *rest):
    """The object of a handle; what a process of Python sends says how it is restored, a C program just which kind it is."""
    if restore is None:
        restore, rest = _by_kind(kind)
    return restore((offset, generation), *rest)


Handle.__module__ = "prong"  # where C programs say it is


def reduced(kind, handle, restore, *rest):
    """For __reduce__: restore(handle, *rest) makes the object again."""
    return (Handle, (kind, *handle, restore, *rest))


def _by_kind(kind):
    from . import queues, synchronize
    known = {
        "queue": (queues._restore, queues.JoinableQueue, {"_maxsize": 2**31 - 1, "_strict": True, "_opid": 0}),
        "lock": (synchronize._restore, synchronize.Lock, {}),
        "rlock": (synchronize._restore, synchronize.RLock, {}),
        "semaphore": (synchronize._restore, synchronize.Semaphore, {"maxvalue": synchronize.SEM_VALUE_MAX}),
        "event": (synchronize._restore_event, synchronize.Event),
        "barrier": (synchronize._restore_barrier, synchronize.Barrier, None, None),
        "connection": (_core._connect, True, True, False),
    }
    if kind not in known:
        raise TypeError(f"a handle of kind {kind!r} is for C programs: Python has no object for it")
    restore, *rest = known[kind]
    return restore, rest
