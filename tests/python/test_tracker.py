"""The resource tracker of a family's first process serves all of its children, also where Python has forked children forget theirs:
from 3.13.18 and 3.14.10 on. In older versions the programs bring that along."""

import unittest

from support import METHODS, run_file

SOON = 120

FORGETS = """
import os, sys, threading
from multiprocessing import resource_tracker
import prong
from prong.shared_memory import SharedMemory
tracker = resource_tracker._resource_tracker

def forget():
    if tracker._fd is not None and not getattr(resource_tracker._fork_intent, "preserve_fd", False):
        os.close(tracker._fd)
        tracker._fd = tracker._pid = None

if not hasattr(resource_tracker, "_fork_intent"):
    resource_tracker._fork_intent = threading.local()
    os.register_at_fork(after_in_child=forget)

def pipe():
    return None if tracker._fd is None else os.fstat(tracker._fd).st_ino

def make(*unused):
    of_start = pipe()
    memory = SharedMemory(create=True, size=16)
    memory.buf[:3] = b"yes"
    memory.close()
    return memory.name, of_start, pipe()

def put(queue):
    queue.put(make())

def is_there(made):
    name, of_start, later = made
    memory = SharedMemory(name)
    text = bytes(memory.buf[:3])
    memory.close()
    memory.unlink()
    return text == b"yes" and of_start == later == pipe()

def keeps_after_raw_fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0 if tracker._fd is None else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
"""

PROCESS = FORGETS + """
def nested(queue):
    process = prong.get_context("fork").Process(target=put, args=(queue,))
    process.start()
    process.join()
    queue.put(keeps_after_raw_fork())

if __name__ == "__main__":
    resource_tracker.ensure_running()
    context = prong.get_context(sys.argv[1])
    queue = context.Queue()
    for target in (put, nested):
        process = context.Process(target=target, args=(queue,))
        process.start()
        process.join()
        print(is_there(queue.get()))
    print(queue.get(), keeps_after_raw_fork())
"""

POOL = FORGETS + """
if __name__ == "__main__":
    resource_tracker.ensure_running()
    with prong.get_context(sys.argv[1]).Pool(1, maxtasksperchild=1) as pool:
        made = pool.map(make, range(3), chunksize=1)
    print([is_there(one) for one in made], keeps_after_raw_fork())
"""

THREADS = FORGETS + """
def start(queue):
    process = prong.get_context("fork").Process(target=put, args=(queue,))
    process.start()
    process.join()

if __name__ == "__main__":
    resource_tracker.ensure_running()
    queue = prong.Queue()
    threads = [threading.Thread(target=start, args=(queue,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    made = [queue.get() for _ in threads]
    for thread in threads:
        thread.join()
    print([is_there(one) for one in made], keeps_after_raw_fork())
"""

# A child of a process that has no tracker gets none, and one that Python itself starts is not in the way.
NONE = """
import os, sys
import prong

def child(queue):
    queue.put(sys.modules.get("multiprocessing.resource_tracker") is None)

if __name__ == "__main__":
    queue = prong.SimpleQueue()
    process = prong.get_context("fork").Process(target=child, args=(queue,))
    process.start()
    process.join()
    print(queue.get(), process.exitcode)
"""


class TrackerTest(unittest.TestCase):
    def ran(self, program, *arguments):
        ran = run_file(program, *arguments, timeout=SOON)
        self.assertEqual(ran.stderr, "")
        return ran.stdout.split("\n")[:-1]

    def test_a_child_uses_its_parents(self):
        for method in METHODS:
            with self.subTest(method):
                self.assertEqual(self.ran(PROCESS, method), ["True", "True", "False False"])

    def test_a_pools_workers_use_their_parents(self):
        for method in METHODS:
            with self.subTest(method):
                self.assertEqual(self.ran(POOL, method), ["[True, True, True] False"])

    def test_children_of_several_threads_use_their_parents(self):
        self.assertEqual(self.ran(THREADS), ["[True, True, True, True] False"])

    def test_nothing_is_imported_for_it(self):
        self.assertEqual(self.ran(NONE), ["True 0"])


if __name__ == "__main__":
    unittest.main()
