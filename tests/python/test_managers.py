"""prong's managers: the channel in the family, their locks, and what becomes of all when somebody dies."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from multiprocessing import managers as their_managers

import prong
import prong.managers

PACKAGE = os.path.dirname(prong.__file__)
SOON = 30


def use(mapping, key):
    mapping[key] = os.getpid()


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


class Methods:
    """In each start method."""

    method = None

    def setUp(self):
        self.context = prong.get_context(self.method)
        self.manager = self.context.Manager()
        self.addCleanup(self.manager.shutdown)

    def start(self, target, *args):
        process = self.context.Process(target=target, args=args, daemon=True)
        process.start()
        return process

    def ended(self, process):
        process.join(SOON)
        self.assertIsNotNone(process.exitcode)
        return process.exitcode

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

    def test_condition(self):
        condition, notified, waits = self.manager.Condition(), self.manager.Event(), self.manager.Event()
        process = self.start(wait_for, condition, notified, waits)
        self.assertTrue(waits.wait(SOON))
        with condition:
            condition.notify()
        self.assertTrue(notified.wait(SOON))
        self.assertEqual(self.ended(process), 0)

    def test_the_manager_is_killed(self):
        mapping = self.manager.dict()
        mapping["x"] = 1
        os.kill(self.manager._process.pid, signal.SIGKILL)
        with self.assertRaises((EOFError, OSError)):
            for _ in range(10):
                mapping["x"]
        with self.assertRaises((EOFError, OSError)):
            self.manager.dict()

    def test_a_client_is_killed_amidst_its_calls(self):
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

    def test_leaves_nothing_behind(self):
        def one():
            with self.context.Manager() as manager:
                mapping = manager.dict()
                self.ended(self.start(use, mapping, 1))
                for _ in range(20):
                    self.assertEqual(manager.list([1])[0], 1)
                self.assertLess(manager._number_of_objects(), 3)
        one()
        before = prong._core.memory_state()[0], len(os.listdir("/proc/self/fd")), threading.active_count()
        for _ in range(3):
            one()
        after = prong._core.memory_state()[0], len(os.listdir("/proc/self/fd")), threading.active_count()
        self.assertEqual(after, before)


class ForkTest(Methods, unittest.TestCase):
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


class SpawnTest(Methods, unittest.TestCase):
    method = "spawn"


class ForkServerTest(Methods, unittest.TestCase):
    method = "forkserver"


class ServerTest(unittest.TestCase):
    """Servers that are not started by start()."""

    def test_get_server(self):
        manager = prong.managers.SyncManager(authkey=b"key")
        server = manager.get_server()
        thread = threading.Thread(target=lambda: self.assertRaises(SystemExit, server.serve_forever), daemon=True)
        thread.start()
        client = prong.managers.SyncManager(address=server.address, authkey=b"key")
        client.connect()
        items = client.list([1, 2])
        self.assertEqual(items[1], 2)
        del items
        server.stop_event.set()
        thread.join(SOON)
        self.assertFalse(thread.is_alive())

    def test_wrong_states(self):
        manager = prong.Manager()
        with self.assertRaises(prong.ProcessError):
            manager.get_server()
        manager.shutdown()
        with self.assertRaises(prong.ProcessError):
            manager.start()

    def test_addresses_of_the_users(self):
        with tempfile.TemporaryDirectory() as directory:
            for address in (("127.0.0.1", 0), os.path.join(directory, "socket")):
                with prong.managers.SyncManager(address=address) as manager:
                    self.assertEqual(manager.list([1, 2])[1], 2)

    def test_a_long_temporary_directory(self):
        from multiprocessing import process
        config = process.current_process()._config
        before = config.get("tempdir")
        with tempfile.TemporaryDirectory() as directory:
            config["tempdir"] = os.path.join(directory, "x" * (85 - len(directory)))
            os.mkdir(config["tempdir"])
            try:
                with prong.Manager() as manager:
                    self.assertEqual(manager.list([1, 2])[1], 2)
            finally:
                config["tempdir"] = before

    def test_multiprocessings_own_managers_go_on(self):
        manager = their_managers.SyncManager()
        manager.start()
        self.addCleanup(manager.shutdown)
        mapping = manager.dict()
        mapping["x"] = 1
        self.assertEqual(mapping["x"], 1)

    def test_shared_memory_manager(self):
        with prong.managers.SharedMemoryManager() as manager:
            shared = manager.ShareableList([1, "two"])
            self.assertEqual(shared[1], "two")
            shared.shm.close()

    def test_threads_have_lines_of_their_own(self):
        with prong.Manager() as manager:
            mapping, errors = manager.dict(), []

            def work(n):
                try:
                    for i in range(100):
                        mapping[n] = i
                        assert mapping[n] == i
                        assert manager.list([i])[0] == i
                except BaseException as error:
                    errors.append(error)
            threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(SOON)
            self.assertEqual(errors, [])
            self.assertEqual(mapping.copy(), dict.fromkeys(range(5), 99))


if __name__ == "__main__":
    unittest.main()
