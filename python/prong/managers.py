"""Managers: multiprocessing's, whose servers are started by prong."""

import multiprocessing.managers as _std

from ._mirror import mirror

__all__ = mirror(_std, globals())


_BaseManager, _SyncManager, _SharedMemoryManager = _std.BaseManager, _std.SyncManager, _std.SharedMemoryManager


def _context(ctx):
    if ctx is not None:
        return ctx
    from .context import _default_context
    return _default_context.get_context()


class BaseManager(_BaseManager):
    """A server process that holds objects, and proxies for them."""

    def __init__(self, address=None, authkey=None, serializer="pickle", ctx=None, **options):
        super().__init__(address, authkey, serializer, _context(ctx), **options)


class SyncManager(_SyncManager):
    """A manager of lists, dicts, locks, queues and the like."""

    def __init__(self, address=None, authkey=None, serializer="pickle", ctx=None, **options):
        super().__init__(address, authkey, serializer, _context(ctx), **options)


class SharedMemoryManager(_SharedMemoryManager):
    """A manager of shared memory, which frees it at its end."""

    def __init__(self, address=None, authkey=None, serializer="pickle", ctx=None, **options):
        super().__init__(address, authkey, serializer, _context(ctx), **options)


def _pool(*args, **options):
    from .pool import Pool
    return Pool(*args, **options)


SyncManager.register("Pool", _pool, _std.PoolProxy)
