"""What a manager's server keeps of its clients: which locks each holds, and whether it still waits for its call.

A client is a thread of a process, served by a thread of the server's. The locks of one that is gone are taken over by others, and a
call that it waited for ends. One that broke off a call, and comes again on another connection, has the locks that it had.
"""

import queue
import threading
import time

_LOOK_EVERY = 0.5  # seconds, whether a client that waits is there

_mutex = threading.Lock()  # of who holds which lock; nothing waits under it
_served = threading.local()  # .client: whom this thread serves


def current():
    """The client that this thread serves; for a thread that serves none, one of its own."""
    if not hasattr(_served, "client"):
        _served.client = Client()
    return _served.client


def serve(client):
    """This thread serves it from now on."""
    _served.client = client


class Client:
    """A thread of a client's."""

    def __init__(self, connection=None):
        self._connection = connection
        self._before = 0  # how many locks it held when its call began
        self.held = []  # locks, each as many times as it holds it
        self.lent = None  # the lock, and how many times it held it, that it has let go of to wait for a condition

    def begins_call(self):
        """What it holds now is its own, whatever becomes of the call."""
        self._before = len(self.held)

    def is_gone(self):
        """Whether it does not wait for its call any more: there is something to read, which is the end."""
        try:
            return self._connection is not None and self._connection.poll()
        except (OSError, EOFError):
            return True

    def succeed(self, former):
        """It is that one, and broke off a call there: it holds what it held before. What the call brings is left to the former, which
        ends."""
        with _mutex:
            late = former.held[former._before:]
            self.held = former.held[:former._before]
            former.held = [lock for lock in late if lock not in self.held]
            for lock in self.held:
                lock.holder = self
            self.lent, former.lent = former.lent, None
        if self.lent is not None:
            lock, times = self.lent
            lock._acquire_restore(times)

    def leave(self):
        """It is gone."""
        for lock in list(self.held):
            lock.left(self)
        self.held = []


# ------------------------------------------------ locks ------------------------------------------------


class Lock:
    """A lock that the next one takes over when the client that holds it is gone; or any other may release it."""

    def __init__(self):
        self._lock = threading.Lock()
        self.holder = None  # a client
        self._waiting = 0
        self._left = False  # held by a client that is gone

    def acquire(self, *args, **options):
        """As the lock's."""
        with _mutex:
            if self._left:
                self._left = False
                return self._taken()
            self._waiting += 1
        got = False
        try:
            got = self._lock.acquire(*args, **options)
        finally:
            with _mutex:
                self._waiting -= 1
                if got:
                    self._taken()
        return got

    def _taken(self):
        self.holder = current()
        self.holder.held.append(self)
        return True

    def release(self):
        """As the lock's."""
        with _mutex:
            self._lock.release()
            if self.holder is not None:
                self.holder.held.remove(self)
            self.holder, self._left = None, False

    def left(self, client):
        """The client is gone."""
        with _mutex:
            if self.holder is not client or not self._lock.locked():
                return
            self.holder = None
            self._left = self._waiting == 0
            if not self._left:
                self._lock.release()

    def locked(self):
        """As the lock's."""
        return self._lock.locked()

    __enter__ = acquire

    def __exit__(self, *exception):
        self.release()

    def __repr__(self):
        return repr(self._lock)


class RLock(Lock):
    """An rlock, which is released when the client that holds it is gone."""

    def acquire(self, blocking=True, timeout=-1):
        """As the rlock's."""
        with _mutex:
            if self._is_owned():
                return self._taken()
        return super().acquire(blocking, timeout)

    def release(self):
        """As the rlock's."""
        with _mutex:
            if not self._is_owned():
                raise RuntimeError("cannot release un-acquired lock")
            self.holder.held.remove(self)
            if self not in self.holder.held:
                self.holder = None
                self._lock.release()

    def left(self, client):
        """The client is gone."""
        with _mutex:
            if self.holder is client:
                self.holder = None
                self._lock.release()

    __enter__ = acquire

    def __repr__(self):
        holder = self.holder
        times = holder.held.count(self) if holder else 0
        return f"<{'locked' if times else 'unlocked'} RLock count={times} at {id(self):#x}>"

    # for a condition, which lets go of all of it while it waits

    def _is_owned(self):
        return self.holder is current()

    def _release_save(self):
        with _mutex:
            client = current()
            times = client.held.count(self)
            client.held = [lock for lock in client.held if lock is not self]
            client.lent = self, times
            self.holder = None
            self._lock.release()
        return times

    def _acquire_restore(self, times):
        self._lock.acquire()
        with _mutex:
            self.holder = client = current()
            client.held.extend([self] * times)
            client.lent = None


# ------------------------------------------------ what clients wait for ------------------------------------------------


class Condition(threading.Condition):
    """A condition at which nobody waits whose client is gone: it takes nothing that is meant for those who wait."""

    def __init__(self, lock=None):
        super().__init__(RLock() if lock is None else lock)

    def wait(self, timeout=None):
        """As the condition's. ConnectionAbortedError: the client is gone."""
        if not self._is_owned():
            raise RuntimeError("cannot wait on un-acquired lock")
        waiter = threading.Lock()
        waiter.acquire()
        self._waiters.append(waiter)  # notify() takes it out, and releases it
        saved = self._release_save()
        try:
            self._sleep(waiter, timeout)
        finally:
            self._acquire_restore(saved)
        notified = waiter not in self._waiters
        if not notified:
            self._waiters.remove(waiter)
        if current().is_gone():
            if notified:
                self.notify()  # another
            raise ConnectionAbortedError("the client that waited is gone, or has broken off its call")
        return notified

    @staticmethod
    def _sleep(waiter, timeout):
        end = None if timeout is None else time.monotonic() + timeout
        left = _LOOK_EVERY
        while left > 0 and not current().is_gone():
            left = _LOOK_EVERY if end is None else min(end - time.monotonic(), _LOOK_EVERY)
            if waiter.acquire(left > 0, left if left > 0 else -1):
                return


class _Waits:
    """Waits at such a condition."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._cond = Condition(threading.Lock())


class Event(_Waits, threading.Event):
    """An event."""


class Semaphore(_Waits, threading.Semaphore):
    """A semaphore."""


class BoundedSemaphore(_Waits, threading.BoundedSemaphore):
    """A bounded semaphore."""


class Barrier(_Waits, threading.Barrier):
    """A barrier."""


class Queue(queue.Queue):
    """A queue."""

    def __init__(self, maxsize=0):
        super().__init__(maxsize)
        self.not_empty, self.not_full, self.all_tasks_done = (Condition(self.mutex) for _ in range(3))
