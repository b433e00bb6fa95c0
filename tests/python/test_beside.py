"""Programs beside prong: what others know of multiprocessing's inside, and count on, works with prong's.

Each program is run as a file, and has a limit on its time."""

import os
import subprocess
import sys
import tempfile
import unittest

import prong

SOON = 120
METHODS = ("fork", "spawn", "forkserver")

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


# joblib's default backend, loky, whose context, queues, locks and processes are its own. Once install() has been called before it is
# imported, once after, and once when all of it is there.
LOKY = """
import os, signal, sys
import prong
when = sys.argv[1]
if when == "first" and __name__ == "__main__":
    prong.install()
import joblib
from joblib import Parallel, delayed
if when == "last":
    import joblib.externals.loky.process_executor
if __name__ == "__main__":
    prong.install()

def die(n):
    if n == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return n

def fail(n):
    raise KeyError(n)

def length(text):
    return len(text)

if __name__ == "__main__":
    import multiprocessing
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import TerminatedWorkerError
    run = Parallel(n_jobs=2)
    print(run(delayed(abs)(-n) for n in range(30)) == list(range(30)), run(delayed(length)("x" * 2000000) for _ in range(3)))
    for function, errors in (fail, KeyError), (die, TerminatedWorkerError):
        try:
            print(run(delayed(function)(n) for n in range(4)))
        except errors as error:
            print(errors.__name__)
    print(run(delayed(abs)(-n) for n in range(3)))
    executor = get_reusable_executor(max_workers=2)
    print(list(executor.map(abs, [-1, -2])), executor.submit(fail, 1).exception(60))
    context = prong.get_context("loky")
    print(context is multiprocessing.get_context("loky"), type(context.Process()).__name__, type(context.Lock()).__module__.split(".")[-1])
    executor.shutdown()
    with prong.get_context("spawn").Pool(2) as pool:
        print(pool.map(abs, [-3]))
    prong.uninstall()
    print(multiprocessing.get_context("loky") is context, type(multiprocessing.get_context("fork")).__module__)
"""

# A class that many programs have, of a queue that counts what is in it.
COUNTING = """
import sys
import prong
if sys.argv[2] == "installed":
    prong.install()
import multiprocessing, multiprocessing.queues

class Counting(multiprocessing.queues.Queue):
    def __init__(self, maxsize=0):
        super().__init__(maxsize, ctx=prong.get_context(sys.argv[1]))
        self.size = prong.get_context(sys.argv[1]).Value("i", 0)
    def __getstate__(self):
        return {"theirs": super().__getstate__(), "size": self.size}
    def __setstate__(self, state):
        super().__setstate__(state["theirs"])
        self.size = state["size"]
    def put(self, *args, **keywords):
        super().put(*args, **keywords)
        with self.size.get_lock():
            self.size.value += 1

def work(queue, answers):
    answers.put((queue.get(timeout=60), queue.size.value))

if __name__ == "__main__":
    context = prong.get_context(sys.argv[1])
    queue, answers = Counting(), Counting()
    queue.put("text")
    process = context.Process(target=work, args=(queue, answers))
    process.start()
    print(answers.get(timeout=60), answers.size.value)
    process.join()
    print(process.exitcode, Counting(1).full(), isinstance(queue, prong._core.Queue), Counting.__name__, Counting.__qualname__)
"""


# Objects of each context in children of each other.
MIXED = """
import sys
import prong

def use(made):
    with made["Lock"], made["RLock"], made["Semaphore"], made["Condition"]:
        made["Event"].set()
    made["SimpleQueue"].put(made["Queue"].get(timeout=60) + made["JoinableQueue"].get(timeout=60))
    made["JoinableQueue"].task_done()

if __name__ == "__main__":
    kinds = "Lock", "RLock", "Semaphore", "Condition", "Event", "Queue", "JoinableQueue", "SimpleQueue"
    for method in "fork", "spawn", "forkserver":
        context = prong.get_context(method)
        made = {kind: getattr(context, kind)() for kind in kinds}
        made["Queue"].put(3)
        made["JoinableQueue"].put(4)
        process = prong.get_context(sys.argv[1]).Process(target=use, args=(made,))
        process.start()
        process.join()
        print(process.exitcode, made["Event"].is_set(), made["SimpleQueue"].get(), made["JoinableQueue"].join(60))
"""


# A program whose interpreter has prong installed by a .pth file, and which makes a subinterpreter.
SUBINTERPRETER = """
import multiprocessing
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

def run(text):
    made = interpreters.create()
    failed = interpreters.run_string(made, text)
    if failed is not None:
        print(failed)
    interpreters.destroy(made)  # not all versions fork while there is one

print(multiprocessing.Queue.__func__.__module__, flush=True)
run('''
import multiprocessing, prong
print(multiprocessing.Queue.__func__.__module__, prong.Queue == multiprocessing.Queue, prong.TimeoutError.__module__, flush=True)
prong.install()
prong.uninstall()
for statement in "prong.WorkerDied", "from prong import report", "import prong.queues":
    try:
        exec(statement)
    except (AttributeError, ImportError) as error:
        print(type(error).__name__, error, flush=True)
''')
run("import prong; prong.install()")
process = multiprocessing.get_context("fork").Process(target=print, args=("a child",))
process.start()
process.join()
print(process.exitcode)
"""


# A program to be frozen: as multiprocessing's users write it, and as those who forget freeze_support().
FROZEN = """
import os, sys
import prong
how = os.environ["HOW"]
if how == "installed":
    prong.install()
import multiprocessing
opened = open(os.devnull)  # by a module of the program, before it is known what the process is

def child(queue):
    opened.read()
    queue.put((sys.argv[1:], multiprocessing.current_process().name.partition("-")[0], __name__))

def square(number):
    return number * number

if __name__ == "__main__":
    if how == "prong":
        prong.freeze_support()
    elif how != "forgotten":
        multiprocessing.freeze_support()
    for method in "fork", "spawn", "forkserver":
        context = (multiprocessing if how == "installed" else prong).get_context(method)
        queue = context.Queue()
        process = context.Process(target=child, args=(queue,))
        process.start()
        if how == "forgotten" and method != "fork":
            process.join()
            print("RAN", process.exitcode, flush=True)
            break
        print(*queue.get(timeout=60))
        process.join()
        with context.Pool(2) as pool:
            print(process.exitcode, pool.map(square, range(4)), flush=True)
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


class ProgramTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run_program(self, text, *arguments, python=sys.executable, **environment):
        path = self.write("program.py", text)
        return subprocess.run([python, "-W", "ignore", path, *arguments], capture_output=True, text=True, timeout=SOON,
                              env={**os.environ, **environment}, stdin=subprocess.DEVNULL)

    def check(self, text, expected, methods=METHODS, **environment):
        for method in methods:
            with self.subTest(method=method):
                ran = self.run_program(text, method, **environment)
                self.assertEqual(ran.stdout, expected, ran.stderr)


def installed(name):
    import importlib.util
    return importlib.util.find_spec(name) is not None


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
        self.check(EXECUTOR_BROKEN, "BrokenProcessPool\nTrue [] 1\nshut down\n" * 2)

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


LOKY_SAYS = """True [2000000, 2000000, 2000000]
KeyError
TerminatedWorkerError
[0, 1, 2]
[1, 2] 1
True LokyProcess synchronize
[3]
True multiprocessing.context
"""


class ThirdPartyTest(ProgramTest):
    """Contexts and classes of others, which are made of multiprocessing's."""

    @unittest.skipUnless(installed("joblib"), "joblib is not installed")
    def test_lokys_context_lives_on(self):
        for when in "first", "between", "last":
            with self.subTest(when=when):
                ran = self.run_program(LOKY, when)
                self.assertEqual(ran.stdout, LOKY_SAYS, ran.stderr)

    def test_a_queues_subclass_may_have_state_of_its_own(self):
        for method in METHODS:
            for how in "imported", "installed":
                with self.subTest(method=method, how=how):
                    ran = self.run_program(COUNTING, method, how)
                    self.assertEqual(ran.stdout, "('text', 1) 1\n0 False False Counting Counting\n", ran.stderr)

    def test_what_one_context_makes_is_for_children_of_all(self):
        self.check(MIXED, "0 True 7 True\n" * 3)

    def test_a_connection_is_pickled_for_a_process_that_is_being_started_alone(self):
        import pickle
        import socket

        from prong.connection import Connection
        connection = Connection(socket.socket().detach())
        self.assertRaises(RuntimeError, pickle.dumps, connection)
        connection.close()


def has_subinterpreters():
    return installed("_interpreters") or installed("_xxsubinterpreters")


class SubinterpreterTest(ProgramTest):
    @unittest.skipUnless(has_subinterpreters(), "this interpreter makes no subinterpreters")
    def test_a_pth_file_that_installs_prong_is_silent_in_subinterpreters(self):
        place = os.path.join(self.directory, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.directory], check=True, timeout=SOON)
        with open(os.path.join(place, "prong.pth"), "w") as file:
            file.write(f"{os.path.dirname(os.path.dirname(prong.__file__))}\nimport prong; prong.install()\n")
        ran = self.run_program(SUBINTERPRETER, python=os.path.join(self.directory, "bin", "python"), PYTHONPATH="")
        self.assertEqual(ran.stderr, "")
        lines = ran.stdout.splitlines()
        self.assertEqual(lines[:2] + lines[5:], ["prong.context", "multiprocessing.context True multiprocessing.context", "a child", "0"])
        for line, expected in zip(lines[2:5], ("AttributeError .*'WorkerDied' in a subinterpreter", "ImportError .*'report'",
                                               "(ModuleNotFound|Import)Error .*_core")):
            self.assertRegex(line, expected)


@unittest.skipUnless(installed("PyInstaller"), "PyInstaller is not installed")
class FrozenTest(ProgramTest):
    """A program that PyInstaller has frozen starts itself, and has its children take their places by freeze_support()."""

    def freeze(self, *options):
        hooks = os.path.join(os.path.dirname(prong.__file__), "_pyinstaller")
        ran = subprocess.run([sys.executable, "-m", "PyInstaller", *options, "--additional-hooks-dir", hooks, self.write("program.py", FROZEN)],
                             cwd=self.directory, capture_output=True, text=True, timeout=5 * SOON, stdin=subprocess.DEVNULL)
        self.assertEqual(ran.returncode, 0, ran.stderr)

    def runs(self, program, how):
        environment = {"PATH": os.environ["PATH"], "HOW": how}
        process = subprocess.Popen([os.path.join(self.directory, "dist", program), "an argument"], env=environment, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        try:
            return process.communicate(timeout=SOON)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            raise

    def check_runs(self, program):
        expected = "".join(f"['an argument'] {kind}Process __main__\n0 [0, 1, 4, 9]\n" for kind in ("Fork", "Spawn", "ForkServer"))
        for how in "prong", "installed", "multiprocessing":
            with self.subTest(how=how):
                out, errors = self.runs(program, how)
                self.assertEqual(out, expected, errors)

    def test_a_directory(self):
        self.freeze("--onedir")
        self.check_runs("program/program")
        out, errors = self.runs("program/program", "forgotten")
        self.assertIn("RAN 1", out)
        self.assertIn("RuntimeError: a frozen program starts processes before", errors)

    def test_one_file(self):
        self.freeze("--onefile")
        self.check_runs("program")


if __name__ == "__main__":
    unittest.main()
