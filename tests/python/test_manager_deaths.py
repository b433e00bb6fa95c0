"""Managers, their clients and the holders of their locks are killed."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import prong
import prong.managers
from support import WithManager, for_each_method

PACKAGE = os.path.dirname(prong.__file__)
SOON = 30


def hold(lock, held):
    lock.acquire()
    held.set()
    time.sleep(SOON)


def take(lock, value):
    with lock:
        value.value += 1


def loop(mapping, begun):
    begun.set()
    while True:
        mapping["x"] = 1


def get_holding(lock, queue, begun):
    with lock:
        begun.set()
        queue.get()


# Starts a manager, which other processes use, too, and waits to be killed.
STARTER = """
import signal, sys, time, prong
def use(mapping, begun):
    begun.set()
    while True:
        mapping["x"] = 1
if __name__ == "__main__":
    context = prong.get_context(sys.argv[1])
    manager = context.Manager()
    begun = context.Event()
    child = context.Process(target=use, args=(manager.dict(), begun))
    child.start()
    begun.wait()
    print(manager._process.pid, child.pid, manager.address, bytes(manager._authkey).hex(), flush=True)
    signal.pause()
"""


class Deaths(WithManager):
    """In each start method."""

    def test_a_lock_whose_holder_is_killed_is_taken_over(self):
        for lock in (self.manager.Lock(), self.manager.RLock(), self.manager.Condition()):
            for waits in (False, True):
                held, value = self.manager.Event(), self.manager.Value("i", 0)
                process = self.start(hold, lock, held)
                self.assertTrue(held.wait(SOON))
                if waits:
                    thread = threading.Thread(target=take, args=(lock, value))
                    thread.start()
                    time.sleep(0.05)
                os.kill(process.pid, signal.SIGKILL)
                self.ended(process)
                if waits:
                    thread.join(SOON)
                    self.assertFalse(thread.is_alive())
                self.assertTrue(lock.acquire(True, SOON) if not waits else True)
                if not waits:
                    lock.release()
                take(lock, value)

    def test_a_lock_left_by_who_ended_may_be_released(self):
        lock = self.manager.Lock()
        self.ended(self.start(lock.acquire))
        lock.release()
        self.assertTrue(lock.acquire(False))
        self.assertFalse(lock.acquire(False))
        lock.release()
        with self.assertRaises(RuntimeError):
            lock.release()

    def test_the_manager_is_killed(self):
        mapping = self.manager.dict()
        mapping["x"] = 1
        os.kill(self.manager._process.pid, signal.SIGKILL)
        with self.assertRaises((EOFError, OSError)):
            for _ in range(10):
                mapping["x"]
        with self.assertRaises((EOFError, OSError)):
            self.manager.dict()

    def test_a_client_is_killed_within_its_calls(self):
        mapping, begun = self.manager.dict(), self.manager.Event()
        for _ in range(5):
            begun.clear()
            process = self.start(loop, mapping, begun)
            self.assertTrue(begun.wait(SOON))
            time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
            self.ended(process)
        mapping["y"] = 2
        self.assertEqual(mapping["y"], 2)

    def test_who_is_killed_waiting_takes_nothing(self):
        queue, lock, begun = self.manager.Queue(), self.manager.Lock(), self.manager.Event()
        process = self.start(get_holding, lock, queue, begun)
        self.assertTrue(begun.wait(SOON))
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        self.ended(process)
        self.assertTrue(lock.acquire(True, SOON))
        queue.put("mine")
        self.assertEqual(queue.get(timeout=SOON), "mine")

    def test_the_server_ends_with_the_process_that_started_it(self):
        with tempfile.TemporaryDirectory() as directory:
            script = os.path.join(directory, "starter.py")
            with open(script, "w") as file:
                file.write(STARTER)
            starter = subprocess.Popen([sys.executable, script, self.method], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                       env=dict(os.environ, PYTHONPATH=os.path.dirname(PACKAGE), TMPDIR=directory))
            try:
                server, child, address, key = starter.stdout.readline().split()
                other = prong.managers.SyncManager(address=address, authkey=bytes.fromhex(key))
                other.connect()
                items, descriptor = other.list([1]), os.pidfd_open(int(server))
            finally:
                starter.kill()
                starter.wait()
                starter.stdout.close()
            try:
                self.assertEqual(select.select([descriptor], [], [], SOON)[0], [descriptor])
                self.assertFalse(os.path.exists(address))
                self.assertRaises((EOFError, OSError), lambda: items[0])
            finally:
                os.close(descriptor)
                with contextlib.suppress(ProcessLookupError):  # it has noticed by itself that the manager is gone
                    os.kill(int(child), signal.SIGKILL)


ForkTest, SpawnTest, ForkServerTest = for_each_method(Deaths)


if __name__ == "__main__":
    unittest.main()
