"""Handles: what shared objects are in messages. C programs of the family read them as handles, and send theirs the same way."""

from importlib import import_module

from .. import _core

__all__ = ["Handle"]

TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def Handle(kind: str, offset: int, generation: int, restore: "Callable[..., Any] | None" = None, *rest: "Any") -> "Any":
    """The object of a handle; what a process of Python sends says how it is restored, a C program just which kind it is."""
    if restore is None:
        restore, rest = _by_kind(kind)
    return restore((offset, generation), *rest)


Handle.__module__ = "prong"  # where C programs say it is


def reduced(kind: str, handle: "tuple[int, int]", restore: "Callable[..., Any]", *rest: "Any") -> "tuple[Any, ...]":
    """For __reduce__: restore(handle, *rest) makes the object again."""
    return (Handle, (kind, *handle, restore, *rest))


# How the object of a handle is made that a C program has sent: by kind, (restore, what it is given beside the handle …). A module
# adds its kinds as it is imported, which the first handle of such a kind brings about.
restorers: "dict[str, tuple[Any, ...]]" = {"connection": (_core._connect, True, True, False)}
_MODULES = {"queue": "prong.queues",
            **dict.fromkeys(("lock", "rlock", "semaphore", "event", "barrier"), "prong.synchronize")}


def _by_kind(kind: str) -> "tuple[Callable[..., Any], Any]":
    if kind not in restorers:
        if kind not in _MODULES:
            raise TypeError(f"a handle of kind {kind!r} is for C programs: Python has no object for it")
        import_module(_MODULES[kind])
    restore, *rest = restorers[kind]
    return restore, rest
