"""Managers: multiprocessing's, whose servers are started by prong."""

import multiprocessing.managers as _std

from ._mirror import mirror

__all__ = mirror(_std, globals())


def _context(ctx):
    if ctx is not None:
        return ctx
    from .context import _default_context
    return _default_context.get_context()


class BaseManager(_std.BaseManager):
    """A server process that holds objects, and proxies for them."""

    def __init__(self, address=None, authkey=None, serializer="pickle", ctx=None, **options):
        super().__init__(address, authkey, serializer, _context(ctx), **options)


class SyncManager(_std.SyncManager):
    """A manager of lists, dicts, locks, queues and the like."""

    def __init__(self, address=None, authkey=None, serializer="pickle", ctx=None, **options):
        super().__init__(address, authkey, serializer, _context(ctx), **options)


class SharedMemoryManager(_std.SharedMemoryManager):
    """A manager of shared memory, which frees it at its end."""

    def __init__(self, address=None, authkey=None, serializer="pickle", ctx=None, **options):
        super().__init__(address, authkey, serializer, _context(ctx), **options)
