"""One measurement of one library's pool, in an interpreter of its own: python_pools_peer.py LIBRARY ROW -> the row's figure.

Each figure is in the row's unit. Instead of it, "-" and a reason stand for what the library does not do.
"""

import os
import statistics
import sys
import tempfile
import time

import python_pools_libraries as libraries
import python_pools_tasks as tasks

WORKERS = 2
FEW = {"ray": 1000, "mpire": 2000, "pebble": 2000, "loky": 2000}  # tasks of those that take longer for one
now = time.perf_counter


class NotDone(Exception):
    """The library does not do this; the text says what it does."""


def py_submit_pool(make, library):
    pool, count = make(WORKERS), FEW.get(library, 10000)
    pool.one_by_one(tasks.same, range(20))
    began = now()
    pool.one_by_one(tasks.same, range(count))
    took = now() - began
    pool.close()
    return took / count * 1e6


py_submit_executor = py_submit_pool


def py_map_100k(make, library):
    pool = make(WORKERS)
    pool.map(tasks.same, range(20))
    count = 100000 // (10000 // FEW[library]) if library in ("loky", "pebble") else 100000  # one by one is their default
    items = list(range(count))
    began = now()
    results = pool.map(tasks.same, items)
    took = now() - began
    pool.close()
    assert results[-1] == count - 1
    return took / count * 1e6


def py_array_to_workers(make, library):
    import numpy
    array = numpy.ones(1 << 25)
    pool = make(WORKERS)
    pool.map(tasks.same, range(20))
    began = now()
    sums = pool.with_array(tasks.sum_of_part, array, tasks.PARTS)
    took = now() - began
    pool.close()
    assert sum(sums) == len(array)
    return took * 1e3


# --- starts: none of these pools is a copy of its parent ---


def started(make, library):
    methods = {"loky": (), "prong_spawn": ("spawn",)}
    return make(WORKERS, *methods.get(library, ("forkserver",)))


def py_pool_start_cold(make, library):
    """PRONG_BENCH_BEGAN: when this interpreter was started, by the clock of the system."""
    pool = started(make, library)
    pool.get(pool.begin(tasks.same, 1), 30)
    took = time.monotonic() - float(os.environ["PRONG_BENCH_BEGAN"])
    pool.close()
    return took * 1e3


def py_pool_start_warm(make, library):
    spans = []
    for _ in range(4):
        began = now()
        pool = started(make, library)
        pool.get(pool.begin(tasks.same, 1), 30)
        spans.append(now() - began)
        pool.close()
    return statistics.median(spans[1:]) * 1e3


# --- death ---


def outcome(pool, task, seconds):
    """None, or what the task ended with instead of a result."""
    try:
        pool.get(task, seconds)
    except Exception as error:
        return error


def timed_out(error):
    return "Timeout" in type(error).__name__  # each library has a class of its own


def run_all_at_once(make, pool, workers, directory):
    """Ends when the pool, or a new one if that is broken, has run a task on all of its workers at the same time."""
    for turn in range(2):
        try:
            there = os.path.join(directory, f"there-{turn}")
            os.mkdir(there)
            for task in [pool.begin(tasks.run_at_once, there, workers) for _ in range(workers)]:
                pool.get(task, 20)
            return pool
        except Exception as error:
            if timed_out(error):
                raise NotDone("the pool does not get back to its size") from None
            if turn:
                raise
            pool.close()  # it takes no task any more
            pool = make(workers)


def death(make, directory):
    """Of 8 tasks on 4 workers, the first one's worker is killed. Seconds until its error is known and the pool is whole again; how many
    of the tasks had no result."""
    workers, count = 4, 8
    for name in ("running", "killed", "known", "before"):
        os.mkdir(os.path.join(directory, name))
    pool = run_all_at_once(make, make(workers), workers, os.path.join(directory, "before"))
    begun = [pool.begin(tasks.run_until_death, directory, workers, number) for number in range(count)]
    error = outcome(pool, begun[0], 5)
    if error is None or timed_out(error):
        raise NotDone("the task whose worker is killed never ends")
    tasks.note(os.path.join(directory, "known"), 0)
    lost = 1 + sum(outcome(pool, task, 5) is not None for task in begun[1:])
    pool = run_all_at_once(make, pool, workers, directory)
    killed, = os.listdir(os.path.join(directory, "killed"))
    took = time.monotonic() - int(killed) / 1e9
    pool.close()
    return took, lost


def py_death(make, library):
    with tempfile.TemporaryDirectory() as directory:
        return death(make, directory)[0] * 1e3


def py_death_lost(make, library):
    with tempfile.TemporaryDirectory() as directory:
        return death(make, directory)[1]


# --- what prong adds to a task ---


def added(count, plain, more):
    """Microseconds a task that more() takes longer than plain(), for so many tasks: the median of some turns."""
    spans = []
    for _ in range(7):
        first = now()
        plain()
        second = now()
        more()
        spans.append(now() - second - (second - first))
    return statistics.median(spans) / count * 1e6


def py_inline(make, library):
    import prong
    with prong.Pool(prong.INLINE) as pool:
        def plain():
            for n in range(20000):
                tasks.same(n)

        def more():
            apply = pool.apply
            for n in range(20000):
                apply(tasks.same, (n,))
        return added(20000, plain, more)


def py_share(make, library):
    import prong
    table = tuple(range(1000))
    with prong.Pool(WORKERS) as pool, prong.share(table) as shared:
        def run(first):
            pool.starmap(tasks.first_of, [(first, n) for n in range(20000)], 1)
        return added(20000, lambda: run((0, 1)), lambda: run(shared))


def py_journal(make, library):
    import prong
    with prong.Pool(WORKERS) as pool, tempfile.TemporaryDirectory() as directory:
        def more():
            pool.map(tasks.same, range(20000), 1, journal=path)
            os.unlink(path)
        path = os.path.join(directory, "journal")
        return added(20000, lambda: pool.map(tasks.same, range(20000), 1), more)


def figure(library, row):
    make = getattr(libraries, library)
    try:
        return globals()[row](make, library)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "prong":
            raise
        return f"- {error}"
    except NotDone as error:
        return f"- {error}"
    finally:
        if hasattr(make, "finish"):
            make.finish()


def main(library, row):
    with os.fdopen(os.dup(1), "w") as output:
        os.dup2(2, 1)  # what a library prints is no figure
        print(figure(library, row), file=output)
    os._exit(0)  # a pool that has lost a task may wait for it forever


if __name__ == "__main__":
    main(*sys.argv[1:])
