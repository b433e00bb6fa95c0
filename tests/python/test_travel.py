"""Functions and classes that no other process finds by their names: lambdas, local ones, a session's."""

import functools
import os
import pickle
import signal
import subprocess
import sys
import threading
import unittest

import prong
from support import METHODS, PROGRAM_TIME, SOON, InMethod, ProgramTest, for_each_method, installed, main

HAS_CLOUDPICKLE = installed("cloudpickle")
needs_cloudpickle = unittest.skipUnless(HAS_CLOUDPICKLE, "cloudpickle is not installed")
_seen = []


def classes_seen(cls):
    """How many classes this process has been called with."""
    _seen.append(cls)
    return len(set(_seen))


def square(number):
    return number * number


def local_class():
    class Point:
        def __init__(self, x):
            self.x = x

        def doubled(self):
            return Point(2 * self.x)

    return Point


@needs_cloudpickle
class Travels(InMethod):
    def test_a_lambda_is_the_target_of_a_process(self):
        queue = self.context.Queue()
        process = self.start(lambda text: queue.put((text, square(3))), "text")
        self.assertEqual(queue.get(timeout=SOON), ("text", 9))
        process.join(SOON)
        self.assertEqual(process.exitcode, 0)

    def test_every_form_of_a_pool_takes_a_lambda(self):
        offset = 5
        with self.context.Pool(2) as pool:
            self.assertEqual(pool.apply(lambda x, y: x + y + offset, (1,), {"y": 2}), 8)
            self.assertEqual(pool.map(lambda x: x + offset, range(3)), [5, 6, 7])
            self.assertEqual(pool.starmap(lambda x, y: x * y + offset, [(1, 2), (3, 4)]), [7, 17])
            self.assertEqual(list(pool.imap(lambda x: x + offset, range(3))), [5, 6, 7])
            self.assertEqual(sorted(pool.imap_unordered(lambda x: x + offset, range(3), 2)), [5, 6, 7])
            self.assertEqual(pool.map_async(functools.partial(lambda x, y: x - y, 9), range(3)).get(SOON), [9, 8, 7])
        with prong.ProcessPoolExecutor(1, self.context) as executor:
            self.assertEqual(executor.submit(lambda x: x + offset, 1).result(SOON), 6)

    def test_an_initializer_may_be_local(self):
        given = {"a": 1}
        with self.context.Pool(1, lambda: _seen.append(given)) as pool:
            self.assertEqual(pool.apply(lambda: _seen.pop()), {"a": 1})

    def test_queues_and_pipes_carry_functions(self):
        def both(task, answers):
            answers.send((task.get(timeout=SOON)(4), lambda: "back"))

        queue, (ours, theirs) = self.context.Queue(), self.context.Pipe()
        self.start(both, queue, theirs)
        queue.put(lambda x: x + 1)
        self.assertTrue(ours.poll(SOON))
        value, function = ours.recv()
        self.assertEqual((value, function()), (5, "back"))

    def test_a_connection_goes_with_a_function(self):
        queue, (ours, theirs) = self.context.Queue(), self.context.Pipe()
        queue.put((theirs, lambda: 5))
        theirs.close()
        end, function = queue.get(timeout=SOON)
        end.send(function())
        end.close()
        self.assertEqual(ours.recv(), 5)
        self.assertRaises(EOFError, ours.recv)

    def test_a_function_may_call_itself(self):
        def factorial(n):
            return 1 if n == 0 else n * factorial(n - 1)

        @functools.lru_cache
        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)

        with self.context.Pool(1) as pool:
            self.assertEqual(pool.apply(factorial, (5,)), 120)
            self.assertEqual(pool.apply(fib, (30,)), 832040)

    def test_what_a_function_captures_is_what_it_is_now(self):
        captured = [1]

        def total():
            return sum(captured)

        with self.context.Pool(1) as pool:
            self.assertEqual(pool.apply(total), 1)
            captured.append(2)
            self.assertEqual(pool.apply(total), 3)

    def test_locks_and_queues_may_be_captured(self):
        lock, queue = self.context.Lock(), self.context.Queue()

        def put(x):
            with lock:
                queue.put(x)

        with self.context.Pool(2) as pool:
            pool.map(put, range(4))
        self.assertEqual(sorted(queue.get(timeout=SOON) for _ in range(4)), [0, 1, 2, 3])

    def test_a_class_is_the_same_in_all_tasks_of_a_worker(self):
        Point = local_class()
        with self.context.Pool(1) as pool:
            self.assertEqual([pool.apply(classes_seen, (Point,)) for _ in range(3)], [1, 1, 1])
            points = pool.map(Point, range(3), 1)
            self.assertEqual([type(point) for point in points], [Point] * 3)
            self.assertTrue(all(pool.map(lambda point: type(point) is Point, points, 1)))
            self.assertEqual([point.x for point in pool.map(Point.doubled, points)], [0, 2, 4])

    def test_a_class_that_comes_back_is_unchanged(self):
        Point = local_class()
        method = Point.doubled

        def change(point):
            Point.count = 1
            return point

        with self.context.Pool(1) as pool:
            self.assertIs(type(pool.apply(change, (Point(1),))), Point)
        self.assertIs(Point.doubled, method)
        self.assertFalse(hasattr(Point, "count"))

    def test_an_exception_of_a_local_class_can_be_caught(self):
        class Refused(Exception):
            pass

        def refuse():
            raise Refused("no")

        with self.context.Pool(1) as pool:
            with self.assertRaisesRegex(Refused, "no"):
                pool.apply(refuse)

    def test_a_killed_worker_is_replaced_by_one_that_gets_the_function(self):
        number = 5
        with self.context.Pool(1) as pool:
            with self.assertRaises(prong.WorkerDied):
                pool.apply_async(lambda: os.kill(os.getpid(), signal.SIGKILL)).get(SOON)
            self.assertEqual(pool.apply_async(lambda: number).get(SOON), 5)

    def test_what_cannot_go_is_an_error_that_names_it(self):
        settings = {"path": ["/", threading.Lock()]}

        def reads():
            return settings

        expected = r"test_what_cannot_go.*reads \(.*test_travel.py, line \d+\).*within a function.*settings\['path'\]\[1\], a lock, cannot"
        with self.context.Pool(1) as pool:
            with self.assertRaisesRegex(pickle.PicklingError, expected):
                pool.apply_async(reads).get(SOON)
            self.assertEqual(pool.apply_async(square, (3,)).get(SOON), 9)
        with self.assertRaisesRegex(pickle.PicklingError, expected):
            self.context.Queue(strict=True).put(reads)
        with self.assertRaisesRegex(pickle.PicklingError, expected):
            self.context.Pipe()[0].send(reads)
        if self.method == "fork":
            self.assertIsNone(self.start(reads).join(SOON))
        else:
            with self.assertRaisesRegex(pickle.PicklingError, "Under fork it works"):
                self.start(reads)

    def test_threads_send_functions_at_once(self):
        def send(number, results):
            results[number] = pool.apply_async(lambda: number).get(SOON)

        results = {}
        with self.context.Pool(2) as pool:
            threads = [threading.Thread(target=send, args=(number, results)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(SOON)
        self.assertEqual(results, {number: number for number in range(8)})


ForkTest, SpawnTest, ForkServerTest = for_each_method(Travels)

# A session's statements: what is in it after its pool was made, forked workers do not have.
SESSION = """
import prong, sys
context = prong.get_context({method!r})
state, factor = None, 3
def begin(value): global state; state = value

pool = context.Pool(1, begin, (7,))
class Point:
    def __init__(self, x): self.x = x

def make(x): return Point(x * factor)

def read(): return state

print(pool.apply(read), flush=True)
points = pool.map(make, range(3))
print([type(point) is Point for point in points], pool.map(lambda point: (type(point) is Point, point.x), points), flush=True)
factor = 4
print([point.x for point in pool.map(make, range(3))], pool.apply(lambda: state), flush=True)
queue = context.Queue()
process = context.Process(target=lambda: queue.put(("process", factor)))
process.start()
print(queue.get(timeout=60), flush=True)
process.join()
pool.terminate()
"""
SAID = "7\n[True, True, True] [(True, 0), (True, 3), (True, 6)]\n[0, 4, 8] 7\n('process', 4)\n"

SCRIPT = """
import prong, sys

def outside(x):
    return x, __name__

def doubled(function):
    def both(x):
        return 2 * function(x)
    return both

@doubled
def decorated(x):
    return x + 1

if __name__ == "__main__":
    number = 5
    class Guarded:
        pass
    def guarded(x):
        return number + x, outside(x)[0]
    with prong.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.apply(outside, (1,))[1].strip("_"), pool.apply(guarded, (1,)), pool.apply(decorated, (1,)))
        print(type(pool.apply(Guarded)) is Guarded, "cloudpickle" in sys.modules)
"""

BY_NAME = """
import prong, sys, json

def square(x):
    return x * x

class Point:
    pass

if __name__ == "__main__":
    with prong.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.apply(square, (2,)), type(pool.apply(Point)) is Point, pool.apply(json.dumps, ([],)), "cloudpickle" in sys.modules)
"""

NOT_INSTALLED = """
import prong, sys
sys.modules["cloudpickle"] = None

if __name__ == "__main__":
    with prong.get_context(sys.argv[1]).Pool(1) as pool:
        try:
            pool.apply(lambda x: x, (1,))
        except Exception as error:
            print(type(error).__name__, *(part in str(error) for part in ("the function __main__.<lambda>", "it is a lambda", "pip install cloudpickle")))
"""

MADE_MODULE = """
import prong, sys, types
made = types.ModuleType("made")
exec("def f(x): return x + 1", vars(made))
sys.modules["made"] = made

if __name__ == "__main__":
    with prong.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.apply(made.f, (1,)))
"""

DOCTEST = '''
"""
>>> import prong
>>> context = prong.get_context("METHOD")
>>> number = 3
>>> def add(x): return x + number
>>> pool = context.Pool(1)
>>> pool.map(add, range(3))
[3, 4, 5]
>>> number = 4
>>> def twice(x): return 2 * add(x)
>>> pool.map(twice, range(3))
[8, 10, 12]
>>> pool.terminate()
"""
'''

PYTEST = """
import prong, pytest

class Point:
    pass

def make():
    return Point()

@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_functions(method):
    number = 5
    with prong.get_context(method).Pool(1) as pool:
        assert pool.apply(lambda: number) == 5
        assert type(pool.apply(make)) is Point
"""

LATE = """
import prong, sys
def early(x):
    return "early", x

def child(queue, link):
    for take in queue.get, link.recv, queue.get:
        link.send(take()(1))

if __name__ == "__main__":
    context = prong.get_context("fork")
    queue, (ours, theirs) = context.Queue(), context.Pipe()
    process = context.Process(target=child, args=(queue, theirs))
    process.start()
    first, offset = early, 5

    def late(x):
        return x + offset

    def early(x):
        return "redefined", x

    queue.put(late)
    print(ours.recv())
    ours.send(early)
    print(ours.recv())
    early = first
    queue.put(early)
    print(ours.recv(), process.join())
    by_value = "cloudpickle" in sys.modules
    from prong.reduction import ForkingPickler
    print(by_value, b"offset" in bytes(ForkingPickler.dumps(late)))
    del process
    print(b"offset" in bytes(ForkingPickler.dumps(late)))
"""

KERNEL = """
import sys
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel()

def show(message):
    content = message["content"]
    sys.stdout.write(content.get("text") or "\\n".join(content.get("traceback", ())))

try:
    for cell in sys.argv[1:]:
        client.execute_interactive(cell, timeout=60, output_hook=show)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
"""


@needs_cloudpickle
class ProgramsTest(ProgramTest):
    def check_session(self, *command, method, **options):
        ran = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=PROGRAM_TIME, cwd=self.directory, **options)
        self.assertEqual(ran.stdout, SAID, ran.stderr)

    def test_a_command(self):
        for method in METHODS:
            with self.subTest(method=method):
                self.check_session("-c", SESSION.format(method=method), method=method)

    def test_standard_input(self):
        for method in METHODS:
            with self.subTest(method=method):
                self.check_session("-", input=SESSION.format(method=method), method=method)

    def test_an_interactive_session(self):
        for method in METHODS:
            with self.subTest(method=method):
                self.check_session("-i", input=SESSION.format(method=method), method=method)

    def test_a_session_after_a_script(self):
        script = self.write("before.py", "first = 1\n")
        for method in METHODS:
            with self.subTest(method=method):
                self.check_session("-i", script, input=SESSION.format(method=method), method=method)

    def test_a_script_goes_by_name_as_far_as_a_child_has_it(self):
        for method in METHODS:
            name = "main" if method == "fork" else "mp_main"
            self.check(SCRIPT, f"{name} (6, 1) 4\nTrue True\n", (method,))

    def test_cloudpickle_is_not_imported_for_what_has_a_name(self):
        self.check(BY_NAME, "4 True [] False\n")

    def test_without_cloudpickle_the_error_tells_what_needs_it(self):
        self.check(NOT_INSTALLED, "PicklingError True True True\n")

    def test_what_was_defined_after_a_fork_goes_by_value_through_a_queue_or_pipe(self):
        said = "6\n('redefined', 1)\n('early', 1) None\nTrue False\nFalse\n"
        self.check(LATE, said, ("fork",))

    def test_a_module_without_a_file(self):
        self.check(MADE_MODULE, "2\n")

    def test_a_doctest(self):
        for method in METHODS:
            with self.subTest(method=method):
                path = self.write("documented.py", DOCTEST.replace("METHOD", method))
                ran = subprocess.run([sys.executable, "-m", "doctest", path], capture_output=True, text=True, timeout=PROGRAM_TIME)
                self.assertEqual((ran.returncode, ran.stdout), (0, ""), ran.stderr)

    @unittest.skipUnless(installed("pytest"), "pytest is not installed")
    def test_pytest(self):
        self.write("test_functions.py", PYTEST)
        for mode in "prepend", "importlib":
            with self.subTest(mode=mode):
                ran = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--import-mode={mode}", self.directory],
                                     capture_output=True, text=True, timeout=PROGRAM_TIME, cwd="/")
                self.assertIn("3 passed", ran.stdout, ran.stderr)

    @unittest.skipUnless(installed("ipykernel") and installed("jupyter_client"), "ipykernel and jupyter_client are not installed")
    def test_a_notebook(self):
        for method in METHODS:
            with self.subTest(method=method):
                cells = SESSION.format(method=method).split("\n\n")
                ran = self.run_program(KERNEL, *cells)
                self.assertEqual(ran.stdout, SAID, ran.stderr)


if __name__ == "__main__":
    main()
