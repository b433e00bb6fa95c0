"""prong's managers: the channel in the family, their locks, and what becomes of all when somebody dies."""

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
from multiprocessing import managers as their_managers

import prong
import prong.managers
from support import Interrupted, descriptors, interrupt, on_alarm

PACKAGE = os.path.dirname(prong.__file__)
SOON = 30


def what_there_is():
    """Objects, descriptors, threads."""
    opened = descriptors()  # collects garbage
    return prong._core.memory_state()[0], opened, threading.active_count()


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


def get_holding(lock, queue, begun):
    with lock:
        begun.set()
        queue.get()


def try_for(lock, queue):
    taken = lock.acquire(False)
    if taken:
        lock.release()
    queue.put(taken)


def hold_until(lock, held, released):
    with lock:
        held.set()
        released.wait(SOON)


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

    def test_ctrl_c_leaves_the_manager_for_the_clean_up(self):
        ran = subprocess.run([sys.executable, "-W", "ignore", "-c", INTERRUPTED, self.method], text=True, timeout=SOON, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True, env=dict(os.environ, PYTHONPATH=os.path.dirname(PACKAGE)))
        self.assertEqual((ran.stdout, ran.stderr), ("cleaned {'a': 1}\n", ""))

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

    def test_a_manager_in_the_same_process_is_reached(self):
        server = prong.managers.SyncManager(authkey=b"key").get_server()
        thread = threading.Thread(target=lambda: self.assertRaises(SystemExit, server.serve_forever), daemon=True)
        thread.start()
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for _ in range(100):
                connected = []

                def connect():
                    client = prong.managers.SyncManager(address=server.address, authkey=b"key")
                    client.connect()
                    connected.append(client)
                threads = [threading.Thread(target=connect) for _ in range(4)]
                for each in threads:
                    each.start()
                for each in threads:
                    each.join(SOON)
                self.assertEqual(len(connected), 4)
        finally:
            sys.setswitchinterval(before)
            server.stop_event.set()
            thread.join(SOON)

    def test_wrong_states(self):
        manager = prong.Manager()
        with self.assertRaises(prong.ProcessError):
            manager.get_server()
        manager.shutdown()
        with self.assertRaises(prong.ProcessError):
            manager.start()

    def test_a_call_by_socket_that_was_broken_off(self):
        with prong.managers.SyncManager(address=("127.0.0.1", 0)) as manager:
            queue, lock = manager.Queue(), manager.RLock()
            with lock, on_alarm(interrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                with self.assertRaises(Interrupted):
                    queue.get()
                self.assertEqual((queue.qsize(), queue.empty()), (0, True))
                queue.put("mine")
                self.assertEqual(queue.get(timeout=SOON), "mine")
            self.assertRaises(RuntimeError, lock.release)

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
