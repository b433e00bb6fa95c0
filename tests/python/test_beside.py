"""Programs beside prong: contexts and classes of others, and subinterpreters."""

import os
import subprocess
import sys
import unittest

import prong
from support import METHODS, ProgramTest, installed

SOON = 120


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


LOKY_SAYS = """True [2000000, 2000000, 2000000]
KeyError
TerminatedWorkerError
[0, 1, 2]
[1, 2] 1
True LokyProcess synchronize
[3]
True multiprocessing.context
"""


def has_subinterpreters():
    return installed("_interpreters") or installed("_xxsubinterpreters")


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


if __name__ == "__main__":
    unittest.main()
