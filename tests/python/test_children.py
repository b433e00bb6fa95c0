"""What children have of their parent, and of what others tell them: programs that patch how multiprocessing starts them."""

import subprocess
import sys
import tempfile
import threading
import time
import unittest

import prong
from support import METHODS, ProgramTest, installed

SOON = 120


# As those do who measure coverage or trace: before the program runs, or once prong is there, or from within it.
PATCHED = """
import multiprocessing.process, os, sys
when = sys.argv[2]

def say(*what):
    os.write(1, (" ".join(map(str, what)) + "\\n").encode())  # whole lines

def patch():
    original = multiprocessing.process.BaseProcess._bootstrap
    def measured(self, *args, **keywords):
        say("begins", self.name.rpartition("-")[0])
        try:
            return original(self, *args, **keywords)
        finally:
            say("ends")
    multiprocessing.process.BaseProcess._bootstrap = measured

if when == "before":
    patch()
import prong
if when == "installed" and __name__ == "__main__":
    prong.install()
if when != "before":
    patch()

def work(text):
    import multiprocessing, threading
    threading.Thread(target=say, args=(text, multiprocessing.parent_process() is not None, prong.get_start_method())).start()
    sys.exit(3)

def fail():
    raise ValueError("the initializer")

class Own(prong.get_context(sys.argv[1]).Process):
    def run(self):
        say("own run")

if __name__ == "__main__":
    context = prong.get_context(sys.argv[1])
    for process in context.Process(target=work, args=("target",)), Own():
        process.start()
        process.join()
        say(process.exitcode)
    with context.Pool(1, say, ("initializer",)) as pool:
        say(pool.map(abs, range(3)))
        pool.close()
        pool.join()
    with context.Pool(1, maxtasksperchild=1) as pool:
        say([pool.apply(abs, (n,)) for n in range(2)])
        pool.close()
        pool.join()
    with context.Pool(1, fail) as pool:
        try:
            pool.apply(abs, (1,))
        except prong.PoolBroken as error:
            say(type(error.__cause__).__name__, "ValueError: the initializer" in str(error.__cause__))
        pool.close()
        pool.join()
"""


# The same of Process.run.
PATCHED_RUN = """
import multiprocessing.process, sys
original = multiprocessing.process.BaseProcess.run
def traced(self):
    print("traced", flush=True)
    original(self)
multiprocessing.process.BaseProcess.run = traced
import prong

if __name__ == "__main__":
    process = prong.get_context(sys.argv[1]).Process(target=print, args=("target",))
    process.start()
    process.join()
    print(process.exitcode)
"""


# What a child is told of its parent by others: an object that does its work as it is unpickled, as coverage's does.
STOWAWAY = """
import os, sys
import prong
if sys.argv[2] == "installed":
    prong.install()
import multiprocessing.spawn

class Stowaway:
    def __reduce__(self):
        return os.write, (1, b"on board\\n"), None
if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    original = multiprocessing.spawn.get_preparation_data
    def with_stowaway(name):
        data = original(name)
        data["stowaway"] = Stowaway()
        return data
    multiprocessing.spawn.get_preparation_data = with_stowaway
    context = prong.get_context(sys.argv[1])
    process = context.Process(target=print, args=("target",))
    process.start()
    process.join()
    with context.Pool(1) as pool:
        print(pool.apply(abs, (-1,)))
"""


# A main module that reads its arguments as it is imported: in the fork server, too.
ARGUMENTS = """
import os, sys
import prong
at_import = sys.argv[1:]
server = os.getpid()

def look():
    print(at_import == sys.argv[1:], at_import[1:], server == os.getppid(), flush=True)

if __name__ == "__main__":
    sys.argv.append("appended")
    at_import = sys.argv[1:]
    process = prong.get_context(sys.argv[1]).Process(target=look)
    process.start()
    process.join()
    sys.argv.append(5)  # which no program can be started with
    sys.argv.append("x" * 200000)
    prong.forkserver._forkserver._stop()
    process = prong.get_context(sys.argv[1]).Process(target=print, args=("started",))
    process.start()
    process.join()
"""


# What a child has of the process that starts it, as that is at the start; or of what it is given.
SURROUNDINGS = """
import os, sys
import prong
at_import = os.environ.get("CHANGED")

def look(*what):
    umask = os.umask(0)
    print(*what, os.environ.get("CHANGED"), os.getenv("REMOVED"), os.popen("echo $CHANGED").read().strip(), oct(umask),
          os.environ.get("PRONG_CHILD"), "PATH" in os.environ, flush=True)

def look_in_pool(what):
    look(what, at_import)

if __name__ == "__main__":
    context = prong.get_context(sys.argv[1])
    context.set_forkserver_preload([])  # each child imports this module
    def run(*args, **options):
        process = context.Process(target=look, args=args, **options)
        process.start()
        process.join()
        if process.exitcode:
            print(process.exitcode)
    os.environ["REMOVED"] = "early"
    run("first")
    os.environ["CHANGED"] = "\u00e4 = b"
    del os.environ["REMOVED"]
    os.umask(0o027)
    run("second")
    kept = {name: os.environ[name] for name in ("LD_PRELOAD", "ASAN_OPTIONS") if name in os.environ}  # of a sanitizer
    run("own", env={"CHANGED": "own", "REMOVED": "", **kept})
    run("none", env=kept)
    run("more", env=dict(os.environ, CHANGED="more"))
    print(os.environ["CHANGED"], os.umask(0o027) == 0o027, flush=True)
    with context.Pool(1) as pool:
        pool.apply(look_in_pool, ("pool",))
    for bad in {"": "a"}, {"A=": "a"}, {"A": "\\0"}, {"A": 5}, [5], {5: "a"}:
        try:
            context.Process(env=bad)
        except (TypeError, ValueError) as error:
            print(type(error).__name__)
"""


# A parent with an event loop's descriptor for signals.
WAKEUP = """
import os, signal, socket, sys
import prong

def look():
    print(signal.set_wakeup_fd(-1), flush=True)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    os.kill(os.getpid(), signal.SIGUSR1)

if __name__ == "__main__":
    context = prong.get_context(sys.argv[1])
    here, there = socket.socketpair()
    for end in here, there:
        end.setblocking(False)
        os.set_inheritable(end.fileno(), True)
    signal.set_wakeup_fd(there.fileno())
    process = context.Process(target=look)
    process.start()
    process.join()
    with context.Pool(1) as pool:
        pool.apply(look)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        print(here.recv(10))
    except BlockingIOError:
        print("nothing", signal.set_wakeup_fd(-1) == there.fileno())
"""


# Of which each line is run in one of its processes.
MEASURED = """
import sys
import prong
def in_child(number):
    return number + 1
def in_worker(number):
    return number * 2
if __name__ == "__main__":
    context = prong.get_context(sys.argv[1])
    process = context.Process(target=in_child, args=(1,))
    process.start()
    process.join()
    with context.Pool(1) as pool:
        pool.map(in_worker, range(3))
        pool.close()
        pool.join()
"""


def lines_of_patched(method):
    kind = {"fork": "Fork", "spawn": "Spawn", "forkserver": "ForkServer"}[method]
    return {f"begins {kind}Process", f"target True {method}", "3", "begins Own", "own run", "0", f"begins {kind}PoolWorker",
            "initializer", "[0, 1, 2]", "[0, 1]", "RemoteTraceback True", "ends"}


class BootstrapTest(ProgramTest):
    """Others put a function of theirs in the place of BaseProcess._bootstrap, and count on being called in every child."""

    def test_a_patched_bootstrap_is_called_in_all_children(self):
        for method in METHODS:
            for when in "before", "after", "installed":
                with self.subTest(method=method, when=when):
                    ran = self.run_program(PATCHED, method, when)
                    # what the parent and its children write meets in any order, and a worker may be replaced before its pool is closed
                    lines = ran.stdout.splitlines()
                    self.assertEqual(set(lines), lines_of_patched(method), ran.stdout + ran.stderr)
                    begun = sum(line.startswith("begins") for line in lines)
                    self.assertIn((begun, lines.count("ends")), ((6, 6), (7, 7)), ran.stdout)

    @unittest.skipUnless(installed("coverage"), "coverage is not installed")
    def test_coverage_measures_children_and_workers(self):
        self.write("measured.py", MEASURED)
        self.write("rc", "[run]\nconcurrency = multiprocessing\nparallel = true\nsource = .\n")
        for method in METHODS:
            with self.subTest(method=method):
                for command in (["run", "--rcfile=rc", "measured.py", method], ["combine", "-q", "--rcfile=rc"], ["report", "--rcfile=rc", "-m"]):
                    ran = subprocess.run([sys.executable, "-W", "ignore", "-m", "coverage", *command], cwd=self.directory, capture_output=True,
                                         text=True, timeout=SOON, stdin=subprocess.DEVNULL)
                    self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
                self.assertRegex(ran.stdout, r"measured\.py .* 100%")

    def test_a_patched_run_is_called_in_all_children(self):
        self.check(PATCHED_RUN, "traced\ntarget\n0\n")

    def test_what_others_tell_children_reaches_them(self):
        for method in "spawn", "forkserver":
            for how in "imported", "installed":
                with self.subTest(method=method, how=how):
                    ran = self.run_program(STOWAWAY, method, how)
                    self.assertEqual(ran.stdout, "on board\ntarget\non board\n1\n", ran.stderr)


class SurroundingsTest(ProgramTest):
    def test_a_main_module_finds_the_programs_arguments(self):
        for method in "spawn", "forkserver":
            with self.subTest(method=method):
                ran = self.run_program(ARGUMENTS, method, "an argument", "\u00e4")
                self.assertEqual(ran.stdout, f"True ['an argument', '\u00e4', 'appended'] {method == 'forkserver'}\nstarted\n", ran.stderr)

    def test_a_childs_environment_and_umask_are_those_of_its_start(self):
        errors = "".join(f"{name}Error\n" for name in ("Value", "Value", "Value", "Type", "Type", "Type"))
        for method in METHODS:
            with self.subTest(method=method):
                ran = self.run_program(SURROUNDINGS, method, CHANGED="old")
                at_import = "old" if method == "fork" else "\u00e4 = b"
                self.assertEqual(ran.stdout, "first old early old 0o22 None True\n"
                                 "second \u00e4 = b None \u00e4 = b 0o27 None True\n"
                                 "own own  own 0o27 None False\n"
                                 "none None None  0o27 None False\n"
                                 "more more None more 0o27 None True\n"
                                 "\u00e4 = b True\n"
                                 f"pool {at_import} \u00e4 = b None \u00e4 = b 0o27 None True\n" + errors, ran.stderr)

    def test_a_child_does_not_wake_its_parents_event_loop(self):
        self.check(WAKEUP, "-1\n-1\nnothing True\n")


def value_of_slow_module():
    import slowly_imported
    return slowly_imported.value


def end_by_slow_module():
    sys.exit(value_of_slow_module())


class ImportTest(unittest.TestCase):
    """A process is forked while another thread imports a module."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        with open(folder.name + "/slowly_imported.py", "w") as file:
            file.write("import time\ntime.sleep(0.5)\nvalue = 42\n")
        sys.path.insert(0, folder.name)
        self.addCleanup(sys.path.remove, folder.name)
        self.addCleanup(sys.modules.pop, "slowly_imported", None)

    def import_meanwhile(self):
        thread = threading.Thread(target=value_of_slow_module)
        thread.start()
        self.addCleanup(thread.join)
        while "slowly_imported" not in sys.modules:
            time.sleep(0.001)

    def test_a_process_imports_it_anew(self):
        self.import_meanwhile()
        process = prong.get_context("fork").Process(target=end_by_slow_module)
        process.start()
        process.join(30)
        self.assertEqual(process.exitcode, 42)

    def test_a_worker_imports_it_anew(self):
        with prong.get_context("fork").Pool(1) as pool:
            self.import_meanwhile()
            pool.resize(2)
            self.assertEqual(pool.map(add_value, range(4), chunksize=1), [42, 43, 44, 45])

    def test_a_pool_of_then_imports_it_anew(self):
        self.import_meanwhile()
        with prong.get_context("fork").Pool(2) as pool:
            self.assertEqual(pool.map_async(add_value, range(4), chunksize=1).get(30), [42, 43, 44, 45])


def add_value(number):
    return number + value_of_slow_module()


if __name__ == "__main__":
    unittest.main()
