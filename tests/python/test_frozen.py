"""Programs that PyInstaller has frozen."""

import os
import subprocess
import sys
import unittest

import prong
from support import ProgramTest, installed, main

SOON = 120


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
            def late(number):
                return number + len(method)
            print(type(pool.apply(late, (1,))).__name__, pool.map(lambda number: square(number) + 1, range(3)), flush=True)
"""


@unittest.skipUnless(installed("PyInstaller") and installed("cloudpickle"), "PyInstaller or cloudpickle is not installed")
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
        expected = "".join(f"['an argument'] {kind}Process __main__\n0 [0, 1, 4, 9]\nint [1, 2, 5]\n" for kind in ("Fork", "Spawn", "ForkServer"))
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
    main()
