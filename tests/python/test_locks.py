"""Locks, conditions, events and barriers whose holders and waiters die, and how they are shared."""

import pickle
import sys
import threading
import time
import unittest
import warnings

import prong
from support import InMethod, for_each_method

SOON = 30


def hold(lock, told):
    lock.acquire()
    told.set()
    time.sleep(SOON)


def wait_for(condition, told):
    with condition:
        told.set()
        condition.wait(SOON)


def cross(barrier):
    try:
        barrier.wait(SOON)
    except threading.BrokenBarrierError:
        sys.exit(5)


def wait_event(event, told):
    told.set()
    event.wait(SOON)


class Locks(InMethod):
    """In each start method."""

    def test_a_lock_outlives_its_holder(self):
        for lock in (self.context.Lock(), self.context.RLock(), self.context.Semaphore(1, recover=True)):
            told = self.context.Event()
            process = self.start(hold, lock, told)
            self.assertTrue(told.wait(SOON))
            self.assertFalse(lock.acquire(timeout=0.05))
            process.kill()
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                self.assertIs(lock.acquire(timeout=SOON), True)
            if not isinstance(lock, prong.synchronize.Semaphore):
                self.assertIn("died", lock.owner_died)
                self.assertTrue(any(issubclass(w.category, prong.OwnerDiedWarning) for w in seen))
            lock.release()

    def test_a_killed_waiter_holds_up_nobody(self):
        condition, event = self.context.Condition(), self.context.Event()
        processes = []
        for target, thing in ((wait_for, condition), (wait_event, event)):
            told = self.context.Event()
            processes.append(self.start(target, thing, told))
            self.assertTrue(told.wait(SOON))
        time.sleep(0.2)
        for process in processes:
            process.kill()
            process.join(SOON)
        with condition:
            condition.notify_all()
        event.set()

    def test_a_party_that_dies_breaks_the_barrier(self):
        barrier = self.context.Barrier(3)
        one, two = self.start(cross, barrier), self.start(cross, barrier)
        end = time.monotonic() + SOON
        while barrier.n_waiting < 2 and time.monotonic() < end:
            time.sleep(0.01)
        one.kill()
        two.join(SOON)
        self.assertEqual(two.exitcode, 5)


ForkTest, SpawnTest, ForkServerTest = for_each_method(Locks)


class LockTest(unittest.TestCase):
    """In one process."""

    def test_locks_are_shared_by_inheritance_or_travel_only(self):
        for thing in (prong.Lock(), prong.Queue(), prong.Event(), prong.Barrier(2), prong.Condition()):
            with self.assertRaisesRegex(RuntimeError, "only be shared between processes through inheritance"):
                pickle.dumps(thing)

    def test_a_condition_that_is_not_initialized(self):
        self.assertRaises(AssertionError, prong._core.Condition.__new__(prong._core.Condition).wait)


if __name__ == "__main__":
    unittest.main()
