"""scale.py PROGRAM [NAME ...] [--json] [--rounds N]: how the cost of one operation grows with the number of objects there are.

Each row is measured at several numbers, in turn. Beside each number stands how many times as good its cost is as at the
smallest; a half or more is within the goal. The JSON form stands in run.py.
"""
import argparse
import functools
import subprocess
import sys

import run

MILLION = 1000000


def powers(most):
    return [10 ** k for k in range(1, 7) if 10 ** k <= most]


ROWS = {  # id: (numbers, what, why the row ends there)
    "scale_start_locks": (powers(MILLION), "start and join among so many locks", ""),
    "scale_start_destroyed": (powers(MILLION), "start and join after so many locks were made and destroyed", ""),
    "scale_start_queues": (powers(10000), "start and join among so many queues", "memory of empty queues: see queue_empty_KiB"),
    "scale_start_members": (powers(1000), "start and join among so many sleeping members", "a family has at most 4,096 processes"),
    "scale_join_finished": ([10, 100, 1000, 3000], "start and join among so many ended children that no call has joined",
                            "a family has at most 4,096 processes"),
    "scale_nesting": ([1, 10, 100], "a level of processes nested so deep", "each level is a process that waits"),
    "scale_pool_create": (powers(1000), "creating a pool of one worker among so many", "each pool has a process: at most 4,096"),
    "scale_job_wait": (powers(MILLION), "from the end of the oldest of so many outstanding jobs to its being known", ""),
    "scale_manager_create": (powers(100000), "creating an object in a manager that has so many",
                             "a million requests take longer than a row may"),
    "scale_manager_sessions": (powers(1000), "a request of a member while so many others have sessions",
                               "a family has at most 4,096 processes"),
}


def all_rows():
    rows = []
    for name, (numbers, what, note) in ROWS.items():
        smallest, largest = str(numbers[0]), str(numbers[-1])
        measured = run.row(name, "us", "lower", [str(n) for n in numbers], what, of=largest, goals=[(smallest, 0.5)], note=note)
        measured["figures"] = {str(n): [] for n in numbers}
        rows.append(measured)
    return rows


def measure(program, name, number):
    try:
        done = subprocess.run([program + "-lean", name, number], capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        raise run.Missing("it took longer than 300 s") from None
    if done.returncode != 0:
        raise run.Missing(done.stderr.strip() or f"exit status {done.returncode}")
    return float(done.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_intermixed_args()
    rows = run.chosen(all_rows(), options.names, "bench scale")
    run.report("bench-scale", rows, functools.partial(measure, options.program), options.rounds, options.json)


if __name__ == "__main__":
    sys.exit(main())
