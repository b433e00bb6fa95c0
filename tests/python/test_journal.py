"""journal=: a map that was ended goes on where it was, and never has another function's or input's results."""

import contextlib
import functools
import io
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import warnings

import prong
from prong._impl.journal import identity
from support import InMethod, for_each_method

HEADER = 512


def square(x):
    return x * x


def noted_square(argument):
    x, ran = argument
    with open(ran, "ab", 0) as file:
        file.write(b"x")
    return x * x


def noted_product(x, y, ran):
    return noted_square((x, ran)) // x * y


def fail_until(argument):
    x, path = argument
    if x == 3 and not os.path.exists(path):
        raise LookupError("three")
    if x == 5 and not os.path.exists(path):
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def square_when_recorded(argument):
    """Of the first item, when results of so many others are in the journal."""
    x, path, size = argument
    give_up = time.monotonic() + 30
    while x == 0 and os.path.getsize(path) < size:
        if time.monotonic() > give_up:
            raise TimeoutError("they are not recorded")
        time.sleep(0.01)
    return x * x


def square_until(argument):
    x, ran = argument
    if x == 3 and not os.path.exists(ran + "-again"):
        open(ran + "-again", "w").close()
        raise KeyboardInterrupt
    return noted_square(argument)


def lock_at_1(x):
    return prong.Lock() if x == 1 else x


class OnlyThere:
    """Of (0, pid) it does not unpickle in that process."""

    def __init__(self, argument):
        self.argument = argument

    def __reduce__(self):
        return rebuild_there, self.argument


def rebuild_there(x, pid):
    if x == 0 and os.getpid() == pid:
        raise ValueError("not here")
    return x


class Directory:
    """A journal's path, and a file to which tasks append a byte each time they run."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "journal")
        self.note = os.path.join(folder.name, "ran")

    def ran(self):
        return os.path.getsize(self.note) if os.path.exists(self.note) else 0

    def items(self, count):
        return [(x, self.note) for x in range(count)]


class Journals(Directory, InMethod):
    """In each start method."""

    def test_a_second_map_runs_what_the_first_has_not(self):
        with self.context.Pool(2) as pool:
            self.assertEqual(pool.map(noted_square, self.items(20), journal=self.path), list(map(square, range(20))))
            self.assertEqual(self.ran(), 20)
            for chunksize in None, 1, 7, 100:
                self.assertEqual(pool.map(noted_square, self.items(20), chunksize, journal=self.path), list(map(square, range(20))))
            self.assertEqual(self.ran(), 20)
            self.assertEqual(pool.map(noted_square, self.items(30), 4, journal=self.path), list(map(square, range(30))))
            self.assertEqual(self.ran(), 30)
            self.assertEqual(pool.map(noted_square, self.items(5), journal=self.path), list(map(square, range(5))))
            self.assertEqual(pool.map(noted_square, [], journal=self.path), [])
            self.assertEqual(self.ran(), 30)

    def test_all_forms_share_a_journal(self):
        with self.context.Pool(2) as pool:
            for chunksize in 1, 3:
                self.assertEqual(list(pool.imap(noted_square, self.items(20), chunksize, journal=self.path)), list(map(square, range(20))))
            self.assertEqual(sorted(pool.imap_unordered(noted_square, iter(self.items(30)), 4, journal=self.path)),
                             list(map(square, range(30))))
            self.assertEqual(list(pool.imap(noted_square, iter(self.items(40)), journal=self.path)), list(map(square, range(40))))
            self.assertEqual(pool.map(noted_square, self.items(40), journal=self.path), list(map(square, range(40))))
            self.assertEqual(self.ran(), 40)

    def test_starmap_has_one_of_its_own(self):
        items = [(x, 2, self.note) for x in range(1, 11)]
        with self.context.Pool(2) as pool:
            for chunksize in 1, 4, None:
                self.assertEqual(pool.starmap(noted_product, items, chunksize, journal=self.path), [2 * x for x in range(1, 11)])
            self.assertEqual(self.ran(), 10)
            with self.assertRaisesRegex(ValueError, "of another function: .*starmap"):
                pool.map(noted_product, items, journal=self.path)

    def test_a_slow_task_does_not_keep_others_from_the_file(self):
        items = [(x, self.path, HEADER + 19 * 48) for x in range(20)]
        with self.context.Pool(2) as pool:
            for form in pool.map, pool.imap, pool.imap_unordered:
                results = form(square_when_recorded, items, 1, journal=self.path)
                self.assertEqual(sorted(results), list(map(square, range(20))))
                os.remove(self.path)

    def test_other_items_are_an_error(self):
        with self.context.Pool(2) as pool:
            pool.map(square, range(10), journal=self.path)
            with self.assertRaisesRegex(ValueError, "that of item 4 is not what it was"):
                pool.map(square, [0, 1, 2, 3, 5], journal=self.path)
            with self.assertRaisesRegex(ValueError, "that of item 0 is not what it was"):
                list(pool.imap(square, range(1, 10), journal=self.path))
            self.assertEqual(pool.map(square, range(12), journal=self.path), list(map(square, range(12))))

    def test_tasks_that_failed_are_run_again(self):
        items = [(x, self.note) for x in range(10)]
        with self.context.Pool(2) as pool:
            with self.assertRaises((LookupError, prong.WorkerDied)):
                pool.map(fail_until, items, 1, journal=self.path)
            with open(self.path, "rb") as file:
                self.assertGreater(len(file.read()), HEADER + 8 * 48)  # all others are recorded
            open(self.note, "w").close()
            self.assertEqual(pool.map(fail_until, items, 1, journal=self.path), list(range(10)))

    def test_cut_and_damaged_journals_are_read(self):
        with self.context.Pool(2) as pool:
            pool.map(noted_square, self.items(3), journal=self.path)
            with open(self.path, "rb") as file:
                whole = file.read()
            for size in [0, 5, HEADER - 1, *range(HEADER, len(whole), 13)]:
                with open(self.path, "wb") as file:
                    file.write(whole[:size])
                self.assertEqual(pool.map(noted_square, self.items(3), journal=self.path), [0, 1, 4])
            for at in range(HEADER, len(whole), 7):
                with open(self.path, "wb") as file:
                    file.write(whole[:at] + bytes([whole[at] ^ 64]) + whole[at + 1:])
                before = self.ran()
                self.assertEqual(pool.map(noted_square, self.items(3), journal=self.path), [0, 1, 4])
                self.assertEqual(self.ran(), before + 1)
            with open(self.path, "wb") as file:
                file.write(whole[:20] + b"?" + whole[21:])
            with self.assertRaisesRegex(ValueError, "header is damaged"):
                pool.map(noted_square, self.items(3), journal=self.path)

    def test_two_at_once_are_an_error(self):
        with self.context.Pool(2) as pool:
            results = pool.imap(square, range(100), journal=self.path, buffersize=1)
            next(results)
            with self.assertRaisesRegex(prong.ProcessError, "another run has it open"):
                pool.map(square, range(100), journal=self.path)
            self.assertEqual(len(list(results)), 99)
            pool.map(square, range(100), journal=self.path)

    def test_a_killed_run_is_resumed(self):
        program = textwrap.dedent("""
            import sys, time
            import prong
            def slow_square(argument):
                x, ran = argument
                time.sleep(0.004)
                with open(ran, "ab", 0) as file:
                    file.write(b"x")
                return x * x
            if __name__ == "__main__":
                method, path, ran = sys.argv[1:]
                with prong.get_context(method).Pool(2) as pool:
                    print(pool.map(slow_square, [(x, ran) for x in range(60)], 1, journal=path))
            """)
        script = os.path.join(os.path.dirname(self.path), "program.py")
        with open(script, "w") as file:
            file.write(program)
        command = [sys.executable, script, self.method, self.path, self.note]
        kills, done = 0, HEADER
        while kills < 2:
            runner = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            while not os.path.exists(self.path) or os.path.getsize(self.path) <= done:
                self.assertIsNone(runner.poll())
            runner.kill()
            runner.wait()
            kills, done = kills + 1, os.path.getsize(self.path)
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout
        self.assertEqual(output.strip(), str(list(map(square, range(60)))))
        self.assertLess(self.ran(), 60 + kills * 30)


ForkTest, SpawnTest, ForkServerTest = for_each_method(Journals)


class InOneProcess(Directory, unittest.TestCase):
    def test_a_full_disk_stops_the_journal_not_the_map(self):
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        with prong.get_context("fork").Pool(2) as pool:
            pool.map(square, range(10))
            resource.setrlimit(resource.RLIMIT_FSIZE, (HEADER + 200, hard))
            try:
                with self.assertWarnsRegex(prong.JournalStoppedWarning, "stopped before item .*File too large"):
                    self.assertEqual(pool.map(square, range(50), journal=self.path), list(map(square, range(50))))
                with self.assertWarns(prong.JournalStoppedWarning):
                    self.assertEqual(list(pool.imap(square, range(50), journal=self.path)), list(map(square, range(50))))
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                self.assertEqual(pool.map(square, range(50), journal=self.path), list(map(square, range(50))))

    def test_what_cannot_be_recorded_is_an_error(self):
        with prong.get_context("fork").Pool(1) as pool:
            with self.assertRaises(RuntimeError):  # a lock of this family is nobody's in the next
                pool.map(square, [prong.Lock()], journal=self.path)
            with self.assertRaises(OSError):
                pool.map(square, range(3), journal=os.path.dirname(self.path))
            with self.assertRaises(FileNotFoundError):
                pool.map(square, range(3), journal=self.path + "/no/place")
            with open(self.path, "w") as file:
                file.write("my diary")
            with self.assertRaisesRegex(ValueError, "is no journal"):
                pool.map(square, range(3), journal=self.path)
            with open(self.path) as file:
                self.assertEqual(file.read(), "my diary")

    def test_a_result_that_cannot_be_recorded_is_its_own_error(self):
        with prong.get_context("fork").Pool(1) as pool:
            for imap in pool.imap, pool.imap_unordered:
                iterator, values, errors = imap(lock_at_1, range(3), journal=self.path), [], 0
                while len(values) + errors < 3:
                    try:
                        values.append(next(iterator))
                    except RuntimeError:
                        errors += 1
                self.assertEqual((sorted(values), errors, list(iterator)), ([0, 2], 1, []))

    def test_a_closed_pool_gives_the_rest(self):
        with prong.get_context("fork").Pool(2) as pool:
            results = pool.imap(noted_square, self.items(200), journal=self.path, buffersize=4)
            for expected in range(50):
                self.assertEqual(next(results), expected * expected)
            pool.close()
            self.assertEqual(list(results), [x * x for x in range(50, 200)])
            pool.join()
            self.assertEqual(self.ran(), 200)

    def test_a_pool_without_workers_has_journals(self):
        with prong.Pool(prong.INLINE) as pool:
            for form in pool.map, pool.imap, pool.imap_unordered:
                with self.assertRaises(KeyboardInterrupt):
                    list(form(square_until, self.items(10), 1, journal=self.path))
                self.assertEqual(self.ran(), 3)
                del form
                self.assertEqual(pool.map(square_until, self.items(10), journal=self.path), list(map(square, range(10))))
                self.assertEqual(self.ran(), 10)
                for name in self.path, self.note, self.note + "-again":
                    os.remove(name)

    def test_a_result_that_does_not_unpickle_is_its_own_error(self):
        with prong.get_context("fork").Pool(2) as pool:
            with self.assertRaisesRegex(ValueError, "not here"):
                pool.map(OnlyThere, [(x, os.getpid()) for x in (1, 0, 1)], 1, journal=self.path)
        self.assertGreater(os.path.getsize(self.path), HEADER + 2 * 48)

    def test_progress_goes_with_it(self):
        with prong.get_context("fork").Pool(2) as pool, contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(pool.map(square, range(10), progress=True, journal=self.path), list(map(square, range(10))))
            self.assertEqual(list(pool.imap(square, range(10), progress=True, journal=self.path)), list(map(square, range(10))))

    def test_large_arrays_are_recorded(self):
        with prong.get_context("fork").Pool(2) as pool:
            items = [bytes([x]) * 200_000 for x in range(5)]
            for _ in range(2):
                self.assertEqual(pool.map(bytearray, items, journal=self.path), list(map(bytearray, items)))
        self.assertGreater(os.path.getsize(self.path), 1_000_000)


class Identity(unittest.TestCase):
    """What makes a function another one."""

    def define(self, text, name="f"):
        names = {"__name__": "some_module"}
        exec(text, names)
        return identity(names[name], False)

    def test_an_edited_function_is_another(self):
        first = self.define("def f(x): return x + 1")
        self.assertIn("'some_module.f' with code ", first)
        for edited in ("def f(x): return x + 2", "def f(x): return x - 1", "def f(x, y=1): return x + 1", "def f(y): return y + 1",
                       "def f(x): return (lambda: x + 1)()", "def g(x): return x + 1\nf = g"):
            self.assertNotEqual(self.define(edited), first)
        self.assertNotEqual(self.define("def f(x, y=1): pass"), self.define("def f(x, y=2): pass"))
        self.assertNotEqual(self.define("def f(x):\n def g(): return 1\n return g"), self.define("def f(x):\n def g(): return 2\n return g"))
        self.assertNotEqual(self.define("def outer(n):\n def inner(x): return x + n\n return inner\nf = outer(1)"),
                            self.define("def outer(n):\n def inner(x): return x + n\n return inner\nf = outer(2)"))

    def test_where_it_stands_makes_no_difference(self):
        self.assertEqual(self.define("def f(x): return x in {'a', 'b', 'c'}"),
                         self.define("\n\n# a comment\ndef f(x):\n    return x in {'a', 'b', 'c'}"))

    def test_other_callables_have_one(self):
        seen = {identity(function, False) for function in (
            len, int, Identity, square, functools.partial(square, 1), functools.partial(square, 2), "x".join, self.define, Directory.items)}
        self.assertEqual(len(seen), 9)
        self.assertNotEqual(identity(square, False), identity(square, True))

    def test_it_is_the_same_in_another_process(self):
        program = ("from prong._impl.journal import identity\n"
                   "def f(x, mark={'k': 1}): return x in {'a', 'b', 'c', 'd'} or (lambda y: y in {'e', 'f'})(x)\n"
                   "print(identity(f, False))")
        told = {subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, timeout=60, check=True,
                               env={**os.environ, "PYTHONHASHSEED": str(seed)}).stdout for seed in range(1, 4)}
        self.assertEqual(len(told), 1)


if __name__ == "__main__":
    unittest.main()
