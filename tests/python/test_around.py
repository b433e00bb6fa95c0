"""What goes around a pool's tasks: threads, CPUs, worker_exit, a worker's state, and seeds."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import unittest

import prong
from support import InMethod, for_each_method, installed

SOON = 30


# ------------------------------------------------ what workers run ------------------------------------------------


def variables(names):
    return [os.environ.get(name) for name in names], subprocess.check_output(f"echo ${names[0]}", shell=True, text=True).split()


def bound(x):
    time.sleep(0.002)
    return prong.worker_id(), sorted(os.sched_getaffinity(0))


def begin():
    prong.worker_state()["count"] = 0


def count(x):
    state = prong.worker_state()
    state["count"] += 1
    return prong.worker_id(), state["count"]


def end(path):
    with open(path, "a") as file:
        file.write(f"{os.getpid()} {prong.worker_state().get('count')}\n")


class End:
    def __init__(self, path, error=False):
        self.path, self.error = path, error

    def __call__(self):
        end(self.path)
        if self.error:
            sys.excepthook = lambda *told: None  # to which it is reported
            raise ValueError("no good end")


def hang():
    time.sleep(SOON * 10)


def draw(x):
    return x, prong.task_seed(), random.random()


def draw_both(x, y):
    return draw((x, y))


def draw_numpy(x):
    import numpy.random
    return float(numpy.random.random())


def pid(x):
    return os.getpid()


def in_child():
    with prong.get_context("fork").Pool(1, initializer=begin) as pool:
        return pool.apply(count, (0,))


# ------------------------------------------------ the tests ------------------------------------------------


def note(value):
    prong.worker_state().setdefault("noted", []).append(value)


def noted(x):
    time.sleep(0.002)
    return prong.worker_state().get("noted")


def refuse(value):
    raise KeyError(value)


def refuse_at_length(value):
    raise ValueError(value * 10000)


def die_first(path):
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return note("after")
    os.kill(os.getpid(), signal.SIGKILL)


class AroundTests(InMethod):
    def lines(self, path):
        try:
            with open(path) as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def path(self):
        path = f"/tmp/prong-around-{os.getpid()}-{time.monotonic_ns()}"
        self.addCleanup(lambda: os.path.exists(path) and os.unlink(path))
        return path

    def test_libraries_of_workers_start_so_many_threads(self):
        names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"]
        with self.context.Pool(1, threads_per_worker=3) as pool:
            self.assertEqual(pool.apply(variables, (names,)), (["3"] * 4, ["3"]))
        self.assertNotEqual(os.environ.get("OMP_NUM_THREADS"), "3")

    def test_workers_are_bound_to_cpus_in_turn(self):
        usable = sorted(os.sched_getaffinity(0))
        with self.context.Pool(2, cpus=[usable[0], [usable[-1]]]) as pool:
            for place, cpus in pool.map(bound, range(20), 1):
                self.assertEqual(cpus, [usable[0 if place == 0 else -1]])
        self.assertEqual(sorted(os.sched_getaffinity(0)), usable)

    def test_a_worker_has_a_state_until_its_exit(self):
        path = self.path()
        with self.context.Pool(2, initializer=begin, worker_exit=End(path)) as pool:
            self.assertLessEqual({place for place, _ in pool.map(count, range(20), 1)}, {0, 1})
            self.assertEqual(self.lines(path), [])
            pool.close()
            self.assertTrue(pool.join(SOON))
            self.assertEqual(pool.deaths(), 0)
        self.assertEqual(sum(int(line.split()[1]) for line in self.lines(path)), 20)

    def test_exit_runs_after_maxtasksperchild(self):
        path = self.path()
        with self.context.Pool(1, maxtasksperchild=1, worker_exit=End(path)) as pool:
            pids = pool.map(pid, range(3), 1)
            pool.close()
            pool.join(SOON)
        self.assertLessEqual({str(pid) for pid in pids}, {line.split()[0] for line in self.lines(path)})

    def test_exit_does_not_run_in_a_worker_that_is_killed(self):
        path = self.path()
        with self.context.Pool(1, worker_exit=End(path)) as pool:
            os.kill(pool.apply(pid, (0,)), signal.SIGKILL)
            while not pool.deaths():
                time.sleep(0.01)
            pool.apply(pid, (0,))
        self.assertEqual(self.lines(path), [])

    def test_an_exit_that_raises_counts_as_a_death(self):
        path = self.path()
        with self.context.Pool(1, worker_exit=End(path, error=True)) as pool:
            pool.apply(pid, (0,))
            pool.close()
            self.assertTrue(pool.join(SOON))
            self.assertEqual(pool.deaths(), 1)
        self.assertEqual(len(self.lines(path)), 1)

    def test_an_exit_that_hangs_is_killed(self):
        with self.context.Pool(1, worker_exit=hang, worker_exit_timeout=0.2) as pool:
            pool.apply(pid, (0,))
            pool.close()
            self.assertTrue(pool.join(SOON))
            self.assertEqual(pool.deaths(), 1)

    def test_everywhere_is_called_in_each_worker_and_later_ones(self):
        with self.context.Pool(2, maxtasksperchild=3) as pool:
            pool.everywhere(note, 1, timeout=SOON)
            pool.everywhere(note, 2, timeout=SOON)
            self.assertEqual(pool.map(noted, range(20), 1), [[1, 2]] * 20)

    def test_what_it_raises_everywhere_is_raised(self):
        with self.context.Pool(2) as pool:
            with self.assertRaises(KeyError) as caught:
                pool.everywhere(refuse, "this", timeout=SOON)
            self.assertEqual(caught.exception.args, ("this",))
            with self.assertRaisesRegex(prong.ProcessError, "ValueError: xxx"):
                pool.everywhere(refuse_at_length, "x", timeout=SOON)
            pool.everywhere(note, 1, timeout=SOON)
            self.assertEqual(pool.apply(noted, (0,)), [1])
            if installed("cloudpickle"):
                pool.everywhere(lambda: note(2), timeout=SOON)
                self.assertEqual(pool.apply(noted, (0,)), [1, 2])
            with self.assertRaisesRegex(TypeError, "lock"):
                pool.everywhere(note, threading.Lock())

    def test_everywhere_waits_for_a_busy_worker(self):
        with self.context.Pool(1) as pool:
            result = pool.apply_async(time.sleep, (0.3,))
            while not any(busy for _, busy, _ in pool._core.workers()):
                time.sleep(0.001)
            with self.assertRaises(prong.TimeoutError):
                pool.everywhere(note, 1, timeout=0.01)
            pool.everywhere(note, 2, timeout=SOON)
            self.assertTrue(result.ready())
            self.assertEqual(pool.apply(noted, (0,)), [1, 2])

    def test_a_worker_that_dies_of_it_has_its_successor_call_it(self):
        path = self.path()
        with self.context.Pool(1) as pool:
            pool.everywhere(die_first, path, timeout=SOON)
            self.assertEqual(pool.apply(noted, (0,)), ["after"])
            self.assertEqual(pool.deaths(), 1)
            pool.close()
            with self.assertRaises(ValueError):
                pool.everywhere(note, 1)

    def test_seeds_do_not_depend_on_workers_or_chunks(self):
        runs = []
        for workers, chunksize in ((1, 1), (2, None), (2, 7)):
            with self.context.Pool(workers) as pool:
                runs.append(pool.map(draw, range(30), chunksize, seed=42))
                runs.append(list(pool.imap(draw, range(30), chunksize or 3, seed=42)))
                runs.append(sorted(pool.imap_unordered(draw, range(30), chunksize or 3, seed=42)))
        self.assertTrue(all(run == runs[0] for run in runs))
        self.assertEqual(len({drawn for _, _, drawn in runs[0]}), 30)
        self.assertEqual([seed for _, seed, _ in runs[0]], [prong._core._seed(42, i) for i in range(30)])

    def test_seeds_of_starmap(self):
        with self.context.Pool(2) as pool:
            pairs = [(x, -x) for x in range(10)]
            drawn = pool.starmap(draw_both, pairs, 3, seed=1)
            self.assertEqual([pair for pair, _, _ in drawn], pairs)
            self.assertEqual(drawn, pool.starmap_async(draw_both, pairs, 1, seed=1).get(SOON))
            self.assertEqual(pool.map(draw, [1])[0][1], None)

    def test_a_worker_in_a_worker_has_its_own_state(self):
        with self.context.Pool(1, initializer=begin) as pool:
            pool.apply(count, (0,))
            self.assertEqual(pool.apply(in_child), (0, 1))
            self.assertEqual(pool.apply(count, (0,)), (0, 2))


ForkTest, SpawnTest, ForkServerTest = for_each_method(AroundTests)


class Arguments(unittest.TestCase):
    def test_what_cannot_be_is_refused(self):
        absent = max(os.sched_getaffinity(0)) + 1
        for error, options in ((ValueError, {"threads_per_worker": 0}), (ValueError, {"threads_per_worker": "2"}),
                               (TypeError, {"worker_exit": 3}), (ValueError, {"worker_exit_timeout": 3}),
                               (TypeError, {"cpus": ["x"]}), (ValueError, {"cpus": []}), (ValueError, {"cpus": [[]]}),
                               (ValueError, {"cpus": [-1]})):
            with self.subTest(options), self.assertRaises(error):
                prong.Pool(1, **options)
        with self.assertRaisesRegex(ValueError, f"CPU {absent}, which this process may not use"):
            prong.Pool(1, cpus=[absent])

    def test_seeds_that_are_none(self):
        with prong.Pool(1) as pool:
            for error, seed in ((TypeError, "x"), (TypeError, 1.5), (ValueError, -1), (ValueError, 1 << 64)):
                with self.subTest(seed), self.assertRaises(error):
                    pool.map(draw, [1], seed=seed)

    def test_outside_of_a_worker(self):
        self.assertIsNone(prong.worker_id())
        self.assertIsNone(prong.task_seed())
        with self.assertRaises(RuntimeError):
            prong.worker_state()

    def test_numpy_is_seeded(self):
        try:
            import numpy.random  # noqa: F401
        except ImportError:
            self.skipTest("numpy is not installed")
        with prong.get_context("fork").Pool(2) as pool:
            first = pool.map(draw_numpy, range(10), 1, seed=3)
            self.assertEqual(first, pool.map(draw_numpy, range(10), 4, seed=3))
            self.assertEqual(len(set(first)), 10)

    def test_a_pool_with_its_own_processes_has_none_of_it(self):
        class Own(prong.pool.Pool):
            def _setup_queues(self):
                raise AssertionError

        with self.assertRaisesRegex(ValueError, "brings its own"):
            Own(1, threads_per_worker=1)


if __name__ == "__main__":
    unittest.main()
