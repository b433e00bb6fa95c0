"""Programs that know a queue's inside as multiprocessing's, and its ends once it is closed."""

import sys
import unittest

import prong
from support import METHODS, ProgramTest

SOON = 120


# What is asked of a queue that its process has closed.
CLOSED = """
import os, sys
m = __import__(os.environ["LIBRARY"])
context = m.get_context(sys.argv[1])

def say(*what):
    try:
        print(*what[:-1], what[-1](), flush=True)
    except Exception as error:
        text = str(error)
        print(*what[:-1], type(error).__name__, text[:6] + text[-9:] if "Queue" in text else text, flush=True)

def filled(kind):
    queue = getattr(context, kind)()
    queue.put(1)
    return queue

def closed(queue):
    queue.close()
    getattr(queue, "join_thread", int)()
    return queue

def close_in_child(queue):
    getattr(queue, "_poll")(60)
    say("in a child", closed(queue).empty)
    say("in a child", lambda: queue.get())

if __name__ == "__main__":
    for kind in "SimpleQueue", "Queue", "JoinableQueue":
        say(kind, "unused", closed(getattr(context, kind)()).empty)
        for call in "empty", "get", *(() if kind == "SimpleQueue" else ("get_nowait", "qsize", "full")):
            say(kind, call, getattr(closed(filled(kind)), call))
        queue = closed(filled(kind))
        for what in (lambda: queue.put(1), lambda: queue._reader.poll(), lambda: queue._reader.fileno(), lambda: queue._reader.recv(),
                     lambda: queue._writer.send(1), queue._poll, queue.close):
            say(kind, what)
        queue = filled(kind)
        print(queue._reader.closed, queue._writer.closed)
        queue._poll(60)
        queue._writer.close()
        print(queue._reader.closed, queue._writer.closed, queue._reader.readable, queue._writer.readable, queue._reader.recv())
        if kind == "SimpleQueue":
            say(kind, "half", lambda: queue.put(1))
        queue._reader.close()
        say(kind, "half", queue.get)
        queue = filled(kind)  # kept until the child has it
        process = context.Process(target=close_in_child, args=(queue,))
        process.start()
        process.join()
        print(process.exitcode)
"""


# A worker of the standard library's executor dies: in the middle of a task, and as it starts.
EXECUTOR_BROKEN = """
import os, sys, threading
import prong
prong.install()
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    for options in {}, {"initializer": os._exit, "initargs": (3,)}:
        executor = ProcessPoolExecutor(2, mp_context=context, **options)
        futures = []
        try:
            futures += (executor.submit(function, 3) for function in [os._exit] + [abs] * 20)  # until it is broken
            print(futures[0].result(60))
        except BrokenProcessPool as error:
            print("BrokenProcessPool")
        manager = executor._executor_manager_thread
        executor.shutdown()
        print(all(future.done() for future in futures), multiprocessing.active_children(), threading.active_count())
        try:
            executor.submit(abs, 1)
        except RuntimeError:
            print("shut down")
"""


# Programs that wrap the ends of a queue in connections of their own.
WRAPPED = """
import sys
import prong
prong.install()
import multiprocessing
from multiprocessing.queues import Queue, SimpleQueue

class Wrapper:
    def __init__(self, end):
        self.end = end
    def __getattr__(self, name):
        return getattr(self.end, name)

class Wrapped(Queue):
    def __init__(self, *args, **keywords):
        super().__init__(*args, **keywords)
        self._reader, self._writer = Wrapper(self._reader), Wrapper(self._writer)

if __name__ == "__main__":
    queue = Wrapped(ctx=multiprocessing.get_context(sys.argv[1]))
    queue._writer.send([1])
    print(type(queue._reader).__name__, queue._reader.poll(60), queue.get(timeout=60))
"""


class QueueTest(ProgramTest):
    def test_closed_queues_answer_as_multiprocessings(self):
        for method in METHODS:
            with self.subTest(method=method):
                expected = self.run_program(CLOSED, method, LIBRARY="multiprocessing")
                found = self.run_program(CLOSED, method, LIBRARY="prong")
                self.assertEqual(found.stdout, expected.stdout, found.stderr)
                self.assertIn("OSError handle is closed", found.stdout)

    def test_a_closed_queue_has_no_descriptor_and_is_not_waited_for(self):
        from prong.connection import wait
        for kind in prong.Queue, prong.JoinableQueue, prong.SimpleQueue:
            queue = kind()
            queue.put(1)
            self.assertGreater(queue.fileno(), 2)
            queue.close()
            self.assertRaises(ValueError, queue.fileno)
            for what in queue, queue._reader:
                self.assertRaises(OSError, wait, [what], 0)

    def test_a_selector_forgets_a_queue_that_is_closed(self):
        import selectors
        queue = prong.Queue()
        queue.put(1)
        with selectors.DefaultSelector() as selector:
            selector.register(queue, selectors.EVENT_READ)
            queue.close()
            selector.unregister(queue)
            self.assertEqual(len(selector.get_map()), 0)

    def test_the_standard_executor_breaks_and_joins_when_a_worker_dies(self):
        # Known fault, docs/limits.md: by forkserver it hangs in some runs of 3.11.7, whose executor starts workers as it breaks.
        methods = [method for method in METHODS if (method, sys.version_info[:3]) != ("forkserver", (3, 11, 7))]
        self.check(EXECUTOR_BROKEN, "BrokenProcessPool\nTrue [] 1\nshut down\n" * 2, methods)

    def test_an_executors_thread_is_not_kept_by_a_descriptor_that_was_readable_for_nothing(self):
        """A result is taken while the descriptor says so for a moment longer: the executor must get back to what else it waits for."""
        import threading
        from concurrent.futures.process import _ExecutorManagerThread

        class Manager(_ExecutorManagerThread):
            def __init__(self, reader):
                threading.Thread.__init__(self, daemon=True)
                self.reader, self.got = reader, []

            def run(self):
                self.got += (self.reader.recv() for _ in range(2))

        queue = prong.SimpleQueue()
        queue.put(5)
        manager = Manager(queue._reader)
        manager.start()
        manager.join(SOON)
        self.assertEqual(manager.got, [5, None])

    def test_what_is_known_of_a_queues_inside(self):
        queue = prong.Queue()
        queue.put(1)
        self.assertEqual((len(queue._buffer), queue._thread), (0, None))
        self.check(WRAPPED, "Wrapper True [1]\n")


if __name__ == "__main__":
    unittest.main()
