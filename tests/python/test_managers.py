"""prong's managers: what their members share, own types, keys, and who reaches them."""

import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import prong
import prong.managers
from support import WithManager, descriptors, for_each_method

PACKAGE = os.path.dirname(prong.__file__)
SOON = 30


def what_there_is():
    """Objects, descriptors, threads."""
    opened = descriptors()  # collects garbage
    return prong._core.memory_state()[0], opened, threading.active_count()


def use(mapping, key):
    mapping[key] = os.getpid()


def wait_for(condition, notified, waits):
    with condition:
        waits.set()
        condition.wait(SOON)
        notified.set()


def keys_of(queue):
    mapping = queue.get(timeout=SOON)
    mapping["keys"] = sorted(key for key in mapping)


class Cell:
    """A type of the user's own."""

    def __init__(self, value):
        self.value = value

    def get(self):
        return self.value

    def set(self, value):
        self.value = value


class OwnManager(prong.managers.BaseManager):
    pass


OwnManager.register("Cell", Cell)


# Where no directory can be written to; another program reaches the manager nevertheless.
NO_DIRECTORY = """
import subprocess, sys, prong
from multiprocessing import process
def use(mapping):
    mapping["child"] = 1
if __name__ == "__main__":
    process.current_process()._config["tempdir"] = "/proc/nowhere"
    context = prong.get_context(sys.argv[1])
    with context.Manager() as manager:
        assert manager.address[:1] == b"\\0"
        mapping = manager.dict()
        child = context.Process(target=use, args=(mapping,))
        child.start()
        child.join()
        code = ("import sys; from multiprocessing.managers import SyncManager\\n"
                "other = SyncManager(address=bytes.fromhex(sys.argv[1]), authkey=bytes.fromhex(sys.argv[2])); other.connect()\\n"
                "print(other.list([5])[0])")
        ran = subprocess.run([sys.executable, "-c", code, manager.address.hex(), bytes(manager._authkey).hex()], stdout=subprocess.PIPE)
        print(mapping.copy(), ran.stdout.decode().strip())
"""


def fail():
    os._exit(3)


class CannotBeRead:
    """An initializer that a new image cannot unpickle; in a forked server it ends that."""

    def __reduce__(self):
        return fail, ()

    def __call__(self):
        fail()


class Managers(WithManager):
    """In each start method."""

    def test_members_share(self):
        mapping = self.manager.dict()
        process = self.start(use, mapping, "child")
        self.assertEqual(self.ended(process), 0)
        self.assertEqual(mapping.copy(), {"child": process.pid})

    def test_sets(self):
        numbers = self.manager.set([1, 2, 2, 3])
        process = self.start(numbers.add, 4)
        self.assertEqual(self.ended(process), 0)
        self.assertEqual(numbers.copy(), {1, 2, 3, 4})
        self.assertEqual((len(numbers), 3 in numbers, 5 in numbers, sorted(numbers)), (4, True, False, [1, 2, 3, 4]))
        self.assertEqual(numbers | {5}, {1, 2, 3, 4, 5})
        self.assertEqual({5, 1} - numbers, {5})
        self.assertTrue({1} < numbers.copy() and numbers >= {4})
        same = numbers
        numbers |= {7, 8}
        numbers -= {1}
        numbers &= {2, 7, 8, 9}
        numbers ^= {8, 10}
        self.assertIs(numbers, same)
        self.assertEqual(numbers.copy(), {2, 7, 10})
        for wrong in (lambda: numbers | [1], lambda: numbers.__ior__([1]) + 1, lambda: numbers.add([])):
            self.assertRaises(TypeError, wrong)
        self.assertRaises(KeyError, numbers.remove, 1)
        numbers.clear()
        self.assertRaises(KeyError, numbers.pop)

    def test_it_is_shared_memory_that_they_use(self):
        before = prong._core.calls()["connection"]
        items = self.manager.list(range(10))
        self.assertEqual(sum(items[i] for i in range(10)), 45)
        self.assertGreater(prong._core.calls()["connection"], before + 20)

    def test_own_types(self):
        with OwnManager(ctx=self.context) as manager:
            cell = manager.Cell(5)
            cell.set(7)
            self.assertEqual(cell.get(), 7)
            with self.assertRaises(AttributeError):
                cell.value

    def test_condition(self):
        condition, notified, waits = self.manager.Condition(), self.manager.Event(), self.manager.Event()
        process = self.start(wait_for, condition, notified, waits)
        self.assertTrue(waits.wait(SOON))
        with condition:
            condition.notify()
        self.assertTrue(notified.wait(SOON))
        self.assertEqual(self.ended(process), 0)

    def test_the_key_is_asked_for(self):
        other = prong.managers.SyncManager(address=self.manager.address, authkey=b"another", ctx=self.context)
        with self.assertRaises(prong.AuthenticationError):
            other.connect()
        same = prong.managers.SyncManager(address=self.manager.address, authkey=bytes(self.manager._authkey), ctx=self.context)
        same.connect()
        self.assertEqual(same.list([1])[0], 1)

    def test_a_proxy_finds_its_manager_wherever_it_is(self):
        manager = prong.managers.SyncManager(authkey=b"its own", ctx=self.context)
        manager.start()
        self.addCleanup(manager.shutdown)
        mapping, queue = manager.dict(a=1, b=2), self.context.Queue()
        process = self.start(keys_of, queue)
        queue.put(mapping)  # whose key does not go with it
        self.assertEqual(self.ended(process), 0)
        self.assertEqual(mapping["keys"], ["a", "b"])

    def test_an_exception_has_its_traceback(self):
        with self.assertRaises(KeyError) as caught:
            self.manager.dict()["missing"]
        self.assertIn("managers.py", str(caught.exception.__cause__))
        with self.assertRaises(IndexError):
            self.manager.list()[5]

    def test_strangers_connect_by_the_address(self):
        mapping = self.manager.dict()
        code = ("import sys; from multiprocessing.managers import SyncManager\n"
                "manager = SyncManager(address=sys.argv[1], authkey=bytes.fromhex(sys.argv[2])); manager.connect()\n"
                "print(manager.list([1, 2, 3])[2])")
        key = bytes(self.manager._authkey).hex()
        for extra in ("", "import prong.managers\n"):
            ran = subprocess.run([sys.executable, "-c", extra + code, self.manager.address, key], text=True, timeout=SOON,
                                 env=dict(os.environ, PYTHONPATH=os.path.dirname(PACKAGE)), stdout=subprocess.PIPE)
            self.assertEqual(ran.stdout, "3\n")
        mapping["still"] = True
        self.assertTrue(mapping["still"])

    def test_no_directory_for_temporary_files_is_needed(self):
        with tempfile.TemporaryDirectory() as directory:
            script = os.path.join(directory, "script.py")
            with open(script, "w") as file:
                file.write(NO_DIRECTORY)
            ran = subprocess.run([sys.executable, "-W", "ignore", script, self.method], timeout=SOON, stdout=subprocess.PIPE, text=True,
                                 env=dict(os.environ, PYTHONPATH=os.path.dirname(PACKAGE)))
            self.assertEqual(ran.stdout, "{'child': 1} 5\n")

    def test_a_server_that_ends_before_it_serves(self):
        for initializer in (CannotBeRead(), fail):
            manager = prong.managers.SyncManager(ctx=self.context)
            with self.assertRaises(EOFError):
                manager.start(initializer)

    def test_leaves_nothing_behind(self):
        def one():
            with self.context.Manager() as manager:
                mapping = manager.dict()
                self.ended(self.start(use, mapping, 1))
                for _ in range(20):
                    self.assertEqual(manager.list([1])[0], 1)
                self.assertLess(manager._number_of_objects(), 3)
        what_there_is()  # collects what earlier tests have left, before that is made which is kept
        one()
        before = what_there_is()
        for _ in range(3):
            one()
        deadline = time.monotonic() + SOON  # what ends by itself, as a thread of an earlier test, may take a moment
        while any(now > then for now, then in zip(what_there_is(), before)) and time.monotonic() < deadline:
            time.sleep(0.05)
        for what, now, then in zip(("objects", "descriptors", "threads"), what_there_is(), before):
            self.assertLessEqual(now, then, what)


ForkTest, SpawnTest, ForkServerTest = for_each_method(Managers)


class ForkedTest(WithManager, unittest.TestCase):
    """Children that are forked with proxies."""

    method = "fork"

    def test_a_child_forked_with_proxies_has_a_line_of_its_own(self):
        mapping = self.manager.dict()
        mapping["x"] = 0
        for n in range(3):
            self.assertEqual(self.ended(self.start(lambda: mapping.update(x=mapping["x"] + 1))), 0)
        self.assertEqual(mapping["x"], 3)

    def test_a_child_that_the_program_forks_by_itself(self):
        items = self.manager.list()
        items.append(0)
        pid = os.fork()
        if pid == 0:
            try:
                for n in range(200):
                    items.append(n)
                    assert items[0] == 0
                os._exit(0)
            finally:
                os._exit(1)
        for n in range(200):
            items.append(n)
            self.assertEqual(items[0], 0)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertEqual(len(items), 401)


if __name__ == "__main__":
    unittest.main()
