"""Calls of managers that a signal's handler breaks off."""

import os
import signal
import subprocess
import sys
import time
import unittest

import prong
import prong.managers
from support import Interrupted, WithManager, for_each_method, interrupt, on_alarm

PACKAGE = os.path.dirname(prong.__file__)
SOON = 30


def try_for(lock, queue):
    taken = lock.acquire(False)
    if taken:
        lock.release()
    queue.put(taken)


def hold_until(lock, held, released):
    with lock:
        held.set()
        released.wait(SOON)


# A terminal's Ctrl-C is for all processes of the group.
INTERRUPTED = """
import os, signal, sys, threading, prong
manager = prong.get_context(sys.argv[1]).Manager()
mapping, queue, lock = manager.dict(), manager.Queue(), manager.Lock()
threading.Timer(0.2, os.killpg, (0, signal.SIGINT)).start()
try:
    with lock:
        queue.get()
except KeyboardInterrupt:
    mapping["a"] = 1
    assert queue.empty() and lock.acquire(False)
    print("cleaned", mapping.copy())
manager.shutdown()
"""


class Interrupts(WithManager):
    """In each start method."""

    def wait_until(self, holds):
        end = time.monotonic() + SOON
        while not holds():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def broken_off(self, call, *args):
        """A signal's handler raises within the call."""
        with on_alarm(interrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with self.assertRaises(Interrupted):
                call(*args)

    def is_free(self, lock):
        """As another process sees it."""
        queue = self.context.Queue()
        process = self.start(try_for, lock, queue)
        self.assertEqual(self.ended(process), 0)
        return queue.get(timeout=SOON)

    def test_after_a_call_that_was_broken_off_each_has_its_own_answer(self):
        queue, event, full = self.manager.Queue(), self.manager.Event(), self.manager.Queue(1)
        semaphore, barrier, joined = self.manager.Semaphore(0), self.manager.Barrier(2), self.manager.JoinableQueue()
        full.put("first")
        joined.put(1)
        for call, *args in ((queue.get,), (queue.get, True, SOON), (event.wait,), (full.put, "second"), (semaphore.acquire,), (barrier.wait,),
                            (joined.join,)):
            self.broken_off(call, *args)
            self.assertEqual((queue.qsize(), queue.empty(), full.qsize(), event.is_set()), (0, True, 1, False))
        queue.put("mine")
        self.assertEqual(queue.get(timeout=SOON), "mine")  # the call that was broken off takes none
        semaphore.release()
        self.assertTrue(semaphore.acquire(True, SOON))
        self.assertEqual([full.get(timeout=SOON), full.empty()], ["first", True])
        self.wait_until(lambda: barrier.n_waiting == 0)

    def test_who_breaks_off_a_call_keeps_what_it_holds(self):
        queue = self.manager.Queue()
        for make in self.manager.Lock, self.manager.RLock, self.manager.Condition:
            lock = make()
            with lock:
                self.broken_off(queue.get)
                self.assertTrue(queue.empty())
                self.assertFalse(self.is_free(lock))
            self.assertTrue(self.is_free(lock))
        lock = self.manager.RLock()
        with lock, lock:
            self.broken_off(queue.get)
        self.assertTrue(self.is_free(lock))
        self.assertRaises(RuntimeError, lock.release)

    def test_a_lock_whose_acquire_was_broken_off_is_not_held(self):
        for lock in self.manager.Lock(), self.manager.RLock():
            held, released = self.manager.Event(), self.manager.Event()
            process = self.start(hold_until, lock, held, released)
            self.assertTrue(held.wait(SOON))
            self.broken_off(lock.acquire)
            released.set()
            self.assertEqual(self.ended(process), 0)
            self.assertTrue(lock.acquire(True, SOON))
            lock.release()

    def test_a_wait_that_was_broken_off_has_its_lock_again(self):
        condition, event = self.manager.Condition(), self.manager.Event()
        with condition:
            self.broken_off(condition.wait)
            self.assertFalse(event.is_set())
            self.assertFalse(self.is_free(condition))
            condition.notify_all()
        end = time.monotonic() + SOON
        while not self.is_free(condition):  # who broke off was notified, too, and may have it for a moment as it leaves
            self.assertLess(time.monotonic(), end)

    def test_a_handler_calls_the_manager_within_a_call(self):
        queue, event, lock = self.manager.Queue(), self.manager.Event(), self.manager.RLock()

        def call():
            event.set()
            queue.put(queue.qsize())
        with on_alarm(call), lock:
            for _ in range(3):
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                self.assertEqual(queue.get(timeout=SOON), 0)
        self.assertTrue(event.is_set())

    def test_ctrl_c_leaves_the_manager_for_the_clean_up(self):
        ran = subprocess.run([sys.executable, "-W", "ignore", "-c", INTERRUPTED, self.method], text=True, timeout=SOON, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True, env=dict(os.environ, PYTHONPATH=os.path.dirname(PACKAGE)))
        self.assertEqual((ran.stdout, ran.stderr), ("cleaned {'a': 1}\n", ""))


ForkTest, SpawnTest, ForkServerTest = for_each_method(Interrupts)


if __name__ == "__main__":
    unittest.main()
