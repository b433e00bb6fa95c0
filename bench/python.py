"""Measures the Python package beside what a Python user would otherwise use: python.py [NAME ...]

Each measurement has an interpreter of its own. How the rounds go, and the JSON form, stand in run.py.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

import run

# id: (what, [(peer, at least so many times as fast)])
BENCHES = {
    "py_queue_int": ("put and get of small ints", [("multiprocessing", 4), ("faster_fifo", 2)]),
    "py_queue_many": ("the same, 2 producers and 2 consumers", [("multiprocessing", 6)]),
    "py_queue_1MiB": ("put and get of 1 MiB of bytes", [("multiprocessing", 5)]),
    "py_queue_array": ("put and get of an array of 1 MiB (NumPy)", [("multiprocessing", 5)]),
    "py_pipe_rtt": ("a small tuple there and back by a pipe", [("multiprocessing", 10)]),
    "py_unix_rtt": ("the same by Listener and Client", [("multiprocessing", 2)]),
    "py_tcp_rtt": ("the same by TCP on one machine", [("multiprocessing", 2)]),
    "py_tcp_1MiB": ("1 MiB of bytes there and back by TCP", [("multiprocessing", 1.5)]),
    "py_lock": ("a Lock acquired and released", [("multiprocessing", 1)]),
    "py_pool_map_chunk1": ("a map of a function that does nothing, `chunksize=1`, for each item", [("multiprocessing", 10)]),
    "py_pool_apply": ("apply of a function that does nothing", [("multiprocessing", 20)]),
    "py_pool_map": ("a map of a million ints", [("multiprocessing", 1.2)]),
    "py_start_fork": ("start and join by fork", [("multiprocessing", 1.5)]),
    "py_start_spawn": ("start and join by spawn", [("multiprocessing", 1.2)]),
    "py_start_forkserver": ("start and join by forkserver", [("multiprocessing", 4)]),
    "py_pool_start": ("a program's first pool, 8 workers by fork, ready", [("multiprocessing", 2)]),
    "py_executor_submit": ("submit and result of an executor", [("multiprocessing", 5)]),
    "py_import": ("import in a new interpreter; beside multiprocessing with pool and managers", [("multiprocessing", 1 / 1.2)]),
    "py_manager_get": ("a key of a manager's dict", [("multiprocessing", 2)]),
    "py_manager_lock": ("acquire and release of a manager's Lock", [("multiprocessing", 2)]),
    "py_manager_tcp": ("a key of a manager's dict, by its address", [("multiprocessing", 2)]),
    "py_manager_proxy": ("make a manager's dict, use it once, drop it", [("multiprocessing", 5)]),
    "py_c_call": ("a C function for each of 20,000 items, by a NativePool; beside ctypes in workers", [("multiprocessing", 5)]),
    "py_c_array": ("squares of 4 M doubles by `map_into`; beside ctypes in workers", [("multiprocessing", 1.5)]),
    "py_c_start": ("NativePool(8) ready; beside Pool(8) by fork", [("multiprocessing", 1.5)]),
}
IMPORTS = {"prong": "import prong", "multiprocessing": "import multiprocessing, multiprocessing.pool, multiprocessing.managers"}
TASKS = os.path.join(tempfile.gettempdir(), f"prong-bench-tasks-{os.getuid()}")  # the C functions of py_c_…


def compile_tasks():
    for output, option in ((TASKS + ".so", "-UBY_CTYPES"), (TASKS + "-ctypes.so", "-DBY_CTYPES")):
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", option, "-I", os.path.join(os.path.dirname(run.HERE), "include"),
                        os.path.join(run.HERE, "python_tasks.c"), "-o", output], check=True)


def import_time(library):
    def once():
        began = time.perf_counter()
        if subprocess.run([sys.executable, "-c", IMPORTS[library]]).returncode:
            raise run.Failed(f"{IMPORTS[library]} failed")
        return time.perf_counter() - began
    return statistics.median(once() for _ in range(5))


def measure(name, library):
    """Microseconds for one operation."""
    if name == "py_import":
        return import_time(library) * 1e6
    command = [sys.executable, os.path.join(run.HERE, "python_peer.py"), library, name]
    return run.figure_of(command, 60, dict(os.environ, PRONG_BENCH_TASKS=TASKS)) * 1e6


def all_rows():
    return [run.row(name, "us", "lower", [peer for peer, _ in goals], what, goals=goals) for name, (what, goals) in BENCHES.items()]


def main():
    called = run.options(__doc__, program=False, seconds=440)
    rows = run.chosen(all_rows(), called.names, "bench-python")
    compile_tasks()
    return run.report("bench-python", rows, measure, called)


if __name__ == "__main__":
    sys.exit(main())
