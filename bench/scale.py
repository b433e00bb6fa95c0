"""How the cost of one operation grows with the number of objects there are: scale.py PROGRAM [NAME ...]

Each row is measured at several numbers, in turn. Beside each number stands how many times as good its cost is as at the
smallest; a half or more is within the goal. How the rounds go, and the JSON form, stand in run.py.
"""
import functools
import sys

import run

MILLION = 1000000
MEMBERS = [10, 100, 1000, 4000]
FAMILY = "a family has at most 4,096 processes"


def powers(most):
    return [10 ** k for k in range(1, 7) if 10 ** k <= most]


ROWS = {  # id: (numbers, what, why the row ends there)
    "scale_start_locks": (powers(MILLION), "start and join among so many locks", ""),
    "scale_start_destroyed": (powers(MILLION), "start and join after so many locks were made and destroyed", ""),
    "scale_start_queues": (powers(MILLION), "start and join among so many queues", "a million take 1.3 GiB"),
    "scale_start_members": (MEMBERS, "start and join among so many sleeping children",
                            FAMILY + "; a fork copies the descriptors, one a child"),
    "scale_join_finished": (MEMBERS, "start and join among so many ended children that no call has joined", FAMILY),
    "scale_nesting": ([1, 10, 100], "a level of processes nested so deep",
                      "each level is a process that waits; the kernel's part grows: see scale_nesting_fork"),
    "scale_nesting_fork": ([1, 10, 100], "a level of forks nested so deep, without prong: what the kernel allows",
                           "a fork links each written mapping to those of all its ancestors"),
    "scale_pool_create": (powers(1000), "creating a pool of one worker among so many", "each pool has a process: at most 4,096"),
    "scale_job_wait": (powers(MILLION), "from the end of the oldest of so many outstanding jobs to its being known", ""),
    "scale_manager_create": (powers(MILLION), "creating an object in a manager that has so many", ""),
    "scale_manager_sessions": (MEMBERS, "a request of a member while so many others have sessions", FAMILY),
}


LIMITS = {"scale_nesting_fork"}  # rows of the system alone, which have no goal


def all_rows():
    rows = []
    for name, (numbers, what, note) in ROWS.items():
        smallest, largest = str(numbers[0]), str(numbers[-1])
        goals = [] if name in LIMITS else [(smallest, 0.5)]
        measured = run.row(name, "us", "lower", [str(n) for n in numbers], what, of=largest, goals=goals, note=note)
        measured["figures"] = {str(n): [] for n in numbers}
        rows.append(measured)
    return rows


def measure(program, name, number):
    return run.figure_of([program + "-lean", name, number], 60)


def main():
    called = run.options(__doc__, seconds=840)
    rows = run.chosen(all_rows(), called.names, "bench scale")
    return run.report("bench-scale", rows, functools.partial(measure, called.program), called)


if __name__ == "__main__":
    sys.exit(main())
