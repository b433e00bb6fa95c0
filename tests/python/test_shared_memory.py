"""Shared memory by name: whose it is, and who frees it. Each program that is run has a limit on its time."""

import os
import pickle
import signal
import subprocess
import sys
import time
import unittest

import prong
from prong.shared_memory import ShareableList, SharedMemory
from support import METHODS

SOON = 60


def there(name):
    return os.path.exists("/dev/shm/" + name)


def gone(name):
    end = time.monotonic() + SOON
    while there(name) and time.monotonic() < end:
        time.sleep(0.01)
    return not there(name)


def run(program, *arguments):
    ran = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=SOON)
    return ran.stdout, ran.stderr


def change(name, kept=None):
    memory = SharedMemory(name)
    memory.buf[0] += 1
    memory.close()


def add_item(numbers):
    numbers[0] += 1


def create_and_die(connection):
    memory = SharedMemory(create=True, size=100)
    connection.send(memory.name)
    os.kill(os.getpid(), signal.SIGKILL)


def free(memory):
    memory.close()
    memory.unlink()


class FamilyTest(unittest.TestCase):
    """Within a family, in all start methods."""

    def each(self, target, *args):
        for method in METHODS:
            with self.subTest(method=method):
                process = prong.get_context(method).Process(target=target, args=args)
                process.start()
                process.join(SOON)
                self.assertEqual(process.exitcode, 0)

    def test_a_child_attaches_by_name_and_by_value(self):
        memory = SharedMemory(create=True, size=1000)
        self.addCleanup(memory.unlink)
        self.each(change, memory.name)
        self.each(change, memory.name, memory)
        self.assertEqual(memory.buf[0], 6)
        self.assertTrue(there(memory.name))
        self.assertEqual((memory.size, memory.name[:4]), (1000, "psm_"))
        copy = pickle.loads(pickle.dumps(memory))
        self.assertEqual((type(copy), copy.buf[0]), (SharedMemory, 6))
        copy.close()
        memory.close()
        self.assertIsNone(memory.buf)

    def test_a_list(self):
        numbers = ShareableList([1, "two", 3.0, b"four", None, True])
        self.addCleanup(numbers.shm.unlink)
        self.each(add_item, numbers)
        self.assertEqual(list(numbers), [4, "two", 3.0, b"four", None, True])
        self.assertIsInstance(numbers.shm, SharedMemory)

    def test_any_member_may_free_it(self):
        for method in METHODS:
            with self.subTest(method=method):
                memory = SharedMemory(create=True, size=10)
                process = prong.get_context(method).Process(target=free, args=(memory,))
                process.start()
                process.join(SOON)
                self.assertEqual(process.exitcode, 0)
                self.assertFalse(there(memory.name))
                self.assertRaises(FileNotFoundError, memory.unlink)
                memory.close()

    def test_what_a_killed_child_created_stays_for_the_family(self):
        for method in METHODS:
            with self.subTest(method=method):
                context = prong.get_context(method)
                ours, theirs = context.Pipe()
                process = context.Process(target=create_and_die, args=(theirs,))
                process.start()
                self.assertTrue(ours.poll(SOON))
                name = ours.recv()
                process.join(SOON)
                memory = SharedMemory(name)
                free(memory)

    def test_errors(self):
        self.assertRaises(ValueError, SharedMemory, create=True, size=0)
        self.assertRaises(ValueError, SharedMemory, create=True, size=-1)
        self.assertRaises(ValueError, SharedMemory)
        self.assertRaises(FileNotFoundError, SharedMemory, "nobody made this")
        memory = SharedMemory(create=True, size=1)
        self.addCleanup(memory.unlink)
        self.assertRaises(FileExistsError, SharedMemory, memory.name, True, 1)
        view = memory.buf[:1]
        self.assertRaises(BufferError, memory.close)
        view.release()
        memory.close()
        memory.close()

    def test_a_managers(self):
        with prong.managers.SharedMemoryManager() as manager:
            memory, numbers = manager.SharedMemory(10), manager.ShareableList([1, 2])
            self.assertIsInstance(memory, SharedMemory)
            names = memory.name, numbers.shm.name
            self.assertTrue(all(map(there, names)))
            memory.close()
            numbers.shm.close()
        self.assertTrue(all(map(gone, names)))


class StrangersTest(unittest.TestCase):
    """Between programs that are not related."""

    ATTACHES = ("import sys; from prong.shared_memory import SharedMemory\n"
                "memory = SharedMemory(sys.argv[1]); memory.buf[0] = 7; print(memory.size)")

    def test_who_attaches_leaves_it_alone(self):
        memory = SharedMemory(create=True, size=10)
        self.addCleanup(memory.unlink)
        for program in (self.ATTACHES, self.ATTACHES + "; memory.close()", self.ATTACHES + "; sys.stdout.flush(); import os; os.kill(os.getpid(), 9)",
                        "import prong; prong.install()\n" + self.ATTACHES.replace("prong.shared", "multiprocessing.shared")):
            out, errors = run(program, memory.name)
            self.assertEqual((out, errors), ("10\n", ""))
            time.sleep(0.1)
            self.assertTrue(there(memory.name))
            self.assertEqual(memory.buf[0], 7)
            memory.buf[0] = 0
        memory.close()

    def test_a_stranger_may_free_it(self):
        memory = SharedMemory(create=True, size=10)
        out, errors = run(self.ATTACHES + "; memory.close(); memory.unlink()", memory.name)
        self.assertEqual((out, errors), ("10\n", ""))
        self.assertFalse(there(memory.name))
        memory.close()
        self.assertRaises(FileNotFoundError, memory.unlink)
        prong.resource_tracker.unregister(memory._name, "shared_memory")  # so that this program's end says nothing

    def test_what_a_killed_program_created_is_freed(self):
        out, errors = run("from prong.shared_memory import SharedMemory; import os\n"
                          "print(SharedMemory(create=True, size=10).name, flush=True); os.kill(os.getpid(), 9)")
        self.assertTrue(gone(out.strip()), errors)

    def test_untracked_it_outlives_its_program(self):
        out, errors = run("from prong.shared_memory import SharedMemory\n"
                          "print(SharedMemory(create=True, size=10, track=False).name)")
        self.assertEqual(errors, "")
        time.sleep(0.1)
        memory = SharedMemory(out.strip(), track=False)
        memory.close()
        memory.unlink()
        self.assertFalse(there(memory.name))


if __name__ == "__main__":
    unittest.main()
