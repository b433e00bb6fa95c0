"""Programs as people write them: what they print, and how they and their children end."""

import os
import signal
import subprocess
import sys
import time
import unittest

import prong
from support import METHODS, InMethod, ProgramTest, for_each_method

HERE = os.path.dirname(os.path.abspath(__file__))
SOON = 30


def until_interrupted(begun):
    try:
        begun.set()
        time.sleep(SOON)
    except KeyboardInterrupt:
        sys.exit(7)


def read(path):
    with open(path) as file:
        return file.read()


class Programs(InMethod):
    """In each start method."""

    def test_programs_print_what_they_do_under_multiprocessing(self):
        programs = os.path.join(HERE, "programs")
        for name in sorted(os.listdir(programs)):
            if not name.endswith(".py"):
                continue
            base = os.path.join(programs, name[:-3])
            expected = f"{base}.{self.method}.txt" if os.path.exists(f"{base}.{self.method}.txt") else f"{base}.txt"
            with self.subTest(name):
                ran = subprocess.run([sys.executable, f"{base}.py", self.method], capture_output=True, text=True, timeout=4 * SOON)
                self.assertEqual(ran.stdout, read(expected), ran.stderr[-2000:])


ForkTest, SpawnTest, ForkServerTest = for_each_method(Programs)


class EndTest(ProgramTest):
    """Programs that are interrupted or killed, and waits within waits."""

    def test_an_interrupted_program_ends_soon_and_quietly(self):
        program = ("import prong, time, sys\n"
                   "def work(x): time.sleep(100)\n"
                   "if __name__ == '__main__':\n"
                   "    with prong.get_context('fork').Pool(2) as pool:\n"
                   "        r = pool.map_async(work, range(4), 1)\n"
                   "        print('ready', flush=True)\n"
                   "        r.get()\n")
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   start_new_session=True)
        self.assertEqual(process.stdout.readline(), "ready\n")
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=SOON)
        self.assertEqual(err.count("KeyboardInterrupt"), 1, err)

    def test_interrupt(self):
        for method in METHODS:
            context = prong.get_context(method)
            begun = context.Event()
            process = context.Process(target=until_interrupted, args=(begun,))
            process.start()
            self.assertTrue(begun.wait(SOON))
            process.interrupt()
            process.join(SOON)
            self.assertEqual(process.exitcode, 7)
            process.interrupt()
            process.close()
            self.assertRaises(ValueError, process.interrupt)

    def test_python_code_within_a_wait_may_wait(self):
        program = ("import os, prong\n"
                   "event = prong.get_context('fork').Event()\n"
                   "assert prong.Barrier(1, lambda: event.wait(0.01)).wait(5) == 0\n"
                   "os.register_at_fork(before=lambda: event.wait(0.01))\n"
                   "with prong.get_context('fork').Pool(2) as pool:\n"
                   "    assert pool.map(abs, [-1, 2]) == [1, 2]\n"
                   "print('good')\n")
        self.says_good("-c", program)

    def test_daemons_end_with_a_parent_that_is_killed(self):
        program = ("import prong, time, os\n"
                   "if __name__ == '__main__':\n"
                   "    p = prong.Process(target=time.sleep, args=(100,), daemon=True); p.start()\n"
                   "    print(p.pid, flush=True); time.sleep(100)\n")
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        child = int(process.stdout.readline())
        process.kill()
        process.wait()
        process.stdout.close()
        end = time.monotonic() + SOON
        while time.monotonic() < end:
            try:
                os.kill(child, 0)
            except ProcessLookupError:
                return
            time.sleep(0.01)
        self.fail("the daemon lives on")


if __name__ == "__main__":
    unittest.main()
