"""Measures the Python package's pools beside other libraries' pools: python_pools.py [NAME ...]

Each measurement has an interpreter of its own, and all have the same interpreter: that of the virtual environment in which
`./run bench-python pools` has installed the libraries. What could not be installed is named, with pip's reason. How the rounds go, and
the JSON form, stand in run.py.
"""
import importlib.util
import os
import sys
import time
from importlib import metadata

import run

SUBMIT = ["multiprocessing", "concurrent_futures", "billiard", "loky", "pebble", "mpire", "ray"]  # each takes one task a call
STARTS = ["loky", "pebble", "concurrent_futures"]
DEATHS = ["loky_reusable", "pebble", "concurrent_futures", "multiprocessing", "billiard", "mpire", "ray"]
MAPS = ["joblib", *SUBMIT]
SHARED, PICKLED = ["joblib", "mpire", "ray"], ["multiprocessing", "concurrent_futures", "loky"]
SUBMIT_GOALS = [(SUBMIT, 3), ("joblib", 1.5), ("threads", 1)]
# id: (what, unit, peers without a goal, goals)
BENCHES = {
    "py_submit_pool": ("10,000 tasks that do nothing, each by a call of its own (joblib: a list of them); Ray has 1,000, loky, mpire "
                       "and pebble 2,000", "us", [], SUBMIT_GOALS),
    "py_submit_executor": ("the same by prong's ProcessPoolExecutor; prong_pool is its Pool", "us", [],
                           [*SUBMIT_GOALS, ("prong_pool", 1 / 1.2)]),
    "py_map_100k": ("a task of a map of 100,000 that do nothing, in the default chunks; loky and pebble, which have none, map 20,000",
                    "us", ["prong_executor"], [(MAPS, 1.5)]),
    "py_array_to_workers": ("an array of 256 MiB, used by 8 tasks: prong, multiprocessing, concurrent.futures and loky get it as an "
                            "argument, mpire as a shared object, Ray by put", "ms", ["prong_share"], [(SHARED, 1), (PICKLED, 5)]),
    "py_pool_start_cold": ("from the start of an interpreter to its pool's first result, by forkserver (loky and prong_spawn by spawn)",
                           "ms", ["prong_spawn", "multiprocessing", "mpire"], [(STARTS, 3)]),
    "py_pool_start_warm": ("a further pool of the same program, to its first result", "ms",
                           ["prong_spawn", "multiprocessing", "mpire"], [(STARTS, 3)]),
    "py_death": ("8 tasks on 4 workers, of which one kills its worker: until the task's error is known and 4 tasks have run at the same "
                 "time again, in a new pool if this one is broken", "ms", ["prong_executor"], [(DEATHS, 1)]),
    "py_death_lost": ("how many of the 8 tasks have no result then", "tasks", DEATHS, [(None, 1)]),
    "py_inline": ("what a task by `Pool(INLINE).apply` takes longer than a plain call", "us", [], [(None, 1)]),
    "py_share": ("what a task takes longer that is given a share in place of a small tuple", "us", [], [(None, 1)]),
    "py_journal": ("what a task of a map takes longer with a journal, one task a chunk", "us", [], [(None, 5)]),
}
MODULES = {"loky_reusable": "loky", "threads": None, "concurrent_futures": None}
AS_EXECUTOR = {"prong": "prong_executor"}


def module_of(library):
    return MODULES.get(library, library if not library.startswith("prong") else None)


def reason(module):
    """Why pip could not install it."""
    try:
        with open(os.path.join(sys.prefix, module + ".log"), encoding="utf-8", errors="replace") as log:
            return (log.read().strip().splitlines() or ["not installed"])[-1]
    except OSError:
        return "not installed"


def measure(name, library):
    module = module_of(library)
    if module and not importlib.util.find_spec(module):
        raise run.Missing(reason(module))
    if name == "py_submit_executor":
        library = AS_EXECUTOR.get(library, library)
    environment = dict(os.environ, PRONG_BENCH_BEGAN=repr(time.monotonic()), RAY_USAGE_STATS_ENABLED="0")
    return run.figure_of([sys.executable, os.path.join(run.HERE, "python_pools_peer.py"), library, name], 60, environment)


def versions():
    """{library: its version}, of those that are here."""
    found = {}
    for name in ("billiard", "joblib", "loky", "mpire", "numpy", "pebble", "ray"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


def all_rows():
    return [run.row(name, unit, "lower", peers, what, goals=goals) for name, (what, unit, peers, goals) in BENCHES.items()]


def main():
    called = run.options(__doc__, program=False, seconds=440)
    return run.report("bench-pools", run.chosen(all_rows(), called.names, "bench-pools"), measure, called, versions())


if __name__ == "__main__":
    sys.exit(main())
