"""Value, Array and their raw forms: multiprocessing's ctypes objects, in the family's arena, under prong's locks."""

import ctypes
import multiprocessing.sharedctypes as _std

from . import heap as _heap
from ._impl.compat import needs
from ._impl.methods import in_force
from ._impl.mirror import mirror, public, typed_as

needs(_std)
__all__ = mirror(_std, globals())
__dir__ = public(__name__)
TYPE_CHECKING = False  # as typing has it, which takes long to import
if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized as Synchronized
    from multiprocessing.sharedctypes import SynchronizedArray as SynchronizedArray
    from multiprocessing.sharedctypes import SynchronizedBase as SynchronizedBase
    from multiprocessing.sharedctypes import SynchronizedString as SynchronizedString
    from typing import Any

    def __getattr__(name: str) -> Any: ...  # what it has beside its public names

heap = _heap
_their_synchronized, _their_rebuild = _std.synchronized, _std.rebuild_ctype  # type: ignore[attr-defined]  # before install() puts ours there


def _new_value(type_):
    return _their_rebuild(type_, heap.BufferWrapper(ctypes.sizeof(type_)), None)


@typed_as(_std.RawValue)
def RawValue(typecode_or_type, *args):
    """A shared ctypes object, without a lock."""
    type_ = _std.typecode_to_type.get(typecode_or_type, typecode_or_type)
    obj = _new_value(type_)
    ctypes.memset(ctypes.addressof(obj), 0, ctypes.sizeof(obj))
    obj.__init__(*args)
    return obj


@typed_as(_std.RawArray)
def RawArray(typecode_or_type, size_or_initializer):
    """A shared ctypes array, without a lock: of zeros, or of what initializer holds."""
    type_ = _std.typecode_to_type.get(typecode_or_type, typecode_or_type)
    if isinstance(size_or_initializer, int):
        obj = _new_value(type_ * size_or_initializer)
        ctypes.memset(ctypes.addressof(obj), 0, ctypes.sizeof(obj))
        return obj
    obj = _new_value(type_ * len(size_or_initializer))
    obj.__init__(*size_or_initializer)
    return obj


def _lock_for(lock, ctx):
    if lock in (True, None):
        return in_force(ctx).RLock()
    if not hasattr(lock, "acquire"):
        raise AttributeError("%r has no method 'acquire'" % lock)
    return lock


@typed_as(_std.Value)
def Value(typecode_or_type, *args, lock=True, ctx=None):
    """A shared ctypes object with a lock; lock=False: without."""
    obj = RawValue(typecode_or_type, *args)
    return obj if lock is False else synchronized(obj, _lock_for(lock, ctx), ctx=ctx)


@typed_as(_std.Array)
def Array(typecode_or_type, size_or_initializer, *, lock=True, ctx=None):
    """A shared ctypes array with a lock; lock=False: without."""
    obj = RawArray(typecode_or_type, size_or_initializer)
    return obj if lock is False else synchronized(obj, _lock_for(lock, ctx), ctx=ctx)


@typed_as(_std.copy)
def copy(obj):
    """A copy of a shared object, in shared memory of its own."""
    new = _new_value(type(obj))
    ctypes.pointer(new)[0] = obj
    return new


@typed_as(_std.synchronized)
def synchronized(obj, lock=None, ctx=None):
    """The object behind a lock."""
    return _their_synchronized(obj, lock if lock is not None else in_force(ctx).RLock(), in_force(ctx))
