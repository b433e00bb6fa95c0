"""C and Python in one family: C functions in a Python program's pool, and Python workers of a C program."""

import array
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import prong
from support import Interrupted, descriptors, interrupt, on_alarm

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PACKAGE = os.path.dirname(prong.__file__)
LIBPRONG = os.path.join(PACKAGE, "..", "..", "src", "libprong.so")
SOON = 30
ENVIRONMENT = dict(os.environ, PYTHONPATH=os.path.dirname(os.path.abspath(PACKAGE)))  # of programs that import prong


def setUpModule():
    global made, LIBRARY
    made = tempfile.mkdtemp()
    LIBRARY = os.path.join(made, "tasks.so")
    compiled(LIBRARY, "-shared", "-fPIC", "-fvisibility=hidden", os.path.join(ROOT, "tests", "pool", "tasks.c"))


def tearDownModule():
    shutil.rmtree(made)


def compiled(output, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    subprocess.run(["cc", "-std=gnu11", "-I", os.path.join(ROOT, "include"), *arguments, "-o", output], check=True,
                   env=environment)


def compiled_with_library(program, source):
    compiled(program, source, LIBPRONG, "-Wl,-rpath," + os.path.dirname(os.path.abspath(LIBPRONG)))


def named(function):
    return f"{LIBRARY}:{function}"


class NativePoolTest(unittest.TestCase):
    """Functions of a C library, in workers without Python."""

    def setUp(self):
        self.pool = prong.NativePool(2)
        self.addCleanup(self.pool.terminate)

    def test_a_name_that_the_message_cuts_within_a_character_is_told(self):
        with self.assertRaisesRegex(ValueError, "a function's name has 1 to .* bytes: 'xé*\ufffd'"):
            self.pool.apply("x" + "é" * 6000 + ".so:f")

    def test_all_forms(self):
        pool = self.pool
        self.assertEqual(pool.apply(named("add"), (40, 2)), 42)
        self.assertEqual(pool.map(named("square"), range(100)), [x * x for x in range(100)])
        self.assertEqual(pool.starmap(named("add"), [(x, 1) for x in range(10)], 3), list(range(1, 11)))
        self.assertEqual(list(pool.imap(named("square"), range(200), 7)), [x * x for x in range(200)])
        self.assertEqual(sorted(pool.imap_unordered(named("square"), range(50))), [x * x for x in range(50)])
        self.assertEqual(pool.map(named("square"), []), [])
        came = []
        result = pool.map_async(named("square"), [3], callback=came.append)
        self.assertEqual(result.get(SOON), [9])
        self.assertEqual(came, [[9]])
        self.assertEqual(result.progress()[:2], (1, 1))

    def test_workers_have_no_python(self):
        pid, program, begun = self.pool.apply(named("whoami"))
        self.assertEqual(program, os.path.realpath(os.path.join(PACKAGE, "prong-worker")))
        with open(f"/proc/{pid}/maps") as maps:
            self.assertNotIn("ython3.", maps.read().replace(PACKAGE, ""))

    def test_a_relative_path(self):
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(made)
        self.assertEqual(self.pool.apply("./tasks.so:add", (1, 2)), 3)
        self.assertEqual(list(self.pool.imap("./tasks.so:square", [3])), [9])
        os.chdir("/")
        with self.assertRaisesRegex(prong.TaskFailed, "'/tasks.so:add'"):
            self.pool.apply("./tasks.so:add", (1, 2))
        with self.assertRaises(TypeError):
            self.pool.imap(len, [[]])

    def test_failures(self):
        with self.assertRaisesRegex(prong.TaskFailed, "expected int, found str") as caught:
            self.pool.apply(named("add"), (1, "two"))
        self.assertNotEqual(caught.exception.code, 0)
        with self.assertRaisesRegex(prong.TaskFailed, "has no such function"):
            self.pool.apply(named("nothing"))
        with self.assertRaisesRegex(prong.TaskFailed, "nowhere.so"):
            self.pool.apply("/nowhere.so:nothing")
        with self.assertRaisesRegex(TypeError, "functions of C libraries"):
            self.pool.apply(len, ([],))
        with self.assertRaisesRegex(ValueError, "LIBRARY.so:FUNCTION"):
            self.pool.apply("add", (1, 2))
        with self.assertRaisesRegex(Exception, "pickle|local object"):
            self.pool.apply(named("add"), (lambda: 1, 2))
        self.assertEqual(self.pool.apply(named("add"), (1, 2)), 3)

    def test_who_dies_fails_its_task_alone(self):
        with self.assertRaises(prong.WorkerDied) as caught:
            self.pool.apply(named("die"))
        self.assertEqual(caught.exception.exitcode, -signal.SIGKILL)
        self.assertEqual(self.pool.map(named("square"), range(50)), [x * x for x in range(50)])
        with self.assertRaises(prong.WorkerDied):
            self.pool.apply(named("die"), retries=2)
        self.assertEqual(self.pool.deaths(), 4)

    def test_time_limit_and_cancel(self):
        begin = time.monotonic()
        with self.assertRaises(prong.TaskTimeout):
            self.pool.apply(named("sleep_for"), (60.0,), timeout=0.2)
        result = self.pool.apply_async(named("sleep_for"), (60.0,))
        with self.assertRaises(prong.TimeoutError):
            result.get(0.1)
        result.cancel(force=True)
        with self.assertRaises(prong.TaskCancelled):
            result.get(SOON)
        self.assertLess(time.monotonic() - begin, SOON)

    def test_initializer(self):
        with prong.NativePool(1, named("begin_at"), (5,)) as pool:
            self.assertEqual(pool.apply(named("whoami"))[2], 5)
        pool = prong.NativePool(1, named("begin_at"), (-3,))
        for attempt in range(2):
            with self.assertRaisesRegex(prong.PoolBroken, "code 3"):
                pool.apply(named("whoami"))
        pool.terminate()
        with self.assertRaises(TypeError):
            prong.NativePool(1, print)

    def test_maxtasksperchild(self):
        with prong.NativePool(1, maxtasksperchild=2) as pool:
            pids = [pool.apply(named("whoami"))[0] for i in range(6)]
        self.assertEqual(len(set(pids)), 3)

    def test_map_into(self):
        source, out = array.array("d", range(10000)), array.array("d", bytes(80000))
        self.pool.map_into(named("twice"), source, out)
        self.assertEqual(out[:3].tolist() + out[-1:].tolist(), [0, 2, 4, 19998])
        source, out = prong.RawArray("d", range(1000)), prong.RawArray("d", 1000)
        self.pool.map_into(named("twice"), source, out, 10)
        self.assertEqual(out[999], 1998)
        with self.assertRaisesRegex(ValueError, "1000 elements go in"):
            self.pool.map_into(named("twice"), source, prong.RawArray("d", 5))
        with self.assertRaises((BufferError, TypeError)):
            self.pool.map_into(named("twice"), b"12345678", b"12345678")
        with self.assertRaisesRegex(prong.ProcessError, "do not find"):
            self.pool.map_into(named("nothing"), source, out)
        self.pool.map_into(named("twice"), array.array("d"), array.array("d"))

    def test_no_worker_writes_to_the_arrays_of_an_interrupted_map_into(self):
        source, out = prong.RawArray("d", [1.0] * 4), prong.RawArray("d", 4)
        for again in range(2):
            with on_alarm(interrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.3)
                with self.assertRaises(Interrupted):
                    self.pool.map_into(named("write_on"), source, out, 1)
            out[:] = [0.0] * 4
            time.sleep(0.1)
            self.assertEqual(list(out), [0.0] * 4)
            self.assertEqual(self.pool.apply(named("add"), (40, 2)), 42)

    def test_map_into_of_numpy(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("no numpy")
        source = numpy.arange(100000.0).reshape(100, 1000)
        out = numpy.empty_like(source)
        self.pool.map_into(named("twice"), source, out)
        self.assertTrue((out == source * 2).all())
        with self.assertRaises((ValueError, BufferError)):
            self.pool.map_into(named("twice"), source[:, ::2], out[:, ::2])

    def test_queues_go_to_c(self):
        for queue in (prong.Queue(), prong.JoinableQueue(), prong.SimpleQueue()):
            self.pool.apply(named("put"), (queue, ["from", "C"]))
            self.assertEqual(queue.get(), ["from", "C"])

    def test_large_arguments_and_results(self):
        queue = prong.Queue()
        large = os.urandom(1 << 20)
        self.pool.apply(named("put"), (queue, large))
        self.assertEqual(queue.get(), large)
        self.pool.apply(named("put"), (queue, bytearray(large)))
        self.assertEqual(queue.get(), large)

    def test_arrays_as_arguments(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("no numpy")
        queue, large = prong.Queue(), numpy.arange(100000.0)
        self.pool.apply(named("put"), (queue, [large, large[:5]]))
        back = queue.get()
        self.assertTrue((back[0] == large).all() and (back[1] == large[:5]).all())

    def test_leaves_nothing_behind(self):
        def one():
            with prong.NativePool(2) as pool:
                pool.map(named("square"), range(10))
                with self.assertRaises(prong.WorkerDied):
                    pool.apply(named("die"))
        one()
        before, opened = prong._core.memory_state()[:2], descriptors()
        for i in range(5):
            one()
        for now, then in zip(prong._core.memory_state(), before):  # the first pool's last objects may have been freed since
            self.assertLessEqual(now, then)
        self.assertEqual(descriptors(), opened)

    def test_workers_end_with_a_parent_that_is_killed(self):
        code = ("import prong, sys, time\n"
                "pool = prong.NativePool(2)\n"
                "pool.apply_async(sys.argv[1], (100.0,))\n"
                "time.sleep(0.2)\n"
                "print([worker.pid for worker in pool._pool], flush=True)\n"
                "time.sleep(100)")
        parent = subprocess.Popen([sys.executable, "-c", code, named("sleep_for")], env=ENVIRONMENT, text=True,
                                  stdout=subprocess.PIPE)
        with parent.stdout:
            workers = eval(parent.stdout.readline())
            parent.kill()
            parent.wait()
        self.assertEqual([ends(worker) for worker in workers], [True, True])

    def test_storm(self):
        ended = threading.Event()
        done = [0]

        def note(_):
            done[0] += 1

        def killer():
            """One death at most between two results: where no worker ever gets ready, the pool breaks."""
            seen = 0
            while not ended.wait(0.01):
                pids = [worker.pid for worker in self.pool._pool]
                if pids and done[0] > seen:
                    seen = done[0]
                    try:
                        os.kill(random.choice(pids), signal.SIGKILL)
                    except ProcessLookupError:
                        pass
        thread = threading.Thread(target=killer)
        thread.start()
        try:
            results = [self.pool.apply_async(named("square"), (x,), callback=note, retries=255) for x in range(3000)]
            values = [result.get(SOON) for result in results]
        finally:
            ended.set()
            thread.join()
        self.assertEqual(values, [x * x for x in range(3000)])


def example(name):
    return os.path.join(ROOT, "examples", name)


def printed(command):
    ran = subprocess.run(command, env=ENVIRONMENT, timeout=120, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return ran.stdout


def expected(name):
    with open(os.path.join(ROOT, "examples", "expected", name)) as file:
        return file.read()


class ExampleTest(unittest.TestCase):
    """examples/, as they are."""

    def test_c_pool(self):
        library = os.path.join(made, "primes.so")
        compiled(library, "-shared", "-fPIC", example("primes.c"))
        self.assertEqual(printed([sys.executable, example("c_pool.py"), library]), expected("c_pool"))

    @unittest.skipUnless(os.path.exists(LIBPRONG), "no libprong.so beside the package")
    def test_python_workers(self):
        program = os.path.join(made, "python_workers")
        compiled_with_library(program, example("python_workers.c"))
        self.assertEqual(printed([program, sys.executable]), expected("python_workers"))


def ends(pid):
    """Whether a process is gone within the time."""
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


class CParentTest(unittest.TestCase):
    """Python workers of a C program."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(LIBPRONG):
            raise unittest.SkipTest("no libprong.so beside the package")
        cls.program = os.path.join(made, "parent")
        compiled_with_library(cls.program, os.path.join(HERE, "mixed", "parent.c"))

    def test_a_c_program_calls_python(self):
        ran = subprocess.run([self.program, sys.executable], cwd=os.path.join(HERE, "mixed"), env=ENVIRONMENT, timeout=120,
                             text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with open(os.path.join(HERE, "mixed", "parent.txt")) as file:
            wanted = file.read().replace("PYTHON", sys.executable)
        shown = re.sub("<queue [^>]*>", "<queue …>", re.sub("(cannot be sent: ).*", r"\1…", ran.stdout))
        self.assertEqual(shown, wanted, ran.stderr)
        self.assertIn("ValueError: begin was told to fail", ran.stderr)
        self.assertIn("RuntimeError: printed", ran.stderr)
        self.assertEqual(ran.returncode, 0)

    def test_workers_end_with_a_parent_that_is_killed(self):
        parent = subprocess.Popen([self.program, sys.executable, "wait"], env=ENVIRONMENT, text=True, stdout=subprocess.PIPE)
        with parent.stdout:
            worker = int(parent.stdout.readline().split("=")[1])
            time.sleep(0.2)  # it sleeps in a task
            parent.kill()
            parent.wait()
        self.assertTrue(ends(worker))

    def test_started_by_hand(self):
        for command in ([sys.executable, "-m", "prong.worker"], [os.path.join(PACKAGE, "prong-worker")]):
            ran = subprocess.run(command, timeout=SOON, text=True, stderr=subprocess.PIPE)
            self.assertNotEqual(ran.returncode, 0)
            self.assertIn("started by hand", ran.stderr)


if __name__ == "__main__":
    unittest.main()
