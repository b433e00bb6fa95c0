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

# id: [(peer, at least so many times as fast)]
BENCHES = {
    "py_queue_int": [("multiprocessing", 4), ("faster_fifo", 2)],
    "py_queue_many": [("multiprocessing", 6)],
    "py_queue_1MiB": [("multiprocessing", 5)],
    "py_queue_array": [("multiprocessing", 5)],
    "py_pipe_rtt": [("multiprocessing", 10)],
    "py_unix_rtt": [("multiprocessing", 2)],
    "py_tcp_rtt": [("multiprocessing", 2)],
    "py_tcp_1MiB": [("multiprocessing", 1.5)],
    "py_lock": [("multiprocessing", 1)],
    "py_pool_map_chunk1": [("multiprocessing", 10)],
    "py_pool_apply": [("multiprocessing", 20)],
    "py_pool_map": [("multiprocessing", 1.2)],
    "py_start_fork": [("multiprocessing", 1.5)],
    "py_start_spawn": [("multiprocessing", 1.2)],
    "py_start_forkserver": [("multiprocessing", 4)],
    "py_pool_start": [("multiprocessing", 2)],
    "py_executor_submit": [("multiprocessing", 5)],
    "py_import": [("multiprocessing", 1 / 1.2)],
    "py_manager_get": [("multiprocessing", 2)],
    "py_manager_lock": [("multiprocessing", 2)],
    "py_manager_tcp": [("multiprocessing", 2)],
    "py_manager_proxy": [("multiprocessing", 5)],
    "py_c_call": [("multiprocessing", 5)],
    "py_c_array": [("multiprocessing", 1.5)],
    "py_c_start": [("multiprocessing", 1.5)],
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
    return [run.row(name, "us", "lower", [peer for peer, _ in goals], goals=goals) for name, goals in BENCHES.items()]


def main():
    called = run.options(__doc__, program=False, seconds=440)
    rows = run.chosen(all_rows(), called.names, "bench-python")
    compile_tasks()
    return run.report("bench-python", rows, measure, called)


if __name__ == "__main__":
    sys.exit(main())
