"""Supervisors: Python functions and programs, kept running."""

import os
import signal
import sys
import threading
import time
import unittest

import prong
from prong._impl.supervisor import _forked
from support import METHODS, SOON

KILLED_WITHIN = 10  # seconds, on a busy machine; a moment elsewhere


def serve(log, number):
    """Runs until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log.put((number, os.getpid()))
    while True:
        time.sleep(0.05)  # a signal that comes just before a sleep does not end it


def count_and_fail(counter, failures):
    with counter.get_lock():
        counter.value += 1
        failed = counter.value <= failures
    sys.exit(5 if failed else 0)


def refuse(log):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    log.put(os.getpid())
    time.sleep(SOON)


def tell_and_have_children(log):
    """A child may have children of its own, daemonic or not."""
    child = prong.Process(target=log.put, args=("from below",))
    child.start()
    child.join(SOON)


def run(supervisor):
    supervisor.run(SOON)


def add_one(supervisor, log, method):
    if method == "fork":
        supervisor.add_child(prong.Child(program=["sleep", str(SOON * 4)]), 0)
    else:
        supervisor.add_child(prong.Child(serve, (log, 1)), 0)


def drive(supervisor, until):
    end = time.monotonic() + SOON
    while not until():
        if supervisor.run(0.02):
            raise AssertionError("it has ended")
        if time.monotonic() > end:
            raise AssertionError("it takes too long")


def is_gone(pid):
    """Whether it is no process any more, or one that nobody has reaped."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def await_gone(pids):
    end = time.monotonic() + KILLED_WITHIN
    while time.monotonic() < end:
        if all(map(is_gone, pids)):
            return True
        time.sleep(0.01)
    return False


class SupervisorTest(unittest.TestCase):
    def each_method(self):
        for method in METHODS:
            with self.subTest(method=method):
                yield prong.get_context(method)

    def test_children_run_and_end_in_order(self):
        for ctx in self.each_method():
            log = ctx.Queue()
            with prong.Supervisor([prong.Child(serve, (log, 1)), prong.Child(serve, (log,), {"number": 2}, name="two")],
                                  ctx=ctx) as supervisor:
                self.assertEqual([child.phase for child in supervisor.children()], ["down", "down"])
                drive(supervisor, lambda: log.qsize() == 2)
                told = dict(log.get(timeout=SOON) for _ in range(2))
                one, two = supervisor.children()
                self.assertEqual((one.name, one.phase, one.pid, one.exitcode, one.restarts, one.failure),
                                 ("Child-1", "running", told[1], None, 0, ""))
                self.assertEqual((two.name, two.pid), ("two", told[2]))
                self.assertIs(supervisor.stop(0), False)
                self.assertIs(supervisor.stop(SOON), True)
                self.assertEqual([(child.phase, child.pid, child.exitcode) for child in supervisor.children()], [("down", None, 0)] * 2)
            with self.assertRaises(ValueError):
                supervisor.run(0)

    def test_a_transient_child_is_restarted_after_failures(self):
        for ctx in self.each_method():
            counter = ctx.Value("i", 0)
            supervisor = prong.Supervisor([prong.Child(count_and_fail, (counter, 2), restart="transient")], backoff=0, ctx=ctx)
            self.assertIs(supervisor.run(SOON), True)
            [child] = supervisor.children()
            self.assertEqual((child.restarts, child.exitcode, counter.value), (2, 0, 3))
            supervisor.close()

    def test_it_gives_up_and_names_the_child(self):
        for ctx in self.each_method():
            counter = ctx.Value("i", 0)
            supervisor = prong.Supervisor([prong.Child(count_and_fail, (counter, 1000), name="bad")], intensity=1, period=60, backoff=0,
                                          name="shop", ctx=ctx)
            with self.assertRaisesRegex(prong.SupervisorGaveUp, "supervisor 'shop'.*'bad' ended with code 5, after 1 restarts"):
                supervisor.run(SOON)
            self.assertEqual(counter.value, 2)
            supervisor.close()

    def test_no_restart_with_an_intensity_of_0(self):
        counter = prong.Value("i", 0)
        with self.assertRaises(prong.SupervisorGaveUp):
            prong.Supervisor([prong.Child(count_and_fail, (counter, 1))], intensity=0).run(SOON)

    def test_a_lambda_runs_by_fork(self):
        log = prong.get_context("fork").SimpleQueue()
        supervisor = prong.Supervisor([prong.Child(lambda: log.put(3), restart="temporary")], ctx=prong.get_context("fork"))
        self.assertTrue(supervisor.run(SOON))
        self.assertEqual(log.get(), 3)
        self.assertTrue(supervisor.run(SOON))  # once more
        self.assertEqual(log.get(), 3)

    def test_a_child_may_have_children(self):
        for ctx in self.each_method():
            log = ctx.Queue()
            supervisor = prong.Supervisor([prong.Child(tell_and_have_children, (log,), restart="temporary")], ctx=ctx)
            self.assertTrue(supervisor.run(SOON))
            self.assertEqual(log.get(timeout=SOON), "from below")
            self.assertEqual(supervisor.children()[0].exitcode, 0)

    def test_who_refuses_to_end_is_killed(self):
        for ctx in self.each_method():
            log = ctx.Queue()
            supervisor = prong.Supervisor([prong.Child(refuse, (log,), grace=0.1)], ctx=ctx)
            drive(supervisor, lambda: log.qsize() == 1)
            self.assertTrue(supervisor.stop(SOON))
            self.assertEqual(supervisor.children()[0].exitcode, -signal.SIGKILL)

    def test_another_process_runs_it_and_its_death_ends_the_children(self):
        for ctx in self.each_method():
            log = ctx.Queue()
            supervisor = prong.Supervisor([prong.Child(serve, (log, 1)), prong.Child(program=["sleep", str(SOON * 4)])], ctx=ctx)
            for kill in False, True:
                boss = ctx.Process(target=run, args=(supervisor,))
                boss.start()
                pid = log.get(timeout=SOON)[1]
                end = time.monotonic() + SOON
                while None in (pids := [child.pid for child in supervisor.children()]) and time.monotonic() < end:
                    time.sleep(0.01)
                self.assertEqual(pids[0], pid)
                with self.assertRaises(prong.ProcessError):
                    supervisor.run(0)
                if kill:
                    os.kill(boss.pid, signal.SIGKILL)
                    boss.join(SOON)
                else:
                    self.assertTrue(supervisor.stop(SOON))
                    boss.join(SOON)
                    self.assertEqual(boss.exitcode, 0)
                self.assertTrue(await_gone(pids))
            self.assertEqual([child.phase for child in supervisor.children()], ["down"] * 2)
            supervisor.close()

    def test_another_thread_stops_it(self):
        log = prong.Queue()
        supervisor = prong.Supervisor([prong.Child(serve, (log, 1))])
        results = []
        thread = threading.Thread(target=lambda: results.append(supervisor.run(SOON)))
        thread.start()
        log.get(timeout=SOON)
        self.assertTrue(supervisor.stop(SOON))
        thread.join(SOON)
        self.assertEqual(results, [True])

    def test_ctrl_c_ends_the_wait(self):
        log = prong.Queue()
        supervisor = prong.Supervisor([prong.Child(serve, (log, 1))])
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with self.assertRaises(KeyboardInterrupt):
            supervisor.run(SOON)
        self.assertTrue(supervisor.stop(SOON))

    def test_sigterm_stops_one_that_takes_signals(self):
        log = prong.Queue()
        supervisor = prong.Supervisor([prong.Child(serve, (log, 1))], stop_on_signals=True)
        boss = prong.Process(target=run, args=(supervisor,))
        boss.start()
        log.get(timeout=SOON)
        boss.terminate()
        boss.join(SOON)
        self.assertEqual(boss.exitcode, 0)
        self.assertEqual(supervisor.children()[0].exitcode, 0)


class ChangingTest(unittest.TestCase):
    """Children that come and go."""

    def test_children_are_added_stopped_started_and_removed(self):
        for method in METHODS:
            with self.subTest(method=method):
                ctx = prong.get_context(method)
                log = ctx.Queue()
                supervisor = prong.Supervisor(stays=True, backoff=0, ctx=ctx)
                thread = threading.Thread(target=supervisor.run, args=(SOON,))
                thread.start()
                self.assertTrue(supervisor.add_child(prong.Child(serve, (log, 1)), SOON))
                pid = log.get(timeout=SOON)[1]
                [child] = supervisor.children()
                self.assertEqual((child.name, child.phase, child.pid), ("Child-1", "running", pid))
                self.assertGreaterEqual(child.seconds, 0)
                with self.assertRaises(FileExistsError):
                    supervisor.add_child(prong.Child(serve, (log, 1), name="Child-1"), SOON)
                self.assertTrue(supervisor.stop_child("Child-1", SOON))
                self.assertEqual([(child.phase, child.exitcode) for child in supervisor.children()], [("down", 0)])
                self.assertTrue(supervisor.start_child("Child-1", SOON))
                self.assertNotEqual(log.get(timeout=SOON)[1], pid)
                self.assertTrue(supervisor.add_child(prong.Child(program=["sleep", str(SOON * 4)]), SOON))
                self.assertEqual([child.name for child in supervisor.children()], ["Child-1", "Child-2"])
                self.assertTrue(supervisor.remove_child("Child-1", SOON))
                self.assertEqual([child.name for child in supervisor.children()], ["Child-2"])
                with self.assertRaises(FileNotFoundError):
                    supervisor.remove_child("Child-1", SOON)
                self.assertTrue(supervisor.stop(SOON))
                thread.join(SOON)
                supervisor.close()
        self.assertEqual(prong._impl.supervisor._forked, {})

    def test_threads_add_children_without_names(self):
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)
        with prong.Supervisor([], stays=True, ctx=prong.get_context("fork")) as supervisor:
            threads = [threading.Thread(target=supervisor.add_child, args=(prong.Child(time.sleep, (1,)), 0)) for _ in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len({child.name for child in supervisor.children()}), 20)

    def test_one_that_cannot_be_described_leaves_nothing(self):
        with prong.Supervisor([], stays=True, ctx=prong.get_context("fork")) as supervisor:
            before = len(_forked)
            self.assertRaises(UnicodeEncodeError, supervisor.add_child, prong.Child(time.sleep, name="\udc80"))
            self.assertEqual(len(_forked), before)

    def test_another_process_adds_one(self):
        """To a supervisor that this one runs; a function, but by fork."""
        for method in METHODS:
            with self.subTest(method=method):
                ctx = prong.get_context(method)
                log = ctx.Queue()
                supervisor = prong.Supervisor(stays=True, ctx=ctx)
                adder = ctx.Process(target=add_one, args=(supervisor, log, method))
                adder.start()
                while not supervisor.children():
                    self.assertFalse(supervisor.run(0.02))
                adder.join(SOON)
                if method != "fork":
                    drive(supervisor, lambda: log.qsize() == 1)
                self.assertTrue(supervisor.stop(SOON))
                supervisor.close()

    def test_one_that_cannot_be_started_is_named(self):
        supervisor = prong.Supervisor(stays=True)
        self.assertFalse(supervisor.run(0))
        with self.assertRaisesRegex(prong.ProcessError, "/no/such/program"):
            supervisor.add_child(prong.Child(program=["/no/such/program"], restart="temporary"), SOON)
        self.assertTrue(supervisor.stop(SOON))


class ProgramTest(unittest.TestCase):
    def test_a_program_runs_with_its_environment_and_directory(self):
        for method in METHODS:
            with self.subTest(method=method):
                script = "test $VALUE = 42 && test $PWD = / && exit 7"
                supervisor = prong.Supervisor(
                    [prong.Child(program=["sh", "-c", script], environment={"VALUE": "42", "PATH": os.environ["PATH"]}, directory="/",
                                 restart="temporary", end_descendants=True)], ctx=prong.get_context(method))
                self.assertTrue(supervisor.run(SOON))
                self.assertEqual(supervisor.children()[0].exitcode, 7)

    def test_one_that_is_not_there_is_named(self):
        supervisor = prong.Supervisor([prong.Child(program=["/no/such/program"])], intensity=0)
        with self.assertRaisesRegex(prong.SupervisorGaveUp, "/no/such/program"):
            supervisor.run(SOON)
        [child] = supervisor.children()
        self.assertEqual(child.exitcode, 127)
        self.assertIn("/no/such/program", child.failure)


class MistakeTest(unittest.TestCase):
    def test_what_makes_no_sense_is_refused(self):
        for wrong, text in (({}, "either a target or a program"), ({"target": print, "program": ["ls"]}, "either a target or a program"),
                            ({"target": print, "directory": "/"}, "of a program"), ({"target": print, "restart": "often"}, "'often'")):
            with self.assertRaisesRegex(ValueError, text):
                prong.Child(**wrong)
        for wrong in {"target": 3}, {"program": "ls -l"}:
            with self.assertRaises(TypeError):
                prong.Child(**wrong)
        child = prong.Child(print)
        for options in ({"strategy": "all"}, {"intensity": -1}, {"period": 0}, {"backoff": -1}, {"intensity": 5000}):
            with self.assertRaises(ValueError, msg=options):
                prong.Supervisor([child], **options)
        for none in (), []:
            with self.assertRaises(ValueError):
                prong.Supervisor(none)
        with self.assertRaisesRegex(ValueError, "two children are named 'x'"):
            prong.Supervisor([prong.Child(print, name="x"), prong.Child(print, name="x")])
        with self.assertRaises(TypeError):
            prong.Supervisor([print])
        self.assertEqual(prong._impl.supervisor._forked, {})


if __name__ == "__main__":
    unittest.main()
