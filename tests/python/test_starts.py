"""How children begin and end: the same programs under multiprocessing and under prong.

Each program is run as a file, and has a limit on its time."""

import os
import signal
import subprocess
import sys
import time
import unittest
import unittest.mock
import zipfile

import prong
from support import METHODS, PROGRAM_TIME, ProgramTest

SOON = 120


INSTALLED_AT_TOP = """import prong
prong.install()
import multiprocessing, sys

def work(x):
    return x * x

def child():
    import prong
    print("child", 5 if callable(prong.install) and callable(prong.by_value) else prong.install, flush=True)

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    process = multiprocessing.Process(target=child)
    process.start()
    process.join()
    with multiprocessing.Pool(2) as pool:
        print(process.exitcode, pool.map(work, range(4)))
"""


# What a child sees of the program that it is started by.
LOOKS = """# -*- coding: latin-1 -*-
import sys, os
m = __import__(os.environ["LIBRARY"])
text = "\xe9"

def look():
    import __main__, __mp_main__
    print(__name__, os.path.basename(globals().get("__file__", "none")), __main__ is __mp_main__, len(text), sys.argv[1:],
          __main__.look is look, vars(__main__)["text"] == text, globals().get("__package__"), os.getcwd(),
          sys.stdin.read() == "", os.path.exists("/proc/self/fd/0"), m.current_process().name, m.parent_process().pid == os.getppid(),
          m.get_start_method(), m.current_process().authkey == b"key", sys.path[:2], m.active_children(), flush=True)

if __name__ == "__main__":
    m.set_start_method(sys.argv[1])
    m.current_process().authkey = b"key"
    os.chdir("/")
    sys.path.insert(0, "/nowhere")
    process = m.Process(target=look)
    process.start()
    process.join()
    print(process.exitcode)
"""


# What a child leaves behind: files that nobody closed, what was to be done at exit, threads, its exit code.
ENDS = """
import atexit, os, sys, threading, time
m = __import__(os.environ["LIBRARY"])
context = m.get_context(sys.argv[1])
where = sys.argv[2]

def write(name):
    file = open(os.path.join(where, name), "w")
    file.write("written")
    return file

if __name__ != "__main__":
    of_module = write("module")

def late():
    time.sleep(0.3)
    print("thread", flush=True)

def work(how):
    global of_target
    of_target = write("target")
    atexit.register(print, "at exit", how, flush=True)
    threading.Thread(target=late).start()
    if how == "exit":
        sys.exit(3)
    if how == "text":
        sys.exit("a text")
    if how == "raise":
        raise ValueError("raised")
    if how == "fork" and os.fork() == 0:
        os._exit(0)

if __name__ == "__main__":
    context.set_forkserver_preload([])  # each child imports this module
    for how in ("return", "exit", "text", "raise", "fork"):
        process = context.Process(target=work, args=(how,))
        process.start()
        process.join()
        found = sorted((name, open(os.path.join(where, name)).read()) for name in os.listdir(where))
        print(how, process.exitcode, found, flush=True)
        for name, text in found:
            os.unlink(os.path.join(where, name))
"""


# What a child ignores, and which signals it begins with blocked: of a program that was started in the background, say.
SIGNALS = """
import os, signal, sys
m = __import__(os.environ["LIBRARY"])

def look(number):
    same = signal.getsignal(number) == signal.SIG_IGN
    if number != signal.SIGINT or not same:
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        try:
            os.kill(os.getpid(), signal.SIGINT)
            print("no KeyboardInterrupt")
        except KeyboardInterrupt:
            pass
    ignored = open("/proc/self/status").read().partition("SigIgn:")[2].split()[0]
    print(number, same, ignored, signal.getsignal(signal.SIGCHLD), signal.getsignal(signal.SIGTERM), flush=True)

if __name__ == "__main__":
    number = int(os.environ["IGNORED"])
    signal.signal(number, signal.SIG_IGN)
    process = m.get_context(sys.argv[1]).Process(target=look, args=(number,))
    process.start()
    process.join()
    print(process.exitcode)
"""


# What a child of a program with threads finds of them, and children of children.
FAMILIES = """
import os, sys, threading, time
m = __import__(os.environ["LIBRARY"])
context = m.get_context(sys.argv[1])

def say(*what):
    print(*what, flush=True)

def threads(of_parent):
    say("threads", [t.name for t in threading.enumerate()], threading.active_count(), threading.main_thread() is threading.current_thread(),
        threading.main_thread().native_id == threading.get_native_id(), threading.main_thread().ident == threading.get_ident(),
        [(t.name, t.is_alive()) for t in of_parent])
    for t in of_parent:
        t.join()
    started = threading.Thread(target=say, args=("of the child",))
    started.start()
    started.join()

def run(of_parent=()):
    process = context.Process(target=threads, args=(of_parent,))
    process.start()
    process.join()
    say(process.exitcode)

def raw(of_parent=()):
    pid = os.fork()
    if pid == 0:
        threads(of_parent)
        os._exit(0)
    say(os.waitpid(pid, 0)[1])

def descend(depth):
    if depth == 0:
        sys.exit(7)
    process = context.Process(target=descend, args=(depth - 1,), name=f"depth {depth}")
    process.start()
    process.join()
    say(m.current_process().name, m.parent_process().name, process.exitcode, [p.name for p in m.active_children()],
        len(m.process._children) if hasattr(m, "process") else 0)
    sys.exit(process.exitcode + 1)

class Falsy:
    def __call__(self):
        say("never called")
    def __bool__(self):
        return False

class Own(context.Process):
    def __init__(self, text):
        super().__init__(name="\\u00e4\\u20ac" * 30)
        self.text = text
    def run(self):
        say(self.text, len(self.name), m.current_process() is self)

class Booted(context.Process):
    def _bootstrap(self, *args, **keywords):
        say("booted")
        return super()._bootstrap(*args, **keywords)

class NoFlush:
    def write(self, text):
        os.write(1, text.encode())
        return len(text)

def silent(how):
    if how == "none":
        sys.stdout = sys.stderr = None
    elif how == "closed":
        sys.stdout.close()
    elif how == "no flush":
        sys.stdout = NoFlush()
        print("written")
    elif how == "full":
        sys.stdout = open("/dev/full", "w")
        sys.stdout.write("lost")
    elif how == "buffered":
        sys.stdout.write("buffered\\n")

def main():
    fork = sys.argv[1] == "fork"
    run()
    if fork:
        done, going, stop = threading.Thread(target=say, args=("done",), name="done"), None, threading.Event()
        done.start()
        done.join()
        run([done])
        raw([done])
        going = threading.Thread(target=stop.wait, name="going")
        going.start()
        run([done, going])
        raw([done, going])
        other = threading.Thread(target=run, name="forks")
        other.start()
        other.join()
        stop.set()
        going.join()
        del done, going, other
        raw()
    process = context.Process(target=descend, args=(3,))
    process.start()
    process.join()
    say(process.exitcode)
    for process in (context.Process(), context.Process(target=Falsy()), Own("own"), Booted(target=say, args=("target",)),
                    *(context.Process(target=silent, args=(how,)) for how in ("none", "closed", "no flush", "full", "buffered"))):
        process.start()
        process.join()
        say(process.exitcode)

if __name__ == "__main__":
    main()
"""


# What is to be told of children, and what ends with them.
LOGGED = """
import os, sys
m = __import__(os.environ["LIBRARY"])
context = m.get_context(sys.argv[1])
def work():
    from multiprocessing import util
    util.Finalize(None, print, ("finalized",), {"flush": True}, exitpriority=1)
if __name__ == "__main__":
    logger = m.log_to_stderr()
    logger.setLevel("INFO")
    process = context.Process(target=work)
    process.start()
    process.join()
    logger.setLevel("CRITICAL")
    print(process.exitcode)
"""


# A child without standard input asks for a line of it, in each way.
READS = """
import io, os, sys
m = __import__(os.environ["LIBRARY"])
context = m.get_context(sys.argv[1])

def ask():
    for question in (), ("question",):
        try:
            input(*question)
        except EOFError:
            print("end", flush=True)

def use(name, *arguments):
    print(name, getattr(sys.stdin, name)(*arguments), getattr(sys.stdin, name)(*arguments), type(sys.stdin) is io.TextIOWrapper, flush=True)

def iterate():
    print(list(sys.stdin), flush=True)
    with sys.stdin as entered:
        print(entered.read() == "", flush=True)

if __name__ == "__main__":
    for target, arguments in ((input, ()), (ask, ()), (iterate, ()), (use, ("readline",)), (use, ("read", 5)), (use, ("isatty",))):
        process = context.Process(target=target, args=arguments)
        process.start()
        process.join()
        print(target.__name__, process.exitcode, flush=True)
"""


# A main module that a child cannot import.
FAILS = """
import os, sys
m = __import__(os.environ["LIBRARY"])
if __name__ == "__main__":
    process = m.get_context(sys.argv[1]).Process(target=print)
    process.start()
    process.join()
    print(process.exitcode)
else:
    1 / 0
"""


def run(library, command, **options):
    environment = dict(os.environ, LIBRARY=library)
    ran = subprocess.run([sys.executable, "-W", "ignore", *command], capture_output=True, text=True, timeout=SOON, env=environment,
                         stdin=subprocess.DEVNULL, **options)
    return ran.stdout, ran.stderr


def nothing():
    pass


# What the fork server does about a module that cannot be imported.
PRELOAD = """
import sys, prong

if __name__ == "__main__":
    context = prong.get_context("forkserver")
    context.set_forkserver_preload([sys.argv[1]], on_error=sys.argv[2])
    for start in (lambda: context.Process(target=abs, args=(1,)).start(), lambda: context.Pool(1).terminate()):
        try:
            start()
            print("started")
        except prong.ProcessError as error:
            print("on_error='fail'" in str(error) and sys.argv[1] in str(error))
"""


class PreloadTest(ProgramTest):
    def check_preload(self, module, on_error, printed, complained):
        with self.subTest(module=module, on_error=on_error):
            path = self.write("program.py", PRELOAD)
            ran = subprocess.run([sys.executable, "-W", "always", path, module, on_error], capture_output=True, text=True, timeout=PROGRAM_TIME)
            self.assertEqual(ran.stdout, printed * 2)
            self.assertEqual(module in ran.stderr, complained, ran.stderr)

    def test_a_module_that_cannot_be_preloaded(self):
        self.write("raises_as_it_is_imported.py", "raise ValueError('raises_as_it_is_imported')")
        for module in ("is_not_there", "raises_as_it_is_imported"):
            self.check_preload(module, "ignore", "started\n", False)
            self.check_preload(module, "warn", "started\n", True)
            self.check_preload(module, "fail", "True\n", True)
        self.check_preload("decimal", "fail", "started\n", False)

    def test_what_it_does_is_checked(self):
        for owner in (prong, prong.get_context("spawn"), prong.forkserver):
            with self.assertRaisesRegex(ValueError, "'raise'"):
                owner.set_forkserver_preload([], on_error="raise")
            self.assertRaises(TypeError, owner.set_forkserver_preload, [1])


class SameTest(ProgramTest):
    """What multiprocessing does, prong does."""

    encoding = "latin-1"

    def same(self, *command, methods=METHODS, **options):
        for method in methods:
            with self.subTest(method=method):
                expected, their_errors = run("multiprocessing", [*command, method], **options)
                found, our_errors = run("prong", [*command, method], **options)
                self.assertEqual(found, expected, their_errors + our_errors)
                self.assertNotEqual(found, "", their_errors)
                self.assertNotIn("SyntaxError", their_errors)

    def test_a_script(self):
        self.same(self.write("script.py", LOOKS))

    def test_a_script_without_a_suffix(self):
        self.same(self.write("script", LOOKS))

    def test_a_package_run_by_name(self):
        self.write("pack/__init__.py", "")
        self.write("pack/inside.py", LOOKS)
        self.same("-m", "pack.inside", cwd=self.directory)

    def test_a_directory(self):
        self.write("whole/__main__.py", LOOKS)
        self.same(os.path.join(self.directory, "whole"))

    def test_an_archive(self):
        path = os.path.join(self.directory, "whole.py")  # whose name does not tell
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("__main__.py", LOOKS.encode("latin-1"))
        self.same(path)

    def test_compiled_code(self):
        import py_compile
        compiled = py_compile.compile(self.write("script.py", LOOKS), os.path.join(self.directory, "compiled"))
        self.same(compiled)

    def test_a_command(self):
        command = ("import os, sys; m = __import__(os.environ['LIBRARY']); p = m.get_context(sys.argv[1]).Process(target=print, args=(5,)); "
                   "p.start(); p.join(); print(p.exitcode)")
        self.same("-c", command)

    def test_isolated_and_without_site(self):
        paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        script = self.write("script.py", LOOKS.replace("sys, os\n", f"sys, os\nsys.path[:0] = {paths!r}\n").replace("sys.path[:2]", "0"))
        for flags in (["-I"], ["-S"], ["-s", "-B", "-X", "dev"], ["-O", "-u"]):
            self.same(*flags, script)

    def test_install_at_the_top_of_a_script(self):
        """It runs again in each child whose main module that is; prong.install is a function there, too."""
        script = self.write("script.py", INSTALLED_AT_TOP)
        for method in METHODS:
            ran = subprocess.run([sys.executable, script, method], capture_output=True, text=True, timeout=SOON)
            self.assertEqual((ran.stdout, ran.stderr), ("child 5\n0 [0, 1, 4, 9]\n", ""))

    def test_ignored_signals_stay_ignored(self):
        script = self.write("script.py", SIGNALS)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1):
            with unittest.mock.patch.dict(os.environ, IGNORED=str(int(number))):
                self.same(script)

    def test_how_a_child_ends(self):
        script = self.write("script.py", ENDS)
        where = os.path.join(self.directory, "left")
        os.mkdir(where)
        for method in METHODS:
            with self.subTest(method=method):
                expected = run("multiprocessing", [script, method, where])
                found = run("prong", [script, method, where])
                self.assertEqual(found[0], expected[0], found[1])
                self.assertEqual(found[1].count("ValueError: raised"), 1)
                self.assertIn("a text\n", found[1])

    def test_threads_and_families(self):
        self.same(self.write("script.py", FAMILIES))

    def test_what_a_child_logs_and_finalizes(self):
        script = self.write("script.py", LOGGED)
        for method in METHODS:
            with self.subTest(method=method):
                expected, found = run("multiprocessing", [script, method]), run("prong", [script, method])
                self.assertEqual(found[0], expected[0], found[1])
                for said in ("child process calling self.run()", "process shutting down", "process exiting with exitcode 0"):
                    self.assertIn(said, expected[1])
                    self.assertIn(said, found[1])

    def test_reading_where_there_is_nothing_to_read(self):
        self.same(self.write("script.py", READS))

    def test_a_main_module_that_cannot_be_imported(self):
        script = self.write("script.py", FAILS)
        for method in ("spawn", "forkserver"):
            with self.subTest(method=method):
                out, errors = run("prong", [script, method])
                self.assertEqual(out, "1\n")
                self.assertIn("ZeroDivisionError", errors)
                self.assertIn("1 / 0", errors)


class KilledTest(unittest.TestCase):
    """Children are killed at any moment of their start and end."""

    def test_a_child_killed_at_any_moment_is_a_child_that_ended(self):
        for method, count, most in (("fork", 600, 0.0015), ("forkserver", 150, 0.004), ("spawn", 12, 0.05)):
            context = prong.get_context(method)
            with self.subTest(method=method):
                self.ended(context, 1)
                before = prong._core.memory_state()
                codes = {self.ended(context, most * n / count) for n in range(count)}
                self.assertLessEqual(codes, {0, -9})
                self.assertIn(-9, codes)
                end = time.monotonic() + SOON
                while prong._core.memory_state() > before and time.monotonic() < end:
                    time.sleep(0.01)
                self.assertLessEqual(prong._core.memory_state(), before)

    def ended(self, context, after):
        process = context.Process(target=nothing)
        process.start()
        time.sleep(after)
        process.kill()
        process.join(SOON)
        code = process.exitcode
        process.close()
        return code


if __name__ == "__main__":
    unittest.main()
