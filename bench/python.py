"""Measures the Python package beside what a Python user would otherwise use: python.py [NAME] [--json] [--rounds N]

Each measurement is an interpreter of its own; the peers take turns in every round. Reported are medians, and the ratio with the
least and the greatest of the rounds."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
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
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", option, "-I", os.path.join(os.path.dirname(HERE), "include"),
                        os.path.join(HERE, "python_tasks.c"), "-o", output], check=True)


def measure(library, name):
    if name == "py_import":
        times = []
        for _ in range(10):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", IMPORTS[library]], check=True)
            times.append(time.perf_counter() - began)
        return statistics.median(times)
    ran = subprocess.run([sys.executable, os.path.join(HERE, "python_peer.py"), library, name], capture_output=True, text=True,
                         timeout=300, env=dict(os.environ, PRONG_BENCH_TASKS=TASKS))
    if ran.returncode:
        raise RuntimeError(ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else f"exit status {ran.returncode}")
    return float(ran.stdout.split()[-1])


def run(name, rounds):
    peers = [peer for peer, goal in BENCHES[name]]
    times = {library: [] for library in ["prong"] + peers}
    missing = {}
    for _ in range(rounds):
        for library, series in times.items():
            if library in missing:
                continue
            try:
                series.append(measure(library, name))
            except RuntimeError as error:
                missing[library] = str(error)
    result = {"name": name, "prong": statistics.median(times["prong"]) if times["prong"] else None, "peers": {}}
    for peer, goal in BENCHES[name]:
        if peer in missing or "prong" in missing:
            result["peers"][peer] = {"missing": missing.get(peer) or missing["prong"]}
            continue
        ratios = [theirs / ours for ours, theirs in zip(times["prong"], times[peer])]
        result["peers"][peer] = {"time": statistics.median(times[peer]), "ratio": statistics.median(ratios),
                                 "least": min(ratios), "greatest": max(ratios), "goal": goal}
    return result


def show(result):
    for peer, found in result["peers"].items():
        if "missing" in found:
            print(f"{result['name']:20} {peer:16} not measured: {found['missing']}")
            continue
        reached = "reached" if found["ratio"] >= found["goal"] else "BELOW"
        print(f"{result['name']:20} {peer:16} {result['prong'] * 1e6:12.2f} us against {found['time'] * 1e6:12.2f} us: "
              f"{found['ratio']:7.2f} ({found['least']:.2f} to {found['greatest']:.2f}), goal {found['goal']:.2f} {reached}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    results = []
    compile_tasks()
    for name in BENCHES:
        if options.name in name:
            results.append(run(name, options.rounds))
            if not options.json:
                show(results[-1])
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
